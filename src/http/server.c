/*
 * server.c - a server's life: listeners, limits, slow clients, draining.
 *
 * Owns what all its connections share (server_internal.h). What happens on a
 * connection is the version's: h1_conn.c.
 */
#include "base/options.h"
#include "http/gate.h"
#include "http/message.h"
#include "http/server_internal.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    FREE_ARENAS = 256,
    FREE_OUTS = 64,
};

/* How long a client may take to read our last words before the connection is
 * closed over it: a few round trips of a bad line. */
static const int64_t LINGER = 2 * ED_S;

/* Patience is measured in steps of this, and lasts at most so much longer. A
 * busy connection is in the same state again within one: it keeps its place,
 * and its neighbours in the list need not be fetched from memory. */
static const int64_t STEP = 4 * ED_MS;

/* Which part of the time for handshakes is left while no more may begin. */
enum { CROWDED = 4 };

static int64_t or_default(int64_t value, int64_t normal)
{
    if (value < 0)
        return INT64_MAX;
    return value ? value : normal;
}

static void apply_defaults(ed_server *server)
{
    struct ed_server_options *o = &server->options;
    if (!o->max_line)
        o->max_line = 8190;
    if (!o->max_fields)
        o->max_fields = 100;
    if (!o->max_head)
        o->max_head = 32 * 1024;
    if (!o->max_body)
        o->max_body = 1024 * 1024;
    if (!o->max_memory)
        o->max_memory = 64 * 1024 * 1024;
    /* It is part of every head, and must not break one. */
    if (!o->server_name || !ed_http1_is_value(ed_bytes(o->server_name)))
        o->server_name = "eddy";
    if (!o->max_handshakes)
        o->max_handshakes = 256;
    server->propagated = ed_propagation_names(
        o->no_propagation, o->deadline_header, o->trace_header);
    o->request_timeout = or_default(o->request_timeout, INT64_MAX);
    o->drain_timeout = or_default(o->drain_timeout, 30 * ED_S);
    server->limits = (struct ed_http1_limits){
        .max_line = o->max_line,
        .max_fields = o->max_fields,
        .max_head = o->max_head,
    };
    int64_t *patience = server->patience;
    patience[ED_CONN_TLS] = or_default(o->tls_timeout, 10 * ED_S);
    patience[ED_CONN_BUSY] = INT64_MAX;
    patience[ED_CONN_IDLE] = or_default(o->idle_timeout, 75 * ED_S);
    patience[ED_CONN_HEAD] = or_default(o->head_timeout, 10 * ED_S);
    patience[ED_CONN_BODY] = or_default(o->body_timeout, 30 * ED_S);
    patience[ED_CONN_WRITE] = or_default(o->write_timeout, 30 * ED_S);
    patience[ED_CONN_LINGER] = LINGER;
    patience[ED_CONN_GUEST] = INT64_MAX;
    server->lines = ED_CONN_STATES;
}

static void look_for_slow(struct ed_timer *timer);
static void hold_is_over(struct ed_timer *timer);

ed_server *ed_server_new_with(ed_handler *handler,
                              const struct ed_server_options *given)
{
    ed_loop *loop = ed_loop_current();
    ed_server *server = loop ? calloc(1, sizeof *server) : NULL;
    if (!server)
        return NULL;
    ed_options_take(&server->options, sizeof server->options, given);
    apply_defaults(server);
    server->handler = handler;
    server->loop = loop;
    server->timer.fire = look_for_slow;
    server->hold.fire = hold_is_over;
    ed_log_set_context(ed_req_log_context);
    ed_log_set_trace(ed_trace_log);
    for (int i = 0; i < ED_CONN_LINES; i++)
        ed_list_init(&server->waiting[i]);
    ed_list_init(&server->stop_hooks);
    server->fields = malloc(server->limits.max_fields * sizeof *server->fields);
    server->arenas = malloc(FREE_ARENAS * sizeof(ed_arena *));
    server->outs = malloc(FREE_OUTS * sizeof *server->outs);
    if (!server->fields || !server->arenas || !server->outs) {
        ed_server_free(server);
        return NULL;
    }
    if (getrandom(&server->seed, sizeof server->seed, GRND_NONBLOCK) < 0)
        server->seed = (uint32_t)ed_clock_realtime();
    return server;
}

uint32_t ed_server_seed(const ed_server *server)
{
    return server->seed;
}

size_t ed_server_max_body(const ed_server *server)
{
    return server->options.max_body;
}

/* ---- lending ---- */

ed_arena *ed_server_arena_get(ed_server *server)
{
    if (server->arena_count)
        return server->arenas[--server->arena_count];
    return ed_arena_new(server->options.max_memory);
}

void ed_server_arena_put(ed_server *server, ed_arena *arena)
{
    if (server->arena_count == FREE_ARENAS) {
        ed_arena_free(arena);
        return;
    }
    ed_arena_reset(arena);
    server->arenas[server->arena_count++] = arena;
}

struct ed_out *ed_server_out_get(ed_server *server)
{
    struct ed_out *out;
    if (server->out_count) {
        out = server->outs[--server->out_count];
    } else {
        out = malloc(sizeof *out);
        if (!out)
            return NULL;
        out->deferred.queued = false;
    }
    out->at = out->len = 0;
    return out;
}

void ed_server_out_put(ed_server *server, struct ed_out *out)
{
    if (server->out_count == FREE_OUTS) {
        free(out);
        return;
    }
    server->outs[server->out_count++] = out;
}

__attribute__((noinline)) static void render_common(ed_server *server)
{
    static const char date_name[] = "Date: ";
    char *at = server->common;
    const char *name = server->options.server_name;
    if (*name) {
        at += snprintf(at, 128, "Server: %.100s\r\n", name);
        server->server_len = (size_t)(at - server->common);
    }
    memcpy(at, date_name, sizeof date_name - 1);
    at += sizeof date_name - 1;
    int64_t now = ed_clock_realtime();
    ed_http_date(at, now / ED_S);
    at += ED_HTTP_DATE_LEN;
    *at++ = '\r';
    *at++ = '\n';
    server->common_len = (size_t)(at - server->common);
    server->date_until = ed_now() + ED_S - now % ED_S;
}

struct ed_bytes ed_server_common(ed_server *server, bool server_line,
                                 bool date_line)
{
    if (ed_now() >= server->date_until || !server->common_len)
        render_common(server);
    if (server_line && date_line)
        return ed_bytes_of(server->common, server->common_len);
    size_t from = server_line ? 0 : server->server_len;
    size_t to = date_line ? server->common_len : server->server_len;
    return ed_bytes_of(server->common + from, to > from ? to - from : 0);
}

/* ---- connections and their patience ---- */

static void arm(ed_server *server, int64_t at)
{
    if (server->timer.index && server->timer.at <= at)
        return;
    /* Without memory for the timer the next arming tries again. */
    if (ed_timer_start(server->loop, &server->timer, at) < 0)
        ed_log_warn("no memory to watch for slow clients");
}

/* The time by which patience is measured. Rounded up: nobody is expired too
 * early. */
static uint64_t this_step(void)
{
    return (uint64_t)((ed_now() + STEP - 1) / STEP) & 0xffffffffffffff;
}

/* Of its line; its time begins anew. */
static void to_the_end(struct ed_conn *conn)
{
    ed_list_remove(&conn->node);
    ed_list_add_back(&conn->server->waiting[conn->state], &conn->node);
    conn->since = this_step();
}

/* Those who only begin handshakes must not keep all others out for long. */
static int64_t patience_with(const struct ed_conn *conn)
{
    const ed_server *server = conn->server;
    int64_t patience = server->patience[conn->state];
    bool crowded = conn->state == ED_CONN_TLS && server->busy_shaking;

    return crowded ? patience / CROWDED : patience;
}

static int64_t patient_until(const struct ed_conn *conn)
{
    return (int64_t)conn->since * STEP + patience_with(conn);
}

void ed_conn_enter(struct ed_conn *conn, unsigned state)
{
    if (conn->state == state && conn->since == this_step())
        return;
    ed_server *server = conn->server;
    int64_t patience = server->patience[state];
    conn->state = state & 0xff;
    to_the_end(conn);
    if (patience != INT64_MAX)
        arm(server, patient_until(conn));
}

int64_t ed_conn_since(const struct ed_conn *conn)
{
    int64_t since = (int64_t)conn->since * STEP;

    return since < ed_now() ? since : ed_now();
}

unsigned ed_conn_line(ed_server *server, int64_t patience)
{
    const int64_t *known = server->patience;
    unsigned next = ED_CONN_GUEST;

    for (unsigned i = ED_CONN_STATES; i < server->lines; i++) {
        if (known[i] == patience)
            return i;
        if (known[i] > patience && known[i] < known[next])
            next = i;
    }
    if (patience == INT64_MAX || server->lines == ED_CONN_LINES)
        return next;
    server->patience[server->lines] = patience;
    return server->lines++;
}

static struct ed_conn *longest(ed_server *server, int state)
{
    struct ed_list *list = &server->waiting[state];
    if (ed_list_empty(list))
        return NULL;
    return ED_CONTAINER(ed_list_first(list), struct ed_conn, node);
}

/* A connection that is not gone after it was told to goes to the end of its
 * line, so that this ends. */
static void expire_first(struct ed_conn *conn, int err)
{
    to_the_end(conn);
    conn->kind->expire(conn, err);
}

static void look_for_slow(struct ed_timer *timer)
{
    ed_server *server = ED_CONTAINER(timer, ed_server, timer);
    int64_t now = ed_now();
    int64_t next = INT64_MAX;
    for (int state = 0; state < server->lines; state++) {
        struct ed_conn *conn;
        if (server->patience[state] == INT64_MAX)
            continue;
        while ((conn = longest(server, state)) && patient_until(conn) <= now)
            expire_first(conn, ED_ETIMEOUT);
        conn = longest(server, state);
        if (conn && patient_until(conn) < next)
            next = patient_until(conn);
    }
    if (next != INT64_MAX)
        arm(server, next);
}

static void pause_listeners(ed_server *server)
{
    bool all = server->full || server->held;

    for (struct ed_server_listener *l = server->listeners; l; l = l->next)
        ed_listener_pause(l->listener, all || (l->tls && server->busy_shaking));
}

/* Listeners pause while one connection more would be too many. */
static void mind_limits(ed_server *server)
{
    const struct ed_server_options *o = &server->options;
    bool full = o->max_connections && server->counts.open >= o->max_connections;
    bool shaking = server->handshakes >= o->max_handshakes;
    if (server->stopping ||
        (full == server->full && shaking == server->busy_shaking))
        return;
    server->full = full;
    server->busy_shaking = shaking;
    pause_listeners(server);
    const struct ed_conn *conn = longest(server, ED_CONN_TLS);
    if (shaking && conn && server->patience[ED_CONN_TLS] != INT64_MAX)
        arm(server, patient_until(conn));
}

static void hold_is_over(struct ed_timer *timer)
{
    ed_server *server = ED_CONTAINER(timer, ed_server, hold);

    server->held = false;
    if (!server->stopping)
        pause_listeners(server);
}

void ed_server_hold(ed_server *server, int64_t until)
{
    /* Without memory for the timer nothing would end it. */
    if (server->stopping ||
        ed_timer_start(server->loop, &server->hold, until) < 0)
        return;
    server->held = true;
    pause_listeners(server);
}

void ed_server_set_gate(ed_server *server, struct ed_server_gate *gate)
{
    server->gate = gate;
}

static void tell_gate(ed_server *server, bool came)
{
    if (server->gate)
        server->gate->changed(server->gate, server, server->counts.open, came);
}

void ed_conn_open(ed_server *server, struct ed_conn *conn)
{
    conn->server = server;
    ed_list_init(&conn->node);
    ed_conn_enter(conn, ED_CONN_IDLE);
    server->counts.open++;
    mind_limits(server);
    tell_gate(server, true);
}

void ed_conn_replace(struct ed_conn *old, struct ed_conn *conn)
{
    conn->server = old->server;
    ed_list_init(&conn->node);
    ed_conn_enter(conn, ED_CONN_GUEST);
    ed_list_remove(&old->node);
    old->state = ED_CONN_REPLACED;
}

void ed_conn_gone(struct ed_conn *conn)
{
    ed_server *server = conn->server;
    if (conn->state == ED_CONN_REPLACED)
        return;
    ed_list_remove(&conn->node);
    server->counts.open--;
    mind_limits(server);
    tell_gate(server, false);
    if (server->stopping && !server->counts.open && server->runner) {
        ed_fiber *runner = server->runner;
        server->runner = NULL;
        ed_wake(runner, 0);
    }
}

/* ---- listening ---- */

static void on_accept(ed_stream *stream, void *arg)
{
    struct ed_server_listener *l = arg;
    if (l->server->stopping) {
        ed_stream_close(stream);
        return;
    }
    l->server->counts.accepted++;
    if (l->tls)
        ed_handshake_open(l->server, stream, l->tls);
    else
        ed_h1_open(l->server, stream);
}

int ed_server_add_with(ed_server *server, ed_listener *listener,
                       const struct ed_server_listen_options *given)
{
    ED_OPTIONS_TAKE(struct ed_server_listen_options, options, given);
    struct ed_server_listener *l = malloc(sizeof *l);
    if (!l)
        return ED_ENOMEM;
    l->server = server;
    l->tls = options.tls;
    l->listener = listener;
    l->next = NULL;
    ed_listener_local(listener, l->address);
    struct ed_server_listener **end = &server->listeners;
    while (*end)
        end = &(*end)->next;
    *end = l;
    if (server->scope)
        ed_listener_start(listener, on_accept, l);
    return 0;
}

int ed_server_listen_with(ed_server *server, const char *address,
                          const struct ed_server_listen_options *options)
{
    ed_listener *listener;
    int err = ed_listen(&listener, address);
    if (err)
        return err;
    err = ed_server_add_with(server, listener, options);
    if (err)
        ed_listener_close(listener);
    return err;
}

bool ed_server_address(const ed_server *server, size_t i,
                       char out[ED_ADDR_TEXT])
{
    const struct ed_server_listener *l = server->listeners;
    while (l && i--)
        l = l->next;
    if (l)
        memcpy(out, l->address, ED_ADDR_TEXT);
    return l != NULL;
}

/* ---- running and stopping ---- */

static void tell_all(ed_server *server, int state, int err)
{
    struct ed_list *list = &server->waiting[state];
    for (size_t n = server->counts.open; n && !ed_list_empty(list); n--)
        expire_first(longest(server, state), err);
}

static void cut_off(ed_server *server)
{
    for (int state = 0; state < server->lines; state++)
        tell_all(server, state, ED_ECANCELED);
}

static void close_listeners(ed_server *server)
{
    for (struct ed_server_listener *l = server->listeners; l; l = l->next) {
        ed_listener_close(l->listener);
        l->listener = NULL;
    }
}

void ed_server_on_stop(ed_server *server, struct ed_stop_hook *hook)
{
    ed_list_init(&hook->node);
    if (server->stopping)
        hook->run(hook);
    else
        ed_list_add_back(&server->stop_hooks, &hook->node);
}

static void run_stop_hooks(ed_server *server)
{
    struct ed_list *node;
    while ((node = ed_list_take(&server->stop_hooks))) {
        struct ed_stop_hook *hook =
            ED_CONTAINER(node, struct ed_stop_hook, node);
        hook->run(hook);
    }
}

/* A request may be on its way on a connection that is idle: to close that
 * under it would lose it. One that has been idle for longer than the grace
 * goes at once, and handshakes come to their end. */
static void shorten_idling(ed_server *server)
{
    int64_t *patience = &server->patience[ED_CONN_IDLE];

    if (*patience > server->options.stop_grace)
        *patience = server->options.stop_grace;
    arm(server, ed_now());
}

void ed_server_stop(ed_server *server)
{
    if (server->stopping) {
        cut_off(server);
        return;
    }
    server->stopping = true;
    ed_timer_stop(server->loop, &server->hold);
    close_listeners(server);
    if (server->options.stop_grace > 0) {
        shorten_idling(server);
    } else {
        tell_all(server, ED_CONN_TLS, ED_ECLOSED);
        tell_all(server, ED_CONN_IDLE, ED_ECLOSED);
    }
    run_stop_hooks(server);
    for (int line = ED_CONN_GUEST; line < server->lines; line++)
        tell_all(server, line, ED_ECLOSED);
    if (server->runner) {
        ed_fiber *runner = server->runner;
        server->runner = NULL;
        ed_wake(runner, 0);
    }
}

static bool runner_abort(void *arg)
{
    ed_server *server = arg;
    server->runner = NULL;
    return true;
}

/* Sleeps until there is something to do about stopping. */
static int rest(ed_server *server, const char *what)
{
    server->runner = ed_fiber_self();
    int err = ed_park(what, runner_abort, server);
    server->runner = NULL;
    return err;
}

static int serve(ed_server *server)
{
    int err = 0;
    while (!server->stopping && !err)
        err = rest(server, "requests");
    if (err)
        return err;
    ed_scope(drain, .within = server->options.drain_timeout, .name = "drain");
    (void)drain;
    while (server->counts.open && !err)
        err = rest(server, "the last requests");
    return err;
}

/* What is left when all handlers have ended goes at once, or, where another
 * protocol tells of the end by a handler, in a turn of the loop. */
static void let_go(ed_server *server)
{
    ed_scope(last, .independent = true, .name = "last words");
    server->scope = last;
    ed_cancel(last);
    cut_off(server);
    while (server->counts.open) {
        server->runner = ed_fiber_self();
        (void)ed_park("connections to go", NULL, NULL);
        server->runner = NULL;
    }
    server->scope = NULL;
}

int ed_server_run(ed_server *server)
{
    if (server->scope)
        return ED_EUSAGE;
    ed_scope(requests, .independent = true, .name = "requests");
    server->scope = requests;
    /* Somebody may have stopped it before this fiber came to run. */
    struct ed_server_listener *l = server->stopping ? NULL : server->listeners;
    for (; l; l = l->next)
        ed_listener_start(l->listener, on_accept, l);
    int err = serve(server);
    if (!server->stopping)
        ed_server_stop(server);
    ed_cancel(requests);
    cut_off(server);
    /* The handlers see their cancellation and end; none is left after this. */
    int drained = ed_wait(requests);
    (void)drained;
    let_go(server);
    return err;
}

void ed_server_counts(const ed_server *server, struct ed_server_counts *counts)
{
    *counts = server->counts;
}

void ed_server_free(ed_server *server)
{
    if (!server)
        return;
    ed_timer_stop(server->loop, &server->timer);
    ed_timer_stop(server->loop, &server->hold);
    while (server->listeners) {
        struct ed_server_listener *l = server->listeners;
        server->listeners = l->next;
        if (l->listener)
            ed_listener_close(l->listener);
        free(l);
    }
    while (server->arena_count)
        ed_arena_free(server->arenas[--server->arena_count]);
    while (server->out_count)
        free(server->outs[--server->out_count]);
    free(server->arenas);
    free(server->outs);
    free(server->fields);
    free(server);
}
