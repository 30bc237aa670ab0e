/*
 * stream.h - byte streams over TCP and Unix sockets, and listeners.
 *
 * A stream reads and writes bytes in order. What it runs over (a socket, a
 * pipe, TLS) is not seen here. One fiber may read while another writes; two
 * readers, or two writers, at once get ED_EUSAGE.
 *
 * Addresses are text: "127.0.0.1:80", "[::1]:80", "name:80", ":80" or "*:80"
 * (every interface, listening only), "unix:/run/x.sock", "unix:@abstract".
 *
 * Reading and writing suspend under the deadline in force and return
 * ED_ECANCELED or ED_ETIMEOUT besides what each says. A cancelled write may
 * have written a part.
 */
#ifndef EDDY_STREAM_H
#define EDDY_STREAM_H

#include <eddy/addr.h>
#include <eddy/api.h>
#include <eddy/bytes.h>
#include <sys/uio.h>

ED_BEGIN_DECLS

typedef struct ed_stream ed_stream;
typedef struct ed_listener ed_listener;

struct ed_connect_options {
    size_t size;
    /* "ip" or "ip:port" to connect from; NULL: any. */
    const char *local;
};

/*
 * Connects to an address, or to that of a name which answers first (Happy
 * Eyeballs, RFC 8305): IPv6 and IPv4 take turns, and the next is tried when one
 * has failed or said nothing for 250 ms. The stream belongs to the caller;
 * TCP_NODELAY is set.
 *
 * Suspends. Returns 0, or
 *   ED_EADDR      the text is no address
 *   ED_EUSAGE     not called from a fiber
 *   ED_ERESOLVE   the name has no address, or no name server answered
 *   ED_ECONNECT   every address refused; ed_error() says which and why
 *   ED_ECANCELED, ED_ETIMEOUT, -EMFILE, -ENOMEM
 */
#define ed_connect(out, address, ...) \
    ed_connect_with((out), (address), \
                    ED_OPTIONS(struct ed_connect_options, __VA_ARGS__))
ED_API ED_CHECK int ed_connect_with(ed_stream **out, const char *address,
                                    const struct ed_connect_options *options);

/* Two connected streams (socketpair). 0 or -errno. */
ED_API ED_CHECK int ed_stream_pair(ed_stream **a, ed_stream **b);

/*
 * Makes a stream of a descriptor (stream socket, pipe, terminal), which it
 * owns from then on and makes non-blocking; programs that share it see that,
 * too. With the first one that is no socket SIGPIPE is ignored, unless the
 * program handles it.
 *
 * Returns 0, or ED_EUSAGE for a regular file, a directory or a datagram
 * socket (for files: file.h), or -errno; the descriptor then still is
 * the caller's. Does not suspend.
 */
ED_API ED_CHECK int ed_stream_of_fd(ed_stream **out, int fd);

/* Reads what there is, at least one byte, at most `len`, which is not 0.
 * Returns the count, 0 at the end of the stream, or an error such as
 * -ECONNRESET. */
ED_API ED_CHECK ssize_t ed_stream_read(ed_stream *s, void *buf, size_t len);

/* Reads exactly `len` bytes. 0, or ED_EEOF when the stream ends before. */
ED_API ED_CHECK int ed_stream_read_exactly(ed_stream *s, void *buf, size_t len);

/*
 * Reads until `delimiter` has come and gives all up to and with it. *out is
 * valid until the next read from the stream.
 *
 * Returns 0, ED_EEOF when the stream ends before (what came can still be
 * read), or ED_ELIMIT when more than `max_bytes` came without it.
 */
ED_API ED_CHECK int ed_stream_read_until(ed_stream *s,
                                         struct ed_bytes delimiter,
                                         size_t max_bytes,
                                         struct ed_bytes *out);

/* Writes everything, waiting for a slow peer as needed. 0, or an error such
 * as -EPIPE. */
ED_API ED_CHECK int ed_stream_write(ed_stream *s, const void *buf, size_t len);
ED_API ED_CHECK int ed_stream_writev(ed_stream *s, const struct iovec *iov,
                                     int count);
ED_API ED_CHECK int ed_stream_printf(ed_stream *s, const char *fmt, ...)
    ED_PRINTF(2, 3);

/* Ends the writing side; reading goes on. 0 or -errno, such as -ENOTSOCK for
 * a pipe, which is closed instead. Does not suspend. */
ED_API int ed_stream_shutdown(ed_stream *s);

/* Closes at once, both sides, and frees. NULL is allowed. Does not suspend;
 * fibers waiting on the stream get ED_ECLOSED. */
ED_API void ed_stream_close(ed_stream *s);

/* For `cleanup`: ed_stream *s ED_STREAM_AUTO = NULL; */
static inline void ed_stream_close_(ed_stream **s)
{
    ed_stream_close(*s);
}
#define ED_STREAM_AUTO __attribute__((cleanup(ed_stream_close_)))

/* Address of the peer and of our side, as text into `out`; "" when unknown.
 * Does not suspend. */
ED_API void ed_stream_peer(ed_stream *s, char out[ED_ADDR_TEXT]);
ED_API void ed_stream_local(ed_stream *s, char out[ED_ADDR_TEXT]);

struct ed_listen_options {
    size_t size;
    int backlog;     /* 0: 4096, which the system may lower */
    bool reuse_port; /* SO_REUSEPORT */
    bool v6_only;    /* [::] does not take IPv4 */
    int unix_mode;   /* permissions of a Unix socket; 0: 0660 */
};

/*
 * Opens a listener at an address (addr.h), at ":80" or "*:80" for every
 * interface, or by "fd:3", an inherited descriptor that listens already. Port 0
 * takes a free one (ed_listener_local() tells it). A stale Unix socket nobody
 * listens on is replaced; anything else there is -EADDRINUSE. The socket file
 * is removed when the listener closes, unless somebody else has put another in
 * its place; that of an inherited descriptor is left alone. Does not suspend:
 * names are not resolved, but "localhost" is 127.0.0.1.
 *
 * Returns 0, ED_EADDR, or -errno; ed_error() names the address.
 */
#define ed_listen(out, address, ...) \
    ed_listen_with((out), (address), \
                   ED_OPTIONS(struct ed_listen_options, __VA_ARGS__))
ED_API ED_CHECK int ed_listen_with(ed_listener **out, const char *address,
                                   const struct ed_listen_options *options);

/* Takes the next connection. When the process is out of descriptors it waits
 * and tries again. Suspends. 0, ED_ECLOSED, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_accept(ed_listener *l, ed_stream **out);

/* The address it listens on, as text. Does not suspend. */
ED_API void ed_listener_local(ed_listener *l, char out[ED_ADDR_TEXT]);

/* Stops listening and frees; NULL is allowed. Fibers waiting in it get
 * ED_ECLOSED. Does not suspend. */
ED_API void ed_listener_close(ed_listener *l);

/*
 * Accepts until the fiber is cancelled or the listener closed, and runs
 * fn(stream, arg) in a fiber of its own for each connection; the stream is
 * closed when it returns. Failures are logged with the peer's address. At most
 * `max` run at once (0: no limit); further peers wait to be accepted.
 *
 * When the fiber is cancelled, so are the connections; when the listener is
 * closed, they are waited for.
 *
 * fn may not replace its stream: who turns to TLS in mid-stream
 * (ed_start_tls()) takes connections with ed_accept().
 *
 * Suspends. Returns ED_ECANCELED, ED_ETIMEOUT or ED_ECLOSED.
 */
typedef int ed_stream_fn(ed_stream *s, void *arg);
ED_API int ed_accept_each(ed_listener *l, ed_stream_fn *fn, void *arg,
                          unsigned max);

ED_END_DECLS
#endif
