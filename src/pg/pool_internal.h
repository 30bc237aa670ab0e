/*
 * pool_internal.h - what the files of the pool share: places, wants, and the
 * pool itself.
 *
 *   pool.c          a pool's life; its public functions
 *   pool_queue.c    which statement, or who wants a link alone, gets which link
 *   pool_connect.c  links being opened; what happens when that fails
 *   pool_place.c    a link's way through the pool: idle, shared, held, tidied
 *   pool_upkeep.c   links kept up, replaced and closed as time goes by
 *
 * All of it belongs to one loop; what "moves" the queue does so at the end of
 * the turn, in the loop, so that nobody is served or failed from within what
 * they called.
 */
#ifndef EDDY_PG_POOL_INTERNAL_H
#define EDDY_PG_POOL_INTERNAL_H

#include "base/list.h"
#include "base/magic.h"
#include "core/runtime.h"
#include "pg/link.h"
#include "pg/pool.h"

enum pg_kind { PG_POOL, PG_TRANSACTION, PG_SESSION };

#define PG_HANDLE_MAGIC 0x65647067

/* What every `ed_pg` begins with. */
struct ed_pg {
    ED_MAGIC;
    enum pg_kind kind;
    struct pg_pool *pool;
};

struct pg_lease; /* lease.h */

/* ---- places ---- */

enum pg_place_state {
    PG_OPENING,  /* a fiber connects; `link` is NULL at first */
    PG_IDLE,     /* up, with nothing under way */
    PG_SHARED,   /* statements of whoever came are under way */
    PG_CHECKING, /* was idle for long, and is asked for a sign of life */
    PG_HELD,     /* somebody's alone */
    PG_TIDYING,  /* comes back from there: rolled back, reset */
    PG_CLOSED,
};

/* One of the pool's `max` connections. */
struct pg_place {
    struct ed_list node; /* in the pool's idle (the last used first), shared,
                            or other */
    struct pg_pool *pool;
    struct pg_link *link;
    enum pg_place_state state;
    bool
        reserved; /* SHARED: takes no more calls, for somebody wants it alone */
    bool outdated; /* is closed when nothing is under way any more */
    bool broken;   /* HELD, OPENING: the link was lost */
    bool failed;   /* CHECKING, TIDYING: what was sent to it was refused */
    /* TIDYING: a session's traces are to be removed; what was asked for. */
    bool session, rolled_back, was_reset;
    struct pg_lease *lease;   /* HELD by a transaction or session */
    bool attended;            /* a fiber of the pool's has it, or soon will: */
    ed_fiber *fiber;          /* this one, once it runs */
    int64_t expires;          /* INT64_MAX: never */
    struct ed_timer patience; /* CHECKING, TIDYING: then it is closed */
};

/* ---- wants ---- */

/* A fiber that waits: for a link, and then for the end of its call. */
struct pg_want {
    struct ed_list node; /* in the queue */
    bool queued;
    struct pg_pool *pool;
    ed_fiber *fiber;
    struct pg_call *call;   /* NULL: wants a link alone */
    struct pg_place *place; /* which it was given then */
    int64_t since;          /* it is in the queue */
    int64_t sent_at;        /* the call was */
};

/* ---- pools ---- */

struct pg_pool {
    struct ed_pg handle;
    unsigned references; /* the program's, and those of fibers that connect */
    bool closed;

    /* As it was asked for. */
    struct pg_target target;
    struct pg_statements statements;
    unsigned min, max, pipeline, queue_max;
    int64_t max_wait, max_backoff, idle_time, lifetime, check_after, goodbye;
    bool read_only;
    int (*on_connect)(ed_pg *session, void *arg);
    void *arg;
    char where[64]; /* for texts: its hosts */

    /* Bound to a loop. */
    ed_loop *loop;          /* NULL: unused so far, or its loop has ended */
    struct ed_list in_loop; /* among the loop's pools */

    struct ed_list idle, shared, other; /* places */
    unsigned open;                      /* places that are up */
    unsigned opening;                   /* being connected */
    unsigned checking; /* up, but it is not known whether still */
    unsigned reserved;

    struct ed_list queue; /* wants, the first come first */
    unsigned waiting;
    struct ed_deferred moving;
    struct ed_timer impatience; /* for the first's max_wait */

    unsigned failures; /* of attempts to connect, in a row */
    int64_t retry_at;  /* before which there is none */
    struct ed_timer retry;
    struct ed_timer upkeep;
    char why[256]; /* the last attempt failed */

    /* Where statements that are shared go at present (NULL: nowhere), how many
     * more of them, and how long they take of late, queueing at the server
     * included. */
    struct pg_place *sticky;
    unsigned sticks;
    int64_t pace;

    struct ed_pg_counts counts; /* those since the beginning */
};

/* Binds the pool to the running loop. 0, or ED_EUSAGE: not in a fiber, or it
 * is another thread's; ED_ENOMEM. */
ED_CHECK int pg_pool_enter(struct pg_pool *pool);

void pg_pool_release(struct pg_pool *pool);

/* ---- pool_queue.c ---- */

/*
 * Gives a call to a link, or waits for one, and waits for the call's end; its
 * `done` and `waiter` are set here. Suspends. 0: it has ended, with whatever
 * fate. Otherwise it was not sent, or is abandoned: ED_EDATABASE, ED_EOVERLOAD,
 * ED_EUSAGE, ED_ENOMEM, ED_ECANCELED, ED_ETIMEOUT, with ed_error().
 */
ED_CHECK int pg_pool_call(struct pg_pool *pool, struct pg_call *call);

/* Takes a link for the caller alone. Suspends. Errors as above. */
ED_CHECK int pg_pool_take(struct pg_pool *pool, struct pg_place **out);

/* Something has changed that may help those who wait. */
void pg_pool_move(struct pg_pool *pool);

/* Whether newcomers wait for a link of their own rather than share one. */
bool pg_pool_growing(const struct pg_pool *pool);

/* pool->moving, and pool->impatience. */
void pg_queue_moving(struct ed_deferred *deferred);
void pg_queue_impatient(struct ed_timer *timer);

/* ---- pool_connect.c ---- */

/* Whether one more may be opened now. */
bool pg_pool_may_open(const struct pg_pool *pool);

/* Opens one more, in the background. */
void pg_place_open(struct pg_pool *pool);

/* Has on_connect make a link anew what it was, in the background: after a
 * session was reset. The place is held meanwhile. */
void pg_place_welcome(struct pg_place *place);

/* ---- pool_place.c ---- */

extern const struct pg_link_owner pg_place_owner;

/* A new place among the others; NULL: no memory. */
struct pg_place *pg_place_new(struct pg_pool *pool);

/* Takes a place out of the pool and frees it; a link is closed at once. Not
 * from within pg_link_owner.room. */
void pg_place_close(struct pg_place *place);

/* It is up, with nothing under way: whoever is next may have it. */
void pg_place_idle(struct pg_place *place);

/* It is not to be used any more, and closed soon; nothing is under way. */
void pg_place_retire(struct pg_place *place);

/* An idle one becomes a caller's alone. */
void pg_place_hold(struct pg_place *place);

/* Back from there. `session`: what the session set is undone. */
void pg_place_give_back(struct pg_place *place, bool session);

/* Gives it a call, an idle one becoming shared. Errors as pg_link_send(). */
ED_CHECK int pg_place_send(struct pg_place *place, struct pg_call *call);

/* Sends a statement whose result only matters by place->failed. */
ED_CHECK int pg_place_post(struct pg_place *place, const char *sql);

/* Asks an idle one for a sign of life. */
void pg_place_check(struct pg_place *place);

/* ---- pool_upkeep.c ---- */

/* Opens what is missing to `min`, and sees to it that attempts go on. */
void pg_pool_keep_min(struct pg_pool *pool);

/* Has the pool looked after when the next place grows old. */
void pg_upkeep_arm(struct pg_pool *pool);

void pg_upkeep_due(struct ed_timer *timer);   /* pool->upkeep */
void pg_upkeep_retry(struct ed_timer *timer); /* pool->retry */

/* When a link opened now is to be replaced. */
int64_t pg_upkeep_expiry(struct pg_pool *pool);

/* A point in time; INT64_MAX: never, as for a `time` below 0. */
int64_t pg_time_after(int64_t from, int64_t time);

#endif
