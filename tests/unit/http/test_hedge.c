/*
 * test_hedge.c - a second request beside one that is not answered: when there
 * is one, which of them wins, and what is left of the other.
 */
#include "fleet.h"

static const int64_t AFTER = 40 * ED_MS;

#define HEDGING(...)                                                 \
    fleet_client(.hedge = {.after = AFTER}, .balance = {.on = true}, \
                 __VA_ARGS__)

/* Both members are slow until one of them was asked: so the first request is
 * answered late, and the next at once. */
static int slow_then_fast(void *arg)
{
    struct fleet *f = arg;

    while (!f->members[0].requests && !f->members[1].requests) {
        int err = ed_sleep(ED_MS);
        if (err)
            return err;
    }
    f->members[0].delay = f->members[1].delay = 0;
    return 0;
}

FIBER_TEST(a_request_that_is_answered_in_time_is_sent_once)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = AFTER - ED_MS;
    check_int(get(client, f.url), 200);
    check_int(ed_sleep(ED_S), 0);
    check_int(f.members[0].requests + f.members[1].requests, 1);
    check_int(counts_of(client).hedges, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(the_second_request_may_win)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();
    int64_t began = ed_now();
    ed_scope(s);

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = 10 * ED_S;
    ed_go(s, slow_then_fast, &f);
    check_int(get(client, f.url), 200);
    check_int(ed_now() - began, AFTER);
    check_int(f.members[0].requests, 1);
    check_int(f.members[1].requests, 1);
    check_int(counts_of(client).hedges, 1);
    check_int(counts_of(client).hedges_won, 1);
    check_int(counts_of(client).open, 1);
    check_int(ed_wait(s), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(the_first_request_may_win_all_the_same)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();
    int64_t began = ed_now();

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = AFTER + 10 * ED_MS;
    check_int(get(client, f.url), 200);
    check_int(ed_now() - began, AFTER + 10 * ED_MS);
    check_int(counts_of(client).hedges, 1);
    check_int(counts_of(client).hedges_won, 0);
    check_int(counts_of(client).open, 1);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(the_second_is_sent_to_the_other_address)
{
    struct fleet f = {.count = 2};

    fleet_open(&f);
    f.members[0].silent = true;
    for (int i = 0; i < 20; i++) {
        ed_client *client = HEDGING();
        check_int(get_within(client, f.url, ED_S), 200);
        ed_client_free(client);
    }
    check_int(f.members[1].requests, 20);
    check(f.members[0].requests > 2);
    check_int(ed_sleep(ED_MS), 0);
    check_int(f.members[0].open, 0);
    fleet_close(&f);
}

FIBER_TEST(a_streamed_response_may_be_the_second_ones)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING(.limit = {.max = 10});
    struct ed_endpoint_counts endpoint;
    unsigned in_flight = 0;
    char buf[10];
    ed_res *res;
    ed_scope(s);

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = 10 * ED_S;
    ed_go(s, slow_then_fast, &f);
    check_int(ed_fetch(&res, f.url, .client = client, .stream = true), 0);
    check_int(ed_res_read(res, buf, sizeof(buf)), 2);
    check_int(ed_res_read(res, buf, sizeof(buf)), 0);
    check_int(counts_of(client).hedges_won, 1);
    for (size_t i = 0; ed_client_endpoint(client, i, &endpoint); i++)
        in_flight += endpoint.in_flight;
    check_int(in_flight, 1);
    ed_res_close(res);
    for (size_t i = 0; ed_client_endpoint(client, i, &endpoint); i++)
        check_int(endpoint.in_flight, 0);
    check_int(ed_wait(s), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_refusal_does_not_win_while_the_other_may_do_better)
{
    struct fleet f = {.count = 2};
    int64_t began = ed_now();

    fleet_open(&f);
    f.members[0].status = 503;
    f.members[0].delay = AFTER + 10 * ED_MS;
    f.members[1].delay = AFTER + 30 * ED_MS;
    for (int i = 0; i < 8; i++) {
        ed_client *client = HEDGING();
        check_int(get(client, f.url), 200);
        ed_client_free(client);
    }
    check(ed_now() - began > 8 * AFTER);
    fleet_close(&f);
}

FIBER_TEST(a_streamed_refusal_that_lost_is_given_up)
{
    struct fleet f = {.count = 2};

    fleet_open(&f);
    f.members[0].status = 503;
    f.members[0].delay = AFTER + 10 * ED_MS;
    f.members[1].delay = AFTER + 30 * ED_MS;
    for (int i = 0; i < 8; i++) {
        struct ed_endpoint_counts endpoint;
        ed_client *client = HEDGING();
        ed_res *res;
        check_int(ed_fetch(&res, f.url, .client = client, .stream = true), 0);
        check_int(ed_res_status(res), 200);
        ed_res_close(res);
        for (size_t j = 0; ed_client_endpoint(client, j, &endpoint); j++)
            check_int(endpoint.in_flight, 0);
        ed_client_free(client);
    }
    fleet_close(&f);
}

FIBER_TEST(a_failure_waits_for_what_the_other_says)
{
    struct fleet f = {.count = 2};

    fleet_open(&f);
    f.members[0].breaks = true;
    f.members[0].delay = AFTER + 10 * ED_MS;
    f.members[1].delay = AFTER + 30 * ED_MS;
    for (int i = 0; i < 8; i++) {
        ed_client *client = HEDGING();
        check_int(get(client, f.url), 200);
        ed_client_free(client);
    }
    fleet_close(&f);
}

FIBER_TEST(two_failures_are_one)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();

    fleet_open(&f);
    f.members[0].breaks = f.members[1].breaks = true;
    f.members[0].delay = f.members[1].delay = 2 * AFTER;
    check_int(get(client, f.url), ED_ECONNLOST);
    check(strstr(ed_error(), "closed before a response"));
    check_int(counts_of(client).hedges, 1);
    check_int(counts_of(client).hedges_won, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_response_that_has_begun_is_waited_for)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();

    fleet_open(&f);
    f.members[0].early = f.members[1].early = true;
    f.members[0].delay = f.members[1].delay = ED_S;
    check_int(get(client, f.url), 200);
    check_int(counts_of(client).hedges, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(what_changes_something_is_not_sent_twice)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH"};
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();
    ed_res *res;

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = ED_S;
    for (unsigned i = 0; i < 4; i++)
        check_int(ed_fetch(&res, f.url, .client = client, .method = methods[i]),
                  0);
    check_int(counts_of(client).hedges, 0);
    check_int(f.members[0].requests + f.members[1].requests, 4);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(hedges_are_paid_for_by_the_budget)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING(.budget = {.per_second = 1, .percent = 1});

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = 2 * AFTER;
    for (int i = 0; i < 5; i++)
        check_int(get(client, f.url), 200);
    check_int(counts_of(client).hedges, 1);
    check_int(counts_of(client).retries_denied, 4);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(where_requests_stand_in_line_there_is_no_second)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING(.limit = {.max = 1});
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = ED_S;
    burst(&b, 3);
    check_int(b.well, 3);
    check_int(counts_of(client).hedges, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(an_outrun_request_is_no_sign_of_overload)
{
    struct fleet f = {.count = 2};
    ed_client *client =
        HEDGING(.limit = {.adaptive = true}, .budget = {.percent = 100});
    struct burst b = {.client = client, .url = f.url};
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    f.members[0].silent = true;
    for (int i = 0; i < 40; i++)
        burst(&b, 16);
    check(counts_of(client).hedges_won > 100);
    check(ed_client_endpoint(client, 0, &endpoint));
    check(endpoint.limit >= 20);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_deadline_ends_both)
{
    struct fleet f = {.count = 2};
    ed_client *client = HEDGING();

    fleet_open(&f);
    f.members[0].silent = f.members[1].silent = true;
    check_int(get_within(client, f.url, ED_S), ED_ETIMEOUT);
    check(strstr(ed_error(), "no response head within the deadline"));
    check_int(counts_of(client).hedges, 1);
    check_int(counts_of(client).open, 0);
    check_int(ed_sleep(ED_MS), 0);
    check_int(f.members[0].open + f.members[1].open, 0);
    ed_client_free(client);
    fleet_close(&f);
}

static void count_hedged(void *arg, const struct ed_phase_event *event)
{
    *(unsigned *)arg += event->phase == ED_PHASE_HEDGED;
}

FIBER_TEST(a_hook_hears_of_the_second)
{
    struct fleet f = {.count = 2};
    unsigned heard = 0;
    ed_client *client = HEDGING(.hook = count_hedged, .hook_arg = &heard);

    fleet_open(&f);
    f.members[0].delay = f.members[1].delay = 2 * AFTER;
    check_int(get(client, f.url), 200);
    check_int(heard, 1);
    ed_client_free(client);
    fleet_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_is_answered_in_time_is_sent_once),
        cmocka_unit_test(the_second_request_may_win),
        cmocka_unit_test(the_first_request_may_win_all_the_same),
        cmocka_unit_test(the_second_is_sent_to_the_other_address),
        cmocka_unit_test(a_streamed_response_may_be_the_second_ones),
        cmocka_unit_test(a_refusal_does_not_win_while_the_other_may_do_better),
        cmocka_unit_test(a_streamed_refusal_that_lost_is_given_up),
        cmocka_unit_test(a_failure_waits_for_what_the_other_says),
        cmocka_unit_test(two_failures_are_one),
        cmocka_unit_test(a_response_that_has_begun_is_waited_for),
        cmocka_unit_test(what_changes_something_is_not_sent_twice),
        cmocka_unit_test(hedges_are_paid_for_by_the_budget),
        cmocka_unit_test(where_requests_stand_in_line_there_is_no_second),
        cmocka_unit_test(an_outrun_request_is_no_sign_of_overload),
        cmocka_unit_test(a_deadline_ends_both),
        cmocka_unit_test(a_hook_hears_of_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
