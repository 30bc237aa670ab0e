/*
 * link.c - one connection: its life, and how calls are given to it.
 *
 * Owns the PGconn and what libpq is told. What the server answers is flight.c's
 * matter. Nothing here suspends but pg_link_open(), and nothing calls `done`
 * from within pg_link_send(): a connection that proves broken there is noted,
 * and told at the end of the turn.
 *
 * What was given in a turn of the loop is told to libpq at its end: read-only
 * calls get the sync they share then. From libpq 17 on all of it leaves in one
 * system call. Before, PQpipelineSync() always sends, so any call that shares
 * no sync costs one of its own; one such call right behind the other costs a
 * fifteenth less CPU than with a fiber's work between each.
 */
#include "pg/flight.h"

#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- calls ---- */

/* Kept with a statement, for its next calls. */
enum { SPARE_MAX = 64 };

struct pg_call *pg_call_new(struct pg_statement *statement)
{
    struct pg_call *call = statement->spare;
    if (call) {
        statement->spare = call->spare;
        statement->spare_count--;
    } else {
        call = malloc(sizeof *call);
        if (!call)
            return NULL;
    }
    memset(call, 0, offsetof(struct pg_call, why) + 1);
    ed_list_init(&call->node);
    call->references = 1;
    call->statement = statement;
    statement->references++;
    return call;
}

void pg_call_release(struct pg_call *call)
{
    if (--call->references)
        return;
    struct pg_statement *statement = call->statement;
    if (statement->spare_count < SPARE_MAX) {
        call->spare = statement->spare;
        statement->spare = call;
        statement->spare_count++;
    } else {
        free(call);
    }
    pg_statement_release(statement);
}

void pg_call_end(struct pg_call *call, enum pg_fate fate)
{
    call->fate = fate;
    call->link = NULL;
    if (!call->abandoned)
        call->done(call);
    pg_call_release(call);
}

/* ---- the end of a link ---- */

void pg_link_leave(struct pg_link *link)
{
    if (--link->depth == 0 && link->closed)
        free(link);
}

static void note_why(struct pg_link *link, const char *words)
{
    if (!*words)
        words = "the connection broke";
    size_t len = strcspn(words, "\n");
    if (len >= sizeof link->why)
        len = sizeof link->why - 1;
    memcpy(link->why, words, len);
    link->why[len] = '\0';
}

void pg_link_break(struct pg_link *link, const char *words)
{
    if (link->broken)
        return;
    link->broken = true;
    if (!link->fatal)
        note_why(link, words);
    ed_defer(link->loop, &link->deferred);
}

static void tell_lost(struct pg_link *link)
{
    pg_link_unwatch(link);
    pg_flight_lost(link);
    if (link->closed || link->lost)
        return;
    link->lost = true;
    link->owner->lost(link, ED_EDATABASE);
}

static void dispose(struct pg_link *link)
{
    pg_cancel_forget(link);
    pg_takeover_forget(link);
    ed_undefer(link->loop, &link->deferred);
    ed_io_release(&link->io);
    PQfinish(link->conn);
    link->conn = NULL;
    pg_prepared_free(&link->prepared);
    pg_params_free(&link->params);
    pg_flight_free(&link->flight);
}

void pg_link_close(struct pg_link *link)
{
    if (link->closed)
        return;
    pg_link_enter(link);
    link->closed = true;
    if (!*link->why)
        note_why(link, "the connection was closed");
    pg_flight_lost(link);
    dispose(link);
    pg_link_leave(link);
}

/* ---- sending ---- */

#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
#define put_sync PQsendPipelineSync
#else
#define put_sync PQpipelineSync
#endif

static void flush(struct pg_link *link)
{
    link->unsent = false;
    int left = PQflush(link->conn);
    if (left < 0)
        pg_link_break(link, PQerrorMessage(link->conn));
    else if (left && !link->writing)
        pg_link_watch(link);
}

void pg_link_sync(struct pg_link *link)
{
    if (link->batch > 1)
        link->statements->counts.batches++;
    link->batch = 0;
    if (link->broken)
        return;
    if (pg_flight_reserve(&link->flight, 1) || !put_sync(link->conn)) {
        pg_link_break(link, PQerrorMessage(link->conn));
        return;
    }
    pg_flight_add(&link->flight, PG_STEP_SYNC, NULL);
    link->unsent = true;
    ed_defer(link->loop, &link->deferred); /* not always is this its end */
}

static int send_text(struct pg_link *link, const char *sql)
{
    return PQsendQueryParams(link->conn, sql, 0, NULL, NULL, NULL, NULL, 0);
}

/* Plans that gave way. Before a call, not behind it: a name that is to be
 * prepared anew may be among them. */
static void send_closings(struct pg_link *link)
{
    struct ed_buf *names = &link->prepared.closing;
    for (size_t i = 0; i < names->len && !link->broken; i += PG_PLAN_NAME) {
        char sql[64];
        snprintf(sql, sizeof sql, "deallocate %s", names->ptr + i);
        pg_flight_add(&link->flight, PG_STEP_CLOSE, NULL);
        if (!send_text(link, sql))
            pg_link_break(link, PQerrorMessage(link->conn));
    }
    names->len = 0;
}

void pg_link_undo(struct pg_link *link)
{
    if (pg_flight_reserve(&link->flight, 1) || !send_text(link, "rollback")) {
        pg_link_break(link, PQerrorMessage(link->conn));
        return;
    }
    pg_flight_add(&link->flight, PG_STEP_UNDO, NULL);
    link->in_transaction = false;
    pg_link_sync(link);
}

static int send_prepare(struct pg_link *link, const struct pg_plan *plan)
{
    const char *sql = plan->statement->sql->text.ptr;
    link->statements->counts.prepared++;
    return PQsendPrepare(link->conn, plan->name, sql, link->params.count,
                         plan->types);
}

/* How a call is sent. */
struct way {
    bool named;
    bool parse; /* before */
    bool binary;
};

static int send_run(struct pg_link *link, const struct pg_plan *plan,
                    const struct way *way)
{
    const struct pg_params *p = &link->params;
    if (way->named)
        return PQsendQueryPrepared(link->conn, plan->name, p->count, p->values,
                                   p->lengths, p->formats, way->binary);
    return PQsendQueryParams(link->conn, plan->statement->sql->text.ptr,
                             p->count, plan->types, p->values, p->lengths,
                             p->formats, way->binary);
}

/* Nothing is closed in a transaction, as it may have failed: DEALLOCATE would
 * not be done, and the name could not be prepared again. */
static bool outlived(const struct pg_link *link, const struct pg_prepared *p)
{
    int64_t lifetime = link->statements->lifetime;
    return lifetime > 0 && !link->in_transaction &&
           ed_now() - p->at >= lifetime;
}

/* The plan's entry for this link, made if need be. NULL: no memory. */
static struct pg_prepared *prepared_of(struct pg_link *link,
                                       struct pg_plan *plan, struct way *way)
{
    struct pg_prepared_set *set = &link->prepared;
    struct pg_prepared *p = pg_prepared_find(set, plan);
    if (p && outlived(link, p)) {
        pg_prepared_drop(set, plan, true);
        p = NULL;
    }
    if (p)
        return p;
    way->parse = !link->in_transaction || !pg_prepared_reopen(set, plan);
    return pg_prepared_add(set, plan, ed_now(), link->statements->per_link);
}

static int find_way(struct pg_link *link, struct pg_call *call, struct way *way)
{
    int err = pg_encode(&link->params, call->values,
                        call->statement->sql->param_count);
    if (!err)
        err = pg_statement_plan(call->statement, &link->params, &call->plan);
    if (err)
        return err;
    *way = (struct way){.binary = call->plan->binary};
    call->learns = true;
    if (link->statements->per_link <= 0 || !pg_plan_named(call->plan))
        return 0;
    struct pg_prepared *p = prepared_of(link, call->plan, way);
    if (!p)
        return ED_ENOMEM;
    way->named = true;
    way->binary = p->binary;
    call->learns = !p->described;
    return 0;
}

static void send_steps(struct pg_link *link, struct pg_call *call,
                       const struct way *way)
{
    struct pg_flight *flight = &link->flight;
    int well = 1;
    if (way->parse && !link->in_transaction)
        send_closings(link);
    if (call->prelude) {
        pg_flight_add(flight, PG_STEP_PRELUDE, call);
        well = send_text(link, call->prelude);
    }
    if (well && way->parse) {
        pg_flight_add(flight, PG_STEP_PARSE, call);
        well = send_prepare(link, call->plan);
    }
    pg_flight_add(flight, PG_STEP_RUN, call);
    if (well)
        well = send_run(link, call->plan, way);
    if (!well)
        pg_link_break(link, PQerrorMessage(link->conn));
}

/* What is to be undone alone, or changes anything, has its sync to itself. */
static bool shares_sync(const struct pg_call *call)
{
    return call->read_only && !call->alone && !call->prelude;
}

int pg_link_queue(struct pg_link *link, struct pg_call *call)
{
    struct way way;
    int err = find_way(link, call, &way);
    if (err)
        return err;
    size_t closings = link->prepared.closing.len / PG_PLAN_NAME;
    err = pg_flight_reserve(&link->flight, (uint32_t)closings + 4);
    if (err) {
        if (way.parse)
            pg_prepared_drop(&link->prepared, call->plan, false);
        return err;
    }
    /* A closing must not be aborted by a neighbour in front. */
    if (link->batch && (!shares_sync(call) || (way.parse && closings)))
        pg_link_sync(link);
    call->generation = link->generation;
    call->trouble = PG_TROUBLE_NONE;
    send_steps(link, call, &way);
    if (!shares_sync(call)) {
        pg_link_sync(link);
        return 0;
    }
    if (!link->batch++) /* not always is this the turn's end */
        ed_defer(link->loop, &link->deferred);
    return 0;
}

void pg_link_load_up(struct pg_link *link, struct pg_call *call)
{
    call->link = link;
    if (!link->load++)
        link->head_since = ed_now();
}

int pg_link_send(struct pg_link *link, struct pg_call *call)
{
    if (!pg_link_open_for_calls(link))
        return ed_fail(ED_EDATABASE, "PostgreSQL: the connection is closing");
    call->references++;
    pg_link_load_up(link, call);
    ed_list_add_back(&link->fresh, &call->node);
    ed_defer(link->loop, &link->deferred);
    return 0;
}

/* Who has gone meanwhile has not even asked. */
static void send_fresh(struct pg_link *link, struct pg_call *call)
{
    int err = call->abandoned ? 0 : pg_link_queue(link, call);
    if (!err && !call->abandoned)
        return;
    link->load--;
    link->ended = true;
    call->err = err;
    pg_call_end(call, err ? PG_REFUSED : PG_NEVER_SENT);
}

static void send_all_fresh(struct pg_link *link)
{
    struct ed_list *node;
    while (!link->broken && !link->closed &&
           (node = ed_list_take(&link->fresh)))
        send_fresh(link, ED_CONTAINER(node, struct pg_call, node));
    if (link->broken || link->closed)
        return;
    if (link->batch)
        pg_link_sync(link);
    if (link->unsent)
        flush(link);
    pg_flight_tell_room(link);
}

static void at_turns_end(struct ed_deferred *deferred)
{
    struct pg_link *link = ED_CONTAINER(deferred, struct pg_link, deferred);
    pg_link_enter(link);
    send_all_fresh(link);
    if (link->broken && !link->closed)
        tell_lost(link);
    pg_link_leave(link);
}

/* ---- the socket ---- */

/* What OpenSSL has taken off the socket no descriptor tells of: a TLS record
 * has up to 16 KiB, libpq may have had room for 8. */
bool pg_consume(PGconn *conn)
{
    if (!PQconsumeInput(conn))
        return false;
    return !PQsslInUse(conn) || PQconsumeInput(conn);
}

static void on_readable(struct ed_op *op, ssize_t result)
{
    struct pg_link *link = op->user;
    (void)result;
    pg_link_enter(link);
    bool well = pg_consume(link->conn);
    pg_flight_answers(link);
    if (!link->closed && !link->broken) {
        if (!well)
            pg_link_break(link, PQerrorMessage(link->conn));
        else if (link->writing)
            pg_link_watch(link);
    }
    pg_link_leave(link);
}

static void on_writable(struct ed_op *op, ssize_t result)
{
    struct pg_link *link = op->user;
    (void)result;
    link->writing = false;
    if (!link->broken)
        pg_link_watch(link);
}

/* While libpq holds bytes back the descriptor is edge-triggered for both
 * directions, and armed anew after each event; else reading is watched by
 * level, which needs no arming. */
void pg_link_watch(struct pg_link *link)
{
    int left = PQflush(link->conn);
    ssize_t n = ED_IO_PENDING;
    link->writing = left > 0;
    if (link->io.in != &link->in || !link->writing)
        n = ed_io_start(&link->io, &link->in);
    if (link->writing && n == ED_IO_PENDING)
        n = ed_io_start(&link->io, &link->out);
    if (left < 0)
        pg_link_break(link, PQerrorMessage(link->conn));
    else if (n != ED_IO_PENDING)
        pg_link_break(link, "the socket cannot be watched");
}

void pg_link_unwatch(struct pg_link *link)
{
    ed_io_stop(&link->io, &link->in);
    ed_io_stop(&link->io, &link->out);
    link->writing = false;
}

/* What comes unasked while nothing is under way: a reason why the server ends
 * the session, or something for people. */
static void on_notice(void *arg, const PGresult *notice)
{
    struct pg_link *link = arg;
    const char *severity =
        PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (!severity || !text)
        return;
    if (strcmp(severity, "FATAL") && strcmp(severity, "PANIC")) {
        ed_log_debug("PostgreSQL: %s: %s", severity, text);
        return;
    }
    link->fatal = true;
    note_why(link, text);
}

/* ---- opening ---- */

static int make(struct pg_link **out, struct pg_statements *statements)
{
    struct pg_link *link = calloc(1, sizeof *link);
    if (!link)
        return ED_ENOMEM;
    int err = pg_flight_init(&link->flight);
    if (!err)
        err = pg_prepared_init(&link->prepared, statements->per_link);
    if (err) {
        pg_flight_free(&link->flight);
        free(link);
        return err;
    }
    link->statements = statements;
    ed_list_init(&link->fresh);
    link->deferred.run = at_turns_end;
    *out = link;
    return 0;
}

static int begin(struct pg_link *link)
{
    ed_list_init(&link->info.node);
    link->loop = ed_loop_current();
    link->idle_since = ed_now();
    PQsetNoticeReceiver(link->conn, on_notice, link);
    link->in =
        (struct ed_op){.kind = ED_OP_WATCH, .done = on_readable, .user = link};
    link->out = (struct ed_op){
        .kind = ED_OP_WRITABLE, .done = on_writable, .user = link};
    int err = ed_io_open(link->loop, &link->io, PQsocket(link->conn));
    if (err)
        return err;
    if (!PQenterPipelineMode(link->conn))
        return ed_fail(ED_EDATABASE, "PostgreSQL: no pipeline mode");
    pg_link_watch(link);
    return 0;
}

int pg_link_open(struct pg_link **out, const struct pg_target *target,
                 struct pg_statements *statements, int64_t goodbye,
                 const struct pg_link_owner *owner, void *user)
{
    struct pg_link *link;
    int err = make(&link, statements);
    if (err)
        return err;
    link->info.user = user;
    link->owner = owner;
    link->goodbye = goodbye;
    err = pg_connect(&link->conn, target);
    if (!err)
        err = begin(link);
    if (err) {
        PQfinish(link->conn);
        pg_prepared_free(&link->prepared);
        pg_flight_free(&link->flight);
        free(link);
        return err;
    }
    *out = link;
    return 0;
}

/* ---- what is known of it ---- */

struct pg_link_info *pg_link_info(struct pg_link *link)
{
    return &link->info;
}

unsigned pg_link_load(const struct pg_link *link)
{
    return link->load;
}

int64_t pg_link_busy_since(const struct pg_link *link)
{
    return link->load ? link->head_since : INT64_MAX;
}

bool pg_link_open_for_calls(const struct pg_link *link)
{
    return !link->broken && !link->closed && !link->taken && !link->settling;
}

PGTransactionStatusType pg_link_state(const struct pg_link *link)
{
    if (link->broken || link->closed)
        return PQTRANS_UNKNOWN;
    PGTransactionStatusType status = PQtransactionStatus(link->conn);
    if (status != PQTRANS_ACTIVE)
        return status;
    return link->in_transaction ? PQTRANS_INTRANS : PQTRANS_IDLE;
}

const char *pg_link_why(const struct pg_link *link)
{
    return link->why;
}

int64_t pg_link_idle_since(const struct pg_link *link)
{
    return link->idle_since;
}
