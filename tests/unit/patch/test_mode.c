/* What the patch is to do, for whom, and what it tells. */
#include "../core/outside.h"
#include "patch_test.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <eddy/blocking.h>

static const struct timespec SHORT = {0, 2 * ED_MS};

/* ---- the mode ---- */

static void the_mode_can_be_set(void **state)
{
    (void)state;
    assert_int_equal(ed_patch_mode(), ED_PATCH_ON);
    assert_int_equal(ed_patch_set_mode(ED_PATCH_OFF), 0);
    assert_int_equal(ed_patch_mode(), ED_PATCH_OFF);
    assert_int_equal(ed_patch_set_mode((enum ed_patch_mode)3), ED_EUSAGE);
    assert_int_equal(ed_patch_set_mode((enum ed_patch_mode) - 1), ED_EUSAGE);
    assert_int_equal(ed_patch_mode(), ED_PATCH_OFF);
    assert_int_equal(ed_patch_set_mode(ED_PATCH_ON), 0);
}

/* How much of the virtual clock a plain call takes: none. */
static int64_t time_of_a_call(void)
{
    int64_t began = ed_now();

    check_int(nanosleep(&SHORT, NULL), 0);
    return ed_now() - began;
}

FIBER_TEST(turned_off_calls_are_plain)
{
    check_int(time_of_a_call(), 2 * ED_MS);
    check_int(ed_patch_set_mode(ED_PATCH_OFF), 0);
    check_int(time_of_a_call(), 0);
    check_int(ed_patch_set_mode(ED_PATCH_ON), 0);
    check_int(time_of_a_call(), 2 * ED_MS);
}

int __nanosleep(const struct timespec *time, struct timespec *left);
int __poll(struct pollfd *fds, nfds_t count, int timeout);

FIBER_TEST(libc_s_other_names_are_the_same_calls)
{
    int64_t began = ed_now();

    check_int(__nanosleep(&SHORT, NULL), 0);
    check_int(__poll(NULL, 0, 3), 0);
    check_int(ed_now() - began, 5 * ED_MS);
}

static int call_once(void *arg)
{
    *(int64_t *)arg = time_of_a_call();
    return 0;
}

FIBER_TEST(a_fiber_may_turn_it_off_for_itself)
{
    int64_t other = 0;

    check(ed_patch_fiber(false));
    check_int(time_of_a_call(), 0);
    ed_scope(s);
    ed_go(s, call_once, &other);
    check_int(ed_wait(s), 0);
    check_int(other, 2 * ED_MS);
    check(!ed_patch_fiber(true));
    check_int(time_of_a_call(), 2 * ED_MS);
}

static int turn_off(void *arg)
{
    (void)arg;
    ed_patch_fiber(false);
    return 0;
}

FIBER_TEST(the_next_fiber_on_a_stack_has_it_on)
{
    int64_t next = 0;

    ed_scope(s);
    ed_go(s, turn_off, NULL);
    check_int(ed_yield(), 0);
    ed_go(s, call_once, &next);
    check_int(ed_wait(s), 0);
    check_int(next, 2 * ED_MS);
}

static void outside_of_fibers_nothing_is_turned(void **state)
{
    (void)state;
    assert_false(ed_patch_fiber(false));
    assert_false(ed_patch_fiber(true));
}

/* ---- for whom ---- */

static int call_on_a_thread(void *arg)
{
    struct timespec began, ended;

    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &began);
    if (nanosleep(&SHORT, NULL))
        return -errno;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return (ended.tv_sec - began.tv_sec) * ED_S + ended.tv_nsec -
                       began.tv_nsec >=
                   2 * ED_MS
               ? 0
               : -EIO;
}

FIBER_TEST(on_other_threads_calls_are_plain)
{
    check_int(ed_blocking(call_on_a_thread, NULL), 0);
}

static int count_run(void *arg)
{
    ++*(int *)arg;
    return 0;
}

/* A child that waited as a fiber would run its parent's fibers. */
REAL_TEST(in_a_child_calls_are_plain)
{
    int fds[2], status = -1;
    char c;

    make_pipe(fds);
    ed_scope(s);
    ed_go(s, turn_off, NULL);
    pid_t child = fork();
    if (!child) {
        bool well = !nanosleep(&SHORT, NULL) && write(fds[1], "x", 1) == 1 &&
                    poll(NULL, 0, 2) == 0;
        _exit(!well);
    }
    check_int(read(fds[0], &c, 1), 1);
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    check_int(ed_wait(s), 0);
    close_both(fds);
}

/* A daemon, say: its fibers are copies, and all there are. */
REAL_TEST(a_child_may_go_on_with_its_fibers)
{
    int status = -1, ran = 0;

    ed_scope(s);
    ed_go(s, count_run, &ran);
    pid_t child = fork();
    if (!child) {
        ed_patch_fiber(true);
        _exit(nanosleep(&SHORT, NULL) || ran != 1);
    }
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    check_int(ed_wait(s), 0);
}

static int read_one_byte(void *arg)
{
    char c;

    check_int(read(*(int *)arg, &c, 1), 1);
    return 0;
}

/* It runs in the memory of its parent, whose fibers are none of its business.
 */
REAL_TEST(so_they_are_in_a_child_that_shares_memory)
{
    int fds[2], status = -1;
    volatile pid_t self = getpid();
    int ran = 0;

    make_sockets(fds);
    ed_scope(s);
    ed_go(s, read_one_byte, &fds[0]);
    check_int(ed_yield(), 0);
    ed_go(s, count_run, &ran);
    pid_t child = vfork(); /* NOLINT(*vfork): what is tested */
    if (!child) {
        int err =
            close(fds[0]) || nanosleep(&SHORT, NULL) || poll(NULL, 0, 1) || ran;
        _exit(err || getpid() == self);
    }
    check_int(ran, 0);
    check_int(waitpid(child, &status, 0), child);
    check_int(status, 0);
    check_int(write(fds[1], "x", 1), 1);
    check_int(ed_wait(s), 0);
    check_int(ran, 1);
    close_both(fds);
}

/* ---- the log stays what it is ---- */

static int log_much(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++)
        ed_log_info("a line that fills a pipe, number %d", i);
    return 0;
}

static void *drain(void *arg)
{
    char buf[4096];
    ssize_t n;
    size_t *bytes = arg;
    int fd = (int)*bytes;

    *bytes = 0;
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        *bytes += (size_t)n;
        nanosleep(&(struct timespec){0, 10 * ED_US}, NULL);
    }
    return NULL;
}

/* Logging suspends nobody: a full pipe blocks, and no other fiber runs. */
FIBER_TEST(the_log_is_written_as_ever)
{
    int fds[2];
    size_t bytes;
    pthread_t thread;

    make_pipe(fds);
    bytes = (size_t)fds[0];
    check_int(pthread_create(&thread, NULL, drain, &bytes), 0);
    ed_log_set_fd(fds[1]);
    int64_t began = ed_now();
    (void)log_much(NULL);
    check_int(ed_now() - began, 0);
    ed_log_set_fd(2);
    close(fds[1]);
    check_int(pthread_join(thread, NULL), 0);
    check(bytes > 65536);
    close(fds[0]);
}

/* ---- reports ---- */

__attribute__((noinline)) static int nap(void)
{
    return nanosleep(&SHORT, NULL);
}

static int nap_twice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++)
        check_int(nap(), 0);
    return 0;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    while ((text = strstr(text, part))) {
        text += strlen(part);
        n++;
    }
    return n;
}

FIBER_TEST(a_report_names_the_call_the_fiber_and_its_stack_once)
{
    int log = capture_log();
    int64_t began = ed_now();

    check_int(ed_patch_set_mode(ED_PATCH_REPORT), 0);
    ed_scope(s);
    ed_go(s, nap_twice, NULL);
    check_int(ed_wait(s), 0);
    check_int(ed_patch_set_mode(ED_PATCH_ON), 0);
    check_int(ed_now() - began, 0);
    char *text = captured(log);
    says(text, "WARN  nanosleep() blocks the loop, in fiber 'nap_twice' "
               "(started at ");
    says(text, "test_mode.c:");
    says(text, "WARN      nap at ");
    says(text, "WARN      nap_twice at ");
    check_int((long long)count(text, "blocks the loop"), 1);
    check_int((long long)count(text, "ed_patch_"), 0);
    free(text);
}

FIBER_TEST(what_need_not_wait_is_not_reported)
{
    int fds[2];
    char c;
    int log = capture_log();

    make_sockets(fds);
    check_int(ed_patch_set_mode(ED_PATCH_REPORT), 0);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    check_int(write(fds[1], "ab", 2), 2);
    check_int(poll(&p, 1, -1), 1);
    check_int(read(fds[0], &c, 1), 1);
    check_int(recv(fds[0], &c, 1, 0), 1);
    check_errno(recv(fds[0], &c, 1, MSG_DONTWAIT), EAGAIN);
    check_int(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    check_errno(read(fds[0], &c, 1), EAGAIN);
    check_int(poll(&p, 1, 0), 0);
    check_int(sleep(0), 0);
    check_int(usleep(0), 0);
    check_int(nanosleep(&(struct timespec){0}, NULL), 0);
    check_int(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
                              &(struct timespec){1, 0}, NULL),
              0);
    check_int(ed_patch_set_mode(ED_PATCH_ON), 0);
    char *text = captured(log);
    check_text(text, "");
    free(text);
    close_both(fds);
}

static void *write_after_a_while(void *arg)
{
    nanosleep(&SHORT, NULL);
    check_int(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

FIBER_TEST(what_is_reported_still_does_its_work)
{
    int fds[2];
    pthread_t thread;
    char c = 0;
    int log = capture_log();

    make_sockets(fds);
    check_int(ed_patch_set_mode(ED_PATCH_REPORT), 0);
    check_int(pthread_create(&thread, NULL, write_after_a_while, &fds[1]), 0);
    check_int(recv(fds[0], &c, 1, 0), 1);
    check_int(pthread_join(thread, NULL), 0);
    check_int(c, 'x');
    check_int(ed_patch_set_mode(ED_PATCH_ON), 0);
    char *text = captured(log);
    says(text, "recv() blocks the loop");
    free(text);
    close_both(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mode_can_be_set),
        cmocka_unit_test(turned_off_calls_are_plain),
        cmocka_unit_test(libc_s_other_names_are_the_same_calls),
        cmocka_unit_test(a_fiber_may_turn_it_off_for_itself),
        cmocka_unit_test(the_next_fiber_on_a_stack_has_it_on),
        cmocka_unit_test(outside_of_fibers_nothing_is_turned),
        cmocka_unit_test(on_other_threads_calls_are_plain),
        cmocka_unit_test(in_a_child_calls_are_plain),
        cmocka_unit_test(so_they_are_in_a_child_that_shares_memory),
        cmocka_unit_test(a_child_may_go_on_with_its_fibers),
        cmocka_unit_test(the_log_is_written_as_ever),
        cmocka_unit_test(a_report_names_the_call_the_fiber_and_its_stack_once),
        cmocka_unit_test(what_need_not_wait_is_not_reported),
        cmocka_unit_test(what_is_reported_still_does_its_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
