/*
 * limit.c - how many requests may be under way, to an origin or in a worker.
 *
 * What the line does, and why. A burst is smoothed: who came first is next, and
 * waits as long as the policy's patience. When more comes than goes that would
 * make everybody wait just that long, for nothing: those served are those whose
 * patience is nearly over. It shows by a line that is never empty. Then the
 * patience of whoever comes is short, so that who cannot be served knows it
 * soon, and who came last is next, so that those who are served are served at
 * once. Who came before keeps its patience: what a long burst has left is still
 * served. When the line was empty once, all is as before.
 * docs/serve_overload.md has what was measured.
 *
 * What an adaptive limit does, and why. A backend works on so many requests at
 * once; more of them only wait inside of it, and then all take longer. So the
 * latency tells: while it is what it is without a queue (the baseline), more
 * may be sent; as it rises above, less. After each round of about as many
 * results as the limit is, which is about one latency, like a congestion
 * window,
 *
 *     gradient = TOLERANCE * baseline / latency, within 0.5 and 1
 *     target   = (limit * gradient + sqrt(limit)) * share of results that are
 *                no failures
 *     limit   += SMOOTHING * (target - limit)
 *
 * The square root is the queue that is welcome: it keeps a backend busy while
 * answers travel, lets the limit grow where nothing queues, and is a smaller
 * part of a large limit than of a small one, so small limits find their way
 * soon and large ones hold still. TOLERANCE forgives what latency varies by
 * itself, and SMOOTHING keeps one odd round from moving much. Time-outs, lost
 * connections and refusals say more plainly than latency that it is too much,
 * and count by their share: the limit settles where sqrt(limit) is the number
 * of good results for each bad one. A hundredth of failures, which may have
 * other causes, bounds it at some 10,000; a tenth at 80; a half at one.
 *
 * A round in which not half of the limit was in use says nothing about it, and
 * leaves it; otherwise an idle client's limit would grow without ground.
 *
 * The baseline is the delicate part. It follows a faster backend within some
 * rounds. It may not simply follow a slower one, since a queue of our own
 * making looks just like that, and would become the norm, and the limit creep
 * up for ever. So it rises only by rounds that did not use the limit much, and,
 * when all do, by looking: every DIP_EVERY rounds the limit is halved for
 * three. In the first the queue drains, since the limit is never twice of what
 * the backend can do for long; in the second those end that were sent while it
 * did; and what the third sees is the baseline.
 */
#include "http/limit.h"

static const double INITIAL = 20;
static const double TOLERANCE = 1.5;
static const double SMOOTHING = 0.2;
static const double BASELINE_STEP = 0.1;
static const unsigned ROUND_MIN = 10;
static const unsigned DIP_EVERY = 200;
static const unsigned DIP_ROUNDS = 3;

static double bounded(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* By Heron, who needs no library: the guess halves until it is near, and then
 * doubles its digits; for 1 to 2^32 that takes 21 steps. */
static double root(double value)
{
    double guess = value;

    for (int step = 0; step < 21; step++)
        guess = (guess + value / guess) / 2;
    return guess;
}

/* ---- slots ---- */

void ed_limiter_open(struct ed_limiter *limiter, struct ed_limits *limits)
{
    const struct ed_limit_policy *policy = &limits->policy;

    *limiter = (struct ed_limiter){.limits = limits, .limit = policy->max};
    if (policy->adaptive)
        limiter->limit = bounded(INITIAL, policy->min, policy->max);
}

unsigned ed_limiter_now(const struct ed_limiter *limiter)
{
    unsigned limit = (unsigned)limiter->limit;

    if (limiter->dip)
        limit /= 2;
    return limit ? limit : 1;
}

bool ed_limiter_has_room(const struct ed_limiter *limiter)
{
    return ed_waitq_empty(&limiter->line) &&
           limiter->in_flight < ed_limiter_now(limiter);
}

static void occupy(struct ed_limiter *limiter)
{
    limiter->in_flight++;
    if (limiter->in_flight > limiter->peak)
        limiter->peak = limiter->in_flight;
}

/* ---- the line ---- */

static bool stands(const struct ed_limiter *limiter)
{
    int64_t standing = limiter->limits->line.standing;

    return standing > 0 && !ed_waitq_empty(&limiter->line) &&
           ed_now() - limiter->waited_since >= standing;
}

/* Whoever is woken has its slot already, so that nobody can overtake. */
static void admit(struct ed_limiter *limiter)
{
    while (limiter->in_flight < ed_limiter_now(limiter) &&
           !ed_waitq_empty(&limiter->line)) {
        ed_waitq_wake_it(stands(limiter) ? ed_waitq_last(&limiter->line)
                                         : ed_waitq_first(&limiter->line),
                         0);
        occupy(limiter);
    }
}

static int stand_in_line(struct ed_limiter *limiter)
{
    const struct ed_limits *limits = limiter->limits;
    int64_t most = stands(limiter) ? limits->line.brisk : limits->line.patience;
    ed_scope(line, .within = most, .name = "line");

    (void)line;
    if (ed_waitq_empty(&limiter->line))
        limiter->waited_since = ed_now();
    return ed_waitq_wait(&limiter->line,
                         limits->what ? limits->what : "limit of the origin",
                         NULL);
}

static int wait_in_line(struct ed_limiter *limiter)
{
    struct ed_limits *limits = limiter->limits;

    if (limiter->waiting >= limits->policy.queue) {
        limits->overloads++;
        return ED_EOVERLOAD;
    }
    limits->queued++;
    limits->waiting++;
    limiter->waiting++;
    int err = stand_in_line(limiter);
    limiter->waiting--;
    limits->waiting--;
    if (err == ED_ETIMEOUT && !ed_cancelled())
        err = ED_EOVERLOAD; /* the patience was over, no deadline of others */
    limits->overloads += err == ED_EOVERLOAD;
    return err;
}

int ed_limiter_take(struct ed_limiter *limiter)
{
    if (!ed_limiter_has_room(limiter))
        return wait_in_line(limiter);
    occupy(limiter);
    return 0;
}

void ed_limiter_give(struct ed_limiter *limiter)
{
    limiter->in_flight--;
    admit(limiter);
}

/* ---- what the latency says ---- */

static void follow_baseline(struct ed_limiter *limiter, double latency,
                            bool in_use)
{
    bool known = limiter->baseline > 0;

    if (!known || limiter->dip == 1)
        limiter->baseline = latency;
    else if (latency < limiter->baseline || !in_use)
        limiter->baseline += BASELINE_STEP * (latency - limiter->baseline);
}

/* Counts rounds down to the next dip, or to the end of one. True: the round
 * was part of a dip, and does not move the limit. */
static bool dips(struct ed_limiter *limiter, bool in_use)
{
    if (limiter->dip) {
        limiter->dip--;
        return true;
    }
    limiter->busy_rounds = in_use ? limiter->busy_rounds + 1 : 0;
    if (limiter->busy_rounds < DIP_EVERY || limiter->signs)
        return false;
    limiter->busy_rounds = 0;
    limiter->dip = DIP_ROUNDS;
    return true;
}

static void move(struct ed_limiter *limiter, double latency)
{
    const struct ed_limit_policy *policy = &limiter->limits->policy;
    double well = 1 - (double)limiter->signs / limiter->results;
    double gradient = 1;

    if (latency > 0)
        gradient = bounded(TOLERANCE * limiter->baseline / latency, 0.5, 1);
    double target = (limiter->limit * gradient + root(limiter->limit)) * well;
    limiter->limit += SMOOTHING * (target - limiter->limit);
    limiter->limit = bounded(limiter->limit, policy->min, policy->max);
}

static void end_round(struct ed_limiter *limiter)
{
    unsigned good = limiter->results - limiter->signs;
    double latency = good ? limiter->latency / good : 0;
    bool in_use = limiter->peak * 2 >= ed_limiter_now(limiter);

    if (good)
        follow_baseline(limiter, latency, in_use);
    if (!dips(limiter, in_use) && in_use)
        move(limiter, latency);
    limiter->results = 0;
    limiter->signs = 0;
    limiter->latency = 0;
    limiter->peak = limiter->in_flight;
    admit(limiter);
}

static void count_result(struct ed_limiter *limiter)
{
    limiter->results++;
    if (limiter->results >= ROUND_MIN &&
        limiter->results >= ed_limiter_now(limiter))
        end_round(limiter);
}

void ed_limiter_responded(struct ed_limiter *limiter, int64_t latency)
{
    if (!limiter->limits->policy.adaptive)
        return;
    limiter->latency += (double)latency;
    count_result(limiter);
}

void ed_limiter_overloaded(struct ed_limiter *limiter)
{
    if (!limiter->limits->policy.adaptive)
        return;
    limiter->signs++;
    count_result(limiter);
}
