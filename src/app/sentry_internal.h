/*
 * sentry_internal.h - the inside of a reporter to Sentry: what an event is, the
 * queue of them, and who sends it.
 */
#ifndef EDDY_APP_SENTRY_INTERNAL_H
#define EDDY_APP_SENTRY_INTERNAL_H

#include "app/app_internal.h"
#include "base/log_watch.h"

#include <eddy/loop.h>
#include <eddy/middleware.h>
#include <eddy/sentry.h>
#include <pthread.h>

/* ---- where to (sentry_dsn.c) ---- */

struct ed_sentry_dsn {
    char *text; /* as given, without a secret key */
    char *url;  /* where envelopes go */
    char *auth; /* the line of the X-Sentry-Auth field */
};

/* Reads one. 0, ED_ENOMEM, or ED_EURL with *why. */
ED_CHECK int ed_sentry_dsn_read(struct ed_sentry_dsn *dsn, const char *text,
                                const char **why);
void ed_sentry_dsn_free(struct ed_sentry_dsn *dsn);

/* ---- what is noted during a request ---- */

#define ED_SENTRY_TAGS   50
#define ED_SENTRY_CRUMBS 50

struct ed_sentry_tag {
    char *name;
    char *value;
};

struct ed_sentry_crumb {
    char *category;
    char *message;
    int64_t at; /* nanoseconds since 1970 */
};

/* Lies on the stack of the middleware, which frees its texts, and the arrays,
 * of which there are none before there is something in them. Not in the
 * request's arena: a request may take days and note something all the time. */
struct ed_sentry_notes {
    ed_req *req;
    char *user;
    struct ed_sentry_tag *tags;
    size_t tag_count;
    struct ed_sentry_crumb *crumbs; /* a ring */
    size_t crumb_count;             /* ever */
};

/* Of the running fiber; NULL: it works on no request. */
struct ed_sentry_notes *ed_sentry_notes(void);

/* ---- events (sentry_event.c) ---- */

struct ed_sentry_event {
    struct ed_list node;
    char id[33];
    struct ed_buf json; /* an object that is not closed yet */

    /* An exception, said when it is sent: its stack has to be looked up. NULL:
     * it is a message. */
    const char *type;
    char *value;
    const char *fiber; /* where it was found, and was started; or NULL */
    const char *place;
    uintptr_t handler;
};

/* Makes one of an error or of a message (the other being 0 or NULL); `notes`
 * may be NULL. NULL without memory. */
struct ed_sentry_event *ed_sentry_event_new(
    const ed_sentry *sentry, enum ed_log_level level, int err,
    const char *message, const struct ed_sentry_notes *notes);
void ed_sentry_event_free(struct ed_sentry_event *event);

/* Closes the object, with the stack that is known. May suspend. */
ED_CHECK int ed_sentry_event_close(struct ed_sentry_event *event);

/* ---- the reporter (sentry.c) ---- */

/* Why events were dropped, as Sentry calls it. */
enum ed_sentry_loss {
    ED_SENTRY_SAMPLED,
    ED_SENTRY_OVERFLOW,
    ED_SENTRY_REFUSED,
    ED_SENTRY_LIMITED,
    ED_SENTRY_FAILED,
    ED_SENTRY_LOSSES,
};

/* As long as a request's id can be. */
#define ED_SENTRY_CONTEXT (ED_REQUEST_ID_MAX + 1)

/* A line of the log that is to be an event. */
struct ed_sentry_line {
    struct ed_sentry_line *next;
    char context[ED_SENTRY_CONTEXT];
    char text[];
};

/* Requests of late whose failure was reported: the log tells of it, too. */
#define ED_SENTRY_REPORTED 16

struct ed_sentry {
    struct ed_sentry_options options; /* its texts are copies, in `arena` */
    ed_arena *arena;
    bool off; /* there is no DSN */
    struct ed_sentry_dsn dsn;

    struct ed_list queue;
    unsigned queued;
    size_t queued_bytes;
    bool sending; /* one is on its way, or is being tried again */
    struct ed_waitq filled;
    struct ed_waitq emptied;

    uint64_t captured;
    uint64_t sent;
    uint64_t lost[ED_SENTRY_LOSSES];
    uint64_t told[ED_SENTRY_LOSSES]; /* of these, what Sentry knows of */

    ed_client *client;
    int64_t limited_until; /* in ed_now() time */
    int64_t warn_at;       /* not before */

    /* Lines of the log. Any thread may add some: `lock`. */
    struct ed_log_watch watch;
    pthread_mutex_t lock;
    ed_loop *loop;
    struct ed_post post;
    bool posted;
    ed_fiber *awaiting; /* that the post has run */
    struct ed_sentry_line *lines;
    struct ed_sentry_line **lines_end;
    unsigned line_count;
    char reported[ED_SENTRY_REPORTED][ED_SENTRY_CONTEXT];
    unsigned reported_next;
};

void ed_sentry_lose(ed_sentry *sentry, enum ed_sentry_loss why);

/* Whether a part, in lower case or not, is in a text. */
bool ed_sentry_contains(struct ed_bytes text, const char *part);

/* Whether a name speaks of a secret. */
bool ed_sentry_is_secret(const ed_sentry *sentry, struct ed_bytes name);

/* ---- lines of the log (sentry_log.c) ---- */

void ed_sentry_watch_begin(ed_sentry *sentry);
void ed_sentry_watch_end(ed_sentry *sentry);

/* A request's failure is an event: its line in the log shall be none. */
void ed_sentry_watch_skip(ed_sentry *sentry, ed_req *req);

/* ---- sending (sentry_send.c) ---- */

/* The part of the app that sends. */
int ed_sentry_run(ed_context *self, void *arg);

/* Reads X-Sentry-Rate-Limits: for how long events may not be sent; 0: they
 * may. */
int64_t ed_sentry_limit_of(struct ed_bytes field);

#endif
