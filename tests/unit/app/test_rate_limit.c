/*
 * test_rate_limit.c - who is let in how often, to the nanosecond here and in a
 * real Redis.
 */
#include "app/rate_bucket.h"
#include "app/test_client.h"
#include "fake.h"
#include "../../fiber_test.h"
#include "redis_server.h"

#include <eddy/log.h>
#include <eddy/rate_limit.h>
#include <eddy/testing.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a bucket ---- */

FIBER_TEST(a_bucket_refills_evenly_and_exactly)
{
    const struct ed_rate rate = {.limit = 3, .burst = 2, .per = ED_S};
    struct ed_rate_bucket bucket = {0};
    int64_t now = 1000 * ED_S;
    struct ed_rate_answer a = ed_rate_bucket_take(&bucket, &rate, now, 1);
    check(a.passed && a.remaining == 1);
    check_int(a.reset, 333333334);
    a = ed_rate_bucket_take(&bucket, &rate, now, 1);
    check(a.passed && a.remaining == 0);
    a = ed_rate_bucket_take(&bucket, &rate, now, 1);
    check(!a.passed && a.remaining == 0);
    check_int(a.retry, 333333334);
    check(!ed_rate_bucket_take(&bucket, &rate, now + 333333333, 1).passed);
    check(ed_rate_bucket_take(&bucket, &rate, now + 333333334, 1).passed);
    check(!ed_rate_bucket_take(&bucket, &rate, now + 666666666, 1).passed);
    check(ed_rate_bucket_take(&bucket, &rate, now + 666666667, 1).passed);
    /* Nothing was lost to rounding: three in each second. */
    check(!ed_rate_bucket_take(&bucket, &rate, now + ED_S - 1, 1).passed);
    check(ed_rate_bucket_take(&bucket, &rate, now + ED_S, 1).passed);
}

FIBER_TEST(a_bucket_takes_costs_whole_or_not_at_all)
{
    const struct ed_rate rate = {.limit = 10, .burst = 10, .per = ED_S};
    struct ed_rate_bucket bucket = {0};
    int64_t now = 1000 * ED_S;
    check(ed_rate_bucket_take(&bucket, &rate, now, 7).passed);
    struct ed_rate_answer a = ed_rate_bucket_take(&bucket, &rate, now, 4);
    check(!a.passed && a.remaining == 3);
    check_int(a.retry, ED_S / 10);
    check(ed_rate_bucket_take(&bucket, &rate, now, 3).passed);
    check(!ed_rate_bucket_take(&bucket, &rate, now + 3600 * ED_S, 11).passed);
    a = ed_rate_bucket_take(&bucket, &rate, INT64_MAX, 10);
    check(a.passed && a.remaining == 0);
}

FIBER_TEST(the_largest_rates_do_not_overflow)
{
    const struct ed_rate rate = {
        .limit = UINT32_MAX, .burst = UINT32_MAX, .per = 2592000 * ED_S};
    struct ed_rate_bucket bucket = {0};
    struct ed_rate_answer a =
        ed_rate_bucket_take(&bucket, &rate, 0, UINT32_MAX);
    check(a.passed && a.remaining == 0);
    check_int(a.reset, 2592000 * ED_S);
    check(!ed_rate_bucket_take(&bucket, &rate, 0, 1).passed);
}

/* ---- the middleware ---- */

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello");
}

static int slow(ed_req *req)
{
    int err = ed_sleep(ED_S);
    return err ? err : ed_reply(req, 200, "slow");
}

static unsigned price(ed_req *req, void *arg)
{
    (void)arg;
    int64_t cost;
    return ed_query_int(req, "cost", 0, 100, 1, &cost) ? 1 : (unsigned)cost;
}

static const char *user(ed_req *req, void *arg)
{
    (void)arg;
    return ed_query(req, "user");
}

static ed_app *limited(ed_rate_limit *limit)
{
    ed_app *app = ed_app_new();
    ed_around(app, ed_rate_limited, limit);
    ed_route(app, "GET /", hello);
    ed_route(app, "GET /slow", slow);
    return app;
}

static void done(ed_test *t, ed_app *app, ed_rate_limit *limit)
{
    check_int(ed_test_end(t), 0);
    ed_app_free(app);
    ed_rate_limit_free(limit);
}

FIBER_TEST(who_asks_too_much_is_told_when_to_come_back)
{
    ed_rate_limit *limit = ed_rate_limit_new(.limit = 2, .per = ED_MIN);
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    ed_res *res;
    ed_test_get(t, &res, "/");
    ed_test_header(t, res, "RateLimit-Limit", "2");
    ed_test_header(t, res, "RateLimit-Remaining", "1");
    ed_test_header(t, res, "RateLimit-Reset", "30");
    ed_test_header(t, res, "Retry-After", NULL);
    ed_test_expect(t, "/none", 404, NULL);
    ed_test_advance(t, 10 * ED_S);
    ed_test_get(t, &res, "/");
    ed_test_status(t, res, 429);
    ed_test_header(t, res, "Retry-After", "20");
    ed_test_header(t, res, "RateLimit-Remaining", "0");
    ed_test_header(t, res, "RateLimit-Reset", "50");
    ed_test_advance(t, 20 * ED_S - 1);
    ed_test_expect(t, "/", 429, NULL);
    ed_test_advance(t, 1);
    ed_test_expect(t, "/", 200, NULL);
    struct ed_rate_limit_counts counts;
    ed_rate_limit_counts(limit, &counts);
    check_int((int64_t)counts.passed, 3);
    check_int((int64_t)counts.refused, 2);
    check_int(counts.keys, 1);
    done(t, app, limit);
}

static const char *key_field[] = {"X-Key: a", NULL};
static const char *other_field[] = {"X-Key: b", NULL};

FIBER_TEST(a_header_tells_clients_apart)
{
    ed_rate_limit *limit = ed_rate_limit_new(.limit = 1, .header = "x-key");
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    ed_res *res;
    static const int statuses[] = {200, 429, 200, 200};
    const char *const *fields[] = {key_field, key_field, other_field, NULL};
    for (int i = 0; i < 4; i++) {
        ed_test_get(t, &res, "/", .headers = fields[i]);
        ed_test_status(t, res, statuses[i]);
    }
    done(t, app, limit);
}

/* It may be a key, which nobody has to know. */
FIBER_TEST(what_a_header_holds_is_not_logged)
{
    static const char *fields[] = {"X-Key: aardvark", NULL};
    ed_rate_limit *limit = ed_rate_limit_new(.limit = 1, .header = "x-key");
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    ed_res *res;
    ed_log_set_level(ED_LOG_DEBUG);
    for (int i = 0; i < 2; i++)
        ed_test_get(t, &res, "/", .headers = fields);
    ed_test_status(t, res, 429);
    ed_log_set_level(ED_LOG_INFO);
    ed_test_logged(t, "rate limit requests: header:");
    check(!strstr(ed_test_log_text(&t->log), "aardvark"));
    done(t, app, limit);
}

FIBER_TEST(callbacks_choose_the_client_and_the_cost)
{
    ed_rate_limit *limit =
        ed_rate_limit_new(.limit = 5, .key = user, .cost = price);
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    for (int i = 0; i < 10; i++)
        ed_test_expect(t, "/", 200, NULL); /* no user: not limited */
    ed_test_expect(t, "/?user=a&cost=3", 200, NULL);
    ed_test_expect(t, "/?user=a&cost=3", 429, NULL);
    ed_test_expect(t, "/?user=a&cost=0", 200, NULL);
    ed_test_expect(t, "/?user=a&cost=2", 200, NULL);
    ed_test_expect(t, "/?user=b&cost=6", 429, NULL);
    ed_test_expect(t, "/?user=b&cost=5", 200, NULL);
    done(t, app, limit);
}

struct asker {
    ed_test *t;
    int status;
};

static int ask_slowly(void *arg)
{
    struct asker *asker = arg;
    ed_res *res;
    int err = ed_test_get(asker->t, &res, "/slow");
    asker->status = err ? err : ed_res_status(res);
    return err;
}

FIBER_TEST(only_so_many_run_at_once)
{
    ed_rate_limit *limit = ed_rate_limit_new(.concurrent = 2);
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    struct asker askers[3] = {{t, 0}, {t, 0}, {t, 0}};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, ask_slowly, &askers[i]);
    check_int(ed_wait(s), 0);
    int sum = askers[0].status + askers[1].status + askers[2].status;
    check_int(sum, 200 + 200 + 429);
    ed_test_expect(t, "/slow", 200, NULL);
    done(t, app, limit);
}

FIBER_TEST(the_longest_unseen_is_forgotten_for_want_of_room)
{
    ed_rate_limit *limit = ed_rate_limit_new(.limit = 1, .per = 60 * ED_MIN,
                                             .key = user, .max_keys = 2);
    ed_app *app = limited(limit);
    ed_test *t = ed_test_new(app);
    ed_test_expect(t, "/?user=a", 200, NULL);
    ed_test_expect(t, "/?user=b", 200, NULL);
    ed_test_expect(t, "/?user=a", 429, NULL);
    ed_test_expect(t, "/?user=c", 200, NULL);
    ed_test_expect(t, "/?user=a", 429, NULL);
    ed_test_expect(t, "/?user=b", 200, NULL);
    struct ed_rate_limit_counts counts;
    ed_rate_limit_counts(limit, &counts);
    check_int(counts.keys, 2);
    check_int((int64_t)counts.forgotten, 2);
    done(t, app, limit);
}

/* ---- addresses ---- */

static const char *peer;

static const char *that_peer(ed_req *req)
{
    (void)req;
    return peer;
}

static int status_for(ed_app *app, const char *address)
{
    struct fake f;
    fake_begin(&f, app, "GET", "/");
    struct ed_exchange_ops ops = *f.req.ops;
    ops.peer = that_peer;
    f.req.ops = &ops;
    peer = address;
    fake_run(&f);
    int status = f.req.reply.status;
    fake_done(&f);
    return status;
}

FIBER_TEST(a_client_is_an_address_or_a_network_of_ipv6)
{
    static const struct {
        const char *address;
        int status;
    } asked[] = {
        {"10.0.0.1:1000", 200},
        {"10.0.0.1:2000", 429},
        {"10.0.0.2:1000", 200},
        {"[::ffff:10.0.0.2]:1", 429},
        {"[2001:db8:0:1:1111::1]:1", 200},
        {"[2001:db8:0:1:2222::2]:1", 429},
        {"[2001:db8:0:2::1]:1", 200},
        {"[fe80::1%eth0]:1", 200},
        {"[fe80::2]:1", 429},
        {"2001:db8:0:1::7", 429},
        {"2001:db8:0:3::7", 200},
        {"10.0.0.1", 429},
        {"unix:", 200},
        {"unix:", 429},
    };
    ed_rate_limit *limit = ed_rate_limit_new(.limit = 1, .per = ED_MIN);
    ed_app *app = limited(limit);
    free(fake_log());
    for (unsigned i = 0; i < sizeof asked / sizeof *asked; i++)
        check_(status_for(app, asked[i].address) == asked[i].status,
               "%s is not %d", asked[i].address, asked[i].status);
    ed_app_free(app);
    ed_rate_limit_free(limit);
}

FIBER_TEST(options_that_make_no_sense_are_refused)
{
    free(fake_log());
    check(!ed_rate_limit_new(.per = ED_S));
    check(!ed_rate_limit_new(.limit = 1, .header = "x", .key = user));
    check(!ed_rate_limit_new(.limit = 1, .per = -1));
    check(!ed_rate_limit_new(.limit = 1, .per = INT64_MAX));
    char *log = fake_log();
    check(strstr(log, "both .header and .key"));
    free(log);
}

/* ---- Redis ---- */

static ed_redis *client_of(const struct redis_server *server)
{
    char url[256];
    snprintf(url, sizeof url, "unix://%s", redis_server_socket(server));
    return ed_redis_new(.url = url);
}

/* Peers know nothing of a virtual clock: these run on the real one. */
static int share(void *arg)
{
    struct redis_server *server = arg;
    ed_redis *redis = client_of(server);
    ed_rate_limit *limit[2];
    ed_app *app[2];
    ed_test *t[2];
    ed_res *res;
    for (int i = 0; i < 2; i++) {
        limit[i] =
            ed_rate_limit_new(.limit = 3, .per = 60 * ED_MIN, .key = user,
                              .cost = price, .redis = redis, .name = "shared",
                              .redis_timeout = 10 * ED_S);
        app[i] = limited(limit[i]);
        t[i] = ed_test_new(app[i]);
    }
    ed_test_expect(t[0], "/?user=a", 200, NULL);
    ed_test_get(t[1], &res, "/?user=a");
    ed_test_status(t[1], res, 200);
    ed_test_header(t[1], res, "RateLimit-Limit", "3");
    ed_test_header(t[1], res, "RateLimit-Remaining", "1");
    ed_test_header(t[1], res, "RateLimit-Reset", "2400");
    ed_test_expect(t[0], "/?user=a", 200, NULL);
    ed_test_get(t[1], &res, "/?user=a");
    ed_test_status(t[1], res, 429);
    ed_test_header(t[1], res, "Retry-After", "1200");
    ed_test_header(t[1], res, "RateLimit-Remaining", "0");
    ed_test_expect(t[1], "/?user=b&cost=4", 429, NULL);
    ed_test_expect(t[1], "/?user=b&cost=3", 200, NULL);
    check_text(redis_server_ask(server, "EXISTS eddy:rate:shared:key:a"), "1");
    const char *left = redis_server_ask(server, "TTL eddy:rate:shared:key:a");
    check(strtol(left, NULL, 10) > 3500);
    for (int i = 0; i < 2; i++)
        done(t[i], app[i], limit[i]);
    ed_redis_free(redis);
    return 0;
}

/* Many at once get exactly as many tokens as there are. */
static int crowd(void *arg)
{
    ed_redis *redis = client_of(arg);
    const struct ed_rate rate = {.limit = 20, .burst = 20, .per = 3600 * ED_S};
    struct ed_rate_answer a;
    unsigned passed = 0;
    for (int i = 0; i < 50; i++) {
        check_int(ed_rate_redis_take(redis, ED_BYTES("crowd"), &rate, 1, &a),
                  0);
        passed += a.passed;
    }
    check_int(passed, 20);
    /* A third of a millisecond does not divide evenly. */
    const struct ed_rate odd = {.limit = 3, .burst = 3, .per = 2 * ED_S};
    for (int i = 0; i < 3; i++) {
        check_int(ed_rate_redis_take(redis, ED_BYTES("odd"), &odd, 1, &a), 0);
        check(a.passed);
    }
    ed_redis_free(redis);
    return 0;
}

static int lose(void *arg)
{
    static const struct {
        enum ed_rate_limit_down down;
        int statuses[2];
    } rules[] = {
        {ED_RATE_PASS, {200, 200}},
        {ED_RATE_LOCAL, {200, 429}},
        {ED_RATE_REFUSE, {503, 503}},
    };
    ed_redis *redis = client_of(arg);
    redis_server_kill(arg);
    for (int i = 0; i < 3; i++) {
        ed_rate_limit *limit =
            ed_rate_limit_new(.limit = 1, .per = 60 * ED_MIN, .redis = redis,
                              .down = rules[i].down,
                              .redis_timeout = 10 * ED_MS);
        ed_app *app = limited(limit);
        ed_test *t = ed_test_new(app);
        ed_test_expect(t, "/", rules[i].statuses[0], NULL);
        ed_test_logged(t, "Redis does not answer, 1 requests were");
        ed_test_log_clear(t);
        ed_test_expect(t, "/", rules[i].statuses[1], NULL);
        ed_test_check(t, !strstr(ed_test_log(t), "does not answer"));
        done(t, app, limit);
    }
    ed_redis_free(redis);
    return 0;
}

static void with_redis(ed_fn *body)
{
    struct redis_server *server = redis_server_start(NULL);
    fiber_test_failures = 0;
    assert_int_equal(ed_run(body, server), 0);
    assert_int_equal(fiber_test_failures, 0);
    redis_server_stop(server);
}

static void processes_share_buckets_in_redis(void **state)
{
    (void)state;
    with_redis(share);
}

static void redis_gives_as_many_tokens_as_there_are(void **state)
{
    (void)state;
    with_redis(crowd);
}

static void without_redis_the_option_says_what_happens(void **state)
{
    (void)state;
    with_redis(lose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_refills_evenly_and_exactly),
        cmocka_unit_test(a_bucket_takes_costs_whole_or_not_at_all),
        cmocka_unit_test(the_largest_rates_do_not_overflow),
        cmocka_unit_test(who_asks_too_much_is_told_when_to_come_back),
        cmocka_unit_test(a_header_tells_clients_apart),
        cmocka_unit_test(what_a_header_holds_is_not_logged),
        cmocka_unit_test(callbacks_choose_the_client_and_the_cost),
        cmocka_unit_test(only_so_many_run_at_once),
        cmocka_unit_test(the_longest_unseen_is_forgotten_for_want_of_room),
        cmocka_unit_test(a_client_is_an_address_or_a_network_of_ipv6),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(processes_share_buckets_in_redis),
        cmocka_unit_test(redis_gives_as_many_tokens_as_there_are),
        cmocka_unit_test(without_redis_the_option_says_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
