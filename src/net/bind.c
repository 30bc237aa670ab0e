/*
 * bind.c - opening sockets that listen.
 *
 * Needs no loop. A stale Unix socket nobody listens on is replaced; anything
 * else in its place is left alone.
 */
#include "net/bind.h"
#include "base/ascii.h"
#include "base/options.h"
#include "net/addr.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel lowers it to net.core.somaxconn. */
#define DEFAULT_BACKLOG 4096

#define DEFAULT_UNIX_MODE 0660

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

/* Gives the file its permissions. Before bind() fchmod() has already taken away
 * what is not wanted, so that it was never open wider; what the umask took as
 * well is given back after it. */
static int open_unix(int fd, struct ed_socket_file *file,
                     const struct ed_addr *addr, int mode)
{
    if (!is_file(addr))
        return bind_to(fd, addr);
    if (fchmod(fd, (mode_t)mode))
        return -errno;
    int err = bind_to(fd, addr);
    if (!err)
        err = ed_socket_file_keep(file, addr->un.sun_path);
    if (err)
        return err;
    return chmod(file->path, (mode_t)mode) ? -errno : 0;
}

static int bind_and_listen(int fd, struct ed_socket_file *file,
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

static int listen_on(struct ed_bound *out, const struct ed_addr *addr,
                     const struct ed_listen_options *options)
{
    out->fd = socket(addr->any.sa_family,
                     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0)
        return -errno;
    int err = bind_and_listen(out->fd, &out->file, addr, options);
    if (err)
        ed_bound_close(out);
    return err;
}

/* Every interface: IPv6 that takes IPv4, too; IPv4 alone where the system has
 * no IPv6. */
static int listen_on_any(struct ed_bound *out, uint16_t port,
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

/* ---- inherited ---- */

static int int_option(int fd, int option, int *value)
{
    socklen_t len = sizeof(*value);

    return getsockopt(fd, SOL_SOCKET, option, value, &len) ? -errno : 0;
}

int ed_listening_check(int fd)
{
    int listens, type;
    int err = int_option(fd, SO_ACCEPTCONN, &listens);

    if (!err)
        err = int_option(fd, SO_TYPE, &type);
    if (err)
        return err == -ENOTSOCK ? -EINVAL : err;
    if (!listens || type != SOCK_STREAM)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
        fcntl(fd, F_SETFD, FD_CLOEXEC))
        return -errno;
    /* Refused by a Unix socket, which does not need it. */
    (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    return 0;
}

static int take_inherited(struct ed_bound *out, struct ed_bytes number)
{
    int64_t fd;

    if (ed_digits_read(number, &fd) || fd > INT_MAX)
        return ED_EADDR;
    int err = ed_listening_check((int)fd);
    if (!err)
        out->fd = (int)fd;
    return err;
}

/* ---- any address ---- */

static int listen_at(struct ed_bound *out, struct ed_bytes address,
                     const struct ed_listen_options *options)
{
    static const struct ed_bytes inherited = ED_BYTES("fd:");
    struct ed_endpoint endpoint;

    if (ed_bytes_starts(address, inherited))
        return take_inherited(out, ed_bytes_of(address.ptr + inherited.len,
                                               address.len - inherited.len));
    int err = ed_endpoint_parse(&endpoint, address);
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

/* The system's text for what is wrong with an inherited descriptor would not
 * say which of the things one may inherit was expected. */
static const char *reason(struct ed_bytes address, int err)
{
    if (err == -EINVAL && ed_bytes_starts(address, ED_BYTES("fd:")))
        return "not a stream socket that listens";
    if (err == ED_EADDR)
        return "no address such as 127.0.0.1:80, [::]:80 or unix:/run/x.sock";
    return ed_err_text(err);
}

int ed_listen_fd(struct ed_bound *out, const char *address,
                 const struct ed_listen_options *given)
{
    ED_OPTIONS_TAKE(struct ed_listen_options, options, given);

    *out = (struct ed_bound){.fd = -1};
    int err = listen_at(out, ed_bytes(address), &options);
    if (err)
        snprintf(out->why, sizeof(out->why), "listen on %s: %s", address,
                 reason(ed_bytes(address), err));
    return err;
}

void ed_bound_close(struct ed_bound *bound)
{
    ed_socket_file_remove(&bound->file);
    if (bound->fd >= 0)
        close(bound->fd);
    bound->fd = -1;
}
