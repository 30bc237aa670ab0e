/*
 * process.c - subprocesses that belong to scopes.
 *
 * A fiber in the process's scope, its keeper, waits on the pidfd; it alone
 * reaps, so until it has, the process id cannot mean anything else and
 * signals can be sent to it. When the keeper is cancelled it ends the process
 * first. Everybody else waits for the keeper.
 */
#include <eddy/process.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <eddy/log.h>
#include "base/calls.h"
#include "core/io.h"
#include "core/runtime.h"
#include "core/spawn.h"

/* A killed process is gone at once, unless a device or a dead file server
 * holds it. */
#define KILLED_WAIT (10 * ED_S)

/* What struct ed_process hides. */
struct __attribute__((may_alias)) private
{
    int pidfd;
    bool running;
    bool group;
    int64_t grace;
    struct ed_waitq ended;
    char name[32]; /* of the program, for messages */
};

_Static_assert(sizeof(struct private) <=
                   sizeof(((struct ed_process *)0)->private_words),
               "struct ed_process has too few private words");

static struct private *private_of(struct ed_process *process)
{
    return (struct private *)process->private_words;
}

/* ---- the keeper ---- */

/* `sure`: it will end without our doing, so a virtual clock stands still. */
static int wait_pidfd(struct ed_process *process, bool sure)
{
    ed_loop *loop = ed_loop_current();
    int err;

    ed_loop_expect(loop, sure);
    err = ed_io_wait_fd(private_of(process)->pidfd, false, "its exit");
    ed_loop_expect(loop, -sure);
    return err;
}

/* Whether it ended within that time, whatever is cancelled. */
static bool ends_within(struct ed_process *process, int64_t time, bool sure)
{
    ed_shield(s, time);
    return !wait_pidfd(process, sure);
}

static void put_down(struct ed_process *process)
{
    struct private *private = private_of(process);

    if (private->grace > 0) {
        ed_process_signal(process, SIGTERM);
        if (ends_within(process, private->grace, false)) {
            /* Its group may outlive it. */
            if (private->group)
                ed_process_signal(process, SIGKILL);
            return;
        }
    }
    ed_process_signal(process, SIGKILL);
    (void)ends_within(process, KILLED_WAIT, true); /* reaping finds out */
}

static void note_exit(struct ed_process *process, int status)
{
    if (WIFSIGNALED(status)) {
        process->exit_code = -1;
        process->exit_signal = WTERMSIG(status);
        return;
    }
    process->exit_code = WEXITSTATUS(status);
    process->exit_signal = 0;
}

static void reap(struct ed_process *process)
{
    struct private *private = private_of(process);
    int status = 0;

    if (!waitpid(process->pid, &status, WNOHANG)) {
        ed_log_error("process %d (%s) does not die", (int)process->pid,
                     private->name);
        status = SIGKILL; /* what it will die of; it did not exit with 0 */
    }
    note_exit(process, status);
    private->running = false;
    close(private->pidfd);
    ed_waitq_wake_all(&private->ended, 0);
}

static int keep(void *arg)
{
    struct ed_process *process = arg;

    ed_fiber_name(private_of(process)->name);
    if (wait_pidfd(process, true))
        put_down(process);
    reap(process);
    return 0;
}

/* ---- starting ---- */

/* The program's end and ours of one of the three descriptors; -1: not there,
 * or not to be closed. */
struct stdio_plan {
    int theirs;
    int to_close; /* theirs, when it was opened for the program only */
    int ours;
};

static void plan_close(struct stdio_plan *plan)
{
    if (plan->to_close >= 0)
        close(plan->to_close);
    plan->to_close = -1;
}

static void plan_abandon(struct stdio_plan plans[3])
{
    for (int i = 0; i < 3; i++) {
        plan_close(&plans[i]);
        if (plans[i].ours >= 0)
            close(plans[i].ours);
        plans[i].ours = -1;
    }
}

static int plan_pipe(struct stdio_plan *plan, bool input)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return ed_fail(-errno, "pipe: %s", ed_err_text(-errno));
    plan->theirs = plan->to_close = ends[input ? 0 : 1];
    plan->ours = ends[input ? 1 : 0];
    /* Only our end: the program expects its own to block. */
    fcntl(plan->ours, F_SETFL, O_NONBLOCK);
    return 0;
}

static int plan_open(struct stdio_plan *plan, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);

    if (fd < 0)
        return ed_fail(-errno, "%s: %s", path, ed_err_text(-errno));
    plan->theirs = plan->to_close = fd;
    return 0;
}

static int plan_make(struct stdio_plan plans[3], int which,
                     const struct ed_stdio *stdio)
{
    struct stdio_plan *plan = &plans[which];

    switch (stdio->kind) {
    case ED_STDIO_INHERIT:
        plan->theirs = which;
        return 0;
    case ED_STDIO_FD:
        plan->theirs = stdio->fd;
        return 0;
    case ED_STDIO_MERGE:
        plan->theirs = plans[STDOUT_FILENO].theirs;
        return which == STDERR_FILENO ? 0 : ED_EUSAGE;
    case ED_STDIO_PIPE:
        return plan_pipe(plan, which == STDIN_FILENO);
    case ED_STDIO_NULL:
        return plan_open(plan, "/dev/null", O_RDWR);
    case ED_STDIO_READ:
        return plan_open(plan, stdio->path, O_RDONLY);
    case ED_STDIO_WRITE:
        return plan_open(plan, stdio->path, O_WRONLY | O_CREAT | O_TRUNC);
    case ED_STDIO_APPEND:
        return plan_open(plan, stdio->path, O_WRONLY | O_CREAT | O_APPEND);
    }
    return ED_EUSAGE;
}

static int plan_all(struct stdio_plan plans[3],
                    const struct ed_process_options *options)
{
    const struct ed_stdio *wanted[] = {&options->in, &options->out,
                                       &options->err};

    for (int i = 0; i < 3; i++) {
        int err = plan_make(plans, i, wanted[i]);
        if (err)
            return err;
    }
    return 0;
}

static void prepare(struct ed_process *process, const char *program,
                    const struct ed_process_options *options)
{
    struct private *private = private_of(process);
    const char *slash = strrchr(program, '/');

    memset(process, 0, sizeof *process);
    process->in = process->out = process->err = -1;
    private->group = options->group;
    private->grace = options->grace ? options->grace : ED_PROCESS_GRACE;
    snprintf(private->name, sizeof private->name, "%s",
             slash && slash[1] ? slash + 1 : program);
}

static int spawn(struct ed_process *process, const char *const *argv,
                 const struct stdio_plan plans[3],
                 const struct ed_process_options *options)
{
    struct private *private = private_of(process);
    struct ed_spawn how = {
        .argv = argv,
        .env = options->env,
        .dir = options->dir,
        .fds = {plans[0].theirs, plans[1].theirs, plans[2].theirs},
        .death_signal = options->death_signal,
        .group = options->group,
    };
    int err = ed_spawn(&how, &process->pid, &private->pidfd);

    if (!err) {
        private->running = true;
        return 0;
    }
    if (options->dir)
        return ed_fail(err, "%s in %s: %s", argv[0], options->dir,
                       ed_err_text(err));
    return ed_fail(err, "%s: %s", argv[0], ed_err_text(err));
}

/* For a process that nobody will watch. */
static void undo(struct ed_process *process)
{
    struct private *private = private_of(process);

    ed_process_signal(process, SIGKILL);
    ed_calls.waitpid(process->pid, NULL, 0);
    close(private->pidfd);
    private->running = false;
}

static int start(struct ed_process *process, ed_scope *scope,
                 const char *const *argv, struct stdio_plan plans[3],
                 const struct ed_process_options *options, const char *place)
{
    int err = plan_all(plans, options);

    if (!err)
        err = spawn(process, argv, plans, options);
    if (err)
        return err;
    err = ed_go_at_(scope, keep, process, "process", place);
    if (err)
        undo(process);
    return err;
}

int ed_process_start_at_(struct ed_process *process, ed_scope *scope,
                         const char *const *argv,
                         const struct ed_process_options *options,
                         const char *place)
{
    struct stdio_plan plans[3] = {{-1, -1, -1}, {-1, -1, -1}, {-1, -1, -1}};
    int err;

    if (!argv || !argv[0])
        return ED_EUSAGE;
    prepare(process, argv[0], options);
    err = start(process, scope, argv, plans, options, place);
    if (err) {
        plan_abandon(plans);
        return err;
    }
    for (int i = 0; i < 3; i++)
        plan_close(&plans[i]);
    process->in = plans[0].ours;
    process->out = plans[1].ours;
    process->err = plans[2].ours;
    return 0;
}

/* ---- while it runs ---- */

bool ed_process_running(const struct ed_process *process)
{
    return ((const struct private *)process->private_words)->running;
}

int ed_process_signal(struct ed_process *process, int signo)
{
    struct private *private = private_of(process);

    if (!private->running)
        return -ESRCH;
    if (kill(private->group ? -process->pid : process->pid, signo))
        return -errno;
    return 0;
}

/* Waits for the keeper to have reaped it. */
static int wait_end(struct ed_process *process)
{
    struct private *private = private_of(process);

    if (!private->running)
        return 0;
    return ed_waitq_wait(&private->ended, "the end of a process", NULL);
}

static int outcome(struct ed_process *process)
{
    const char *name = private_of(process)->name;

    if (process->exit_signal)
        return ed_fail(ED_EEXIT, "%s: killed by signal %d (%s)", name,
                       process->exit_signal, strsignal(process->exit_signal));
    if (process->exit_code)
        return ed_fail(ED_EEXIT, "%s: exit status %d", name,
                       process->exit_code);
    return 0;
}

int ed_process_wait(struct ed_process *process)
{
    int err = wait_end(process);

    return err ? err : outcome(process);
}

static void wait_end_within(struct ed_process *process, int64_t time)
{
    ed_scope(s, .within = time);
    (void)wait_end(process); /* whether it ended is asked of the process */
}

int ed_process_stop(struct ed_process *process, int64_t grace)
{
    if (ed_process_running(process) && grace > 0) {
        ed_process_signal(process, SIGTERM);
        wait_end_within(process, grace);
    }
    if (ed_process_running(process)) {
        int err;
        ed_shield(s, KILLED_WAIT);
        ed_process_signal(process, SIGKILL);
        err = wait_end(process);
        if (err)
            return err;
    }
    return outcome(process);
}

void ed_process_close(struct ed_process *process)
{
    int *fds[] = {&process->in, &process->out, &process->err};

    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}
