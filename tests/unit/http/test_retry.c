/*
 * test_retry.c - what is sent again, when, and how much of it at most.
 */
#include "fleet.h"
#include "peer.h"
#include <errno.h>

#define OK   ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"
#define BUSY ">HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno"
#define BUSY_FOR(s) \
    ">HTTP/1.1 503 Busy\r\nRetry-After: " s "\r\nContent-Length: 2\r\n\r\nno"

/* ---- the parts ---- */

static void a_pause_is_anything_up_to_a_bound_that_doubles(void **state)
{
    (void)state;
    struct ed_retry_policy policy = {.backoff = 100, .max_backoff = 350};
    static const int64_t bounds[] = {100, 200, 350, 350};
    uint64_t random = 1;

    for (unsigned n = 1; n <= 4; n++) {
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < 2000; i++) {
            int64_t pause = ed_retry_backoff(&policy, n, &random);
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        assert_true(least >= 0 && least <= 2);
        assert_true(most <= bounds[n - 1] && most >= bounds[n - 1] - 2);
    }
}

static void the_same_dice_fall_the_same(void **state)
{
    (void)state;
    struct ed_retry_policy policy = {.backoff = ED_S, .max_backoff = ED_S};
    uint64_t a = 7, b = 7, c = 8;
    int64_t first = ed_retry_backoff(&policy, 1, &a);

    assert_int_equal(first, ed_retry_backoff(&policy, 1, &b));
    assert_int_not_equal(first, ed_retry_backoff(&policy, 1, &c));
}

static void a_budget_is_a_part_of_the_requests_and_some_a_second(void **state)
{
    (void)state;
    struct ed_budget budget;
    struct ed_budget_policy policy = {.percent = 20, .per_second = 10};
    unsigned taken = 0;

    ed_budget_open(&budget, &policy, 0);
    for (int i = 0; i < 10; i++)
        assert_true(ed_budget_take(&budget, 0));
    assert_false(ed_budget_take(&budget, 0));
    for (int i = 0; i < 100; i++)
        ed_budget_earn(&budget);
    while (ed_budget_take(&budget, 0))
        taken++;
    assert_in_range(taken, 19, 20);
    assert_false(ed_budget_take(&budget, 50 * ED_MS));
    assert_true(ed_budget_take(&budget, 101 * ED_MS));
    assert_false(ed_budget_take(&budget, 101 * ED_MS));
}

static void a_quiet_time_does_not_pay_for_a_storm(void **state)
{
    (void)state;
    struct ed_budget budget;
    struct ed_budget_policy policy = {0};
    unsigned taken = 0;

    ed_budget_open(&budget, &policy, 0);
    for (int i = 0; i < 1000 * 1000; i++)
        ed_budget_earn(&budget);
    while (ed_budget_take(&budget, ED_MIN))
        taken++;
    assert_int_equal(taken, 110);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    const char *date = "Sun, 06 Nov 1994 08:49:37 GMT";

    assert_int_equal(ed_retry_after("3", 0), 3 * ED_S);
    assert_int_equal(ed_retry_after(" 0 ", 0), 0);
    assert_int_equal(ed_retry_after(NULL, 0), 0);
    assert_int_equal(ed_retry_after("soon", 0), 0);
    assert_int_equal(ed_retry_after("-3", 0), 0);
    assert_int_equal(ed_retry_after("9223372036854775807", 0), INT64_MAX);
    assert_int_equal(ed_retry_after(date, 784111777 - 5), 5 * ED_S);
    assert_int_equal(ed_retry_after(date, 784111777), 0);
    assert_int_equal(ed_retry_after(date, 784111777 + 5), 0);
}

/* ---- what is sent again ---- */

/* Result of a fetch from a peer that plays two scripts, one for each
 * connection; how many times it was asked is checked. */
static int ask(const char *const *first, const char *const *second,
               unsigned asked, struct ed_fetch_options options)
{
    struct peer p = {.scripts = {first, second}};
    ed_client *client = fleet_client(.retry = {.attempts = 3});
    ed_res *res;

    options.size = sizeof(options);
    options.client = client;
    peer_open(&p);
    int err = ed_fetch_with(&res, p.url, &options);
    int result = err ? err : ed_res_status(res);
    check_int(p.accepted, asked);
    check_int(counts_of(client).retries, asked - 1);
    if (!err)
        ed_res_close(res);
    settle();
    check_int(p.open, 0);
    check_int(counts_of(client).open, 0);
    ed_client_free(client);
    peer_close(&p);
    return result;
}

#define CLOSING "Connection: close\r\n"
#define FAILS_WITH(status) \
    ">HTTP/1.1 " status " X\r\n" CLOSING "Content-Length: 2\r\n\r\nno"
#define FINE ">HTTP/1.1 200 Ok\r\n" CLOSING "Content-Length: 2\r\n\r\nok"

FIBER_TEST(a_server_that_is_busy_is_asked_again)
{
    static const struct ed_fetch_options plain;

    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<", FINE), 2, plain),
              200);
    check_int(ask(SCRIPT("<", FAILS_WITH("502")), SCRIPT("<", FINE), 2, plain),
              200);
    check_int(ask(SCRIPT("<", FAILS_WITH("504")), SCRIPT("<", FINE), 2, plain),
              200);
    check_int(ask(SCRIPT("<", FAILS_WITH("429")), SCRIPT("<", FINE), 2, plain),
              200);
}

FIBER_TEST(an_answer_is_not_asked_for_again)
{
    static const struct ed_fetch_options plain;

    check_int(ask(SCRIPT("<", FAILS_WITH("500")), SCRIPT("<", FINE), 1, plain),
              500);
    check_int(ask(SCRIPT("<", FAILS_WITH("404")), SCRIPT("<", FINE), 1, plain),
              404);
    check_int(ask(SCRIPT("<", ">garbage\r\n\r\n"), SCRIPT("<", FINE), 1, plain),
              ED_EPROTO);
}

FIBER_TEST(a_lost_connection_is_tried_again)
{
    static const struct ed_fetch_options plain;

    check_int(ask(SCRIPT("<"), SCRIPT("<", FINE), 2, plain), 200);
    check_int(ask(SCRIPT("<", "!"), SCRIPT("<", FINE), 2, plain), 200);
    check_int(ask(SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\no"),
                  SCRIPT("<", FINE), 2, plain),
              200);
}

FIBER_TEST(what_is_not_safe_is_sent_once_unless_told)
{
    struct ed_fetch_options post = {.body = ED_BYTES("x")};
    struct ed_fetch_options put = {.method = "PUT", .body = ED_BYTES("x")};
    struct ed_fetch_options told = {.body = ED_BYTES("x"),
                                    .retry_unsafe = true};

    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<", FINE), 1, post),
              503);
    check_int(ask(SCRIPT("<"), SCRIPT("<", FINE), 1, post), ED_ECONNLOST);
    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<", FINE), 2, put),
              200);
    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<", FINE), 2, told),
              200);
}

FIBER_TEST(the_response_that_came_last_is_given)
{
    static const struct ed_fetch_options plain;

    check_int(ask(SCRIPT("<", FAILS_WITH("503")),
                  SCRIPT("<", FAILS_WITH("502")), 3, plain),
              502);
    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<"), 3, plain),
              ED_ECONNLOST);
}

FIBER_TEST(a_request_that_was_never_sent_may_be_whatever_its_method)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.retry = {.attempts = 3});
    ed_res *res;

    fleet_open(&f);
    member_stop(&f.members[0]);
    check_int(ed_fetch(&res, f.url, .client = client, .body = ED_BYTES("x")),
              ED_ECONNECT);
    check_int(counts_of(client).retries, 2);
    ed_client_free(client);
    fleet_close(&f);
}

/* ---- bodies ---- */

struct source {
    unsigned left;
    unsigned rewound;
    int fails_with;
};

static ssize_t give(void *arg, void *buf, size_t len)
{
    struct source *source = arg;

    if (!source->left || !len)
        return 0;
    source->left--;
    *(char *)buf = 'x';
    return 1;
}

static int begin_anew(void *arg)
{
    struct source *source = arg;

    source->left = 3;
    source->rewound++;
    return source->fails_with;
}

#define READS_CHUNKS "<", "<23"

FIBER_TEST(a_body_is_sent_again_from_its_beginning)
{
    struct source source = {.left = 3};
    struct ed_fetch_options put = {.method = "PUT",
                                   .send = give,
                                   .send_arg = &source,
                                   .rewind = begin_anew};

    check_int(ask(SCRIPT(READS_CHUNKS, FAILS_WITH("503")),
                  SCRIPT(READS_CHUNKS, FINE), 2, put),
              200);
    check_int(source.rewound, 1);
    check_int(source.left, 0);
}

FIBER_TEST(a_body_that_cannot_begin_anew_is_sent_once)
{
    struct source source = {.left = 3};
    struct ed_fetch_options put = {
        .method = "PUT", .send = give, .send_arg = &source};

    check_int(ask(SCRIPT(READS_CHUNKS, FAILS_WITH("503")),
                  SCRIPT(READS_CHUNKS, FINE), 1, put),
              503);
}

FIBER_TEST(a_body_that_nobody_asked_for_needs_no_beginning_anew)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.retry = {.attempts = 3});
    struct source source = {.left = 3};
    ed_res *res;

    fleet_open(&f);
    member_stop(&f.members[0]);
    check_int(ed_fetch(&res, f.url, .client = client, .send = give,
                       .send_arg = &source),
              ED_ECONNECT);
    check_int(counts_of(client).retries, 2);
    check_int(source.left, 3);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_body_that_fails_to_begin_anew_fails_the_fetch)
{
    struct source source = {.left = 3, .fails_with = -EIO};
    struct ed_fetch_options put = {.method = "PUT",
                                   .send = give,
                                   .send_arg = &source,
                                   .rewind = begin_anew};
    struct peer p = {.scripts = {SCRIPT(READS_CHUNKS, FAILS_WITH("503"))}};
    ed_client *client = fleet_client(.retry = {.attempts = 3});
    ed_res *res;

    put.size = sizeof(put);
    put.client = client;
    peer_open(&p);
    check_int(ed_fetch_with(&res, p.url, &put), -EIO);
    check(strstr(ed_error(), "the body cannot be sent again"));
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_streamed_response_is_given_up_before_the_next_try)
{
    struct ed_fetch_options stream = {.stream = true};

    check_int(ask(SCRIPT("<", FAILS_WITH("503")), SCRIPT("<", FINE), 2, stream),
              200);
}

/* ---- when ---- */

/* How long a fetch takes of a server that asks to wait first. */
static int64_t time_of(const char *const *script, int want, int64_t within)
{
    struct peer p = {.scripts = {script}};
    ed_client *client =
        fleet_client(.retry = {.attempts = 3, .backoff = ED_MS});

    peer_open(&p);
    int64_t began = ed_now();
    check_int(get_within(client, p.url, within), want);
    ed_client_free(client);
    peer_close(&p);
    return ed_now() - began;
}

FIBER_TEST(a_server_that_asks_to_wait_is_not_asked_before)
{
    int64_t took = time_of(SCRIPT("<", BUSY_FOR("3"), "<", OK), 200, ED_MIN);

    check(took >= 3 * ED_S && took <= 3 * ED_S + ED_MS);
}

FIBER_TEST(a_wait_that_is_too_long_is_not_waited_for)
{
    check_int(time_of(SCRIPT("<", BUSY_FOR("11"), "="), 503, ED_MIN), 0);
}

FIBER_TEST(a_wait_without_end_is_not_waited_for_either)
{
    struct peer p = {
        .scripts = {SCRIPT("<", BUSY_FOR("99999999999999999"), "=")}};
    ed_client *client =
        fleet_client(.retry = {.attempts = 2, .max_wait = INT64_MAX});
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .timeout = INT64_MAX), 0);
    check_int(ed_res_status(res), 503);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_pause_that_would_pass_the_deadline_gives_the_response)
{
    check_int(time_of(SCRIPT("<", BUSY_FOR("3"), "="), 503, 2 * ED_S), 0);
}

FIBER_TEST(a_fetch_began_with_its_first_try)
{
    struct peer p = {.scripts = {SCRIPT("<", BUSY_FOR("3"), "<", OK)}};
    ed_client *client = fleet_client(.retry = {.attempts = 2});
    struct ed_res_timing timing;
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), 0);
    ed_res_timing(res, &timing);
    check_int(timing.started, began);
    check(timing.sent >= began + 3 * ED_S);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_cancelled_pause_says_so)
{
    struct peer p = {.scripts = {SCRIPT("<", BUSY_FOR("3"), "=")}};
    ed_client *client = fleet_client(.retry = {.attempts = 2});
    struct burst b = {.client = client, .url = p.url};

    peer_open(&p);
    {
        ed_scope(s);
        ed_go(s, burst_one, &b);
        check_int(ed_sleep(ED_S), 0);
        ed_cancel(s);
    }
    check_int(b.failed, 1);
    check_int(p.accepted, 1);
    ed_client_free(client);
    peer_close(&p);
}

/* ---- how much ---- */

FIBER_TEST(a_spent_budget_gives_the_response_as_it_is)
{
    struct fleet f = {.count = 1};
    ed_client *client =
        fleet_client(.retry = {.attempts = 2}, .budget = {.per_second = 1});

    fleet_open(&f);
    f.members[0].status = 503;
    for (int i = 0; i < 4; i++)
        check_int(get(client, f.url), 503);
    check_int(counts_of(client).retries, 1);
    check_int(counts_of(client).retries_denied, 3);
    check_int(f.members[0].requests, 5);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_storm_adds_a_fifth_and_ten_a_second_at_most)
{
    enum { SECONDS = 20, RATE = 200 };
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.retry = {.attempts = 4});
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    f.members[0].status = 503;
    for (int i = 0; i < SECONDS * 10; i++) {
        burst(&b, RATE / 10);
        check_int(ed_sleep(100 * ED_MS), 0);
    }
    unsigned most = SECONDS * RATE * 12 / 10 + (SECONDS + 20) * 10;
    check(f.members[0].requests <= most);
    check(f.members[0].requests >= SECONDS * RATE * 12 / 10);
    check(counts_of(client).retries_denied > SECONDS * RATE / 2);
    ed_client_free(client);
    fleet_close(&f);
}

/* ---- who hears of it ---- */

struct heard {
    unsigned retried;
    unsigned done;
    int status;
    unsigned attempt;
};

static void hear(void *arg, const struct ed_phase_event *event)
{
    struct heard *heard = arg;

    heard->done += event->phase == ED_PHASE_DONE;
    if (event->phase != ED_PHASE_RETRIED)
        return;
    heard->retried++;
    heard->status = event->status;
    heard->attempt = event->attempt;
}

FIBER_TEST(a_hook_hears_of_each_retry_and_of_one_end)
{
    struct peer p = {.scripts = {SCRIPT("<", BUSY, "<", OK)}};
    struct heard heard = {0};
    ed_client *client = fleet_client(.retry = {.attempts = 2}, .hook = hear,
                                     .hook_arg = &heard);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    ed_res_close(res);
    check_int(heard.retried, 1);
    check_int(heard.status, 503);
    check_int(heard.attempt, 1);
    check_int(heard.done, 1);
    ed_client_free(client);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_is_anything_up_to_a_bound_that_doubles),
        cmocka_unit_test(the_same_dice_fall_the_same),
        cmocka_unit_test(a_budget_is_a_part_of_the_requests_and_some_a_second),
        cmocka_unit_test(a_quiet_time_does_not_pay_for_a_storm),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(a_server_that_is_busy_is_asked_again),
        cmocka_unit_test(an_answer_is_not_asked_for_again),
        cmocka_unit_test(a_lost_connection_is_tried_again),
        cmocka_unit_test(what_is_not_safe_is_sent_once_unless_told),
        cmocka_unit_test(the_response_that_came_last_is_given),
        cmocka_unit_test(
            a_request_that_was_never_sent_may_be_whatever_its_method),
        cmocka_unit_test(a_body_is_sent_again_from_its_beginning),
        cmocka_unit_test(a_body_that_cannot_begin_anew_is_sent_once),
        cmocka_unit_test(a_body_that_nobody_asked_for_needs_no_beginning_anew),
        cmocka_unit_test(a_body_that_fails_to_begin_anew_fails_the_fetch),
        cmocka_unit_test(a_streamed_response_is_given_up_before_the_next_try),
        cmocka_unit_test(a_server_that_asks_to_wait_is_not_asked_before),
        cmocka_unit_test(a_wait_that_is_too_long_is_not_waited_for),
        cmocka_unit_test(
            a_pause_that_would_pass_the_deadline_gives_the_response),
        cmocka_unit_test(a_wait_without_end_is_not_waited_for_either),
        cmocka_unit_test(a_fetch_began_with_its_first_try),
        cmocka_unit_test(a_cancelled_pause_says_so),
        cmocka_unit_test(a_spent_budget_gives_the_response_as_it_is),
        cmocka_unit_test(a_storm_adds_a_fifth_and_ten_a_second_at_most),
        cmocka_unit_test(a_hook_hears_of_each_retry_and_of_one_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
