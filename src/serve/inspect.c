/*
 * inspect.c - what a worker tells of itself while it runs.
 *
 * What is listed is gathered in one go, without waiting, since it changes as
 * soon as anything waits; it is sent from a copy. Names of functions are looked
 * up on another thread: reading debug information takes longer than a loop may
 * stand still.
 */
#include "serve/inspect.h"

#include <eddy/blocking.h>
#include <eddy/json.h>
#include <eddy/log.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "app/app_internal.h"
#include "core/frames.h"
#include "http/observer.h"
#include "serve/guest.h"
#include "wire/json_read.h"

/* A request with more fibers or deeper scopes than anyone reads. */
enum { MOST_FIBERS = 16, MOST_SCOPES = 16 };

struct inspect {
    ed_server *about;
    int slot;
};

ED_APP_VALUE(struct inspect, inspect)

/* ---- writing ---- */

static double seconds(int64_t ns)
{
    /* Whole microseconds: more digits say nothing. */
    int64_t us = ns / ED_US;

    return (double)us / 1e6;
}

static void add_text(ed_json *j, const char *key, const char *text)
{
    ed_json_key(j, key);
    ed_json_text(j, text);
}

static void add_seconds(ed_json *j, const char *key, int64_t ns)
{
    ed_json_key(j, key);
    ed_json_double(j, seconds(ns));
}

/* What is left until then; null when that never comes. */
static void add_left(ed_json *j, const char *key, int64_t at)
{
    if (at != INT64_MAX) {
        add_seconds(j, key, at - ed_now());
        return;
    }
    ed_json_key(j, key);
    ed_json_null(j);
}

static void add_process(ed_json *j, const struct inspect *in)
{
    ed_json_key(j, "pid");
    ed_json_int(j, getpid());
    if (in->slot < 0)
        return;
    ed_json_key(j, "slot");
    ed_json_int(j, in->slot);
}

/* Replies with what was written, or not: frees it. */
static int reply(ed_req *req, ed_json *j, struct ed_buf *text)
{
    int err = ed_json_finish(j);

    if (!err)
        err = ed_reply_bytes(req, 200, "application/json", ed_buf_bytes(text));
    ed_buf_free(text);
    return err;
}

static int refuse(ed_req *req, int status, const char *why)
{
    return ed_reply_json(req, status, "{s:s}", "error", why);
}

/* How many rows are asked for; negative: nothing that is a number of them. */
static int64_t rows_wanted(ed_req *req)
{
    int64_t rows;
    int err = ed_query_int(req, "limit", 0, ED_INSPECT_ROWS_MAX,
                           ED_INSPECT_ROWS, &rows);

    return err ? err : rows;
}

static const char BAD_LIMIT[] = "limit: a number from 0 to 10000";

/* ---- requests ---- */

struct in_flight {
    ed_req *req;
    const ed_fiber *fiber;
};

struct requests {
    struct in_flight *each;
    size_t count, room;
};

static bool add_request(ed_req *req, const ed_fiber *fiber, void *arg)
{
    struct requests *r = arg;

    if (r->count < r->room)
        r->each[r->count] = (struct in_flight){req, fiber};
    r->count++;
    return true;
}

/* All of them, in memory of `req`. 0 or ED_ENOMEM. */
static int gather(ed_req *req, const struct inspect *in, struct requests *r)
{
    size_t most = in->about->counts.in_flight;

    r->count = 0;
    r->room = most;
    r->each = ed_arena_alloc(req->arena, (most + 1) * sizeof *r->each);
    if (!r->each)
        return ED_ENOMEM;
    ed_server_each_request(in->about, add_request, r);
    if (r->count > r->room)
        r->count = r->room;
    return 0;
}

static int older_first(const void *a, const void *b)
{
    const struct in_flight *x = a, *y = b;
    int64_t ahead = x->req->came - y->req->came;

    return ahead < 0 ? -1 : ahead > 0;
}

static const char *state_of(const ed_fiber *fiber)
{
    static const char *const names[] = {
        [ED_FIBER_FREE] = "ended",
        [ED_FIBER_READY] = "ready",
        [ED_FIBER_RUNNING] = "running",
        [ED_FIBER_PARKED] = "waiting",
    };

    return names[fiber->state];
}

static void add_route(ed_json *j, const ed_req *req)
{
    struct ed_buf path = {0};

    /* Without memory for it, it has none. */
    if (req->route)
        (void)!ed_route_add_path(&path, req->route);
    add_text(j, "route", path.ptr);
    ed_buf_free(&path);
}

static void write_request(ed_json *j, const struct inspect *in,
                          const struct in_flight *f)
{
    const ed_fiber *awaited = ed_fiber_awaited(f->fiber);
    ed_req *req = f->req;
    void *work;
    const struct ed_guest *guest = ed_guest_of(req, &work);

    ed_json_object(j);
    add_text(j, "id", ed_req_id(req));
    add_process(j, in);
    add_text(j, "method", req->method);
    add_text(j, "target", req->target);
    add_text(j, "peer", ed_req_peer(req));
    add_seconds(j, "age_s", ed_now() - req->came);
    add_left(j, "deadline_s", awaited->scope->deadline);
    add_text(j, "state",
             req->in_line || (guest && guest->in_line(work))
                 ? "queued"
                 : state_of(awaited));
    add_text(j, "waits_for", guest ? guest->state(work) : awaited->what);
    add_text(j, "fiber", awaited->name);
    add_route(j, req);
    ed_json_end(j);
}

static int ps(ed_req *req)
{
    const struct inspect *in = inspect_of(req);
    struct ed_json json, *j = &json;
    struct ed_buf text = {0};
    struct requests r;
    int64_t rows = rows_wanted(req);
    int err;

    if (rows < 0)
        return refuse(req, 400, BAD_LIMIT);
    err = gather(req, in, &r);
    if (err)
        return err;
    qsort(r.each, r.count, sizeof *r.each, older_first);
    ed_json_begin(j, &text);
    ed_json_object(j);
    ed_json_key(j, "requests");
    ed_json_array(j);
    for (size_t i = 0; i < r.count && i < (size_t)rows; i++)
        write_request(j, in, &r.each[i]);
    ed_json_end(j);
    ed_json_key(j, "total");
    ed_json_uint(j, r.count);
    ed_json_end(j);
    return reply(req, j, &text);
}

/* ---- the stack of one ---- */

/* A copy of what there is to say of a fiber; `name` to `what` in the arena. */
struct scope_seen {
    const char *name;
    int64_t deadline;
    bool cancelled;
};

struct fiber_seen {
    const char *name, *place, *state, *what;
    struct scope_seen scopes[MOST_SCOPES];
    size_t scope_count;
    struct ed_frames frames;
};

struct stack_seen {
    ed_arena *arena;
    const char *id;
    ed_req *req; /* while it is gathered */
    int64_t now;
    bool no_memory;
    struct fiber_seen *fibers[MOST_FIBERS]; /* the request's own first */
    size_t count;
    const struct ed_guest *guest; /* holds `work`; NULL: none */
    const char *guest_state;
    void *work;
    struct ed_buf text;
};

static const char *kept(struct stack_seen *s, const char *text)
{
    char *copy = text ? ed_arena_copy(s->arena, ed_bytes(text)) : NULL;

    s->no_memory |= text && !copy;
    return copy;
}

/* From the innermost to the fiber's first. */
static void see_scopes(struct stack_seen *s, struct fiber_seen *seen,
                       const ed_fiber *fiber)
{
    const ed_scope *scope = fiber->scope;

    while (seen->scope_count < MOST_SCOPES) {
        seen->scopes[seen->scope_count++] = (struct scope_seen){
            .name = kept(s, scope->name),
            .deadline = scope->deadline,
            .cancelled = scope->cancelled != 0,
        };
        if (scope == &fiber->base)
            return;
        scope = scope->parent;
    }
}

static void see_fiber(struct stack_seen *s, const ed_fiber *fiber)
{
    struct fiber_seen *seen = ed_arena_zalloc(s->arena, sizeof *seen);

    if (!seen) {
        s->no_memory = true;
        return;
    }
    seen->name = kept(s, fiber->name);
    seen->place = kept(s, fiber->place);
    seen->state = state_of(fiber);
    seen->what = kept(s, fiber->what);
    see_scopes(s, seen, fiber);
    /* The one that runs is the one that asks, and works for itself. */
    (void)ed_frames_of(&seen->frames, fiber);
    s->fibers[s->count++] = seen;
}

static bool see_child(const ed_fiber *fiber, void *arg)
{
    struct stack_seen *s = arg;

    if (fiber->base.parent != s->req->server->scope)
        see_fiber(s, fiber);
    return s->count < MOST_FIBERS && !s->no_memory;
}

static bool see_request(ed_req *req, const ed_fiber *fiber, void *arg)
{
    struct stack_seen *s = arg;

    if (strcmp(ed_req_id(req), s->id))
        return true;
    s->req = req;
    see_fiber(s, fiber);
    if (!s->no_memory)
        ed_fibers_at_work(req->server->loop, req, see_child, s);
    s->guest = ed_guest_of(req, &s->work);
    if (s->guest) {
        s->guest_state = s->guest->state(s->work);
        s->guest->hold(s->work);
    }
    return false;
}

/* On another thread. */
static void write_frame(void *arg, const struct ed_symbol *symbol)
{
    ed_json *j = arg;

    ed_json_object(j);
    add_text(j, "function", symbol->function);
    if (symbol->file) {
        add_text(j, "file", symbol->file);
        ed_json_key(j, "line");
        ed_json_int(j, symbol->line);
    } else if (symbol->object) {
        add_text(j, "object", symbol->object);
    }
    ed_json_end(j);
}

static void write_scopes(ed_json *j, const struct fiber_seen *seen, int64_t now)
{
    ed_json_key(j, "scopes");
    ed_json_array(j);
    for (size_t i = 0; i < seen->scope_count; i++) {
        const struct scope_seen *scope = &seen->scopes[i];

        ed_json_object(j);
        add_text(j, "name", scope->name);
        ed_json_key(j, "left_s");
        if (scope->deadline == INT64_MAX)
            ed_json_null(j);
        else
            ed_json_double(j, seconds(scope->deadline - now));
        ed_json_key(j, "cancelled");
        ed_json_bool(j, scope->cancelled);
        ed_json_end(j);
    }
    ed_json_end(j);
}

/* The members of an object that is open. */
static void write_fiber(ed_json *j, const struct fiber_seen *seen, int64_t now)
{
    add_text(j, "fiber", seen->name);
    add_text(j, "place", seen->place);
    add_text(j, "state", seen->state);
    add_text(j, "waits_for", seen->what);
    ed_json_key(j, "frames");
    ed_json_array(j);
    ed_frames_describe(&seen->frames, write_frame, j);
    ed_json_end(j);
    write_scopes(j, seen, now);
}

/* On another thread. */
static void write_guest_frame(void *arg, const char *function, const char *file,
                              int line)
{
    ed_json *j = arg;

    ed_json_object(j);
    add_text(j, "function", function);
    add_text(j, "file", file);
    ed_json_key(j, "line");
    ed_json_int(j, line);
    ed_json_end(j);
}

/* As if it were a fiber that the request has started. */
static void write_guest(ed_json *j, const struct stack_seen *s)
{
    ed_json_object(j);
    add_text(j, "fiber", s->guest->name);
    add_text(j, "state", s->guest_state);
    ed_json_key(j, "frames");
    ed_json_array(j);
    s->guest->frames(s->work, write_guest_frame, j);
    ed_json_end(j);
    ed_json_end(j);
}

static int write_stack(void *arg)
{
    struct stack_seen *s = arg;
    struct ed_json json, *j = &json;

    ed_json_begin(j, &s->text);
    ed_json_object(j);
    add_text(j, "id", s->id);
    ed_json_key(j, "pid");
    ed_json_int(j, getpid());
    write_fiber(j, s->fibers[0], s->now);
    ed_json_key(j, "children");
    ed_json_array(j);
    for (size_t i = 1; i < s->count; i++) {
        ed_json_object(j);
        write_fiber(j, s->fibers[i], s->now);
        ed_json_end(j);
    }
    if (s->guest)
        write_guest(j, s);
    ed_json_end(j);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int stack(ed_req *req)
{
    struct stack_seen s = {
        .arena = req->arena,
        .id = ed_arg(req, "id"),
        .now = ed_now(),
    };
    int err;

    ed_server_each_request(inspect_of(req)->about, see_request, &s);
    if (!s.no_memory && !s.count)
        return refuse(req, 404, "no such request is under way");
    err = s.no_memory ? ED_ENOMEM : ed_blocking(write_stack, &s);
    if (s.guest)
        s.guest->release(s.work);
    if (!err)
        err =
            ed_reply_bytes(req, 200, "application/json", ed_buf_bytes(&s.text));
    ed_buf_free(&s.text);
    return err;
}

/* ---- fibers and connections ---- */

static void write_line(void *arg, const char *line)
{
    ed_json_text(arg, line);
}

static int tree(ed_req *req)
{
    struct ed_json json, *j = &json;
    struct ed_buf text = {0};

    ed_json_begin(j, &text);
    ed_json_object(j);
    ed_json_key(j, "pid");
    ed_json_int(j, getpid());
    ed_json_key(j, "lines");
    ed_json_array(j);
    ed_fiber_tree_lines(write_line, j);
    ed_json_end(j);
    ed_json_end(j);
    return reply(req, j, &text);
}

struct conns {
    ed_json *j;
    const struct inspect *in;
    int64_t left;
};

static bool write_conn(const struct ed_conn_seen *seen, void *arg)
{
    struct conns *c = arg;
    ed_json *j = c->j;

    if (!c->left)
        return false;
    c->left--;
    ed_json_object(j);
    add_process(j, c->in);
    add_text(j, "peer", seen->peer);
    add_text(j, "local", seen->local);
    add_text(j, "state", seen->state);
    add_seconds(j, "age_s", ed_now() - seen->since);
    ed_json_key(j, "requests");
    ed_json_uint(j, seen->requests);
    ed_json_end(j);
    return true;
}

static int conns(ed_req *req)
{
    const struct inspect *in = inspect_of(req);
    struct ed_json json, *j = &json;
    struct ed_buf text = {0};
    struct conns c = {.j = j, .in = in, .left = rows_wanted(req)};

    if (c.left < 0)
        return refuse(req, 400, BAD_LIMIT);
    ed_json_begin(j, &text);
    ed_json_object(j);
    ed_json_key(j, "connections");
    ed_json_array(j);
    ed_server_each_conn(in->about, write_conn, &c);
    ed_json_end(j);
    ed_json_key(j, "total");
    ed_json_uint(j, in->about->counts.open);
    ed_json_end(j);
    return reply(req, j, &text);
}

/* ---- the log ---- */

/* The member "level" of the body, in the request's arena; NULL: none. */
static const char *level_asked(ed_req *req, struct ed_bytes body)
{
    json_t *given = ed_json_load(body, 0, NULL);
    const char *level = json_string_value(json_object_get(given, "level"));
    const char *copy =
        level ? ed_arena_copy(req->arena, ed_bytes(level)) : NULL;

    json_decref(given);
    return copy;
}

static int log_level(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (err)
        return err;
    const char *level = level_asked(req, body);
    /* Behind a comma stands the format, which is not for here. */
    if (!level || strchr(level, ',') || ed_log_configure(level))
        return refuse(req, 400,
                      "level: one of debug, info, warn, error and off");
    return ed_reply_json(req, 200, "{s:b, s:s+}", "ok", 1, "text",
                         "log level is ", level);
}

/* ---- the app ---- */

static const struct {
    const char *pattern;
    ed_handler *handler;
} routes[] = {
    {"GET /ps", ps},       {"GET /stack/{id}", stack},     {"GET /tree", tree},
    {"GET /conns", conns}, {"POST /log-level", log_level},
};

ed_app *ed_inspect_app(ed_server *about, int slot)
{
    ed_app *app = ed_app_new();
    struct inspect *in = ed_app_alloc(app, sizeof *in);

    *in = (struct inspect){about, slot};
    inspect_set(app, in);
    ed_on_error(app, refuse);
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        ed_route(app, routes[i].pattern, routes[i].handler);
    return app;
}
