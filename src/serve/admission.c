/*
 * admission.c - how many requests of a worker are handled at once.
 *
 * The limit and its line are the client's (http/limit.h), turned round: what
 * is an origin there is this worker here, and a response is a reply that
 * begins.
 */
#include "serve/admission.h"

#include <eddy/error.h>
#include <stdio.h>
#include <string.h>
#include "app/app_internal.h"
#include "base/backoff.h"

/* An adaptive limit without a setting grows no further: a worker with more
 * handlers at once does not know any more what each of them takes. */
enum { MOST_ADAPTIVE = 1000, LEAST_ADAPTIVE = 4 };

/* A line that was not empty for a fifth of the patience is no burst's, and the
 * patience a tenth of itself then: with 5 s, half a second after one. */
enum { STANDING_PART = 5, BRISK_PART = 10 };

/* Who is sent away shall not be back before the line has moved, and may find
 * it gone before long, whatever it looks like now. */
static const int64_t SOONEST = ED_S;
static const int64_t LATEST = ED_MIN;

/* A stay counts for so much of what they are said to be. */
enum { STAYS = 16 };

void ed_admission_open(struct ed_admission *a, const struct ed_settings *s,
                       struct ed_slot *slot)
{
    unsigned most = s->max_in_flight ? s->max_in_flight : MOST_ADAPTIVE;

    *a = (struct ed_admission){.settings = s, .slot = slot};
    a->limits.on = s->max_in_flight || s->adaptive;
    a->limits.what = "its turn";
    a->limits.policy = (struct ed_limit_policy){
        .max = most,
        .adaptive = s->adaptive,
        .min = most < LEAST_ADAPTIVE ? most : LEAST_ADAPTIVE,
        .queue = s->queue_limit,
    };
    a->limits.line = (struct ed_line_policy){
        .patience = s->queue_timeout,
        .standing = s->queue_timeout / STANDING_PART,
        .brisk = s->queue_timeout / BRISK_PART,
    };
    ed_limiter_open(&a->limiter, &a->limits);
    if (a->limits.on)
        atomic_store_explicit(&slot->limit, ed_limiter_now(&a->limiter),
                              memory_order_relaxed);
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

/* ---- those sent away ---- */

/* When somebody who comes now would have a turn if those before wait for
 * theirs; for each a little later, so that they do not come back together. */
static int64_t time_until_room(const struct ed_admission *a)
{
    double ahead = (double)a->limiter.waiting + 1;
    double limit = ed_limiter_now(&a->limiter);

    return (int64_t)(ahead * (double)a->stay / limit);
}

static int64_t seconds_to_stay_away(int64_t until_room)
{
    double wait = (double)until_room;

    if (wait < (double)SOONEST)
        wait = (double)SOONEST;
    wait *= 1 + ed_chance();
    if (wait > (double)LATEST)
        wait = (double)LATEST;
    return (int64_t)(wait / (double)ED_S + 0.5);
}

int ed_admission_send_away(struct ed_admission *a, ed_req *req, int64_t wait)
{
    char text[24];

    ed_count(&a->slot->counters.shed, 1);
    snprintf(text, sizeof text, "%lld", (long long)seconds_to_stay_away(wait));
    int err = ed_reply_header_set(req, "Retry-After", text);
    return err ? err
               : ed_error_page(req, 503,
                               "There is too much to do just now. Please try "
                               "again in a moment.");
}

/* ---- those who wait ---- */

static void move(_Atomic uint32_t *count, int by)
{
    uint32_t n = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, n + (uint32_t)by, memory_order_relaxed);
}

/* Who waits is not counted among those handled. */
void ed_admission_line(struct ed_admission *a, int more)
{
    move(&a->slot->in_flight, -more);
    move(&a->slot->queued, more);
}

void ed_admission_waited(struct ed_admission *a, ed_req *req, int64_t waited)
{
    req->waited += waited;
    ed_counters_wait(&a->slot->counters, waited);
}

static int wait_for_turn(struct ed_admission *a, ed_req *req)
{
    int64_t came = ed_now();

    ed_admission_line(a, 1);
    req->in_line = true;
    int err = ed_limiter_take(&a->limiter);
    req->in_line = false;
    ed_admission_line(a, -1);
    ed_admission_waited(a, req, ed_now() - came);
    return err;
}

/* 0: it has a place. */
static int come_in(struct ed_admission *a, ed_req *req)
{
    if (ed_limiter_has_room(&a->limiter))
        return ed_limiter_take(&a->limiter);
    int err = wait_for_turn(a, req);
    if (err)
        return err;
    /* It may have left, or its time be over, since it was called. */
    err = ed_cancelled();
    if (err)
        ed_limiter_give(&a->limiter);
    return err;
}

/* ---- those who have a place ---- */

struct guest {
    struct ed_req_hold hold;
    struct ed_admission *admission;
    int64_t began;
};

/* Whether the server's own time is over, not one that its client set: nobody
 * outside shall talk the limit down. */
static bool had_time(const struct ed_admission *a, const ed_req *req)
{
    int64_t time = a->settings->request_timeout;

    return ed_cancelled() != ED_ETIMEOUT ||
           (time > 0 && ed_now() - req->came >= time);
}

/* What a status says of how much there is to do. Errors say nothing: they are
 * quick, or slow, for reasons of their own. */
static void note(struct ed_admission *a, const ed_req *req, int status,
                 int64_t stay)
{
    if (status == 503 || status == 504) {
        if (had_time(a, req))
            ed_limiter_overloaded(&a->limiter);
        return;
    }
    if (status && status < 500 && status != 429)
        ed_limiter_responded(&a->limiter, stay);
}

static void leave(struct guest *guest, const ed_req *req, int status)
{
    struct ed_admission *a = guest->admission;
    int64_t stay = ed_now() - guest->began;

    a->stay += (stay - a->stay) / STAYS;
    note(a, req, status, stay);
    ed_limiter_give(&a->limiter);
    atomic_store_explicit(&a->slot->limit, ed_limiter_now(&a->limiter),
                          memory_order_relaxed);
}

/* A reply begins; or the handler gives its place, which says nothing. */
static void let_go(struct ed_req_hold *hold, ed_req *req)
{
    struct guest *guest = ED_CONTAINER(hold, struct guest, hold);

    leave(guest, req, req->reply.began ? req->reply.status : 0);
}

/* The status of what has not begun to be replied. */
static int status_after(const ed_req *req, int err)
{
    if (err >= 0 || err == ED_ECANCELED)
        return 0;
    return ed_req_error_status(req, err);
}

static int run(struct ed_admission *a, ed_req *req, ed_handler *handler)
{
    struct guest guest = {.hold = {let_go}, .admission = a, .began = ed_now()};

    req->hold = &guest.hold;
    int err = handler(req);
    if (req->hold == &guest.hold) {
        req->hold = NULL;
        leave(&guest, req, status_after(req, err));
    }
    return err;
}

int ed_admission_run(struct ed_admission *a, ed_req *req, ed_handler *handler)
{
    if (!a->limits.on || is_vital(a, req))
        return handler(req);
    int err = come_in(a, req);
    if (err == ED_EOVERLOAD || err == ED_ETIMEOUT)
        return ed_admission_send_away(a, req, time_until_room(a));
    return err ? err : run(a, req, handler);
}
