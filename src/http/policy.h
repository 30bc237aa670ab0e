/*
 * policy.h - how often, how soon and to whom a request is sent: retries,
 * hedging, balancing, ejection, limits.
 *
 *     policy.c     the policies of a client; where a request enters
 *     retry.c      sends it again
 *     hedge.c      sends it a second time meanwhile
 *     dispatch.c   one sending: a slot of the limit (limit.c), an address
 *                  (balance.c), and what is learned of both (eject.c)
 *     upstream.c   what is known of an origin
 *
 * Each calls the next, and does no more than that where its policy is off. A
 * client without any policy is asked one question.
 */
#ifndef EDDY_HTTP_POLICY_H
#define EDDY_HTTP_POLICY_H

#include "http/attempt.h"
#include "http/balance.h"
#include "http/retry.h"
#include "net/addr.h"

/* Defaults are filled in. */
struct ed_policies {
    struct ed_retry_policy retry;
    struct ed_hedge_policy hedge;
    struct ed_eject_policy eject;
    bool balances;
    bool by_origin; /* balances, or limits */
    struct ed_budget budget;
    uint64_t random; /* state of the dice */
    struct ed_upstreams upstreams;

    uint64_t retries;
    uint64_t denied; /* by the budget */
    uint64_t hedges;
    uint64_t hedges_won;
    uint64_t ejections;
    uint64_t probes;
};

/* A request on its way through the policies. */
struct ed_sending {
    struct ed_journey *journey;
    struct ed_policies *policies;
    struct ed_upstream *upstream; /* NULL: none is needed */
    bool balanced;
    uint16_t port;
    struct ed_tried tried;
    char host[ED_HOST_MAX + 1]; /* if balanced */
};

/* Sets client->policies, to NULL when none is on. 0 or ED_ENOMEM. */
ED_CHECK int ed_policies_open(ed_client *client,
                              const struct ed_client_options *options);
void ed_policies_close(ed_client *client);

/* Fills in what policies count. */
void ed_policies_count(const ed_client *client,
                       struct ed_client_counts *counts);

/* Sends what the journey asks for next, in as many attempts as the client's
 * policies give it. Suspends. As ed_attempt() otherwise. */
ED_CHECK int ed_policy_send(struct ed_journey *journey, ed_res **out);

/* The statuses that are sent again: of servers that are busy, or that speak for
 * others that cannot be reached. */
bool ed_policy_is_refusal(int status);

#endif
