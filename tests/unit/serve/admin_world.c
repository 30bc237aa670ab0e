/*
 * admin_world.c - an admin process, and a master, a board and workers that are
 * played.
 */
#include "admin_world.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/handed.h"
#include "tree.h"

/* For what never takes long but on a busy machine. */
static const int64_t PATIENCE = 60 * ED_S;

static const char *encoded(const char *path)
{
    static char out[256];
    size_t n = 0;

    for (; *path && n < sizeof out - 4; path++) {
        if (*path == '/') {
            memcpy(&out[n], "%2F", 3);
            n += 3;
        } else {
            out[n++] = *path;
        }
    }
    out[n] = '\0';
    return out;
}

const char *world_url(struct world *w, const char *path)
{
    static char url[400];
    char socket_path[96];

    snprintf(socket_path, sizeof socket_path, "%s/ctl", w->directory);
    snprintf(url, sizeof url, "http+unix://%s%s", encoded(socket_path), path);
    return url;
}

/* ---- the process ---- */

static void listen_at(struct ed_bound *bound, const char *address)
{
    const struct ed_listen_options options = {.size = sizeof options};

    if (ed_listen_fd(bound, address, &options)) {
        fprintf(stderr, "%s\n", bound->why);
        exit(1);
    }
}

static int run_process(struct world *w, int line)
{
    const struct ed_admin_options options = {
        .name = "shop",
        .settings = &w->settings,
        .launch =
            &(struct ed_launch){
                .role = ED_ROLE_ADMIN,
                .board = w->board_fd,
                .settings = -1,
                .control = line,
                .inspect = -1,
                .tickets = -1,
                .addresses = w->addresses,
                .listeners = {w->ways_in[0].fd, w->ways_in[1].fd},
                .listener_count = 2,
                .ctl_count = 1,
                .directory = w->directory,
            },
    };

    ed_log_set_level(ED_LOG_OFF);
    return ed_admin_run(&options);
}

static void start_process(struct world *w, int *line)
{
    char address[96];
    int ends[2];
    struct sockaddr_in where;
    socklen_t len = sizeof where;

    snprintf(address, sizeof address, "unix:%s/ctl", w->directory);
    listen_at(&w->ways_in[0], address);
    listen_at(&w->ways_in[1], "127.0.0.1:0");
    if (getsockname(w->ways_in[1].fd, (struct sockaddr *)&where, &len) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        exit(1);
    snprintf(w->open_url, sizeof w->open_url, "http://127.0.0.1:%d",
             ntohs(where.sin_port));
    w->addresses = ed_handed_new(
        "addresses",
        ED_BYTES("127.0.0.1:43210\n[::1]:443\nunix:/run/a shop.sock\n"));
    fflush(NULL);
    w->process = fork();
    if (!w->process) {
        close(ends[0]);
        exit(run_process(w, ends[1]));
    }
    close(ends[1]);
    *line = ends[0];
}

static void note_end(struct world *w)
{
    if (!w->ended && waitpid(w->process, &w->status, WNOHANG) == w->process)
        w->ended = true;
}

void world_wait(struct world *w)
{
    int err = 0;

    for (note_end(w); !w->ended && !err; note_end(w))
        err = ed_sleep(5 * ED_MS);
    check(w->ended);
}

/* ---- the master ---- */

static int play_master(void *arg)
{
    struct world *w = arg;
    struct ed_bytes text;
    int err = 0;

    while (!err && !(err = ed_stream_read_until(w->line, ED_BYTES("\n"), 1000,
                                                &text))) {
        char *line = w->heard[w->heard_count % 8];
        snprintf(line, sizeof w->heard[0], "%.*s", (int)text.len - 1, text.ptr);
        w->heard_count++;
        if (!w->silent)
            err =
                ed_stream_printf(w->line, "%s\n", w->answer ? w->answer : "ok");
    }
    return 0;
}

/* ---- workers ---- */

static int run_server(void *server)
{
    (void)ed_server_run(server);
    return 0;
}

ed_app *world_app(const char *pattern, ed_handler *handler)
{
    ed_app *app = ed_app_new();

    ed_route(app, pattern, handler);
    return app;
}

void world_worker(struct world *w, unsigned slot, int pid, ed_app *app)
{
    char address[96];
    struct ed_slot *on_board = &w->board->slots[slot];

    atomic_store(&on_board->pid, pid);
    atomic_store(&on_board->generation, 1);
    atomic_store(&on_board->started, ed_clock_realtime());
    atomic_store(&on_board->beat, ed_clock_monotonic());
    atomic_store(&on_board->state, ED_SLOT_READY);
    if (!app)
        return;
    snprintf(address, sizeof address, "unix:%s/worker-%u.sock", w->directory,
             slot);
    w->apps[slot] = app;
    w->workers[slot] =
        ed_server_new(ed_app_handle, .user = app, .drain_timeout = ED_MS);
    check_int(ed_server_listen(w->workers[slot], address), 0);
    ed_go(w->scope, run_server, w->workers[slot]);
}

static void stop_workers(struct world *w)
{
    for (int i = 0; i < WORLD_WORKERS; i++) {
        if (!w->workers[i])
            continue;
        ed_server_stop(w->workers[i]);
        ed_server_stop(w->workers[i]);
    }
}

static void free_workers(struct world *w)
{
    for (int i = 0; i < WORLD_WORKERS; i++) {
        ed_server_free(w->workers[i]);
        ed_app_free(w->apps[i]);
    }
}

/* ---- asking ---- */

static ed_res *asked(int err, ed_res *const *res, const char *what)
{
    check_(!err, "%s: %s: %s", what, ed_err_name(err), ed_error());
    return err ? NULL : *res;
}

ed_res *world_get(struct world *w, const char *path)
{
    ed_res *res = NULL;
    int err = ed_fetch(&res, world_url(w, path), .client = w->client);

    return asked(err, &res, path);
}

ed_res *world_post(struct world *w, const char *path, const char *body)
{
    ed_res *res = NULL;
    int err = ed_fetch(&res, world_url(w, path), .client = w->client,
                       .method = "POST", .body = ed_bytes(body));

    return asked(err, &res, path);
}

ed_res *world_open(struct world *w, const char *method, const char *path,
                   const char *token)
{
    char url[200];
    ed_res *res = NULL;

    snprintf(url, sizeof url, "%s%s", w->open_url, path);
    int err = ed_fetch(&res, url, .client = w->client, .method = method,
                       .bearer = token);
    return asked(err, &res, path);
}

const char *world_text(const ed_res *res)
{
    return res ? ed_res_text(res) : "";
}

int world_status(const ed_res *res)
{
    return res ? ed_res_status(res) : 0;
}

static json_t *find(json_t *at, const char *path)
{
    char part[40];

    while (at && *path) {
        size_t len = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)len, path);
        at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
                               : json_object_get(at, part);
        path += len + (path[len] == '.');
    }
    return at;
}

double world_number(const ed_res *res, const char *path)
{
    json_t *all = res ? ed_res_json(res) : NULL;
    json_t *value = find(all, path);

    check_(json_is_number(value), "no number %s in %s", path, world_text(res));
    double n = json_number_value(value);
    json_decref(all);
    return n;
}

const char *world_string(const ed_res *res, const char *path)
{
    static char text[300];
    json_t *all = res ? ed_res_json(res) : NULL;
    const char *value = json_string_value(find(all, path));

    check_(value != NULL, "no text %s in %s", path, world_text(res));
    snprintf(text, sizeof text, "%s", value ? value : "");
    json_decref(all);
    return text;
}

/* ---- one test ---- */

struct run {
    struct world *w;
    world_fn *test;
    int line;
};

static void play(struct run *run)
{
    struct world *w = run->w;
    ed_scope(s, .independent = true);

    w->scope = s;
    ed_go(s, play_master, w);
    run->test(w);
    stop_workers(w);
    if (w->line)
        ed_stream_shutdown(w->line);
    world_wait(w);
    check_int(w->status, 0);
    ed_cancel(s);
}

static int run_fiber(void *arg)
{
    struct run *run = arg;
    struct world *w = run->w;

    ed_scope(patience, .within = PATIENCE);
    check_int(ed_stream_of_fd(&w->line, run->line), 0);
    w->client = ed_client_new(.no_propagation = true, .proxy = "");
    play(run);
    check(ed_cancelled() != ED_ETIMEOUT);
    ed_client_free(w->client);
    free_workers(w);
    ed_stream_close(w->line);
    return 0;
}

void world_run(world_fn *prepare, world_fn *test)
{
    struct world w = {.directory = "/tmp/eddy-admin-XXXXXX"};
    static const char *listen[] = {"127.0.0.1:0", "unix:/run/shop.sock", NULL};
    struct run run = {.w = &w, .test = test};

    fiber_test_failures = 0;
    signal(SIGPIPE, SIG_IGN);
    assert_non_null(mkdtemp(w.directory));
    w.settings.log = "warn,json";
    w.settings.listen = (struct ed_texts){listen, 2};
    w.board = ed_board_new(&w.board_fd);
    assert_non_null(w.board);
    atomic_store(&w.board->master, getpid());
    atomic_store(&w.board->started, ed_clock_realtime());
    atomic_store(&w.board->wanted, 2);
    atomic_store(&w.board->ready, true);
    if (prepare)
        prepare(&w);
    start_process(&w, &run.line);
    assert_int_equal(ed_run(run_fiber, &run), 0);
    if (!w.ended) {
        kill(w.process, SIGKILL);
        waitpid(w.process, NULL, 0);
    }
    ed_board_unmap(w.board);
    close(w.board_fd);
    close(w.addresses);
    ed_bound_close(&w.ways_in[0]);
    ed_bound_close(&w.ways_in[1]);
    assert_int_equal(tree_remove(w.directory), 0);
    assert_int_equal(fiber_test_failures, 0);
}
