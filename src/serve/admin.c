/*
 * admin.c - the admin process: its two ways in, and its end.
 *
 * Two servers in one loop that differ in nothing but whom they trust
 * (admin_access.c). Neither queues nor sheds: health is told when all else is
 * late.
 */
#include "serve/admin_internal.h"
#include "serve/console.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/middleware.h>
#include <eddy/signal.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "net/stream.h"
#include "serve/privileges.h"
#include "serve/sandbox.h"

/* Connections of each way in. Whoever looks needs few; a leak of a scraper's
 * shall not cost us all descriptors. */
enum { CONNECTIONS_MAX = 256 };

/* A body tells a number or a word. */
enum { BODY_MAX = 4096 };

/* What workers answer is in a request's arena: many of them, many rows. */
static const size_t ARENA_MAX = (size_t)256 << 20;

/* What is being answered when the process ends: seconds are for drains. */
static const int64_t END_TIME = 2 * ED_S;

/* For a request that is on its way when we stop. A reload brings another admin
 * process, which waits for our end, and its callers with it: not for long. */
static const int64_t END_GRACE = 100 * ED_MS;

int ed_admin_refuse(ed_req *req, int status, const char *why)
{
    return ed_reply_json(req, status, "{s:s}", "error", why);
}

/* ---- health ---- */

static int healthz(ed_req *req)
{
    return ed_reply(req, 200, "ok\n");
}

static int readyz(ed_req *req)
{
    const char *why = ed_board_unready(ed_admin_of(req)->board);

    return why ? ed_reply(req, 503, "not ready: %s\n", why)
               : ed_reply(req, 200, "ready\n");
}

static int metrics(ed_req *req)
{
    const struct ed_admin *a = ed_admin_of(req);
    struct ed_snapshot s = {0};
    struct ed_buf text = {0};
    int err = ed_snapshot_take(&s, a->board);

    if (!err)
        err = ed_prometheus_write(&text, a->board, &s, a->options->name,
                                  &a->master);
    ed_snapshot_free(&s);
    if (!err)
        err = ed_reply_bytes(req, 200, ED_PROMETHEUS_TYPE, ed_buf_bytes(&text));
    ed_buf_free(&text);
    return err;
}

/* ---- the two ways in ---- */

static int body_limit(ed_req *req, void *arg)
{
    (void)arg;
    ed_body_limit(req, BODY_MAX);
    return 0;
}

/* Whatever is told is of this moment. */
static int never_kept(ed_req *req, void *arg)
{
    (void)arg;
    return ed_reply_header(req, "Cache-Control", "no-store");
}

/* Whoever opens the address in a browser. */
static int to_console(ed_req *req)
{
    return ed_redirect(req, 307, "/console/");
}

static ed_app *make_app(struct ed_admin_door *door)
{
    ed_app *app = ed_app_new();

    ed_admin_door_set(app, door);
    ed_on_error(app, ed_admin_refuse);
    ed_before(app, ed_admin_see_to, door);
    ed_before(app, never_kept, NULL);
    ed_before(app, body_limit, NULL);
    ed_route(app, "GET /healthz", healthz);
    ed_route(app, "GET /readyz", readyz);
    ed_route(app, "GET /metrics", metrics);
    ed_admin_stats_routes(app);
    ed_admin_worker_routes(app);
    ed_admin_live_routes(app);
    ed_admin_change_routes(app);
    ed_console_routes(app);
    ed_route(app, "GET /", to_console);
    return app;
}

static ed_server *make_server(ed_app *app)
{
    return ed_server_new(ed_app_handle, .user = app, .drain_timeout = END_TIME,
                         .stop_grace = END_GRACE, .max_memory = ARENA_MAX,
                         .max_connections = CONNECTIONS_MAX);
}

static int add_listener(ed_server *server, int fd)
{
    ed_listener *listener;
    int err = ed_listener_of_fd(&listener, fd);

    if (err)
        return err;
    err = ed_server_add(server, listener);
    if (err)
        ed_listener_close(listener);
    return err;
}

static int add_listeners(struct ed_admin *a)
{
    const struct ed_launch *launch = a->options->launch;

    for (size_t i = 0; i < launch->listener_count; i++) {
        int err = add_listener(i < launch->ctl_count ? a->ctl : a->open,
                               launch->listeners[i]);
        if (err)
            return ed_fail(err, "descriptor %d", launch->listeners[i]);
    }
    return 0;
}

/* ---- its end ---- */

static void stop(struct ed_admin *a)
{
    if (a->stopping)
        return;
    a->stopping = true;
    ed_server_stop(a->ctl);
    ed_server_stop(a->open);
}

static int watch_master(void *arg)
{
    struct ed_admin *a = arg;
    int err = ed_admin_hear_master(a);

    stop(a);
    return err == ED_ECANCELED ? err : 0;
}

/* Those of a terminal are the master's to act on. */
static int watch_signals(void *arg)
{
    struct ed_admin *a = arg;
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int err =
        ed_signals_open(&signals, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1);
    int signo;

    while (!err && !(err = ed_signals_next(signals, &signo))) {
        if (signo == SIGTERM)
            stop(a);
        else if (signo == SIGUSR1)
            (void)ed_log_reopen(); /* what cannot be is in the old log */
    }
    return err;
}

/* ---- serving ---- */

static int run_server(void *server)
{
    int err = ed_server_run(server);

    return err == ED_ETIMEOUT ? 0 : err; /* somebody was slow to leave */
}

static int serve(struct ed_admin *a)
{
    ed_scope(about, .independent = true, .name = "admin");
    int err = ed_go(about, watch_signals, a);
    if (!err)
        err = ed_go(about, watch_master, a);
    if (!err)
        err = ed_go(about, ed_admin_live_run, a);
    if (err)
        return err;

    ed_scope(servers, .name = "servers");
    ed_go(servers, run_server, a->ctl);
    ed_go(servers, run_server, a->open);
    err = ed_wait(servers);
    ed_cancel(about);
    return err;
}

static int open_all(struct ed_admin *a, ed_app *ctl, ed_app *open)
{
    a->ctl = make_server(ctl);
    a->open = make_server(open);
    a->client = ed_client_new(.proxy = "", .max_redirects = -1,
                              .no_propagation = true, .max_idle = 64);
    if (!a->ctl || !a->open || !a->client)
        return ED_ENOMEM;
    int err = ed_admin_live_open(a);
    if (!err)
        err = ed_stream_of_fd(&a->line.stream, a->options->launch->control);
    return err ? err : add_listeners(a);
}

static int run_admin(void *arg)
{
    struct ed_admin *a = arg;
    struct ed_admin_door trusted = {a, true}, open = {a, false};
    ed_app *apps[] = {make_app(&trusted), make_app(&open)};
    int err = open_all(a, apps[0], apps[1]);

    if (!err)
        err = serve(a);
    if (err && err != ED_ECANCELED) {
        const char *detail = ed_error();
        ed_log_error("admin: %s%s%s", ed_err_text(err), *detail ? ": " : "",
                     detail);
    }
    ed_stream_close(a->line.stream);
    ed_client_free(a->client);
    ed_admin_live_close(a);
    ed_server_free(a->ctl);
    ed_server_free(a->open);
    ed_app_free(apps[0]);
    ed_app_free(apps[1]);
    return err;
}

/* ---- before the loop ---- */

static int open_board(struct ed_admin *a)
{
    a->board = ed_board_map(a->options->launch->board);
    if (a->board)
        return 0;
    int err = -errno;
    ed_log_error("no admin process: %s",
                 err == -EPROTO ? "the master is of another version; upgrade "
                                  "it (SIGUSR2)"
                                : ed_err_text(err));
    return err;
}

/* The root of workers is not for this process, which finds them by their
 * sockets. Nor is it for them to look into, or to change, being the same user:
 * the master listens to it. */
static int give_up_rights(const struct ed_admin *a)
{
    struct ed_settings own = *a->options->settings;
    uid_t before = geteuid();

    own.chroot = NULL;
    int err = ed_privileges_drop(&own);
    if (!err && geteuid() != before && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        err = -errno;
    return err ? err : ed_sandbox_enter_admin(&own);
}

static int prepare(struct ed_admin *a)
{
    int err = open_board(a);

    if (err)
        return err;
    ed_board_use_level(a->board);
    ed_prometheus_open(&a->master, atomic_load(&a->board->master));
    ed_admin_keep_token(a);
    err = give_up_rights(a);
    if (!err)
        ed_admin_check_token(a);
    return err;
}

int ed_admin_run(const struct ed_admin_options *options)
{
    struct ed_admin a = {.options = options, .master = {-1, -1}};
    int err = prepare(&a);

    signal(SIGPIPE, SIG_IGN); /* a write says EPIPE as well */
    if (!err)
        err = ed_run(run_admin, &a);
    ed_prometheus_close(&a.master);
    explicit_bzero(a.token_room, sizeof a.token_room);
    ed_board_unmap(a.board);
    return err && err != ED_ECANCELED ? 1 : 0;
}
