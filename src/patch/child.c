/*
 * child.c - waiting for the end of child processes.
 *
 * The end of a certain child makes its pidfd readable. Whichever comes first of
 * several, and stops and continuations, are tried again and again, with pauses
 * that grow to 50 ms.
 *
 * What libc makes of starting and waiting, system() and pclose(), it does on a
 * thread of the pool.
 */
#include "patch/patch.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <eddy/blocking.h>

/* How a child is waited for. */
struct awaited {
    struct ed_patch_try t; /* fd: what tells of its end; -1: nothing does */
    unsigned tries;
    bool ours; /* the descriptor is to be closed */
};

/* `child`: 0, or which; then only its end is of interest. */
static struct awaited begin(const char *call, pid_t child)
{
    struct awaited a = {
        .t = {.call = call, .fd = -1, .events = POLLIN},
    };

    if (child > 0)
        a.t.fd = (int)syscall(SYS_pidfd_open, child, 0);
    a.ours = a.t.fd >= 0;
    return a;
}

static void end(const struct awaited *a)
{
    int saved = errno;

    if (a->ours)
        (void)ed_plain->close(a->t.fd);
    errno = saved;
}

/* After a try that found nothing. ED_PATCH_ERROR: errno is set. */
static enum ed_patch_next go_on(struct awaited *a)
{
    if (a->t.fd >= 0)
        return ed_patch_retry(&a->t);
    if (ed_patch_stays_plain(a->t.call))
        return ED_PATCH_PLAIN;
    int err = ed_patch_back_off(a->tries++);
    if (!err)
        return ED_PATCH_AGAIN;
    (void)ed_patch_fail(err);
    return ED_PATCH_ERROR;
}

/* ---- wait4() and its kin ---- */

static pid_t wait_on(struct awaited *a, pid_t child, int *status, int options,
                     struct rusage *usage)
{
    for (;;) {
        enum ed_patch_next next = go_on(a);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            return ed_plain->wait4(child, status, options, usage);
        pid_t found = ed_plain->wait4(child, status, options | WNOHANG, usage);
        if (found)
            return found;
    }
}

static pid_t wait_for(const char *call, pid_t child, int *status, int options,
                      struct rusage *usage)
{
    pid_t found = ed_plain->wait4(child, status, options | WNOHANG, usage);

    if (found || (options & WNOHANG))
        return found;
    struct awaited a =
        begin(call, options & (WUNTRACED | WCONTINUED) ? 0 : child);
    found = wait_on(&a, child, status, options, usage);
    end(&a);
    return found;
}

pid_t ed_patch_wait4(pid_t child, int *status, int options,
                     struct rusage *usage)
{
    return wait_for("wait4()", child, status, options, usage);
}

pid_t ed_patch_wait3(int *status, int options, struct rusage *usage)
{
    return wait_for("wait3()", -1, status, options, usage);
}

pid_t ed_patch_waitpid(pid_t child, int *status, int options)
{
    return wait_for("waitpid()", child, status, options, NULL);
}

pid_t ed_patch_wait(int *status)
{
    return wait_for("wait()", -1, status, 0, NULL);
}

/* ---- waitid() ---- */

struct id_call {
    idtype_t type;
    id_t id;
    siginfo_t *info;
    int options;
};

/* Without waiting; *found: whether there was one. */
static int look(const struct id_call *c, bool *found)
{
    c->info->si_pid = 0;
    int result =
        ed_plain->waitid(c->type, c->id, c->info, c->options | WNOHANG);
    *found = result || c->info->si_pid;
    return result;
}

static int wait_id_on(struct awaited *a, const struct id_call *c)
{
    bool found = false;
    int result = 0;

    while (!found) {
        enum ed_patch_next next = go_on(a);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            return ed_plain->waitid(c->type, c->id, c->info, c->options);
        result = look(c, &found);
    }
    return result;
}

int ed_patch_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    siginfo_t mine;
    const struct id_call c = {type, id, info ? info : &mine, options};
    bool found;
    int result = look(&c, &found);

    if (found || (options & WNOHANG))
        return result;
    bool ends_alone = !(options & (WSTOPPED | WCONTINUED));
    struct awaited a =
        begin("waitid()", type == P_PID && ends_alone ? (pid_t)id : 0);
    if (type == P_PIDFD && ends_alone)
        a.t.fd = (int)id;
    result = wait_id_on(&a, &c);
    end(&a);
    return result;
}

/* ---- by libc ---- */

struct command_call {
    const char *command;
    FILE *stream; /* of popen(); NULL: the command is to be run */
    int result;
    int err_no;
};

static int do_command(void *arg)
{
    struct command_call *c = arg;

    c->result =
        c->stream ? ed_plain->pclose(c->stream) : ed_plain->system(c->command);
    c->err_no = errno;
    return 0;
}

static int on_a_thread(struct command_call *c)
{
    int err = ed_blocking(do_command, c);

    if (err)
        return ed_patch_fail(err);
    errno = c->err_no;
    return c->result;
}

int ed_patch_system(const char *command)
{
    struct command_call c = {.command = command};

    if (!command || ed_patch_stays_plain("system()"))
        return ed_plain->system(command);
    return on_a_thread(&c);
}

/* It frees the stream, so a cancellation does not keep it from beginning. */
int ed_patch_pclose(FILE *stream)
{
    struct command_call c = {.stream = stream};

    if (ed_patch_stays_plain("pclose()"))
        return ed_plain->pclose(stream);
    ed_shield(s, INT64_MAX);
    (void)s;
    return on_a_thread(&c);
}
