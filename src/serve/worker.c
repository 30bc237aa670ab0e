/*
 * worker.c - a process that serves.
 *
 * Owns its server and all that is about it: the line to the master, its slot
 * on the board, the watch over its own size and age. What happens to a request
 * on its way to the app is requests.c's.
 */
#include "serve/worker_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/signal.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "app/app_internal.h"
#include "core/monitor.h"
#include "core/report.h"
#include "http/observer.h"
#include "net/stream.h"
#include "serve/inspect.h"
#include "serve/privileges.h"
#include "serve/sandbox.h"

/* How often a worker shows that its loop runs. */
static const int64_t BEAT = 250 * ED_MS;

/* Its size is looked at every so many beats. */
enum { BEATS_A_LOOK = 8 };

/* Whoever looks in when the worker ends has had the time. */
static const int64_t INSPECT_DRAIN = 100 * ED_MS;

/* A connection that was used so lately may have a request on its way to us
 * when we stop. */
static const int64_t STOP_GRACE = ED_S;

enum { DONE = 0, FAILED = 1, WRONG = 2 };

static int64_t random_below(uint64_t bound)
{
    uint64_t n = 0;

    if (!bound || getrandom(&n, sizeof n, GRND_NONBLOCK) != sizeof n)
        return 0;
    return (int64_t)(n % bound);
}

/* ---- the master ---- */

ED_PRINTF(2, 3)
static void say(struct ed_worker *w, const char *fmt, ...)
{
    char line[256];
    va_list args;

    if (!w->control)
        return;
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof line - 1, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    if (len > (int)sizeof line - 2)
        len = sizeof line - 2;
    line[len] = '\n';
    int err = ed_stream_write(w->control, line, (size_t)len + 1);
    (void)err; /* a master that is gone is noticed where it is listened to */
}

static int shut_down(void *app)
{
    ed_app_shutdown(app);
    return 0;
}

static void begin_to_stop(struct ed_worker *w)
{
    if (w->stopping)
        return;
    w->stopping = true;
    if (w->starting) {
        ed_cancel(w->starting); /* a part may wait for long */
        return;
    }
    ed_server_stop(w->server);
    /* In a fiber of its own: signals and the master are heard meanwhile. */
    ed_go(w->scope, shut_down, w->app);
}

static void stop_at_once(struct ed_worker *w)
{
    begin_to_stop(w);
    if (!w->starting)
        ed_server_stop(w->server);
}

/* What cannot be is told in the old log. */
static void reopen(struct ed_worker *w)
{
    if (w->requests)
        ed_requests_reopen(w);
    else
        (void)ed_log_reopen();
}

static void on_drain(struct ed_worker *w, const char *rest)
{
    (void)rest;
    begin_to_stop(w);
}

static void on_quit(struct ed_worker *w, const char *rest)
{
    (void)rest;
    stop_at_once(w);
}

static void on_reopen(struct ed_worker *w, const char *rest)
{
    (void)rest;
    reopen(w);
}

static const struct {
    const char *word;
    void (*act)(struct ed_worker *w, const char *rest);
} orders[] = {
    {"drain", on_drain},
    {"quit", on_quit},
    {"reopen", on_reopen},
};

static void obey(struct ed_worker *w, struct ed_bytes line)
{
    char text[256];
    int len = line.len < sizeof text ? (int)line.len : (int)sizeof text - 1;
    snprintf(text, sizeof text, "%.*s", len, line.ptr);
    char *rest = strchr(text, ' ');

    if (rest)
        *rest++ = '\0';
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (!strcmp(text, orders[i].word))
            orders[i].act(w, rest ? rest : "");
    }
}

/* A master that is gone takes its workers with it, in peace. */
static int hear_master(void *arg)
{
    struct ed_worker *w = arg;
    struct ed_bytes line;
    int err;

    while (!(err = ed_stream_read_until(w->control, ED_BYTES("\n"),
                                        ED_CHILD_LINE, &line))) {
        line.len--;
        obey(w, line);
    }
    if (err == ED_ECANCELED)
        return err;
    ed_log_error("the master is gone: stopping");
    begin_to_stop(w);
    return 0;
}

/* ---- signals ---- */

static void reload_certificates(const struct ed_worker *w)
{
    if (!w->tls)
        return;
    if (ed_tls_reload(w->tls))
        ed_log_error("certificates not reloaded, the old ones stay: %s",
                     ed_error());
    else
        ed_log_info("certificates reloaded");
}

static void take_stop_signal(struct ed_worker *w, int signo)
{
    bool at_once = w->stopping || signo == SIGINT;

    ed_log_info(at_once ? "stopping at once"
                        : "stopping when all requests are answered");
    if (at_once)
        stop_at_once(w);
    else
        begin_to_stop(w);
}

/* With a master, the terminal's SIGINT is the master's business. */
static int watch_signals(void *arg)
{
    struct ed_worker *w = arg;
    int signo, err;

    while (!(err = ed_signals_next(w->signals, &signo))) {
        if (signo == SIGUSR1)
            reopen(w);
        else if (signo == SIGHUP)
            reload_certificates(w);
        else if (signo != SIGINT || !w->options->launch)
            take_stop_signal(w, signo);
    }
    return err;
}

/* SIGHUP means what it always does, unless there is something to reload. */
static int open_signals(struct ed_worker *w)
{
    if (w->options->launch || w->tls)
        return ed_signals_open(&w->signals, SIGINT, SIGTERM, SIGQUIT, SIGUSR1,
                               SIGHUP);
    return ed_signals_open(&w->signals, SIGINT, SIGTERM, SIGQUIT, SIGUSR1);
}

/* ---- its slot, size and age ---- */

/* Resident bytes, the second number in the file; 0: not known. */
static uint64_t memory_used(void)
{
    char text[128];
    int64_t pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    struct ed_bytes rest = ed_bytes_of(text, n > 0 ? (size_t)n : 0);

    if (fd >= 0)
        close(fd);
    (void)ed_bytes_cut(&rest, ' ');
    if (!rest.ptr || ed_bytes_int(ed_bytes_cut(&rest, ' '), &pages))
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t cpu_used(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * ED_S + t.tv_nsec;
}

static void show(struct ed_worker *w, bool look)
{
    struct ed_slot *slot = w->slot;
    struct ed_server_counts counts;

    ed_server_counts(w->server, &counts);
    atomic_store_explicit(&slot->beat, ed_clock_monotonic(),
                          memory_order_relaxed);
    atomic_store_explicit(&slot->counters.accepted, counts.accepted,
                          memory_order_relaxed);
    atomic_store_explicit(&slot->counters.handshakes, counts.handshakes,
                          memory_order_relaxed);
    atomic_store_explicit(&slot->counters.handshakes_failed,
                          counts.handshakes_failed, memory_order_relaxed);
    atomic_store_explicit(&slot->cpu, cpu_used(), memory_order_relaxed);
    if (look)
        atomic_store_explicit(&slot->memory, memory_used(),
                              memory_order_relaxed);
}

/* On the monitor's thread: others see where the loop stands while it does. */
static void note_block(const struct ed_block *block, void *slot)
{
    struct ed_slot *mine = slot;

    ed_standstill_write(mine->standstills, block);
    atomic_store_explicit(&mine->counters.blocked, block->number,
                          memory_order_relaxed);
}

static void ask_for_another(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;
    struct ed_server_counts counts;
    uint64_t memory =
        atomic_load_explicit(&w->slot->memory, memory_order_relaxed);

    ed_server_counts(w->server, &counts);
    if (w->tired || !w->control)
        return;
    w->tired = true;
    if (w->requests_end && counts.requests >= w->requests_end)
        say(w, "replace it has served %llu requests",
            (unsigned long long)counts.requests);
    else if (w->age_end && ed_now() >= w->age_end)
        say(w, "replace it is old");
    else if (s->max_memory && memory >= s->max_memory)
        say(w, "replace it takes %llu MiB of memory",
            (unsigned long long)(memory >> 20));
    else
        w->tired = false;
}

static int beat(void *arg)
{
    struct ed_worker *w = arg;
    unsigned n = 0;
    int err;

    do {
        show(w, n++ % BEATS_A_LOOK == 0);
        ask_for_another(w);
    } while (!(err = ed_sleep(BEAT)));
    return err;
}

static void set_ends(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;

    if (s->max_requests)
        w->requests_end =
            s->max_requests +
            (uint64_t)random_below((uint64_t)s->max_requests_jitter + 1);
    if (s->max_age > 0)
        /* Those who were started together shall not go together. */
        w->age_end =
            ed_now() + s->max_age + random_below((uint64_t)s->max_age / 8 + 1);
}

/* ---- listening ---- */

static int add_listener(struct ed_worker *w, int fd)
{
    ed_listener *listener;
    int err = ed_listener_of_fd(&listener, fd,
                                .exclusive = w->options->launch != NULL);

    if (err) {
        ed_log_error("descriptor %d cannot be listened on: %s", fd,
                     ed_err_text(err));
        return err;
    }
    err = ed_server_add(w->server, listener, .tls = w->tls);
    if (err)
        ed_listener_close(listener);
    return err;
}

static int take_listeners(struct ed_worker *w)
{
    const struct ed_launch *launch = w->options->launch;
    int err = 0;

    for (size_t i = 0; i < launch->listener_count && !err; i++)
        err = add_listener(w, launch->listeners[i]);
    return err;
}

/* The files of Unix sockets stay until the end. */
static int take_own_listeners(struct ed_worker *w)
{
    int err = 0;

    for (size_t i = 0; i < w->sockets.count && !err; i++) {
        int fd = w->sockets.each[i].bound.fd;
        w->sockets.each[i].bound.fd = -1; /* the listener's */
        err = add_listener(w, fd);
    }
    return err;
}

static void tell_addresses(const struct ed_worker *w)
{
    const char *scheme = w->tls ? "https://" : "http://";
    char address[ED_ADDR_TEXT];

    for (size_t i = 0; ed_server_address(w->server, i, address); i++) {
        bool local = !strncmp(address, "unix:", 5);
        ed_log_info("listening on %s%s", local ? "" : scheme, address);
    }
}

static int listen_everywhere(struct ed_worker *w)
{
    return w->options->launch ? take_listeners(w) : take_own_listeners(w);
}

/* ---- being looked into ---- */

static int serve_inspect(void *arg)
{
    struct ed_worker *w = arg;

    return ed_server_run(w->inspect);
}

/* A worker that cannot be looked into serves all the same. */
static void open_inspect(struct ed_worker *w)
{
    const struct ed_launch *launch = w->options->launch;
    ed_listener *listener;

    if (!launch || launch->inspect < 0)
        return;
    w->inspect_app = ed_inspect_app(w->server, (int)launch->slot);
    w->inspect = ed_server_new(ed_app_handle, .user = w->inspect_app,
                               .drain_timeout = INSPECT_DRAIN);
    int err =
        w->inspect ? ed_listener_of_fd(&listener, launch->inspect) : ED_ENOMEM;
    if (err) {
        ed_log_warn("this worker cannot be looked into: %s", ed_err_text(err));
        return;
    }
    err = ed_server_add(w->inspect, listener);
    if (err)
        ed_listener_close(listener);
}

static void close_inspect(struct ed_worker *w)
{
    ed_server_free(w->inspect);
    ed_app_free(w->inspect_app);
}

/* ---- serving ---- */

static int64_t or_never(int64_t time)
{
    return time > 0 ? time : -1;
}

static ed_server *make_server(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;

    return ed_server_new(ed_requests_handle, .user = w,
                         .head_timeout = or_never(s->head_timeout),
                         .body_timeout = or_never(s->body_timeout),
                         .idle_timeout = or_never(s->idle_timeout),
                         .write_timeout = or_never(s->write_timeout),
                         .request_timeout = s->request_timeout,
                         .drain_timeout = s->drain_timeout,
                         .stop_grace = STOP_GRACE, .max_body = s->max_body,
                         .max_head = (uint32_t)s->max_head,
                         .max_connections = s->max_connections);
}

static int open_control(struct ed_worker *w)
{
    const struct ed_launch *launch = w->options->launch;

    return launch ? ed_stream_of_fd(&w->control, launch->control) : 0;
}

static int watch(struct ed_worker *w)
{
    int err = ed_go(w->scope, watch_signals, w);

    return !err && w->control ? ed_go(w->scope, hear_master, w) : err;
}

/* Of two who talk in it each would be heard by half of the others. */
static void warn_of_lone_room(const struct ed_worker *w)
{
    unsigned workers = atomic_load(&w->board->wanted);
    const char *room = ed_app_lone_room(w->app);

    if (room && workers > 1 && w->slot == w->board->slots)
        ed_log_warn("room '%s' is one in each of %u workers, which do not hear "
                    "each other: ed_setting(app, \"workers\", \"1\"), or "
                    "ed_room_join_redis()",
                    room, workers);
}

static void be_ready(struct ed_worker *w)
{
    int starting = ED_SLOT_STARTING;

    if (w->options->launch)
        warn_of_lone_room(w);

    set_ends(w);
    atomic_compare_exchange_strong(&w->slot->state, &starting, ED_SLOT_READY);
    if (w->control)
        say(w, "ready");
    else
        tell_addresses(w);
}

static int serve(struct ed_worker *w)
{
    int err = ed_go(w->scope, beat, w);

    if (!err && w->inspect)
        err = ed_go(w->scope, serve_inspect, w);
    if (err)
        return err;
    be_ready(w);
    return ed_server_run(w->server);
}

/* Its requests are in the report of a crash or a hang. */
static int watch_over(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;

    ed_report_set_extra(ed_server_report, w->server);
    ed_spread_begin(&w->spread, w->server, w->board, w->slot);
    w->spread.exact = s->wsgi; /* its threads are few */
    open_inspect(w);
    return ed_loop_on_hang(s->hang_timeout, NULL, NULL);
}

static void end_watch(struct ed_worker *w)
{
    int err = ed_loop_on_hang(0, NULL, NULL);

    (void)err; /* there is nothing to be taken back */
    ed_report_set_extra(NULL, NULL);
    close_inspect(w);
}

/* The log has what went wrong with which part. */
static int make_ready(struct ed_worker *w)
{
    int err = ed_app_start(w->app);

    if (err) {
        w->status = FAILED;
        return err;
    }
    w->server = make_server(w);
    err = w->server ? ed_requests_open(w) : ED_ENOMEM;
    if (!err)
        err = listen_everywhere(w);
    if (!err)
        err = watch_over(w);
    if (err)
        w->status = err == ED_EADDR ? WRONG : FAILED;
    return err;
}

/* It may be told to end before it is ready, which is no failure then. */
static int start(struct ed_worker *w)
{
    ed_scope(s, .name = "start");
    w->starting = s;
    int err = make_ready(w);
    w->starting = NULL;
    if (!w->stopping)
        return err;
    w->status = DONE;
    return ED_ECANCELED;
}

/* With the watchers, until the parts have stopped. */
static int live(struct ed_worker *w)
{
    ed_scope(s, .independent = true, .name = "worker");
    w->scope = s;
    int err = watch(w);
    if (!err)
        err = start(w);
    if (!err)
        err = serve(w);
    ed_app_stop(w->app);
    return err;
}

static int serve_app(struct ed_worker *w)
{
    int err = live(w);

    end_watch(w);
    ed_requests_close(w);
    ed_server_free(w->server);
    return err;
}

/* It ends by itself from here on, and what it has to do at its end is done: a
 * word more, such as one to a whole group of processes, does not end it by
 * accident. A master kills what takes too long; without one Ctrl-C still does.
 */
static void stop_listening_to_signals(const struct ed_worker *w)
{
    static const int told[] = {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGHUP};

    for (size_t i = 0; w->options->launch && i < sizeof told / sizeof *told;
         i++)
        signal(told[i], SIG_IGN);
}

static int run_worker(void *arg)
{
    struct ed_worker *w = arg;
    /* Before anything that starts a thread: it inherits the mask. */
    int err = open_signals(w);

    if (!err)
        err = open_control(w);
    if (!err)
        err = serve_app(w);
    ed_stream_close(w->control);
    stop_listening_to_signals(w);
    ed_signals_close(w->signals);
    return err;
}

/* ---- before the loop ---- */

static int open_tls(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;
    const struct ed_launch *launch = w->options->launch;
    char secret[32];

    if (!s->certfile)
        return 0;
    if (launch)
        snprintf(secret, sizeof secret, "/proc/self/fd/%d", launch->tickets);
    return ed_tls_server(&w->tls, .certificate = s->certfile, .key = s->keyfile,
                         .ticket_secret = launch ? secret : NULL);
}

/* While there are the rights that ports and directories may take; what there is
 * no master for. */
static int open_sockets(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;
    struct ed_sockets handed = {0};

    if (w->options->launch)
        return 0;
    int err = ed_sockets_take(&handed);
    if (!err)
        err = ed_sockets_open(&w->sockets, &s->listen, s->backlog, 0, &handed);
    ed_sockets_close(&handed, false);
    return err;
}

static int open_board(struct ed_worker *w)
{
    const struct ed_launch *launch = w->options->launch;
    int fd = -1;

    w->board = launch ? ed_board_map(launch->board) : ed_board_new(&fd);
    if (!w->board) {
        int err = -errno;
        ed_log_error("cannot start: %s",
                     err == -EPROTO
                         ? "the master is of another version; upgrade it "
                           "(SIGUSR2)"
                         : ed_err_text(err));
        return err;
    }
    ed_board_use_level(w->board);
    w->slot = launch ? &w->board->slots[launch->slot] : ed_board_take(w->board);
    if (fd >= 0)
        close(fd);
    return 0;
}

static int outcome(struct ed_worker *w, int err)
{
    if (w->status)
        return w->status;
    if (err == ED_ETIMEOUT) {
        ed_log_warn("some requests were not answered in time to stop");
        return DONE;
    }
    if (err && err != ED_ECANCELED) {
        ed_log_error("%s stops: %s", w->options->name, ed_err_text(err));
        return FAILED;
    }
    return DONE;
}

/* Has all that takes rights, gives them up, and makes the app. The exit status
 * if that failed, for a reason that the log has. */
static int prepare(struct ed_worker *w)
{
    const struct ed_settings *s = w->options->settings;
    int err = open_sockets(w);

    if (err == ED_EADDR)
        return WRONG;
    if (err || open_board(w) || open_tls(w) || ed_privileges_drop(s) ||
        ed_sandbox_enter(s))
        return FAILED;
    w->app = w->options->make(w->options->arg);
    return w->app ? DONE : FAILED;
}

static int run(struct ed_worker *w)
{
    signal(SIGPIPE, SIG_IGN); /* a write says EPIPE as well */
    if (ed_report_on_crash())
        ed_log_warn("a crash would go untold");
    ed_monitor_on_block(note_block, w->slot);
    int err = ed_run(run_worker, w);
    ed_monitor_on_block(NULL, NULL);
    return outcome(w, err);
}

int ed_worker_run(const struct ed_worker_options *options)
{
    struct ed_worker w = {.options = options};
    int status = prepare(&w);

    if (status == DONE)
        status = run(&w);
    ed_app_free(w.app);
    ed_tls_free(w.tls);
    ed_sockets_close(&w.sockets, false);
    ed_board_unmap(w.board);
    return status;
}
