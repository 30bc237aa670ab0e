/*
 * connect.c - connecting to an address, and to a name by a race of its
 * addresses (happy.c).
 */
#include "base/options.h"
#include "net/connect.h"
#include "net/happy.h"
#include "net/resolve.h"
#include "net/socket.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How soon a Unix socket whose queue is full is tried again; doubled up to
 * the other. The kernel does not tell when there is room. */
#define FULL_QUEUE_FIRST (ED_MS)
#define FULL_QUEUE_LAST  (50 * ED_MS)

/* ---- one address ---- */

/* connect(2), waiting for room in the queue of a Unix socket. 0, -EINPROGRESS
 * or an error. */
static int begin(int fd, const struct ed_addr *to)
{
    int64_t pause = FULL_QUEUE_FIRST;

    while (connect(fd, &to->any, to->len)) {
        if (errno == EINTR)
            return -EINPROGRESS; /* it goes on all the same */
        if (errno != EAGAIN || to->any.sa_family != AF_UNIX)
            return -errno;
        int err = ed_sleep(pause);
        if (err)
            return err;
        pause = pause * 2 < FULL_QUEUE_LAST ? pause * 2 : FULL_QUEUE_LAST;
    }
    return 0;
}

static int prepare(int fd, const struct ed_addr *to, const struct ed_addr *from)
{
    int on = 1;

    if (to->any.sa_family != AF_UNIX &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
        return -errno;
    if (!from || !from->len)
        return 0;
    /* The port is chosen by connect(): several connections may then share
     * one, as long as their peers differ. */
    if (!ed_addr_port(from))
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
                         sizeof(on));
    return bind(fd, &from->any, from->len) ? -errno : 0;
}

int ed_connect_begin(ed_stream **out, const struct ed_addr *to,
                     const struct ed_addr *from)
{
    int fd = socket(to->any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = prepare(fd, to, from);
    if (!err)
        err = begin(fd, to);
    bool pending = err == -EINPROGRESS;
    if (!err || pending)
        err = ed_socket_stream(out, ed_loop_current(), fd);
    if (err) {
        close(fd);
        return err;
    }
    return pending ? -EINPROGRESS : 0;
}

int ed_connect_addr(ed_stream **out, const struct ed_addr *to,
                    const struct ed_addr *from)
{
    ed_stream *s;
    int err = ed_checkpoint();

    if (!err)
        err = ed_connect_begin(&s, to, from);
    if (err == -EINPROGRESS) {
        err = ed_socket_connected(s);
        if (err)
            ed_stream_close(s);
    }
    if (!err)
        *out = s;
    return err;
}

/* ---- every address ---- */

/* Errors that say more than that an address took no connection. */
static bool is_final(int err)
{
    return err == ED_ECANCELED || err == ED_ETIMEOUT || err == ED_ENOMEM ||
           err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* Ends a connection that failed with a text that names where to and why. */
static int fail(const struct ed_connecting *c, int err, const char *reasons)
{
    char text[ED_ADDR_TEXT];

    if (*c->to.host)
        return ed_fail(err, "connect to %s:%u: %s", c->to.host, c->to.port,
                       reasons);
    return ed_fail(err, "connect to %s: %s", ed_addr_text(&c->to.addr, text),
                   reasons);
}

/* Connects to the only address there is. */
static int connect_one(struct ed_connecting *c, const struct ed_addr *to)
{
    char text[ED_ADDR_TEXT];
    char reason[2 * ED_ADDR_TEXT];
    int err = ed_connect_addr(&c->stream, to, &c->from);

    if (!err) {
        c->peer = *to;
        return 0;
    }
    bool named = *c->to.host; /* then the address is not named already */
    snprintf(reason, sizeof(reason), "%s%s%s",
             named ? ed_addr_text(to, text) : "", named ? ": " : "",
             ed_err_text(err));
    return fail(c, is_final(err) ? err : ED_ECONNECT, reason);
}

int ed_net_connect_any(struct ed_connecting *c, struct ed_addrs *addrs)
{
    char reasons[ED_HAPPY_REASONS];
    int err;

    c->stream = NULL;
    c->connected_at = 0;
    if (addrs->count == 1) {
        err = connect_one(c, &addrs->list[0]);
    } else {
        ed_happy_order(addrs);
        err = ed_happy_connect(&c->stream, &c->peer, addrs, &c->from, reasons);
        if (err)
            err = fail(c, err, reasons);
    }
    if (!err)
        c->connected_at = ed_now();
    return err;
}

int ed_net_resolve(struct ed_connecting *c, struct ed_addrs *out)
{
    int family = c->from.len ? c->from.any.sa_family : AF_UNSPEC;

    c->resolved_at = 0;
    if (c->to.any)
        return ed_fail(ED_EADDR, "connect to port %u: of which host?",
                       c->to.port);
    if (c->to.addr.len) {
        out->count = 1;
        out->list[0] = c->to.addr;
    } else {
        int err = family == AF_UNSPEC ? ed_resolve_soon(c->to.host, out)
                                      : ed_resolve(c->to.host, family, out);
        if (err)
            return err;
        for (unsigned i = 0; i < out->count; i++)
            ed_addr_set_port(&out->list[i], c->to.port);
    }
    c->resolved_at = ed_now();
    return 0;
}

int ed_net_connect(struct ed_connecting *c)
{
    struct ed_addrs addrs;

    c->stream = NULL;
    c->connected_at = 0;
    int err = ed_net_resolve(c, &addrs);
    return err ? err : ed_net_connect_any(c, &addrs);
}

int ed_connect_parse_local(struct ed_addr *from, const char *text)
{
    int err = ed_addr_parse_ip(from, ed_bytes(text), 0);

    return err ? ed_addr_parse(from, ed_bytes(text)) : 0;
}

int ed_connect_with(ed_stream **out, const char *address,
                    const struct ed_connect_options *given)
{
    ED_OPTIONS_TAKE(struct ed_connect_options, options, given);
    struct ed_connecting c = {0};

    if (!ed_loop_current())
        return ED_EUSAGE;
    int err = ed_endpoint_parse(&c.to, ed_bytes(address));
    if (err)
        return ed_fail(err, "connect to %s: %s", address, ed_err_text(err));
    if (options.local) {
        err = ed_connect_parse_local(&c.from, options.local);
        if (err)
            return ed_fail(err, "connect from %s: %s", options.local,
                           ed_err_text(err));
    }
    err = ed_net_connect(&c);
    if (!err)
        *out = c.stream;
    return err;
}
