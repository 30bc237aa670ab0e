/*
 * child.c - starting a process of the master's, and talking with it.
 */
#include "serve/child.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/printed.h"
#include "serve/notify.h"

/* ---- starting ---- */

/* Signals the master takes by a descriptor, or ignores. */
static void reset_signals(const sigset_t *mask)
{
    static const int changed[] = {SIGPIPE, SIGHUP,  SIGINT,  SIGQUIT,
                                  SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD,
                                  SIGTTIN, SIGTTOU, SIGWINCH};

    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        signal(changed[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
}

/* A terminal that is behind it is still shown colours. */
static void redirect_errors(int errors)
{
    if (errors < 0)
        return;
    if (isatty(STDERR_FILENO))
        setenv("CLICOLOR_FORCE", "1", 0);
    dup2(errors, STDERR_FILENO);
}

static _Noreturn void become(const struct ed_program *program,
                             const struct ed_launch *launch,
                             const struct ed_forked *forked,
                             const sigset_t *mask)
{
    bool in_fork = program->preload || launch->why;

    reset_signals(mask);
    redirect_errors(launch->errors);
    ed_notify_forget();
    if (in_fork && launch->role == ED_ROLE_WORKER) {
        forked->close(forked->arg);
        exit(program->run(launch, program->arg));
    }
    int err = ed_launch_give(launch);
    if (!err)
        execv(program->file, program->argv);
    dprintf(STDERR_FILENO, "%s: cannot start: %s\n", program->file,
            strerror(err ? -err : errno));
    _exit(ED_CHILD_NOT_FOUND);
}

int ed_child_start(struct ed_child *child, const struct ed_program *program,
                   const struct ed_launch *launch,
                   const struct ed_forked *forked, const sigset_t *mask)
{
    struct ed_launch given = *launch;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends))
        return -errno;
    fflush(NULL); /* what is buffered would be written twice */
    pid_t pid = fork();
    if (pid < 0) {
        int err = -errno;
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    if (!pid) {
        close(ends[0]);
        given.control = ends[1];
        become(program, &given, forked, mask);
    }
    close(ends[1]);
    *child = (struct ed_child){.pid = pid, .control = ends[0]};
    return 0;
}

/* ---- talking ---- */

static void send_line(const struct ed_child *child, struct ed_bytes text)
{
    struct iovec iov[] = {{(void *)text.ptr, text.len}, {"\n", 1}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

    if (child->control >= 0)
        (void)sendmsg(child->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ed_child_say(const struct ed_child *child, const char *fmt, ...)
{
    struct ed_printed text ED_PRINTED_AUTO;
    va_list args;

    va_start(args, fmt);
    int err = ed_print(&text, fmt, args);
    va_end(args);
    if (!err)
        send_line(child, text.bytes);
}

bool ed_child_hear(struct ed_child *child)
{
    for (;;) {
        if (child->said.len >= ED_CHILD_LINE ||
            ed_buf_reserve(&child->said, 4096))
            return false; /* nonsense, or no memory to hear it */
        ssize_t n = recv(child->control, child->said.ptr + child->said.len,
                         4096, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n <= 0)
            return false;
        child->said.len += (size_t)n;
    }
}

char *ed_child_line(struct ed_child *child, size_t *used)
{
    char *from = child->said.ptr ? child->said.ptr + *used : NULL;
    char *end = from ? memchr(from, '\n', child->said.len - *used) : NULL;

    if (!end)
        return NULL;
    *end = '\0';
    *used += (size_t)(end - from) + 1;
    return from;
}

void ed_child_lines_done(struct ed_child *child, size_t used)
{
    ed_buf_drop(&child->said, used);
}

void ed_child_forget(struct ed_child *child)
{
    if (child->control >= 0)
        close(child->control);
    ed_buf_free(&child->said);
    *child = (struct ed_child){.control = -1};
}
