/*
 * test_limit.c - how many requests go to an origin at once, who waits and in
 * which order, and how an adaptive limit finds its way.
 */
#include "fleet.h"
#include "http/limit.h"

/* ---- the line ---- */

static struct ed_limits limits_of(struct ed_limit_policy policy)
{
    return (struct ed_limits){.policy = policy, .on = true};
}

struct walker {
    struct ed_limiter *limiter;
    int64_t stays;
    int number;
    int *order;
    unsigned *arrived;
    int err;
};

static int walk(void *arg)
{
    struct walker *w = arg;

    w->err = ed_limiter_take(w->limiter);
    if (w->err)
        return 0;
    w->order[(*w->arrived)++] = w->number;
    (void)!ed_sleep(w->stays);
    ed_limiter_give(w->limiter);
    return 0;
}

enum { WALKERS = 6 };

struct crowd {
    struct ed_limits limits;
    struct ed_limiter limiter;
    struct walker walkers[WALKERS];
    int order[WALKERS];
    unsigned arrived;
};

static void gather(struct crowd *c, unsigned max, unsigned queue)
{
    c->limits = limits_of((struct ed_limit_policy){.max = max, .queue = queue});
    ed_limiter_open(&c->limiter, &c->limits);
    for (int i = 0; i < WALKERS; i++)
        c->walkers[i] = (struct walker){.limiter = &c->limiter,
                                        .stays = ED_S,
                                        .number = i,
                                        .order = c->order,
                                        .arrived = &c->arrived};
}

FIBER_TEST(who_waits_is_served_in_the_order_of_arrival)
{
    struct crowd c = {0};
    ed_scope(s);

    gather(&c, 2, 10);
    for (int i = 0; i < WALKERS; i++)
        ed_go(s, walk, &c.walkers[i]);
    check_int(ed_sleep(ED_MS), 0);
    check_int(c.limiter.in_flight, 2);
    check_int(c.limits.waiting, 4);
    check_int(c.limits.queued, 4);
    check_int(ed_sleep(ED_S), 0);
    check_int(c.arrived, 4);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < WALKERS; i++)
        check_int(c.order[i], i);
    check_int(c.limiter.in_flight, 0);
    check_int(c.limits.waiting, 0);
}

FIBER_TEST(a_line_that_is_full_takes_nobody)
{
    struct crowd c = {0};
    ed_scope(s);

    gather(&c, 2, 3);
    for (int i = 0; i < WALKERS; i++)
        ed_go(s, walk, &c.walkers[i]);
    check_int(ed_wait(s), 0);
    check_int(c.arrived, 5);
    check_int(c.walkers[5].err, ED_EOVERLOAD);
    check_int(c.limits.overloads, 1);
}

FIBER_TEST(a_waiter_that_gives_up_leaves_the_line_right)
{
    struct crowd c = {0};
    ed_scope(s);

    gather(&c, 1, 10);
    ed_go(s, walk, &c.walkers[0]);
    check_int(ed_sleep(ED_MS), 0);
    {
        ed_scope(giving_up);
        ed_go(giving_up, walk, &c.walkers[1]);
        check_int(ed_sleep(ED_MS), 0);
        ed_go(s, walk, &c.walkers[2]);
        check_int(ed_sleep(ED_MS), 0);
        ed_cancel(giving_up);
    }
    check_int(c.walkers[1].err, ED_ECANCELED);
    check_int(c.limits.waiting, 1);
    check_int(ed_wait(s), 0);
    check_int(c.arrived, 2);
    check_int(c.order[1], 2);
    check_int(c.limiter.in_flight, 0);
}

FIBER_TEST(a_waiter_cancelled_as_it_is_served_gives_its_slot_on)
{
    struct crowd c = {0};
    ed_scope(s);

    gather(&c, 1, 10);
    check_int(ed_limiter_take(&c.limiter), 0);
    {
        ed_scope(giving_up);
        ed_go(giving_up, walk, &c.walkers[1]);
        check_int(ed_sleep(ED_MS), 0);
        ed_limiter_give(&c.limiter);
        ed_cancel(giving_up);
    }
    check_int(c.limiter.in_flight, 0);
    check(ed_limiter_has_room(&c.limiter));
    (void)s;
}

/* ---- an adaptive limit ---- */

/*
 * A backend that works on `capacity` requests at once, each of which takes it
 * `takes`; more of them share it. Clients send as much as they may.
 */
struct backend {
    struct ed_limits limits;
    struct ed_limiter limiter;
    unsigned capacity;
    unsigned clients; /* that send without a pause; the others rest */
    int64_t takes;
    unsigned percent; /* of requests that fail */
    bool over;
    unsigned done;
};

static int64_t latency(const struct backend *b)
{
    unsigned in_flight = b->limiter.in_flight;

    return in_flight <= b->capacity ? b->takes
                                    : b->takes * in_flight / b->capacity;
}

struct sender {
    struct backend *backend;
    unsigned number;
};

static int send_on(void *arg)
{
    const struct sender *sender = arg;
    struct backend *b = sender->backend;

    while (!b->over) {
        if (sender->number >= b->clients) {
            (void)!ed_sleep(10 * ED_MS);
            continue;
        }
        if (ed_limiter_take(&b->limiter))
            return 0;
        int64_t took = latency(b);
        (void)!ed_sleep(took);
        if (b->done % 100 < b->percent)
            ed_limiter_overloaded(&b->limiter);
        else
            ed_limiter_responded(&b->limiter, took);
        ed_limiter_give(&b->limiter);
        b->done++;
    }
    return 0;
}

enum { SENDERS = 300 };

/* The limit after the load went on for a time. */
static unsigned after(struct backend *b, int64_t time)
{
    check_int(ed_sleep(time), 0);
    return ed_limiter_now(&b->limiter);
}

static void begin(struct backend *b, ed_scope *s)
{
    b->limits = limits_of((struct ed_limit_policy){
        .max = 200, .adaptive = true, .min = 4, .queue = SENDERS});
    ed_limiter_open(&b->limiter, &b->limits);
    for (unsigned i = 0; i < SENDERS; i++) {
        struct sender sender = {b, i};
        ed_go_copy(s, send_on, &sender, sizeof(sender));
    }
}

static void end(struct backend *b, ed_scope *s)
{
    b->over = true;
    check_int(ed_wait(s), 0);
    check_int(b->limiter.in_flight, 0);
}

FIBER_TEST(a_limit_grows_where_nothing_slows_down)
{
    struct backend b = {
        .capacity = 1000, .clients = SENDERS, .takes = 20 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    check_int(ed_limiter_now(&b.limiter), 20);
    check_int(after(&b, 20 * ED_S), 200);
    end(&b, s);
}

FIBER_TEST(a_limit_settles_where_the_backend_is_busy_and_no_further)
{
    struct backend b = {
        .capacity = 40, .clients = SENDERS, .takes = 20 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    /* For long: what creeps would have crept. */
    for (int i = 0; i < 60; i++) {
        unsigned limit = after(&b, 10 * ED_S);
        check(limit >= 20 && limit <= 90);
    }
    /* And the backend is kept busy: 40 at once of 20 ms, 2000 a second. */
    check(b.done > 600 * 2000 * 95 / 100);
    end(&b, s);
}

FIBER_TEST(a_limit_shrinks_when_the_backend_does_and_grows_back)
{
    struct backend b = {
        .capacity = 100, .clients = SENDERS, .takes = 20 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    unsigned before = after(&b, 10 * ED_S);
    check(before >= 90);
    b.capacity = 10;
    unsigned slow = after(&b, 10 * ED_S);
    check(slow <= 30);
    b.capacity = 100;
    check(after(&b, 20 * ED_S) >= 90);
    end(&b, s);
}

FIBER_TEST(a_backend_that_is_slower_for_good_is_got_used_to)
{
    struct backend b = {
        .capacity = 1000, .clients = SENDERS, .takes = 10 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    check_int(after(&b, 11 * ED_S), 200);
    b.takes = 60 * ED_MS;
    unsigned least = 200;
    for (int i = 0; i < 30; i++) {
        unsigned limit = after(&b, ED_S);
        least = limit < least ? limit : least;
    }
    check(least <= 30);
    check(after(&b, 60 * ED_S) >= 150);
    end(&b, s);
}

FIBER_TEST(failures_shrink_a_limit_to_its_least)
{
    struct backend b = {
        .capacity = 1000, .clients = SENDERS, .takes = 20 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    check_int(after(&b, 20 * ED_S), 200);
    b.percent = 100;
    check_int(after(&b, 20 * ED_S), 4);
    b.percent = 0;
    check_int(after(&b, 20 * ED_S), 200);
    end(&b, s);
}

FIBER_TEST(a_few_failures_do_not_shrink_a_limit)
{
    struct backend b = {.capacity = 1000,
                        .clients = SENDERS,
                        .takes = 20 * ED_MS,
                        .percent = 3};
    ed_scope(s);

    begin(&b, s);
    check(after(&b, 20 * ED_S) >= 190);
    b.percent = 20;
    unsigned limit = after(&b, 20 * ED_S);
    check(limit >= 10 && limit <= 30);
    end(&b, s);
}

FIBER_TEST(a_limit_that_is_not_in_use_stays)
{
    struct backend b = {.capacity = 1000, .clients = 5, .takes = 20 * ED_MS};
    ed_scope(s);

    begin(&b, s);
    check_int(after(&b, 20 * ED_S), 20);
    b.takes = 100 * ED_MS;
    check_int(after(&b, 20 * ED_S), 20);
    end(&b, s);
}

/* ---- in a client ---- */

FIBER_TEST(no_more_than_the_limit_are_under_way)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.limit = {.max = 3, .queue = 10});
    struct burst b = {.client = client, .url = f.url};
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    f.members[0].delay = 10 * ED_MS;
    burst(&b, 13);
    check_int(b.well, 13);
    check_int(f.members[0].peak, 3);
    check_int(counts_of(client).queued, 10);
    check_int(counts_of(client).waiting, 0);
    burst(&b, 15);
    check_int(b.failed, 2);
    check_int(counts_of(client).overloads, 2);
    check(ed_client_endpoint(client, 0, &endpoint));
    check_int(endpoint.limit, 3);
    check_int(endpoint.requests, 26);
    check_int(endpoint.failures, 0);
    check_text(endpoint.address, "");
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(one_too_many_is_told_so)
{
    struct fleet f = {.count = 1};
    ed_client *client =
        fleet_client(.limit = {.max = 1, .queue = 1}, .retry = {.attempts = 3});
    struct burst b = {.client = client, .url = f.url};
    char text[128];
    ed_scope(s);

    fleet_open(&f);
    f.members[0].delay = ED_S;
    ed_go(s, burst_one, &b);
    ed_go(s, burst_one, &b);
    check_int(ed_sleep(ED_MS), 0);
    check_int(counts_of(client).waiting, 1);
    check_int(get(client, f.url), ED_EOVERLOAD);
    snprintf(text, sizeof(text),
             "GET %s: too many requests wait for the origin", f.url);
    check_text(ed_error(), text);
    check_int(counts_of(client).retries, 0);
    check_int(ed_wait(s), 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(waiting_for_the_limit_ends_with_the_deadline)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.limit = {.max = 1});
    struct burst b = {.client = client, .url = f.url};
    ed_scope(s);

    fleet_open(&f);
    f.members[0].delay = ED_S;
    ed_go(s, burst_one, &b);
    check_int(ed_sleep(ED_MS), 0);
    check_int(get_within(client, f.url, 10 * ED_MS), ED_ETIMEOUT);
    check(strstr(ed_error(), "limit of the origin reached until the deadline"));
    check_int(ed_wait(s), 0);
    check_int(b.well, 1);
    check_int(get(client, f.url), 200);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_streamed_response_counts_until_it_is_closed)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.limit = {.max = 1});
    ed_res *res;

    fleet_open(&f);
    check_int(ed_fetch(&res, f.url, .client = client, .stream = true), 0);
    check_int(get_within(client, f.url, 10 * ED_MS), ED_ETIMEOUT);
    ed_res_close(res);
    check_int(get_within(client, f.url, 10 * ED_MS), 200);
    ed_res_close(res);
    check_int(get_within(client, f.url, 10 * ED_MS), 200);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(each_origin_has_its_own_limit)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.limit = {.max = 1});
    char other[64];
    ed_res *res;

    fleet_open(&f);
    snprintf(other, sizeof(other), "http://127.0.0.2:%u/", f.port);
    check_int(ed_fetch(&res, f.url, .client = client, .stream = true), 0);
    check_int(get_within(client, other, 10 * ED_MS), 200);
    ed_res_close(res);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_slow_backend_shrinks_the_limit_of_a_client)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.limit = {.adaptive = true});
    struct burst b = {.client = client, .url = f.url};
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    f.members[0].delay = ED_MS;
    for (int i = 0; i < 40; i++)
        burst(&b, 100);
    check(ed_client_endpoint(client, 0, &endpoint));
    unsigned fast = endpoint.limit;
    check(fast > 30);
    f.members[0].saturable = true;
    for (int i = 0; i < 40; i++)
        burst(&b, 100);
    check(ed_client_endpoint(client, 0, &endpoint));
    check(endpoint.limit < fast / 2);
    check_int(b.failed, 0);
    ed_client_free(client);
    fleet_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_served_in_the_order_of_arrival),
        cmocka_unit_test(a_line_that_is_full_takes_nobody),
        cmocka_unit_test(a_waiter_that_gives_up_leaves_the_line_right),
        cmocka_unit_test(a_waiter_cancelled_as_it_is_served_gives_its_slot_on),
        cmocka_unit_test(a_limit_grows_where_nothing_slows_down),
        cmocka_unit_test(
            a_limit_settles_where_the_backend_is_busy_and_no_further),
        cmocka_unit_test(a_limit_shrinks_when_the_backend_does_and_grows_back),
        cmocka_unit_test(a_backend_that_is_slower_for_good_is_got_used_to),
        cmocka_unit_test(failures_shrink_a_limit_to_its_least),
        cmocka_unit_test(a_few_failures_do_not_shrink_a_limit),
        cmocka_unit_test(a_limit_that_is_not_in_use_stays),
        cmocka_unit_test(no_more_than_the_limit_are_under_way),
        cmocka_unit_test(one_too_many_is_told_so),
        cmocka_unit_test(waiting_for_the_limit_ends_with_the_deadline),
        cmocka_unit_test(a_streamed_response_counts_until_it_is_closed),
        cmocka_unit_test(each_origin_has_its_own_limit),
        cmocka_unit_test(a_slow_backend_shrinks_the_limit_of_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
