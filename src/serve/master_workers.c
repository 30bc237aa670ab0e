/*
 * master_workers.c - the processes of a master: how they start, what they say,
 * and how they end.
 */
#include "serve/master_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/monitor.h"
#include "serve/privileges.h"

/* A worker kills itself when it stands still, after telling where. One that
 * does not even do that is killed so much later. */
static const int64_t REPORT_TIME = 2 * ED_S;

/* The admin process is started again after so long, or at once when it has
 * lived longer than that. */
static const int64_t ADMIN_PAUSE = 2 * ED_S;

/* ---- what is handed over ---- */

/* A copy in memory: who starts again gets what was in force, not what stands
 * in an edited file. */
static int hand_over_settings(struct ed_master *m)
{
    if (m->handed_settings >= 0)
        return 0;
    m->handed_settings = ed_settings_give(m->settings);
    return m->handed_settings < 0 ? m->handed_settings : 0;
}

static struct ed_launch launch_of(const struct ed_master *m, enum ed_role role)
{
    struct ed_launch launch;

    ed_launch_init(&launch);
    launch.role = role;
    launch.board = m->board_fd;
    launch.settings = m->handed_settings;
    launch.directory = m->files.directory;
    return launch;
}

static void add_listeners(struct ed_launch *launch,
                          const struct ed_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (launch->listener_count < ED_LAUNCH_LISTENERS)
            launch->listeners[launch->listener_count++] =
                sockets->each[i].bound.fd;
    }
}

/* ---- workers ---- */

static struct ed_master *master_of(const struct ed_member *member)
{
    return member->crew->user;
}

/* Whom workers and the admin process run as; false: as this process. A wrong
 * user is told of by the worker, which then does not start. */
static bool runs_as(const struct ed_master *m, struct ed_identity *who)
{
    struct ed_identity_wrong wrong;

    return ed_privileges_look_up(m->settings, who, &wrong) && who->user &&
           !geteuid();
}

static int listen_for_looks(struct ed_master *m, struct ed_sockets *one,
                            const char *path, const char *address)
{
    const struct ed_texts texts = {&address, 1};
    struct ed_identity who;

    unlink(path); /* of a worker before */
    int err = ed_sockets_open(one, &texts, 16, 0600, NULL);
    if (!err && runs_as(m, &who))
        err = ed_run_files_let_in(&m->files, path, who.uid, who.gid);
    return err;
}

/* Where others look into it. Without one it works all the same. */
static void open_inspect(struct ed_master *m, struct ed_sockets *one,
                         unsigned slot)
{
    char *path = ed_run_files_inspect(&m->files, slot);
    struct ed_buf address = {0};

    if (path && !ed_buf_addf(&address, "unix:%s", path) &&
        listen_for_looks(m, one, path, address.ptr))
        ed_log_warn("worker %u cannot be looked into", slot);
    ed_buf_free(&address);
    free(path);
}

/* Else a worker would keep the line of others open, who then would not hear of
 * the master's end, and sockets that nobody is to answer on any more. */
static void close_masters(void *arg)
{
    struct ed_master *m = arg;
    struct ed_sockets *const sets[] = {&m->admin, &m->ctl, &m->dropped,
                                       &m->dropped_admin};

    close(m->signals);
    ed_develop_leave(m->develop);
    ed_child_forget(&m->admin_child);
    ed_list_each (node, &m->crew.members) {
        struct ed_worker_child *w = ed_member_at(node)->process;
        if (w)
            ed_child_forget(&w->child);
    }
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        ed_sockets_close(sets[i], true);
}

static int start_child(struct ed_master *m, struct ed_child *child,
                       const struct ed_launch *launch)
{
    const struct ed_forked forked = {close_masters, m};

    return ed_child_start(child, &m->options->program, launch, &forked,
                          &m->mask);
}

/* It reads them as whom it runs, when it reads its certificates again. */
static int hand_tickets(const struct ed_master *m)
{
    struct ed_identity who;

    return runs_as(m, &who) && fchown(m->tickets, who.uid, (gid_t)-1) ? -errno
                                                                      : 0;
}

static int start_worker(struct ed_master *m, struct ed_worker_child *w)
{
    struct ed_launch launch = launch_of(m, ED_ROLE_WORKER);
    struct ed_sockets inspect = {0};
    int err = hand_over_settings(m);

    if (!err)
        err = hand_tickets(m);
    if (err)
        return err;
    launch.settings = m->handed_settings;
    launch.slot = (unsigned)ed_slot_number(m->board, w->slot);
    launch.tickets = m->tickets;
    launch.why = m->why;
    if (m->develop && !m->why)
        launch.errors = ed_develop_errors(m->develop);
    add_listeners(&launch, &m->listeners);
    open_inspect(m, &inspect, launch.slot);
    launch.inspect = inspect.count ? inspect.each[0].bound.fd : -1;
    err = start_child(m, &w->child, &launch);
    ed_sockets_close(&inspect, true);
    return err;
}

static int spawn_worker(struct ed_member *member)
{
    struct ed_master *m = master_of(member);
    struct ed_worker_child *w = calloc(1, sizeof *w);
    int err = ED_ENOMEM;

    if (!w)
        return err;
    w->child.control = -1;
    w->member = member;
    w->slot = ed_board_take(m->board);
    member->process = w;
    err = w->slot ? start_worker(m, w) : -ENOSPC;
    if (err) {
        ed_log_error("no worker started: %s", ed_err_text(err));
        return err;
    }
    member->pid = w->child.pid;
    atomic_store(&w->slot->pid, w->child.pid);
    atomic_store(&w->slot->generation, member->generation);
    atomic_store(&w->slot->started, ed_clock_realtime());
    ed_count(&m->board->spawned, 1);
    return 0;
}

static void drain_worker(struct ed_member *member)
{
    const struct ed_worker_child *w = member->process;

    atomic_store(&w->slot->state, ED_SLOT_DRAINING);
    ed_child_say(&w->child, "drain");
}

static void quit_worker(struct ed_member *member)
{
    const struct ed_worker_child *w = member->process;

    atomic_store(&w->slot->state, ED_SLOT_DRAINING);
    ed_child_say(&w->child, "quit");
}

static const char *lateness(const struct ed_member *member)
{
    const struct ed_worker_child *w = member->process;

    switch (atomic_load(&w->slot->state)) {
    case ED_SLOT_STARTING:
        return "was not ready in time";
    case ED_SLOT_DRAINING:
        return "has not ended in time";
    default:
        return "stands still";
    }
}

static void kill_worker(struct ed_member *member)
{
    ed_log_error("worker %d %s: killed", (int)member->pid, lateness(member));
    kill(member->pid, SIGKILL);
}

static void forget_worker(struct ed_member *member)
{
    struct ed_master *m = master_of(member);
    struct ed_worker_child *w = member->process;

    if (!w)
        return;
    ed_child_forget(&w->child);
    if (w->slot) {
        char *path = ed_run_files_inspect(
            &m->files, (unsigned)ed_slot_number(m->board, w->slot));
        if (path)
            unlink(path);
        free(path);
        ed_board_give(m->board, w->slot);
    }
    free(w);
    member->process = NULL;
}

static void rolled_out(struct ed_crew *crew, enum ed_rollout how)
{
    ed_master_rolled_out(crew->user, how);
}

const struct ed_crew_ops ed_master_crew_ops = {
    .spawn = spawn_worker,
    .drain = drain_worker,
    .quit = quit_worker,
    .kill = kill_worker,
    .forget = forget_worker,
    .rolled_out = rolled_out,
};

/* ---- what workers say ---- */

static void be_ready(struct ed_member *member, const char *rest)
{
    (void)rest;
    ed_log_info("worker %d is ready", (int)member->pid);
    ed_member_ready(member, ed_clock_monotonic());
}

static void be_tired(struct ed_member *member, const char *rest)
{
    ed_log_info("worker %d makes way for another: %s", (int)member->pid, rest);
    ed_member_tired(member, ed_clock_monotonic());
}

static const struct {
    const char *word;
    void (*act)(struct ed_member *member, const char *rest);
} says[] = {
    {"ready", be_ready},
    {"replace", be_tired},
};

static void take_worker_line(struct ed_member *member, char *line)
{
    char *rest = strchr(line, ' ');

    if (rest)
        *rest++ = '\0';
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        if (!strcmp(line, says[i].word)) {
            says[i].act(member, rest ? rest : "");
            return;
        }
    }
    ed_log_warn("worker %d says '%.40s'", (int)member->pid, line);
}

void ed_master_hear_worker(struct ed_master *m, struct ed_member *member)
{
    struct ed_worker_child *w = member->process;
    bool open = ed_child_hear(&w->child);
    size_t used = 0;
    char *line;

    (void)m;
    while ((line = ed_child_line(&w->child, &used)))
        take_worker_line(member, line);
    ed_child_lines_done(&w->child, used);
    if (!open) {
        close(w->child.control);
        w->child.control = -1; /* its end comes by a signal */
    }
}

/* ---- the admin process ---- */

/* Two masters, of which one takes over, have sockets in common. The one that
 * serves answers there: what the other would say of itself, that it is not
 * ready or is stopping, is not what was asked. */
static bool is_in_charge(const struct ed_master *m)
{
    if (m->ending)
        return !m->handed_on;
    return m->ever_ready || !ed_master_has_former(m);
}

/* One with the process id in its name is never another's. */
static bool shares_ctl(const struct ed_master *m)
{
    return m->settings->ctl;
}

static bool answers_ctl(const struct ed_master *m)
{
    return m->ctl.count && (is_in_charge(m) || !shares_ctl(m));
}

static bool answers_admin(const struct ed_master *m)
{
    return m->admin.count && is_in_charge(m);
}

static bool wants_admin(const struct ed_master *m)
{
    if (m->ending && !m->handed_on)
        return false;
    return answers_ctl(m) || answers_admin(m);
}

/* It listens where it shall not any more, or does not yet where it shall. */
static bool admin_is_outdated(const struct ed_master *m)
{
    return m->admin_child.pid && m->admin_in_charge != is_in_charge(m) &&
           (m->admin.count || shares_ctl(m));
}

void ed_master_renew_admin(struct ed_master *m)
{
    m->admin_at = 0;
    if (!m->admin_child.pid || m->admin_end)
        return;
    kill(m->admin_child.pid, SIGTERM);
    m->admin_end = ed_clock_monotonic() + ED_ADMIN_END_TIME;
}

static void start_admin(struct ed_master *m)
{
    int err = hand_over_settings(m);
    struct ed_launch launch = launch_of(m, ED_ROLE_ADMIN);

    m->admin_in_charge = is_in_charge(m);
    if (answers_ctl(m))
        add_listeners(&launch, &m->ctl);
    launch.ctl_count = launch.listener_count;
    if (answers_admin(m))
        add_listeners(&launch, &m->admin);
    launch.addresses = ed_sockets_hand(&m->listeners); /* looks, without it */
    if (!err)
        err = start_child(m, &m->admin_child, &launch);
    if (launch.addresses >= 0)
        close(launch.addresses);
    if (err)
        ed_log_error("no admin process: %s", ed_err_text(err));
}

void ed_master_tend_admin(struct ed_master *m, int64_t now)
{
    if (admin_is_outdated(m))
        ed_master_renew_admin(m);
    if (m->admin_end && now >= m->admin_end) {
        ed_log_error("admin process %d has not ended in time: killed",
                     (int)m->admin_child.pid);
        kill(m->admin_child.pid, SIGKILL);
        m->admin_end = INT64_MAX;
    }
    if (m->admin_child.pid || now < m->admin_at || !wants_admin(m))
        return;
    m->admin_at = now + ADMIN_PAUSE;
    start_admin(m);
}

static void tell_scale(struct ed_master *m, const char *rest)
{
    int64_t n;

    if (ed_bytes_int(ed_bytes(rest), &n) || n < 1 || n > ED_BOARD_SLOTS / 2) {
        ed_child_say(&m->admin_child, "error not 1 to %d workers",
                     ED_BOARD_SLOTS / 2);
        return;
    }
    ed_log_info("%d workers are wanted", (int)n);
    atomic_store(&m->board->wanted, (unsigned)n);
    ed_crew_scale(&m->crew, (unsigned)n, ed_clock_monotonic());
    ed_child_say(&m->admin_child, "ok %d worker%s wanted", (int)n,
                 n == 1 ? " is" : "s are");
}

/* Its number, or why it was over at once. */
static void answer_reload(struct ed_master *m, bool chain)
{
    uint64_t number = ed_master_reload(m, chain);
    enum ed_reload_end how;

    if (!number)
        ed_child_say(&m->admin_child, "error the server is stopping");
    else if (ed_board_reload(m->board, &how) == number && how != ED_RELOAD_DONE)
        ed_child_say(&m->admin_child, "error not reloaded: %s",
                     ed_board_reload_text(how));
    else
        ed_child_say(&m->admin_child, "ok %llu", (unsigned long long)number);
}

static void tell_reload(struct ed_master *m, const char *rest)
{
    (void)rest;
    answer_reload(m, false);
}

static void tell_chain(struct ed_master *m, const char *rest)
{
    (void)rest;
    answer_reload(m, true);
}

static void tell_drain(struct ed_master *m, const char *rest)
{
    (void)rest;
    atomic_store(&m->board->ready, false);
    ed_crew_drain(&m->crew, false, ed_clock_monotonic());
    ed_child_say(&m->admin_child, "ok");
}

static void tell_resume(struct ed_master *m, const char *rest)
{
    (void)rest;
    atomic_store(&m->board->ready, !m->ending);
    ed_crew_resume(&m->crew, ed_clock_monotonic());
    ed_child_say(&m->admin_child, "ok");
}

static void tell_reopen(struct ed_master *m, const char *rest)
{
    (void)rest;
    ed_master_reopen(m);
    ed_child_say(&m->admin_child, "ok");
}

static void tell_stop(struct ed_master *m, const char *rest)
{
    (void)rest;
    ed_child_say(&m->admin_child, "ok");
    ed_master_stop(m, false);
}

static void tell_quit(struct ed_master *m, const char *rest)
{
    (void)rest;
    ed_child_say(&m->admin_child, "ok");
    ed_master_stop(m, true);
}

static void tell_upgrade(struct ed_master *m, const char *rest)
{
    (void)rest;
    const char *why = ed_master_upgrade(m);
    if (why)
        ed_child_say(&m->admin_child, "error %s", why);
    else
        ed_child_say(&m->admin_child, "ok process %d", (int)m->heir);
}

static void tell_worker_stop(struct ed_master *m, const char *rest)
{
    int64_t pid;

    if (!ed_bytes_int(ed_bytes(rest), &pid)) {
        ed_list_each (node, &m->crew.members) {
            struct ed_member *member = ed_member_at(node);
            if (member->pid != pid)
                continue;
            ed_member_tired(member, ed_clock_monotonic());
            ed_child_say(&m->admin_child, "ok");
            return;
        }
    }
    ed_child_say(&m->admin_child, "error no worker has the process id '%.20s'",
                 rest);
}

static void tell_log_level(struct ed_master *m, const char *rest)
{
    /* Behind a comma stands the format, which is not for here. */
    if (strchr(rest, ',') || ed_log_configure(rest)) {
        ed_child_say(&m->admin_child, "error there is no level '%.20s'", rest);
        return;
    }
    ed_board_keep_level(m->board);
    ed_child_say(&m->admin_child, "ok the log level is %s", rest);
}

static const struct {
    const char *word;
    void (*act)(struct ed_master *m, const char *rest);
} commands[] = {
    {"reload", tell_reload},       {"chain-reload", tell_chain},
    {"reopen", tell_reopen},       {"drain", tell_drain},
    {"resume", tell_resume},       {"scale", tell_scale},
    {"stop", tell_stop},           {"quit", tell_quit},
    {"upgrade", tell_upgrade},     {"worker-stop", tell_worker_stop},
    {"log-level", tell_log_level},
};

static void take_admin_line(struct ed_master *m, char *line)
{
    char *rest = strchr(line, ' ');

    if (rest)
        *rest++ = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (!strcmp(line, commands[i].word)) {
            commands[i].act(m, rest ? rest : "");
            return;
        }
    }
    ed_child_say(&m->admin_child, "error there is no '%.40s'", line);
}

void ed_master_hear_admin(struct ed_master *m)
{
    bool open = ed_child_hear(&m->admin_child);
    size_t used = 0;
    char *line;

    while ((line = ed_child_line(&m->admin_child, &used)))
        take_admin_line(m, line);
    ed_child_lines_done(&m->admin_child, used);
    if (!open && m->admin_child.control >= 0) {
        close(m->admin_child.control);
        m->admin_child.control = -1;
    }
}

/* ---- ends ---- */

static void tell_end(const char *what, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        ed_log_error("%s %d was ended by signal %d (%s)%s%s", what, (int)pid,
                     WTERMSIG(status), strsignal(WTERMSIG(status)),
                     WCOREDUMP(status) ? ", core dumped" : "",
                     WTERMSIG(status) == SIGKILL
                         ? "; if nobody sent it, memory ran out"
                         : "");
    else if (WEXITSTATUS(status) == ED_EXIT_HUNG)
        ed_log_error("%s %d has ended itself: its loop stood still", what,
                     (int)pid);
    else if (WEXITSTATUS(status))
        ed_log_error("%s %d ended with status %d", what, (int)pid,
                     WEXITSTATUS(status));
    else
        ed_log_info("%s %d has ended", what, (int)pid);
}

static enum ed_member_end end_of(int status)
{
    if (WIFSIGNALED(status))
        return ED_MEMBER_CRASHED;
    return WEXITSTATUS(status) ? ED_MEMBER_FAILED : ED_MEMBER_LEFT;
}

static void worker_gone(struct ed_master *m, struct ed_member *member,
                        int status)
{
    ed_master_hear_worker(m, member); /* its last words */
    tell_end("worker", member->pid, status);
    if (WIFSIGNALED(status) && member->state != ED_MEMBER_KILLED)
        ed_count(&m->board->crashed, 1);
    if (WIFEXITED(status) && WEXITSTATUS(status) == ED_EXIT_HUNG)
        ed_count(&m->board->hung, 1);
    ed_member_gone(member, end_of(status), ed_clock_monotonic());
}

void ed_master_reaped(struct ed_master *m, pid_t pid, int status)
{
    if (pid == m->admin_child.pid) {
        if (!m->ending && !m->admin_end && status)
            tell_end("admin process", pid, status);
        ed_child_forget(&m->admin_child);
        m->admin_end = 0;
        return;
    }
    ed_list_each (node, &m->crew.members) {
        struct ed_member *member = ed_member_at(node);
        if (member->pid == pid) {
            worker_gone(m, member, status);
            return;
        }
    }
}

/* ---- standing still ---- */

static bool is_hung(const struct ed_member *member, int64_t limit, int64_t now)
{
    const struct ed_worker_child *w = member->process;
    int64_t beat = atomic_load(&w->slot->beat);

    return beat && now - beat > limit + REPORT_TIME &&
           (member->state == ED_MEMBER_READY ||
            member->state == ED_MEMBER_DRAINING);
}

void ed_master_look_for_hung(struct ed_master *m, int64_t now)
{
    if (m->settings->hang_timeout <= 0)
        return;
    ed_list_each_safe (node, &m->crew.members) {
        struct ed_member *member = ed_member_at(node);
        if (!is_hung(member, m->settings->hang_timeout, now))
            continue;
        ed_count(&m->board->hung, 1);
        ed_member_hung(member, now);
    }
}
