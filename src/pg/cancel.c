/*
 * cancel.c - statements whose caller has gone are cancelled on the server.
 *
 * Owns a link's cancel, one at a time. In libpq 15 the request can only be made
 * by PQcancel(), which blocks; so it runs on a thread, for a background fiber.
 *
 * A request names a session, not a statement, and may arrive late. So from when
 * it is made until it has returned and a sync sent afterwards was answered, the
 * link takes no calls, and those under way that it hits are sent again
 * (flight.c). When PQcancel() returns the server has signalled the session, so
 * behind that sync nothing can be hit any more.
 *
 * It may arrive early, too: a session that has not read the statement yet takes
 * no notice of it. As long as the statement goes on, requests are repeated.
 */
#include "pg/flight.h"
#include "base/moment.h"

#include <eddy/blocking.h>
#include <eddy/log.h>
#include <stdlib.h>

enum {
    /* PQcancel() may take as long as a TCP connection takes to fail, on one of
     * a few threads that others need. */
    REQUESTS_AT_ONCE = 2,
};

/* Most statements are over sooner than a request could be made, which costs
 * the server a process. */
static const int64_t PATIENCE = 3 * ED_MS;

/* After a request that seems to have hit nothing; doubled each time. */
const int64_t PG_CANCEL_AGAIN = 50 * ED_MS;

/* ---- requests, of one loop ---- */

struct requests {
    unsigned count;
    struct ed_waitq waiting;
};

static const char requests_key;

static struct requests *requests_of_loop(ed_loop *loop)
{
    struct requests *r = ed_loop_get(loop, &requests_key);
    if (r)
        return r;
    r = calloc(1, sizeof *r);
    if (r && ed_loop_set(loop, &requests_key, r, free)) {
        free(r);
        return NULL;
    }
    return r;
}

static int take_turn(struct requests *r)
{
    int err = 0;
    while (!err && r->count >= REQUESTS_AT_ONCE)
        err = ed_waitq_wait(&r->waiting, "cancelling others", NULL);
    if (!err)
        r->count++;
    return err;
}

static void end_turn(struct requests *r)
{
    r->count--;
    ed_waitq_wake(&r->waiting, 0);
}

static int request(void *key)
{
    char why[256];
    return PQcancel(key, why, sizeof why) ? 0 : ED_EDATABASE;
}

static int make_request(struct pg_link *link)
{
    PGcancel *key = PQgetCancel(link->conn);
    if (!key)
        return ED_EDATABASE;
    if (!link->asked_to_cancel) /* what is asked again is no other */
        link->statements->counts.cancelled++;
    link->asked_to_cancel = true;
    int err = ed_blocking(request, key);
    PQfreeCancel(key);
    return err;
}

int pg_cancel_request(struct pg_link *link,
                      bool (*wanted)(struct pg_link *link))
{
    struct requests *r = requests_of_loop(link->loop);
    if (!r)
        return ED_ENOMEM;
    int err = take_turn(r);
    if (err)
        return err;
    if (!link->closed && wanted(link))
        err = make_request(link);
    end_turn(r);
    return err;
}

/* ---- one link's ---- */

static bool goes_on(const struct pg_link *link)
{
    return !link->broken && pg_flight_head(&link->flight) == link->doomed;
}

/* From here on the link takes no calls. */
static bool begin_settling(struct pg_link *link)
{
    bool wanted = goes_on(link);
    link->settling |= wanted;
    return wanted;
}

static void out_of_patience(struct ed_timer *timer)
{
    struct pg_link *link = ED_CONTAINER(timer, struct pg_link, patience);
    pg_link_break(link, "a cancelled statement did not end");
}

int pg_cancel_patience(struct pg_link *link)
{
    link->patience.fire = out_of_patience;
    return ed_timer_start(link->loop, &link->patience,
                          ed_moment_after(ed_now(), link->goodbye));
}

void pg_cancel_ended(struct pg_link *link)
{
    ed_timer_stop(link->loop, &link->patience);
}

/* The call has ended, or the session is known to be quiet. */
static void be_done(struct pg_link *link)
{
    pg_cancel_ended(link);
    ed_timer_stop(link->loop, &link->again);
    pg_call_release(link->doomed);
    link->doomed = NULL;
    link->settling = link->settle_sent = false;
}

static void send_settling_sync(struct pg_link *link)
{
    link->settle_sent = true;
    if (link->batch) /* gets its own before */
        pg_link_sync(link);
    link->settle_sync = link->flight.end;
    pg_link_sync(link);
    /* Without memory for a timer the first request has to do. */
    (void)!ed_timer_start(link->loop, &link->again, ed_now() + link->pause);
    link->pause *= 2;
}

/* The sync that was sent settles nothing when another request is made. */
static int cancel_in_background(void *arg)
{
    struct pg_link *link = arg;
    int err = link->settling ? 0 : ed_sleep(PATIENCE);
    if (!err)
        err = pg_cancel_request(link, begin_settling);
    if (!link->closed && !link->broken) {
        if (err)
            pg_link_break(link, "a statement could not be cancelled");
        else if (link->settling)
            send_settling_sync(link);
        else
            be_done(link);
        pg_cancel_head(link);
    }
    pg_link_leave(link);
    return 0;
}

static int begin_cancelling(struct pg_link *link)
{
    pg_link_enter(link);
    int err = ed_background(cancel_in_background, link);
    if (err)
        link->depth--;
    return err;
}

static void ask_again(struct ed_timer *timer)
{
    struct pg_link *link = ED_CONTAINER(timer, struct pg_link, again);
    if (goes_on(link) && !begin_cancelling(link))
        link->settle_sent = false;
}

void pg_cancel_head(struct pg_link *link)
{
    if (link->doomed || link->broken || link->closed)
        return;
    struct pg_call *head = pg_flight_head(&link->flight);
    if (!head || !head->abandoned)
        return;
    link->doomed = head;
    head->references++;
    link->again.fire = ask_again;
    link->pause = PG_CANCEL_AGAIN;
    link->asked_to_cancel = false;
    if (pg_cancel_patience(link) || begin_cancelling(link))
        pg_link_break(link, "a statement could not be cancelled");
}

void pg_cancel_synced(struct pg_link *link, uint32_t sync)
{
    if (!link->settle_sent || sync != link->settle_sync)
        return;
    be_done(link);
    link->ended = true;
}

void pg_cancel_forget(struct pg_link *link)
{
    if (link->doomed)
        be_done(link);
}

void pg_call_abandon(struct pg_call *call)
{
    call->abandoned = true;
    if (call->link)
        pg_cancel_head(call->link);
}
