/*
 * balance.h - to which of an origin's addresses a request is sent.
 */
#ifndef EDDY_HTTP_BALANCE_H
#define EDDY_HTTP_BALANCE_H

#include <eddy/dns.h>
#include "http/upstream.h"

/* The addresses that a request was sent to already. */
struct ed_tried {
    unsigned count;
    uint32_t ids[ED_ADDRS_MAX]; /* the last ones, of ed_backend.id */
};

/* Makes the upstream's backends those addresses, with that port: adds what is
 * new, and forgets what is gone and not in use. 0, or ED_ENOMEM when there is
 * no backend at all for want of memory. Does not suspend, nor do those
 * below. */
ED_CHECK int ed_balance_update(struct ed_upstream *upstream,
                               const struct ed_addrs *addrs, uint16_t port);

/*
 * Chooses a backend, and notes it in *tried: of two at random that are listed,
 * well and untried, the one with fewer requests under way; where there are
 * none, of what is next best. One whose time of being left alone is over comes
 * before all others, for a single request: *probe says that this is it. With
 * `fresh` only what is untried is chosen from, and NULL is returned when all
 * are tried. `random` is the state of the dice.
 */
struct ed_backend *ed_balance_pick(struct ed_upstream *upstream,
                                   struct ed_tried *tried, bool fresh,
                                   uint64_t *random, int64_t now, bool *probe);

/* How many listed backends are untried. */
unsigned ed_balance_untried(const struct ed_upstream *upstream,
                            const struct ed_tried *tried);

/* Takes the address out of use as ed_health_eject() does, unless half of the
 * others are out of use already. True: it is. */
bool ed_balance_eject(struct ed_upstream *upstream, struct ed_backend *backend,
                      const struct ed_eject_policy *policy, int64_t now);

/* A random number below `limit`, which is not 0. */
uint32_t ed_balance_random(uint64_t *state, uint32_t limit);

#endif
