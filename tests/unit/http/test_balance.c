/*
 * test_balance.c - which of a name's addresses a request goes to, and that
 * requests get through while one of them is dead.
 */
#include "fleet.h"
#include "certs.h"
#include "http/balance.h"
#include <eddy/server.h>

/* ---- the choice ---- */

static struct ed_addrs addresses(const char *const *texts)
{
    struct ed_addrs addrs = {0};

    for (; *texts; texts++)
        assert_int_equal(
            ed_addr_parse_ip(&addrs.list[addrs.count++], ed_bytes(*texts), 0),
            0);
    return addrs;
}

#define ADDRESSES(...) addresses((const char *const[]){__VA_ARGS__, NULL})

struct choice {
    struct ed_upstreams all;
    struct ed_upstream *upstream;
    uint64_t random;
};

static void choose_among(struct choice *c, struct ed_addrs addrs)
{
    assert_int_equal(ed_upstreams_open(&c->all), 0);
    c->upstream = ed_upstream_use(&c->all, ED_BYTES("http://a:80"));
    assert_int_equal(ed_balance_update(c->upstream, &addrs, 80), 0);
    c->random = 1;
}

static void done(struct choice *c)
{
    ed_upstream_leave(c->upstream);
    ed_upstreams_close(&c->all);
}

static struct ed_backend *at(const struct choice *c, unsigned i)
{
    struct ed_list *node = c->upstream->backends.next;

    while (i--)
        node = node->next;
    return ED_CONTAINER(node, struct ed_backend, node);
}

static struct ed_backend *pick_untried(struct choice *c, struct ed_tried *tried,
                                       bool fresh)
{
    bool probe;

    return ed_balance_pick(c->upstream, tried, fresh, &c->random, 0, &probe);
}

static struct ed_backend *pick(struct choice *c)
{
    struct ed_tried tried = {0};

    return pick_untried(c, &tried, false);
}

/* How often each of them is chosen of so many times. */
static void count(struct choice *c, unsigned times, unsigned counts[4])
{
    memset(counts, 0, 4 * sizeof(*counts));
    while (times--) {
        struct ed_backend *chosen = pick(c);
        for (unsigned i = 0; i < c->upstream->listed; i++)
            counts[i] += chosen == at(c, i);
    }
}

static void equals_are_chosen_equally_often(void **state)
{
    (void)state;
    struct choice c = {0};
    unsigned counts[4];

    choose_among(&c, ADDRESSES("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    count(&c, 3000, counts);
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 900, 1100);
    done(&c);
}

static void of_two_the_less_loaded_is_chosen(void **state)
{
    (void)state;
    struct choice c = {0};
    unsigned counts[4];

    choose_among(&c, ADDRESSES("10.0.0.1", "10.0.0.2"));
    at(&c, 0)->in_flight = 1;
    count(&c, 100, counts);
    assert_int_equal(counts[1], 100);
    done(&c);
}

static void the_most_loaded_of_three_is_never_chosen(void **state)
{
    (void)state;
    struct choice c = {0};
    unsigned counts[4];

    choose_among(&c, ADDRESSES("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    at(&c, 0)->in_flight = 5;
    at(&c, 1)->in_flight = 3;
    count(&c, 3000, counts);
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 900, 1100); /* when the idle one is not drawn */
    done(&c);
}

static void what_was_tried_is_chosen_last(void **state)
{
    (void)state;
    struct choice c = {0};
    struct ed_tried tried = {0};
    bool chosen[3] = {false};

    choose_among(&c, ADDRESSES("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ed_balance_untried(c.upstream, &tried), 3 - i);
        chosen[pick_untried(&c, &tried, true)->id - 1] = true;
    }
    assert_true(chosen[0] && chosen[1] && chosen[2]);
    assert_null(pick_untried(&c, &tried, true));
    assert_non_null(pick_untried(&c, &tried, false));
    done(&c);
}

static void the_other_family_is_for_when_the_better_one_fails(void **state)
{
    (void)state;
    struct choice c = {0};
    struct ed_tried tried = {0};
    unsigned counts[4];

    choose_among(&c, ADDRESSES("::1", "10.0.0.1"));
    count(&c, 100, counts);
    assert_int_equal(counts[0], 100);
    assert_ptr_equal(pick_untried(&c, &tried, true), at(&c, 0));
    assert_ptr_equal(pick_untried(&c, &tried, true), at(&c, 1));
    done(&c);
}

static void an_address_that_is_gone_is_forgotten_when_unused(void **state)
{
    (void)state;
    struct choice c = {0};
    struct ed_addrs less = ADDRESSES("10.0.0.3");
    struct ed_hold hold = {0};

    choose_among(&c, ADDRESSES("10.0.0.1", "10.0.0.2", "10.0.0.3"));
    ed_upstream_hold(&hold, c.upstream);
    ed_upstream_occupy(&hold, at(&c, 0));
    assert_int_equal(ed_balance_update(c.upstream, &less, 80), 0);
    assert_int_equal(c.upstream->listed, 1);
    assert_int_equal(at(&c, 0)->in_flight, 1);
    for (int i = 0; i < 20; i++)
        assert_ptr_equal(pick(&c), at(&c, 1));
    ed_upstream_release(&hold);
    assert_int_equal(at(&c, 0)->id, 3);
    assert_ptr_equal(at(&c, 0)->node.next, &c.upstream->backends);
    done(&c);
}

static void the_origins_longest_unused_are_forgotten(void **state)
{
    (void)state;
    struct ed_upstreams all = {0};
    char key[32];

    assert_int_equal(ed_upstreams_open(&all), 0);
    struct ed_upstream *used =
        ed_upstream_use(&all, ED_BYTES("http://used:80"));
    for (int i = 0; i < ED_UPSTREAMS_MAX + 5; i++) {
        snprintf(key, sizeof(key), "http://%d:80", i);
        ed_upstream_leave(ed_upstream_use(&all, ed_bytes(key)));
    }
    assert_int_equal(ed_map_count(all.map), ED_UPSTREAMS_MAX);
    assert_ptr_equal(ed_map_get(all.map, ED_BYTES("http://used:80")), used);
    assert_null(ed_map_get(all.map, ED_BYTES("http://5:80")));
    assert_non_null(ed_map_get(all.map, ED_BYTES("http://6:80")));
    ed_upstream_leave(used);
    ed_upstreams_close(&all);
}

/* ---- with servers ---- */

FIBER_TEST(requests_are_spread_over_all_addresses)
{
    struct fleet f = {.count = 3};
    ed_client *client = fleet_client(.balance = {.on = true});

    fleet_open(&f);
    for (int i = 0; i < 90; i++)
        check_int(get(client, f.url), 200);
    for (int i = 0; i < 3; i++) {
        check(f.members[i].requests > 15);
        check_int(f.members[i].connections, 1);
    }
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(without_balancing_the_first_that_answers_gets_all)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.retry = {.attempts = 2});
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    for (int i = 0; i < 20; i++)
        check_int(get(client, f.url), 200);
    check_int(f.members[0].requests * f.members[1].requests, 0);
    check(!ed_client_endpoint(client, 0, &endpoint));
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_slow_address_gets_less)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct burst b = {.client = client, .url = f.url};
    ed_scope(s);

    fleet_open(&f);
    f.members[0].delay = 100 * ED_MS;
    f.members[1].delay = ED_MS;
    for (int i = 0; i < 400; i++) {
        ed_go(s, burst_one, &b);
        check_int(ed_sleep(ED_MS), 0);
    }
    check_int(ed_wait(s), 0);
    check(f.members[1].requests > 5 * f.members[0].requests);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(the_host_and_the_name_stay_the_urls)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_endpoint_counts endpoint;
    char want[64];
    ed_res *res;

    fleet_open(&f);
    check_int(ed_fetch(&res, f.url, .client = client), 0);
    snprintf(want, sizeof(want), "Host: fleet.test:%u\r\n", f.port);
    check(strstr(f.members[0].heard, want));
    check(ed_client_endpoint(client, 0, &endpoint));
    snprintf(want, sizeof(want), "http://fleet.test:%u", f.port);
    check_text(endpoint.origin, want);
    snprintf(want, sizeof(want), "127.0.0.1:%u", f.port);
    check_text(endpoint.address, want);
    check_int(endpoint.requests, 1);
    check_int(endpoint.in_flight, 0);
    check(!ed_client_endpoint(client, 1, &endpoint));
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(addresses_follow_the_name)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    fleet_name(&f, 0, 1);
    for (int i = 0; i < 10; i++)
        check_int(get(client, f.url), 200);
    check_int(f.members[0].requests, 10);
    fleet_name(&f, 1, 1);
    for (int i = 0; i < 10; i++)
        check_int(get(client, f.url), 200);
    check_int(f.members[1].requests, 10);
    check(!ed_client_endpoint(client, 1, &endpoint));
    ed_client_free(client);
    fleet_close(&f);
}

/* Questions arrive there, and nobody answers: the clock, which is virtual, does
 * not wait for real time. Returns its socket. */
static int silent_name_server(char servers[ED_ADDR_TEXT])
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    check_int(bind(fd, (struct sockaddr *)&at, len), 0);
    check_int(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(servers, ED_ADDR_TEXT, "127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

FIBER_TEST(what_cannot_be_resolved_is_told_of)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_endpoint_counts endpoint;
    char servers[ED_ADDR_TEXT];
    int nobody = silent_name_server(servers);

    fleet_open(&f);
    check_int(ed_dns_configure(.servers = servers, .hosts_file = f.hosts), 0);
    check_int(get(client, "http://nowhere.invalid/"), ED_ETIMEOUT);
    check_text(
        ed_error(),
        "GET http://nowhere.invalid/: name not resolved within the resolve "
        "timeout of 5 s");
    check_int(get(client, "http://a..b/"), ED_EURL);
    check_text(ed_error(), "GET http://a..b/: malformed host");
    check_int(get(client, "http://a b/"), ED_EURL);
    for (size_t i = 0; ed_client_endpoint(client, i, &endpoint); i++)
        check_int(endpoint.in_flight, 0);
    ed_client_free(client);
    fleet_close(&f);
    close(nobody);
}

FIBER_TEST(a_mapped_host_is_not_balanced)
{
    struct fleet f = {.count = 2};
    char map[64];
    const char *const hosts[] = {map, NULL};
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    snprintf(map, sizeof(map), "fleet.test=127.0.0.2");
    ed_client *client = fleet_client(.balance = {.on = true}, .hosts = hosts);
    for (int i = 0; i < 10; i++)
        check_int(get(client, f.url), 200);
    check_int(f.members[1].requests, 10);
    check(ed_client_endpoint(client, 0, &endpoint));
    check_text(endpoint.address, "");
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_proxy_is_not_balanced)
{
    struct fleet f = {.count = 2};
    char proxy[64];
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.2:%u", f.port);
    ed_client *client =
        fleet_client(.balance = {.on = true}, .proxy = proxy, .no_proxy = "");
    for (int i = 0; i < 10; i++)
        check_int(get(client, "http://far.invalid/"), 200);
    check_int(f.members[1].requests, 10);
    check(ed_client_endpoint(client, 0, &endpoint));
    check_text(endpoint.origin, "http://far.invalid:80");
    check_text(endpoint.address, "");
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_balanced_fetch_tells_when_the_name_was_resolved)
{
    struct fleet f = {.count = 1};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_res_timing timing;
    ed_res *res;

    fleet_open(&f);
    check_int(ed_fetch(&res, f.url, .client = client), 0);
    ed_res_timing(res, &timing);
    check(timing.resolved && timing.resolved <= timing.connected);
    check_int(ed_fetch(&res, f.url, .client = client), 0);
    ed_res_timing(res, &timing);
    check_int(timing.resolved, 0);
    ed_client_free(client);
    fleet_close(&f);
}

static int pong(ed_req *req)
{
    return ed_reply(req, 200, "pong");
}

static int serve(void *server)
{
    return ed_server_run(server);
}

FIBER_TEST(tls_checks_the_name_and_not_the_address)
{
    struct fleet f = {0};
    ed_tls *site, *trust;
    char address[ED_ADDR_TEXT], url[64];
    ed_server *server = ed_server_new(pong);
    ed_scope(s);

    fleet_open(&f);
    fleet_name(&f, 0, 2);
    certs_open();
    certs_make(.file = "site", .names = "fleet.test");
    check_int(ed_tls_server(&site, .certificate = certs_path("site.pem"),
                            .key = certs_path("site.key")),
              0);
    check_int(ed_tls_client(&trust, .ca = certs_path("ca.pem")), 0);
    check_int(ed_server_listen(server, "127.0.0.1:0", .tls = site), 0);
    ed_server_address(server, 0, address);
    f.port = (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
    member_address(address, sizeof(address), 1, f.port);
    check_int(ed_server_listen(server, address, .tls = site), 0);
    ed_go(s, serve, server);
    ed_client *client = fleet_client(.balance = {.on = true}, .tls = trust);
    snprintf(url, sizeof(url), "https://fleet.test:%u/", f.port);
    for (int i = 0; i < 20; i++)
        check_int(get(client, url), 200);
    check_int(counts_of(client).connections, 2);
    check_int(counts_of(client).reused, 18);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", f.port);
    check_int(get(client, url), ED_ECERT);
    ed_client_free(client);
    ed_server_stop(server);
    check_int(ed_wait(s), 0);
    ed_server_free(server);
    ed_tls_free(site);
    ed_tls_free(trust);
    certs_close();
    fleet_close(&f);
}

/* ---- one of three is dead ---- */

FIBER_TEST(an_address_that_refuses_is_passed_over)
{
    struct fleet f = {.count = 3};
    ed_client *client = fleet_client(.balance = {.on = true});

    fleet_open(&f);
    member_stop(&f.members[2]);
    for (int i = 0; i < 60; i++)
        check_int(get(client, f.url), 200);
    check_int(counts_of(client).retries, 0);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(an_address_that_swallows_all_is_passed_over)
{
    struct fleet f = {.count = 3};
    ed_client *client =
        fleet_client(.balance = {.on = true}, .connect_timeout = 3 * ED_S);
    int64_t began = ed_now();

    fleet_open(&f);
    member_stop(&f.members[2]);
    member_make_hole(&f, 2);
    for (int i = 0; i < 60; i++)
        check_int(get(client, f.url), 200);
    /* One request found out within its share of the time. */
    check_int(ed_now() - began, ED_S);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(what_takes_no_connection_is_tried_once_a_second)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    member_stop(&f.members[1]);
    for (int i = 0; i < 100; i++) {
        check_int(get(client, f.url), 200);
        check_int(ed_sleep(100 * ED_MS), 0);
    }
    for (size_t i = 0; ed_client_endpoint(client, i, &endpoint); i++) {
        if (endpoint.failures)
            check(endpoint.failures <= 10 && endpoint.failures >= 4);
    }
    member_start(&f, 1);
    check_int(ed_sleep(ED_S), 0);
    for (int i = 0; i < 20; i++)
        check_int(get(client, f.url), 200);
    check(f.members[1].requests > 3);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_connection_its_caller_gave_up_says_nothing)
{
    struct fleet f = {.count = 2};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct burst b = {.client = client, .url = f.url};
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    for (unsigned i = 2; i-- > 0;) {
        member_stop(&f.members[i]);
        member_make_hole(&f, i);
    }
    for (int i = 0; i < 8; i++) {
        ed_scope(s);
        ed_go(s, burst_one, &b);
        check_int(ed_sleep(ED_MS), 0);
        ed_cancel(s);
    }
    for (size_t i = 0; i < 2; i++) {
        check(ed_client_endpoint(client, i, &endpoint));
        check(endpoint.requests > 0);
        check_int(endpoint.failures, 0);
    }
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(each_address_is_tried_once_before_a_request_fails)
{
    struct fleet f = {.count = 3};
    ed_client *client = fleet_client(.balance = {.on = true});
    struct ed_endpoint_counts endpoint;

    fleet_open(&f);
    for (unsigned i = 3; i-- > 0;)
        member_stop(&f.members[i]);
    check_int(get(client, f.url), ED_ECONNECT);
    for (size_t i = 0; i < 3; i++) {
        check(ed_client_endpoint(client, i, &endpoint));
        check_int(endpoint.requests, 1);
        check_int(endpoint.failures, 1);
    }
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_retry_goes_to_another_address)
{
    struct fleet f = {.count = 3};
    ed_client *client =
        fleet_client(.balance = {.on = true}, .retry = {.attempts = 2});

    fleet_open(&f);
    f.members[0].status = 503;
    f.members[0].fields = "Retry-After: 0\r\n";
    for (int i = 0; i < 60; i++) {
        check_int(get(client, f.url), 200);
        check_int(ed_sleep(100 * ED_MS), 0);
    }
    check(counts_of(client).retries > 10);
    check_int(counts_of(client).retries, f.members[0].requests);
    ed_client_free(client);
    fleet_close(&f);
}

FIBER_TEST(a_time_out_is_tried_again_elsewhere)
{
    struct fleet f = {.count = 2};
    ed_client *client =
        fleet_client(.balance = {.on = true}, .retry = {.attempts = 2},
                     .first_byte_timeout = ED_S);

    fleet_open(&f);
    f.members[0].silent = true;
    for (int i = 0; i < 10; i++)
        check_int(get(client, f.url), 200);
    check(counts_of(client).retries > 0);
    check_int(counts_of(client).retries, f.members[0].requests);
    ed_client_free(client);
    fleet_close(&f);
}

/* A dead server in a fleet, with all that helps: nobody notices. */
static void nobody_notices(void (*dies)(struct fleet *f))
{
    struct fleet f = {.count = 3};
    ed_client *client =
        fleet_client(.retry = {.attempts = 3}, .hedge = {.after = 20 * ED_MS},
                     .balance = {.on = true}, .eject = {.failures = 5},
                     .connect_timeout = 3 * ED_S);
    struct burst b = {.client = client, .url = f.url};

    fleet_open(&f);
    for (int i = 0; i < FLEET_MAX; i++)
        f.members[i].delay = ED_MS;
    for (int i = 0; i < 400; i++) {
        if (i == 100)
            dies(&f);
        burst(&b, 5);
        check_int(ed_sleep(10 * ED_MS), 0);
    }
    check_int(b.failed, 0);
    check_int(b.well, 2000);
    check(f.members[0].requests + f.members[1].requests +
              f.members[2].requests <=
          2000 * 12 / 10 + 10 * 20);
    ed_client_free(client);
    fleet_close(&f);
}

static void by_refusing(struct fleet *f)
{
    member_stop(&f->members[2]);
}

static void by_swallowing(struct fleet *f)
{
    member_stop(&f->members[2]);
    member_make_hole(f, 2);
}

static void by_silence(struct fleet *f)
{
    f->members[2].silent = true;
}

static void by_refusals(struct fleet *f)
{
    f->members[2].status = 503;
}

FIBER_TEST(nobody_notices_a_server_that_refuses_connections)
{
    nobody_notices(by_refusing);
}

FIBER_TEST(nobody_notices_a_server_that_is_unplugged)
{
    nobody_notices(by_swallowing);
}

FIBER_TEST(nobody_notices_a_server_that_hangs)
{
    nobody_notices(by_silence);
}

FIBER_TEST(nobody_notices_a_server_that_refuses_requests)
{
    nobody_notices(by_refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_are_chosen_equally_often),
        cmocka_unit_test(of_two_the_less_loaded_is_chosen),
        cmocka_unit_test(the_most_loaded_of_three_is_never_chosen),
        cmocka_unit_test(what_was_tried_is_chosen_last),
        cmocka_unit_test(the_other_family_is_for_when_the_better_one_fails),
        cmocka_unit_test(an_address_that_is_gone_is_forgotten_when_unused),
        cmocka_unit_test(the_origins_longest_unused_are_forgotten),
        cmocka_unit_test(requests_are_spread_over_all_addresses),
        cmocka_unit_test(without_balancing_the_first_that_answers_gets_all),
        cmocka_unit_test(a_slow_address_gets_less),
        cmocka_unit_test(the_host_and_the_name_stay_the_urls),
        cmocka_unit_test(addresses_follow_the_name),
        cmocka_unit_test(what_cannot_be_resolved_is_told_of),
        cmocka_unit_test(a_mapped_host_is_not_balanced),
        cmocka_unit_test(a_proxy_is_not_balanced),
        cmocka_unit_test(a_balanced_fetch_tells_when_the_name_was_resolved),
        cmocka_unit_test(tls_checks_the_name_and_not_the_address),
        cmocka_unit_test(an_address_that_refuses_is_passed_over),
        cmocka_unit_test(an_address_that_swallows_all_is_passed_over),
        cmocka_unit_test(what_takes_no_connection_is_tried_once_a_second),
        cmocka_unit_test(a_connection_its_caller_gave_up_says_nothing),
        cmocka_unit_test(each_address_is_tried_once_before_a_request_fails),
        cmocka_unit_test(a_retry_goes_to_another_address),
        cmocka_unit_test(a_time_out_is_tried_again_elsewhere),
        cmocka_unit_test(nobody_notices_a_server_that_refuses_connections),
        cmocka_unit_test(nobody_notices_a_server_that_is_unplugged),
        cmocka_unit_test(nobody_notices_a_server_that_hangs),
        cmocka_unit_test(nobody_notices_a_server_that_refuses_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
