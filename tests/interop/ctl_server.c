/*
 * ctl_server.c - a server as `eddy ctl`, `eddy top` and the console see one:
 * the API of the control socket with recorded answers.
 *
 *     ctl_server DIRECTORY MILLISECONDS ADDRESS...
 *
 * Answers with the files of the directory, sends live.json as a message every
 * so many milliseconds with figures that come and go, and remembers what it was
 * told: workers, state and log level. Each POST is a line of standard output,
 * with its body. At addresses that are no Unix sockets, a POST needs the token
 * "sesame". Lasts until SIGTERM.
 */
#include <eddy/eddy.h>
#include <eddy/signal.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../src/serve/console.h"

#define TOKEN "Bearer sesame"

static const char *directory;
static int64_t interval;
static int wanted = 2;
static const char *state = "ready";
static char level[16] = "info";

static json_t *recorded(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s.json", directory, name);
    json_t *value = json_load_file(path, 0, NULL);
    if (!value) {
        fprintf(stderr, "%s is no JSON\n", path);
        exit(1);
    }
    return value;
}

/* ---- what can be asked ---- */

static int status(ed_req *req)
{
    json_t *value = recorded("status");

    json_object_set_new(value, "state", json_string(state));
    json_object_set_new(value, "log_level", json_string(level));
    json_object_set_new(value, "workers_wanted", json_integer(wanted));
    return ed_reply_json_value(req, 200, value);
}

static int ps(ed_req *req)
{
    json_t *value = recorded("ps");
    json_t *requests = json_object_get(value, "requests");
    int64_t limit;
    int err = ed_query_int(req, "limit", 1, 1000, 1000, &limit);

    if (err || strcmp(ed_query(req, "sort"), "age")) {
        json_decref(value);
        return ed_reply_json(req, 400, "{s:s}", "error", "unknown sort");
    }
    while (json_array_size(requests) > (size_t)limit)
        json_array_remove(requests, json_array_size(requests) - 1);
    return ed_reply_json_value(req, 200, value);
}

static int stack(ed_req *req)
{
    json_t *value = recorded("stack");

    if (!strcmp(ed_arg(req, "id"),
                json_string_value(json_object_get(value, "id"))))
        return ed_reply_json_value(req, 200, value);
    json_decref(value);
    return ed_reply_json(req, 404, "{s:s}", "error",
                         "no request of that id is in flight");
}

static int as_recorded(ed_req *req)
{
    return ed_reply_json_value(req, 200,
                               recorded(strrchr(ed_req_path(req), '/') + 1));
}

/* ---- live ---- */

static void scale(json_t *object, const char *key, double factor)
{
    double value = json_number_value(json_object_get(object, key));

    json_object_set_new(object, key, json_real(value * factor));
}

/* Goes from -1 to 1 and back. */
static double wave_of(unsigned tick, unsigned period)
{
    double at = (double)(tick % period) / period;

    return at < 0.5 ? 4 * at - 1 : 3 - 4 * at;
}

static json_t *moment(unsigned tick)
{
    json_t *value = recorded("live");
    json_t *classes = json_object_get(value, "by_class_per_s");
    json_t *workers = json_object_get(value, "workers");
    double wave = 1 + 0.3 * wave_of(tick, 32) + 0.08 * wave_of(tick, 7);
    const char *key;
    json_t *worker, *unused;
    size_t index;

    scale(value, "requests_per_s", wave);
    scale(value, "cpu", wave);
    json_object_foreach(classes, key, unused) scale(classes, key, wave);
    while (json_array_size(workers) < (size_t)wanted)
        json_array_append_new(workers,
                              json_deep_copy(json_array_get(workers, 0)));
    while (json_array_size(workers) > (size_t)wanted)
        json_array_remove(workers, json_array_size(workers) - 1);
    json_array_foreach(workers, index, worker)
    {
        json_object_set_new(worker, "slot", json_integer((json_int_t)index));
        json_object_set_new(worker, "pid",
                            json_integer(4101 + (json_int_t)index));
        scale(worker, "requests_per_s",
              wave + 0.05 * wave_of(tick + (unsigned)index, 9));
        scale(worker, "cpu", wave + 0.1 * wave_of(tick + (unsigned)index, 9));
    }
    json_object_set_new(value, "now_s",
                        json_real((double)ed_clock_realtime() / 1e9));
    if (tick % 10 != 3)
        json_array_clear(json_object_get(value, "blocked"));
    return value;
}

static int live(ed_req *req)
{
    ed_ws *ws;
    int err = ed_ws_accept(req, &ws);

    for (unsigned tick = 0; !err; tick++) {
        json_t *value = moment(tick);
        char *text = json_dumps(value, JSON_COMPACT);
        err = ed_ws_send(ws, ed_bytes(text));
        free(text);
        json_decref(value);
        if (!err)
            err = ed_sleep(interval);
    }
    return err == ED_ECLOSED ? 0 : err;
}

/* ---- what can be told ---- */

static void obey(const char *path, const json_t *body)
{
    if (!strcmp(path, "/v1/scale"))
        wanted = (int)json_integer_value(json_object_get(body, "workers"));
    else if (!strcmp(path, "/v1/drain"))
        state = "draining";
    else if (!strcmp(path, "/v1/resume"))
        state = "ready";
    else if (!strcmp(path, "/v1/log-level"))
        snprintf(level, sizeof(level), "%s",
                 json_string_value(json_object_get(body, "level")));
}

static int told(ed_req *req)
{
    const char *token = ed_header(req, "Authorization");
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (err)
        return err;
    if (strncmp(ed_req_peer(req), "unix:", 5) &&
        !(token && !strcmp(token, TOKEN)))
        return ed_reply_json(req, 401, "{s:s}", "error",
                             "this needs the token");
    printf("POST %s %.*s\n", ed_req_path(req), (int)body.len, body.ptr);
    fflush(stdout);
    json_t *value = json_loadb(body.ptr, body.len, 0, NULL);
    obey(ed_req_path(req), value);
    json_decref(value);
    if (!strcmp(ed_req_path(req), "/v1/upgrade"))
        return ed_reply_json(req, 409, "{s:s}", "error",
                             "an upgrade is under way");
    return ed_reply_json(req, 200, "{s:b, s:s}", "ok", true, "text", "as told");
}

/* ---- serving ---- */

static int stop_on_signal(void *server)
{
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGTERM, SIGINT);

    if (!err)
        err = ed_signals_next(signals, &signo);
    ed_server_stop(server);
    ed_server_stop(server); /* what is live ends, too */
    return err;
}

static ed_app *make_app(void)
{
    static const char *const as_they_are[] = {
        "GET /v1/workers", "GET /v1/stats", "GET /v1/tree", "GET /v1/conns"};
    ed_app *app = ed_app_new();

    for (size_t i = 0; i < sizeof(as_they_are) / sizeof(*as_they_are); i++)
        ed_route(app, as_they_are[i], as_recorded);
    ed_route(app, "GET /v1/status", status);
    ed_route(app, "GET /v1/ps", ps);
    ed_route(app, "GET /v1/stack/{id}", stack);
    ed_route(app, "GET /v1/live", live);
    ed_route(app, "POST /v1/{what}", told);
    ed_console_routes(app);
    return app;
}

static int serve(void *addresses)
{
    ed_app *app = make_app();
    ed_server *server = ed_server_new(ed_app_handle, .user = app);
    int err = 0;

    for (char **address = addresses; *address && !err; address++)
        err = ed_server_listen(server, *address);
    if (err) {
        fprintf(stderr, "%s\n", ed_error());
    } else {
        ed_scope(around);
        ed_go(around, stop_on_signal, server);
        puts("ready");
        fflush(stdout);
        (void)ed_server_run(server);
    }
    ed_server_free(server);
    ed_app_free(app);
    return err;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    directory = argv[1];
    interval = atoi(argv[2]) * ED_MS;
    return ed_run(serve, argv + 3) ? 1 : 0;
}
