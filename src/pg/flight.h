/*
 * flight.h - the inside of a link: what was sent, in order, and what its
 * answers do. Shared by link.c, flight.c, cancel.c and takeover.c alone.
 */
#ifndef EDDY_PG_FLIGHT_H
#define EDDY_PG_FLIGHT_H

#include "core/io.h"
#include "pg/link.h"
#include "pg/prepared.h"

/* Each thing given to libpq, in order. All but SYNC answer with a result, or
 * several, and a NULL. */
enum pg_step_kind {
    PG_STEP_CLOSE,   /* DEALLOCATE of a plan that gave way */
    PG_STEP_PRELUDE, /* of a call */
    PG_STEP_PARSE,   /* of a call's plan */
    PG_STEP_RUN,     /* the call itself; holds the link's reference to it */
    PG_STEP_UNDO,    /* ROLLBACK of what a prelude has begun in vain */
    PG_STEP_SYNC,
};

struct pg_step {
    struct pg_call *call; /* NULL: CLOSE, UNDO, SYNC */
    uint8_t kind;
};

/* What went wrong with a call that the link may make good. */
enum pg_trouble {
    PG_TROUBLE_NONE,
    PG_TROUBLE_ABORTED,   /* behind another's failure under the same sync */
    PG_TROUBLE_CANCELLED, /* maybe by a cancel meant for another */
    PG_TROUBLE_NO_NAME,   /* the server does not know a name of ours */
    PG_TROUBLE_OLD_NAME,  /* it knows one that we did not prepare */
    PG_TROUBLE_STALE,     /* the plan's result has another type by now */
};

/* Steps in a ring. They stay until their sync is answered, for only then is
 * known what became of the calls. */
struct pg_flight {
    struct pg_step *steps;
    uint32_t mask;  /* their number - 1 */
    uint32_t first; /* the oldest that is not settled */
    uint32_t at;    /* the one whose answer comes next */
    uint32_t end;
};

struct pg_link {
    struct pg_link_info info;
    ed_loop *loop;
    PGconn *conn;
    struct ed_io io;
    struct ed_op in, out;
    const struct pg_link_owner *owner;
    struct pg_statements *statements;
    int64_t goodbye;

    struct pg_flight flight;
    struct pg_prepared_set prepared;
    struct pg_params params;
    struct ed_list fresh;        /* calls given in this turn, untold yet */
    struct ed_deferred deferred; /* sends them; tells that it broke */
    unsigned load;               /* calls in flight, and fresh ones */
    unsigned generation;         /* of names: grows when they prove wrong */
    unsigned batch;              /* calls in the flight without a sync yet */
    /* In a transaction, perhaps: a BEGIN was answered, and no quiet moment came
     * since in which libpq tells. While anything is under way it does not. */
    bool in_transaction;
    bool ended;  /* calls have, the owner is to be told */
    bool unsent; /* libpq has a sync that is to be sent at the turn's end */

    /* cancel.c */
    struct pg_call *doomed;   /* is being cancelled, with a reference */
    struct ed_timer patience; /* until it, or what is dropped, has to end */
    struct ed_timer again;    /* until that is asked for once more */
    int64_t pause; /* ... so long after the next request; for drops, too */
    bool asked_to_cancel; /* once at least, what is to end */
    bool settling;        /* a request is made; no calls are taken */
    bool settle_sent;
    uint32_t settle_sync; /* the step whose answer settles it */

    ed_fiber *dropping; /* takeover.c: it reads what is dropped */

    bool writing; /* `out` waits */
    bool taken;   /* in one fiber's hands */
    bool broken;
    bool fatal; /* the server has said why it ends the session */
    bool lost;  /* the owner was told */
    bool closed;
    unsigned depth; /* of our own functions that call others' */
    int64_t idle_since, head_since;
    char why[200];
};

static inline struct pg_step *pg_step_at(const struct pg_flight *f, uint32_t i)
{
    return &f->steps[i & f->mask];
}

/* ---- link.c ---- */

/* Functions of others may be called between the two: a link that they close is
 * freed by the last pg_link_leave(). */
static inline void pg_link_enter(struct pg_link *link)
{
    link->depth++;
}
void pg_link_leave(struct pg_link *link);

/* Notes that the connection is of no use any more, with libpq's words unless
 * the server gave a reason; calls and owner are told at the end of the turn. */
void pg_link_break(struct pg_link *link, const char *words);

/* Counts a call as under way on the link, which it now is. */
void pg_link_load_up(struct pg_link *link, struct pg_call *call);

/* Puts a call, its reference included, into the flight. 0, or an error
 * as of PG_REFUSED. */
ED_CHECK int pg_link_queue(struct pg_link *link, struct pg_call *call);

/* Sends a ROLLBACK. */
void pg_link_undo(struct pg_link *link);

/* Puts a sync behind what is in the flight; it is sent at the end of the turn.
 */
void pg_link_sync(struct pg_link *link);

/* Starts to wait for what can be read and, if libpq holds something back, for
 * room to write. */
void pg_link_watch(struct pg_link *link);
void pg_link_unwatch(struct pg_link *link);

/* ---- flight.c ---- */

ED_CHECK int pg_flight_init(struct pg_flight *flight);
void pg_flight_free(struct pg_flight *flight);

/* Room for `more` steps. 0 or ED_ENOMEM. */
ED_CHECK int pg_flight_reserve(struct pg_flight *flight, uint32_t more);
void pg_flight_add(struct pg_flight *flight, enum pg_step_kind kind,
                   struct pg_call *call);

/* The call whose answer comes next; NULL: none. */
struct pg_call *pg_flight_head(const struct pg_flight *flight);

/* Notes whether the session is in a transaction, if that can be told. */
void pg_flight_hear_state(struct pg_link *link);

/* Tells the owner that there is room, if calls have ended and it can be used.
 */
void pg_flight_tell_room(struct pg_link *link);

/* Takes the answers that have come. */
void pg_flight_answers(struct pg_link *link);

/* The connection broke: tells every call what is known of it. */
void pg_flight_lost(struct pg_link *link);

/* Ends a call that is in no flight any more, and gives up the link's reference.
 */
void pg_call_end(struct pg_call *call, enum pg_fate fate);

/* ---- cancel.c ---- */

/* How long after a first request to cancel it is made again, if what it was for
 * goes on. */
extern const int64_t PG_CANCEL_AGAIN;

/* The head of the flight is another: if it is abandoned, it is cancelled. */
void pg_cancel_head(struct pg_link *link);

/* A sync was answered: perhaps the one that settles a cancel. */
void pg_cancel_synced(struct pg_link *link, uint32_t sync);

/* The link goes away. */
void pg_cancel_forget(struct pg_link *link);

/* The link is lost unless pg_cancel_ended() comes within its `goodbye`. 0 or
 * ED_ENOMEM. */
ED_CHECK int pg_cancel_patience(struct pg_link *link);
void pg_cancel_ended(struct pg_link *link);

/* Asks the server to cancel what the session does, if `wanted` says so when
 * the request's turn has come. The link must be entered. Suspends. 0,
 * ED_EDATABASE, ED_ENOMEM, ED_ECANCELED ... */
ED_CHECK int pg_cancel_request(struct pg_link *link,
                               bool (*wanted)(struct pg_link *link));

/* ---- takeover.c ---- */

/* The link goes away: nobody reads what is dropped. */
void pg_takeover_forget(struct pg_link *link);

#endif
