/*
 * pattern.h - "GET /hello/{name}" taken apart: methods, host, and the parts of
 * the path.
 */
#ifndef EDDY_APP_PATTERN_H
#define EDDY_APP_PATTERN_H

#include <eddy/arena.h>

/* What can stand between two slashes, the first kind winning over the next
 * where several match. */
enum ed_part_kind {
    ED_PART_LITERAL,
    ED_PART_INT,
    ED_PART_NAME,
    ED_PART_REST,
};

struct ed_part {
    enum ed_part_kind kind;
    struct ed_bytes text; /* a literal in canonical form (router.h), or the
                             name of an argument */
};

/* Far more than any path has: so that matches need no allocation, and the
 * search for them little stack. */
#define ED_PATTERN_ARGS  16
#define ED_PATTERN_PARTS 64

struct ed_pattern {
    const char *text;        /* as it was given */
    struct ed_bytes methods; /* "GET,POST", or "*" */
    struct ed_bytes host;    /* in lower case; empty: every host */
    bool subdomains;         /* the host was "*.HOST"; `host` is ".HOST" */
    struct ed_part *parts;
    size_t part_count;
    size_t arg_count; /* parts that are arguments */
};

/*
 * Takes `text` apart; all that the pattern holds lies in `arena`. Returns 0,
 * ED_ENOMEM, or ED_EPARSE with *why a text in the arena that says what is
 * wrong, and where.
 */
ED_CHECK int ed_pattern_parse(struct ed_pattern *pattern, ed_arena *arena,
                              const char *text, const char **why);

/* Takes the next method off a list such as "GET,POST"; false at its end. */
bool ed_pattern_method(struct ed_bytes *rest, struct ed_bytes *method);

/* The number of an argument, counted from the left, or -1. */
int ed_pattern_arg(const struct ed_pattern *pattern, struct ed_bytes name);

/* Whether a text can be the value of an {name:int}. */
bool ed_pattern_is_int(struct ed_bytes text);

#endif
