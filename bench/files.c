/*
 * files.c - serves a directory, for the `static` benchmark.
 *
 *     files --listen 127.0.0.1:8080 --dir DIRECTORY [--believe SECONDS]
 */
#include <eddy/static.h>
#include <stdio.h>
#include <stdlib.h>

static const char *directory = ".";
static const char *believe = "0";

/* Before ed_main() reads its own options: the routes need them. */
static void read_option(const char *name, const char **value, int argc,
                        char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (ed_bytes_equal(ed_bytes(argv[i]), ed_bytes(name)))
            *value = argv[i + 1];
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    ed_option(app, "dir", &directory, "DIRECTORY", "what is served");
    ed_option(app, "believe", &believe, "SECONDS",
              "for how long an open file is not looked at (0)");
    read_option("--dir", &directory, argc, argv);
    read_option("--believe", &believe, argc, argv);
    (void)ed_static(app, "", directory,
                    .cache = strtol(believe, NULL, 10) * ED_S);
    return ed_main(app, argc, argv);
}
