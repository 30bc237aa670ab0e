/*
 * test_client_expect.c - asking whether a body is wanted before it is sent.
 */
#include "peer.h"
#include <eddy/client.h>

#define NO_CONTENT   ">HTTP/1.1 204 No\r\n\r\n"
#define GO_AHEAD     ">HTTP/1.1 100 Continue\r\n\r\n"
#define UNKNOWN      ">HTTP/1.1 417 What\r\nContent-Length: 0\r\n\r\n"
#define TOO_LARGE    ">HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno"
#define BODY         ED_BYTES("body")
#define EXPECT_FIELD "Expect: 100-continue\r\n"

static unsigned count_of(const char *text, const char *what)
{
    unsigned count = 0;

    while ((text = strstr(text, what))) {
        count++;
        text += strlen(what);
    }
    return count;
}

/* How long a fetch took, in milliseconds. */
static int64_t since(int64_t began)
{
    return (ed_now() - began) / ED_MS;
}

/* A body in pieces, which counts how often it was asked for. */
struct pieces {
    const char *next;
    unsigned asked;
    unsigned rewound;
};

static ssize_t give_piece(void *arg, void *buf, size_t len)
{
    struct pieces *pieces = arg;
    size_t n = strlen(pieces->next);

    pieces->asked++;
    n = n < len ? n : len;
    n = n < 2 ? n : 2;
    memcpy(buf, pieces->next, n);
    pieces->next += n;
    return (ssize_t)n;
}

static int begin_anew(void *arg)
{
    struct pieces *pieces = arg;

    pieces->rewound++;
    pieces->next = "body";
    return 0;
}

FIBER_TEST(a_body_is_sent_when_the_server_asks_for_it)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "~300", GO_AHEAD, "<4", NO_CONTENT, "<", "~20",
                           GO_AHEAD, "<4", NO_CONTENT, "=")}};
    ed_client *client = ed_client_new();
    struct ed_client_counts counts;
    ed_res *res;

    peer_open(&p);
    for (int i = 0; i < 2; i++) {
        int64_t began = ed_now();
        check_int(ed_fetch(&res, p.url, .client = client, .body = BODY,
                           .expect_continue = true),
                  0);
        check_int(ed_res_status(res), 204);
        check_int(since(began), i ? 20 : 300);
    }
    check_int(count_of(peer_seen(&p), EXPECT_FIELD), 2);
    check_int(count_of(peer_seen(&p), "\r\n\r\nbody"), 2);
    ed_client_counts(client, &counts);
    check_int(counts.connections, 1);
    ed_client_free(client);
    peer_close(&p);
}

FIBER_TEST(a_server_that_says_nothing_gets_it_after_a_second)
{
    struct peer p = {.scripts = {SCRIPT("<", "<4", NO_CONTENT)}};
    ed_res *res;

    peer_open(&p);
    int64_t began = ed_now();
    check_int(ed_fetch(&res, p.url, .body = BODY, .expect_continue = true), 0);
    check_int(since(began), 1000);
    peer_close(&p);
}

FIBER_TEST(a_body_in_pieces_waits_as_well)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "~10", GO_AHEAD, "<4", NO_CONTENT)}};
    struct pieces pieces = {.next = "body"};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give_piece, .send_arg = &pieces,
                       .send_length = 4, .expect_continue = true),
              0);
    check_int(ed_res_status(res), 204);
    check_int(pieces.asked, 3); /* the last time for the end */
    peer_close(&p);
}

FIBER_TEST(a_server_that_refuses_is_not_sent_the_body)
{
    struct peer p = {.scripts = {SCRIPT("<", TOO_LARGE, "=")}};
    struct pieces pieces = {.next = "body"};
    ed_client *client = ed_client_new();
    struct ed_client_counts counts;
    ed_res *res;

    peer_open(&p);
    int64_t began = ed_now();
    check_int(ed_fetch(&res, p.url, .client = client, .body = BODY,
                       .expect_continue = true),
              0);
    check_int(ed_res_status(res), 413);
    check_text(ed_res_text(res), "no");
    check_int(ed_fetch(&res, p.url, .client = client, .send = give_piece,
                       .send_arg = &pieces, .expect_continue = true),
              0);
    check_int(ed_res_status(res), 413);
    check_int(pieces.asked, 0);
    check_int(since(began), 0);
    settle();
    check(!strstr(peer_seen(&p), "body"));
    /* The server may wait for it: the connection is of no more use. */
    ed_client_counts(client, &counts);
    check_int(counts.open, 0);
    check_int(counts.connections, 2);
    ed_client_free(client);
    peer_close(&p);
}

/* Whatever the status: a body that was not asked for is not sent. */
FIBER_TEST(a_streamed_answer_comes_without_the_body_being_sent)
{
    struct peer p = {.scripts = {SCRIPT(
                         "<", ">HTTP/1.1 200 Ok\r\nContent-Length: 4\r\n\r\nye",
                         "~10", ">ah", "=")}};
    struct pieces pieces = {.next = "body"};
    char text[10];
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give_piece, .send_arg = &pieces,
                       .expect_continue = true, .stream = true),
              0);
    check_int(ed_res_read(res, text, sizeof(text)), 2);
    check_int(ed_res_read(res, text, sizeof(text)), 2);
    check_int(ed_res_read(res, text, sizeof(text)), 0);
    check_int(pieces.asked, 0);
    ed_res_close(res);
    peer_close(&p);
}

FIBER_TEST(one_that_knows_of_no_expectations_is_sent_it_without)
{
    struct peer p = {
        .scripts = {SCRIPT("<", UNKNOWN), SCRIPT("<", "<4", NO_CONTENT)}};
    struct pieces pieces = {.next = "body"};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .body = BODY, .expect_continue = true), 0);
    check_int(ed_res_status(res), 204);
    check_int(count_of(peer_seen(&p), EXPECT_FIELD), 1);
    check_int(count_of(peer_seen(&p), "POST "), 2);
    p.accepted = 0;
    check_int(ed_fetch(&res, p.url, .send = give_piece, .send_arg = &pieces,
                       .send_length = 4, .expect_continue = true,
                       .stream = true),
              0);
    check_int(ed_res_status(res), 204);
    ed_res_close(res);
    peer_close(&p);
}

/* A second is over, and the body sent, when 417 comes. */
FIBER_TEST(a_late_417_needs_a_body_that_can_be_sent_again)
{
    struct peer p = {
        .scripts = {SCRIPT("<", "<4", UNKNOWN), SCRIPT("<", "<4", NO_CONTENT)}};
    struct pieces pieces = {.next = "body"};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .send = give_piece, .send_arg = &pieces,
                       .send_length = 4, .expect_continue = true),
              0);
    check_int(ed_res_status(res), 417);
    p.accepted = 0;
    pieces.next = "body";
    check_int(ed_fetch(&res, p.url, .send = give_piece, .send_arg = &pieces,
                       .send_length = 4, .expect_continue = true,
                       .rewind = begin_anew),
              0);
    check_int(ed_res_status(res), 204);
    check_int(pieces.rewound, 1);
    peer_close(&p);
}

FIBER_TEST(nothing_is_asked_without_a_body_or_by_a_caller_who_does_it)
{
    static const char *const headers[] = {"Expect: 100-continue", NULL};
    struct peer p = {.scripts = {SCRIPT("<", NO_CONTENT)}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .expect_continue = true), 0);
    check_int(
        ed_fetch(&res, p.url, .body = ED_BYTES(""), .expect_continue = true),
        0);
    check_int(count_of(peer_seen(&p), EXPECT_FIELD), 0);
    check_int(ed_fetch(&res, p.url, .body = BODY, .headers = headers,
                       .expect_continue = true),
              0);
    check_int(count_of(peer_seen(&p), EXPECT_FIELD), 1);
    peer_close(&p);
}

FIBER_TEST(a_deadline_ends_the_waiting)
{
    struct peer p = {.scripts = {SCRIPT("<", "=")}};
    ed_res *res;

    peer_open(&p);
    {
        ed_scope(s, .within = 500 * ED_MS);
        check_int(ed_fetch(&res, p.url, .body = BODY, .expect_continue = true),
                  ED_ETIMEOUT);
        check(strstr(ed_error(), "request not sent within the deadline"));
    }
    check_int(p.open, 1);
    settle();
    check_int(p.open, 0);
    peer_close(&p);
}

FIBER_TEST(a_server_that_leaves_instead_of_answering_is_lost)
{
    struct peer p = {.scripts = {SCRIPT("<")}};
    ed_res *res;

    peer_open(&p);
    check_int(ed_fetch(&res, p.url, .body = BODY, .expect_continue = true),
              ED_ECONNLOST);
    peer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_sent_when_the_server_asks_for_it),
        cmocka_unit_test(a_server_that_says_nothing_gets_it_after_a_second),
        cmocka_unit_test(a_body_in_pieces_waits_as_well),
        cmocka_unit_test(a_server_that_refuses_is_not_sent_the_body),
        cmocka_unit_test(a_streamed_answer_comes_without_the_body_being_sent),
        cmocka_unit_test(one_that_knows_of_no_expectations_is_sent_it_without),
        cmocka_unit_test(a_late_417_needs_a_body_that_can_be_sent_again),
        cmocka_unit_test(
            nothing_is_asked_without_a_body_or_by_a_caller_who_does_it),
        cmocka_unit_test(a_deadline_ends_the_waiting),
        cmocka_unit_test(a_server_that_leaves_instead_of_answering_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
