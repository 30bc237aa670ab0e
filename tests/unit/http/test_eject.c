/*
 * test_eject.c - when an address is left alone, for how long, and how it comes
 * back.
 */
#include "fleet.h"
#include "http/balance.h"

static const struct ed_eject_policy POLICY = {
    .failures = 3, .percent = 50, .pause = 5 * ED_S, .max_pause = 20 * ED_S};

/* ---- the judgement ---- */

static void so_many_failures_in_a_row_are_enough(void **state)
{
    (void)state;
    struct ed_health health = {0};

    assert_false(ed_health_note(&health, &POLICY, true));
    assert_false(ed_health_note(&health, &POLICY, true));
    assert_false(ed_health_note(&health, &POLICY, false));
    assert_false(ed_health_note(&health, &POLICY, true));
    assert_false(ed_health_note(&health, &POLICY, true));
    assert_true(ed_health_note(&health, &POLICY, true));
}

/* Of each ten results so many fail, never three in a row; the result at which
 * it was enough, or 0. */
static int when_of_ten(unsigned failing)
{
    static const char patterns[][11] = {[5] = "0101010101", [6] = "1101011010"};
    struct ed_health health = {0};

    for (int i = 1; i <= 400; i++) {
        bool failed = patterns[failing][(i - 1) % 10] == '1';
        if (ed_health_note(&health, &POLICY, failed))
            return i;
    }
    return 0;
}

static void more_than_half_of_a_hundred_failures_are_enough(void **state)
{
    (void)state;
    assert_int_equal(when_of_ten(5), 0);
    assert_in_range(when_of_ten(6), 100, 101);
}

static void the_window_forgets_what_is_old(void **state)
{
    (void)state;
    struct ed_eject_policy policy = {.failures = 1000, .percent = 50};
    struct ed_health health = {0};

    for (int i = 0; i < 50; i++)
        assert_false(ed_health_note(&health, &policy, true));
    for (int i = 0; i < 100; i++)
        assert_false(ed_health_note(&health, &policy, false));
    for (int i = 0; i < 50; i++)
        assert_false(ed_health_note(&health, &policy, true));
    assert_true(ed_health_note(&health, &policy, true));
}

static void a_pause_doubles_up_to_a_bound(void **state)
{
    (void)state;
    static const int64_t pauses[] = {5 * ED_S, 10 * ED_S, 20 * ED_S, 20 * ED_S};
    struct ed_health health = {0};

    for (int i = 0; i < 4; i++) {
        ed_health_eject(&health, &POLICY, 100);
        assert_int_equal(health.until, 100 + pauses[i]);
        assert_false(ed_health_wants_probe(&health, health.until - 1));
        assert_true(ed_health_wants_probe(&health, health.until));
    }
    ed_health_readmit(&health);
    ed_health_eject(&health, &POLICY, 0);
    assert_int_equal(health.until, 5 * ED_S);
}

/* ---- with servers ---- */

#define EJECTING(...)                               \
    fleet_client(.eject = {.failures = 3,           \
                           .pause = 5 * ED_S,       \
                           .max_pause = 15 * ED_S}, \
                 __VA_ARGS__)

static unsigned ejected(const ed_client *client)
{
    struct ed_endpoint_counts endpoint;
    unsigned count = 0;

    for (size_t i = 0; ed_client_endpoint(client, i, &endpoint); i++)
        count += endpoint.ejected;
    return count;
}

/* How many of so many requests a member gets. */
static unsigned share(ed_client *client, struct fleet *f, unsigned i,
                      unsigned requests)
{
    unsigned before = f->members[i].requests;

    while (requests--)
        (void)!get(client, f->url);
    return f->members[i].requests - before;
}

/* The second member fails until it is left alone. */
static void eject_second(ed_client *client, struct fleet *f)
{
    f->members[1].status = 503;
    check_int(share(client, f, 1, 60), 3);
}

FIBER_TEST(an_address_that_fails_is_left_alone)
{
    struct fleet f = {.count = 3};
    ed_client *client = EJECTING();

    fleet_open(&f);
    eject_second(client, &f);
    check_int(counts_of(client).ejections, 1);
    check_int(ejected(client), 1);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(one_request_probes_it_and_takes_it_back)
{
    struct fleet f = {.count = 3};
    ed_client *client = EJECTING();

    fleet_open(&f);
    eject_second(client, &f);
    f.members[1].status = 200;
    check_int(ed_sleep(5 * ED_S), 0);
    check_int(share(client, &f, 1, 1), 1);
    check_int(counts_of(client).probes, 1);
    check_int(ejected(client), 0);
    check(share(client, &f, 1, 60) > 10);
    check_int(counts_of(client).probes, 1);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(only_one_request_probes_at_a_time)
{
    struct fleet f = {.count = 3};
    ed_client *client = EJECTING();
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    eject_second(client, &f);
    check_int(ed_sleep(5 * ED_S), 0);
    f.members[1].delay = ED_S;
    burst(&b, 50);
    check_int(f.members[1].requests, 4);
    check_int(b.failed, 1);
    check_int(counts_of(client).ejections, 2);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_probe_that_fails_doubles_the_pause)
{
    static const int64_t pauses[] = {5 * ED_S, 10 * ED_S, 15 * ED_S, 15 * ED_S};
    struct fleet f = {.count = 3};
    ed_client *client = EJECTING();

    fleet_open(&f);
    eject_second(client, &f);
    for (int i = 0; i < 4; i++) {
        check_int(ed_sleep(pauses[i] - 1), 0);
        check_int(share(client, &f, 1, 30), 0);
        check_int(ed_sleep(1), 0);
        check_int(share(client, &f, 1, 30), 1);
    }
    check_int(counts_of(client).ejections, 5);
    check_int(counts_of(client).probes, 4);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_probe_that_is_cancelled_leaves_the_next_one_to_probe)
{
    struct fleet f = {.count = 3};
    ed_client *client = EJECTING();
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    eject_second(client, &f);
    check_int(ed_sleep(5 * ED_S), 0);
    f.members[1].silent = true;
    {
        ed_scope(s);
        ed_go(s, burst_one, &b);
        check_int(ed_sleep(ED_MS), 0);
        ed_cancel(s);
    }
    check_int(f.members[1].requests, 4);
    f.members[1].silent = false;
    f.members[1].status = 200;
    check_int(share(client, &f, 1, 1), 1);
    check_int(ejected(client), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(what_was_under_way_before_says_nothing_new)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING();
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    f.members[1].status = 503;
    f.members[1].delay = ED_S;
    burst(&b, 40);
    check(b.failed > 10);
    check_int(counts_of(client).ejections, 1);
    check_int(ed_sleep(5 * ED_S), 0);
    f.members[1].status = 200;
    check_int(get(client, f.url), 200);
    check_int(ejected(client), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(at_most_half_of_the_addresses_are_left_alone)
{
    struct fleet f = {.count = 4};
    ed_client *client = EJECTING();

    fleet_open(&f);
    for (unsigned i = 0; i < 4; i++)
        f.members[i].status = 503;
    for (int i = 0; i < 100; i++)
        check_int(get(client, f.url), 503);
    check_int(ejected(client), 2);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(the_only_address_is_never_left_alone)
{
    struct fleet f = {.count = 1};
    ed_client *client = EJECTING();

    fleet_open(&f);
    f.members[0].status = 503;
    for (int i = 0; i < 20; i++)
        check_int(get(client, f.url), 503);
    check_int(f.members[0].requests, 20);
    check_int(ejected(client), 0);
    check_int(counts_of(client).ejections, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(one_that_lost_all_others_is_used_although_left_alone)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING();

    fleet_open(&f);
    eject_second(client, &f);
    fleet_name(&f, 1, 1);
    check_int(get(client, f.url), 503);
    f.members[1].status = 200;
    check_int(get(client, f.url), 200);
    check_int(ejected(client), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(what_is_used_for_want_of_better_is_no_probe)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING();
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    eject_second(client, &f);
    fleet_name(&f, 1, 1);
    check_int(ed_sleep(5 * ED_S), 0);
    f.members[1].delay = ED_S;
    burst(&b, 20);
    check_int(b.failed, 20);
    check_int(counts_of(client).probes, 1);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(requests_that_never_got_an_answer_count)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING();
    unsigned late = 0;

    fleet_open(&f);
    f.members[1].silent = true;
    for (int i = 0; i < 40; i++)
        late += get_within(client, f.url, ED_MS) == ED_ETIMEOUT;
    check_int(late, 3);
    check_int(ejected(client), 1);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_request_its_caller_gave_up_says_nothing)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING();
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    f.members[0].silent = f.members[1].silent = true;
    for (int i = 0; i < 20; i++) {
        ed_scope(s);
        ed_go(s, burst_one, &b);
        check_int(ed_sleep(ED_MS), 0);
        ed_cancel(s);
    }
    check_int(ejected(client), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(an_address_that_hedges_outrun_counts)
{
    struct fleet f = {.count = 2};
    ed_client *client = EJECTING(.hedge = {.after = ED_MS});

    fleet_open(&f);
    f.members[1].silent = true;
    for (int i = 0; i < 40; i++)
        check_int(get(client, f.url), 200);
    check_int(counts_of(client).hedges_won, 3);
    check_int(ejected(client), 1);
    ed_client_free(client);
    fleet_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_failures_in_a_row_are_enough),
        cmocka_unit_test(more_than_half_of_a_hundred_failures_are_enough),
        cmocka_unit_test(the_window_forgets_what_is_old),
        cmocka_unit_test(a_pause_doubles_up_to_a_bound),
        cmocka_unit_test(an_address_that_fails_is_left_alone),
        cmocka_unit_test(one_request_probes_it_and_takes_it_back),
        cmocka_unit_test(only_one_request_probes_at_a_time),
        cmocka_unit_test(a_probe_that_fails_doubles_the_pause),
        cmocka_unit_test(
            a_probe_that_is_cancelled_leaves_the_next_one_to_probe),
        cmocka_unit_test(what_was_under_way_before_says_nothing_new),
        cmocka_unit_test(at_most_half_of_the_addresses_are_left_alone),
        cmocka_unit_test(the_only_address_is_never_left_alone),
        cmocka_unit_test(one_that_lost_all_others_is_used_although_left_alone),
        cmocka_unit_test(what_is_used_for_want_of_better_is_no_probe),
        cmocka_unit_test(requests_that_never_got_an_answer_count),
        cmocka_unit_test(a_request_its_caller_gave_up_says_nothing),
        cmocka_unit_test(an_address_that_hedges_outrun_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
