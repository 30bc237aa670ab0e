/* Forks beside a loop whose fibers wait for descriptors of the program. */
#include "patch_test.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <eddy/offload.h>

static atomic_bool reads;

static int read_in_loop(void *arg, ed_arena *arena, void **value)
{
    char c;

    (void)arena, (void)value;
    atomic_store(&reads, true);
    return read(*(int *)arg, &c, 1) == 1 ? 0 : -errno;
}

/* The loop's own are closed in the child; these are not the loop's. */
static void a_child_keeps_what_a_fiber_waits_for(void **state)
{
    int fds[2], status = -1;

    (void)state;
    make_sockets(fds);
    ed_ticket *t = ed_offload(read_in_loop, &fds[0]);
    while (!atomic_load(&reads))
        usleep(1000);
    usleep(20000); /* it waits by now */
    pid_t child = fork();
    if (!child)
        _exit(fcntl(fds[0], F_GETFD) < 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(ed_ticket_wait(t, 10 * ED_S), 0);
    ed_ticket_free(t);
    close_both(fds);
    assert_int_equal(ed_offload_stop(10 * ED_S), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_keeps_what_a_fiber_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
