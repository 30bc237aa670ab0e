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
#include "app/own_options.h"

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
#define SECTION(title)
#include "serve/settings.def"
#undef SECTION
#undef SETTING

    /* What belongs to the settings, and options of the program's own, as
     * ed_option() declared them. */
    struct ed_settings_inside *inside;
};

struct ed_settings_from {
    const char *program; /* how errors begin */
    const char *section; /* of the file: "serve" */
    const char *usage;   /* of --help, behind "usage: " */
    const struct ed_option *own;
    const struct ed_option_default *defaults;
    unsigned arguments; /* how many there may be besides options */
    bool module;        /* the first of these is a file that has to be there */
};

/* What reading the sources comes to when it is not an exit status. */
enum { ED_SETTINGS_GO_ON = -1 };

/*
 * Reads all sources. --help, --version, --check and --print-config are
 * answered on standard output. `from` and argv stay as long as the settings.
 *
 * Returns ED_SETTINGS_GO_ON, or an exit status: 0 when all that was asked for
 * was told, 1 when the file cannot be read, 2 for wrong usage or values. Each
 * error is a line on standard error that names its place: "eddy.conf:12:
 * workers 'x' is no whole number".
 */
ED_CHECK int ed_settings_read(struct ed_settings *settings,
                              const struct ed_settings_from *from, int argc,
                              char **argv);

/* The i-th argument that is no option; NULL: there is none. */
const char *ed_settings_argument(const struct ed_settings *settings, size_t i);

/* Reads the sources of `settings` again. 0 or ED_EPARSE, the reasons being in
 * the log and *fresh not to be freed. */
ED_CHECK int ed_settings_reread(const struct ed_settings *settings,
                                struct ed_settings *fresh);

/* Gives the program's own options the values they have in these settings.
 * ed_settings_read() and ed_settings_take() have done so; what was read again
 * waits for it. They stay as long as the process: it may have kept them. */
void ed_settings_publish(const struct ed_settings *settings);

/* Whether they fit together, and what they name is there: errors on standard
 * error. How many there were. */
unsigned ed_settings_check(const struct ed_settings *settings);

/* A file that says the same: each setting with what it does, where its value
 * comes from, and commented if that is the default. */
void ed_settings_print(const struct ed_settings *settings, FILE *out);

/* Hands them to another process, as they are: by memory (handed.h), since they
 * may hold passwords. Giving returns a descriptor, or an error; taking 0,
 * -errno or ED_EPARSE, the descriptor staying open. */
ED_CHECK int ed_settings_give(const struct ed_settings *settings);
ED_CHECK int ed_settings_take(struct ed_settings *settings,
                              const struct ed_settings_from *from, int fd);

void ed_settings_free(struct ed_settings *settings);

#endif
