/*
 * main.c - the command `eddy`: finds the sub-command and runs it.
 */
#include "app/app_internal.h"
#include "commands.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: not for people */
};

static int help_main(int argc, char **argv);
static int version_main(int argc, char **argv);

static const struct command commands[] = {
    {"console", console_main, "a running server in the browser, live"},
    {"ctl", ctl_main, "look into a running server, tell it what to do"},
    {"demo", demo_main, "many calls at once, a live wall, a chat"},
    {"demo-service", demo_service_main, NULL},
    {"fetch", fetch_main, "fetch URLs, all at once, and show the phases"},
    {"help", help_main, "this, or the help of one command"},
    {"serve", serve_main,
     "serve an app that is a module, by a master and workers"},
    {"top", top_main, "a running server in the terminal, live"},
    {"version", version_main, "the version"},
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* Room for the name of a command, and for what is told of an option. */
enum { NAME_SIZE = 32, OPTION_SIZE = 256 };

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}

int usage_error(const char *fmt, ...)
{
    char name[NAME_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args); /* what is cut off is not asked */
    va_end(args);
    name[strcspn(name, ": ")] = '\0';
    const struct command *command = find(name);
    bool told = command && command->help;

    fputs("eddy ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "; eddy help%s%s tells more\n", told ? " " : "",
            told ? name : "");
    return EXIT_USAGE;
}

int option_error(const char *command, const struct option *options,
                 const char *text)
{
    struct ed_suggestion best = {0};
    char name[OPTION_SIZE];

    /* What stumbled over a value is told by its number, like a letter. */
    for (const struct option *o = options; optopt && o->name; o++) {
        if (o->val == optopt && !strncmp(text, "--", 2) && strchr(text, '='))
            return usage_error("%s: --%s takes no value", command, o->name);
    }
    if (optopt)
        return usage_error("%s: no option '-%c'", command, optopt);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    for (const struct option *o = options; o->name; o++)
        ed_suggest(&best, name + 2, o->name); /* behind "--", as all begin */
    if (best.word)
        return usage_error("%s: no option '%s' (did you mean '--%s'?)", command,
                           name, best.word);
    return usage_error("%s: no option '%s'", command, name);
}

static int unknown(const char *name)
{
    struct ed_suggestion best = {0};

    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help)
            ed_suggest(&best, name, commands[i].name);
    }
    if (best.word)
        return usage_error("has no command '%s' (did you mean '%s'?)", name,
                           best.word);
    return usage_error("has no command '%s'", name);
}

static void show_commands(void)
{
    fputs("usage: eddy COMMAND [ARGUMENT...]\n\n", stdout);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (commands[i].help)
            printf("  %-10s %s\n", commands[i].name, commands[i].help);
    }
    fputs("\neddy help COMMAND tells more about one of them.\n", stdout);
}

static int version_main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help"))
        return usage_error("version: what is '%s'?", argv[1]);
    puts("eddy " EDDY_VERSION);
    return 0;
}

/* `eddy help fetch` is `eddy fetch --help`. */
static int help_main(int argc, char **argv)
{
    char option[] = "--help";

    if (argc < 2 || !strcmp(argv[1], option) || !strcmp(argv[1], "help")) {
        show_commands();
        return 0;
    }
    const struct command *command = find(argv[1]);
    if (!command)
        return unknown(argv[1]);
    char *its_argv[] = {argv[1], option, NULL};
    return command->run(2, its_argv);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";

    if (!strcmp(name, "--help") || !strcmp(name, "-h"))
        name = "help";
    else if (!strcmp(name, "--version") || !strcmp(name, "-V"))
        name = "version";
    const struct command *command = find(name);
    if (!command)
        return unknown(name);
    return command->run(argc > 1 ? argc - 1 : argc, argc > 1 ? argv + 1 : argv);
}
