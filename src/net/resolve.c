/*
 * resolve.c - addresses to connect to, without waiting for every answer.
 *
 * Each family is looked up by a fiber of its own, and shared and remembered as
 * every lookup is. The resolver sorts the addresses of a family; which family
 * goes first is decided here, by the rules of RFC 6724 that tell families
 * apart: what cannot be reached is last, then the precedence of prefixes.
 */
#include "net/resolve.h"
#include "core/runtime.h"
#include <stdio.h>
#include <unistd.h>

/* How long the answer about IPv6 is awaited when there are IPv4 addresses
 * (RFC 8305, 8), and the other way round: an IPv6 address that does not work
 * needs something to go back to. */
#define RESOLUTION_DELAY (50 * ED_MS)
#define FALLBACK_DELAY   (ED_S)

struct both;

struct half {
    struct both *both;
    int family;
    int64_t patience; /* for the other one's answer */
    bool done;
    int err;
    char why[256];
    struct ed_addrs addrs;
};

struct both {
    const char *name;
    ed_fiber *fiber; /* that waits for the end */
    struct ed_timer timer;
    bool over;
    struct half v6, v4;
};

/* ---- two lookups ---- */

static void end(struct both *both)
{
    ed_fiber *fiber = both->fiber;

    both->over = true;
    both->fiber = NULL;
    if (fiber)
        ed_wake(fiber, 0);
}

static void too_late(struct ed_timer *timer)
{
    end(ED_CONTAINER(timer, struct both, timer));
}

static int look_up(void *arg)
{
    struct half *half = arg;
    struct both *both = half->both;

    half->err = ed_resolve(both->name, half->family, &half->addrs);
    if (half->err)
        snprintf(half->why, sizeof(half->why), "%s", ed_error());
    half->done = true;
    if (both->over)
        return 0;
    if (both->v4.done && both->v6.done)
        end(both);
    else if (!half->err && ed_timer_start(ed_loop_current(), &both->timer,
                                          ed_now() + half->patience))
        end(both);
    return 0;
}

/* The fiber wakes with the cancellation. */
static bool forget_fiber(void *arg)
{
    struct both *both = arg;

    both->fiber = NULL;
    return true;
}

static int look_up_both(struct both *both)
{
    ed_scope(s, .name = "resolve");
    int err = ed_go(s, look_up, &both->v6);
    if (!err)
        err = ed_go(s, look_up, &both->v4);
    if (!err) {
        both->fiber = ed_fiber_self();
        err = ed_park("name server", forget_fiber, both);
        both->fiber = NULL;
    }
    both->over = true;
    ed_timer_stop(ed_loop_current(), &both->timer);
    ed_cancel(s);
    return err;
}

/* ---- which goes first ---- */

/* Whether there is a way there at all: connecting a datagram socket sends
 * nothing. */
static bool is_reachable(struct ed_addr addr)
{
    int fd = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    ed_addr_set_port(&addr, 1);
    bool reachable = connect(fd, &addr.any, addr.len) == 0;
    close(fd);
    return reachable;
}

/* Prefixes that RFC 6724, 2.1, puts behind IPv4: unique local addresses,
 * 6to4, Teredo. */
static bool is_behind_v4(const struct ed_addr *addr)
{
    const uint8_t *ip = addr->v6.sin6_addr.s6_addr;

    return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0x20 && ip[1] == 0x02) ||
           (ip[0] == 0x20 && ip[1] == 0x01 && !ip[2] && !ip[3]);
}

static bool v6_goes_first(const struct both *both)
{
    const struct ed_addrs *v6 = &both->v6.addrs;

    return v6->count && !is_behind_v4(v6->list) && is_reachable(*v6->list);
}

/* Adds as many as there is room for, leaving some for the others. */
static void add(struct ed_addrs *out, const struct ed_addrs *some,
                unsigned room)
{
    for (unsigned i = 0; i < some->count && out->count < room; i++)
        out->list[out->count++] = some->list[i];
}

static void merge(const struct both *both, struct ed_addrs *out)
{
    bool six = v6_goes_first(both);
    const struct ed_addrs *first = six ? &both->v6.addrs : &both->v4.addrs;
    const struct ed_addrs *second = six ? &both->v4.addrs : &both->v6.addrs;

    out->count = 0;
    add(out, first, second->count ? ED_ADDRS_MAX / 2 : ED_ADDRS_MAX);
    add(out, second, ED_ADDRS_MAX);
}

static void prepare(struct half *half, struct both *both, int family,
                    int64_t patience)
{
    half->both = both;
    half->family = family;
    half->patience = patience;
    half->done = false;
    half->err = 0;
    half->addrs.count = 0;
}

static int ask(const char *name, struct ed_addrs *out)
{
    struct both both = {.name = name, .timer.fire = too_late};

    prepare(&both.v6, &both, AF_INET6, FALLBACK_DELAY);
    prepare(&both.v4, &both, AF_INET, RESOLUTION_DELAY);
    int err = look_up_both(&both);
    if (err)
        return err;
    /* What was given up after all has no addresses. */
    if ((both.v4.done && !both.v4.err) || (both.v6.done && !both.v6.err)) {
        merge(&both, out);
        return 0;
    }
    return ed_fail(both.v4.err, "%s", both.v4.why);
}

int ed_resolve_soon(const char *name, struct ed_addrs *out)
{
    int err = ed_resolve_here(name, AF_UNSPEC, out);

    return err || out->count ? err : ask(name, out);
}
