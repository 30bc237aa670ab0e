/*
 * upstream.h - what a client with policies knows of the origins it sends to:
 * their addresses, how these do, and the limit they share.
 *
 * Unlike the pool's origins they are remembered while nothing is under way,
 * but not without end: of those unused the longest unused are forgotten when
 * there are more than a number.
 */
#ifndef EDDY_HTTP_UPSTREAM_H
#define EDDY_HTTP_UPSTREAM_H

#include <eddy/addr.h>
#include <eddy/map.h>
#include "http/eject.h"
#include "http/exchange.h"
#include "http/limit.h"

/* An entry takes some hundred bytes. */
#define ED_UPSTREAMS_MAX 10000

/* An address that requests are sent to, or, in an origin that is not balanced,
 * wherever they go. */
struct ed_backend {
    struct ed_list node;
    struct ed_addr addr; /* len 0: not balanced */
    uint32_t id;         /* never used again within its upstream */
    bool listed;         /* among the addresses that the name has now */
    bool preferred;      /* of the family of the best of them */
    unsigned in_flight;
    uint64_t requests;
    uint64_t failures;
    int64_t unreachable_until; /* took no connection; ed_now() time */
    struct ed_health health;
};

struct ed_upstream {
    struct ed_list node; /* among the unused, if it is */
    struct ed_upstreams *all;
    struct ed_list backends;
    unsigned listed; /* backends that are */
    uint32_t last_id;
    unsigned users; /* requests under way, from before they wait */
    struct ed_limiter limiter;
    size_t key_len;
    char key[]; /* "https://users.local:443" */
};

struct ed_upstreams {
    ed_map *map;
    struct ed_list unused; /* longest unused first */
    struct ed_limits limits;
    size_t max;
};

/* Makes an empty set whose limits are set. 0 or ED_ENOMEM. */
ED_CHECK int ed_upstreams_open(struct ed_upstreams *all);

/* Frees it; nothing may be under way. */
void ed_upstreams_close(struct ed_upstreams *all);

/* The upstream of that name, which stays until ed_upstream_leave(); NULL
 * without memory. Does not suspend, nor does anything here. */
struct ed_upstream *ed_upstream_use(struct ed_upstreams *all,
                                    struct ed_bytes key);
void ed_upstream_leave(struct ed_upstream *upstream);

/* A new backend; NULL without memory. */
struct ed_backend *ed_backend_add(struct ed_upstream *upstream,
                                  const struct ed_addr *addr);

/* Forgets it, if it is neither listed nor in use. */
void ed_backend_forget(struct ed_backend *backend);

/* A request holds its upstream, where limits are on a slot, and one backend
 * after the other. */
void ed_upstream_hold(struct ed_hold *hold, struct ed_upstream *upstream);
void ed_upstream_occupy(struct ed_hold *hold, struct ed_backend *backend);
void ed_upstream_vacate(struct ed_hold *hold);
/* Gives all of it back. */
void ed_upstream_release(struct ed_hold *hold);

#endif
