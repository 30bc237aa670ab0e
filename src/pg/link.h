/*
 * link.h - one connection to a PostgreSQL server: statements go in, in order,
 * and their ends come out, in the same order.
 *
 * A link is made by a fiber (pg_link_open()) and is a state machine in the loop
 * from then on. It knows nothing of pools: whoever owns it is told by the
 * functions of struct pg_link_owner.
 *
 * Statements are struct pg_call. Each is sent with a sync of its own at once,
 * or, if read-only, with others at the end of the turn under one sync. What
 * libpq has no choice about, such as answers that come for a call whose caller
 * has gone, is settled here and seen by nobody.
 */
#ifndef EDDY_PG_LINK_H
#define EDDY_PG_LINK_H

#include "base/list.h"
#include "core/runtime.h"
#include "pg/encode.h"
#include "pg/statement.h"
#include <eddy/pg.h>
#include <libpq-fe.h>

struct pg_link;

/* ---- where to ---- */

/* A pool's options, made ready for connecting: dsn.c. */
struct pg_target {
    char *dsn;
    bool read_only;
    int64_t connect_timeout;
    const char *(*password)(void *arg);
    void *arg;
};

/* Checks the dsn: 0, ED_EUSAGE with libpq's words in ed_error() (and logged
 * outside of a fiber), or ED_ENOMEM. Does not suspend. */
ED_CHECK int pg_target_init(struct pg_target *target,
                            const struct ed_pg_options *options);
void pg_target_free(struct pg_target *target);

/*
 * Connects, resolving names by our own resolver (libpq's would block), and
 * negotiates what a session of ours needs (client_encoding UTF8, DateStyle ISO,
 * non-blocking). The PGconn is the caller's. Suspends. Returns 0, ED_EDATABASE
 * with ed_error() saying which host said what, ED_ETIMEOUT (connect_timeout is
 * ED_EDATABASE), ED_ECANCELED, ED_ENOMEM.
 */
ED_CHECK int pg_connect(PGconn **out, const struct pg_target *target);

/* ---- calls ---- */

/* How a call ended. */
enum pg_fate {
    PG_PENDING,
    PG_DONE,       /* err says how: 0, or as the server refused it */
    PG_REFUSED,    /* err says why it was not sent: ED_EUSAGE or ED_EVALUE for
                      what is wrong with it, or ED_ENOMEM */
    PG_NEVER_SENT, /* the link was lost before: it can go elsewhere */
    PG_UNCERTAIN,  /* the link was lost while it was under way */
};

/*
 * A statement on its way. Reference-counted: who waits for it has one, and the
 * link it was sent on another. What it points to (statement but not values and
 * arena) outlives the waiter; once the waiter has gone (`abandoned`) the link
 * does not touch values, arena, or waiter any more.
 */
struct pg_call {
    struct ed_list node; /* in the pool's queue, or the link's flight */
    unsigned references;
    struct pg_link *link;  /* it was given to and is under way; NULL: none */
    struct pg_call *spare; /* among calls that ended and wait for their reuse */

    /* Said by who makes it. */
    struct pg_statement *statement;   /* holds a reference */
    const struct ed_pg_value *values; /* by number; borrowed from the waiter */
    const char *prelude; /* SQL that goes before it, under the same sync, such
                            as BEGIN; NULL: none. Static or outliving it. */
    bool read_only;      /* may share a sync */
    bool idempotent;     /* may be sent again after it may have run */
    bool unlucky;        /* was sent again already, by its owner */
    bool no_rows;        /* they are not wanted, only `affected` */
    ed_arena *arena;     /* for rows and error; NULL: neither is wanted */
    /* Called in the loop, or in a fiber that talks to the link, once it has
     * ended; not after pg_call_abandon(). May not suspend, may send. */
    void (*done)(struct pg_call *call);
    void *waiter; /* of whoever set done */

    /* What became of it. */
    enum pg_fate fate;
    int err;
    ed_rows *rows;
    int64_t affected;
    struct ed_pg_error *error; /* in the arena; NULL: the server said nothing */

    /* The link's own. */
    struct pg_plan *plan;
    bool abandoned;
    bool learns;         /* its result tells the types of its plan's */
    bool began;          /* it, or its prelude, has begun a transaction */
    bool alone;          /* was aborted by a neighbour: shares no sync again */
    uint8_t heals;       /* how often a mishap with it was made good */
    uint8_t trouble;     /* enum pg_trouble, flight.h */
    unsigned generation; /* of the link's names when it was sent */

    char why[200]; /* of a lost link, for ed_fail(); "": nothing. Last: only
                      its beginning is cleared. */
};

/* A new call, with one reference; takes another of the statement. NULL: no
 * memory. Only `fate` (PG_PENDING) and what is said by nobody is set. */
struct pg_call *pg_call_new(struct pg_statement *statement);
void pg_call_release(struct pg_call *call);

/* ---- links ---- */

/* What a link tells its owner: in the loop or in a fiber that talks to the
 * link; may send and close, may not suspend. */
struct pg_link_owner {
    /* A call has ended, and there is room for another. */
    void (*room)(struct pg_link *link);
    /* It broke. Every call under way has been told. The owner closes it. */
    void (*lost)(struct pg_link *link, int err);
};

/* What a pool keeps with a link: its own members first. */
struct pg_link_info {
    struct ed_list node; /* the owner's */
    void *user;          /* the owner's */
};

/* Connects and makes ready. Suspends. 0, or as pg_connect(). */
ED_CHECK int pg_link_open(struct pg_link **out, const struct pg_target *target,
                          struct pg_statements *statements, int64_t goodbye,
                          const struct pg_link_owner *owner, void *user);

/* Closes at once. Calls under way end with PG_NEVER_SENT or PG_UNCERTAIN. Not
 * from within pg_link_owner.room. */
void pg_link_close(struct pg_link *link);

struct pg_link_info *pg_link_info(struct pg_link *link);

/* Gives it a call, which is sent at the end of the loop's turn, together with
 * others; `done` is called later. 0, or ED_EDATABASE when it takes none
 * (pg_link_open_for_calls()). Does not suspend. Takes a reference. */
ED_CHECK int pg_link_send(struct pg_link *link, struct pg_call *call);

/* The waiter goes. What it had lent is not touched any more. The call is
 * cancelled on the server when its turn has come, by a cancel request made in
 * the background, and the link does not take others until that is settled; if
 * that takes longer than `goodbye`, the link is lost. The waiter's reference
 * stays the waiter's to release. */
void pg_call_abandon(struct pg_call *call);

/* Calls under way. */
unsigned pg_link_load(const struct pg_link *link);

/* Since when the call at its head is running; INT64_MAX without any. */
int64_t pg_link_busy_since(const struct pg_link *link);

/* Whether it takes calls: not while a cancel is being settled. */
bool pg_link_open_for_calls(const struct pg_link *link);

/* Whether the server is in a transaction, as far as has been heard:
 * PQTRANS_IDLE, PQTRANS_INTRANS, and PQTRANS_INERROR, which is only told when
 * nothing is under way; PQTRANS_UNKNOWN when it is broken. */
PGTransactionStatusType pg_link_state(const struct pg_link *link);

/* Why it broke; "": it did not. Valid as long as the link. */
const char *pg_link_why(const struct pg_link *link);

int64_t pg_link_idle_since(const struct pg_link *link);

/* ---- a link in one fiber's hands ---- */

/*
 * For what pipelines cannot: COPY, streams, scripts, LISTEN. The link must have
 * no call under way. It leaves pipeline mode, and the PGconn is the caller's
 * until pg_link_put_back(), who uses libpq's non-blocking functions with the
 * waits below. 0, or ED_EDATABASE when it is broken.
 */
ED_CHECK int pg_link_take_over(struct pg_link *link, PGconn **conn);

/* Back to taking calls; the connection must be idle in the sense of libpq (all
 * results read). When it is not, or is broken: the link is lost. */
void pg_link_put_back(struct pg_link *link);

/* Gives up what the link is doing in somebody's hands: asks the server to
 * cancel it, and reads and drops what still comes, in the background; then as
 * pg_link_put_back(). Does not suspend. */
void pg_link_drop_work(struct pg_link *link);

/* Waits until bytes can be read; if `writable`, until some can be written or
 * read: who waits to write must take in what comes, or both sides may wait for
 * each other. Suspends. 0, ED_ECANCELED, ED_ETIMEOUT, -errno. */
ED_CHECK int pg_link_wait(struct pg_link *link, bool writable);

/* Reads what there is into libpq's memory, as PQconsumeInput(), which by TLS is
 * not enough. False: the connection is gone. Does not suspend. */
ED_CHECK bool pg_consume(PGconn *conn);

/* Sends what libpq holds back. Suspends. 0, ED_EDATABASE ... */
ED_CHECK int pg_link_flush(struct pg_link *link);

/* The next result as PQgetResult() gives it (NULL: none for now), waiting for
 * it. Suspends. 0 or as above (a broken connection is ED_EUNCERTAIN). */
ED_CHECK int pg_link_result(struct pg_link *link, PGresult **result);

#endif
