/*
 * test_client_timeouts.c - each phase of a fetch has a time of its own, and
 * says so when it is over.
 */
#include "fetch_fails.h"
#include <eddy/dns.h>

/* A fetch from a peer that plays a script times out after so many ms. */
static void times_out(ed_client *client, const char *const *script,
                      int64_t after, const char *detail)
{
    struct peer p = {.scripts = {script}};
    int64_t began = ed_now();

    fetch_fails(&p, client, ED_ETIMEOUT, detail);
    check_int((ed_now() - began) / ED_MS, after);
}

FIBER_TEST(a_first_byte_is_awaited_for_a_minute)
{
    times_out(ed_client_new(), SCRIPT("<", "="), 60000,
              "no first byte within the first byte timeout of 60 s");
}

FIBER_TEST(how_long_a_first_byte_is_awaited_can_be_chosen)
{
    times_out(ed_client_new(.first_byte_timeout = 1500 * ED_MS),
              SCRIPT("<", "="), 1500,
              "no first byte within the first byte timeout of 1.5 s");
}

FIBER_TEST(the_next_piece_is_awaited_for_a_minute)
{
    times_out(ed_client_new(),
              SCRIPT("<", "~50000", ">HTTP/1.1 200", "~50000", "> Ok\r\n", "="),
              160000,
              "nothing more of the response head within the idle timeout of "
              "60 s");
    times_out(ed_client_new(.idle_timeout = 2 * ED_S),
              SCRIPT("<", ">HTTP/1.1 200 Ok\r\nContent-Length: 9\r\n\r\n1",
                     "~1500", ">2", "~1500", ">3", "="),
              5000,
              "nothing more of the response body within the idle timeout of "
              "2 s");
}

FIBER_TEST(a_request_that_is_not_taken_meets_the_idle_timeout)
{
    struct peer p = {.scripts = {SCRIPT("<100000", "~90000")}, .large = true};
    ed_client *client = ed_client_new(.idle_timeout = 5 * ED_S);
    char *body = calloc(1, 4 << 20);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client,
                       .body = ed_bytes_of(body, 4 << 20)),
              ED_ETIMEOUT);
    check(strstr(ed_error(), ": nothing more of the request taken within the "
                             "idle timeout of 5 s"));
    free(body);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(without_limits_only_the_deadline_holds)
{
    ed_client *client =
        ed_client_new(.first_byte_timeout = -1, .idle_timeout = -1,
                      .connect_timeout = -1, .resolve_timeout = -1,
                      .tls_timeout = -1, .timeout = -1);

    ed_scope(s, .within = 5 * ED_MIN);
    (void)s;
    times_out(client, SCRIPT("<", "="), 300000,
              "no response head within the deadline");
}

FIBER_TEST(all_of_a_fetch_may_have_a_time)
{
    times_out(ed_client_new(.timeout = 3 * ED_S), SCRIPT("<", "="), 3000,
              "no response head within the timeout of 3 s");
}

FIBER_TEST(a_fetch_may_have_a_time_of_its_own)
{
    struct peer p = {.scripts = {SCRIPT("<", "=")}};
    ed_client *client = ed_client_new(.timeout = 3 * ED_S);
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .timeout = ED_S),
              ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 1);
    check(strstr(ed_error(), ": no response head within the timeout of 1 s"));
    check_int(ed_fetch(&res, p.url, .client = client, .timeout = -1),
              ED_ETIMEOUT);
    check(strstr(ed_error(), "first byte timeout"));
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(an_earlier_deadline_is_told_from_the_timeout)
{
    ed_client *client = ed_client_new(.timeout = 3 * ED_S);

    ed_scope(s, .within = 2 * ED_S);
    (void)s;
    times_out(client, SCRIPT("<", "="), 2000,
              "no response head within the deadline");
}

FIBER_TEST(the_time_of_all_begins_with_the_fetch)
{
    struct peer p = {.scripts = {SCRIPT("<", "~700", ">HTTP/1.1 200 Ok\r\n\r\n",
                                        "~700", ">x", "~700")}};
    ed_client *client = ed_client_new(.timeout = ED_S);
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client), ED_ETIMEOUT);
    check(
        strstr(ed_error(), ": no whole response body within the timeout of 1"));
    ed_client_free(client);
    peer_close(&p);
}

/* ---- streamed ---- */

FIBER_TEST(pauses_of_a_streamed_body_are_bounded)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nab",
                                        "~4000", ">c", "=")}};
    ed_client *client = ed_client_new(.idle_timeout = 5 * ED_S);
    char buf[8];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_res_read(res, buf, 8), 2);
    check_int(ed_res_read(res, buf, 8), 1);
    int64_t began = ed_now();
    check_int(ed_res_read(res, buf, 8), ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 5);
    check(strstr(ed_error(), ": nothing more of the response body within the "
                             "idle timeout of 5 s"));
    check_int(ed_res_read(res, buf, 8), ED_ETIMEOUT);
    ed_res_close(res);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_reader_may_take_its_time)
{
    static char much[300 * 1024];
    struct peer p = {.scripts = {SCRIPT("<", much)}, .large = true};
    ed_client *client = ed_client_new(.idle_timeout = 5 * ED_S);
    size_t len = (size_t)sprintf(much, ">HTTP/1.1 200 Ok\r\n\r\n"), got = 0;
    static char buf[64 * 1024];
    ssize_t n;
    ed_res *res;

    memset(much + len, 'x', sizeof(much) - len - 1);
    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_sleep(10 * ED_MIN), 0); /* the server is kept waiting */
    while ((n = ed_res_read(res, buf, sizeof(buf))) > 0)
        got += (size_t)n;
    check_int(n, 0);
    check_int(got, sizeof(much) - len - 1);
    ed_res_close(res);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(the_time_of_all_holds_while_a_body_is_read)
{
    struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 200 Ok\r\n\r\nab",
                                        "~2000", ">c", "=")}};
    ed_client *client = ed_client_new(.timeout = 3 * ED_S);
    int64_t began = ed_now();
    char buf[8];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_res_read(res, buf, 8), 2);
    check_int(ed_res_read(res, buf, 8), 1);
    check_int(ed_res_read(res, buf, 8), ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 3);
    check(strstr(ed_error(),
                 ": no whole response body within the timeout of 3 s"));
    ed_res_close(res);
    ed_client_free(client);
    peer_close(&p);
}

static ssize_t slow_body(void *arg, void *buf, size_t len)
{
    int *left = arg;

    (void)len;
    if (!*left || ed_sleep(10 * ED_S))
        return 0;
    (*left)--;
    memcpy(buf, "x", 1);
    return 1;
}

FIBER_TEST(a_writer_may_take_its_time)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<5", ">HTTP/1.1 204 No\r\n\r\n", "=")}};
    ed_client *client =
        ed_client_new(.idle_timeout = ED_S, .first_byte_timeout = ED_S);
    int left = 5;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = slow_body,
                       .send_arg = &left, .send_length = 5),
              0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_writer_may_take_its_time_behind_an_early_answer)
{
    struct peer p = {.scripts = {SCRIPT("<", "<1", ">HTTP/1.1 200 Ok\r\n", "<4",
                                        ">\r\ndone")}};
    ed_client *client = ed_client_new(.idle_timeout = ED_S);
    int left = 5;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = slow_body,
                       .send_arg = &left, .send_length = 5),
              0);
    ed_client_free(client);
    peer_close(&p);
}

/* ---- on the way ---- */

FIBER_TEST(a_timeout_of_connecting_names_the_address)
{
    ed_client *client = ed_client_new(.connect_timeout = 2 * ED_S);
    struct unix_name name = unix_name();
    ed_stream *full[64];
    ed_listener *l;
    ed_res *res;
    int n = 0;

    /* A listener that nobody accepts from, with a queue that is full. */
    check_int(ed_listen(&l, name.address, .backlog = 1), 0);
    while (n < 64) {
        ed_scope(s, .within = ED_MS);
        (void)s;
        if (ed_connect(&full[n], name.address))
            break;
        n++;
    }
    check(n < 64);
    int64_t began = ed_now();
    check_int(ed_fetch(&res, name.url, .client = client), ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 2);
    check(strstr(ed_error(), "not connected within the connect timeout of 2 s: "
                             "connect to unix:/tmp/"));

    /* A fetch may know better than its client. */
    began = ed_now();
    check_int(
        ed_fetch(&res, name.url, .client = client, .connect_timeout = 7 * ED_S),
        ED_ETIMEOUT);
    check_int((ed_now() - began) / ED_S, 7);
    while (n)
        ed_stream_close(full[--n]);
    ed_listener_close(l);
    ed_client_free(client);
}

/* Name servers keep the time of the world. */
static int resolve_in_vain(void *arg)
{
    ed_client *client = ed_client_new(.resolve_timeout = 50 * ED_MS);
    char servers[ED_ADDR_TEXT];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ed_res *res;

    (void)arg;
    check_int(bind(fd, (struct sockaddr *)&at, len), 0);
    check_int(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(at.sin_port));
    check_int(ed_dns_configure(.servers = servers), 0);
    check_int(ed_fetch(&res, "http://name.example/", .client = client),
              ED_ETIMEOUT);
    check_text(ed_error(), "GET http://name.example/: name not resolved within "
                           "the resolve timeout of 0.05 s");
    close(fd);
    ed_client_free(client);
    return 0;
}

static void a_name_server_that_is_silent_meets_the_resolve_timeout(void **state)
{
    (void)state;
    fiber_test_failures = 0;
    assert_int_equal(ed_run(resolve_in_vain, NULL), 0);
    assert_int_equal(fiber_test_failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_byte_is_awaited_for_a_minute),
        cmocka_unit_test(how_long_a_first_byte_is_awaited_can_be_chosen),
        cmocka_unit_test(the_next_piece_is_awaited_for_a_minute),
        cmocka_unit_test(a_request_that_is_not_taken_meets_the_idle_timeout),
        cmocka_unit_test(without_limits_only_the_deadline_holds),
        cmocka_unit_test(all_of_a_fetch_may_have_a_time),
        cmocka_unit_test(a_fetch_may_have_a_time_of_its_own),
        cmocka_unit_test(an_earlier_deadline_is_told_from_the_timeout),
        cmocka_unit_test(the_time_of_all_begins_with_the_fetch),
        cmocka_unit_test(pauses_of_a_streamed_body_are_bounded),
        cmocka_unit_test(a_reader_may_take_its_time),
        cmocka_unit_test(the_time_of_all_holds_while_a_body_is_read),
        cmocka_unit_test(a_writer_may_take_its_time),
        cmocka_unit_test(a_writer_may_take_its_time_behind_an_early_answer),
        cmocka_unit_test(a_timeout_of_connecting_names_the_address),
        cmocka_unit_test(
            a_name_server_that_is_silent_meets_the_resolve_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
