/*
 * scenarios_looking.c - looking into a server: the admin process's line to the
 * master, what it asks workers, what those say of themselves, and what they
 * send to a collector and a statsd.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/error.h>
#include <eddy/http.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "http/observer.h"
#include "serve/admin_internal.h"
#include "serve/board.h"
#include "serve/inspect.h"
#include "serve/telemetry.h"

/* ---- the line to the master ---- */

/* What it is told comes back, so that each answer is somebody's. It is gone
 * when its fiber is. */
static int play_master(void *arg)
{
    ed_stream *line ED_STREAM_AUTO = arg;
    struct ed_bytes text;
    int err;

    while (!(err = ed_stream_read_until(line, ED_BYTES("\n"), 100, &text))) {
        err = ed_stream_printf(line, "ok %.*s", (int)text.len, text.ptr);
        if (err)
            break;
    }
    return err;
}

struct asker {
    struct ed_admin *admin;
    const char *command;
};

/* A master that is there answers in no time: whose time is over, without a
 * deadline of his own, has had his answer taken by somebody else. */
static int ask(void *arg)
{
    const struct asker *asker = arg;
    const char *answer;
    int err = ed_admin_ask_master(asker->admin, asker->command, &answer);

    if (err == ED_ETIMEOUT && !ed_cancelled())
        return SCENARIO_CORRUPT;
    if (err)
        return err;
    return expect(!strncmp(answer, "ok ", 3) &&
                  !strcmp(answer + 3, asker->command));
}

struct spoiler {
    struct asker asker;
    ed_scope *next;
};

/* Who waits behind it has his turn, and is cancelled before he knows. */
static int ask_and_spoil(void *arg)
{
    struct spoiler *spoiler = arg;
    int err = ask(&spoiler->asker);

    ed_cancel(spoiler->next);
    return err;
}

static int ask_in_turn(struct ed_admin *a)
{
    struct asker next = {a, "scale 3"}, last = {a, "log-level off"};
    int err;
    {
        ed_scope(s);
        ed_scope(spoilt);
        struct spoiler first = {{a, "reload"}, spoilt};
        ed_go(s, ask_and_spoil, &first);
        ed_go(spoilt, ask, &next);
        err = ed_wait(s);
        if (ed_wait(spoilt) == SCENARIO_CORRUPT)
            return SCENARIO_CORRUPT;
    }
    int told = ask(&last);
    return told == SCENARIO_CORRUPT || !err ? told : err;
}

static int open_line(struct ed_admin *a, ed_stream **master)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends))
        return ED_ENOMEM;
    int err = ed_stream_of_fd(&a->line.stream, ends[0]);
    if (err)
        close(ends[0]);
    int other = ed_stream_of_fd(master, ends[1]);
    if (other)
        close(ends[1]);
    return err ? err : other;
}

/* Does something with a line to a master at whose other end one is played. */
static int with_master(struct ed_admin *a, int (*use)(struct ed_admin *a))
{
    ed_stream *master = NULL;
    int err = open_line(a, &master);

    if (err) {
        ed_stream_close(master);
    } else {
        ed_scope(s, .independent = true);
        ed_go(s, ed_admin_hear_master, a);
        if (ed_go(s, play_master, master))
            ed_stream_close(master);
        err = use(a);
    }
    ed_stream_close(a->line.stream);
    return err;
}

int run_admin_line(void *arg)
{
    struct ed_admin a = {0};

    (void)arg;
    return with_master(&a, ask_in_turn);
}

/* ---- the API ---- */

/* What a worker says; the requests' ages differ, and so does the order. */
static int worker_ps(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:[{s:i, s:i}], s:i}", "requests", "pid",
                         1, "age_s", 2, "total", 1);
}

static int worker_tree(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:i, s:[s]}", "pid", 1, "lines", "main");
}

static int worker_stack(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:s}", "id", ed_arg(req, "id"));
}

static int worker_level(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:b}", "ok", 1);
}

static struct ed_admin_door door;

/* Made once, undisturbed: apps come in a program's beginning. */
static struct {
    ed_app *worker, *admin;
    struct ed_board *board;
    char directory[32];
    char socket[64];
} there;

static void take_away(void)
{
    rmdir(there.directory);
}

static int make_there(void)
{
    int fd;

    if (there.admin)
        return 0;
    there.board = ed_board_new(&fd);
    if (!there.board)
        return ED_ENOMEM;
    close(fd);
    strcpy(there.directory, "/tmp/eddy-scn-XXXXXX");
    if (!mkdtemp(there.directory))
        return ED_EUSAGE;
    atexit(take_away);
    snprintf(there.socket, sizeof there.socket, "unix:%s/worker-0.sock",
             there.directory);
    there.worker = ed_app_new();
    ed_route(there.worker, "GET /ps", worker_ps);
    ed_route(there.worker, "GET /tree", worker_tree);
    ed_route(there.worker, "GET /stack/{id}", worker_stack);
    ed_route(there.worker, "POST /log-level", worker_level);
    there.admin = ed_app_new();
    ed_admin_door_set(there.admin, &door);
    ed_admin_worker_routes(there.admin);
    ed_admin_change_routes(there.admin);
    ed_admin_stats_routes(there.admin);
    struct ed_slot *slot = ed_board_take(there.board);
    atomic_store(&slot->state, ED_SLOT_READY);
    atomic_store(&slot->pid, 1);
    return 0;
}

/* An answer of the API is an object, whatever went wrong with a worker. */
static int get(ed_client *client, const char *address, const char *method,
               const char *path)
{
    char url[200];
    ed_res *res;

    snprintf(url, sizeof url, "http://%s%s", address, path);
    int err = ed_fetch(&res, url, .client = client, .method = method,
                       .body = *method == 'P' ? ED_BYTES("{\"level\":\"off\"}")
                                              : ED_BYTES(""));
    if (err || ed_res_status(res) != 200)
        return err ? err : ED_EPROTO;
    json_t *answer =
        json_loadb(ed_res_body(res).ptr, ed_res_body(res).len, 0, NULL);
    bool right = json_is_object(answer);
    json_decref(answer);
    return expect(right);
}

static int ask_api(ed_client *client, const char *address)
{
    static const struct {
        const char *method, *path;
    } asked[] = {
        {"GET", "/v1/ps"},      {"GET", "/v1/tree"},
        {"GET", "/v1/stack/a"}, {"GET", "/v1/workers"},
        {"POST", "/v1/reload"}, {"POST", "/v1/log-level"},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof asked / sizeof *asked && !err; i++)
        err = get(client, address, asked[i].method, asked[i].path);
    return err;
}

static int serve_api(struct ed_admin *a)
{
    ed_client *for_workers CLIENT_AUTO = ed_client_new(.proxy = "");
    ed_server *worker SERVER_AUTO =
        ed_server_new(ed_app_handle, .user = there.worker);

    if (!for_workers || !worker)
        return ED_ENOMEM;
    int err = ed_server_listen(worker, there.socket);
    if (err)
        return err;
    a->client = for_workers;
    ed_scope(s, .independent = true);
    ed_go(s, serve, worker);
    return with_server(ed_server_new(ed_app_handle, .user = there.admin),
                       ed_client_new(.proxy = ""), ask_api);
}

int run_admin(void *arg)
{
    struct ed_launch launch = {.directory = there.directory};
    struct ed_settings settings = {0};
    const struct ed_admin_options options = {"shop", &settings, &launch};
    struct ed_admin a = {.options = &options};
    int err = make_there();

    (void)arg;
    if (err)
        return err;
    a.board = there.board;
    door = (struct ed_admin_door){&a, true};
    return with_master(&a, serve_api);
}

/* ---- what the API asks of a worker ---- */

static void free_app(ed_app **app)
{
    ed_app_free(*app);
}
#define APP_AUTO __attribute__((cleanup(free_app)))

static char looked_into[ED_ADDR_TEXT];

static int linger(ed_req *req)
{
    ed_scope(s, .within = ED_MIN, .name = "thought");
    (void)s;
    int err = ed_sleep(10 * ED_S);
    return err ? err : ed_reply(req, 200, "at last");
}

/* What it says, which is to be released; NULL and *err. */
static json_t *look_at(ed_client *client, const char *address, const char *path,
                       int *err)
{
    char url[200];
    ed_res *res;

    snprintf(url, sizeof url, "http://%s%s", address, path);
    *err = ed_fetch(&res, url, .client = client);
    if (!*err && ed_res_status(res) != 200)
        *err = ED_EPROTO;
    if (*err)
        return NULL;
    json_t *said = ed_res_json(res);
    *err = said ? 0 : SCENARIO_CORRUPT;
    return said;
}

static int look_at_list(ed_client *client, const char *address,
                        const char *path, const char *list)
{
    int err;
    json_t *said = look_at(client, address, path, &err);
    bool right = json_array_size(json_object_get(said, list)) > 0;

    json_decref(said);
    return err ? err : expect(right);
}

static int look_at_stack(ed_client *client, const char *address)
{
    char path[100];
    int err;
    json_t *said = look_at(client, address, "/ps", &err);
    const char *id = json_string_value(json_object_get(
        json_array_get(json_object_get(said, "requests"), 0), "id"));

    snprintf(path, sizeof path, "/stack/%s", id ? id : "");
    json_decref(said);
    if (err)
        return err;
    return id ? look_at_list(client, address, path, "frames") : ED_ENOTFOUND;
}

static int look_at_all(ed_client *client, const char *address)
{
    int err = look_at_stack(client, address);

    if (!err)
        err = look_at_list(client, address, "/tree", "lines");
    if (!err)
        err = look_at_list(client, address, "/conns", "connections");
    return err;
}

/* While a request is under way there. */
static int look_into(ed_client *client, const char *address)
{
    struct ed_fetch_options options = {.size = sizeof options,
                                       .client = client};
    char url[200];
    ed_res *res;

    snprintf(url, sizeof url, "http://%s/", looked_into);
    ed_scope(s);
    ed_go_fetch(s, &res, url, &options);
    int err = ed_sleep(ED_S);
    return err ? err : look_at_all(client, address);
}

static void *make_inspect_app(void *server)
{
    return ed_inspect_app(server, 0);
}

/* An app is made where a program begins, and aborts without memory: by a thread
 * whose calls do not fail. */
static ed_app *inspect_app(ed_server *about)
{
    pthread_t thread;
    void *app = NULL;

    if (pthread_create(&thread, NULL, make_inspect_app, about))
        return NULL;
    pthread_join(thread, &app);
    return app;
}

int run_inspect(void *arg)
{
    ed_server *worker SERVER_AUTO = ed_server_new(linger);
    ed_app *app APP_AUTO = worker ? inspect_app(worker) : NULL;
    (void)arg;
    if (!app)
        return ED_ENOMEM;
    int err = ed_server_listen(worker, "127.0.0.1:0");
    if (err)
        return err;
    ed_server_address(worker, 0, looked_into);
    ed_scope(s, .independent = true);
    ed_go(s, serve, worker);
    return with_server(ed_server_new(ed_app_handle, .user = app),
                       ed_client_new(.proxy = ""), look_into);
}

/* ---- what is told to others ---- */

static struct {
    struct ed_server_observer observer;
    struct ed_telemetry *telemetry;
    ed_server *server;
    int batches; /* that the collector was sent */
    bool broken; /* one that is none */
} told;

static void began(struct ed_server_observer *observer, ed_req *req)
{
    (void)observer;
    if (strcmp(ed_req_path(req), "/v1/traces"))
        ed_telemetry_began(told.telemetry, req);
}

static void over(struct ed_server_observer *observer, ed_req *req, int status,
                 int err)
{
    (void)observer;
    if (strcmp(ed_req_path(req), "/v1/traces"))
        ed_telemetry_over(told.telemetry, req, status, err, ED_MS);
}

/* The collector, in the same server: that is busy once. */
static int collect(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (err)
        return err;
    if (!told.batches++)
        return ed_reply(req, 503, "later\n");
    json_t *batch = json_loadb(body.ptr, body.len, 0, NULL);
    told.broken |= !json_is_object(batch);
    json_decref(batch);
    return ed_reply_json(req, 200, "{}");
}

static int answer(ed_req *req)
{
    return strcmp(ed_req_path(req), "/v1/traces") ? ed_reply(req, 200, "hello")
                                                  : collect(req);
}

static int tell_all(ed_client *client, const char *address)
{
    char url[200], otlp[200];
    struct ed_settings settings = {
        .otlp = otlp, .trace_sample = 1, .statsd = "127.0.0.1:9"};
    ed_res *res;

    snprintf(url, sizeof url, "http://%s/", address);
    snprintf(otlp, sizeof otlp, "http://%s", address);
    int err = ed_telemetry_open(&told.telemetry, &settings, NULL, "shop");
    if (err)
        return err;
    ed_server_observe(told.server, &told.observer);
    err = ed_fetch(&res, url, .client = client);
    if (!err)
        err = ed_sleep(20 * ED_S); /* the batch is sent, and once more */
    ed_server_observe(told.server, NULL);
    ed_telemetry_close(told.telemetry);
    return err;
}

int run_telemetry(void *arg)
{
    (void)arg;
    told.observer.began = began;
    told.observer.over = over;
    told.batches = 0;
    told.broken = false;
    told.server = ed_server_new(answer);
    int err = with_server(told.server, ed_client_new(), tell_all);
    if (told.broken)
        return SCENARIO_CORRUPT;
    return err ? err : told.batches == 2 ? 0 : ED_EPROTO;
}
