/*
 * blocking.c - functions that block, without keeping the loop.
 *
 *     blocking FILE...
 *
 * Counts the lines of all files at once. count_lines() is ordinary code that
 * waits for the disk; it runs on the pool's threads, while the loop goes on.
 */
#include <eddy/blocking.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

#include <errno.h>
#include <stdio.h>

struct arguments {
    int count;
    char **paths;
};

/* [call] */
struct file {
    const char *path;
    long lines;
};

/* On a thread of the pool. */
static int count_lines(void *arg)
{
    struct file *file = arg;
    FILE *f = fopen(file->path, "r");
    if (!f)
        return -errno;
    for (int c; (c = getc(f)) != EOF;)
        file->lines += c == '\n';
    return fclose(f) ? -errno : 0;
}

/* In a fiber: waits, and lets the other fibers run. */
static int show_lines(void *arg)
{
    struct file file = {.path = arg};
    int err = ed_blocking(count_lines, &file);
    if (err)
        return ed_fail(err, "%s: %s", file.path, ed_err_text(err));
    printf("%7ld %s\n", file.lines, file.path);
    return 0;
}
/* [/call] */

static int show_all(void *arg)
{
    struct arguments *arguments = arg;
    ed_scope(s);

    for (int i = 0; i < arguments->count; i++)
        ed_go(s, show_lines, arguments->paths[i]);
    int err = ed_wait(s);
    if (err)
        fprintf(stderr, "blocking: %s\n", ed_error());
    return err;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {argc - 1, argv + 1};

    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: blocking FILE...\n");
        return 2;
    }
    return ed_run(show_all, &arguments) ? 1 : 0;
}
