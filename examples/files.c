/*
 * files.c - serves a folder, as `python3 -m http.server` does.
 *
 *     files [FOLDER] [--listen 127.0.0.1:8000]
 */
#include <eddy/eddy.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *folder = ".";
    if (argc > 1 && argv[1][0] != '-') {
        folder = argv[1];
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    ed_app *app = ed_app_new();
    if (ed_static(app, "", folder, .list = true)) {
        ed_app_free(app);
        return 2; /* the log has the reason */
    }
    return ed_main(app, argc, argv);
}
