/*
 * settings_internal.h - the inside of settings, for the files that read and
 * write them.
 */
#ifndef EDDY_SERVE_SETTINGS_INTERNAL_H
#define EDDY_SERVE_SETTINGS_INTERNAL_H

#include <eddy/arena.h>
#include <eddy/bytes.h>
#include "serve/settings.h"

enum ed_setting_kind {
    ED_SETTING_LIST,
    ED_SETTING_TEXT,
    ED_SETTING_FLAG,
    ED_SETTING_COUNT,
    ED_SETTING_TIME,
    ED_SETTING_SIZE,
    ED_SETTING_MODE,
    ED_SETTING_RATE,
    ED_SETTING_SECTION, /* a title for those behind it */
};

struct ed_setting {
    enum ed_setting_kind kind;
    size_t offset;
    const char *name;        /* a section's title */
    const char *placeholder; /* NULL: a flag */
    const char *value;       /* the default; NULL: none */
    const char *help;
};

extern const struct ed_setting ed_settings_table[];
extern const size_t ed_settings_count;

/* Where a value came from, in the order in which they win. */
enum ed_setting_source {
    ED_FROM_DEFAULT,
    ED_FROM_PROGRAM,
    ED_FROM_FILE,
    ED_FROM_ENV,
    ED_FROM_FLAG,
};

/* What is remembered of each setting. */
struct ed_setting_note {
    enum ed_setting_source source;
    const char *place; /* "eddy.conf:12", "$EDDY_WORKERS", "--workers" */
};

/* And of each option of the program's own. */
struct ed_own_note {
    enum ed_setting_source source;
    const char *place;
    const char *text;    /* as it was said; NULL: nothing was */
    const char *initial; /* what the program has without */
};

struct ed_settings_inside {
    const struct ed_settings_from *from;
    ed_arena *arena;
    int argc;
    char **argv;      /* NULL: another process has read and checked them */
    const char *file; /* as it was named; NULL: none */
    const char *path; /* the same from any directory */
    const char **arguments;
    size_t argument_count;
    struct ed_setting_note *notes; /* one a setting */
    struct ed_own_note *own;       /* in the order of the options */
    unsigned errors;
    bool to_log; /* errors go there, and not to standard error: the process has
                  * begun, and is where `workdir` is */
};

/* ---- settings.c ---- */

/* Sets a value from a text, and says so when it is none. `place` is where it
 * stands. */
void ed_settings_set(struct ed_settings *s, const struct ed_setting *setting,
                     enum ed_setting_source source, const char *place,
                     struct ed_bytes text);

const struct ed_setting *ed_settings_find(struct ed_bytes name);

/* Starts with nothing said. 0 or ED_ENOMEM. */
ED_CHECK int ed_settings_begin(struct ed_settings *s,
                               const struct ed_settings_from *from, int argc,
                               char **argv);
void ed_settings_default(struct ed_settings *s);

/* How much of a text that somebody wrote is shown in an error. */
#define ED_SETTINGS_SHOWN(bytes) \
    (int)((bytes).len < 60 ? (bytes).len : 60), (bytes).ptr

/* Tells of an error. */
ED_PRINTF(3, 4)
void ed_settings_error(struct ed_settings_inside *in, const char *place,
                       const char *fmt, ...);

/* Tells that there is no setting of that name, and which may have been meant.
 */
void ed_settings_unknown(struct ed_settings_inside *in, const char *place,
                         const char *name);

/* The name that was probably meant; NULL: none is near. */
const char *ed_settings_suggest(const struct ed_settings_from *from,
                                const char *name);

static inline struct ed_setting_note *ed_settings_note(
    const struct ed_settings *s, const struct ed_setting *setting)
{
    return &s->inside->notes[setting - ed_settings_table];
}

static inline void *ed_settings_member(const struct ed_settings *s,
                                       const struct ed_setting *setting)
{
    return (char *)(uintptr_t)s + setting->offset;
}

/* ---- settings_flags.c ---- */

enum ed_settings_question {
    ED_ASKS_NOTHING,
    ED_ASKS_HELP,
    ED_ASKS_VERSION,
    ED_ASKS_CHECK,
    ED_ASKS_PRINT,
};

/* The first time: what is asked, the name of the file, arguments, and all
 * errors but those of values. */
enum ed_settings_question ed_settings_read_words(struct ed_settings *s);

/* The second time: values. */
void ed_settings_read_flags(struct ed_settings *s);

/* The letter by which a flag may be given as well; 0: none. */
char ed_settings_letter(const char *name);

/* ---- settings_own.c ---- */

const struct ed_option *ed_settings_own(const struct ed_settings_from *from,
                                        struct ed_bytes name);

/* Makes the notes. 0 or ED_ENOMEM. */
ED_CHECK int ed_settings_begin_own(struct ed_settings_inside *in);

struct ed_own_note *ed_settings_own_note(const struct ed_settings_inside *in,
                                         const struct ed_option *own);

/* Notes what was said of one, or tells that it cannot be. */
void ed_settings_set_own(struct ed_settings_inside *in,
                         const struct ed_option *own,
                         enum ed_setting_source source, const char *place,
                         struct ed_bytes text);

/* ---- settings_file.c ---- */

/* Reads a file. 0 or -errno; errors in it are told and counted. */
ED_CHECK int ed_settings_read_file(struct ed_settings *s);

/* The same of what stands in one. */
void ed_settings_read_lines(struct ed_settings *s, const char *name,
                            struct ed_bytes lines);

/* ---- settings_value.c ---- */

/* Each reads a text and writes the member; returns what it should have been, or
 * NULL when it is. */
const char *ed_setting_parse(const struct ed_setting *setting,
                             struct ed_bytes text, ed_arena *arena,
                             void *member, bool add);

/* The value as a text that reads the same. 0 or ED_ENOMEM. */
ED_CHECK int ed_setting_write(const struct ed_setting *setting,
                              const void *member, struct ed_buf *out);

/* yes or no; false: neither. */
bool ed_setting_is_yes(struct ed_bytes text, bool *yes);

/* A text in quotation marks, with '"', '\\' and ends of lines behind a
 * backslash. */
ED_CHECK int ed_setting_quote(struct ed_buf *out, const char *text);

/* What stands between the quotation marks at the beginning of *rest, which goes
 * on behind them. NULL: they do not end, or there is no memory. */
const char *ed_setting_unquote(struct ed_bytes *rest, ed_arena *arena);

/* ---- settings_print.c ---- */

void ed_settings_help(const struct ed_settings_from *from);

#endif
