/*
 * telemetry_target.c - a server whose requests are told to a collector and a
 * statsd: `telemetry_target OTLP-URL STATSD-ADDRESS ACCESS-LOG`. SIGTERM ends
 * it.
 */
#include "http/observer.h"
#include "serve/telemetry.h"

#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/signal.h>
#include <signal.h>
#include <stdio.h>

struct target {
    struct ed_settings settings;
    struct ed_server_observer observer;
    struct ed_telemetry *telemetry;
    ed_server *server;
};

static char url[ED_ADDR_TEXT + 32];

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello, %s!\n", ed_arg(req, "name"));
}

static int fetching(ed_req *req)
{
    ed_res *res;
    int err = ed_get(&res, url);

    return err ? err : ed_reply(req, 200, "%s", ed_res_text(res));
}

static void began(struct ed_server_observer *observer, ed_req *req)
{
    ed_telemetry_began(
        ED_CONTAINER(observer, struct target, observer)->telemetry, req);
}

static void over(struct ed_server_observer *observer, ed_req *req, int status,
                 int err)
{
    int64_t took = ed_loop_now_exact(ed_loop_current()) - req->came;

    ed_telemetry_over(
        ED_CONTAINER(observer, struct target, observer)->telemetry, req, status,
        err, took);
}

static int await_end(void *arg)
{
    struct target *target = arg;
    ed_signals *signals;
    int signo;
    int err = ed_signals_open(&signals, SIGTERM);

    if (err)
        return err;
    err = ed_signals_next(signals, &signo);
    ed_signals_close(signals);
    ed_server_stop(target->server);
    return err;
}

static int serve(struct target *target)
{
    char address[ED_ADDR_TEXT];
    int err = ed_server_listen(target->server, "127.0.0.1:0");

    if (err)
        return err;
    ed_server_observe(target->server, &target->observer);
    ed_server_address(target->server, 0, address);
    snprintf(url, sizeof url, "http://%s/hello/self", address);
    printf("http://%s\n", address);
    fflush(stdout);
    ed_scope(s);
    err = ed_go(s, await_end, target);
    return err ? err : ed_server_run(target->server);
}

static int run(void *arg)
{
    struct target *target = arg;
    ed_app *app = ed_app_new();

    ed_route(app, "GET /hello/{name}", hello);
    ed_route(app, "GET /fetching", fetching);
    target->server = ed_server_new(ed_app_handle, .user = app);
    int err =
        ed_telemetry_open(&target->telemetry, &target->settings, app, "target");
    if (!err)
        err = serve(target);
    ed_telemetry_close(target->telemetry);
    ed_server_free(target->server);
    ed_app_free(app);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct target target = {
        .settings = {.otlp = argv[1],
                     .statsd = argv[2],
                     .statsd_prefix = "eddy.",
                     .access_log = argv[3],
                     .trace_sample = 1},
        .observer = {.began = began, .over = over},
    };
    return ed_run(run, &target) ? 1 : 0;
}
