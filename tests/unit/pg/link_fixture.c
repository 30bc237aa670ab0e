/*
 * link_fixture.c - a server, links to it, and calls that are waited for.
 */
#include "link_fixture.h"

#include <stdlib.h>

struct pg_server *server;
struct pg_statements statements;
struct pg_target target;
unsigned rooms, losses;
int64_t goodbye;

int start_server(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    return 0;
}

int stop_server(void **state)
{
    (void)state;
    pg_server_stop(server);
    return 0;
}

static void on_room(struct pg_link *link)
{
    (void)link;
    rooms++;
}

static void on_lost(struct pg_link *link, int err)
{
    check_int(err, ED_EDATABASE);
    losses++;
    pg_link_close(link);
}

static const struct pg_link_owner owner = {.room = on_room, .lost = on_lost};

struct pg_link *link_open(void)
{
    struct pg_link *link = NULL;
    int err = pg_link_open(&link, &target, &statements, goodbye, &owner, NULL);
    check_(!err, "cannot connect: %s", ed_error());
    return link;
}

void on_done(struct pg_call *call)
{
    struct wait *w = call->waiter;
    w->over = true;
    if (w->fiber)
        ed_wake(w->fiber, 0);
    w->fiber = NULL;
}

int give(struct pg_link *link, struct wait *w, const char *sql, bool read_only,
         const struct ed_pg_param *params)
{
    struct pg_statement *s;
    const struct ed_pg_query_options *options = NULL;
    *w = (struct wait){0};
    int err = pg_statement_get(&statements, sql, &s);
    if (err)
        return err;
    struct ed_pg_value *values = ed_arena_alloc(
        ed_fiber_arena(), (s->sql->param_count + 1) * sizeof *values);
    w->call = pg_call_new(s);
    err = pg_statement_bind(s, params, values, &options);
    pg_statement_release(s);
    w->call->values = values;
    w->call->read_only = read_only;
    w->call->arena = ed_fiber_arena();
    w->call->done = on_done;
    w->call->waiter = w;
    return err ? err : pg_link_send(link, w->call);
}

int await(struct wait *w)
{
    if (!w->over) {
        w->fiber = ed_fiber_self();
        int err = ed_park("a call", NULL, NULL);
        if (err)
            return err;
    }
    bool known = w->call->fate == PG_DONE || w->call->fate == PG_REFUSED;
    return known ? w->call->err : ED_EUNCERTAIN;
}

void done(struct wait *w)
{
    pg_call_release(w->call);
    w->call = NULL;
}

const char *ask(struct pg_link *link, const char *sql)
{
    struct wait w;
    int err = give(link, &w, sql, false, ED_PG_LIST_());
    if (!err)
        err = await(&w);
    const char *text = err ? ed_err_name(err) : "";
    if (!err && ed_rows_count(w.call->rows))
        text = ed_rows_text(w.call->rows, 0);
    done(&w);
    return text;
}

static int run_body(void *arg)
{
    void (**body)(void) = arg;
    struct ed_pg_options options = {.dsn = pg_server_dsn(server)};
    rooms = losses = 0;
    goodbye = 2 * ED_S;
    check_int(pg_target_init(&target, &options), 0);
    check_int(pg_statements_init(&statements, 4, ED_MIN), 0);
    ed_scope(patience, .within = 20 * ED_S);
    (void)patience;
    (*body)();
    check_int(ed_cancelled(), 0);
    pg_statements_free(&statements);
    pg_target_free(&target);
    return 0;
}

void link_test_run(void (*body)(void))
{
    fiber_test_failures = 0;
    check_int(ed_run(run_body, &body, .blocked_after = -1), 0);
    assert_int_equal(fiber_test_failures, 0);
}
