/*
 * listener.c - sockets that listen, and the connections taken from them.
 *
 * Owns the listening descriptor and, if it made one, the file of a Unix
 * socket. A connection is accepted only when somebody is there to take it, so
 * that waiting peers wait in the kernel's queue. Out of descriptors, accepting
 * stops and is tried again when a stream closes and every RETRY_AFTER.
 */
#include "base/options.h"
#include "base/list.h"
#include "net/addr.h"
#include "net/socket.h"
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel lowers it to net.core.somaxconn. */
#define DEFAULT_BACKLOG 4096

#define DEFAULT_UNIX_MODE 0660

/* Descriptors are also closed where nobody tells us. */
#define RETRY_AFTER (100 * ED_MS)

/* A process at its limit of descriptors loses and gains one all the time. */
#define COMPLAIN_EVERY ED_MIN

/* The file of a Unix socket, to be removed by the process that made it if it
 * is still the same. */
struct socket_file {
    char *path;
    dev_t dev;
    ino_t ino;
    pid_t maker;
};

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
    struct ed_list starving; /* in `starving`, while the timer is armed */
    int64_t complained_at;   /* 0: never */
    struct socket_file file;
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
    free(l->file.path);
    free(l);
}

/* ---- accepting ---- */

static void starve(ed_listener *l, int err);

/* Accepts exactly while somebody is there to take a connection. */
static void update(ed_listener *l)
{
    if (l->closed)
        return;
    if ((!l->on_accept && !l->wanted) || l->paused || l->retry.index) {
        ed_io_stop(&l->io, &l->op);
        return;
    }
    if (l->io.in)
        return;
    ssize_t result = ed_io_start(&l->io, &l->op);
    if (result != ED_IO_PENDING)
        starve(l, (int)result);
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
        ed_io_stop(&l->io, &l->op);
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

static int set_option(int fd, int level, int option)
{
    int on = 1;

    return setsockopt(fd, level, option, &on, sizeof(on)) ? -errno : 0;
}

static int set_tcp_options(int fd, const struct ed_addr *addr,
                           const struct ed_listen_options *options)
{
    int v6_only = options->v6_only;
    int err = set_option(fd, SOL_SOCKET, SO_REUSEADDR);

    /* Accepted sockets inherit it, which saves a call for each. */
    if (!err)
        err = set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (!err && options->reuse_port)
        err = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (err || addr->any.sa_family != AF_INET6)
        return err;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only))
               ? -errno
               : 0;
}

/* Whether the file is a socket that nobody listens on. */
static bool is_stale(const struct ed_addr *addr)
{
    struct stat st;

    if (lstat(addr->un.sun_path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, &addr->any, addr->len) && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static bool is_file(const struct ed_addr *addr)
{
    return addr->any.sa_family == AF_UNIX && addr->un.sun_path[0];
}

static int bind_to(int fd, const struct ed_addr *addr)
{
    if (!bind(fd, &addr->any, addr->len))
        return 0;
    if (errno != EADDRINUSE || !is_file(addr) || !is_stale(addr))
        return -errno;
    if (unlink(addr->un.sun_path) && errno != ENOENT)
        return -errno;
    return bind(fd, &addr->any, addr->len) ? -errno : 0;
}

/* Remembers the file that was made, and gives it its permissions. Before
 * bind() fchmod() has already taken away what is not wanted, so that it was
 * never open wider; what the umask took as well is given back here. */
static int adopt_file(struct socket_file *file, const char *path, int mode)
{
    struct stat st;

    if (lstat(path, &st))
        return -errno;
    file->path = strdup(path);
    if (!file->path)
        return ED_ENOMEM;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->maker = getpid();
    return chmod(path, (mode_t)mode) ? -errno : 0;
}

static void remove_file(const struct socket_file *file)
{
    struct stat st;

    if (!file->path || file->maker != getpid() || lstat(file->path, &st))
        return;
    if (st.st_dev == file->dev && st.st_ino == file->ino)
        unlink(file->path);
}

static int open_unix(int fd, struct socket_file *file,
                     const struct ed_addr *addr, int mode)
{
    if (!is_file(addr))
        return bind_to(fd, addr);
    if (fchmod(fd, (mode_t)mode))
        return -errno;
    int err = bind_to(fd, addr);
    return err ? err : adopt_file(file, addr->un.sun_path, mode);
}

static int bind_and_listen(int fd, struct socket_file *file,
                           const struct ed_addr *addr,
                           const struct ed_listen_options *options)
{
    int mode = options->unix_mode ? options->unix_mode : DEFAULT_UNIX_MODE;
    int backlog = options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
    int err;

    if (addr->any.sa_family == AF_UNIX) {
        err = open_unix(fd, file, addr, mode);
    } else {
        err = set_tcp_options(fd, addr, options);
        if (!err)
            err = bind_to(fd, addr);
    }
    if (err)
        return err;
    return listen(fd, backlog) ? -errno : 0;
}

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
    ed_list_init(&l->starving);
    *out = l;
    return 0;
}

static int listen_on(ed_listener **out, const struct ed_addr *addr,
                     const struct ed_listen_options *options)
{
    struct socket_file file = {0};
    int fd = socket(addr->any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    int err = bind_and_listen(fd, &file, addr, options);
    if (!err)
        err = make_listener(out, ed_loop_current(), fd);
    if (!err) {
        (*out)->file = file;
        return 0;
    }
    remove_file(&file);
    free(file.path);
    close(fd);
    return err;
}

/* Every interface: IPv6 that takes IPv4, too; IPv4 alone where the system has
 * no IPv6. */
static int listen_on_any(ed_listener **out, uint16_t port,
                         const struct ed_listen_options *options)
{
    struct ed_addr addr;
    int err = ed_addr_parse_ip(&addr, ED_BYTES("::"), port);

    if (!err)
        err = listen_on(out, &addr, options);
    if (err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
        return err;
    err = ed_addr_parse_ip(&addr, ED_BYTES("0.0.0.0"), port);
    return err ? err : listen_on(out, &addr, options);
}

static int listen_at(ed_listener **out, const char *address,
                     const struct ed_listen_options *options)
{
    struct ed_endpoint endpoint;
    int err = ed_endpoint_parse(&endpoint, ed_bytes(address));

    if (!err &&
        ed_bytes_equal_nocase(ed_bytes(endpoint.host), ED_BYTES("localhost")))
        err = ed_addr_parse_ip(&endpoint.addr, ED_BYTES("127.0.0.1"),
                               endpoint.port);
    if (err)
        return err;
    if (endpoint.any)
        return listen_on_any(out, endpoint.port, options);
    if (!endpoint.addr.len)
        return ED_EADDR;
    return listen_on(out, &endpoint.addr, options);
}

int ed_listen_with(ed_listener **out, const char *address,
                   const struct ed_listen_options *given)
{
    ED_OPTIONS_TAKE(struct ed_listen_options, options, given);
    if (!ed_loop_current())
        return ED_EUSAGE;
    int err = listen_at(out, address, &options);
    if (err)
        return ed_fail(err, "listen on %s: %s", address, ed_err_text(err));
    return 0;
}

int ed_listener_of_fd(ed_listener **out, int fd)
{
    int listens;
    socklen_t len = sizeof(listens);
    ed_loop *loop = ed_loop_current();

    if (!loop)
        return ED_EUSAGE;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len))
        return -errno;
    if (!listens)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
        return -errno;
    /* Refused by a Unix socket, which does not need it. */
    (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    return make_listener(out, loop, fd);
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
    ed_list_remove(&l->starving);
    remove_file(&l->file);
    ed_io_close(&l->io);
    ed_stream_close(l->spare);
    ed_waitq_wake_all(&l->acceptors, ED_ECLOSED);
    ed_waitq_wake_all(&l->slots, ED_ECLOSED);
    leave(l);
}
