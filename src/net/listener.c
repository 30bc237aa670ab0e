/*
 * listener.c - sockets that listen, and the connections taken from them.
 *
 * Owns the listening descriptor and, if it made one, the file of a Unix
 * socket. A connection is accepted only when somebody is there to take it, so
 * that waiting peers wait in the kernel's queue. Out of descriptors, accepting
 * stops and is tried again when a stream closes and every RETRY_AFTER. How
 * sockets come to listen is bind.c.
 */
#include "base/list.h"
#include "net/bind.h"
#include "net/socket.h"
#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Descriptors are also closed where nobody tells us. */
#define RETRY_AFTER (100 * ED_MS)

/* A process at its limit of descriptors loses and gains one all the time. */
#define COMPLAIN_EVERY ED_MIN

/* A connection wakes one of several processes. When that one then closes its
 * listener, pauses it, or is kept from its loop by other work, nobody else
 * hears of the connection before the next one arrives: so each looks anew,
 * which costs two calls. */
#define LOOK_EVERY (100 * ED_MS)

struct ed_listener {
    struct ed_io io;
    struct ed_op op;
    ed_listener_fn *on_accept; /* NULL: fibers in ed_accept() */
    void *arg;
    struct ed_waitq acceptors; /* data: where the stream goes */
    unsigned wanted;           /* how many of them were not served yet */
    ed_stream *spare; /* accepted when the fiber that waited had just left */
    struct ed_waitq slots; /* ed_accept_each() at its limit */
    struct ed_timer retry;
    struct ed_timer look;    /* of an exclusive one, while it accepts */
    struct ed_list starving; /* in `starving`, while the timer is armed */
    int64_t complained_at;   /* 0: never */
    struct ed_socket_file file;
    unsigned users; /* calls under way; the last frees a closed one */
    bool paused;
    bool closed;
};

/* Listeners of this thread's loop that wait for a free descriptor, those that
 * wait for longest first. */
static _Thread_local struct ed_list starving;

static void enter(ed_listener *l)
{
    l->users++;
}

static void leave(ed_listener *l)
{
    if (--l->users || !l->closed)
        return;
    free(l);
}

/* ---- accepting ---- */

static void starve(ed_listener *l, int err);

static void stop(ed_listener *l)
{
    ed_io_stop(&l->io, &l->op);
    ed_timer_stop(l->io.loop, &l->look);
}

static void look_later(ed_listener *l)
{
    /* Without memory for the timer the next connection is what is left. */
    if (l->op.exclusive &&
        ed_timer_start(l->io.loop, &l->look, ed_now() + LOOK_EVERY))
        ed_log_warn("no memory to look for connections others have left");
}

/* Accepts exactly while somebody is there to take a connection. */
static void update(ed_listener *l)
{
    if (l->closed)
        return;
    if ((!l->on_accept && !l->wanted) || l->paused || l->retry.index) {
        stop(l);
        return;
    }
    if (l->io.in)
        return;
    ssize_t result = ed_io_start(&l->io, &l->op);
    if (result == ED_IO_PENDING)
        look_later(l);
    else
        starve(l, (int)result);
}

/* Starting shows what waits already. */
static void look_due(struct ed_timer *timer)
{
    ed_listener *l = ED_CONTAINER(timer, struct ed_listener, look);

    stop(l);
    update(l);
}

static void end_starving(ed_listener *l)
{
    ed_timer_stop(l->io.loop, &l->retry);
    ed_list_remove(&l->starving);
    update(l);
}

static void retry_due(struct ed_timer *timer)
{
    end_starving(ED_CONTAINER(timer, struct ed_listener, retry));
}

void ed_listeners_descriptor_freed(void)
{
    /* Only the first: one descriptor serves one of them. */
    if (starving.next && !ed_list_empty(&starving))
        end_starving(ED_CONTAINER(starving.next, struct ed_listener, starving));
}

static void complain(ed_listener *l, int err)
{
    char text[ED_ADDR_TEXT];
    int64_t now = ed_now();

    if (l->complained_at && now - l->complained_at < COMPLAIN_EVERY)
        return;
    l->complained_at = now;
    ed_listener_local(l, text);
    ed_log_error("listen on %s: %s; connections wait until this passes", text,
                 ed_err_text(err));
}

static void starve(ed_listener *l, int err)
{
    complain(l, err);
    if (!starving.next)
        ed_list_init(&starving);
    ed_list_remove(&l->starving);
    ed_list_add_back(&starving, &l->starving);
    int64_t at = ed_now() + RETRY_AFTER;
    if (ed_timer_start(l->io.loop, &l->retry, at)) {
        /* No memory for a timer: the next stream that closes is what is
         * left to wait for. */
        stop(l);
        return;
    }
    update(l);
}

/* Errors that were the connection's own, which is gone (accept(2)). */
static bool is_peers_fault(int err)
{
    switch (-err) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    }
    return false;
}

static void hand_over(ed_listener *l, ed_stream *s)
{
    if (l->on_accept) {
        l->on_accept(s, l->arg);
        return;
    }
    struct ed_waiter *waiter = ed_waitq_wake(&l->acceptors, 0);
    if (!waiter) {
        l->spare = s;
        return;
    }
    *(ed_stream **)waiter->data = s;
    l->wanted--;
}

static void accepted(struct ed_op *op, ssize_t result)
{
    ed_listener *l = ED_CONTAINER(op, struct ed_listener, op);
    ed_stream *s;
    int err = result < 0 ? (int)result : 0;

    if (!err) {
        err = ed_socket_stream(&s, l->io.loop, (int)result);
        if (err)
            close((int)result);
    } else if (is_peers_fault(err)) {
        update(l);
        return;
    }
    if (err) {
        starve(l, err);
        return;
    }
    enter(l);
    hand_over(l, s);
    update(l);
    leave(l);
}

void ed_listener_start(ed_listener *l, ed_listener_fn *on_accept, void *arg)
{
    l->on_accept = on_accept;
    l->arg = arg;
    update(l);
}

void ed_listener_pause(ed_listener *l, bool pause)
{
    l->paused = pause;
    update(l);
}

int ed_accept(ed_listener *l, ed_stream **out)
{
    int err = ed_checkpoint();

    if (err)
        return err;
    if (l->closed)
        return ED_ECLOSED;
    if (l->on_accept)
        return ED_EUSAGE;
    if (l->spare) {
        *out = l->spare;
        l->spare = NULL;
        return 0;
    }
    enter(l);
    l->wanted++;
    update(l);
    err = ed_waitq_wait(&l->acceptors, "accept", out);
    if (err)
        l->wanted--;
    update(l);
    leave(l);
    return err;
}

/* ---- a fiber for each connection ---- */

struct crowd {
    ed_listener *listener;
    ed_stream_fn *fn;
    void *arg;
    unsigned running;
};

struct connection {
    struct crowd *crowd;
    ed_stream *stream;
};

static int serve_connection(void *arg)
{
    struct connection *connection = arg;
    struct crowd *crowd = connection->crowd;
    char peer[ED_ADDR_TEXT];

    ed_stream_peer(connection->stream, peer);
    int err = crowd->fn(connection->stream, crowd->arg);
    if (err < 0 && err != ED_ECANCELED)
        ed_log_warn("connection from %s: %s%s%s", *peer ? peer : "somewhere",
                    ed_err_text(err), *ed_error() ? ": " : "", ed_error());
    ed_stream_close(connection->stream);
    crowd->running--;
    ed_waitq_wake(&crowd->listener->slots, 0);
    return 0;
}

/* Waits until one more connection may be served, then for the connection. */
static int accept_one(struct crowd *crowd, unsigned max, ed_stream **out)
{
    ed_listener *l = crowd->listener;

    while (max && crowd->running >= max && !l->closed) {
        int err =
            ed_waitq_wait(&l->slots, "a place for one more connection", NULL);
        if (err)
            return err;
    }
    return ed_accept(l, out);
}

static int serve_crowd(struct crowd *crowd, unsigned max)
{
    struct connection connection = {.crowd = crowd};
    int err;

    ed_scope(connections, .independent = true, .name = "connections");
    while (!(err = accept_one(crowd, max, &connection.stream))) {
        crowd->running++;
        err = ed_go_copy(connections, serve_connection, &connection,
                         sizeof(connection));
        if (!err)
            continue;
        crowd->running--;
        if (!ed_cancelled())
            ed_log_error("a connection was dropped: %s", ed_err_text(err));
        ed_stream_close(connection.stream);
    }
    if (err == ED_ECLOSED) {
        int cancelled = ed_wait(connections);
        if (cancelled)
            return cancelled;
    }
    return err;
}

int ed_accept_each(ed_listener *l, ed_stream_fn *fn, void *arg, unsigned max)
{
    struct crowd crowd = {.listener = l, .fn = fn, .arg = arg};

    enter(l);
    int err = serve_crowd(&crowd, max);
    leave(l);
    return err;
}

/* ---- opening ---- */

static int make_listener(ed_listener **out, ed_loop *loop, int fd)
{
    ed_listener *l = calloc(1, sizeof(*l));

    if (!l)
        return ED_ENOMEM;
    int err = ed_io_open(loop, &l->io, fd);
    if (err) {
        free(l);
        return err;
    }
    l->op = (struct ed_op){.done = accepted, .kind = ED_OP_ACCEPT};
    l->retry.fire = retry_due;
    l->look.fire = look_due;
    ed_list_init(&l->starving);
    *out = l;
    return 0;
}

int ed_listen_with(ed_listener **out, const char *address,
                   const struct ed_listen_options *options)
{
    struct ed_bound bound;

    if (!ed_loop_current())
        return ED_EUSAGE;
    int err = ed_listen_fd(&bound, address, options);
    if (err)
        return ed_fail(err, "%s", bound.why);
    err = make_listener(out, ed_loop_current(), bound.fd);
    if (err) {
        ed_bound_close(&bound);
        return ed_fail(err, "listen on %s: %s", address, ed_err_text(err));
    }
    (*out)->file = bound.file;
    return 0;
}

int ed_listener_of_fd_with(ed_listener **out, int fd,
                           const struct ed_listener_options *options)
{
    ed_loop *loop = ed_loop_current();

    if (!loop)
        return ED_EUSAGE;
    int err = ed_listening_check(fd);
    if (!err)
        err = make_listener(out, loop, fd);
    if (!err && options->exclusive)
        (*out)->op.exclusive = true;
    return err;
}

/* ---- the rest ---- */

void ed_listener_local(ed_listener *l, char out[ED_ADDR_TEXT])
{
    struct ed_addr addr = {.len = sizeof(addr.un)};

    if (getsockname(l->io.fd, &addr.any, &addr.len))
        addr.len = 0;
    ed_addr_text(&addr, out);
}

void ed_listener_close(ed_listener *l)
{
    if (!l || l->closed)
        return;
    enter(l);
    l->closed = true;
    ed_timer_stop(l->io.loop, &l->retry);
    ed_timer_stop(l->io.loop, &l->look);
    ed_list_remove(&l->starving);
    ed_socket_file_remove(&l->file);
    ed_io_close(&l->io);
    ed_stream_close(l->spare);
    ed_waitq_wake_all(&l->acceptors, ED_ECLOSED);
    ed_waitq_wake_all(&l->slots, ED_ECLOSED);
    leave(l);
}
