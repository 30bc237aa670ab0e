/*
 * dispatch.c - one sending of a request: when, and to which address.
 *
 * The slot of the limit is taken before the address is chosen, so that the
 * choice is made with what is known when the request goes out. Both are given
 * back when the response is there, or closed if it is streamed.
 */
#include "http/dispatch.h"
#include "base/moment.h"
#include <stdio.h>

/* How long an address that took no connection is passed over where no policy
 * for ejection says it better; then one request tries it. */
static const int64_t UNREACHABLE_TIME = ED_S;

/* An address has so long where the connect timeout says nothing. */
static const int64_t LONGEST_SHARE = 10 * ED_S;

struct dispatch {
    struct ed_sending *s;
    struct ed_journey *journey;
    struct ed_attempt_plan *plan;
    struct ed_hold hold;
    /* The address is left alone, and used because there is none better, or
     * because this request is to find out how it does. */
    bool ejected;
    bool probe;
};

enum verdict { WELL, FAILED, NOTHING };

/* ---- what is learned ---- */

/* What the end of an attempt says of the address. A request that its caller
 * gave up says nothing; one whose deadline passed does, if it went that far,
 * and so does one that another, sent later, was faster than. */
static enum verdict judge(const struct ed_attempt_plan *plan, int err,
                          const ed_res *res)
{
    switch (err) {
    case 0:
        return res->status == 502 || res->status == 503 || res->status == 504
                   ? FAILED
                   : WELL;
    case ED_ECONNECT:
    case ED_ECONNLOST:
    case ED_ETLS:
    case ED_ECERT:
    case ED_EPROTO:
        return FAILED;
    case ED_ETIMEOUT:
        return plan->unreached || (res && res->sent_any) ? FAILED : NOTHING;
    case ED_ECANCELED:
        return plan->outrun ? FAILED : NOTHING;
    default:
        return NOTHING;
    }
}

static void eject(struct dispatch *d, struct ed_backend *backend)
{
    struct ed_policies *p = d->s->policies;

    if (ed_balance_eject(d->hold.upstream, backend, &p->eject, ed_now()))
        p->ejections++;
    else if (backend->health.ejected)
        ed_health_readmit(&backend->health);
}

/* What was under way when an address was ejected, or taken back, says nothing
 * new. */
static void note_health(struct dispatch *d, struct ed_backend *backend,
                        enum verdict verdict)
{
    const struct ed_eject_policy *policy = &d->s->policies->eject;
    struct ed_health *health = &backend->health;

    if (d->probe)
        health->probing = false;
    if (!policy->failures || verdict == NOTHING ||
        d->ejected != health->ejected)
        return;
    if (d->ejected && verdict == WELL)
        ed_health_readmit(health);
    else if (d->ejected ? d->probe
                        : ed_health_note(health, policy, verdict == FAILED))
        eject(d, backend);
}

/* A connection that its caller gave up, or that we had no memory for, says
 * nothing. */
static void note_reach(struct dispatch *d, struct ed_backend *backend,
                       enum verdict verdict, const ed_res *res)
{
    if (res && res->sent_any)
        backend->unreachable_until = 0;
    else if (d->plan->unreached && verdict == FAILED &&
             !d->s->policies->eject.failures)
        backend->unreachable_until = ed_now() + UNREACHABLE_TIME;
}

/* From when the request could be sent: neither our own line nor the making of
 * a connection is the origin's latency. */
static int64_t latency_of(const ed_res *res)
{
    const struct ed_res_timing *t = &res->timing;
    int64_t began = t->queued;

    if (t->connected > began)
        began = t->connected;
    if (t->secured > began)
        began = t->secured;
    return t->first_byte - began;
}

/* That another address was faster is no sign that all have too much to do. */
static void note_limit(struct dispatch *d, int err, const ed_res *res)
{
    struct ed_limiter *limiter = &d->hold.upstream->limiter;
    enum verdict verdict = judge(d->plan, err, res);

    if (!d->s->policies->upstreams.limits.on || err == ED_ECANCELED)
        return;
    if (verdict == FAILED || (!err && res->status == 429))
        ed_limiter_overloaded(limiter);
    else if (verdict == WELL)
        ed_limiter_responded(limiter, latency_of(res));
}

/* ---- sending ---- */

static int send_to(struct dispatch *d, struct ed_backend *backend, ed_res **out)
{
    d->ejected = backend->health.ejected;
    d->plan->to = backend->addr;
    d->plan->unreached = false;
    ed_upstream_vacate(&d->hold);
    ed_upstream_occupy(&d->hold, backend);
    d->s->policies->probes += d->probe;
    int err = ed_attempt(d->journey, out);
    enum verdict verdict = judge(d->plan, err, *out);
    backend->failures += verdict == FAILED;
    note_health(d, backend, verdict);
    note_reach(d, backend, verdict, *out);
    return err;
}

static int resolve_within(const struct dispatch *d, int64_t timeout,
                          struct ed_addrs *addrs)
{
    const struct ed_addr *local = &d->journey->client->routes.local;
    ed_scope(s, .within = timeout, .name = "resolve");

    (void)s;
    return ed_resolve(d->s->host, local->len ? local->any.sa_family : AF_UNSPEC,
                      addrs);
}

/* Ended from outside, or by a time-out of its own. */
static int explain_end(const struct dispatch *d, int err, int64_t timeout)
{
    static const char missing[] = "name not resolved";
    char text[96];

    if (err == ED_ETIMEOUT && !ed_cancelled())
        ed_timeout_text(text, sizeof(text), missing, ED_TIMEOUT_RESOLVE,
                        timeout);
    else
        snprintf(text, sizeof(text), "%s %s", missing,
                 err == ED_ETIMEOUT ? "within the deadline" : "when cancelled");
    return ed_journey_explain(d->journey, err, "%s", text);
}

static int resolve(struct dispatch *d)
{
    struct ed_addrs addrs;
    int64_t timeout =
        ed_timeout_within(&d->journey->client->timeouts, ED_TIMEOUT_RESOLVE);
    int err = resolve_within(d, timeout, &addrs);

    if (err == ED_ETIMEOUT || err == ED_ECANCELED)
        return explain_end(d, err, timeout);
    if (err == ED_EADDR)
        return ed_journey_explain(d->journey, ED_EURL, "malformed host");
    if (err)
        return ed_journey_explain(d->journey, err, "%s", ed_error());
    if (ed_balance_update(d->hold.upstream, &addrs, d->s->port))
        return ed_journey_explain(d->journey, ED_ENOMEM,
                                  "no memory for the addresses");
    return 0;
}

/* Nobody may use up the time of those behind it. */
static int64_t share_of(int64_t until, unsigned addresses_left)
{
    if (until == INT64_MAX)
        return LONGEST_SHARE;
    int64_t left = until - ed_now();
    return left > 0 ? left / (addresses_left ? addresses_left : 1) : 1;
}

static struct ed_backend *pick(struct dispatch *d, bool fresh)
{
    struct ed_sending *s = d->s;
    int64_t now = ed_now();
    struct ed_backend *backend = ed_balance_pick(
        s->upstream, &s->tried, fresh, &s->policies->random, now, &d->probe);

    /* One tries it; others pass it over until that one knows. */
    if (backend && backend->unreachable_until)
        backend->unreachable_until = now + UNREACHABLE_TIME;
    return backend;
}

/* Whether the next address may do better. */
static bool passes_over(const struct dispatch *d, int err)
{
    return d->plan->unreached && !ed_cancelled() &&
           (err == ED_ECONNECT || err == ED_ETIMEOUT);
}

static int send_to_any(struct dispatch *d, ed_res **out)
{
    int err = resolve(d);
    int64_t timeout = ed_journey_connect_within(d->journey);
    int64_t until =
        timeout > 0 ? ed_moment_after(ed_now(), timeout) : INT64_MAX;
    struct ed_backend *backend = err ? NULL : pick(d, false);

    while (backend) {
        d->plan->connect_within = share_of(
            until, 1 + ed_balance_untried(d->s->upstream, &d->s->tried));
        err = send_to(d, backend, out);
        backend = passes_over(d, err) ? pick(d, true) : NULL;
    }
    return err;
}

static int send_by_name(struct dispatch *d, ed_res **out)
{
    struct ed_list *only = ed_list_first(&d->s->upstream->backends);
    struct ed_backend *backend =
        only ? ED_CONTAINER(only, struct ed_backend, node)
             : ed_backend_add(d->s->upstream, NULL);

    if (!backend)
        return ed_journey_explain(d->journey, ED_ENOMEM,
                                  "no memory for the origin");
    backend->listed = true;
    return send_to(d, backend, out);
}

static int take_slot(struct dispatch *d)
{
    struct ed_upstream *upstream = d->s->upstream;
    int err = 0;

    if (d->s->policies->upstreams.limits.on)
        err = ed_limiter_take(&upstream->limiter);
    if (!err)
        ed_upstream_hold(&d->hold, upstream);
    else if (err == ED_EOVERLOAD)
        ed_journey_explain(d->journey, err,
                           "too many requests wait for the origin");
    else
        ed_journey_explain(d->journey, err,
                           err == ED_ETIMEOUT
                               ? "limit of the origin reached until the "
                                 "deadline"
                               : "limit of the origin reached when cancelled");
    return err;
}

int ed_dispatch(struct ed_sending *s, struct ed_journey *journey,
                struct ed_attempt_plan *plan, ed_res **out)
{
    struct dispatch d = {.s = s, .journey = journey, .plan = plan};

    if (!s->upstream)
        return ed_attempt(journey, out);
    int err = take_slot(&d);
    if (err)
        return err;
    err = s->balanced ? send_to_any(&d, out) : send_by_name(&d, out);
    note_limit(&d, err, *out);
    if (!err && journey->options.stream)
        (*out)->hold = d.hold;
    else
        ed_upstream_release(&d.hold);
    return err;
}
