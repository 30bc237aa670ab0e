/*
 * test_link_sends.c - how often a link goes to the socket.
 *
 * Owns send(), which libpq calls: what a program defines comes before libc's.
 */
#include "link_fixture.h"

#include "pg/flight.h"
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CALLS = 20 };

static int counted_fd = -1;
static int sends;

/* libc's names are not for programs.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
ED_API ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    sends += fd == counted_fd;
    return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

static struct pg_link *counted_link(void)
{
    struct pg_link *link = link_open();
    if (!link)
        return NULL;
    check_text(ask(link, "select 1"), "1"); /* prepared */
    counted_fd = PQsocket(link->conn);
    sends = 0;
    return link;
}

static void await_all(struct wait *w)
{
    for (int i = 0; i < CALLS; i++) {
        check_int(await(&w[i]), 0);
        done(&w[i]);
    }
    counted_fd = -1;
}

/* Before libpq 17 a sync could not be told without being sent. */
LINK_TEST(calls_of_a_turn_leave_together_each_with_its_sync)
{
    struct pg_link *link = counted_link();
    if (!link)
        return;
    struct wait w[CALLS];
    for (int i = 0; i < CALLS; i++)
        SEND(link, &w[i], "select 1");
    check_int(sends, 0);
    await_all(w);
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    check_int(sends, 1);
#else
    check_int(sends, CALLS);
#endif
    pg_link_close(link);
}

LINK_TEST(calls_that_share_a_sync_leave_together)
{
    struct pg_link *link = counted_link();
    if (!link)
        return;
    struct wait w[CALLS];
    for (int i = 0; i < CALLS; i++)
        SEND_READ(link, &w[i], "select 1");
    await_all(w);
    check_int(sends, 1);
    pg_link_close(link);
}

LINK_TEST(calls_that_are_run_again_leave_together)
{
    struct pg_link *link = counted_link();
    if (!link)
        return;
    struct wait bad, w[CALLS];
    SEND_READ(link, &bad, "select 1 / :x::int", ed_p(x, 0));
    for (int i = 0; i < CALLS; i++)
        SEND_READ(link, &w[i], "select 1");
    check_int(await(&bad), ED_EVALUE);
    done(&bad);
    await_all(w);
    check_int((long long)statements.counts.resent, CALLS);
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    check_int(sends, 2);
#else
    check_int(sends, 1 + CALLS);
#endif
    pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_a_turn_leave_together_each_with_its_sync),
        cmocka_unit_test(calls_that_share_a_sync_leave_together),
        cmocka_unit_test(calls_that_are_run_again_leave_together),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
