/*
 * statsd.c - metrics for a statsd, gathered into datagrams.
 *
 * Owns the socket, which is not connected: a statsd that was not there, or has
 * been started again at the same path, gets the next datagram. There is none
 * until the address is known, which for a name a fiber finds, as often as it
 * takes.
 */
#include "serve/statsd.h"
#include "base/ascii.h"
#include "net/addr.h"

#include <eddy/dns.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t EVERY = ED_S;
static const int64_t TELL_EVERY = 60 * ED_S;

/* Long enough for a name server that has more to do, short enough for who has
 * just written the name down. */
static const int64_t LOOK_AGAIN = 10 * ED_S;

/* For the address of a name. The fiber's, which may outlive the statsd by a
 * moment. */
struct ed_statsd_search {
    struct ed_statsd *statsd; /* NULL: it was closed */
    ed_fiber *fiber;          /* NULL: it has not begun */
    uint16_t port;
    char host[ED_HOST_MAX + 1];
};

/* ---- sending ---- */

static void tell_dropped(struct ed_statsd *s)
{
    if (s->dropped == s->told || ed_now() < s->tell_at)
        return;
    ed_log_warn("statsd %s: %llu datagrams were dropped: %s", s->address,
                (unsigned long long)(s->dropped - s->told),
                ed_err_text(s->why));
    s->told = s->dropped;
    s->tell_at = ed_now() + TELL_EVERY;
}

/* 0 or what went wrong. */
static int send_now(const struct ed_statsd *s)
{
    ssize_t n;

    if (s->fd < 0)
        return ED_ERESOLVE;
    do
        n = sendto(s->fd, s->datagram, s->len - 1, MSG_DONTWAIT | MSG_NOSIGNAL,
                   &s->to.any, s->to.len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void send_datagram(struct ed_statsd *s)
{
    if (!s->len)
        return;
    int err = send_now(s);
    if (err) {
        s->dropped++;
        s->why = err;
    } else {
        s->sent++;
    }
    s->len = 0;
}

/* Room for a line in the datagram, which is sent first if need be. */
static char *room_for(struct ed_statsd *s, size_t len)
{
    if (s->len + len > sizeof s->datagram)
        send_datagram(s);
    return s->datagram + s->len;
}

/* Lines are ended by '\n', the last of a datagram by its end. */
static void add_count(struct ed_statsd *s, const char *name, uint64_t count)
{
    char line[ED_STATSD_PREFIX + 80];
    int len = snprintf(line, sizeof line, "%s%s:%llu|c\n", s->prefix, name,
                       (unsigned long long)count);

    memcpy(room_for(s, (size_t)len), line, (size_t)len);
    s->len += (size_t)len;
}

static void add_counts(struct ed_statsd *s)
{
    char name[32];

    if (s->requests)
        add_count(s, "requests", s->requests);
    s->requests = 0;
    for (int i = 0; i <= ED_STATUS_LAST - ED_STATUS_FIRST; i++) {
        if (!s->statuses[i])
            continue;
        snprintf(name, sizeof name, "request.status.%d", ED_STATUS_FIRST + i);
        add_count(s, name, s->statuses[i]);
        s->statuses[i] = 0;
    }
}

static void flush(struct ed_statsd *s)
{
    add_counts(s);
    send_datagram(s);
    tell_dropped(s);
}

static void on_timer(struct ed_timer *timer)
{
    flush(ED_CONTAINER(timer, struct ed_statsd, timer));
}

/* ---- what happens ---- */

/* "12.345", the thousandths with all their digits, so that it stops before
 * `end`; returns where it begins. */
static char *write_ms(char *end, int64_t took)
{
    uint64_t us = took > 0 ? (uint64_t)(took / ED_US) : 0;

    for (int i = 0; i < 3; i++, us /= 10)
        *--end = (char)('0' + us % 10);
    *--end = '.';
    return ed_digits_write(end, us);
}

static void add_duration(struct ed_statsd *s, int64_t took)
{
    static const char unit[] = "|ms\n";
    char digits[ED_DIGITS_MAX + 8];
    char *end = digits + sizeof digits;
    const char *first = write_ms(end, took);
    size_t len = (size_t)(end - first);
    char *at = room_for(s, s->duration_len + len + sizeof unit - 1);

    memcpy(at, s->duration, s->duration_len);
    at += s->duration_len;
    memcpy(at, first, len);
    at += len;
    memcpy(at, unit, sizeof unit - 1);
    s->len += s->duration_len + len + sizeof unit - 1;
}

void ed_statsd_request(struct ed_statsd *s, int status, int64_t took)
{
    s->requests++;
    if (status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST)
        s->statuses[status - ED_STATUS_FIRST]++;
    if (took >= 0)
        add_duration(s, took);
    /* Without memory for a timer the next request tries again. */
    if (!s->timer.index)
        (void)!ed_timer_start(s->loop, &s->timer, ed_now() + EVERY);
}

/* ---- the address ---- */

static int send_to(struct ed_statsd *s, const struct ed_addr *to)
{
    s->to = *to;
    s->fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return s->fd < 0 ? -errno : 0;
}

static int resolve(const struct ed_statsd_search *search, struct ed_addr *to)
{
    struct ed_addrs addrs;
    int err = ed_resolve(search->host, AF_UNSPEC, &addrs);

    if (err)
        return err;
    *to = addrs.list[0];
    ed_addr_set_port(to, search->port);
    return 0;
}

/* 0: nothing is left to be looked for. */
static int look(struct ed_statsd_search *search)
{
    struct ed_addr to;
    char text[ED_ADDR_TEXT];
    int err = resolve(search, &to);

    if (!search->statsd)
        return 0;
    if (!err)
        err = send_to(search->statsd, &to);
    if (!err)
        ed_log_info("statsd %s is %s", search->statsd->address,
                    ed_addr_text(&to, text));
    return err;
}

static void tell_not_found(const struct ed_statsd *s, int err)
{
    const char *why = ed_error_of(err);

    ed_log_warn("statsd %s: %s; it is looked for again every %d s", s->address,
                *why ? why : ed_err_text(err), (int)(LOOK_AGAIN / ED_S));
}

/* Only the first failure is told: those that follow are in what is told of
 * dropped datagrams. */
static int search_until_found(void *arg)
{
    struct ed_statsd_search *search = arg;
    bool told = false;
    int err;

    search->fiber = ed_fiber_self();
    while (search->statsd && (err = look(search)) && !ed_cancelled()) {
        if (!told)
            tell_not_found(search->statsd, err);
        told = true;
        if (ed_sleep(LOOK_AGAIN))
            break;
    }
    if (search->statsd)
        search->statsd->search = NULL;
    free(search);
    return 0;
}

static int begin_search(struct ed_statsd *s, const struct ed_endpoint *endpoint)
{
    struct ed_statsd_search *search = calloc(1, sizeof *search);

    if (!search)
        return ED_ENOMEM;
    search->statsd = s;
    search->port = endpoint->port;
    memcpy(search->host, endpoint->host, sizeof search->host);
    int err = ed_background(search_until_found, search);
    if (err)
        free(search);
    else
        s->search = search;
    return err;
}

static void end_search(struct ed_statsd *s)
{
    if (!s->search)
        return;
    s->search->statsd = NULL;
    if (s->search->fiber)
        ed_fiber_cancel(s->search->fiber, ED_ECANCELED);
}

/* ---- life ---- */

ED_PRINTF(2, 3)
static int refuse(const char *address, const char *fmt, ...)
{
    char why[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    ed_log_error("statsd '%s': %s", address, why);
    return ED_EUSAGE;
}

/* A ':' ends a name, a '|' a value, and a line end a line. */
static int take_prefix(struct ed_statsd *s, const char *prefix)
{
    if (strlen(prefix) > ED_STATSD_PREFIX || strpbrk(prefix, ":|@# \t\r\n")) {
        ed_log_error("statsd-prefix '%.50s': longer than %d bytes, or with one "
                     "of ':', '|', '@', '#' and white space",
                     prefix, ED_STATSD_PREFIX);
        return ED_EUSAGE;
    }
    snprintf(s->prefix, sizeof s->prefix, "%s", prefix);
    s->duration_len = (size_t)snprintf(s->duration, sizeof s->duration,
                                       "%srequest.duration:", prefix);
    return 0;
}

static int begin(struct ed_statsd *s, const char *address, const char *prefix)
{
    struct ed_endpoint endpoint;
    int err = take_prefix(s, prefix ? prefix : "");

    if (err)
        return err;
    if (ed_endpoint_parse(&endpoint, ed_bytes(address)) || endpoint.any)
        return refuse(address, "it is none of ADDRESS:PORT, NAME:PORT and "
                               "unix:PATH");
    snprintf(s->address, sizeof s->address, "%s", address);
    if (*endpoint.host)
        return begin_search(s, &endpoint);
    err = send_to(s, &endpoint.addr);
    if (err)
        (void)refuse(address, "%s", ed_err_text(err));
    return err;
}

int ed_statsd_open(struct ed_statsd **out, const char *address,
                   const char *prefix)
{
    struct ed_statsd *s = calloc(1, sizeof *s);

    if (!s)
        return ED_ENOMEM;
    s->loop = ed_loop_current();
    s->fd = -1;
    s->timer.fire = on_timer;
    int err = begin(s, address, prefix);
    if (err)
        free(s);
    else
        *out = s;
    return err;
}

void ed_statsd_close(struct ed_statsd *s)
{
    if (!s)
        return;
    end_search(s);
    ed_timer_stop(s->loop, &s->timer);
    s->tell_at = 0;
    flush(s);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}
