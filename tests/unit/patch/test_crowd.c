/* Many fibers that read, write, poll, close and are ended in any order, on the
 * same few descriptors: nothing is lost, nobody waits for ever. */
#include "../core/outside.h"
#include "patch_test.h"

#include <poll.h>
#include <signal.h>
#include <sys/select.h>

enum { FIBERS = 40, PAIRS = 6, STEPS = 150, SEEDS = 8 };

/* Descriptors that anybody may close at any time, and then are others. */
static int pairs[PAIRS][2];

struct one {
    uint32_t seed;
};

static void open_again(int i)
{
    close_both(pairs[i]);
    (i % 2 ? make_pipe : make_sockets)(pairs[i]);
}

/* What such a call may fail with, once it has failed. */
static bool is_expected(void)
{
    static const int may_be[] = {EBADF,    ETIMEDOUT, ECANCELED, EPIPE,
                                 ENOTSOCK, EAGAIN,    ECONNRESET};

    for (size_t i = 0; i < sizeof may_be / sizeof *may_be; i++) {
        if (errno == may_be[i])
            return true;
    }
    return false;
}

static ssize_t poll_some(uint32_t *seed)
{
    struct pollfd fds[PAIRS];

    for (int i = 0; i < PAIRS; i++)
        fds[i] = (struct pollfd){
            .fd = pairs[i][test_random(seed, 2)],
            .events = (short)(test_random(seed, 2) ? POLLIN : POLLOUT)};
    return poll(fds, 1 + test_random(seed, PAIRS), (int)test_random(seed, 20));
}

static ssize_t select_one(int fd, uint32_t *seed)
{
    struct timeval limit = {0, (suseconds_t)test_random(seed, 20000)};
    fd_set in;

    FD_ZERO(&in);
    FD_SET(fd, &in);
    return select(fd + 1, &in, NULL, NULL, &limit);
}

static ssize_t call_any(uint32_t *seed)
{
    static char buf[20000];
    int i = (int)test_random(seed, PAIRS);
    const int *fds = pairs[i];

    switch (test_random(seed, 8)) {
    case 0:
        return read(fds[0], buf, sizeof buf);
    case 1:
        return recv(fds[0], buf, 1 + test_random(seed, 100), MSG_WAITALL);
    case 2:
        return write(fds[1], buf, 1 + test_random(seed, sizeof buf - 1));
    case 3:
        return send(fds[1], buf, 1 + test_random(seed, 10000), MSG_NOSIGNAL);
    case 4:
        return poll_some(seed);
    case 5:
        return select_one(fds[0], seed);
    case 6:
        return usleep(test_random(seed, 5000));
    default:
        open_again(i);
        return 0;
    }
}

static int one_step(void *arg)
{
    struct one *one = arg;

    errno = 0;
    if (call_any(&one->seed) < 0)
        check_(is_expected(), "errno is %d", errno);
    return 0;
}

static int walk(void *arg)
{
    struct one *one = arg;

    for (int i = 0; i < STEPS; i++) {
        int64_t within = (1 + test_random(&one->seed, 30)) * ED_MS;
        int64_t began = ed_now();
        (void)ed_with_timeout(within, one_step, one);
        check(ed_now() - began <= within);
        if (ed_cancelled())
            break;
    }
    return 0;
}

static void crowd(uint32_t seed)
{
    struct one ones[FIBERS];

    for (int i = 0; i < PAIRS; i++)
        (i % 2 ? make_pipe : make_sockets)(pairs[i]);
    ed_scope(s);
    for (int i = 0; i < FIBERS; i++) {
        ones[i].seed = seed * FIBERS + (uint32_t)i + 1;
        ed_go(s, walk, &ones[i]);
    }
    if (seed % 2) {
        check_int(ed_sleep(100 * ED_MS), 0);
        ed_cancel(s);
    }
    check_int(ed_wait(s), seed % 2 ? ED_ECANCELED : 0);
    for (int i = 0; i < PAIRS; i++)
        close_both(pairs[i]);
}

FIBER_TEST(a_crowd_gets_through)
{
    int before = held_descriptors();

    (void)signal(SIGPIPE, SIG_IGN);
    for (uint32_t seed = 0; seed < SEEDS; seed++)
        crowd(seed);
    check_int(held_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_gets_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
