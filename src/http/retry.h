/*
 * retry.h - sending again what failed, and the budget for it.
 */
#ifndef EDDY_HTTP_RETRY_H
#define EDDY_HTTP_RETRY_H

#include <eddy/client.h>

struct ed_sending;

/*
 * What retries and hedged requests may add: a bucket of tokens. Each request
 * earns a part of one, each second some more; each retry takes one. What is
 * earned is not saved up for long, so that the quiet before does not pay for
 * a storm.
 */
struct ed_budget {
    struct ed_budget_policy policy; /* with its defaults filled in */
    double earned;                  /* by requests */
    double timed;                   /* by time */
    int64_t at;                     /* when `timed` was reckoned */
};

void ed_budget_open(struct ed_budget *budget,
                    const struct ed_budget_policy *policy, int64_t now);

/* A request is sent for the first time. */
void ed_budget_earn(struct ed_budget *budget);

/* Takes a token. False when there is none. */
bool ed_budget_take(struct ed_budget *budget, int64_t now);

/* How long to sleep before the `n`-th retry, from 1. */
int64_t ed_retry_backoff(const struct ed_retry_policy *policy, unsigned n,
                         uint64_t *random);

/* How long the value of a Retry-After field asks to wait; 0 when it is NULL or
 * none. `now_s` is Unix time. */
int64_t ed_retry_after(const char *value, int64_t now_s);

/* Sends a request, as often as the policy says. Suspends. As ed_attempt(). */
ED_CHECK int ed_retry_send(struct ed_sending *sending, ed_res **out);

#endif
