/*
 * io.h - descriptors and the operations on them: what a backend provides.
 *
 * Completion-shaped: an operation is started, and its `done` is called in the
 * loop with the result; or it can be done at once, and the call says so. One
 * backend file implements this for epoll; io_uring or kqueue would be another.
 */
#ifndef EDDY_CORE_IO_H
#define EDDY_CORE_IO_H

#include "core/runtime.h"
#include <sys/socket.h>
#include <sys/uio.h>

enum ed_op_kind {
    ED_OP_READ,     /* iov: read into it */
    ED_OP_RECEIVE,  /* again and again, into the loop's scratch memory: `done`
                       is called with each arrival (data in `buf`) until it is
                       stopped, ends (0) or fails */
    ED_OP_WRITE,    /* iov: write it, as much as goes at once */
    ED_OP_ACCEPT,   /* again and again: result is a new descriptor */
    ED_OP_CONNECT,  /* the connect() begun by the caller has ended */
    ED_OP_READABLE, /* just tell when; for descriptors of other libraries */
    ED_OP_WRITABLE,
    ED_OP_WATCH, /* tell again and again, as long as there is something to
                    read: for libraries that need not read all of it at once */
};

struct ed_op;
typedef void ed_op_done(struct ed_op *op, ssize_t result);

struct ed_op {
    ed_op_done *done;
    void *user; /* of who starts it; ed_io_await() uses it */
    uint8_t kind;
    bool socket; /* of READ, RECEIVE, WRITE: recv, and send without SIGPIPE */
    bool exclusive; /* of ACCEPT: among several that wait for it, in other
                       processes too, a connection wakes one */
    bool urgent;    /* of READABLE: urgent data count, too */
    int iov_count;
    union {
        const struct iovec *iov;
        char *buf; /* RECEIVE: where the data lies, during `done` only */
    };
};

/* A descriptor the loop knows; embedded in its owner. */
struct ed_io {
    ed_loop *loop;
    int fd;
    uint8_t hints; /* the backend's own, as is the next */
    uint16_t watched;
    struct ed_op *in;  /* the pending READ, RECEIVE, ACCEPT, READABLE, WATCH */
    struct ed_op *out; /* the pending WRITE, CONNECT or WRITABLE */
    /* The peer has closed its side, or the connection broke, and no `in` was
     * pending that could tell: called once for either. May be NULL. */
    void (*hangup)(struct ed_io *io);
};

/* Registers a non-blocking descriptor, which the io owns from now on. 0 or
 * -errno, the descriptor then still being the caller's. */
ED_CHECK int ed_io_open(ed_loop *loop, struct ed_io *io, int fd);

/* The same for one that stays its owner's: to be released, never closed. */
ED_CHECK int ed_io_borrow(ed_loop *loop, struct ed_io *io, int fd);

/* Forgets pending operations without calling them, and closes. */
void ed_io_close(struct ed_io *io);

/* Forgets pending operations and gives the descriptor back. */
int ed_io_release(struct ed_io *io);

/*
 * Starts an operation. Returns ED_IO_PENDING, `done` being called later, never
 * from within this call; or the result, when it could be had at once (a count,
 * 0 at the end of the stream, -errno), `done` not being called. RECEIVE and
 * ACCEPT are always pending. `op` and what it points to must stay until it is
 * done or stopped.
 */
#define ED_IO_PENDING ((ssize_t) - (1 << 30))
ED_CHECK ssize_t ed_io_start(struct ed_io *io, struct ed_op *op);

/* Takes a pending operation back; `done` will not be called. Nothing to do
 * when it is not pending. */
void ed_io_stop(struct ed_io *io, struct ed_op *op);

/* Starts an operation and waits for its result. Suspends. Returns the result,
 * ED_ECANCELED or ED_ETIMEOUT. `op->done` is set by the call. */
ssize_t ed_io_await(struct ed_io *io, struct ed_op *op, const char *what);

/* Waits until a descriptor that is not the loop's is readable or writable;
 * files that epoll does not know, such as regular ones, always are. One fiber
 * at a time may wait for a descriptor. Suspends. Returns 0, -errno (-EEXIST:
 * somebody waits for it already), ED_ECANCELED or ED_ETIMEOUT. */
int ed_io_wait_fd(int fd, bool writable, const char *what);

#endif
