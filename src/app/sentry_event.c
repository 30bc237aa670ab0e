/*
 * sentry_event.c - an event, as JSON.
 *
 * Owns what Sentry is told, and so what it is not told: no secrets, no bodies,
 * no addresses. All that comes from a client is bounded by the server's limits
 * of a head. Written at once, while the request is there, except for the stack:
 * names of functions are read from the program's debug information, which takes
 * its time, so that is left to whoever sends.
 */
#include "app/sentry_internal.h"
#include "base/hex.h"
#include "core/symbol.h"
#include "net/crypto.h"
#include "wire/url.h"

#include <eddy/blocking.h>
#include <eddy/clock.h>
#include <eddy/json.h>
#include <eddy/trace.h>
#include <stdio.h>
#include <stdlib.h>

static const char FILTERED[] = "[Filtered]";

static const char *const levels[] = {
    [ED_LOG_DEBUG] = "debug", [ED_LOG_INFO] = "info", [ED_LOG_WARN] = "warning",
    [ED_LOG_ERROR] = "error", [ED_LOG_OFF] = "error",
};

static void text_member(ed_json *j, const char *name, const char *value)
{
    if (!value)
        return;
    ed_json_key(j, name);
    ed_json_text(j, value);
}

static void time_member(ed_json *j, const char *name, int64_t at)
{
    char date[ED_ISO_DATE_LEN + 1];
    ed_iso_date(date, at);
    text_member(j, name, date);
}

static void hex_member(ed_json *j, const char *name, const uint8_t *bytes,
                       size_t len)
{
    char text[33];
    *ed_hex_write(text, bytes, len) = '\0';
    text_member(j, name, text);
}

/* ---- the request ---- */

/* Whether a field is one in which proxies tell the client's address. */
static bool tells_address(struct ed_bytes name)
{
    static const char *const parts[] = {"forwarded-for", "-ip", "-addr"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (ed_sentry_contains(name, parts[i]))
            return true;
    }
    return ed_bytes_equal_nocase(name, ED_BYTES("forwarded"));
}

static bool tells_url(struct ed_bytes name)
{
    return ed_bytes_equal_nocase(name, ED_BYTES("referer")) ||
           ed_sentry_contains(name, "-ur");
}

/* What may be told of a field: of a URL, not its query. */
static struct ed_bytes harmless(const ed_sentry *sentry, struct ed_bytes name,
                                struct ed_bytes value)
{
    if (ed_sentry_is_secret(sentry, name) || tells_address(name))
        return ed_bytes(FILTERED);
    return tells_url(name) ? ed_bytes_cut(&value, '?') : value;
}

static void write_headers(ed_json *j, const ed_sentry *sentry,
                          const ed_req *req)
{
    struct ed_bytes name, value;
    ed_json_key(j, "headers");
    ed_json_array(j); /* of pairs: a name may come twice */
    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        ed_json_array(j);
        ed_json_bytes(j, name);
        ed_json_bytes(j, harmless(sentry, name, value));
        ed_json_end(j);
    }
    ed_json_end(j);
}

/* "%74oken" is a token; what cannot be decoded may be anything. */
static bool is_secret_part(const ed_sentry *sentry, const ed_req *req,
                           struct ed_bytes name)
{
    char *text = ed_arena_alloc(req->arena, name.len + 1);
    ssize_t len = text ? ed_url_decode(text, name, true) : -1;
    return len < 0 ||
           ed_sentry_is_secret(sentry, ed_bytes_of(text, (size_t)len));
}

static void write_query(ed_json *j, const ed_sentry *sentry, const ed_req *req)
{
    struct ed_bytes rest = ed_bytes(req->query);
    ed_json_key(j, "query_string");
    ed_json_array(j);
    while (rest.ptr && rest.len) {
        struct ed_bytes value = ed_bytes_cut(&rest, '&');
        struct ed_bytes name = ed_bytes_cut(&value, '=');
        bool secret = is_secret_part(sentry, req, name);
        ed_json_array(j);
        ed_json_bytes(j, name);
        ed_json_bytes(j, secret ? ed_bytes(FILTERED) : value);
        ed_json_end(j);
    }
    ed_json_end(j);
}

static void write_request(ed_json *j, const ed_sentry *sentry,
                          const ed_req *req)
{
    const char *url = ed_arena_printf(req->arena, "%s://%s%s",
                                      ed_req_scheme(req), req->host, req->path);
    ed_json_key(j, "request");
    ed_json_object(j);
    text_member(j, "method", req->method);
    text_member(j, "url", url);
    if (*req->query)
        write_query(j, sentry, req);
    write_headers(j, sentry, req);
    ed_json_end(j);
}

/* The route, under which Sentry counts: "GET /hello/{name}". */
static void write_transaction(ed_json *j, const ed_req *req)
{
    const struct ed_note *note = req->app;
    const struct ed_route *route = note ? note->match.route : NULL;
    const char *path = req->path;
    if (route && !route->mounted)
        path = strchr(route->pattern.text, '/');
    text_member(j, "transaction",
                ed_arena_printf(req->arena, "%s %s", req->method, path));
}

static void write_trace(ed_json *j)
{
    const struct ed_trace *trace = ed_trace_current();
    if (!trace)
        return;
    ed_json_key(j, "trace");
    ed_json_object(j);
    hex_member(j, "trace_id", trace->id, sizeof trace->id);
    hex_member(j, "span_id", trace->span, sizeof trace->span);
    hex_member(j, "parent_span_id", trace->parent, sizeof trace->parent);
    text_member(j, "op", "http.server");
    ed_json_end(j);
}

/* ---- what was noted ---- */

static void write_tags(ed_json *j, const ed_sentry *sentry, int err,
                       const struct ed_sentry_notes *notes)
{
    char status[16];
    const char *const *own = sentry->options.tags;
    ed_json_key(j, "tags");
    ed_json_array(j); /* of pairs */
    const struct {
        const char *name, *value;
    } request[] = {
        {"request_id", notes ? ed_req_id(notes->req) : NULL},
        {"error", err ? ed_err_name(err) : NULL},
        {"status", status},
    };
    size_t count = notes ? (err ? 3 : 1) : 0;
    if (count == 3)
        snprintf(status, sizeof status, "%d",
                 ed_req_error_status(notes->req, err));
    for (size_t i = 0; i < count; i++) {
        ed_json_array(j);
        ed_json_text(j, request[i].name);
        ed_json_text(j, request[i].value);
        ed_json_end(j);
    }
    for (; own && own[0] && own[1]; own += 2) {
        ed_json_array(j);
        ed_json_text(j, own[0]);
        ed_json_text(j, own[1]);
        ed_json_end(j);
    }
    for (size_t i = 0; notes && i < notes->tag_count; i++) {
        ed_json_array(j);
        ed_json_text(j, notes->tags[i].name);
        ed_json_text(j, notes->tags[i].value ? notes->tags[i].value : "");
        ed_json_end(j);
    }
    ed_json_end(j);
}

static void write_crumbs(ed_json *j, const struct ed_sentry_notes *notes)
{
    size_t first = notes->crumb_count > ED_SENTRY_CRUMBS
                       ? notes->crumb_count - ED_SENTRY_CRUMBS
                       : 0;
    ed_json_key(j, "breadcrumbs");
    ed_json_object(j);
    ed_json_key(j, "values");
    ed_json_array(j);
    for (size_t i = first; i < notes->crumb_count; i++) {
        const struct ed_sentry_crumb *crumb =
            &notes->crumbs[i % ED_SENTRY_CRUMBS];
        ed_json_object(j);
        time_member(j, "timestamp", crumb->at);
        text_member(j, "category", crumb->category);
        text_member(j, "message", crumb->message);
        ed_json_end(j);
    }
    ed_json_end(j);
    ed_json_end(j);
}

static void write_notes(ed_json *j, const ed_sentry *sentry,
                        const struct ed_sentry_notes *notes)
{
    write_transaction(j, notes->req);
    write_request(j, sentry, notes->req);
    if (notes->crumb_count)
        write_crumbs(j, notes);
    if (!notes->user)
        return;
    ed_json_key(j, "user");
    ed_json_object(j);
    text_member(j, "id", notes->user);
    ed_json_end(j);
}

/* ---- the whole ---- */

static void write_contexts(ed_json *j)
{
    ed_json_key(j, "contexts");
    ed_json_object(j);
    write_trace(j);
    ed_json_key(j, "runtime");
    ed_json_object(j);
    text_member(j, "name", "eddy");
    text_member(j, "version", ED_VERSION);
    ed_json_end(j);
    ed_json_end(j);
}

static void write_origin(ed_json *j, const ed_sentry *sentry)
{
    const struct ed_sentry_options *o = &sentry->options;
    text_member(j, "platform", "c");
    text_member(j, "release", o->release);
    text_member(j, "environment", o->environment);
    text_member(j, "server_name", o->server_name);
    ed_json_key(j, "sdk");
    ed_json_object(j);
    text_member(j, "name", "eddy");
    text_member(j, "version", ED_VERSION);
    ed_json_end(j);
}

static int write_event(struct ed_sentry_event *event, const ed_sentry *sentry,
                       enum ed_log_level level, int err, const char *message,
                       const struct ed_sentry_notes *notes)
{
    struct ed_json json, *j = &json;
    ed_json_begin(j, &event->json);
    ed_json_object(j);
    text_member(j, "event_id", event->id);
    time_member(j, "timestamp", ed_clock_realtime());
    text_member(j, "level", levels[level]);
    write_origin(j, sentry);
    write_contexts(j);
    write_tags(j, sentry, err, notes);
    if (notes)
        write_notes(j, sentry, notes);
    if (message) {
        ed_json_key(j, "message");
        ed_json_object(j);
        text_member(j, "formatted", message);
        ed_json_end(j);
    }
    ed_json_end(j);
    int failed = ed_json_finish(j);
    if (!failed)
        event->json.len--; /* the brace: ed_sentry_event_close() goes on */
    return failed;
}

/* Notes what the exception is, and what is known of where it was. */
static int note_error(struct ed_sentry_event *event, int err,
                      const struct ed_sentry_notes *notes)
{
    const ed_fiber *self = ed_fiber_self();
    const char *detail = ed_error_of(err);
    event->type = ed_err_name(err);
    event->value = strdup(*detail ? detail : ed_err_text(err));
    if (notes) {
        const struct ed_note *note = notes->req->app;
        const struct ed_route *route = note ? note->match.route : NULL;
        event->handler = route ? (uintptr_t)route->handler : 0;
    } else if (self) {
        event->fiber = self->name;
        event->place = self->place;
    }
    return event->value ? 0 : ED_ENOMEM;
}

struct ed_sentry_event *ed_sentry_event_new(const ed_sentry *sentry,
                                            enum ed_log_level level, int err,
                                            const char *message,
                                            const struct ed_sentry_notes *notes)
{
    struct ed_sentry_event *event = calloc(1, sizeof *event);
    uint8_t id[16];
    if (!event)
        return NULL;
    ed_list_init(&event->node);
    int failed = ed_random(id, sizeof id);
    if (!failed) {
        *ed_hex_write(event->id, id, sizeof id) = '\0';
        failed = err ? note_error(event, err, notes) : 0;
    }
    if (!failed)
        failed = write_event(event, sentry, level, err, message, notes);
    if (!failed)
        return event;
    ed_sentry_event_free(event);
    return NULL;
}

void ed_sentry_event_free(struct ed_sentry_event *event)
{
    if (!event)
        return;
    ed_list_remove(&event->node);
    ed_buf_free(&event->json);
    free(event->value);
    free(event);
}

/* ---- the stack ---- */

struct looked_up {
    ed_json *j;
    uintptr_t pc;
};

static void write_frame(ed_json *j, const char *function, struct ed_bytes file,
                        int64_t line)
{
    ed_json_object(j);
    text_member(j, "function", function);
    if (file.len) {
        ed_json_key(j, "filename");
        ed_json_bytes(j, file);
    }
    if (line > 0) {
        ed_json_key(j, "lineno");
        ed_json_int(j, line);
    }
    ed_json_key(j, "in_app");
    ed_json_bool(j, true);
    ed_json_end(j);
}

static void write_symbol(void *arg, const struct ed_symbol *symbol)
{
    struct looked_up *up = arg;
    write_frame(up->j, symbol->function ? symbol->function : "?",
                symbol->file ? ed_bytes(symbol->file) : (struct ed_bytes){0},
                symbol->line);
}

static int look_up(void *arg)
{
    struct looked_up *up = arg;
    ed_symbol_describe(up->pc, write_symbol, up);
    return 0;
}

/* "main.c:12", where a fiber was started. */
static void write_place(ed_json *j, const struct ed_sentry_event *event)
{
    struct ed_bytes line = ed_bytes(event->place);
    struct ed_bytes file = ed_bytes_cut(&line, ':');
    int64_t number = 0;
    if (!line.ptr || ed_bytes_int(line, &number))
        number = 0;
    write_frame(j, event->fiber, file, number);
}

/* Without a thread to look it up, the stack is what it is. */
static void write_stack(ed_json *j, const struct ed_sentry_event *event)
{
    struct looked_up up = {.j = j, .pc = event->handler};
    ed_json_key(j, "stacktrace");
    ed_json_object(j);
    ed_json_key(j, "frames");
    ed_json_array(j);
    if (event->place)
        write_place(j, event);
    int unknown = event->handler ? ed_blocking(look_up, &up) : 0;
    (void)unknown;
    ed_json_end(j);
    ed_json_end(j);
}

static int write_exception(struct ed_sentry_event *event)
{
    struct ed_json json, *j = &json;
    ed_json_begin(j, &event->json);
    ed_json_object(j);
    ed_json_key(j, "values");
    ed_json_array(j);
    ed_json_object(j);
    text_member(j, "type", event->type);
    text_member(j, "value", event->value);
    ed_json_key(j, "mechanism");
    ed_json_object(j);
    text_member(j, "type", "eddy");
    ed_json_key(j, "handled");
    ed_json_bool(j, true);
    ed_json_end(j);
    if (event->place || event->handler)
        write_stack(j, event);
    ed_json_end(j);
    ed_json_end(j);
    ed_json_end(j);
    return ed_json_finish(j);
}

int ed_sentry_event_close(struct ed_sentry_event *event)
{
    int err = 0;
    if (event->type) {
        err = ed_buf_addf(&event->json, ",\"exception\":");
        if (!err)
            err = write_exception(event);
    }
    return err ? err : ed_buf_add(&event->json, "}", 1);
}
