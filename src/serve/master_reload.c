/*
 * master_reload.c - new settings and new code: by workers of a new generation,
 * or by a new master that takes over the sockets.
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
#include "serve/log_file.h"
#include "serve/notify.h"

/* ---- reloading ---- */

static void forget_handed_settings(struct ed_master *m)
{
    if (m->handed_settings >= 0)
        close(m->handed_settings);
    m->handed_settings = -1;
}

/* It is known which will be in force; or who needs them. */
static void close_dropped(struct ed_master *m)
{
    bool needed = ed_master_has_former(m) &&
                  (m->settings->upgrade_wait || !m->ever_ready);

    ed_sockets_close(&m->dropped, needed);
    ed_sockets_close(&m->dropped_admin, needed);
}

/* Sockets that are listened on by the new settings; those of the old ones stay
 * open until it is known which will be in force. */
static int change_sockets(struct ed_master *m, const struct ed_settings *next)
{
    struct ed_sockets listeners, admin;
    int err = ed_sockets_open(&listeners, &next->listen, next->backlog, 0,
                              &m->listeners);

    if (err)
        return err;
    err = ed_sockets_open(&admin, &next->admin, next->backlog, 0, &m->admin);
    if (err) {
        ed_sockets_undo(&listeners, &m->listeners);
        return err;
    }
    close_dropped(m); /* there are some where a start came to nothing */
    m->dropped = m->listeners;
    m->listeners = listeners;
    m->dropped_admin = m->admin;
    m->admin = admin;
    return 0;
}

static void restore_sockets(struct ed_master *m)
{
    ed_sockets_undo(&m->listeners, &m->dropped);
    m->listeners = m->dropped;
    m->dropped = (struct ed_sockets){0};
    ed_sockets_undo(&m->admin, &m->dropped_admin);
    m->admin = m->dropped_admin;
    m->dropped_admin = (struct ed_sockets){0};
}

/* A level that was asked for while it ran stays. */
static void apply_log(const struct ed_master *m)
{
    const struct ed_settings *s = m->settings;

    if (ed_log_configure(s->log))
        ed_log_error("log: '%s' is not understood", s->log);
    ed_board_use_level(m->board);
    ed_log_file_use(s);
}

static void use_settings(struct ed_master *m, const struct ed_settings *s)
{
    if (m->settings->log_file && !s->log_file)
        ed_log_set_fd(STDERR_FILENO);
    *m->settings = *s;
    forget_handed_settings(m);
    apply_log(m);
    ed_master_set_times(m);
    atomic_store(&m->board->wanted, m->crew.wanted);
}

static bool change_settings(struct ed_master *m)
{
    struct ed_settings next;
    int err = ed_settings_reread(m->settings, &next);

    if (err)
        return false;
    err = change_sockets(m, &next);
    if (err) {
        ed_settings_free(&next);
        return false;
    }
    ed_settings_free(&m->old);
    m->old = *m->settings;
    m->old_wanted = m->crew.wanted;
    /* A number that was changed while it ran stays, unless it was set anew. */
    if (next.workers != m->old.workers)
        m->crew.wanted = ed_master_workers(&next);
    use_settings(m, &next);
    return true;
}

/* Not every roll-out is a reload. */
static void end_reload(struct ed_master *m, enum ed_reload_end how)
{
    if (m->reloading)
        ed_board_end_reload(m->board, m->reloads_begun, how);
    m->reloading = false;
    ed_notify("READY=1");
}

static void fail_reload(struct ed_master *m, enum ed_reload_end how)
{
    ed_notify_status("the last reload failed: %s", ed_board_reload_text(how));
    end_reload(m, how);
}

/* What was to follow will not. */
static void end_next_reload(struct ed_master *m)
{
    if (m->reload_again)
        ed_board_end_reload(m->board, ++m->reloads_begun, ED_RELOAD_CUT);
    m->reload_again = false;
}

uint64_t ed_master_reload(struct ed_master *m, bool chain)
{
    int64_t now = ed_clock_monotonic();

    if (m->ending)
        return 0;
    m->explain_again = false;
    if (m->crew.rolling) {
        ed_log_info("a reload is under way; another follows");
        m->reload_again = true;
        m->chain_again = chain;
        return m->reloads_begun + 1;
    }
    uint64_t number = ++m->reloads_begun;
    m->reloading = true;
    ed_notify_reloading();
    if (!change_settings(m)) {
        ed_log_error("not reloaded: %s",
                     ed_board_reload_text(ED_RELOAD_BAD_SETTINGS));
        fail_reload(m, ED_RELOAD_BAD_SETTINGS);
        return number;
    }
    ed_log_info("reloading%s", chain ? ", one worker after the other" : "");
    atomic_store(&m->board->ready, true);
    m->why = NULL;
    if (m->develop)
        ed_develop_forget(m->develop);
    ed_crew_roll_out(&m->crew, chain, now);
    return number;
}

void ed_master_explain(struct ed_master *m)
{
    const struct ed_explanation *why;

    end_next_reload(m);
    m->explain_again = m->crew.rolling;
    if (m->crew.rolling)
        return;
    why = ed_develop_explain(m->develop);
    if (!why)
        return; /* the terminal has it */
    m->why = why;
    ed_crew_roll_out(&m->crew, false, ed_clock_monotonic());
}

/* ---- how it came out ---- */

/* The first workers are ready. */
static void take_over(struct ed_master *m)
{
    ed_notify_take_over(m->former);
    if (m->settings->upgrade_wait || !ed_master_has_former(m))
        return;
    ed_log_info("takes over from process %d", (int)m->former);
    kill(m->former, SIGQUIT);
}

void ed_master_follow_former(struct ed_master *m)
{
    if (!m->former || !m->ever_ready || m->ending || ed_master_has_former(m))
        return;
    ed_list_each (node, &m->crew.members) {
        const struct ed_worker_child *w = ed_member_at(node)->process;
        if (w && w->child.pid && ed_notify_adopted(w->child.pid))
            m->former = 0;
        if (w && w->child.pid)
            return;
    }
}

static void succeed(struct ed_master *m)
{
    bool first = !m->ever_ready;

    m->ever_ready = true;
    atomic_store(&m->board->generation, m->crew.generation);
    if (m->why) {
        close_dropped(m);
        ed_log_error("this is shown instead of the app, until it is mended");
        return;
    }
    ed_notify_status("%u workers serve, generation %u", m->crew.wanted,
                     (unsigned)m->crew.generation);
    if (first)
        take_over(m);
    close_dropped(m);
    ed_settings_free(&m->old);
    if (first)
        return;
    ed_log_info("reloaded");
    ed_master_renew_admin(m);
    end_reload(m, ED_RELOAD_DONE);
}

/* Shows why, in the place of the workers there are, if there are any. What
 * cannot even be explained stays as it is. */
static void go_on_developing(struct ed_master *m)
{
    if (m->ending || m->why)
        return;
    ed_log_error("a new worker cannot start");
    m->explain_again = true;
}

static void restore_settings(struct ed_master *m)
{
    /* A number that was changed since the reload began stays. */
    if (m->settings->workers != m->old.workers &&
        m->crew.wanted == ed_master_workers(m->settings))
        m->crew.wanted = m->old_wanted;
    struct ed_settings failed = *m->settings;
    use_settings(m, &m->old);
    m->old = (struct ed_settings){0};
    ed_settings_free(&failed);
    restore_sockets(m);
}

static void go_back(struct ed_master *m)
{
    if (m->develop && !m->former && !m->ever_ready) {
        go_on_developing(m);
        return;
    }
    if (!m->ever_ready) {
        ed_log_error("no worker can start: stopping");
        m->status = 1;
        m->ending = true;
        ed_crew_quit(&m->crew, ed_clock_monotonic());
        return;
    }
    if (m->old.inside)
        restore_settings(m); /* the log, too, in which this is told */
    if (m->develop)
        go_on_developing(m);
    else
        ed_log_error("not reloaded: %s",
                     ed_board_reload_text(ED_RELOAD_BAD_WORKER));
    fail_reload(m, ED_RELOAD_BAD_WORKER);
}

/* All shall go: who comes after that is of the new settings. */
static void cut_short(struct ed_master *m)
{
    ed_settings_free(&m->old);
    if (!m->ending && m->ever_ready) {
        close_dropped(m);
        ed_master_renew_admin(m);
        end_reload(m, ED_RELOAD_CUT);
    }
    end_next_reload(m);
}

void ed_master_rolled_out(struct ed_master *m, enum ed_rollout how)
{
    static void (*const act[])(struct ed_master * m) = {
        [ED_ROLLOUT_DONE] = succeed,
        [ED_ROLLOUT_FAILED] = go_back,
        [ED_ROLLOUT_CUT] = cut_short,
    };

    act[how](m);
    if (m->reload_again && !m->ending) {
        m->reload_again = false;
        ed_master_reload(m, m->chain_again);
    }
    if (m->explain_again && !m->ending)
        ed_master_explain(m);
}

/* ---- another master ---- */

static _Noreturn void become_heir(const struct ed_master *m)
{
    /* A socket of eddy ctl that has our process id in its name stays ours. */
    const struct ed_sockets *const sets[] = {&m->listeners, &m->admin, &m->ctl};
    size_t count = m->settings->ctl ? 3 : 2;
    const struct ed_program *program = &m->options->program;
    char pid[24];

    snprintf(pid, sizeof pid, "%d", (int)getppid());
    setenv("EDDY_UPGRADE_OF", pid, 1);
    sigprocmask(SIG_SETMASK, &m->mask, NULL);
    int err = ed_sockets_give(sets, count);
    if (!err && program->directory && chdir(program->directory))
        err = -errno;
    if (!err)
        execv(program->file, program->argv);
    dprintf(STDERR_FILENO, "%s: cannot start: %s\n", program->file,
            strerror(err ? -err : errno));
    _exit(ED_CHILD_NOT_FOUND);
}

/* When the first process of a container ends, the kernel kills all others. */
static bool is_first_process(void)
{
    return getpid() == 1;
}

const char *ed_master_upgrade(struct ed_master *m)
{
    if (m->ending)
        return "the server is stopping";
    if (m->heir || (!m->ever_ready && ed_master_has_former(m)))
        return "an upgrade is under way";
    if (is_first_process())
        return "with process 1 its container ends: upgrade by another "
               "container";
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return ed_err_text(-errno);
    if (!pid)
        become_heir(m);
    m->heir = pid;
    m->handed_on = true;
    ed_log_info("upgrade: process %d is to take over", (int)pid);
    return NULL;
}

/* It may have been told to end, or could not start: then we go on. */
void ed_master_heir_gone(struct ed_master *m, int status)
{
    ed_log_error("process %d did not take over (%s %d): this one goes on",
                 (int)m->heir, WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    m->heir = 0;
    m->handed_on = false;
    ed_run_files_restore_pid(&m->files);
    atomic_store(&m->board->ready, !m->ending);
    ed_crew_resume(&m->crew, ed_clock_monotonic());
}
