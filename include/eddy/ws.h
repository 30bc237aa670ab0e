/*
 * ws.h - WebSockets (RFC 6455), with compression (RFC 7692), as a server and as
 * a client.
 *
 * Two ways to serve one. Sequential, in the fiber of the handler:
 *
 *     static int echo(ed_req *req)
 *     {
 *         ed_ws *ws;
 *         struct ed_bytes msg;                // valid until the next receive
 *         int err = ed_ws_accept(req, &ws);
 *         while (!err && !(err = ed_ws_recv(ws, &msg)))
 *             err = ed_ws_send(ws, msg);
 *         return err == ED_ECLOSED ? 0 : err;
 *     }
 *
 * Or by events, for many connections that are quiet most of the time. Between
 * two messages such a connection holds neither a fiber nor a buffer:
 *
 *     static int said(ed_ws *ws, struct ed_bytes msg)
 *     {
 *         return ed_ws_send(ws, msg);
 *     }
 *     static int echo(ed_req *req)
 *     {
 *         return ed_ws_serve(req, .on_message = said);
 *     }
 *
 * And as a client:
 *
 *     ed_ws *ws ED_WS_AUTO = NULL;
 *     int err = ed_ws_connect(&ws, "wss://chat.example/room/7");
 *     if (!err)
 *         err = ed_ws_send(ws, ED_BYTES("hello"));
 *
 * Pings of the peer are answered, and the peer is pinged, by the loop: nobody
 * need be receiving for that. But what stands behind a message that nobody has
 * received yet is not read, pings included.
 *
 * A text that is not UTF-8, a frame that breaks the rules, a message beyond the
 * limits: the peer is told by the code of a close frame and the connection
 * ends. All of this belongs to one loop.
 */
#ifndef EDDY_WS_H
#define EDDY_WS_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/client.h>
#include <eddy/http.h>

ED_BEGIN_DECLS

typedef struct ed_ws ed_ws;

/* Why a connection ends (RFC 6455, 7.4.1). Programs may use 3000 to 4999. */
enum ed_ws_code {
    ED_WS_NORMAL = 1000,
    ED_WS_GOING_AWAY = 1001, /* a server that stops, a page that is left */
    ED_WS_PROTOCOL = 1002,
    ED_WS_UNSUPPORTED = 1003,
    ED_WS_NO_CODE = 1005,  /* never sent: the close frame had none */
    ED_WS_ABNORMAL = 1006, /* never sent: there was no close frame */
    ED_WS_BAD_TEXT = 1007,
    ED_WS_POLICY = 1008,
    ED_WS_TOO_BIG = 1009,
    ED_WS_EXTENSION = 1010,
    ED_WS_FAILED = 1011, /* our handler did */
    ED_WS_RESTART = 1012,
    ED_WS_TRY_LATER = 1013,
};

/*
 * Compression of messages. By default a server agrees to it when the client
 * offers it, a client offers it, and neither side refers back to earlier
 * messages: then no connection holds a context while it is quiet; those in use
 * are shared by all of the loop. With `takeover` each side may refer back,
 * which makes small similar messages much smaller, and each connection that
 * was used holds, with the default of 15 bits, 262 KiB to compress and 40 KiB
 * to decompress; with 12 bits 38 KiB and 11 KiB, with 10 bits 14 KiB and 8
 * KiB.
 */
struct ed_ws_deflate {
    bool off;
    bool takeover;        /* contexts are kept between messages */
    int level;            /* 1 (fast) to 9 (small); 0: 6 */
    int window_bits;      /* of what we send, 9 to 15; 0: 15 */
    int peer_window_bits; /* of what the peer may send, likewise */
    size_t threshold;     /* shorter messages are sent as they are; 0: 128, 1:
                             all are compressed */
    int64_t reserved[2];
};

/* Called for connections that are served by events, in a fiber: it may suspend,
 * and the next message of that connection waits meanwhile. Memory of
 * ed_fiber_arena() lasts until it returns. */
typedef int ed_ws_message_fn(ed_ws *ws, struct ed_bytes msg);
typedef int ed_ws_open_fn(ed_ws *ws);
typedef void ed_ws_end_fn(ed_ws *ws);

/* What ed_ws_accept() and ed_ws_serve() take. Borrowed until they return. */
struct ed_ws_options {
    size_t size;
    void *user; /* ed_ws_user() */

    /* Subprotocols that are spoken here, "chat.v2, chat.v1": the client's
     * first that is among them is chosen. NULL: none. */
    const char *protocols;

    /* Who may connect from a browser: by default pages of the host that the
     * request is for. "https://a.example, https://b.example:8443" allows
     * these as well, "*" all. Requests without an Origin come from programs,
     * and are allowed. */
    const char *origins;

    /* Limits of what the peer sends. 0 is the default. */
    size_t max_message;     /* bytes of a message, decompressed; 1 MiB. Those
                               read in pieces have none */
    uint64_t max_frame;     /* bytes of a frame; none of its own */
    unsigned max_fragments; /* frames of a message; 65536 */

    /* 0 is the default, negative none. */
    int64_t ping_interval; /* without a byte from the peer, before it is
                              pinged; 30 s */
    int64_t ping_timeout;  /* until a byte must have come; 15 s */
    int64_t close_timeout; /* for the peer to answer our close; 5 s */
    int64_t write_timeout; /* without any progress of what we send; 30 s */

    struct ed_ws_deflate deflate;

    /* By events (ed_ws_serve() only). */
    ed_ws_open_fn *on_open; /* before the first message is read; an error ends
                               the connection with 1011 */
    ed_ws_message_fn *on_message; /* an error does, too, and is logged */
    ed_ws_end_fn *on_close; /* once, when nothing can be sent or received any
                               more, however it came to that; `ws` is gone when
                               it returns. It may suspend, but not for long
                               when the server's drain timeout is over: what it
                               waits for is cancelled then */
};

/*
 * Accepts: replies 101 and gives the connection, which ends when the handler
 * returns: with 1000, or 1011 if it returns an error that is not the
 * connection's own. Nothing else can be replied afterwards.
 *
 * A request that is no proper handshake is refused by returning the error:
 *
 *   ED_EBADREQ    (400) no GET of HTTP/1.1 that asks for an upgrade to
 *                 websocket; a malformed or missing key
 *                 (426, replied already) another version than 13
 *   ED_EFORBIDDEN (403) its Origin is not among those allowed
 *   ED_EUSAGE     there was a reply already, or an option is out of range
 *   ED_ENOMEM, ED_ECANCELED, -errno
 *
 * Suspends.
 */
#define ed_ws_accept(req, out, ...) \
    ed_ws_accept_with((req), (out), \
                      ED_OPTIONS(struct ed_ws_options, __VA_ARGS__))
ED_API ED_CHECK int ed_ws_accept_with(ed_req *req, ed_ws **out,
                                      const struct ed_ws_options *options);

/*
 * Accepts, and serves the connection by events: it outlives the handler, which
 * returns what this does. Messages are read once the handler has returned.
 * Errors as above, and of on_open; on_close is called unless the handshake
 * failed. Suspends.
 */
#define ed_ws_serve(req, ...) \
    ed_ws_serve_with((req), ED_OPTIONS(struct ed_ws_options, __VA_ARGS__))
ED_API ED_CHECK int ed_ws_serve_with(ed_req *req,
                                     const struct ed_ws_options *options);

struct ed_ws_connect_options {
    size_t size;
    void *user;

    ed_client *client; /* whose TLS, proxies, hosts and timeouts are used;
                          NULL: the loop's own. Its policies do not apply */
    const char *const *headers; /* "Name: value" lines, NULL at the end */
    const char *origin;         /* of the Origin field; NULL: none is sent */
    const char *protocols;      /* "chat.v2, chat.v1", best first; NULL: none */

    /* As in struct ed_ws_options. */
    size_t max_message;
    uint64_t max_frame;
    unsigned max_fragments;
    int64_t ping_interval;
    int64_t ping_timeout;
    int64_t close_timeout;
    int64_t write_timeout;
    struct ed_ws_deflate deflate;
};

/*
 * Connects to a URL "ws://..." or "wss://..." ("http", "https" and "http+unix"
 * are taken, too). Redirects are followed as far as the client's options allow;
 * cookies and credentials are treated as by ed_fetch(). *out is freed by
 * ed_ws_free().
 *
 * Suspends, under the deadline in force. Returns 0, the errors of ed_fetch(),
 * or, with ed_error() saying why,
 *   ED_ECONTENT  the server answered with another status than 101;
 *                ed_ws_refused_status() tells it
 *   ED_EPROTO    it accepted wrongly: another key, or a protocol or extension
 *                that was not offered
 */
#define ed_ws_connect(out, url, ...) \
    ed_ws_connect_with((out), (url), \
                       ED_OPTIONS(struct ed_ws_connect_options, __VA_ARGS__))
ED_API ED_CHECK int ed_ws_connect_with(
    ed_ws **out, const char *url, const struct ed_ws_connect_options *options);

/* The status of the response that refused the last ed_ws_connect() of this
 * fiber, which has returned ED_ECONTENT; 0: there was none. */
ED_API int ed_ws_refused_status(void);

/* Gives up a client's connection; NULL is allowed. One that is still open says
 * goodbye (1000), which the loop sees to. Fibers inside of a call get
 * ED_ECLOSED. Does not suspend. A server's ends by itself: on such it does
 * nothing. */
ED_API void ed_ws_free(ed_ws *ws);

static inline void ed_ws_free_(ed_ws **ws)
{
    ed_ws_free(*ws);
}
#define ED_WS_AUTO __attribute__((cleanup(ed_ws_free_)))

/* ---- receiving ---- */

/*
 * Waits for the next message and gives all of it; valid until the next receive,
 * and followed by a NUL. One fiber receives at a time; others may send
 * meanwhile. Not for connections served by events.
 *
 * A cancellation or a deadline ends the waiting, not the connection.
 *
 * Suspends. Returns 0, or, then and each time after, with ed_error() saying
 * why,
 *   ED_ECLOSED   the peer has closed properly, or we have: ed_ws_close_code()
 *   ED_ECONNLOST the connection broke, or the peer answers no pings
 *   ED_EPROTO    the peer broke the protocol, or sent text that is not UTF-8
 *   ED_ELIMIT    a message larger than allowed
 *   ED_ENOMEM
 * or
 *   ED_EUSAGE    another fiber receives; or a message that was begun by
 *                ed_ws_recv_begin() was not read to its end
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_ws_recv(ed_ws *ws, struct ed_bytes *msg);

/* Whether the last message received, or begun, or given to on_message, is text,
 * and not binary. */
ED_API bool ed_ws_is_text(const ed_ws *ws);

/*
 * Receives a message in pieces, of any size: waits until the next has begun;
 * then ed_ws_read() gives what there is of it, at least a byte and at most
 * `len`, which is not 0, and 0 at its end. Pieces of a text are valid UTF-8
 * when put together; one may end within a character. Suspend; errors as above.
 */
ED_API ED_CHECK int ed_ws_recv_begin(ed_ws *ws);
ED_API ED_CHECK ssize_t ed_ws_read(ed_ws *ws, void *buf, size_t len);

/* ---- sending ---- */

/*
 * Sends a message: text, which has to be UTF-8, or binary. The bytes are taken,
 * or sent, when it returns. Messages are sent in the order in which this is
 * called; several fibers may. They leave together at the end of the loop's
 * turn.
 *
 * Suspends when the peer is slow. Returns 0, or
 *   ED_ECLOSED    either side has closed
 *   ED_ECONNLOST  the connection broke, or took nothing for write_timeout
 *   ED_EUSAGE     the text is not UTF-8; or this fiber has not ended a message
 *                 that it sends in pieces
 *   ED_ECANCELED, ED_ETIMEOUT   the message was not sent; when a part of it
 *                 had been, the connection is broken
 *   ED_ENOMEM
 */
ED_API int ed_ws_send(ed_ws *ws, struct ed_bytes text);
ED_API int ed_ws_send_binary(ed_ws *ws, struct ed_bytes data);
ED_API int ed_ws_printf(ed_ws *ws, const char *fmt, ...) ED_PRINTF(2, 3);

/*
 * Sends a message in pieces: each is a fragment of its own, and other senders
 * wait from the begin to the end, which the same fiber calls. What makes
 * characters of a text may be cut anywhere. Suspend, and fail as above; after
 * a failed ed_ws_write() the message can only be ended, and the connection
 * is of no use any more.
 */
ED_API ED_CHECK int ed_ws_send_begin(ed_ws *ws, bool text);
ED_API ED_CHECK int ed_ws_write(ed_ws *ws, struct ed_bytes piece);
ED_API int ed_ws_send_end(ed_ws *ws);

/* Waits until all that was sent has been handed to the system. Suspends; errors
 * as above. */
ED_API ED_CHECK int ed_ws_flush(ed_ws *ws);

/* Sends a ping with up to 125 bytes, which the peer's pong repeats. Pings that
 * were asked for before one could be sent become one. Does not suspend. 0,
 * ED_ECLOSED, ED_ECONNLOST, or ED_EUSAGE for more bytes. */
ED_API int ed_ws_ping(ed_ws *ws, struct ed_bytes payload);

/* How long the last ping of the loop's own was on its way until its pong came,
 * in nanoseconds; -1: none was answered. */
ED_API int64_t ed_ws_latency(const ed_ws *ws);

/* ---- closing ---- */

/*
 * Says that nothing more comes and why, behind what was sent before, and waits
 * for the peer to say so, too: at most for the close timeout. Messages that
 * still come are thrown away. `code` is one of enum ed_ws_code that may be sent
 * or 3000 to 4999; `reason`, NULL or UTF-8, is cut at 123 bytes. Afterwards
 * sending and receiving return ED_ECLOSED.
 *
 * Suspends; in the loop, outside of any fiber, it only begins. Returns 0 when
 * the peer has closed, or
 *   ED_ETIMEOUT   it did not answer in time, or the deadline passed
 *   ED_ECONNLOST  the connection broke before it did
 *   ED_EUSAGE     a code that must not be sent; a reason that is not UTF-8
 *   ED_ECANCELED
 */
ED_API int ed_ws_close(ed_ws *ws, int code, const char *reason);

/* Whether a message can still be sent. */
ED_API bool ed_ws_is_open(const ed_ws *ws);

/* What the peer has said in its close frame: 0 while it has not closed, 1005 if
 * it gave no code, 1006 if the connection ended without a close frame. The
 * reason, "" if none, is valid as long as `ws`. */
ED_API int ed_ws_close_code(const ed_ws *ws);
ED_API const char *ed_ws_close_reason(const ed_ws *ws);

/* ---- about it ---- */

/* The subprotocol agreed on; "" if none. */
ED_API const char *ed_ws_protocol(const ed_ws *ws);

/* Whether messages are compressed. */
ED_API bool ed_ws_is_compressed(const ed_ws *ws);

/* Address of the peer as text; "" over a Unix socket and when it is gone. */
ED_API void ed_ws_peer(const ed_ws *ws, char out[ED_ADDR_TEXT]);

/* An object of the program's own. */
ED_API void ed_ws_set_user(ed_ws *ws, void *user);
ED_API void *ed_ws_user(const ed_ws *ws);

ED_END_DECLS
#endif
