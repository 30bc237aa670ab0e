/*
 * retry.c - sending again what failed.
 *
 * Retries help one who meets a server that is restarting, and hurt all when
 * servers are overloaded: then each request becomes three. Hence the budget,
 * which is the client's and not the request's; hence the jitter over the whole
 * of the pause, since clients that failed together would otherwise come back
 * together.
 */
#include "http/retry.h"
#include <eddy/clock.h>
#include "http/hedge.h"
#include "http/policy.h"
#include "http/response.h"
#include "http/watch.h"
#include "wire/date.h"

/* The most that requests can have saved up: what 500 of them earn by default,
 * enough for the moment in which a server of a busy client dies. */
static const double EARNED_MAX = 100;

/* ---- the budget ---- */

void ed_budget_open(struct ed_budget *budget,
                    const struct ed_budget_policy *policy, int64_t now)
{
    *budget = (struct ed_budget){.policy = *policy, .at = now};
    if (!policy->percent)
        budget->policy.percent = 20;
    if (!policy->per_second)
        budget->policy.per_second = 10;
    budget->timed = budget->policy.per_second;
}

void ed_budget_earn(struct ed_budget *budget)
{
    budget->earned += budget->policy.percent / 100.0;
    if (budget->earned > EARNED_MAX)
        budget->earned = EARNED_MAX;
}

bool ed_budget_take(struct ed_budget *budget, int64_t now)
{
    double most = budget->policy.per_second; /* what a second gives */

    budget->timed += (double)(now - budget->at) / ED_S * most;
    if (budget->timed > most)
        budget->timed = most;
    budget->at = now;
    /* First of what time alone gives back. */
    double *purse = budget->timed >= 1 ? &budget->timed : &budget->earned;
    if (*purse < 1)
        return false;
    *purse -= 1;
    return true;
}

/* ---- how long to wait ---- */

int64_t ed_retry_backoff(const struct ed_retry_policy *policy, unsigned n,
                         uint64_t *random)
{
    int64_t most = policy->backoff;

    while (--n && most < policy->max_backoff)
        most = most < INT64_MAX / 2 ? most * 2 : INT64_MAX;
    if (most > policy->max_backoff)
        most = policy->max_backoff;
    double part = ed_balance_random(random, UINT32_MAX) / (double)UINT32_MAX;
    return (int64_t)((double)most * part);
}

/* Seconds or a date (RFC 9110, 10.2.3). */
int64_t ed_retry_after(const char *value, int64_t now_s)
{
    struct ed_bytes text = ed_bytes_trim(ed_bytes(value ? value : ""));
    int64_t seconds;

    if (ed_bytes_int(text, &seconds)) {
        if (ed_date_parse(text, now_s, &seconds))
            return 0;
        seconds -= now_s;
    }
    if (seconds <= 0)
        return 0;
    return seconds < INT64_MAX / ED_S ? seconds * ED_S : INT64_MAX;
}

/* ---- whether to ---- */

/* Failures of which another try may be rid. Others are answers, if unwelcome
 * ones (a malformed response), or the caller's own affair. */
static bool may_pass(int err)
{
    return err == ED_ECONNECT || err == ED_ECONNLOST || err == ED_ETLS ||
           (err == ED_ETIMEOUT && !ed_cancelled());
}

static bool failed(int err, const ed_res *res)
{
    return err ? may_pass(err) : ed_policy_is_refusal(res->status);
}

/* Whether it does no harm to send the request twice, and can be done. */
static bool is_safe(const struct ed_journey *journey, const ed_res *res)
{
    const struct ed_fetch_options *o = &journey->options;

    if (o->send && !o->rewind && journey->body_was_asked)
        return false;
    return !res || !res->sent_any || o->retry_unsafe ||
           ed_method_is_idempotent(ed_bytes(ed_attempt_method(o)));
}

/* The pause before the next try, the n-th retry; negative when there is none
 * to be. */
static int64_t pause_before(struct ed_sending *s, unsigned n, int err,
                            const ed_res *res)
{
    struct ed_policies *p = s->policies;
    int64_t asked = 0, now = ed_now();

    if (n >= p->retry.attempts || !failed(err, res) ||
        !is_safe(s->journey, res))
        return -1;
    if (!err)
        asked = ed_retry_after(ed_res_header(res, "Retry-After"),
                               ed_clock_realtime() / ED_S);
    int64_t pause = ed_retry_backoff(&p->retry, n, &p->random);
    if (asked > p->retry.max_wait ||
        __builtin_add_overflow(pause, asked, &pause) ||
        pause >= ed_deadline() - now)
        return -1;
    if (ed_budget_take(&p->budget, now))
        return pause;
    p->denied++;
    return -1;
}

/* ---- doing so ---- */

/* Makes ready for the next try. */
static int make_ready(struct ed_sending *s, int64_t pause)
{
    int err = ed_sleep(pause);

    if (err)
        return ed_journey_explain(s->journey, err,
                                  err == ED_ETIMEOUT
                                      ? "not sent again within the deadline"
                                      : "not sent again when cancelled");
    return ed_journey_rewind(s->journey, "it is tried again");
}

int ed_retry_send(struct ed_sending *s, ed_res **out)
{
    struct ed_journey *journey = s->journey;

    for (unsigned n = 1;; n++) {
        *out = NULL;
        int err = ed_hedge_send(s, out);
        journey->body_was_asked |= *out && (*out)->body_was_asked;
        int64_t pause = pause_before(s, n, err, *out);
        if (pause < 0)
            return err;
        ed_watch(journey, ED_PHASE_RETRIED, err ? 0 : (*out)->status, err);
        if (!err)
            ed_res_discard(*out);
        s->policies->retries++;
        err = make_ready(s, pause);
        if (err)
            return err;
    }
}
