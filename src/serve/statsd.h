/*
 * statsd.h - metrics of a worker's requests for a statsd, by datagrams.
 *
 *     PREFIXrequests:42|c
 *     PREFIXrequest.status.200:41|c
 *     PREFIXrequest.duration:0.217|ms
 *
 * What is counted is sent each second, and durations when a datagram is full of
 * them or at the next second; none is left out. Sending never waits: datagrams
 * that do not go are dropped and counted, and the log tells of it.
 */
#ifndef EDDY_SERVE_STATSD_H
#define EDDY_SERVE_STATSD_H

#include "core/runtime.h"
#include "serve/counters.h"

#include <eddy/addr.h>

/* Within every path: Ethernet less the heads of IPv6 and UDP is 1452; with a
 * tunnel's it is 1432, as statsd's own documentation has it. */
enum { ED_STATSD_DATAGRAM = 1432 };

/* So that lines fit into a datagram, several of them. */
enum { ED_STATSD_PREFIX = 200 };

struct ed_statsd {
    ed_loop *loop;
    int fd; /* -1: the address is not known yet */
    struct ed_addr to;
    struct ed_statsd_search *search; /* for it; NULL: it is over */
    char address[ED_ADDR_TEXT];      /* as it was given, for the log */

    char prefix[ED_STATSD_PREFIX + 1];
    char duration[ED_STATSD_PREFIX + 32]; /* "PREFIXrequest.duration:" */
    size_t duration_len;

    struct ed_timer timer; /* armed while there is something to send */
    uint64_t requests;
    uint32_t statuses[ED_STATUS_LAST - ED_STATUS_FIRST + 1];

    size_t len;
    char datagram[ED_STATSD_DATAGRAM];

    uint64_t sent; /* datagrams, as are the next two */
    uint64_t dropped;
    uint64_t told;
    int why;
    int64_t tell_at; /* in ed_now() time: not before */
};

/* Begins to send to "127.0.0.1:8125", "[::1]:8125", "statsd.local:8125" or
 * "unix:/run/statsd.sock". A name is looked for meanwhile, again and again when
 * it is not found, of which the log warns. Does not suspend. 0, ED_EUSAGE or
 * -errno, told in the log, or ED_ENOMEM. */
ED_CHECK int ed_statsd_open(struct ed_statsd **out, const char *address,
                            const char *prefix);

/* A request is over: its status (0: none) and how long it took, in ns; -1: that
 * is not known. */
void ed_statsd_request(struct ed_statsd *statsd, int status, int64_t took);

/* Sends what is left, and ends. Does not suspend. NULL is fine. */
void ed_statsd_close(struct ed_statsd *statsd);

#endif
