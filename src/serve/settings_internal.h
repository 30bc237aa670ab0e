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
    const char *text;  /* as it was said; NULL: nothing was */
};

struct ed_settings_inside {
    const struct ed_settings_from *from;
    ed_arena *arena;
    int argc;
    char **argv;
    const char *file; /* NULL: none */
    const char **arguments;
    size_t argument_count;
    struct ed_setting_note *notes; /* one a setting */
    unsigned errors;
    bool to_log; /* errors go there, and not to standard error */
};

/* ---- settings.c ---- */

/* Sets a value from a text, and says so when it is none. `place` is where it
 * stands. */
void ed_settings_set(struct ed_settings *s, const struct ed_setting *setting,
                     enum ed_setting_source source, const char *place,
                     struct ed_bytes text);

const struct ed_setting *ed_settings_find(struct ed_bytes name);
const struct ed_option *ed_settings_own(const struct ed_settings_from *from,
                                        struct ed_bytes name);

/* Tells of an error. */
ED_PRINTF(3, 4)
void ed_settings_error(struct ed_settings_inside *in, const char *place,
                       const char *fmt, ...);

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

/* Of "workers", $EDDY_WORKERS. In the arena. */
const char *ed_settings_variable(struct ed_settings_inside *in,
                                 const char *name);

/* ---- settings_file.c ---- */

/* Reads a file. 0 or -errno; errors in it are told and counted. */
ED_CHECK int ed_settings_read_file(struct ed_settings *s, const char *path);

/* ---- settings_value.c ---- */

/* Each reads a text and writes the member; returns what it should have been, or
 * NULL when it is. */
const char *ed_setting_parse(const struct ed_setting *setting,
                             struct ed_bytes text, ed_arena *arena,
                             void *member, bool add);

/* The value as a text that reads the same. 0 or ED_ENOMEM. */
ED_CHECK int ed_setting_write(const struct ed_setting *setting,
                              const void *member, struct ed_buf *out);

/* ---- settings_print.c ---- */

void ed_settings_help(const struct ed_settings_from *from);

#endif
