/*
 * test_server.c - a server's limits, its patience, and what it holds. How it
 * stops: test_server_stop.c. What is said on one connection: tests/wire.
 */
#include "served_handlers.h"

#include <eddy/log.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- what is held ---- */

static void check_idle(struct ed_list *waiting, unsigned expected)
{
    unsigned count = 0;
    ed_list_each (node, waiting) {
        struct ed_conn *conn = ED_CONTAINER(node, struct ed_conn, node);
        struct h1_conn *c = ED_CONTAINER(conn, struct h1_conn, base);
        check(!c->out && !c->in && !c->partial && !c->fiber);
        count++;
    }
    check_int(count, expected);
}

FIBER_TEST(an_idle_connection_holds_neither_fiber_nor_buffer)
{
    enum { CLIENTS = 50 };
    struct served s = {0};
    ed_stream *clients[CLIENTS];

    served_open(&s, served_by_path);
    size_t fibers = served_fibers();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = served_connect(&s);
        served_send(clients[i], "POST / HTTP/1.1\r\nHo");
        settle();
        served_send(clients[i], "st: a\r\nContent-Length: 4\r\n\r\nbo");
        settle();
        served_send(clients[i], "dy");
        served_says(clients[i], "Hello");
    }
    settle();
    check_int(served_fibers(), fibers);
    check_idle(&s.server->waiting[ED_CONN_IDLE], CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        ed_stream_close(clients[i]);
    served_close(&s);
}

FIBER_TEST(many_requests_at_once_each_have_their_fiber)
{
    enum { CLIENTS = 300 };
    struct served s = {0};
    ed_stream *clients[CLIENTS];

    served_open(&s, served_by_path);
    size_t fibers = served_fibers();
    int64_t began = ed_now();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = served_connect(&s);
        served_ask(clients[i], "/sleep");
    }
    settle();
    check_int(served_fibers(), fibers + CLIENTS);
    check_int(served_counts(&s).in_flight, CLIENTS);
    check_int(ed_sleep(5 * ED_S), 0);
    for (int i = 0; i < CLIENTS; i++) {
        served_says(clients[i], "Hello");
        ed_stream_close(clients[i]);
    }
    check(ed_now() - began < 6 * ED_S);
    settle();
    check_int(served_fibers(), fibers);
    served_close(&s);
}

FIBER_TEST(it_counts)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *one = served_connect(&s);
    ed_stream *other = served_connect(&s);
    served_ask(one, "/");
    served_ask(one, "/");
    served_ask(one, "/sleep");
    served_send(other, "nonsense\r\n\r\n");
    settle();
    struct ed_server_counts counts = served_counts(&s);
    check_int(counts.accepted, 2);
    check_int(counts.requests, 3);
    check_int(counts.refused, 1);
    check_int(counts.open, 2);
    check_int(counts.in_flight, 1);
    ed_stream_close(one);
    ed_stream_close(other);
    settle();
    counts = served_counts(&s);
    check_int(counts.open, 0);
    check_int(counts.in_flight, 0);
    served_close(&s);
}

FIBER_TEST(it_serves_on_every_listener)
{
    struct served s = {0};
    char address[ED_ADDR_TEXT];
    ed_listener *listener = NULL;

    served_open(&s, served_by_path);
    check_int(ed_server_listen(s.server, "127.0.0.1:0"), 0);
    check_int(ed_listen(&listener, "[::1]:0"), 0);
    check_int(ed_server_add(s.server, listener), 0);
    for (size_t i = 0; i < 3; i++) {
        ed_stream *client ED_STREAM_AUTO = NULL;
        check(ed_server_address(s.server, i, address));
        check_int(ed_connect(&client, address), 0);
        served_ask(client, "/");
        served_says(client, "Hello");
    }
    check(!ed_server_address(s.server, 3, address));
    check_int(ed_server_listen(s.server, "nonsense"), ED_EADDR);
    served_close(&s);
}

/* ---- limits ---- */

FIBER_TEST(above_the_most_connections_others_wait)
{
    struct served s = {0};

    served_open(&s, served_by_path, .max_connections = 2);
    ed_stream *one = served_connect(&s);
    ed_stream *two = served_connect(&s);
    ed_stream *three = served_connect(&s);
    served_ask(one, "/");
    served_ask(two, "/");
    served_ask(three, "/");
    served_says(one, "Hello");
    served_says(two, "Hello");
    check_text(served_heard(three), "");
    check_int(served_counts(&s).accepted, 2);
    ed_stream_close(one);
    settle();
    served_says(three, "Hello");
    check_int(served_counts(&s).open, 2);
    ed_stream_close(two);
    ed_stream_close(three);
    served_close(&s);
}

static rlim_t limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    check_int(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    check_int(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static rlim_t next_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return (rlim_t)fd;
}

FIBER_TEST(out_of_descriptors_it_goes_on_and_recovers)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *early = served_connect(&s);
    served_ask(early, "/");
    served_says(early, "Hello");
    ed_stream *late = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    rlim_t before = limit_descriptors(next_descriptor());
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int len = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s",
                       s.address + strlen("unix:@"));
    check_int(connect(fd, (struct sockaddr *)&un,
                      (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)len)),
              0);
    check_int(ed_stream_of_fd(&late, fd), 0);
    served_ask(late, "/");
    check_int(ed_sleep(5 * ED_S), 0);
    check_text(served_heard(late), "");
    served_ask(early, "/");
    served_says(early, "Hello");
    check_int(served_counts(&s).accepted, 1);
    ed_stream_close(early);
    settle();
    settle();
    served_says(late, "Hello");
    limit_descriptors(before);
    ed_stream_close(late);
    served_close(&s);
}

FIBER_TEST(a_client_that_does_not_read_bounds_what_is_kept)
{
    struct served s = {0};

    served_open(&s, served_by_path, .write_timeout = -1);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/endless");
    check_int(ed_sleep(60 * ED_S), 0);
    size_t first = served_written;
    check(first < 2 * 1024 * 1024);
    check_int(ed_sleep(60 * ED_S), 0);
    check_int(served_written, first);
    check_int(served_counts(&s).in_flight, 1);
    ed_stream_close(client);
    settle();
    settle();
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

static int flood(void *arg)
{
    static const char piece[10000];
    ed_stream *client = arg;
    int err;
    while (!(err = ed_stream_write(client, piece, sizeof piece)))
        served_written += sizeof piece;
    return err;
}

FIBER_TEST(a_handler_that_does_not_read_bounds_what_is_kept)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_send(client, "POST /long HTTP/1.1\r\nHost: a\r\n"
                        "Content-Length: 100000000\r\n\r\n");
    check_int(ed_with_timeout(30 * ED_S, flood, client), ED_ETIMEOUT);
    check(served_written < 2 * 1024 * 1024);
    struct h1_conn *c = served_connection(&s);
    check(c && c->view_len <= 128 * 1024 && c->in->cap <= 256 * 1024);
    ed_stream_close(client);
    settle();
    check_int(served_cancelled, 3);
    served_close(&s);
}

/* ---- slow clients ---- */

FIBER_TEST(a_reply_nobody_takes_is_given_up)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/endless");
    check_int(ed_sleep(29 * ED_S), 0);
    check_int(served_timed_out, 0);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(served_timed_out, 1);
    check_int(served_counts(&s).open, 0);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_reply_taken_slowly_is_not_given_up)
{
    struct served s = {0};
    static char buf[400000]; /* a Unix socket tells of room late */

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/endless");
    for (int i = 0; i < 10; i++) {
        check_int(ed_sleep(25 * ED_S), 0);
        check_int(ed_stream_read_exactly(client, buf, sizeof buf), 0);
    }
    check_int(served_timed_out, 0);
    check_int(served_counts(&s).in_flight, 1);
    ed_stream_close(client);
    served_close(&s);
}

/* Requests are small to send and their replies are not: whoever sends and
 * never reads must not be waited for either. */
FIBER_TEST(sending_more_does_not_renew_the_time_to_take_a_reply)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_fill(&s, client);
    for (int i = 0; i < 29; i++) {
        served_send(client, "G");
        check_int(ed_sleep(1 * ED_S), 0);
    }
    check_int(served_counts(&s).open, 1);
    check_int(ed_sleep(2 * ED_S), 0);
    check_int(served_counts(&s).open, 0);
    ed_stream_close(client);
    served_close(&s);
}

static int flush_then_think(ed_req *req)
{
    static const char piece[7000];
    int err = 0;
    for (int i = 0; i < 100 && !err; i++)
        err = ed_write_bytes(req, ed_bytes_of(piece, sizeof piece));
    if (!err)
        err = ed_flush(req);
    return err ? served_note_end(err) : served_note_end(ed_sleep(ED_MIN));
}

FIBER_TEST(a_handler_may_think_for_long_after_a_slow_reply)
{
    struct served s = {0};

    served_open(&s, flush_then_think);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check_int(ed_sleep(10 * ED_S), 0);
    check(served_drain(client) > 100 * 7000);
    check_int(ed_sleep(59 * ED_S), 0);
    check_int(served_timed_out + served_cancelled, 0);
    check_int(served_counts(&s).in_flight, 1);
    ed_stream_close(client);
    served_close(&s);
}

static int write_much(void *arg)
{
    static const char much[1000000];
    return ed_write_bytes(arg, ed_bytes_of(much, sizeof much));
}

static int careless(ed_req *req)
{
    (void)ed_with_timeout(ED_S, write_much, req);
    return 0;
}

FIBER_TEST(a_reply_with_a_hole_is_not_ended_as_if_it_were_whole)
{
    static char buf[1100000];
    struct served s = {0};
    size_t len = 0;
    ssize_t n;

    served_open(&s, careless);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check_int(ed_sleep(2 * ED_S), 0);
    while ((n = ed_stream_read(client, buf + len, sizeof buf - len)) > 0)
        len += (size_t)n;
    check_int(n, 0);
    check(len > 1000 && len < 1000000);
    check(memcmp(buf + len - 5, "0\r\n\r\n", 5) != 0);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(times_can_be_changed_and_turned_off)
{
    struct served s = {0};

    served_open(&s, served_by_path, .idle_timeout = 2 * ED_S,
                .head_timeout = -1);
    ed_stream *idle = served_connect(&s);
    ed_stream *slow = served_connect(&s);
    served_send(slow, "GET / HTTP/1.1\r\n");
    check_int(ed_sleep(3 * ED_S), 0);
    check(served_ended(idle));
    check_int(ed_sleep(60 * ED_MIN), 0);
    served_send(slow, "Host: a\r\n\r\n");
    served_says(slow, "Hello");
    ed_stream_close(idle);
    ed_stream_close(slow);
    served_close(&s);
}

FIBER_TEST(patience_is_measured_in_steps_and_never_cut_short)
{
    struct served s = {0};

    served_open(&s, served_by_path, .idle_timeout = 2 * ED_S);
    for (int i = 0; i < 10; i++) {
        ed_stream *first = served_connect(&s);
        ed_stream *second = served_connect(&s);
        /* More than once within a step, and over its end. */
        for (int j = 0; j < i; j++) {
            served_ask(first, "/");
            served_says(first, "Hello");
            check_int(ed_sleep(ED_MS), 0);
        }
        served_ask(second, "/");
        served_says(second, "Hello");
        check_int(ed_sleep(ED_MS / 2), 0);
        served_ask(first, "/");
        served_says(first, "Hello");
        check_int(ed_sleep(2 * ED_S - ED_MS / 2 - 1), 0);
        check_int(served_counts(&s).open, 2);
        check_int(ed_sleep(ED_MS / 2), 0);
        check(served_counts(&s).open >= 1);
        check_int(ed_sleep(5 * ED_MS), 0);
        check_int(served_counts(&s).open, 0);
        ed_stream_close(first);
        ed_stream_close(second);
    }
    served_close(&s);
}

/* Writing fails, and nothing else has told that the client is gone. */
static void stop_reading(ed_stream *client)
{
    check_int(shutdown(client->ops->fd(client), SHUT_RD), 0);
}

FIBER_TEST(last_words_that_cannot_be_said_end_the_connection)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_send(client, "GET / HTTP/1.1\r\n");
    stop_reading(client);
    check_int(ed_sleep(11 * ED_S), 0);
    check_int(served_counts(&s).open, 0);
    ed_stream_close(client);
    served_close(&s);
}

FIBER_TEST(a_reply_that_cannot_be_sent_ends_the_connection)
{
    static const char *const paths[] = {"/", "/sleep", "/endless"};
    struct served s = {0};

    served_open(&s, served_by_path);
    for (size_t i = 0; i < 3; i++) {
        ed_stream *client = served_connect(&s);
        settle();
        stop_reading(client);
        served_ask(client, paths[i]);
        check_int(ed_sleep(6 * ED_S), 0);
        check_int(served_counts(&s).open, 0);
        ed_stream_close(client);
    }
    served_close(&s);
}

/* ---- clients that leave ---- */

FIBER_TEST(a_client_that_leaves_cancels_its_handler_and_what_it_started)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    size_t fibers = served_fibers();
    ed_stream *client = served_connect(&s);
    served_ask(client, "/long");
    settle();
    check_int(served_fibers(), fibers + 3);
    ed_stream_close(client);
    settle();
    check_int(served_cancelled, 3);
    check_int(served_fibers(), fibers);
    check_int(served_counts(&s).open, 0);
    served_close(&s);
}

FIBER_TEST(a_client_that_ends_its_side_may_be_let_stay)
{
    struct served s = {0};

    served_open(&s, served_by_path, .half_close = true);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/long");
    settle();
    check_int(ed_stream_shutdown(client), 0);
    check_int(ed_sleep(61 * ED_S), 0);
    check_int(served_cancelled, 0);
    served_says(client, "Done");
    check(served_ended(client));
    ed_stream_close(client);
    served_close(&s);
}

/* Only a reset tells the end of such a body from its loss. */
static int fail_midway(ed_req *req)
{
    int err = ed_write(req, "Part");
    return err ? err : ED_ECONNLOST;
}

FIBER_TEST(a_body_ended_by_the_close_is_cut_by_a_reset)
{
    struct served s = {0};
    char address[ED_ADDR_TEXT];
    char buf[1000];
    ssize_t n;
    ed_stream *client ED_STREAM_AUTO = NULL;

    served_open(&s, fail_midway);
    check_int(ed_server_listen(s.server, "127.0.0.1:0"), 0);
    check(ed_server_address(s.server, 1, address));
    check_int(ed_connect(&client, address), 0);
    served_send(client, "GET / HTTP/1.0\r\n\r\n");
    while ((n = ed_stream_read(client, buf, sizeof buf)) > 0)
        ;
    check_int(n, -ECONNRESET);
    ed_stream_close(client);
    client = NULL;
    served_close(&s);
}

FIBER_TEST(a_name_that_could_split_replies_is_not_used)
{
    struct served s = {0};

    served_open(&s, served_by_path, .server_name = "x\r\nSet-Cookie: y");
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    check(!strstr(served_heard(client), "Set-Cookie"));
    ed_stream_close(client);
    served_close(&s);
}

static int reply_with_split_type(ed_req *req)
{
    check_int(ed_reply_bytes(req, 200, "text/plain\r\nSet-Cookie: y",
                             ED_BYTES("Hello")),
              ED_EUSAGE);
    return ed_reply_bytes(req, 200, NULL, ED_BYTES("Hello"));
}

FIBER_TEST(a_type_that_could_split_replies_is_refused)
{
    struct served s = {0};

    served_open(&s, reply_with_split_type);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    served_says(client, "\r\n\r\nHello");
    ed_stream_close(client);
    served_close(&s);
}

/* ---- what a handler leaves behind ---- */

static const struct served *straggling;

/* It may still use what is the request's: that has not been answered. */
static int straggle(void *arg)
{
    (void)arg;
    int err = served_note_end(ed_sleep(ED_MIN));
    check_int(served_counts(straggling).in_flight, 1);
    return err;
}

static int leave_a_straggler(ed_req *req)
{
    ed_go(ed_scope_current(), straggle, NULL);
    return ed_reply(req, 200, "Hello\n");
}

FIBER_TEST(a_fiber_of_a_request_does_not_outlive_it)
{
    struct served s = {0};

    straggling = &s;
    served_open(&s, leave_a_straggler);
    size_t fibers = served_fibers();
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    served_says(client, "Hello");
    settle();
    check_int(served_cancelled, 1);
    check_int(served_fibers(), fibers);
    check_int(served_counts(&s).in_flight, 0);
    ed_stream_close(client);
    served_close(&s);
}

/* ---- what the operator sees ---- */

static int log_pipe[2];

static void log_open(void)
{
    check_int(pipe2(log_pipe, O_CLOEXEC | O_NONBLOCK), 0);
    ed_log_set_fd(log_pipe[1]);
    ed_log_set_level(ED_LOG_INFO);
}

static const char *log_close(void)
{
    static char text[2000];
    ed_log_set_level(ED_LOG_OFF);
    ed_log_set_fd(2);
    ssize_t n = read(log_pipe[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    close(log_pipe[0]);
    close(log_pipe[1]);
    return text;
}

FIBER_TEST(a_client_that_leaves_in_the_middle_of_a_reply_is_no_failure)
{
    struct served s = {0};

    log_open();
    served_open(&s, served_by_path);
    ed_stream *client = served_connect(&s);
    served_ask(client, "/endless");
    settle();
    ed_stream_close(client);
    settle();
    check_int(served_counts(&s).in_flight, 0);
    served_close(&s);
    check_text(log_close(), "");
}

static int reply_with_id(ed_req *req)
{
    int err = ed_reply_header(req, "X-Request", ed_req_id(req));
    if (err)
        return err;
    ed_log_info("thinking about it");
    return ed_fail(ED_ECONNECT, "no way to 10.1.2.3");
}

FIBER_TEST(log_lines_carry_the_id_of_their_request)
{
    struct served s = {0};
    char id[32];

    served_open(&s, reply_with_id);
    log_open();
    ed_stream *client = served_connect(&s);
    served_ask(client, "/");
    const char *text = served_heard(client);
    const char *log = log_close();
    check(strstr(text, "HTTP/1.1 502 ") == text);
    check(!strstr(text, "10.1.2.3"));
    const char *field = strstr(text, "X-Request: ");
    if (check(field != NULL))
        snprintf(id, sizeof id, "[%.14s]", field + strlen("X-Request: "));
    const char *first = strstr(log, id);
    check(first && strstr(first, "thinking about it"));
    check(first && strstr(first + 1, id) && strstr(log, "no way to 10.1.2.3"));
    ed_stream_close(client);
    served_close(&s);
}

#define TEST(name) cmocka_unit_test_setup(name, served_forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_connection_holds_neither_fiber_nor_buffer),
        TEST(many_requests_at_once_each_have_their_fiber),
        TEST(it_counts),
        TEST(it_serves_on_every_listener),
        TEST(above_the_most_connections_others_wait),
        TEST(out_of_descriptors_it_goes_on_and_recovers),
        TEST(a_client_that_does_not_read_bounds_what_is_kept),
        TEST(a_handler_that_does_not_read_bounds_what_is_kept),
        TEST(a_reply_nobody_takes_is_given_up),
        TEST(a_reply_taken_slowly_is_not_given_up),
        TEST(sending_more_does_not_renew_the_time_to_take_a_reply),
        TEST(a_handler_may_think_for_long_after_a_slow_reply),
        TEST(a_reply_with_a_hole_is_not_ended_as_if_it_were_whole),
        TEST(times_can_be_changed_and_turned_off),
        TEST(patience_is_measured_in_steps_and_never_cut_short),
        TEST(last_words_that_cannot_be_said_end_the_connection),
        TEST(a_reply_that_cannot_be_sent_ends_the_connection),
        TEST(a_client_that_leaves_cancels_its_handler_and_what_it_started),
        TEST(a_client_that_ends_its_side_may_be_let_stay),
        TEST(a_body_ended_by_the_close_is_cut_by_a_reset),
        TEST(a_name_that_could_split_replies_is_not_used),
        TEST(a_type_that_could_split_replies_is_refused),
        TEST(a_fiber_of_a_request_does_not_outlive_it),
        TEST(a_client_that_leaves_in_the_middle_of_a_reply_is_no_failure),
        TEST(log_lines_carry_the_id_of_their_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
