/*
 * commands.h - the sub-commands of `eddy`, and what they share.
 */
#ifndef EDDY_CLI_COMMANDS_H
#define EDDY_CLI_COMMANDS_H

#define EXIT_FAILED 1
#define EXIT_USAGE  2

/* Says on standard error what is wrong with the command line, and where help
 * is: that of the command whose name the text begins with. Returns
 * EXIT_USAGE. */
int usage_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same of an option that getopt_long(), told to be silent, has just
 * answered with '?': `text` is the argument it came from. Suggests what was
 * meant. */
struct option;
int option_error(const char *command, const struct option *options,
                 const char *text);

/* Each is given its own name as argv[0], shows its help for --help, and
 * returns the exit status. */
int console_main(int argc, char **argv);
int ctl_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int demo_service_main(int argc, char **argv);
int fetch_main(int argc, char **argv);
int serve_main(int argc, char **argv);
int top_main(int argc, char **argv);

#endif
