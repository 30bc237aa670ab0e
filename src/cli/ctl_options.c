/*
 * ctl_options.c - the options of commands that look into a server.
 */
#include "commands.h"
#include "ctl.h"

#include <getopt.h>
#include <stdlib.h>

/* Of a command's own, beside --socket and --help. */
enum { OWN_MAX = 8 };

/* What getopt_long() gives for the n-th of these; below are letters. */
enum { OWN_FIRST = 256 };

static void list_options(const struct ctl_option *own,
                         struct option out[OWN_MAX + 3])
{
    int n = 0;

    out[n++] = (struct option){"socket", required_argument, NULL, 's'};
    out[n++] = (struct option){"help", no_argument, NULL, 'h'};
    for (int i = 0; own && own[i].name && i < OWN_MAX; i++)
        out[n++] = (struct option){
            own[i].name,
            own[i].takes_value ? required_argument : no_argument,
            NULL,
            OWN_FIRST + i,
        };
    out[n] = (struct option){0};
}

static int take(struct ctl *ctl, const struct ctl_options *o, int option,
                const struct option *options, char **argv)
{
    const char *command = ctl->command;

    switch (option) {
    case 's':
        ctl->wanted = optarg;
        return 0;
    case 'h':
        fputs(o->help, stdout);
        exit(0);
    case ':':
        return usage_error("%s: %s needs a value", command, argv[optind - 1]);
    case '?':
        return option_error(command, options, argv[optind - 1]);
    default:
        return o->own[option - OWN_FIRST].take(o->arg, optarg);
    }
}

int ctl_read_options(struct ctl *ctl, const struct ctl_options *o, int argc,
                     char **argv)
{
    struct option options[OWN_MAX + 3];
    int option, status = 0;

    list_options(o->own, options);
    opterr = 0;
    while (!status &&
           (option = getopt_long(argc, argv, ":h", options, NULL)) != -1)
        status = take(ctl, o, option, options, argv);
    if (!status && optind < argc)
        return usage_error("%s: what is '%s'?", ctl->command, argv[optind]);
    return status;
}
