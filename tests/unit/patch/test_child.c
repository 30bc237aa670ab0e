/* Waiting for the end of child processes. */
#include "../core/outside.h"
#include "patch_test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* A child that waits for our end of a pipe to be closed, and then exits. */
static pid_t start(int fds[2], int status)
{
    char c;

    make_pipe(fds);
    pid_t child = fork();
    if (!child) {
        close(fds[1]);
        _exit(read(fds[0], &c, 1) ? 1 : status);
    }
    check(child > 0);
    close(fds[0]);
    return child;
}

/* Others run meanwhile, or nobody would let the child go. */
static int let_go(void *arg)
{
    (void)ed_sleep(5 * ED_MS);
    return close(*(int *)arg);
}

static pid_t by_wait(pid_t child, int *status)
{
    (void)child;
    return wait(status);
}

static pid_t by_waitpid(pid_t child, int *status)
{
    return waitpid(child, status, 0);
}

static pid_t by_waitpid_any(pid_t child, int *status)
{
    (void)child;
    return waitpid(-1, status, 0);
}

static pid_t by_waitpid_stopped(pid_t child, int *status)
{
    return waitpid(child, status, WUNTRACED);
}

static pid_t by_wait3(pid_t child, int *status)
{
    struct rusage usage = {0};

    (void)child;
    return wait3(status, 0, &usage);
}

static pid_t by_wait4(pid_t child, int *status)
{
    struct rusage usage = {.ru_maxrss = -1};
    pid_t found = wait4(child, status, 0, &usage);

    check(usage.ru_maxrss >= 0);
    return found;
}

static pid_t by_waitid_of(idtype_t type, id_t id, int *status)
{
    siginfo_t info = {0};

    if (waitid(type, id, &info, WEXITED))
        return -1;
    check_int(info.si_code, CLD_EXITED);
    *status = info.si_status << 8;
    return info.si_pid;
}

static pid_t by_waitid(pid_t child, int *status)
{
    return by_waitid_of(P_PID, (id_t)child, status);
}

static pid_t by_waitid_any(pid_t child, int *status)
{
    (void)child;
    return by_waitid_of(P_ALL, 0, status);
}

static pid_t by_pidfd(pid_t child, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    pid_t found = by_waitid_of((idtype_t)P_PIDFD, (id_t)fd, status);

    close(fd);
    return found;
}

typedef pid_t waiter(pid_t child, int *status);
static waiter *const waiters[] = {
    by_wait,  by_waitpid, by_waitpid_any, by_waitpid_stopped,
    by_wait3, by_wait4,   by_waitid,      by_waitid_any,
    by_pidfd};

REAL_TEST(others_run_while_a_child_is_waited_for)
{
    int before = held_descriptors();

    for (size_t i = 0; i < sizeof waiters / sizeof *waiters; i++) {
        int fds[2], status = -1;
        pid_t child = start(fds, 42);
        ed_scope(s);
        ed_go(s, let_go, &fds[1]);
        check_int(waiters[i](child, &status), child);
        check(WIFEXITED(status));
        check_int(WEXITSTATUS(status), 42);
        check_int(ed_wait(s), 0);
    }
    check(!held_children());
    check_int(held_descriptors(), before);
}

REAL_TEST(a_child_that_stops_is_told_of)
{
    int fds[2], status = -1;
    pid_t child = start(fds, 0);

    check_int(kill(child, SIGSTOP), 0);
    check_int(waitpid(child, &status, WUNTRACED), child);
    check(WIFSTOPPED(status));
    check_int(waitid(P_PID, (id_t)child, NULL, WSTOPPED | WNOHANG), 0);
    check_int(kill(child, SIGCONT), 0);
    check_int(waitid(P_PID, (id_t)child, NULL, WCONTINUED), 0);
    close(fds[1]);
    /* It is left to be waited for. */
    check_int(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
    check_int(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
}

REAL_TEST(what_need_not_wait_does_not)
{
    int fds[2], status = -1;
    siginfo_t info;

    check_errno(wait(NULL), ECHILD);
    check_errno(waitpid(getpid(), NULL, 0), ECHILD);
    check_errno(waitid(P_ALL, 0, &info, 0), EINVAL);
    pid_t child = start(fds, 0);
    check_int(waitpid(child, &status, WNOHANG), 0);
    check_int(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), 0);
    check_int(info.si_pid, 0);
    close(fds[1]);
    check_int(waitpid(child, &status, 0), child);
}

static void wait_in_vain(void *arg)
{
    const int *a = arg;

    check_errno(waitpid(a[0], NULL, 0), a[1]);
    check_errno(wait(NULL), a[1]);
    check_errno(waitid(P_PID, (id_t)a[0], NULL, WEXITED), a[1]);
}

REAL_TEST(a_deadline_and_a_cancellation_end_waiting_for_a_child)
{
    int fds[2], status = -1;
    pid_t child = start(fds, 0);

    {
        ed_scope(s, .within = 10 * ED_MS);
        (void)s;
        wait_in_vain((int[]){child, ETIMEDOUT});
    }
    {
        ed_scope(s);
        ed_cancel(s);
        wait_in_vain((int[]){child, ECANCELED});
        /* What has ended already can be taken away. */
        check_int(kill(child, SIGKILL), 0);
        ed_patch_fiber(false);
        check_int(waitid(P_PID, (id_t)child, NULL, WEXITED | WNOWAIT), 0);
        ed_patch_fiber(true);
        check_int(waitpid(child, &status, 0), child);
        check(WIFSIGNALED(status));
    }
    close(fds[1]);
    check(!held_children());
}

/* Reads, in a program that a fiber writes to, what makes it end. */
static int write_line(void *arg)
{
    (void)ed_sleep(5 * ED_MS);
    check_int(write(*(int *)arg, "go\n", 3), 3);
    return 0;
}

/* NOLINTBEGIN(cert-env33-c): what is tested */
REAL_TEST(others_run_while_a_command_does)
{
    int fds[2];
    char command[64];

    make_pipe(fds);
    check_int(fcntl(fds[0], F_SETFD, 0), 0);
    snprintf(command, sizeof command, "read line <&%d; test \"$line\" = go",
             fds[0]);
    ed_scope(s);
    ed_go(s, write_line, &fds[1]);
    check_int(system(command), 0);
    check(system(NULL) != 0);
    check_int(system("exit 3"), 3 << 8);
    FILE *stream = popen(command, "r");
    ed_go(s, write_line, &fds[1]);
    check_int(pclose(stream), 0);
    check_int(ed_wait(s), 0);
    stream = popen("exit 4", "r");
    ed_scope(inner);
    ed_cancel(inner);
    check_errno(system("true"), ECANCELED);
    check_int(pclose(stream), 4 << 8);
    close_both(fds);
}

/* NOLINTEND(cert-env33-c) */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_run_while_a_child_is_waited_for),
        cmocka_unit_test(a_child_that_stops_is_told_of),
        cmocka_unit_test(what_need_not_wait_does_not),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_waiting_for_a_child),
        cmocka_unit_test(others_run_while_a_command_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
