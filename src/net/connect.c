/*
 * connect.c - connecting to an address, and to a name by each of its
 * addresses in turn.
 *
 * No address may use up the time of those behind it: each but the last has
 * its share of what the deadline leaves, and never more than LONGEST_SHARE,
 * since the kernel itself goes on for two minutes.
 */
#include "base/options.h"
#include "net/connect.h"
#include "net/socket.h"
#include <eddy/dns.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_SHARE (10 * ED_S)

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

int ed_connect_addr(ed_stream **out, const struct ed_addr *to,
                    const struct ed_addr *from)
{
    ed_stream *s;
    int err = ed_checkpoint();

    if (err)
        return err;
    int fd = socket(to->any.sa_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    err = prepare(fd, to, from);
    if (!err)
        err = begin(fd, to);
    bool pending = err == -EINPROGRESS;
    if (!err || pending)
        err = ed_socket_stream(&s, ed_loop_current(), fd);
    if (err) {
        close(fd);
        return err;
    }
    if (pending)
        err = ed_socket_connected(s);
    if (err)
        ed_stream_close(s);
    else
        *out = s;
    return err;
}

/* ---- every address ---- */

static int64_t share_of(unsigned addresses_left)
{
    int64_t deadline = ed_deadline();
    int64_t share = LONGEST_SHARE;

    if (deadline != INT64_MAX)
        share = (deadline - ed_now()) / addresses_left;
    return share < LONGEST_SHARE ? share : LONGEST_SHARE;
}

static int connect_within(struct ed_connecting *c, const struct ed_addr *to,
                          int64_t share)
{
    ed_scope(s, .within = share);
    return ed_connect_addr(&c->stream, to, &c->from);
}

static int try_address(struct ed_connecting *c, const struct ed_addr *to,
                       unsigned addresses_left)
{
    if (addresses_left == 1)
        return ed_connect_addr(&c->stream, to, &c->from);
    int err = connect_within(c, to, share_of(addresses_left));
    /* Its share is over, but not our time: the next one's turn. */
    if (err == ED_ETIMEOUT && !ed_cancelled())
        return -ETIMEDOUT;
    return err;
}

/* Errors that the next address would meet as well. */
static bool is_final(int err)
{
    return err == ED_ECANCELED || err == ED_ETIMEOUT || err == ED_ENOMEM ||
           err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* Notes why an address failed behind what others failed for. Without a name
 * there is only one, and it is named already. */
static void note_reason(char *reasons, size_t size,
                        const struct ed_connecting *c, const struct ed_addr *to,
                        int err)
{
    char text[ED_ADDR_TEXT] = "";
    size_t at = strlen(reasons);

    if (*c->to.host)
        ed_addr_text(to, text);
    snprintf(reasons + at, size - at, "%s%s%s%s", at ? "; " : "", text,
             *text ? ": " : "", ed_err_text(err));
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

static int connect_first(struct ed_connecting *c, const struct ed_addrs *addrs)
{
    char reasons[256] = "";

    for (unsigned i = 0; i < addrs->count; i++) {
        struct ed_addr to = addrs->list[i];
        if (*c->to.host)
            ed_addr_set_port(&to, c->to.port);
        int err = try_address(c, &to, addrs->count - i);
        if (!err) {
            c->peer = to;
            c->connected_at = ed_now();
            return 0;
        }
        note_reason(reasons, sizeof(reasons), c, &to, err);
        if (is_final(err))
            return fail(c, err, reasons);
    }
    return fail(c, ED_ECONNECT, reasons);
}

int ed_net_connect(struct ed_connecting *c)
{
    struct ed_addrs addrs = {.count = 1};
    int family = c->from.len ? c->from.any.sa_family : AF_UNSPEC;
    int err;

    c->stream = NULL;
    c->resolved_at = c->connected_at = 0;
    if (c->to.any)
        return ed_fail(ED_EADDR, "connect to port %u: of which host?",
                       c->to.port);
    if (c->to.addr.len) {
        addrs.list[0] = c->to.addr;
    } else {
        err = ed_resolve(c->to.host, family, &addrs);
        if (err)
            return err;
    }
    c->resolved_at = ed_now();
    return connect_first(c, &addrs);
}

/* "ip" or "ip:port". */
static int parse_local(struct ed_addr *from, const char *text)
{
    int err = ed_addr_parse_ip(from, ed_bytes(text), 0);

    return err ? ed_addr_parse(from, ed_bytes(text)) : 0;
}

int ed_connect_with(ed_stream **out, const char *address,
                    const struct ed_connect_options *given)
{
    ED_OPTIONS_TAKE(struct ed_connect_options, options, given);
    struct ed_connecting c = {0};
    int err = ed_endpoint_parse(&c.to, ed_bytes(address));

    if (err)
        return ed_fail(err, "connect to %s: %s", address, ed_err_text(err));
    if (options.local) {
        err = parse_local(&c.from, options.local);
        if (err)
            return ed_fail(err, "connect from %s: %s", options.local,
                           ed_err_text(err));
    }
    err = ed_net_connect(&c);
    if (!err)
        *out = c.stream;
    return err;
}
