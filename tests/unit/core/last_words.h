/*
 * last_words.h - for tests of what a process says that crashes or hangs: each
 * does so in a child.
 */
#ifndef EDDY_TESTS_LAST_WORDS_H
#define EDDY_TESTS_LAST_WORDS_H

#include "outside.h"

#include <eddy/clock.h>
#include <signal.h>
#include <sys/resource.h>
#include "base/log_safe.h"
#include "core/report.h"
#include "core/runtime.h"

/* Runs fn in a child; *status is how it ended. What it logged, to be freed. */
static inline char *run_in_child(void (*fn)(void), int *status)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    pid_t pid = fork();

    if (!pid) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(fd, 2);
        /* cmocka has handlers of its own. */
        for (int signo = 1; signo < SIGSYS; signo++)
            signal(signo, SIG_DFL);
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, status, 0), pid);
    return captured(fd);
}

static inline bool has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "no \"%s\" in:\n%s\n", part, text);
    return strstr(text, part);
}

/* A sanitizer takes the signal first or last, and ends the process itself. */
static inline bool died_by(int status, int signo)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return !WIFEXITED(status) || WEXITSTATUS(status);
#endif
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

/* ---- what it does before ---- */

static inline int in_fiber(void *arg)
{
    int (*fn)(void *) = *(int (**)(void *))arg;
    ed_scope(s);
    ed_go_at_(s, fn, NULL, "user", "app.c:42");
    return ed_wait(s);
}

#if defined(__x86_64__)
/* Waits for *flag, with a word on the stack that its tables know nothing of:
 * they give it, an address with nothing there, for the caller's. */
void wait_astray(const volatile bool *flag);
__asm__(".text\n"
        ".type wait_astray, @function\n"
        "wait_astray:\n"
        ".cfi_startproc\n"
        "pushq $0x73\n"
        "1: pause\n"
        "cmpb $0, (%rdi)\n"
        "je 1b\n"
        "popq %rax\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size wait_astray, .-wait_astray\n");
#endif

/* ---- what it adds to its report ---- */

static inline void say_more(void *arg)
{
    struct ed_safe_line line = {0};

    ed_safe_put(&line, "GET /");
    ed_safe_put(&line, arg);
    ed_log_safely(ED_LOG_ERROR, &line);
}

static int *volatile nowhere = (int *)16;

static inline void fault_again(void *arg)
{
    (void)arg;
    *nowhere = 2;
}

static inline void stand_still(void *arg)
{
    (void)arg;
    for (;;)
        pause();
}

#endif
