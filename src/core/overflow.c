/*
 * overflow.c - names the fiber whose stack overflows.
 *
 * The overflowing stack has no room for a handler, so each loop's thread has
 * an alternate one. The handlers only add a line: they then put the former
 * disposition back and let the instruction fault again, so that sanitizers,
 * crash reporters and core dumps see the fault as if nobody had been here.
 */
#include "core/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/calls.h"
#include "base/log_safe.h"
#include "core/loop_internal.h"

/* Room for this handler, the monitor's, and one chained to, such as a report's,
 * which reads debug information; with AVX-512 the kernel's frame alone takes 3
 * KiB. Untouched pages cost nothing. */
#define ALTERNATE_BYTES (256 * 1024)

static const int faults[] = {SIGSEGV, SIGBUS};
#define FAULTS (sizeof faults / sizeof *faults)

static struct sigaction former[FAULTS];
static int installed; /* 0 or -errno, once tried */
static _Thread_local void *alternate;

/* ---- in the handler ---- */

/* The fiber whose guard the address lies in, or NULL. */
static const ed_fiber *overflowing(const char *address)
{
    const ed_fiber *fiber = ed_fiber_self();
    const char *low = fiber ? fiber->stack_low : NULL;

    if (!low || address >= low || address < low - ed_stack_guard_bytes())
        return NULL;
    return fiber;
}

static void tell(const ed_fiber *fiber)
{
    struct ed_safe_line line = {0};
    ssize_t n;

    ed_safe_put(&line, "stack overflow in fiber '");
    ed_safe_put(&line, fiber->name);
    ed_safe_put(&line, "' started at ");
    ed_safe_put(&line, fiber->place);
    ed_safe_put(&line, " (stack of ");
    ed_safe_put_number(&line, fiber->loop->stacks.stack_bytes / 1024);
    ed_safe_put(&line, " KiB)\n");
    n = ed_calls.write(STDERR_FILENO, line.text, line.len);
    (void)n; /* nobody is left to be told */
}

static const struct sigaction *former_of(int signo)
{
    return &former[signo == SIGSEGV ? 0 : 1];
}

/* Passes the signal on as if this handler had not been there. */
static void pass_on(int signo, siginfo_t *info, void *context)
{
    const struct sigaction *next = former_of(signo);

    if (next->sa_flags & SA_SIGINFO) {
        next->sa_sigaction(signo, info, context);
        return;
    }
    if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
        next->sa_handler(signo);
        return;
    }
    /* A fault happens again when this returns; what somebody sent does not,
     * and has to be sent again. */
    sigaction(signo, next, NULL);
    if (info->si_code <= 0)
        raise(signo);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    const ed_fiber *fiber =
        info->si_code > 0 ? overflowing(info->si_addr) : NULL;

    if (fiber) {
        tell(fiber);
        sigaction(signo, former_of(signo), NULL);
    } else {
        pass_on(signo, info, context);
    }
    errno = saved;
}

/* ---- preparing ---- */

static void install(void)
{
    struct sigaction action = {
        .sa_sigaction = on_fault,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };

    for (size_t i = 0; i < FAULTS; i++) {
        if (sigaction(faults[i], &action, &former[i]))
            installed = -errno;
    }
}

static int give_alternate(void)
{
    stack_t now;
    stack_t ours = {.ss_size = ALTERNATE_BYTES};
    int err;

    if (sigaltstack(NULL, &now) || !(now.ss_flags & SS_DISABLE))
        return 0; /* a sanitizer's, or the program's own */
    ours.ss_sp = mmap(NULL, ALTERNATE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ours.ss_sp == MAP_FAILED)
        return -errno;
    if (sigaltstack(&ours, NULL)) {
        err = -errno;
        munmap(ours.ss_sp, ALTERNATE_BYTES);
        return err;
    }
    alternate = ours.ss_sp;
    return 0;
}

int ed_overflow_enter(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, install);
    return installed ? installed : give_alternate();
}

void ed_overflow_leave(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    stack_t now;

    if (!alternate)
        return;
    if (!sigaltstack(NULL, &now) && now.ss_sp == alternate)
        sigaltstack(&none, NULL);
    munmap(alternate, ALTERNATE_BYTES);
    alternate = NULL;
}
