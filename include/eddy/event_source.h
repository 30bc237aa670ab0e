/*
 * event_source.h - server-sent events, as a client (HTML, "Server-sent
 * events").
 *
 *     ed_event_source *source;
 *     struct ed_sse_event event;
 *     int err = ed_event_source_open(&source, "https://feed.local/prices");
 *     while (!err && !(err = ed_event_source_next(source, &event)))
 *         use(event.type, event.data);
 *     ed_event_source_close(source);
 *
 * A connection that ends or breaks is made again after the time the server
 * asked for (3 s if it did not) and up to a quarter more, twice as long after
 * each failure, up to 60 s, with a Last-Event-ID; the caller sees events only.
 * Redirects are followed, each time anew. Compressed streams are decoded.
 */
#ifndef EDDY_EVENT_SOURCE_H
#define EDDY_EVENT_SOURCE_H

#include <eddy/client.h>

ED_BEGIN_DECLS

typedef struct ed_event_source ed_event_source;

struct ed_sse_event {
    const char *type;     /* "message" if the server named none */
    const char *id;       /* the last one given; "" if there was none */
    struct ed_bytes data; /* lines joined by '\n'; ends with NUL besides */
};

struct ed_event_source_options {
    size_t size;
    ed_client *client;          /* NULL: the loop's own */
    const char *const *headers; /* as in ed_fetch_options; borrowed */
    const char *last_id;        /* to go on behind; NULL: from now on */
    const char *bearer;         /* as in ed_fetch_options; borrowed */
    size_t max_event;           /* bytes of one; 0: 1 MiB */
    int max_failures;           /* in a row; 0: 10, negative: no limit */
    int64_t idle_timeout;       /* without a byte, comments included, before it
                                   connects again; 0: none */
};

/*
 * Connects, once, and waits for the head of the response. `url` is copied. It
 * belongs to the fiber that opened it and those it starts, one of which may
 * read.
 *
 * Suspends. Returns 0, the errors of ed_fetch(), or
 *   ED_EEOF       the answer is 204: there are no events
 *   ED_ECONTENT   it is not 200 with text/event-stream otherwise
 */
#define ed_event_source_open(out, url, ...) \
    ed_event_source_open_with(              \
        (out), (url), ED_OPTIONS(struct ed_event_source_options, __VA_ARGS__))
ED_API ED_CHECK int ed_event_source_open_with(
    ed_event_source **out, const char *url,
    const struct ed_event_source_options *options);

/*
 * Waits for the next event. *out is valid until the next call.
 *
 * Answers that pass (429, 500, 502, 503, 504) are failures to connect, of which
 * max_failures are borne. Cancellation and a deadline end the waiting, not the
 * source: the next call connects again.
 *
 * Suspends. Returns 0, or
 *   ED_EEOF      the server asked to be left alone (204)
 *   ED_ECONTENT  it answered something else, as above
 *   ED_ELIMIT    an event is larger than allowed
 *   ED_ECANCELED, ED_ETIMEOUT (the deadline in force), or, after max_failures,
 *   the last error of ed_fetch()
 */
ED_API ED_CHECK int ed_event_source_next(ed_event_source *source,
                                         struct ed_sse_event *out);

/* Ends it; NULL is allowed. Does not suspend. */
ED_API void ed_event_source_close(ed_event_source *source);

ED_END_DECLS
#endif
