/*
 * ctl.h - what `eddy ctl`, `eddy top` and `eddy console` share: where a running
 * server's control socket is, asking it, and texts for people.
 *
 * Nothing that comes from a server is trusted to be harmless on a terminal:
 * texts go through ctl_plain().
 */
#ifndef EDDY_CLI_CTL_H
#define EDDY_CLI_CTL_H

#include <stdio.h>
#include <eddy/client.h>
#include <jansson.h>

/* Longer than any path of a socket (sun_path). */
#define CTL_PATH 128

/* Of "http+unix://" and the path, each byte escaped, and a target. */
#define CTL_URL 1024

/* One server, as the command line names it. */
struct ctl {
    const char *command;   /* "ctl": begins what is said to people */
    const char *wanted;    /* --socket; NULL: $EDDY_CTL, or the only one */
    char socket[CTL_PATH]; /* found */
};

/* ---- which is meant (ctl_options.c) ---- */

/* An option of one command's. */
struct ctl_option {
    const char *name; /* NULL ends a list */
    bool takes_value;
    /* `value` is NULL without one. 0, or an exit status, the reason being
     * told. */
    int (*take)(void *arg, const char *value);
};

struct ctl_options {
    const char *help;
    const struct ctl_option *own; /* or NULL */
    void *arg;                    /* of theirs */
};

/* Reads --socket, --help, which ends the process, and the command's own. 0 or
 * an exit status, the reason being told. */
int ctl_read_options(struct ctl *ctl, const struct ctl_options *options,
                     int argc, char **argv);

/* ---- where it is (ctl_find.c) ---- */

/*
 * Finds the socket: ctl->wanted, else $EDDY_CTL, else the only eddy-NAME.ctl
 * that somebody listens at in $RUNTIME_DIRECTORY, /run/eddy, $XDG_RUNTIME_DIR
 * and /tmp/eddy-UID, or /run/eddy/NAME/ctl, of a unit eddy@NAME. Sockets of
 * other users count only if root's, or for root.
 *
 * Returns 0 or an exit status, the reason being told: nobody listens, several
 * do (they are listed), no permission.
 */
int ctl_find(struct ctl *ctl);

/*
 * The same server may have another socket after an upgrade, as the process id
 * is in its name: finds it if it is the only one of that program. Says
 * nothing. 0, or -errno with the socket as it was.
 */
int ctl_find_again(struct ctl *ctl);

/* ---- asking (ctl_ask.c) ---- */

/* The URL of a target such as "/v1/ps?limit=3". */
void ctl_url(const struct ctl *ctl, const char *target, char out[CTL_URL]);

/*
 * Asks; with a body it is a POST of JSON. *res belongs to the fiber's arena.
 * Suspends. Returns 0 for a status of 2xx; or an error with ed_error() saying
 * what to tell people: the server's own words, if it had any.
 */
ED_CHECK int ctl_ask(const struct ctl *ctl, const char *target,
                     const char *body, ed_res **res);

/* The same, of which the answer is JSON: a new reference. */
ED_CHECK int ctl_ask_json(const struct ctl *ctl, const char *target,
                          const char *body, json_t **answer);

/* ---- following (ctl_follow.c) ---- */

/*
 * Waits until the reload of that number, which the master of that process id
 * (0: not known) gave it, is over. Suspends, for as long as that takes. Returns
 * 0 when it came out well; or an error with ed_error() saying what to tell
 * people: ED_ECANCELED when it came to nothing, or another master answers, what
 * ctl_ask() returns when the server says nothing any more.
 */
ED_CHECK int ctl_follow_reload(const struct ctl *ctl, double number,
                               double master);

/* ---- texts (ctl_text.c) ---- */

/* Of what is made by the functions here, in bytes. */
#define CTL_TEXT 1024

/*
 * Copies what can be shown of a UTF-8 text in so many columns: no control
 * characters, nothing without a width, in a locale of other bytes no more than
 * ASCII. What is cut ends with a sign of it. Returns the columns it takes.
 */
int ctl_plain(const char *text, int columns, char out[CTL_TEXT]);

/* "12 ms", "3.4 s", "3m 05s", "2h 03m", "3d 04h". */
char *ctl_age(double seconds, char out[CTL_TEXT]);
/* "830 us", "1.24 ms", "340 ms", "12.3 s": three digits. */
char *ctl_latency(double seconds, char out[CTL_TEXT]);
/* "512 B", "24.1 MB". */
char *ctl_size(double bytes, char out[CTL_TEXT]);
/* "12,345". */
char *ctl_count(double number, char out[CTL_TEXT]);
/* "0.42", "7.1", "12,345" of something a second. */
char *ctl_rate(double number, char out[CTL_TEXT]);

/* Members of an object: 0, or "", when they are none of the kind. */
double ctl_number(const json_t *object, const char *key);
const char *ctl_string(const json_t *object, const char *key);

/* ---- tables (ctl_table.c) ---- */

enum ctl_kind {
    CTL_TEXTUAL,
    CTL_NUMBER,
    CTL_AGE,
    CTL_SIZE,
    CTL_SECONDS, /* of processor time */
};

struct ctl_column {
    const char *title;
    const char *key;
    enum ctl_kind kind;
};

/* How much of standard output a line may take: a terminal's width, or all
 * there is to say when it is none. */
int ctl_width(void);

/* Whether to write colours to standard output. */
bool ctl_colours(void);

/* Prints an array of objects. Numbers stand to the right; the last column is
 * cut to what is left of the width. `columns` ends with a NULL title. */
void ctl_table(const json_t *rows, const struct ctl_column *columns);

/* Prints an object, a member a line, and a line for each element of one that
 * is an array; those that are not there are left out. */
void ctl_members(const json_t *object, const struct ctl_column *columns);

/* "function  file:line" of a frame of a stack, unsafe to show as it is. */
void ctl_place(const json_t *frame, char out[CTL_TEXT]);

/* ---- commands' answers (ctl_show.c) ---- */

void ctl_show_ps(const json_t *answer);
void ctl_show_stack(const json_t *answer);
void ctl_show_tree(const json_t *answer);
void ctl_show_workers(const json_t *answer);
void ctl_show_status(const json_t *answer);
void ctl_show_stats(const json_t *answer);
void ctl_show_conns(const json_t *answer);
void ctl_show_done(const json_t *answer);
/* One message of /v1/live, as a line; with `header` behind one of titles. */
void ctl_show_live(const json_t *message, bool header);

#endif
