/*
 * test_client_stream.c - bodies sent and read in pieces.
 */
#include "peer.h"
#include <eddy/client.h>

#define CHUNKED ">HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\n"
#define OK_KEPT ">HTTP/1.1 200 Ok\r\nContent-Length: 2\r\n\r\nok"

static unsigned open_of(const ed_client *client)
{
    struct ed_client_counts counts;

    ed_client_counts(client, &counts);
    return counts.open;
}

/* Reads a streamed response to its end in pieces of at most `len` bytes. */
static int read_all(ed_res *res, size_t len, char *text)
{
    char piece[1024];
    ssize_t n;

    *text = '\0';
    while ((n = ed_res_read(res, piece, len)) > 0)
        strncat(text, piece, (size_t)n);
    return (int)n;
}

FIBER_TEST(a_body_is_read_as_it_comes)
{
    struct peer p = {.scripts = {SCRIPT("<", CHUNKED, "~10", ">3\r\none\r\n",
                                        "~10", ">3\r\ntwo\r\n0\r\n\r\n", "=")}};
    ed_client *client = ed_client_new();
    char piece[10];
    ed_res *res;

    peer_open(&p);
    int64_t began = ed_now();
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(ed_res_status(res), 200);
    check_int((ed_now() - began) / ED_MS, 0);
    check_int(ed_res_read(res, piece, sizeof(piece)), 3);
    check(!memcmp(piece, "one", 3));
    check_int((ed_now() - began) / ED_MS, 10);
    check_int(ed_res_read(res, piece, 2), 2);
    check_int(ed_res_read(res, piece, sizeof(piece)), 1);
    check_int(ed_res_read(res, piece, sizeof(piece)), 0);
    check_int(ed_res_read(res, piece, sizeof(piece)), 0);
    check_int(open_of(client), 1); /* kept */
    ed_res_close(res);
    ed_res_close(res);
    check_int(open_of(client), 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(pieces_of_any_size_make_the_same_body)
{
    static const char *const scripts[] = {
        CHUNKED "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n",
        ">HTTP/1.1 200 Ok\r\nContent-Length: 11\r\n\r\nhello world",
        ">HTTP/1.1 200 Ok\r\n\r\nhello world"};
    char text[100];
    ed_res *res;

    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 1; len < 13; len++) {
            struct peer p = {.scripts = {SCRIPT("<", scripts[i])}};
            peer_open(&p);
            check_int(ed_fetch(&res, p.url, .stream = true), 0);
            check_int(read_all(res, len, text), 0);
            check_text(text, "hello world");
            ed_res_close(res);
            peer_close(&p);
        }
    }
}

FIBER_TEST(a_response_closed_early_ends_its_connection)
{
    struct peer p = {.scripts = {SCRIPT("<", CHUNKED "1\r\nx\r\n", "=")}};
    ed_client *client = ed_client_new();
    char piece[10];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    check_int(open_of(client), 1);
    ed_res_close(res);
    check_int(open_of(client), 0);
    check_int(ed_res_read(res, piece, 1), ED_EUSAGE);
    settle();
    check_int(p.open, 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_streamed_body_that_breaks_gives_what_came_and_the_error)
{
    struct peer p = {.scripts = {SCRIPT("<", CHUNKED "3\r\none\r\n")}};
    char text[100], want[300];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .stream = true), 0);
    check_int(ed_sleep(ED_MS), 0); /* all has happened before it is read */
    check_int(read_all(res, 2, text), ED_ECONNLOST);
    check_text(text, "one");
    snprintf(want, sizeof(want), "GET %s: closed within the response body",
             p.url);
    check_text(ed_error(), want);
    ed_res_close(res);
    peer_close(&p);
}

FIBER_TEST(reading_honours_the_deadline)
{
    struct peer p = {.scripts = {SCRIPT("<", CHUNKED, "=")}};
    ed_client *client = ed_client_new();
    char byte;
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .stream = true), 0);
    {
        ed_scope(s, .within = ED_S);
        (void)s;
        check_int(ed_res_read(res, &byte, 1), ED_ETIMEOUT);
    }
    check(strstr(ed_error(), "no whole response body within the deadline"));
    check_int(open_of(client), 0);
    ed_res_close(res);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_cancelled_reader_is_not_told_that_the_body_has_ended)
{
    struct peer p = {
        .scripts = {SCRIPT("<", CHUNKED "6\r\nonetwo\r\n0\r\n\r\n", "=")}};
    char piece[10];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .stream = true), 0);
    check_int(ed_sleep(ED_MS), 0); /* all has come before it is read */
    check_int(ed_res_read(res, piece, 3), 3);
    {
        ed_scope(s);
        ed_cancel(s);
        check_int(ed_res_read(res, piece, 3), ED_ECANCELED);
    }
    ed_res_close(res);
    peer_close(&p);
}

/* ---- backpressure ---- */

enum { MANY = 16 * 1024 * 1024 };

struct source {
    ed_listener *listener;
    size_t written;
    int err;
};

/* Sends a body of MANY bytes whose values tell their place. */
static int run_source(void *arg)
{
    struct source *source = arg;
    struct ed_bytes head;
    char bytes[8192];
    ed_stream *s ED_STREAM_AUTO = NULL;

    int err = ed_accept(source->listener, &s);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 4096, &head);
    if (!err)
        err = ed_stream_printf(
            s, "HTTP/1.1 200 Ok\r\nContent-Length: %d\r\n\r\n", MANY);
    while (!err && source->written < MANY) {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)((source->written + i) % 251);
        err = ed_stream_write(s, bytes, sizeof(bytes));
        source->written += sizeof(bytes);
    }
    source->err = err;
    return 0;
}

/* Reads with pauses; whether the bytes are those expected. */
static bool read_slowly(ed_res *res, size_t *total)
{
    char bytes[5000];
    bool right = true;
    ssize_t n;

    *total = 0;
    while ((n = ed_res_read(res, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            right &= bytes[i] == (char)((*total + (size_t)i) % 251);
        *total += (size_t)n;
        if (*total % 7 == 0)
            check_int(ed_sleep(1), 0);
    }
    return right && n == 0;
}

FIBER_TEST(a_slow_reader_holds_the_server_back)
{
    struct unix_name name = unix_name();
    struct source source = {0};
    size_t total;
    ed_res *res;

    check_int(ed_listen(&source.listener, name.address), 0);
    ed_scope(s);
    ed_go(s, run_source, &source);
    check_int(ed_fetch(&res, name.url, .stream = true), 0);
    check_int(ed_sleep(ED_S), 0);
    check(source.written < 1024 * 1024);
    check(read_slowly(res, &total));
    check_int((long long)total, MANY);
    ed_res_close(res);
    check_int(ed_wait(s), 0);
    check_int(source.err, 0);
    ed_listener_close(source.listener);
}

/* ---- sending ---- */

struct text_source {
    const char *const *pieces;
    int64_t pause;
    int calls;
    int fail; /* after the last piece */
};

static ssize_t send_pieces(void *arg, void *buf, size_t len)
{
    struct text_source *t = arg;

    t->calls++;
    if (t->pause)
        check_int(ed_sleep(t->pause), 0);
    if (!*t->pieces)
        return t->fail;
    size_t n = strlen(*t->pieces);
    check(n <= len);
    memcpy(buf, *t->pieces++, n);
    return (ssize_t)n;
}

FIBER_TEST(a_body_of_unknown_length_is_sent_in_chunks)
{
    struct peer p = {.scripts = {SCRIPT("<", "<27", OK_KEPT, "=")}};
    struct text_source t = {SCRIPT("one", "twentysix"), .pause = ED_MS};
    ed_client *client = ed_client_new();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = send_pieces,
                       .send_arg = &t),
              0);
    check(strstr(peer_seen(&p), "POST / HTTP/1.1\r\n"));
    check(strstr(peer_seen(&p), "\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "3\r\none\r\n9\r\ntwentysix\r\n0\r\n\r\n"));
    check_int(t.calls, 3);
    check_int(open_of(client), 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_body_of_known_length_is_sent_as_it_is)
{
    struct peer p = {.scripts = {SCRIPT("<", "<12", OK_KEPT, "=")}};
    struct text_source t = {SCRIPT("one", "twentysix")};
    ed_client *client = ed_client_new();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = send_pieces,
                       .send_arg = &t, .send_length = 12, .method = "PUT"),
              0);
    check(strstr(peer_seen(&p), "\r\nContent-Length: 12\r\n\r\nonetwentysix"));
    check_int(open_of(client), 1);
    ed_client_free(client);
    peer_close(&p);
}

/* How a request whose body is not sent as it should be fails. */
static int send_badly(struct text_source *t, int64_t length)
{
    struct peer p = {.scripts = {SCRIPT("<", "=")}};
    ed_client *client = ed_client_new();
    ed_res *res;

    peer_open(&p);
    int err = ed_fetch(&res, p.url, .client = client, .send = send_pieces,
                       .send_arg = t, .send_length = length);
    check_int(open_of(client), 0);
    ed_client_free(client);
    peer_close(&p);
    return err;
}

FIBER_TEST(a_body_of_another_length_than_told_fails)
{
    struct text_source more = {SCRIPT("one", "two")};
    struct text_source less = {SCRIPT("one", "two")};

    check_int(send_badly(&more, 5), ED_EUSAGE);
    check(strstr(ed_error(), "more than the 5 bytes"));
    check_int(send_badly(&less, 7), ED_EUSAGE);
    check(strstr(ed_error(), "less than the 7 bytes"));
}

FIBER_TEST(an_error_of_the_source_fails_the_request)
{
    struct text_source t = {SCRIPT("one"), .fail = ED_ECONFLICT};

    check_int(send_badly(&t, -1), ED_ECONFLICT);
}

FIBER_TEST(an_early_refusal_ends_the_sending)
{
    struct peer p = {
        .scripts = {SCRIPT(
            "<", ">HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno",
            "=")}};
    struct text_source t = {SCRIPT("one", "two", "three", "four", "five"),
                            .pause = 10 * ED_MS};
    ed_client *client = ed_client_new();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client, .send = send_pieces,
                       .send_arg = &t),
              0);
    check_int(ed_res_status(res), 413);
    check_text(ed_res_text(res), "no");
    check_int(t.calls, 1);
    check_int(open_of(client), 0);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_large_body_is_not_pushed_on_after_a_refusal)
{
    struct peer p = {
        .scripts = {SCRIPT("<",
                           ">HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n"
                           "no",
                           "~1000")},
        .large = true};
    ed_client *client = ed_client_new();
    char *body = calloc(1, 1 << 20);
    int64_t began = ed_now();
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .client = client,
                       .body = ed_bytes_of(body, 1 << 20)),
              0);
    check_int(ed_res_status(res), 403);
    check(ed_now() - began < ED_S);
    check_int(open_of(client), 0);
    free(body);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(an_answer_that_comes_before_the_server_hangs_up_is_read)
{
    struct peer p = {
        .scripts = {SCRIPT(">HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno",
                           "|", "~5")}};
    struct text_source t = {SCRIPT("one", "two", "three"), .pause = 10 * ED_MS};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = send_pieces, .send_arg = &t), 0);
    check_int(ed_res_status(res), 503);
    peer_close(&p);
}

/* ---- both at once ---- */

/* Sends back what it gets while it gets it, and more than fits in between. */
static int run_echo(void *arg)
{
    ed_listener *listener = arg;
    struct ed_bytes head;
    char bytes[8192];
    ed_stream *s ED_STREAM_AUTO = NULL;

    int err = ed_accept(listener, &s);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 4096, &head);
    if (!err)
        err = ed_stream_printf(
            s, "HTTP/1.1 200 Ok\r\nContent-Length: %d\r\n\r\n", MANY);
    for (size_t done = 0; !err && done < MANY; done += sizeof(bytes)) {
        err = ed_stream_read_exactly(s, bytes, sizeof(bytes));
        if (!err)
            err = ed_stream_write(s, bytes, sizeof(bytes));
    }
    check_int(err, 0);
    return 0;
}

static ssize_t send_counting(void *arg, void *buf, size_t len)
{
    size_t *given = arg;
    size_t n = len < MANY - *given ? len : MANY - *given;
    char *to = buf;

    for (size_t i = 0; i < n; i++)
        to[i] = (char)((*given + i) % 251);
    *given += n;
    return (ssize_t)n;
}

static void echo_both_ways(struct ed_bytes body)
{
    struct unix_name name = unix_name();
    ed_client *client = ed_client_new();
    size_t total, given = 0;
    ed_listener *l;
    ed_res *res;

    check_int(ed_listen(&l, name.address), 0);
    ed_scope(s, .within = ED_MIN);
    ed_go(s, run_echo, l);
    check_int(ed_fetch(&res, name.url, .client = client, .stream = true,
                       .body = body, .send = body.ptr ? NULL : send_counting,
                       .send_arg = &given, .send_length = MANY),
              0);
    check(read_slowly(res, &total));
    check_int((long long)total, MANY);
    ed_res_close(res);
    check_int(ed_wait(s), 0);
    ed_client_free(client);
    ed_listener_close(l);
}

FIBER_TEST(a_server_may_answer_while_it_is_sent_pieces)
{
    echo_both_ways((struct ed_bytes){0});
}

FIBER_TEST(a_server_may_answer_while_it_is_sent_a_body)
{
    char *bytes = malloc(MANY);
    size_t given = 0;

    check_int(send_counting(&given, bytes, MANY), MANY);
    echo_both_ways(ed_bytes_of(bytes, MANY));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_as_it_comes),
        cmocka_unit_test(pieces_of_any_size_make_the_same_body),
        cmocka_unit_test(a_response_closed_early_ends_its_connection),
        cmocka_unit_test(
            a_streamed_body_that_breaks_gives_what_came_and_the_error),
        cmocka_unit_test(reading_honours_the_deadline),
        cmocka_unit_test(
            a_cancelled_reader_is_not_told_that_the_body_has_ended),
        cmocka_unit_test(a_slow_reader_holds_the_server_back),
        cmocka_unit_test(a_body_of_unknown_length_is_sent_in_chunks),
        cmocka_unit_test(a_body_of_known_length_is_sent_as_it_is),
        cmocka_unit_test(a_body_of_another_length_than_told_fails),
        cmocka_unit_test(an_error_of_the_source_fails_the_request),
        cmocka_unit_test(an_early_refusal_ends_the_sending),
        cmocka_unit_test(a_large_body_is_not_pushed_on_after_a_refusal),
        cmocka_unit_test(
            an_answer_that_comes_before_the_server_hangs_up_is_read),
        cmocka_unit_test(a_server_may_answer_while_it_is_sent_pieces),
        cmocka_unit_test(a_server_may_answer_while_it_is_sent_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
