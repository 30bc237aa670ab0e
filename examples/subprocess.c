/*
 * subprocess.c - other programs, all at once, with a time limit for all.
 *
 *     subprocess MILLISECONDS COMMAND...
 *
 * Runs every command in a shell and prints what each said. The first to fail
 * ends the others, and so does the time.
 */
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/process.h>

#include <stdio.h>

struct arguments {
    int64_t within;
    char **commands; /* up to a NULL */
};

/* [command] */
static int run_command(void *arg)
{
    const char *text = arg;
    struct ed_output said;

    int err = ed_command(&said, ED_SHELL(text), .limit = 64 * 1024);
    if (err)
        return err; /* ed_error(): "sh: exit status 2: no such file" */
    printf("%s: %s%s", text, said.out.ptr, said.out.len ? "" : "\n");
    return 0;
}

static int run_all(void *arg)
{
    struct arguments *arguments = arg;
    ed_scope(s, .within = arguments->within);

    for (char **command = arguments->commands; *command; command++)
        ed_go(s, run_command, *command);
    int err = ed_wait(s);
    if (err)
        fprintf(stderr, "subprocess: %s %s\n", ed_err_text(err), ed_error());
    return err;
}
/* [/command] */

int main(int argc, char **argv)
{
    int64_t ms = 0;

    if (argc < 3 || ed_bytes_int(ed_bytes(argv[1]), &ms) || ms <= 0) {
        fprintf(stderr, "usage: subprocess MILLISECONDS COMMAND...\n");
        return 2;
    }
    struct arguments arguments = {ms * ED_MS, argv + 2};
    return ed_run(run_all, &arguments) ? 1 : 0;
}
