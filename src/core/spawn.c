/*
 * spawn.c - starting another program without copying this one.
 *
 * The child borrows the parent's memory, which waits meanwhile, until it
 * executes the program: no page tables are copied, however large the parent.
 * Hence the rules of child code here: nothing but system calls and plain
 * memory, no locks, no allocation; and sanitizers must look away, since what
 * they note would outlive the child: calls whose wrappers they replace are
 * made directly.
 */
#include "base/calls.h"
#include "core/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* execvpe() puts paths, and for scripts without #! a copy of the argument
 * vector, on the stack; 256 KiB are 30,000 arguments, and untouched pages cost
 * nothing. */
#define STACK_BYTES (256 * 1024)

#define CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifdef TSAN
/* ThreadSanitizer's clone() notes in the child, and so in our memory, that
 * there has been a fork. This is glibc's by its other name. */
extern int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

struct child {
    const struct ed_spawn *spawn;
    pid_t parent;
    int err; /* written by the child when it fails */
};

/* As the kernel sees struct sigaction: four words, the first the handler; all
 * zero is the default. */
struct disposition {
    uintptr_t words[4];
};
#define MASK_BYTES 8 /* of a signal set, to the kernel */

CHILD static void reset_signals(void)
{
    const struct disposition fresh = {{0}};
    const uint64_t none = 0;

    for (long signo = 1; signo < NSIG; signo++) {
        struct disposition now;

        if (syscall(SYS_rt_sigaction, signo, NULL, &now, MASK_BYTES))
            continue;
        if (now.words[0] == (uintptr_t)SIG_DFL)
            continue;
        if (signo == SIGHUP && now.words[0] == (uintptr_t)SIG_IGN)
            continue;
        syscall(SYS_rt_sigaction, signo, &fresh, NULL, MASK_BYTES);
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, MASK_BYTES);
}

/* dup2(), which does nothing when both are the same, close-on-exec flag
 * included. */
CHILD static long put_at(int from, int to)
{
    return from == to ? fcntl(to, F_SETFD, 0) : syscall(SYS_dup3, from, to, 0);
}

/* Puts the three descriptors in place. */
CHILD static int place_fds(const int fds[3])
{
    int from[3];

    /* First out of each other's way: above the three. */
    for (int i = 0; i < 3; i++) {
        from[i] = fds[i];
        if (from[i] < 3 && from[i] != i)
            from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (put_at(from[i], i) < 0)
            return -1;
    }
    /* Those of libraries that do not set it themselves. Kernels before 5.11
     * do not know the call; ours all have the flag anyway. */
    (void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    return 0;
}

/* A parent that died before the request was made sends no signal. */
CHILD static int die_with_parent(const struct child *child)
{
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, child->spawn->death_signal, 0, 0,
                0))
        return -1;
    if (getppid() != child->parent) {
        errno = ESRCH;
        return -1;
    }
    return 0;
}

CHILD static void become_program(struct child *child)
{
    const struct ed_spawn *spawn = child->spawn;
    const char *const *env = spawn->env;

    if (spawn->group && setpgid(0, 0))
        return;
    if (place_fds(spawn->fds))
        return;
    if (spawn->dir && chdir(spawn->dir))
        return;
    if (spawn->death_signal && die_with_parent(child))
        return;
    reset_signals();
    execvpe(spawn->argv[0], (char *const *)spawn->argv,
            env ? (char *const *)env : environ);
}

CHILD static int child_main(void *arg)
{
    struct child *child = arg;

    become_program(child);
    child->err = errno;
    return 127; /* which exits without running anything of ours */
}

static int spawn_on(char *stack, struct child *child, pid_t *pid, int *pidfd)
{
    sigset_t all;
    sigset_t before;
    int err;

    /* A handler must not run in the child: it would work on our memory. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *pid = clone(child_main, stack + STACK_BYTES,
                 CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, pidfd);
    err = *pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int ed_spawn(const struct ed_spawn *spawn, pid_t *pid, int *pidfd)
{
    struct child child = {.spawn = spawn, .parent = getpid()};
    char *stack;
    int err;

    stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    err = spawn_on(stack, &child, pid, pidfd);
    munmap(stack, STACK_BYTES);
    if (err || !child.err)
        return err;

    ed_calls.waitpid(*pid, NULL, 0);
    close(*pidfd);
    return -child.err;
}
