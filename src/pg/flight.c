/*
 * flight.c - what the answers do: to calls, and to what a link knows of its
 * session.
 *
 * Owns the ring of steps. libpq answers them in order; until the answer to a
 * sync has come nothing is certain, for its transaction may still fail, so that
 * is when calls end. What the program could have done nothing about is made
 * good here: a call behind a failed neighbour's, one that a late cancel hit, a
 * plan that is not there any more or has grown stale; such calls have been
 * rolled back as a whole and are sent again.
 */
#include "pg/flight.h"

#include "pg/error.h"
#include "pg/rows.h"
#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_AT_FIRST = 64, /* grows by doubling */
    /* Names that were not as we left them, in a pool, until it does without. */
    MISHAPS_MAX = 2,
    /* Two mishaps with names, and one stale plan. */
    HEALS_MAX = 3,
};

/* ---- the ring ---- */

int pg_flight_init(struct pg_flight *flight)
{
    *flight = (struct pg_flight){.mask = STEPS_AT_FIRST - 1};
    flight->steps = malloc(STEPS_AT_FIRST * sizeof *flight->steps);
    return flight->steps ? 0 : ED_ENOMEM;
}

void pg_flight_free(struct pg_flight *flight)
{
    free(flight->steps);
    *flight = (struct pg_flight){0};
}

static int grow(struct pg_flight *flight)
{
    uint32_t room = (flight->mask + 1) * 2;
    struct pg_step *steps = malloc(room * sizeof *steps);
    if (!steps)
        return ED_ENOMEM;
    for (uint32_t i = flight->first; i != flight->end; i++)
        steps[i & (room - 1)] = *pg_step_at(flight, i);
    free(flight->steps);
    flight->steps = steps;
    flight->mask = room - 1;
    return 0;
}

int pg_flight_reserve(struct pg_flight *flight, uint32_t more)
{
    int err = 0;
    while (!err && flight->end - flight->first + more > flight->mask + 1)
        err = grow(flight);
    return err;
}

void pg_flight_add(struct pg_flight *flight, enum pg_step_kind kind,
                   struct pg_call *call)
{
    *pg_step_at(flight, flight->end++) = (struct pg_step){call, (uint8_t)kind};
}

struct pg_call *pg_flight_head(const struct pg_flight *flight)
{
    for (uint32_t i = flight->at; i != flight->end; i++) {
        struct pg_call *call = pg_step_at(flight, i)->call;
        if (call)
            return call;
    }
    return NULL;
}

/* ---- failures ---- */

static const char *diag(const PGresult *result, int field)
{
    const char *text = PQresultErrorField(result, field);
    return text ? text : "";
}

static bool ends_session(const PGresult *result)
{
    const char *severity = diag(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return !strcmp(severity, "FATAL") || !strcmp(severity, "PANIC");
}

/* A name of ours was not as we had left it, as behind a pooler that gives us
 * one session now and another later. */
static void note_mishap(struct pg_link *link)
{
    struct pg_statements *table = link->statements;
    table->mishaps++;
    if (table->mishaps < MISHAPS_MAX || table->per_link <= 0)
        return;
    table->per_link = 0;
    ed_log_warn("PostgreSQL: prepared statements come and go, as behind a "
                "pooler in transaction mode: none are prepared from now on");
}

static void forget_names(struct pg_link *link)
{
    pg_prepared_clear(&link->prepared);
    link->generation++;
}

static void forget_plan(struct pg_link *link, const struct pg_plan *plan,
                        bool close)
{
    pg_prepared_drop(&link->prepared, plan, close);
    link->generation++;
}

static enum pg_trouble trouble_of(const struct pg_link *link,
                                  const struct pg_step *step,
                                  const PGresult *result)
{
    const char *state = diag(result, PG_DIAG_SQLSTATE);
    const char *message = diag(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!strcmp(state, "57014") && link->settling)
        return PG_TROUBLE_CANCELLED;
    if (step->kind == PG_STEP_PARSE)
        return strcmp(state, "42P05") ? PG_TROUBLE_NONE : PG_TROUBLE_OLD_NAME;
    if (step->kind == PG_STEP_PRELUDE)
        return PG_TROUBLE_NONE;
    /* Messages are translated; a name of ours is the same in all languages. */
    if (!strcmp(state, "26000") && strstr(message, step->call->plan->name))
        return PG_TROUBLE_NO_NAME;
    if (!strcmp(state, "0A000") &&
        !strcmp(diag(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery"))
        return PG_TROUBLE_STALE;
    return PG_TROUBLE_NONE;
}

static void call_failed(const struct pg_link *link, const struct pg_step *step,
                        const PGresult *result)
{
    struct pg_call *call = step->call;
    const struct pg_statement *statement =
        step->kind == PG_STEP_PRELUDE ? NULL : call->statement;
    call->trouble = (uint8_t)trouble_of(link, step, result);
    call->err = pg_error_code(diag(result, PG_DIAG_SQLSTATE));
    if (call->trouble == PG_TROUBLE_CANCELLED && call->statement->commits) {
        call->trouble = PG_TROUBLE_NONE;
        call->err = ED_EUNCERTAIN;
    }
    call->rows = NULL;
    call->affected = 0;
    if (call->abandoned || !call->arena)
        return;
    call->error = pg_error_of(call->arena, result, statement);
    if (!call->error)
        call->err = ED_ENOMEM;
}

/* Its transaction could not be committed: all calls in it have failed that had
 * not before. */
static void sync_failed(struct pg_link *link, const PGresult *result)
{
    const struct pg_flight *flight = &link->flight;
    for (uint32_t i = flight->first; i != flight->at; i++) {
        const struct pg_step *step = pg_step_at(flight, i);
        if (step->kind == PG_STEP_RUN && !step->call->err &&
            !step->call->trouble)
            call_failed(link, step, result);
    }
}

/* In a transaction that has failed it was not even tried. */
static void close_failed(struct pg_link *link, const char *state)
{
    if (strcmp(state, "26000"))
        return;
    note_mishap(link);
    forget_names(link);
}

static void step_failed(struct pg_link *link, const struct pg_step *step,
                        const PGresult *result)
{
    if (!*diag(result, PG_DIAG_SQLSTATE)) {
        /* libpq's own: the connection is gone. */
        pg_link_break(link, PQresultErrorMessage(result));
        return;
    }
    if (ends_session(result)) {
        pg_link_break(link, diag(result, PG_DIAG_MESSAGE_PRIMARY));
        link->fatal = true;
        return;
    }
    switch ((enum pg_step_kind)step->kind) {
    case PG_STEP_SYNC:
        sync_failed(link, result);
        return;
    case PG_STEP_UNDO:
        pg_link_break(link, PQresultErrorMessage(result));
        return;
    case PG_STEP_CLOSE:
        close_failed(link, diag(result, PG_DIAG_SQLSTATE));
        return;
    case PG_STEP_PRELUDE:
    case PG_STEP_RUN:
        call_failed(link, step, result);
        return;
    case PG_STEP_PARSE:
        call_failed(link, step, result);
        if (step->call->trouble != PG_TROUBLE_OLD_NAME)
            forget_plan(link, step->call->plan, false);
        return;
    }
}

static void step_aborted(struct pg_link *link, const struct pg_step *step)
{
    struct pg_call *call = step->call;
    if (step->kind == PG_STEP_PARSE)
        forget_plan(link, call->plan, false);
    if (call && !call->err && !call->trouble)
        call->trouble = PG_TROUBLE_ABORTED;
}

/* ---- success ---- */

static bool begins(PGresult *result)
{
    const char *tag = PQcmdStatus(result);
    return !strcmp(tag, "BEGIN") || !strcmp(tag, "START TRANSACTION");
}

/* DISCARD ALL, DEALLOCATE ALL: the program's wish, and no mishap. */
static bool drops_names(PGresult *result)
{
    const char *tag = PQcmdStatus(result);
    return !strcmp(tag, "DISCARD ALL") || !strcmp(tag, "DEALLOCATE ALL");
}

static void learn(struct pg_link *link, struct pg_plan *plan,
                  const PGresult *result)
{
    struct pg_prepared *p = pg_prepared_find(&link->prepared, plan);
    bool binary = pg_rows_binary_better(result);
    plan->binary = binary;
    if (!p)
        return;
    p->binary = binary;
    p->described = true;
}

static void call_answered(struct pg_link *link, struct pg_call *call,
                          PGresult *result)
{
    if (call->learns)
        learn(link, call->plan, result);
    if (call->abandoned)
        return;
    if (!call->arena || call->no_rows) {
        call->affected = pg_rows_affected_by(result);
        return;
    }
    call->err = pg_rows_of(&call->rows, call->arena, result);
    if (!call->err)
        call->affected = ed_rows_affected(call->rows);
}

/* ---- settling ---- */

static bool heal(struct pg_link *link, struct pg_call *call)
{
    bool news = call->generation == link->generation;
    if (call->heals++ == HEALS_MAX)
        return false;
    switch ((enum pg_trouble)call->trouble) {
    case PG_TROUBLE_NO_NAME:
        if (news) {
            note_mishap(link);
            forget_names(link);
        }
        break;
    case PG_TROUBLE_OLD_NAME: /* it means the same: it may be used */
        if (news)
            note_mishap(link);
        break;
    case PG_TROUBLE_STALE:
        if (news)
            forget_plan(link, call->plan, true);
        break;
    default:
        break;
    }
    return true;
}

/* A transaction in which nothing has happened, and nothing follows: it can be
 * begun again. */
static bool begun_in_vain(const struct pg_link *link,
                          const struct pg_call *call)
{
    return call->began && call->trouble != PG_TROUBLE_CANCELLED &&
           PQtransactionStatus(link->conn) == PQTRANS_INERROR;
}

/* Whether a call that is over as far as the server is concerned is to be sent
 * again. In a transaction that has failed only those are that failed with it,
 * to be told so. */
static bool again(struct pg_link *link, struct pg_call *call)
{
    if (!call->trouble || call->abandoned)
        return false;
    if (call->trouble == PG_TROUBLE_ABORTED) {
        call->alone = true;
        return true;
    }
    if (link->in_transaction)
        return begun_in_vain(link, call) && heal(link, call);
    return call->trouble == PG_TROUBLE_CANCELLED || heal(link, call);
}

static void send_again(struct pg_link *link, struct pg_call *call)
{
    call->err = 0;
    call->error = NULL;
    call->rows = NULL;
    call->affected = 0;
    if (link->broken || link->closed) {
        pg_call_end(call, PG_NEVER_SENT);
        return;
    }
    link->statements->counts.resent++;
    if (call->began)
        pg_link_undo(link);
    call->began = false;
    pg_link_load_up(link, call);
    call->err = pg_link_queue(link, call);
    if (!call->err)
        return;
    link->load--;
    pg_call_end(call, PG_REFUSED);
}

static struct pg_call *take_call(struct ed_list *list)
{
    struct ed_list *node = ed_list_take(list);
    return node ? ED_CONTAINER(node, struct pg_call, node) : NULL;
}

/* Outside of a quiet moment libpq tells no more than that it is active. */
void pg_flight_hear_state(struct pg_link *link)
{
    PGTransactionStatusType status = PQtransactionStatus(link->conn);
    if (status != PQTRANS_ACTIVE)
        link->in_transaction = status != PQTRANS_IDLE;
}

/* The sync has been answered: all in front of it is certain. */
static void settle(struct pg_link *link)
{
    pg_flight_hear_state(link);
    struct pg_flight *flight = &link->flight;
    struct ed_list over, repeat;
    struct pg_call *call;
    ed_list_init(&over);
    ed_list_init(&repeat);
    for (; flight->first != flight->at; flight->first++) {
        const struct pg_step *step = pg_step_at(flight, flight->first);
        if (step->kind != PG_STEP_RUN)
            continue;
        bool repeated = again(link, step->call);
        ed_list_add_back(repeated ? &repeat : &over, &step->call->node);
        link->load--;
    }
    flight->first = ++flight->at;
    link->idle_since = link->head_since = ed_now();
    pg_cancel_synced(link, flight->first - 1);
    while ((call = take_call(&repeat)))
        send_again(link, call);
    while ((call = take_call(&over))) {
        link->ended = true;
        pg_call_end(call, PG_DONE);
    }
}

static void step_done(struct pg_link *link, const struct pg_step *step,
                      PGresult *result)
{
    if (step->kind == PG_STEP_RUN)
        call_answered(link, step->call, result);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return;
    if (drops_names(result))
        forget_names(link);
    if (begins(result)) {
        link->in_transaction = true;
        if (step->call)
            step->call->began = true;
    }
}

static void refuse_copy(struct pg_link *link, const struct pg_step *step)
{
    static const char why[] = "COPY is not for queries";
    if (step->call) {
        step->call->err = ED_EUSAGE;
        memcpy(step->call->why, why, sizeof why);
    }
    pg_link_break(link, why);
}

static void take_result(struct pg_link *link, const struct pg_step *step,
                        PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        step_done(link, step, result);
        return;
    case PGRES_PIPELINE_SYNC:
        settle(link);
        return;
    case PGRES_PIPELINE_ABORTED:
        step_aborted(link, step);
        return;
    case PGRES_FATAL_ERROR:
        step_failed(link, step, result);
        return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        /* libpq cannot do it in a pipeline. */
        refuse_copy(link, step);
        return;
    default:
        pg_link_break(link, "an answer that was not asked for");
        return;
    }
}

/* Reads what comes unasked while nothing is under way. Notifications for what
 * somebody listens to in a session are heard by nobody here. */
static void drop_news(struct pg_link *link)
{
    PGnotify *news;
    while ((news = PQnotifies(link->conn)))
        PQfreemem(news);
}

void pg_flight_tell_room(struct pg_link *link)
{
    if (!link->ended || !pg_link_open_for_calls(link))
        return;
    link->ended = false;
    link->owner->room(link);
}

void pg_flight_answers(struct pg_link *link)
{
    struct pg_flight *flight = &link->flight;
    while (!link->closed && !link->broken && flight->at != flight->end &&
           !PQisBusy(link->conn)) {
        PGresult *result = PQgetResult(link->conn);
        const struct pg_step step = *pg_step_at(flight, flight->at);
        if (result)
            take_result(link, &step, result);
        else if (step.kind != PG_STEP_SYNC)
            flight->at++;
        else if (PQstatus(link->conn) == CONNECTION_BAD)
            /* libpq has no answers any more, and would say so for ever. */
            pg_link_break(link, PQerrorMessage(link->conn));
        PQclear(result);
    }
    if (link->closed || link->broken)
        return;
    drop_news(link);
    pg_cancel_head(link);
    pg_flight_tell_room(link);
}

/* ---- losing it ---- */

/* The first index that no sync is behind. */
static uint32_t unsynced(const struct pg_flight *flight)
{
    uint32_t i = flight->end;
    while (i != flight->first &&
           pg_step_at(flight, i - 1)->kind != PG_STEP_SYNC)
        i--;
    return i;
}

/* Without its sync no work of a call can last. When the server said that it
 * ends the session, nothing behind the call it was at has even begun. */
static enum pg_fate fate_of(const struct pg_link *link,
                            const struct pg_call *call, bool synced, bool head)
{
    if (call->trouble)
        return PG_NEVER_SENT;
    if (call->err)
        return PG_DONE;
    if (!synced)
        return PG_NEVER_SENT;
    if (link->fatal && !head)
        return PG_NEVER_SENT;
    return PG_UNCERTAIN;
}

void pg_flight_lost(struct pg_link *link)
{
    struct pg_flight *flight = &link->flight;
    uint32_t certain = unsynced(flight);
    const struct pg_call *head = pg_flight_head(flight);
    struct ed_list over;
    struct pg_call *call;
    ed_list_init(&over);
    for (uint32_t i = flight->first; i != flight->end; i++) {
        const struct pg_step *step = pg_step_at(flight, i);
        if (step->kind != PG_STEP_RUN)
            continue;
        bool synced = (int32_t)(i - certain) < 0;
        call = step->call;
        call->fate = fate_of(link, call, synced,
                             call == head || (int32_t)(i - flight->at) < 0);
        ed_list_add_back(&over, &call->node);
    }
    while ((call = take_call(&link->fresh))) {
        call->fate = PG_NEVER_SENT;
        ed_list_add_back(&over, &call->node);
    }
    flight->first = flight->at = flight->end = 0;
    link->load = link->batch = 0;
    while ((call = take_call(&over))) {
        if (call->fate != PG_DONE)
            memcpy(call->why, link->why, sizeof call->why);
        pg_call_end(call, call->fate);
    }
}
