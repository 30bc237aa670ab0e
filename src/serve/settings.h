/*
 * settings.h - what a server is told by its command line, its environment and
 * its file.
 *
 * Flags win over variables, these over the file, that over the defaults.
 * settings.def is the one table.
 */
#ifndef EDDY_SERVE_SETTINGS_H
#define EDDY_SERVE_SETTINGS_H

#include <eddy/api.h>
#include <stdio.h>

/* Texts of a LIST; ends with NULL. */
struct ed_texts {
    const char **each;
    size_t count;
};

struct ed_settings {
#define ED_MEMBER_LIST  struct ed_texts
#define ED_MEMBER_TEXT  const char *
#define ED_MEMBER_FLAG  bool
#define ED_MEMBER_COUNT unsigned
#define ED_MEMBER_TIME  int64_t
#define ED_MEMBER_SIZE  size_t
#define ED_MEMBER_MODE  int /* -1: not set */
#define ED_MEMBER_RATE  double
#define SETTING(kind, member, name, placeholder, value, help) \
    ED_MEMBER_##kind member;
#include "serve/settings.def"
#undef SETTING

    /* What belongs to the settings, and options of the program's own, as
     * ed_option() declared them. */
    struct ed_settings_inside *inside;
};

/* An option of the program's own: *value becomes what is said of it. */
struct ed_own_option {
    struct ed_own_option *next;
    const char *name;
    const char **value;
    const char *placeholder;
    const char *help;
};

/* What reading the command line comes to, when it is not to go on: an exit
 * status. */
enum { ED_SETTINGS_GO_ON = -1 };

/*
 * Reads all sources. `section` is that of the file ("serve"); `usage` the first
 * line of --help behind "usage: ". --help, --version, --check and
 * --print-config are answered on standard output.
 *
 * *argc and argv end up holding what is no option: argv[0] and the arguments
 * without dashes, for whoever takes some; with `arguments` false one is
 * refused.
 *
 * Returns ED_SETTINGS_GO_ON, or an exit status: 0 when all that was asked for
 * was told, 2 for wrong usage or a wrong value, each told in a line on standard
 * error that names the source: "eddy.conf:12: workers: 'x' is no whole
 * number".
 */
struct ed_settings_from {
    const char *program;
    const char *section;
    const char *usage;
    struct ed_own_option *own;
    bool arguments;
};
ED_CHECK int ed_settings_read(struct ed_settings *settings,
                              const struct ed_settings_from *from, int *argc,
                              char **argv);

/* Reads the sources again, for a reload. On success *settings is the new; on
 * failure it stays as it is, the reason being in the log. 0 or ED_EPARSE. */
ED_CHECK int ed_settings_reread(struct ed_settings *settings);

/* All settings as a file that says the same; what is default is commented. With
 * `all` nothing is: the form in which a master hands them to its workers. */
void ed_settings_print(const struct ed_settings *settings, FILE *out, bool all);

/* Takes what ed_settings_print(all) wrote, and nothing else, from a descriptor,
 * which stays open. 0, -errno or ED_EPARSE. */
ED_CHECK int ed_settings_take(struct ed_settings *settings,
                              const struct ed_settings_from *from, int fd);

void ed_settings_free(struct ed_settings *settings);

#endif
