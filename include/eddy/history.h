/*
 * history.h - the last messages of something, for those who listen and those
 * who come late or come back.
 *
 *     static ed_history *news;     // ed_history_new(.count = 1000)
 *
 *     ed_history_add(news, .event = "headline", .data = text);
 *
 *     static int events(ed_req *req)      // GET /news: server-sent events
 *     {
 *         ed_sse *sse;
 *         int err = ed_sse_begin(req, &sse);
 *         return err ? err : ed_sse_follow(sse, news);
 *     }
 *
 *     static int poll(ed_req *req)        // GET /news/poll?after=ID: long poll
 *     {
 *         return ed_long_poll(req, news, .within = 25 * ED_S);
 *     }
 *
 * Each message has an id. Who names the last one it has seen gets all that came
 * behind it, and is told of a gap when some of that is not here any more. A
 * room (room.h) has a history, so one feed can be had by WebSocket, by
 * server-sent events and by long polling.
 *
 * A history can be made before a loop runs, and belongs to one thread. It is
 * bounded three ways, by messages, bytes and age; old messages leave when new
 * ones come or when it is looked at. Followers that are slow hold up nobody:
 * they may be `behind` bytes behind, and then miss some.
 */
#ifndef EDDY_HISTORY_H
#define EDDY_HISTORY_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/http.h>
#include <eddy/sse.h>

ED_BEGIN_DECLS

typedef struct ed_history ed_history;

struct ed_history_options {
    size_t size;
    /* What is kept for those who come later. */
    size_t count; /* messages; 0: 100 */
    size_t bytes; /* of them with their ids; 0: 1 MiB */
    int64_t age;  /* 0: any */
    /* How far a follower may be behind, in bytes, when less than that is kept
     * for others; 0: 1 MiB. */
    size_t behind;
};

/* NULL without memory. */
#define ed_history_new(...) \
    ed_history_new_with(ED_OPTIONS(struct ed_history_options, __VA_ARGS__))
ED_API ed_history *ed_history_new_with(
    const struct ed_history_options *options);

/* Nobody may follow it or wait for it any more. NULL is allowed. */
ED_API void ed_history_free(ed_history *history);

struct ed_history_message {
    size_t size;
    const char *event; /* its type, for server-sent events; NULL: none */
    /* Given, such as by the source the message comes from, it should not come
     * twice. NULL: one is made, which no other process makes: whoever comes
     * back after a restart, or to another process, does not go on at the wrong
     * place, but is told of a gap. */
    const char *id;
    struct ed_bytes data; /* should be UTF-8 */
};

/*
 * Adds a message, which is copied, and wakes those who wait for it. Does not
 * suspend. Returns 0, ED_ENOMEM, or
 *   ED_EUSAGE  the type or the id holds a line end, or the id is empty
 *   ED_ELIMIT  it is larger than all that may be kept
 */
#define ed_history_add(history, ...) \
    ed_history_add_with((history),   \
                        ED_OPTIONS(struct ed_history_message, __VA_ARGS__))
ED_API int ed_history_add_with(ed_history *history,
                               const struct ed_history_message *message);

/* Marks that messages may have been lost here, on their way to this history:
 * those who follow are told of a gap. 0 or ED_ENOMEM. */
ED_API int ed_history_gap(ed_history *history);

/* The messages kept for those who come later, and the id of the last one ever
 * added, valid until the next; "" before the first. */
ED_API size_t ed_history_count(ed_history *history);
ED_API const char *ed_history_last_id(const ed_history *history);

/* A message as it is kept, for ed_history_at(). */
struct ed_history_item {
    const char *id;
    const char *event; /* "" without a type */
    struct ed_bytes data;
    int64_t at; /* when it came, in ed_now() time */
};

/* The i-th of them, the oldest first; false when there are no more. Valid until
 * something suspends or is added. */
ED_API bool ed_history_at(ed_history *history, size_t i,
                          struct ed_history_item *out);

/* Whether somebody gets a message. Called often: once for each message and each
 * who follows. Must not suspend. */
typedef bool ed_filter_fn(void *arg, struct ed_bytes data);

struct ed_follow_options {
    size_t size;
    /* The last message it has seen; NULL: what the client says, if anything. */
    const char *after;
    /* How many of the kept messages one gets that names none; 0: all, negative:
     * none. */
    int replay;
    ed_filter_fn *filter; /* NULL: all messages */
    void *arg;
    /* Ends with ED_ELIMIT when it is too slow, instead of missing some: the
     * client comes back and names where it was. */
    bool close_slow;
    const char *gap_event; /* NULL: "gap" */
};

/*
 * Sends the messages of a history, those it has missed first, until the client
 * leaves. A gap is an event of the type "gap", whose data is the number of
 * messages that were missed if that is known. Of what a filter holds back the
 * client learns the id at times, so that it finds its place again.
 *
 * Suspends. Returns ED_ECANCELED when the client has left or the server stops,
 * the errors of ed_sse_send(), or ED_ELIMIT.
 */
#define ed_sse_follow(sse, history, ...) \
    ed_sse_follow_with((sse), (history), \
                       ED_OPTIONS(struct ed_follow_options, __VA_ARGS__))
ED_API int ed_sse_follow_with(ed_sse *sse, ed_history *history,
                              const struct ed_follow_options *options);

struct ed_poll_options {
    size_t size;
    int64_t within;    /* how long to wait for something; 0: 25 s */
    const char *after; /* NULL: what the client says, if anything */
    unsigned max;      /* messages in one reply; 0: 100 */
    ed_filter_fn *filter;
    void *arg;
};

/*
 * Replies to one long poll: with what came behind the message the client names
 * (parameter "after", else as ed_sse_last_id()), at once or when there is
 * something; a client that names none gets what is kept, the last `max`.
 *
 *     {"last":"3f9a01c2d7-18","gap":false,"messages":[
 *         {"id":"3f9a01c2d7-18","event":"headline","data":"..."}]}
 *
 * `last` is what to ask for next; `gap` tells that messages before these were
 * missed. Messages without a type have no "event". When nothing came in time:
 * 204, and the same is to be asked for again.
 *
 * Suspends. Returns 0 when it has replied, or ED_ECANCELED, ED_ETIMEOUT (the
 * deadline in force), ED_ENOMEM, ED_EUSAGE (there was a reply already).
 */
#define ed_long_poll(req, history, ...) \
    ed_long_poll_with((req), (history), \
                      ED_OPTIONS(struct ed_poll_options, __VA_ARGS__))
ED_API int ed_long_poll_with(ed_req *req, ed_history *history,
                             const struct ed_poll_options *options);

ED_END_DECLS
#endif
