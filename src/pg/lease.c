/*
 * lease.c - statements on a connection that is somebody's alone.
 *
 * Several fibers may use one lease: their statements are sent in the order they
 * are made. Where something must be known before more may be sent, as whether
 * the transaction was begun, one fiber has the lease to itself (`busy`) and the
 * others wait for their turn.
 *
 * Promises that no statement of a transaction is ever run outside of it: not
 * when it could not be begun, not after a lost connection, and not behind a
 * statement that was given up and may or may not have been run.
 */
#include "pg/lease.h"
#include "pg/error.h"

_Static_assert(sizeof(struct pg_lease) <= sizeof(struct ed_pg_store),
               "ed_pg_store is too small");

#define SAVEPOINT(n)                                      \
    {                                                     \
        "savepoint eddy" #n, "release savepoint eddy" #n, \
            "rollback to savepoint eddy" #n,              \
    }

static const struct {
    const char *begin, *release, *undo;
} savepoints[PG_LEVELS] = {
    SAVEPOINT(1),  SAVEPOINT(2),  SAVEPOINT(3),  SAVEPOINT(4),
    SAVEPOINT(5),  SAVEPOINT(6),  SAVEPOINT(7),  SAVEPOINT(8),
    SAVEPOINT(9),  SAVEPOINT(10), SAVEPOINT(11), SAVEPOINT(12),
    SAVEPOINT(13), SAVEPOINT(14), SAVEPOINT(15), SAVEPOINT(16),
};

/* ---- levels ---- */

static struct pg_lease *outermost(struct pg_lease *lease)
{
    while (lease->outer)
        lease = lease->outer;
    return lease;
}

static void set_level(struct pg_lease *lease)
{
    const struct pg_lease *outer = lease->outer;

    if (!outer || lease->handle.kind != PG_TRANSACTION ||
        outer->handle.kind != PG_TRANSACTION)
        return;
    if (outer->level == PG_LEVELS) {
        lease->misuse = "savepoints nest 16 deep at most";
        return;
    }
    lease->level = outer->level + 1;
    lease->begin = savepoints[outer->level].begin;
}

struct pg_lease *pg_lease_init(struct ed_pg_store *store, ed_pg *db,
                               enum pg_kind kind)
{
    struct pg_lease *lease = (struct pg_lease *)(void *)store;

    ED_MAGIC_CHECK(db, PG_HANDLE_MAGIC);
    *lease = (struct pg_lease){
        .handle = {.kind = kind, .pool = db->pool},
        .outer = db->kind == PG_POOL ? NULL : pg_lease_of(db),
        .undo = PG_NO_UNDO,
    };
    ED_MAGIC_SET(&lease->handle, PG_HANDLE_MAGIC);
    set_level(lease);
    return lease;
}

ed_pg *pg_lease_over(struct ed_pg_store *store, struct pg_place *place)
{
    struct pg_lease *lease =
        pg_lease_init(store, &place->pool->handle, PG_SESSION);

    lease->place = place;
    lease->used = true; /* it is this connection or none */
    place->lease = lease;
    return &lease->handle;
}

static const char *noun(const struct pg_lease *lease)
{
    if (lease->handle.kind == PG_SESSION)
        return "session";
    return lease->level ? "savepoint" : "transaction";
}

/* ---- whether it can be used ---- */

static int check_level(const struct pg_lease *lease)
{
    const struct pg_lease *outer = lease->outer;

    if (lease->misuse)
        return ed_fail(ED_EUSAGE, "%s", lease->misuse);
    if (lease->state == PG_ENDED)
        return ed_fail(ED_EUSAGE, "the %s has ended", noun(lease));
    if (lease->state == PG_FAILED)
        return ed_fail(ED_ESQL,
                       "the %s could not be begun, has ended by hand, or a"
                       " statement in it was given up; it is rolled back",
                       noun(lease));
    if (outer && outer->inner && outer->inner != lease)
        return ed_fail(ED_EUSAGE, "another %s in the same %s is open",
                       noun(lease), noun(outer));
    return 0;
}

static bool in_transaction(const struct pg_lease *lease)
{
    for (; lease; lease = lease->outer) {
        if (lease->handle.kind == PG_TRANSACTION)
            return true;
    }
    return false;
}

static int check_lost(const struct pg_lease *lease, const struct pg_lease *root)
{
    if (!root->place || !root->place->broken)
        return 0;
    return ed_fail(ED_EDATABASE, "%s%s", pg_link_why(root->place->link),
                   in_transaction(lease) ? "; the transaction is rolled back"
                                         : ", and the session with it");
}

static int check(const struct pg_lease *lease, const struct pg_lease *root)
{
    for (const struct pg_lease *at = lease; at; at = at->outer) {
        int err = check_level(at);
        if (err)
            return err;
    }
    return check_lost(lease, root);
}

/* ---- turns ---- */

void pg_lease_stirred(struct pg_lease *lease)
{
    ed_waitq_wake_all(&lease->turn, 0);
}

static bool takes_calls(const struct pg_lease *root)
{
    return root->place->broken || pg_link_open_for_calls(root->place->link);
}

/* No statement is under way. */
static bool drained(const struct pg_lease *root)
{
    return root->place->broken ||
           (takes_calls(root) && !pg_link_load(root->place->link));
}

static int wait_turn(struct pg_lease *root)
{
    if (root->holder == ed_fiber_self())
        return ed_fail(ED_EUSAGE, "a stream or copy of this fiber, open in the"
                                  " same transaction or session, comes before");
    return ed_waitq_wait(&root->turn, "a PostgreSQL transaction", NULL);
}

static void give_turn(struct pg_lease *root)
{
    root->busy = false;
    root->holder = NULL;
    pg_lease_stirred(root);
}

static int take_place(struct pg_lease *root)
{
    struct pg_place *place = NULL;
    int err;

    root->busy = true;
    /* One may be lost between being given and being taken. */
    while (!(err = pg_pool_take(root->handle.pool, &place)) && place->broken)
        pg_place_give_back(place, false);
    if (!err) {
        root->place = place;
        place->lease = root;
    }
    give_turn(root);
    return err;
}

static void drop_place(struct pg_lease *root)
{
    struct pg_place *place = root->place;

    root->place = NULL;
    if (place)
        pg_place_give_back(place, root->handle.kind == PG_SESSION);
}

/* ---- beginning and undoing levels ---- */

/* Rolls back what has ended; nobody waits for the answer. */
static int undo(struct pg_lease *root)
{
    unsigned level = root->undo;
    int err;

    if (level == 0) {
        err = pg_place_post(root->place, "rollback");
    } else {
        err = pg_place_post(root->place, savepoints[level - 1].undo);
        if (!err)
            err = pg_place_post(root->place, savepoints[level - 1].release);
    }
    if (!err)
        root->undo = PG_NO_UNDO;
    return err;
}

/* Waits until the caller has the lease to itself, with all that was sent
 * answered. */
static int have_to_oneself(struct pg_lease *root)
{
    for (;;) {
        int err;
        if (root->busy || !drained(root))
            err = wait_turn(root);
        else if (root->undo != PG_NO_UNDO && !root->place->broken)
            err = undo(root);
        else
            break;
        if (err)
            return err;
    }
    root->busy = true;
    return 0;
}

/* A savepoint can only be set in a transaction that has not failed, which is
 * known when all of it has been answered. */
static bool sets_savepoint(const struct pg_lease *lease)
{
    if (lease->state != PG_FRESH)
        return false;
    while (lease->outer && lease->outer->state == PG_FRESH)
        lease = lease->outer;
    return lease->level;
}

static int check_sound(const struct pg_lease *root)
{
    if (pg_link_state(root->place->link) != PQTRANS_INERROR)
        return 0;
    return ed_fail(ED_ESQL, "a statement of the transaction has failed");
}

/* Waits until a statement of this level may be sent. */
static int make_ready(struct pg_lease *lease, struct pg_lease *root)
{
    for (;;) {
        int err = check(lease, root);
        if (err)
            return err;
        bool undoes = root->undo != PG_NO_UNDO;
        bool sets = sets_savepoint(lease);
        if (root->busy)
            err = wait_turn(root);
        else if (!root->place)
            err = take_place(root);
        else if (undoes || sets ? !drained(root) : !takes_calls(root))
            err = wait_turn(root);
        else if (undoes)
            err = undo(root);
        else
            return sets ? check_sound(root) : 0;
        if (err)
            return err;
    }
}

static void note_open(struct pg_lease *lease)
{
    lease->state = PG_OPEN;
    if (lease->outer)
        lease->outer->inner = lease;
}

/* Sends ahead what begins the levels around it, if they are not. Whatever
 * comes after fails if they do. */
static int begin_outer(struct pg_lease *lease, struct pg_place *place)
{
    struct pg_lease *outer = lease->outer;

    if (!outer || outer->state != PG_FRESH)
        return 0;
    int err = begin_outer(outer, place);
    if (!err && outer->begin)
        err = pg_place_post(place, outer->begin);
    if (!err)
        note_open(outer);
    return err;
}

/* If the server is in no transaction where it should be in one, that was not
 * begun, or the program ended it by hand: what follows must not be run. */
static void note_outside(struct pg_lease *lease, const struct pg_lease *root)
{
    if (root->place->broken || pg_link_load(root->place->link) ||
        pg_link_state(root->place->link) != PQTRANS_IDLE)
        return;
    for (; lease; lease = lease->outer) {
        if (lease->handle.kind == PG_TRANSACTION)
            lease->state = PG_FAILED;
    }
}

/* ---- statements ---- */

static void ended(struct pg_call *call)
{
    ed_wake(call->waiter, 0);
}

static bool give_up(void *call)
{
    pg_call_abandon(call);
    return true;
}

/* Sends a call and waits for its end; *sent tells an error before it was from
 * being given up after. */
static int send_and_wait(struct pg_place *place, struct pg_call *call,
                         bool *sent)
{
    /* Who is cancelled does not park, and so would not be given up either. */
    int err = ed_cancelled();

    if (!err)
        err = pg_link_send(place->link, call);
    *sent = !err;
    if (err)
        return err;
    place->pool->counts.statements++;
    err = ed_park("PostgreSQL", give_up, call);
    if (err || call->fate != PG_REFUSED)
        return err;
    *sent = false;
    return pg_call_outcome(call);
}

/* A statement was given up: whether it is run, nobody knows, so what was meant
 * to follow it must not be. */
static void note_given_up(struct pg_lease *lease, struct pg_lease *root)
{
    root->used = true;
    if (lease->handle.kind == PG_TRANSACTION)
        lease->state = PG_FAILED;
}

static int run_ready(struct pg_lease *lease, struct pg_lease *root,
                     struct pg_call *call)
{
    bool begins = lease->state == PG_FRESH;
    bool sent;
    int err = begin_outer(lease, root->place);

    if (err)
        return err;
    if (begins) {
        call->prelude = lease->begin;
        root->busy = true;
    }
    err = send_and_wait(root->place, call, &sent);
    if (begins && sent)
        note_open(lease);
    if (sent && err)
        note_given_up(lease, root);
    else if (sent)
        note_outside(lease, root);
    if (begins)
        give_turn(root);
    return err;
}

/* The connection was lost before anything was done on it: another will do. */
static bool start_again(struct pg_lease *lease, struct pg_lease *root,
                        const struct pg_call *call)
{
    if (call->fate != PG_NEVER_SENT || root->used)
        return false;
    for (struct pg_lease *at = lease; at; at = at->outer) {
        at->state = PG_FRESH;
        at->inner = NULL;
    }
    drop_place(root);
    return true;
}

static int lost(const struct pg_lease *lease, const struct pg_call *call)
{
    const char *why = call->why[0] ? call->why : "connection lost";

    if (in_transaction(lease))
        return ed_fail(ED_EDATABASE, "%s; the transaction is rolled back", why);
    if (call->fate == PG_NEVER_SENT)
        return ed_fail(ED_EDATABASE, "%s, and the session with it", why);
    return ed_fail(ED_EUNCERTAIN, "%s; the statement may have been run", why);
}

static int try_run(struct pg_lease *lease, struct pg_lease *root,
                   struct pg_call *call, bool *again)
{
    int err = make_ready(lease, root);
    if (!err)
        err = run_ready(lease, root, call);
    if (!err && call->fate == PG_DONE) {
        root->used = true;
        return pg_call_outcome(call);
    }
    (void)pg_error_set(NULL);
    if (err)
        return err;
    *again = start_again(lease, root, call);
    return *again ? 0 : lost(lease, call);
}

int pg_lease_run(struct pg_lease *lease, const struct pg_job *job,
                 struct pg_call **out)
{
    struct pg_lease *root = outermost(lease);
    int err = ed_checkpoint();

    for (unsigned tries = 1; !err; tries++) {
        bool again = false;
        struct pg_call *call = pg_job_call(job, ended, ed_fiber_self());
        if (!call)
            return ED_ENOMEM;
        /* Its order and its failures are the transaction's matter. */
        call->read_only = false;
        err = try_run(lease, root, call, &again);
        if (!err && !again) {
            *out = call;
            return 0;
        }
        if (again && tries == PG_TRIES)
            err = lost(lease, call);
        pg_call_release(call);
    }
    return err;
}

/* ---- the end ---- */

/* Runs SQL of ours, in the hands of who has the lease to himself. */
static int command(struct pg_lease *root, const char *sql)
{
    struct pg_job job = {.arena = ed_fiber_arena(), .no_rows = true};
    bool sent = false;
    int err =
        pg_statement_get(&root->handle.pool->statements, sql, &job.statement);
    if (err)
        return err;

    struct pg_call *call = pg_job_call(&job, ended, ed_fiber_self());
    err = call ? send_and_wait(root->place, call, &sent) : ED_ENOMEM;
    if (err && sent)
        err = ed_fail(err, "given up in \"%s\", which may have been done", sql);
    else if (!err && call->fate == PG_DONE)
        err = pg_call_outcome(call);
    else if (!err)
        err = ed_fail(call->fate == PG_UNCERTAIN ? ED_EUNCERTAIN : ED_EDATABASE,
                      "%s", call->why[0] ? call->why : "connection lost");
    if (call)
        pg_call_release(call);
    pg_statement_release(job.statement);
    return err;
}

static int commit(struct pg_lease *lease, struct pg_lease *root)
{
    int err = check_sound(root);

    if (err)
        return err;
    if (!lease->level)
        return command(root, "commit");
    err = command(root, savepoints[lease->level - 1].release);
    return err == ED_EUNCERTAIN ? ED_EDATABASE : err;
}

static int roll_back(struct pg_lease *lease, struct pg_lease *root)
{
    if (root->place->broken)
        return 0;
    int err = command(root, lease->level ? savepoints[lease->level - 1].undo
                                         : "rollback");
    if (!err && lease->level)
        err = command(root, savepoints[lease->level - 1].release);
    return err == ED_EUNCERTAIN || err == ED_EDATABASE ? 0 : err;
}

/* Ends it, and what is open in it. */
static void close_level(struct pg_lease *lease)
{
    for (struct pg_lease *at = lease; at; at = at->inner)
        at->state = PG_ENDED;
    if (lease->outer && lease->outer->inner == lease)
        lease->outer->inner = NULL;
}

/* Rolls back in the background: at once, or, for a cancel may be on its way
 * that must not hit it, before the next statement. */
static void undo_later(struct pg_lease *lease, struct pg_lease *root)
{
    if (lease->level < root->undo)
        root->undo = lease->level;
    if (!root->busy && !root->place->broken && drained(root))
        (void)undo(root); /* what fails is tried again then */
}

void pg_lease_leave(struct pg_lease *lease)
{
    struct pg_lease *root = outermost(lease);
    bool begun = lease->state == PG_OPEN || lease->state == PG_FAILED;

    if (lease->state == PG_ENDED)
        return;
    close_level(lease);
    if (lease == root)
        drop_place(root);
    else if (begun && lease->handle.kind == PG_TRANSACTION && root->place)
        undo_later(lease, root);
}

/* Does what ends it, with the lease to itself. */
static int finish(struct pg_lease *lease, struct pg_lease *root, bool keep)
{
    int err = have_to_oneself(root);
    if (err)
        return err;
    if (keep)
        err = check(lease, root);
    if (!err)
        err = keep ? commit(lease, root) : roll_back(lease, root);
    give_turn(root);
    return err;
}

int pg_lease_end(struct pg_lease *lease, bool keep)
{
    struct pg_lease *root = outermost(lease);

    if (lease->misuse || lease->state == PG_ENDED)
        return check_level(lease);
    int err = lease->state == PG_FRESH ? 0 : finish(lease, root, keep);
    if (err) {
        pg_lease_leave(lease);
        return err;
    }
    close_level(lease);
    if (lease == root)
        drop_place(root);
    return 0;
}

int pg_lease_detach(ed_pg *session)
{
    struct pg_lease *root = pg_lease_of(session);
    int err = have_to_oneself(root);

    root->place->lease = NULL;
    root->state = PG_ENDED;
    return err;
}

/* ---- a link for those who need one of their own ---- */

static int lease_pool(struct pg_pool *pool, struct pg_link **out)
{
    struct pg_place *place = NULL;
    int err;

    while (!(err = pg_pool_take(pool, &place)) && place->broken)
        pg_place_give_back(place, false);
    *out = err ? NULL : place->link;
    return err;
}

/* Begins the level without any statement. */
static int begin_alone(struct pg_lease *lease, struct pg_lease *root)
{
    int err = 0;

    if (lease->state != PG_FRESH)
        return 0;
    err = begin_outer(lease, root->place);
    if (!err && lease->begin)
        err = pg_place_post(root->place, lease->begin);
    if (err)
        return err;
    note_open(lease);
    err = have_to_oneself(root);
    if (err)
        return err;
    root->busy = false;
    note_outside(lease, root);
    return check(lease, root);
}

static int lease_own(struct pg_lease *lease, struct pg_link **out)
{
    struct pg_lease *root = outermost(lease);
    int err = make_ready(lease, root);

    if (!err)
        err = begin_alone(lease, root);
    if (!err)
        err = have_to_oneself(root);
    if (err)
        return err;
    root->used = true;
    root->holder = ed_fiber_self();
    *out = root->place->link;
    return 0;
}

int pg_lease(ed_pg *db, struct pg_link **out)
{
    int err = pg_pool_enter(db->pool);

    *out = NULL;
    if (err)
        return err;
    if (db->kind == PG_POOL)
        return lease_pool(db->pool, out);
    return lease_own(pg_lease_of(db), out);
}

void pg_unlease(ed_pg *db, struct pg_link *link)
{
    if (db->kind == PG_POOL) {
        pg_place_give_back(pg_link_info(link)->user, false);
        return;
    }
    struct pg_lease *lease = pg_lease_of(db);
    struct pg_lease *root = outermost(lease);
    if (!pg_link_open_for_calls(link))
        note_given_up(lease, root); /* what was done on it, before its end */
    else
        note_outside(lease, root);
    give_turn(root);
}
