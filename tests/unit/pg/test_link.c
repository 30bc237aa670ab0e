/*
 * test_link.c - calls on one link: their ends, and what happens behind them.
 */
#include "link_fixture.h"

LINK_TEST(a_call_gives_rows_and_how_many)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w;
    SEND(link, &w, "select n, :word from generate_series(1, :n) n",
         ed_p(word, "hello"), ed_p(n, 3));
    check_int(await(&w), 0);
    check_int(w.call->affected, 3);
    check_int((long long)ed_rows_count(w.call->rows), 3);
    check_text(ed_rows_text(w.call->rows, 1), "hello");
    done(&w);
    check_text(ask(link, "select 6 * 7"), "42");
    check_int(pg_link_load(link), 0);
    pg_link_close(link);
}

LINK_TEST(two_calls_of_one_fiber_are_under_way_at_once)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait a, b;
    SEND(link, &a, "select 1");
    SEND(link, &b, "select 2");
    check_int(pg_link_load(link), 2);
    check_int(await(&b), 0);
    check(a.over);
    check_text(ed_rows_text(a.call->rows, 0), "1");
    check_text(ed_rows_text(b.call->rows, 0), "2");
    done(&a);
    done(&b);
    pg_link_close(link);
}

LINK_TEST(a_call_with_a_sync_of_its_own_fails_alone)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[3];
    SEND(link, &w[0], "select 1");
    SEND(link, &w[1], "select 1 / :x::int", ed_p(x, 0));
    SEND(link, &w[2], "select 3");
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(await(&w[2]), 0);
    check_int((long long)statements.counts.resent, 0);
    for (int i = 0; i < 3; i++)
        done(&w[i]);
    pg_link_close(link);
}

LINK_TEST(neighbours_of_a_failed_call_are_run_again_unseen)
{
    struct pg_link *link = link_open();
    if (!link)
        return;
    struct wait w[4];
    SEND_READ(link, &w[0], "select 10");
    SEND_READ(link, &w[1], "select 1 / :x::int", ed_p(x, 0));
    SEND_READ(link, &w[2], "select 12");
    SEND_READ(link, &w[3], "select 13 where :x::int = 5", ed_p(x, 5));
    check_int(await(&w[0]), 0);
    check_int(await(&w[1]), ED_EVALUE);
    check_int(await(&w[2]), 0);
    check_int(await(&w[3]), 0);
    check_text(ed_rows_text(w[0].call->rows, 0), "10");
    check_text(ed_rows_text(w[2].call->rows, 0), "12");
    check_text(ed_rows_text(w[3].call->rows, 0), "13");
    check_int((long long)statements.counts.batches, 1);
    check_int((long long)statements.counts.resent, 2);
    for (int i = 0; i < 4; i++)
        done(&w[i]);
    pg_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gives_rows_and_how_many),
        cmocka_unit_test(two_calls_of_one_fiber_are_under_way_at_once),
        cmocka_unit_test(a_call_with_a_sync_of_its_own_fails_alone),
        cmocka_unit_test(neighbours_of_a_failed_call_are_run_again_unseen),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
