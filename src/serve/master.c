/*
 * master.c - the master's life: what it opens, what it waits for, and the
 * signals it knows.
 */
#include "serve/master_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "serve/handed.h"
#include "serve/limits.h"
#include "serve/log_file.h"
#include "serve/notify.h"
#include "serve/privileges.h"

/* Loops that stand still are looked for, and the watchdog is told, this
 * often. */
static const int64_t TICK = ED_S;

/* What a worker may take beyond the drain timeout: the parts of its app stop
 * then. More than the 10 s each of the two rounds has by default. */
static const int64_t PARTS_TIME = 25 * ED_S;

/* A secret that seals TLS tickets, so that any worker can resume a session. */
enum { TICKET_SECRET = 48 };

enum { FAILED = 1 };

/* ---- stopping ---- */

static void tell_all(struct ed_master *m, const char *line)
{
    ed_list_each (node, &m->crew.members) {
        const struct ed_worker_child *w = ed_member_at(node)->process;
        if (w)
            ed_child_say(&w->child, "%s", line);
    }
}

/* Who starts after us opens what it listens on: it has to be gone. */
static void end_admin(struct ed_master *m)
{
    int64_t until = ed_clock_monotonic() + ED_ADMIN_END_TIME;
    struct timespec pause = {0, 10 * ED_MS};
    pid_t pid = m->admin_child.pid;

    if (!pid)
        return;
    kill(pid, SIGTERM);
    while (!waitpid(pid, NULL, WNOHANG)) {
        if (ed_clock_monotonic() >= until)
            kill(pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
}

/* Once the workers have closed theirs, who comes is refused at once, and may
 * try another server, instead of waiting for an answer until the last one ends.
 */
static void stop_listening(struct ed_master *m)
{
    m->drain_at = 0;
    ed_sockets_shut(&m->listeners);
    ed_sockets_shut(&m->dropped);
}

static void drain_all(struct ed_master *m, int64_t now)
{
    stop_listening(m);
    ed_crew_drain(&m->crew, true, now);
}

void ed_master_stop(struct ed_master *m, bool at_once)
{
    int64_t now = ed_clock_monotonic();
    bool begun = m->ending;

    m->ending = true;
    atomic_store(&m->board->ready, false);
    if (!begun && !m->handed_on) /* the service goes on when it was */
        ed_notify("STOPPING=1\nSTATUS=stopping");
    if (at_once || begun) {
        ed_log_info("stopping at once");
        stop_listening(m);
        ed_crew_quit(&m->crew, now);
        return;
    }
    ed_log_info("stopping when all requests are answered");
    m->drain_at = now + m->settings->ready_delay;
    if (m->drain_at <= now)
        drain_all(m, now);
}

/* ---- signals ---- */

static void on_int(struct ed_master *m)
{
    ed_master_stop(m, true);
}

static void on_term(struct ed_master *m)
{
    ed_master_stop(m, false);
}

static void on_hup(struct ed_master *m)
{
    ed_master_reload(m, false);
}

void ed_master_reopen(struct ed_master *m)
{
    ed_log_file_make(m->settings);
    (void)ed_log_reopen(); /* what cannot be is in the old log */
    tell_all(m, "reopen");
    ed_child_say(&m->admin_child, "reopen");
    ed_log_info("logs are opened again");
}

static void on_usr2(struct ed_master *m)
{
    const char *why = ed_master_upgrade(m);

    if (why)
        ed_log_error("no upgrade: %s", why);
}

static void on_winch(struct ed_master *m)
{
    ed_log_info("workers stop; SIGHUP brings others");
    ed_crew_drain(&m->crew, false, ed_clock_monotonic());
}

static void scale(struct ed_master *m, unsigned wanted)
{
    ed_log_info("%u workers are wanted", wanted);
    atomic_store(&m->board->wanted, wanted);
    ed_crew_scale(&m->crew, wanted, ed_clock_monotonic());
}

static void on_ttin(struct ed_master *m)
{
    if (m->crew.wanted < ED_BOARD_SLOTS / 2)
        scale(m, m->crew.wanted + 1);
}

static void on_ttou(struct ed_master *m)
{
    if (m->crew.wanted > 1)
        scale(m, m->crew.wanted - 1);
}

static const struct {
    int signo;
    void (*act)(struct ed_master *m); /* NULL: done with the children */
} signals[] = {
    {SIGINT, on_int},     {SIGTERM, on_term},          {SIGQUIT, on_term},
    {SIGHUP, on_hup},     {SIGUSR1, ed_master_reopen}, {SIGUSR2, on_usr2},
    {SIGWINCH, on_winch}, {SIGTTIN, on_ttin},          {SIGTTOU, on_ttou},
    {SIGCHLD, NULL},
};

#define SIGNALS (sizeof signals / sizeof *signals)

static int open_signals(struct ed_master *m)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&set, signals[i].signo);
    sigprocmask(SIG_BLOCK, &set, &m->mask);
    m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return m->signals < 0 ? -errno : 0;
}

static void take_signals(struct ed_master *m)
{
    struct signalfd_siginfo info;

    while (read(m->signals, &info, sizeof info) == sizeof info) {
        for (size_t i = 0; i < SIGNALS; i++) {
            if (signals[i].signo == (int)info.ssi_signo && signals[i].act)
                signals[i].act(m);
        }
    }
}

static void reap(struct ed_master *m)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == m->heir)
            ed_master_heir_gone(m, status);
        else if (!ed_develop_reaped(m->develop, pid, status,
                                    ed_clock_monotonic()))
            ed_master_reaped(m, pid, status);
    }
}

/* ---- waiting ---- */

/* The signals, the admin process, what development needs, each worker. */
enum {
    DEVELOP = 2,
    FIRST_WORKER = DEVELOP + ED_DEVELOP_POLLED,
    POLLED = FIRST_WORKER + ED_BOARD_SLOTS,
};

static int wait_time(const struct ed_master *m, int64_t next, int64_t now)
{
    int64_t until = now + TICK;

    if (ed_develop_next(m->develop) < until)
        until = ed_develop_next(m->develop);
    if (next < until)
        until = next;
    if (m->drain_at && m->drain_at < until)
        until = m->drain_at;
    if (until <= now)
        return 0;
    return (int)((until - now + ED_MS - 1) / ED_MS);
}

static size_t gather(struct ed_master *m, struct pollfd fds[POLLED],
                     struct ed_member *whose[POLLED])
{
    size_t n = 0;

    fds[n++] = (struct pollfd){m->signals, POLLIN, 0};
    fds[n++] = (struct pollfd){m->admin_child.control, POLLIN, 0};
    ed_develop_gather(m->develop, fds + n);
    n += ED_DEVELOP_POLLED;
    ed_list_each (node, &m->crew.members) {
        struct ed_member *member = ed_member_at(node);
        const struct ed_worker_child *w = member->process;
        if (!w || n == POLLED)
            continue;
        whose[n] = member;
        fds[n++] = (struct pollfd){w->child.control, POLLIN, 0};
    }
    return n;
}

static bool still_there(const struct ed_master *m,
                        const struct ed_member *member)
{
    ed_list_each (node, &m->crew.members) {
        if (ed_member_at(node) == member)
            return true;
    }
    return false;
}

static void wait_for_news(struct ed_master *m, int64_t next)
{
    struct pollfd fds[POLLED];
    struct ed_member *whose[POLLED];
    size_t n = gather(m, fds, whose);

    if (poll(fds, n, wait_time(m, next, ed_clock_monotonic())) <= 0)
        return;
    /* What a process said before it ended is heard before that. */
    for (size_t i = FIRST_WORKER; i < n; i++) {
        if (fds[i].revents && still_there(m, whose[i]))
            ed_master_hear_worker(m, whose[i]);
    }
    if (fds[1].revents)
        ed_master_hear_admin(m);
    ed_develop_hear(m->develop, fds + DEVELOP, ed_clock_monotonic());
    if (fds[0].revents)
        take_signals(m);
}

static bool is_over(const struct ed_master *m)
{
    return m->ending && ed_crew_empty(&m->crew);
}

static void develop(struct ed_master *m, int64_t now)
{
    if (m->ending)
        return;
    switch (ed_develop_tick(m->develop, &m->mask, now)) {
    case ED_DEVELOP_RELOAD:
        ed_master_reload(m, false);
        break;
    case ED_DEVELOP_EXPLAIN:
        ed_master_explain(m);
        break;
    case ED_DEVELOP_NOTHING:
        break;
    }
}

static void keep_watch(struct ed_master *m)
{
    int64_t looked = 0;

    while (!is_over(m)) {
        int64_t now = ed_clock_monotonic();

        reap(m);
        if (m->drain_at && now >= m->drain_at)
            drain_all(m, now);
        if (now - looked >= TICK) {
            /* If this comes late we did not run ourselves (all were stopped,
             * or the machine), and others need not have either. */
            if (now - looked < 2 * TICK)
                ed_master_look_for_hung(m, now);
            looked = now;
        }
        int64_t next = ed_crew_tick(&m->crew, now);
        int64_t watched = ed_notify_watchdog(now);
        if (watched && watched < next)
            next = watched;
        ed_master_tend_admin(m, now);
        ed_master_follow_former(m);
        develop(m, now);
        if (!is_over(m))
            wait_for_news(m, next);
    }
}

/* ---- opening and closing ---- */

static int make_tickets(struct ed_master *m)
{
    char secret[TICKET_SECRET];

    if (getrandom(secret, sizeof secret, 0) != sizeof secret)
        return -EIO;
    m->tickets =
        ed_handed_new("eddy-tickets", ed_bytes_of(secret, sizeof secret));
    explicit_bzero(secret, sizeof secret);
    return m->tickets < 0 ? m->tickets : 0;
}

static int open_ctl(struct ed_master *m, struct ed_sockets *handed)
{
    struct ed_buf address = {0};
    int err = ed_run_files_open(&m->files, m->options->name, m->settings->ctl);

    if (err || !m->files.ctl)
        return err;
    err = ed_buf_addf(&address, "unix:%s", m->files.ctl);
    if (!err) {
        const char *only = address.ptr;
        struct ed_texts one = {&only, 1};
        err = ed_sockets_open(&m->ctl, &one, 16, 0600, handed);
    }
    ed_buf_free(&address);
    return err;
}

/* What was handed on by another master is taken, as far as it is wanted. */
static int open_sockets(struct ed_master *m)
{
    const struct ed_settings *s = m->settings;
    struct ed_sockets handed = {0};
    int err = ed_sockets_take(&handed);

    if (!err)
        err =
            ed_sockets_open(&m->listeners, &s->listen, s->backlog, 0, &handed);
    if (!err)
        err = ed_sockets_open(&m->admin, &s->admin, s->backlog, 0, &handed);
    if (!err)
        err = open_ctl(m, &handed);
    if (err)
        ed_sockets_close(&handed, true);
    else
        m->dropped = handed; /* the former master needs them if we fail */
    return err;
}

static int open_all(struct ed_master *m)
{
    int err = open_signals(m);

    if (err)
        return err;
    m->board = ed_board_new(&m->board_fd);
    if (!m->board)
        return -errno;
    err = make_tickets(m);
    if (!err)
        err = open_sockets(m);
    if (!err && m->settings->pidfile)
        err =
            ed_run_files_write_pid(&m->files, m->settings->pidfile, m->former);
    if (!err && m->settings->reload)
        err = ed_develop_open(&m->develop, m->settings,
                              m->options->program.watched);
    return err;
}

static void tell_addresses(const struct ed_master *m)
{
    const char *scheme = m->settings->certfile ? "https://" : "http://";
    char address[ED_ADDR_TEXT];

    for (size_t i = 0; i < m->listeners.count; i++) {
        ed_sockets_address(&m->listeners.each[i], address);
        bool local = !strncmp(address, "unix:", 5);
        ed_log_info("listening on %s%s", local ? "" : scheme, address);
    }
    for (size_t i = 0; i < m->admin.count; i++) {
        ed_sockets_address(&m->admin.each[i], address);
        ed_log_info("admin on http://%s", address);
    }
}

/* Who develops is one, and reads what one worker has to say. */
unsigned ed_master_workers(const struct ed_settings *s)
{
    if (s->workers)
        return s->workers;
    return s->reload ? 1 : ed_processors();
}

void ed_master_set_times(struct ed_master *m)
{
    m->crew.times = (struct ed_crew_times){
        .start = m->settings->start_timeout,
        .drain = m->settings->drain_timeout + PARTS_TIME,
        .quit = PARTS_TIME,
    };
}

static void begin(struct ed_master *m)
{
    const struct ed_settings *s = m->settings;
    unsigned wanted = ed_master_workers(s);

    atomic_store(&m->board->master, getpid());
    atomic_store(&m->board->started, ed_clock_realtime());
    atomic_store(&m->board->wanted, wanted);
    atomic_store(&m->board->ready, true);
    ed_limits_prepare(s);
    ed_privileges_warn(s);
    ed_crew_init(&m->crew, &ed_master_crew_ops, m);
    ed_master_set_times(m);
    m->crew.wanted = wanted;
    ed_crew_roll_out(&m->crew, false, ed_clock_monotonic());
}

static void close_all(struct ed_master *m)
{
    /* Files of sockets are another master's: of the one that has taken over,
     * or of the one that goes on without this one. */
    bool not_ours = m->handed_on || ed_master_has_former(m);

    ed_develop_close(m->develop);
    end_admin(m);
    ed_child_forget(&m->admin_child);
    ed_settings_free(&m->old);
    ed_sockets_close(&m->listeners, not_ours);
    ed_sockets_close(&m->admin, not_ours);
    ed_sockets_close(&m->dropped, not_ours);
    ed_sockets_close(&m->dropped_admin, not_ours);
    ed_sockets_close(&m->ctl, not_ours && m->settings->ctl);
    ed_run_files_close(&m->files);
    ed_board_unmap(m->board);
    const int fds[] = {m->signals, m->board_fd, m->tickets, m->handed_settings};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static pid_t former_master(void)
{
    const char *text = getenv("EDDY_UPGRADE_OF");
    int64_t pid = 0;

    if (text && ed_bytes_int(ed_bytes(text), &pid))
        pid = 0;
    unsetenv("EDDY_UPGRADE_OF");
    /* Only of who really started us. */
    return pid == getppid() ? (pid_t)pid : 0;
}

bool ed_master_has_former(const struct ed_master *m)
{
    return m->former && m->former == getppid();
}

int ed_master_run(const struct ed_master_options *options)
{
    struct ed_master m = {
        .options = options,
        .settings = options->settings,
        .signals = -1,
        .board_fd = -1,
        .tickets = -1,
        .handed_settings = -1,
        .admin_child.control = -1,
        .former = former_master(),
    };
    int err = open_all(&m);

    if (err) {
        ed_log_error("not starting: %s", ed_err_text(err));
        m.status = err == ED_EADDR ? 2 : FAILED;
    } else {
        tell_addresses(&m);
        begin(&m);
        keep_watch(&m);
    }
    close_all(&m);
    return m.status;
}
