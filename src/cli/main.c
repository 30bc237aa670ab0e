/*
 * main.c - the command `eddy`: finds the sub-command and runs it.
 */
#include "commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not for people */
};

static const struct command commands[] = {
    {"demo", demo_main, "a page built from many slow services"},
    {"demo-service", demo_service_main, NULL},
};

int usage_error(const char *fmt, ...)
{
    va_list args;

    fputs("eddy ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("; eddy help tells more\n", stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(name, commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return usage_error("no command '%s'", name);
}
