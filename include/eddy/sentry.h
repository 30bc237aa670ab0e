/*
 * sentry.h - errors reported to Sentry, or to what speaks its protocol.
 *
 *     ed_sentry *sentry = ed_sentry_new(.release = "shop@1.4.2");
 *     ed_sentry_add(sentry, app);
 *     ...
 *     int status = ed_main(app, argc, argv);
 *     ed_sentry_free(sentry);
 *
 * What a handler fails with and a client is told as 5xx becomes an event: the
 * error and its text (ed_error()), the request with its trace, the handler, and
 * what the program noted on the way (ed_sentry_tag(), ed_sentry_breadcrumb()).
 *
 * No request waits for Sentry: an event is put together in memory, in a queue
 * that is bounded, and sent in the background while the app runs and for a
 * moment when it stops. What does not fit is dropped and counted, and Sentry is
 * told how much that was. When Sentry asks to be left alone it is.
 *
 * Secrets stay here: bodies are never sent, nor values of fields and of the
 * query whose names speak of authorization, cookies, tokens, passwords, keys,
 * sessions or secrets. Addresses of clients are not sent either.
 *
 * Without a DSN all of it does nothing, so a program needs no second path for
 * where there is no Sentry. Belongs to one thread; functions that name no
 * ed_sentry are about the request that the fiber works on.
 */
#ifndef EDDY_SENTRY_H
#define EDDY_SENTRY_H

#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/log.h>

ED_BEGIN_DECLS

typedef struct ed_sentry ed_sentry;

struct ed_sentry_options {
    size_t size;
    /* "https://KEY@HOST/PROJECT"; NULL: the environment's SENTRY_DSN; "": none
     */
    const char *dsn;
    const char *release;     /* NULL: SENTRY_RELEASE, if there is one */
    const char *environment; /* NULL: SENTRY_ENVIRONMENT, or "production" */
    const char *server_name; /* NULL: the host's */
    const char *const *tags; /* of all events: name, value, ..., NULL */

    double sample;   /* which part of the events is sent; 0: all */
    unsigned queue;  /* events that wait to be sent; 100 */
    int64_t flush;   /* time for them when the app stops; 2 s */
    int64_t timeout; /* of one request to Sentry; 10 s */
    /* Lines of the log of level error are events, too; but for those of a
     * failed request, which is one already. */
    bool log_errors;
    /* Names of fields and of values in the query, or parts of them, that are
     * secret besides those above; NULL at the end. */
    const char *const *secrets;

    /* Is given each event (jansson's) before it is sent, in the background, and
     * may change it; false: it is dropped. Must not suspend. */
    bool (*before_send)(struct json_t *event, void *arg);
    void *arg;

    ed_tls *tls; /* for https; NULL: the system's trust */
};

/*
 * A reporter. Texts are copied. Does not suspend; no loop is needed yet. NULL,
 * with the reason in the log, without memory or when the DSN is malformed;
 * the other functions take NULL, and do nothing.
 */
#define ed_sentry_new(...) \
    ed_sentry_new_with(ED_OPTIONS(struct ed_sentry_options, __VA_ARGS__))
ED_API ed_sentry *ed_sentry_new_with(const struct ed_sentry_options *options);

/* When the apps it was added to are freed, or at least stopped for good. */
ED_API void ed_sentry_free(ed_sentry *sentry);

/* Adds the middleware that reports errors, and the part that sends. What is
 * added to the app before is neither watched nor, when it stops late, reported:
 * so add it first. Returns 0, or ED_ENOMEM. Does not suspend. */
ED_API int ed_sentry_add(ed_sentry *sentry, ed_app *app);

/* The middleware alone, for a group: ed_group_around(group,
 * ed_sentry_reported, sentry). */
ED_API int ed_sentry_reported(ed_req *req, ed_next *next, void *sentry);

/*
 * Reports an error, with ed_error(), or a message: what is no handler's
 * failure. Inside of a request it is part of the event. Does not suspend.
 */
ED_API void ed_sentry_error(ed_sentry *sentry, int err);
ED_API void ed_sentry_message(ed_sentry *sentry, enum ed_log_level level,
                              const char *fmt, ...) ED_PRINTF(3, 4);

/* A tag, by which events are found: at most 50 of a request, the last of a name
 * counting. Texts are copied, and cut at 200 bytes. */
ED_API void ed_sentry_tag(const char *name, const char *value);

/* What happened on the way; the last 50 are sent. A category such as "db" or
 * "cache"; the message is cut at 500 bytes. */
ED_API void ed_sentry_breadcrumb(const char *category, const char *fmt, ...)
    ED_PRINTF(2, 3);

/* Who asks, by an id of the program's. */
ED_API void ed_sentry_user(const char *id);

struct ed_sentry_counts {
    uint64_t captured; /* events, in all */
    uint64_t sent;
    /* dropped: */
    uint64_t sampled;    /* by .sample */
    uint64_t overflowed; /* the queue was full, or memory short */
    uint64_t refused;    /* by before_send */
    uint64_t limited;    /* Sentry asked for a pause */
    uint64_t failed;     /* Sentry could not be reached, or did not want it */
    unsigned queued;     /* now */
};
ED_API void ed_sentry_counts(const ed_sentry *sentry,
                             struct ed_sentry_counts *counts);

ED_END_DECLS
#endif
