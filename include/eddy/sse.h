/*
 * sse.h - server-sent events, as a server (HTML, "Server-sent events").
 *
 *     static int clock(ed_req *req)
 *     {
 *         ed_sse *sse;
 *         int err = ed_sse_begin(req, &sse, .retry = 2 * ED_S);
 *         while (!err && !(err = ed_sse_send(sse, .event = "tick",
 *                                            .data = ED_BYTES("now"))))
 *             err = ed_sleep(ED_S);
 *         return err;
 *     }
 *
 * A stream of events is the reply to a request: it lasts until the handler
 * returns, and the handler is cancelled when the client leaves. While nothing
 * is sent, comments go out that keep proxies from giving the connection up, and
 * that make a client that is gone be noticed; the handler need not wake up for
 * them.
 *
 * When the server stops, the handler is cancelled, and the stream ends as if
 * all were said: the client comes back, and is led to another process. A client
 * that takes nothing for the server's write_timeout is cut off. The server's
 * request_timeout holds for streams, too.
 *
 * What was sent and what a client that comes back has missed is remembered by
 * an ed_history (history.h), which also feeds a stream to its end.
 */
#ifndef EDDY_SSE_H
#define EDDY_SSE_H

#include <eddy/http.h>

ED_BEGIN_DECLS

typedef struct ed_sse ed_sse;

struct ed_sse_options {
    size_t size;
    /* How long a client is to wait before it connects again; 0: as it likes,
     * which is some seconds. In whole milliseconds. */
    int64_t retry;
    /* How long nothing may be sent before a comment is; 0: 15 s, negative:
     * none. */
    int64_t heartbeat;
};

/*
 * Begins the reply: 200 with text/event-stream, not to be stored, nor gathered
 * by a proxy (X-Accel-Buffering); fields added before go with it. The head
 * goes out at once. *out is valid until the handler returns; events may be
 * sent by the handler and by the fibers it starts.
 *
 * Suspends. To be called by the handler's own fiber. Returns 0, or
 *   ED_ENOTACCEPTABLE  the client's Accept does not allow for events
 *   ED_ECLOSED         it asked for the head only (HEAD); return this
 *   ED_EUSAGE          there was a reply already
 *   ED_ECANCELED, ED_ETIMEOUT, ED_ENOMEM, -EPIPE, ...
 */
#define ed_sse_begin(req, out, ...) \
    ed_sse_begin_with((req), (out), \
                      ED_OPTIONS(struct ed_sse_options, __VA_ARGS__))
ED_API ED_CHECK int ed_sse_begin_with(ed_req *req, ed_sse **out,
                                      const struct ed_sse_options *options);

struct ed_sse_message {
    size_t size;
    const char *event; /* its type; NULL or "": "message" */
    const char *id;    /* NULL: as before; "": none any more */
    /* Any bytes; should be UTF-8. Line ends of all three kinds (LF, CR, CR LF)
     * arrive as LF. Without `ptr` nothing happens at the client, which takes
     * note of the rest; an event with a type has data all the same, an empty
     * one. */
    struct ed_bytes data;
    int64_t retry;       /* from now on; 0: as before */
    const char *comment; /* that no client shows */
};

/*
 * Sends an event. It leaves at the end of the loop's turn, with others.
 *
 * Suspends when the client is slow to take what was sent before. Returns 0, or
 *   ED_ECANCELED  the client has left, or the server stops
 *   ED_EUSAGE     the type or the id holds a line end; nothing was sent
 *   ED_ETIMEOUT, ED_ENOMEM, -EPIPE, ...
 */
#define ed_sse_send(sse, ...) \
    ed_sse_send_with((sse), ED_OPTIONS(struct ed_sse_message, __VA_ARGS__))
ED_API int ed_sse_send_with(ed_sse *sse, const struct ed_sse_message *message);

/* The id of the last event the client has seen, as it says: from the field
 * Last-Event-ID or, as scripts that stand in for a browser's EventSource send
 * it, from the parameter lastEventId of the query. NULL when it says none. */
ED_API const char *ed_sse_last_id(ed_req *req);

/* The request it is the reply to. */
ED_API ed_req *ed_sse_req(const ed_sse *sse);

ED_END_DECLS
#endif
