/*
 * test_client_reuse.c - which connections of a client are used again, which
 * requests are sent again, and how many go at once.
 */
#include "peer.h"
#include <eddy/client.h>

#define OK_KEPT ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"

static struct ed_client_counts counts_of(const ed_client *client)
{
    struct ed_client_counts counts;

    ed_client_counts(client, &counts);
    return counts;
}

/* Status of a plain GET, or its error. */
static int get(ed_client *client, const char *url)
{
    ed_res *res;
    int err = ed_fetch(&res, url, .client = client);

    return err ? err : ed_res_status(res);
}

FIBER_TEST(a_connection_is_used_again)
{
    struct peer p = {
        .scripts = {SCRIPT("<", OK_KEPT, "<", OK_KEPT, "<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new();

    peer_open(&p);
    for (int i = 0; i < 3; i++)
        check_int(get(client, p.url), 200);
    struct ed_client_counts c = counts_of(client);
    check_int(c.requests, 3);
    check_int(c.connections, 1);
    check_int(c.reused, 2);
    check_int(c.open, 1);
    check_int(c.idle, 1);
    ed_client_free(client);
    settle();
    check_int(p.open, 0);
    peer_close(&p);
}

/* The connection that carried this script's response is not kept. */
static void not_kept(const char *const *script)
{
    struct peer p = {.scripts = {script}};
    ed_client *client = ed_client_new();

    peer_open(&p);
    check_int(get(client, p.url), 200);
    settle();
    check_int(counts_of(client).open, 0);
    check_int(p.open, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_connection_that_either_side_ends_is_not_kept)
{
    not_kept(SCRIPT("<",
                    ">HTTP/1.1 200 Ok\r\nConnection: close\r\n"
                    "Content-Length: 2\r\n\r\nok",
                    "="));
    not_kept(
        SCRIPT("<", ">HTTP/1.0 200 Ok\r\nContent-Length: 2\r\n\r\nok", "="));
    not_kept(SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nok"));
}

FIBER_TEST(a_connection_with_bytes_behind_the_response_is_closed)
{
    not_kept(SCRIPT("<", OK_KEPT "x", "="));
    not_kept(SCRIPT("<",
                    ">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n"
                    "\r\n0\r\n\r\nHTTP/1.1 200 Ok\r\n\r\n",
                    "="));
}

FIBER_TEST(the_caller_may_ask_for_the_end_of_the_connection)
{
    struct peer p = {.scripts = {SCRIPT("<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new();
    static const char *const headers[] = {"Connection: x, Close", NULL};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .headers = headers), 0);
    check_int(counts_of(client).open, 0);
    ed_client_free(client);
    peer_close(&p);
}

/* An idle connection on which that happens is dropped. */
static void dropped_while_idle(const char *event)
{
    struct peer p = {.scripts = {SCRIPT("<", OK_KEPT, "~1000", event, "~9")}};
    ed_client *client = ed_client_new();

    peer_open(&p);
    check_int(get(client, p.url), 200);
    check_int(counts_of(client).idle, 1);
    check_int(ed_sleep(1005 * ED_MS), 0);
    check_int(counts_of(client).idle, 0);
    check_int(counts_of(client).open, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(an_idle_connection_is_dropped_when_the_server_ends_it)
{
    dropped_while_idle("|");
}

FIBER_TEST(an_idle_connection_is_dropped_when_the_server_speaks_unasked)
{
    dropped_while_idle(">HTTP/1.1 408 Timeout\r\n\r\n");
}

FIBER_TEST(idle_connections_are_closed_in_time)
{
    struct peer p = {.scripts = {SCRIPT("<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new(.keep_alive = 3 * ED_S);

    peer_open(&p);
    check_int(get(client, p.url), 200);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(p.open, 1);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(p.open, 0);
    ed_client_free(client);
    peer_close(&p);
}

/* ---- sent again ---- */

/* What becomes of a request on a kept connection that the server closes when
 * it sees the request. */
static int on_stale(const struct ed_fetch_options *options,
                    const char *const *stale)
{
    struct peer p = {.scripts = {stale, SCRIPT("<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new();
    struct ed_fetch_options o = *options;
    ed_res *res;

    o.client = client;
    peer_open(&p);
    check_int(get(client, p.url), 200);
    int err = ed_fetch_with(&res, p.url, &o);
    struct ed_client_counts c = counts_of(client);
    if (!err)
        err = (int)c.replaced;
    check_int(c.open, err < 0 ? 0 : 1);
    ed_client_free(client);
    peer_close(&p);
    return err;
}

#define ON_STALE(script, ...) \
    on_stale(ED_OPTIONS(struct ed_fetch_options, __VA_ARGS__), script)

static ssize_t send_nothing(void *arg, void *buf, size_t len)
{
    (void)arg, (void)buf, (void)len;
    return 0;
}

FIBER_TEST(an_idempotent_request_is_sent_again_when_a_kept_connection_is_dead)
{
    const char *const *closes = SCRIPT("<", OK_KEPT, "<");
    const char *const *resets = SCRIPT("<", OK_KEPT, "<", "!");

    check_int(ON_STALE(closes, .method = "GET"), 1);
    check_int(ON_STALE(resets, .method = "GET"), 1);
    check_int(ON_STALE(closes, .method = "PUT", .body = ED_BYTES("x")), 1);
}

FIBER_TEST(an_unsafe_request_is_not_sent_again)
{
    const char *const *closes = SCRIPT("<", OK_KEPT, "<");

    check_int(ON_STALE(closes, .method = "POST"), ED_ECONNLOST);
    check(strstr(ed_error(), "closed before a response"));
    check_int(ON_STALE(closes, .method = "get"), ED_ECONNLOST);
    check_int(ON_STALE(closes, .method = "POST", .retry_unsafe = true), 1);
}

FIBER_TEST(a_body_that_was_asked_for_is_not_sent_again)
{
    const char *const *closes = SCRIPT("<", OK_KEPT, "<");

    check_int(ON_STALE(closes, .method = "PUT", .send = send_nothing,
                       .retry_unsafe = true),
              ED_ECONNLOST);
}

FIBER_TEST(a_request_is_not_sent_again_once_a_response_has_begun)
{
    check_int(ON_STALE(SCRIPT("<", OK_KEPT, "<", ">H"), .method = "GET"),
              ED_ECONNLOST);
}

FIBER_TEST(a_request_is_sent_again_once_at_most)
{
    struct peer p = {.scripts = {SCRIPT("<", OK_KEPT, "<"), SCRIPT("<")}};
    ed_client *client = ed_client_new();

    peer_open(&p);
    check_int(get(client, p.url), 200);
    check_int(get(client, p.url), ED_ECONNLOST);
    check_int(p.accepted, 2);
    check_int(counts_of(client).replaced, 1);
    check_int(counts_of(client).open, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_fresh_connection_that_breaks_is_not_tried_again)
{
    struct peer p = {.scripts = {SCRIPT("<")}};
    ed_client *client = ed_client_new();

    peer_open(&p);
    check_int(get(client, p.url), ED_ECONNLOST);
    check_int(p.accepted, 1);
    ed_client_free(client);
    peer_close(&p);
}

struct getter {
    ed_client *client;
    const char *url;
    int result;
    int64_t at;
    int64_t patience;
    char detail[300];
};

static int run_getter(void *arg)
{
    struct getter *g = arg;

    ed_scope(s, .within = g->patience);
    (void)s;
    g->result = get(g->client, g->url);
    g->at = ed_now();
    snprintf(g->detail, sizeof(g->detail), "%s", ed_error());
    return 0;
}

/* The connection breaks after it was handed to a waiter and before that has
 * run: even a POST has lost nothing then. */
FIBER_TEST(a_connection_found_dead_before_use_is_replaced)
{
    struct peer p = {.scripts = {SCRIPT("<", "~5", OK_KEPT, "|"),
                                 SCRIPT("<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new(.max_per_origin = 1);
    struct getter g[2] = {{client, p.url}, {client, p.url}};

    peer_open(&p);
    {
        ed_scope(s);
        ed_go(s, run_getter, &g[0]);
        ed_go(s, run_getter, &g[1]);
        check_int(ed_wait(s), 0);
        check_int(g[0].result, 200);
        check_int(g[1].result, 200);
        check_int(counts_of(client).open, 1);
    }
    ed_client_free(client);
    peer_close(&p);
}

/* ---- how many at once ---- */

FIBER_TEST(requests_beyond_the_limit_wait_in_the_order_they_came)
{
    struct peer p = {.scripts = {SCRIPT("<", "~10", OK_KEPT, "<", "~10",
                                        OK_KEPT, "<", "~10", OK_KEPT, "=")}};
    ed_client *client = ed_client_new(.max_per_origin = 2);
    struct getter g[6];
    int64_t began = ed_now();

    peer_open(&p);
    {
        ed_scope(s);
        for (int i = 0; i < 6; i++) {
            g[i] = (struct getter){client, p.url};
            ed_go(s, run_getter, &g[i]);
        }
        settle();
        check_int(counts_of(client).waiting, 4);
        check_int(ed_wait(s), 0);
        check_int(p.accepted, 2);
        for (int i = 0; i < 6; i++) {
            check_int(g[i].result, 200);
            check_int((g[i].at - began) / ED_MS, (i / 2 + 1) * 10);
        }
    }
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(waiting_for_a_connection_honours_the_deadline)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "~100", OK_KEPT, "<", OK_KEPT, "=")}};
    ed_client *client = ed_client_new(.max_per_origin = 1);
    struct getter g[3] = {{client, p.url},
                          {client, p.url, .patience = 20 * ED_MS},
                          {client, p.url}};
    char want[300];

    peer_open(&p);
    {
        ed_scope(s);
        for (int i = 0; i < 3; i++)
            ed_go(s, run_getter, &g[i]);
        check_int(ed_wait(s), 0);
        check_int(g[0].result, 200);
        check_int(g[1].result, ED_ETIMEOUT);
        snprintf(want, sizeof(want),
                 "GET %s: no free connection within the deadline", p.url);
        check_text(g[1].detail, want);
        check_int(g[2].result, 200);
    }
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_failed_connection_leaves_its_place_to_the_next)
{
    ed_client *client = ed_client_new(.max_per_origin = 1);
    struct getter g[5];

    ed_scope(s);
    for (int i = 0; i < 5; i++) {
        g[i] = (struct getter){client, "http://127.0.0.1:1/"};
        ed_go(s, run_getter, &g[i]);
    }
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 5; i++)
        check_int(g[i].result, ED_ECONNECT);
    check_int(counts_of(client).open, 0);
    ed_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_connection_that_either_side_ends_is_not_kept),
        cmocka_unit_test(a_connection_with_bytes_behind_the_response_is_closed),
        cmocka_unit_test(the_caller_may_ask_for_the_end_of_the_connection),
        cmocka_unit_test(an_idle_connection_is_dropped_when_the_server_ends_it),
        cmocka_unit_test(
            an_idle_connection_is_dropped_when_the_server_speaks_unasked),
        cmocka_unit_test(idle_connections_are_closed_in_time),
        cmocka_unit_test(
            an_idempotent_request_is_sent_again_when_a_kept_connection_is_dead),
        cmocka_unit_test(an_unsafe_request_is_not_sent_again),
        cmocka_unit_test(a_body_that_was_asked_for_is_not_sent_again),
        cmocka_unit_test(a_request_is_not_sent_again_once_a_response_has_begun),
        cmocka_unit_test(a_request_is_sent_again_once_at_most),
        cmocka_unit_test(a_fresh_connection_that_breaks_is_not_tried_again),
        cmocka_unit_test(a_connection_found_dead_before_use_is_replaced),
        cmocka_unit_test(requests_beyond_the_limit_wait_in_the_order_they_came),
        cmocka_unit_test(waiting_for_a_connection_honours_the_deadline),
        cmocka_unit_test(a_failed_connection_leaves_its_place_to_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
