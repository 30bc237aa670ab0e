/*
 * admission.c - how many requests of a worker are handled at once.
 *
 * The limit and its line are the client's (http/limit.h), turned round: what
 * is an origin there is this worker here, and a response is a handler that
 * returns.
 */
#include "serve/admission.h"

#include <string.h>

/* An adaptive limit without a setting grows no further: a worker with more
 * handlers at once does not know any more what each of them takes. */
enum { MOST_ADAPTIVE = 1000, LEAST_ADAPTIVE = 4 };

/* Who is sent away shall not be back before the line has moved. */
static const int64_t SOONEST = ED_S;

void ed_admission_open(struct ed_admission *a, const struct ed_settings *s,
                       struct ed_slot *slot)
{
    unsigned most = s->max_in_flight ? s->max_in_flight : MOST_ADAPTIVE;

    *a = (struct ed_admission){.settings = s, .slot = slot};
    a->limits.on = s->max_in_flight || s->adaptive;
    a->limits.policy = (struct ed_limit_policy){
        .max = most,
        .adaptive = s->adaptive,
        .min = most < LEAST_ADAPTIVE ? most : LEAST_ADAPTIVE,
        .queue = s->queue_limit,
    };
    ed_limiter_open(&a->limiter, &a->limits);
}

/* By which the app is watched: to send that away would say that it is dead. */
static bool is_vital(const struct ed_admission *a, const ed_req *req)
{
    const struct ed_texts *vital = &a->settings->vital;

    for (size_t i = 0; i < vital->count; i++) {
        if (!strcmp(vital->each[i], req->path))
            return true;
    }
    return false;
}

static void show(const struct ed_admission *a)
{
    atomic_store_explicit(&a->slot->queued, a->limiter.waiting,
                          memory_order_relaxed);
    atomic_store_explicit(&a->slot->limit, ed_limiter_now(&a->limiter),
                          memory_order_relaxed);
}

static int send_away(struct ed_admission *a, ed_req *req)
{
    int64_t line = a->settings->queue_timeout;
    int64_t s = (line > SOONEST ? line : SOONEST) / ED_S;
    char text[24];

    ed_count(&a->slot->counters.shed, 1);
    snprintf(text, sizeof text, "%lld", (long long)s);
    int err = ed_reply_header_set(req, "Retry-After", text);
    return err ? err
               : ed_reply(req, 503, "There is too much to do just now.\n");
}

static int wait_in_line(struct ed_admission *a)
{
    int64_t within = a->settings->queue_timeout;
    ed_scope(line, .within = within > 0 ? within : INT64_MAX / 2,
             .name = "line");

    (void)line;
    return ed_limiter_take(&a->limiter);
}

/* 0: it has a place. */
static int come_in(struct ed_admission *a)
{
    int64_t came = ed_now();

    if (ed_limiter_has_room(&a->limiter))
        return ed_limiter_take(&a->limiter);
    atomic_store_explicit(&a->slot->queued, a->limiter.waiting + 1,
                          memory_order_relaxed);
    int err = wait_in_line(a);
    ed_counters_wait(&a->slot->counters, ed_now() - came);
    return err;
}

static void leave(struct ed_admission *a, int err, int64_t began)
{
    if (err == ED_ETIMEOUT)
        ed_limiter_overloaded(&a->limiter);
    else if (!err)
        ed_limiter_responded(&a->limiter, ed_now() - began);
    ed_limiter_give(&a->limiter);
}

int ed_admission_run(struct ed_admission *a, ed_req *req, ed_handler *handler)
{
    if (!a->limits.on || is_vital(a, req))
        return handler(req);
    int err = come_in(a);
    show(a);
    if (err == ED_EOVERLOAD || (err == ED_ETIMEOUT && !ed_cancelled()))
        return send_away(a, req);
    if (err)
        return err;
    int64_t began = ed_now();
    err = handler(req);
    leave(a, err, began);
    show(a);
    return err;
}
