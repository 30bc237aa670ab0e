/*
 * test_stream.c - streams over sockets and pipes, seen from fibers and from
 * state machines.
 */
#include "net_test.h"
#include "net/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE ED_BYTES("\n")

/* Fills what the kernel buffers, many times over. */
#define MUCH (4 << 20)

/* ---- fibers ---- */

NET_TEST(what_is_written_is_read)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char buf[16];

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(a, "hello", 5), 0);
    check_int(ed_stream_read(b, buf, sizeof(buf)), 5);
    check(!memcmp(buf, "hello", 5));
    return 0;
}

NET_TEST(a_closed_peer_is_the_end)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b;
    char buf[16];

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(b, "x", 1), 0);
    ed_stream_close(b);
    check_int(ed_stream_read(a, buf, sizeof(buf)), 1);
    check_int(ed_stream_read(a, buf, sizeof(buf)), 0);
    check_int(ed_stream_write(a, "x", 1), -EPIPE);
    return 0;
}

static int write_slowly(void *arg)
{
    const char *text = "one\ntwo\nthree";

    for (; *text; text++) {
        check_int(ed_stream_write(arg, text, 1), 0);
        check_int(ed_yield(), 0);
    }
    ed_stream_shutdown(arg);
    return 0;
}

NET_TEST(lines_of_a_slow_peer_are_read_whole)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    char rest[6];

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, write_slowly, b);
    check_int(ed_stream_read_until(a, LINE, 100, &line), 0);
    check(ed_bytes_equal(line, ED_BYTES("one\n")));
    check_int(ed_stream_read_until(a, LINE, 4, &line), 0);
    check(ed_bytes_equal(line, ED_BYTES("two\n")));
    check_int(ed_stream_read_until(a, LINE, 100, &line), ED_EEOF);
    check_int(ed_stream_read_exactly(a, rest, 5), 0);
    check(!memcmp(rest, "three", 5));
    check_int(ed_stream_read(a, rest, 1), 0);
    check_int(ed_wait(s), 0);
    return 0;
}

NET_TEST(a_line_too_long_is_refused_and_can_still_be_read)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    char buf[16];

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(b, "12345\n", 6), 0);
    check_int(ed_stream_read_until(a, LINE, 5, &line), ED_ELIMIT);
    check_int(ed_stream_read_until(a, LINE, 6, &line), 0);
    check_int(ed_stream_write(b, "12345", 5), 0);
    check_int(ed_stream_read_until(a, LINE, 5, &line), ED_ELIMIT);
    check_int(ed_stream_read(a, buf, sizeof(buf)), 5);
    return 0;
}

static int write_long_line(void *arg)
{
    char block[1000];

    memset(block, 'x', sizeof(block));
    block[0] = '\r'; /* the delimiter's beginning, all over the place */
    for (int i = 0; i < 50; i++)
        check_int(ed_stream_write(arg, block, sizeof(block)), 0);
    return ed_stream_write(arg, "\r\r\nrest", 7);
}

NET_TEST(a_delimiter_is_found_in_a_growing_buffer)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    char rest[4];

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, write_long_line, b);
    check_int(ed_stream_read_until(a, ED_BYTES("\r\n"), 1 << 20, &line), 0);
    check_int((int64_t)line.len, 50003);
    check_int(ed_stream_read_exactly(a, rest, 4), 0);
    check(!memcmp(rest, "rest", 4));
    return ed_wait(s);
}

static int write_in_two_parts(void *arg)
{
    check_int(ed_stream_write(arg, "line\r", 5), 0);
    settle();
    return ed_stream_write(arg, "\nrest", 5);
}

NET_TEST(a_delimiter_may_come_in_two_parts)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s, .within = ED_S);
    ed_go(s, write_in_two_parts, b);
    check_int(ed_stream_read_until(a, ED_BYTES("\r\n"), 100, &line), 0);
    check(ed_bytes_equal(line, ED_BYTES("line\r\n")));
    return ed_wait(s);
}

NET_TEST(an_end_in_the_middle_is_told)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b;
    char buf[16];

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(b, "12345", 5), 0);
    ed_stream_close(b);
    check_int(ed_stream_read_exactly(a, buf, 6), ED_EEOF);
    return 0;
}

NET_TEST(half_a_close_leaves_the_other_half)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char buf[16];

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(a, "ask", 3), 0);
    check_int(ed_stream_shutdown(a), 0);
    check_int(ed_stream_read(b, buf, sizeof(buf)), 3);
    check_int(ed_stream_read(b, buf, sizeof(buf)), 0);
    check_int(ed_stream_write(b, "answer", 6), 0);
    check_int(ed_stream_read(a, buf, sizeof(buf)), 6);
    check_int(ed_stream_write(a, "more", 4), -EPIPE);
    return 0;
}

static bool much_written;

static int write_much(void *arg)
{
    char *block = malloc(MUCH);

    for (size_t i = 0; i < MUCH; i++)
        block[i] = (char)(i * 7 >> 3);
    int err = ed_stream_write(arg, block, MUCH);
    much_written = !err;
    free(block);
    return err;
}

NET_TEST(a_writer_waits_for_a_slow_reader)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char *block = malloc(MUCH);
    size_t wrong = 0;

    much_written = false;
    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, write_much, a);
    settle();
    check(!much_written);
    check_int(ed_stream_read_exactly(b, block, MUCH), 0);
    for (size_t i = 0; i < MUCH; i++)
        wrong += block[i] != (char)(i * 7 >> 3);
    check_int((int64_t)wrong, 0);
    check_int(ed_wait(s), 0);
    check(much_written);
    free(block);
    return 0;
}

static int write_vector(void *arg)
{
    enum { PARTS = 300 };
    struct iovec iov[PARTS];
    static char block[PARTS][5000];

    for (int i = 0; i < PARTS; i++) {
        memset(block[i], i, sizeof(block[i]));
        iov[i] = (struct iovec){block[i], i % 3 ? sizeof(block[i]) : 0};
    }
    return ed_stream_writev(arg, iov, PARTS);
}

NET_TEST(a_long_vector_arrives_in_order)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char block[5000];

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, write_vector, a);
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 0)
            continue;
        check_int(ed_stream_read_exactly(b, block, sizeof(block)), 0);
        check(block[0] == (char)i && block[4999] == (char)i);
    }
    return ed_wait(s);
}

NET_TEST(printed_text_of_any_length_arrives)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_printf(a, "%d-%s\n", 42, "x"), 0);
    check_int(ed_stream_printf(a, "%05000d\n", 7), 0);
    check_int(ed_stream_read_until(b, LINE, 100, &line), 0);
    check(ed_bytes_equal(line, ED_BYTES("42-x\n")));
    check_int(ed_stream_read_until(b, LINE, 6000, &line), 0);
    check(line.len == 5001 && !memcmp(line.ptr + 4998, "07\n", 3));
    return 0;
}

static int read_one(void *arg)
{
    char c;
    return (int)ed_stream_read(arg, &c, 1);
}

static int read_two(void *arg)
{
    char c[2];
    return ed_stream_read_exactly(arg, c, 2);
}

static int read_line(void *arg)
{
    struct ed_bytes line;
    return ed_stream_read_until(arg, LINE, 100, &line);
}

NET_TEST(two_readers_at_once_are_refused)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, read_line, a);
    settle();
    check_int(read_one(a), ED_EUSAGE);
    check_int(ed_stream_read_until(a, LINE, 100, &line), ED_EUSAGE);
    check_int(ed_stream_receive(a, true), ED_EUSAGE);
    check_int(ed_stream_write(b, "\n", 1), 0);
    return ed_wait(s);
}

NET_TEST(one_may_read_while_another_writes)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char buf[8];

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, read_one, a);
    settle();
    check_int(ed_stream_write(a, "ping", 4), 0);
    check_int(ed_stream_read(b, buf, sizeof(buf)), 4);
    check_int(ed_stream_write(b, "p", 1), 0);
    return ed_wait(s);
}

struct call {
    ed_fn *fn;
    ed_stream *stream;
};

static int expect_closed(void *arg)
{
    struct call *call = arg;

    check_int(call->fn(call->stream), ED_ECLOSED);
    return 0;
}

NET_TEST(closing_wakes_who_waits)
{
    ed_fn *readers[] = {read_one, read_two, read_line};

    for (size_t i = 0; i < 3; i++) {
        struct call reading, writing;
        ed_stream *b;
        check_int(ed_stream_pair(&reading.stream, &b), 0);
        reading.fn = readers[i];
        writing.fn = write_much;
        writing.stream = reading.stream;
        ed_scope(s);
        ed_go(s, expect_closed, &reading);
        ed_go(s, expect_closed, &writing);
        settle();
        ed_stream_close(reading.stream);
        check_int(ed_wait(s), 0);
        ed_stream_close(b);
    }
    return 0;
}

/* The reader is ready to run, but has not run, when its stream is closed. */
NET_TEST(closing_after_the_data_came_is_safe)
{
    struct call reading = {.fn = read_two};
    ed_stream *b;

    check_int(ed_stream_pair(&reading.stream, &b), 0);
    ed_scope(s);
    ed_go(s, expect_closed, &reading);
    settle();
    check_int(ed_stream_write(b, "x", 1), 0);
    ed_stream_close(b);
    ed_stream_close(reading.stream);
    check_int(ed_wait(s), 0);
    return 0;
}

NET_TEST(a_deadline_ends_reading_and_the_stream_stays_usable)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_bytes line;

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(b, "half", 4), 0);
    check_int(ed_with_timeout(5 * ED_MS, read_line, a), ED_ETIMEOUT);
    check_int(ed_with_timeout(5 * ED_MS, write_much, a), ED_ETIMEOUT);
    check_int(ed_stream_write(b, " line\n", 6), 0);
    check_int(ed_stream_read_until(a, LINE, 100, &line), 0);
    check(ed_bytes_equal(line, ED_BYTES("half line\n")));
    return 0;
}

NET_TEST(cancelling_ends_reading_and_writing)
{
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;

    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    ed_go(s, read_one, a);
    ed_go(s, write_much, a);
    settle();
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(ed_stream_write(b, "x", 1), 0);
    check_int(read_one(a), 1);
    return 0;
}

NET_TEST(pipes_are_streams)
{
    int fds[2];
    ed_stream *in ED_STREAM_AUTO = NULL;
    ed_stream *out ED_STREAM_AUTO = NULL;
    char buf[8];
    char text[ED_ADDR_TEXT];

    check_int(pipe2(fds, O_CLOEXEC), 0);
    check_int(ed_stream_of_fd(&in, fds[0]), 0);
    check_int(ed_stream_of_fd(&out, fds[1]), 0);
    check_int(ed_stream_write(out, "pipe", 4), 0);
    check_int(ed_stream_read(in, buf, sizeof(buf)), 4);
    check_int(ed_stream_shutdown(out), -ENOTSOCK);
    ed_stream_peer(in, text);
    check(!strcmp(text, ""));
    ed_stream_close(in);
    in = NULL;
    check_int(ed_stream_write(out, "x", 1), -EPIPE);
    return 0;
}

NET_TEST(what_has_no_stream_of_bytes_is_refused)
{
    ed_stream *s = NULL;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int datagrams = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    check_int(ed_stream_of_fd(&s, file), ED_EUSAGE);
    check_int(ed_stream_of_fd(&s, datagrams), ED_EUSAGE);
    check_int(ed_stream_of_fd(&s, -1), -EBADF);
    close(file);
    close(datagrams);
    return 0;
}

/* ---- state machines ---- */

struct seen {
    size_t bytes;
    unsigned calls, writable, hangups;
    ssize_t last;
    bool stop, close;
};

static void on_data(ed_stream *s, char *data, ssize_t len)
{
    struct seen *seen = s->user;

    seen->calls++;
    seen->last = len;
    if (len > 0) {
        seen->bytes += (size_t)len;
        data[0] = '!'; /* ours to overwrite */
    }
    if (seen->stop)
        check_int(ed_stream_receive(s, false), 0);
    if (seen->close)
        ed_stream_close(s);
}

static void on_writable(ed_stream *s)
{
    ((struct seen *)s->user)->writable++;
}

static void on_hangup(ed_stream *s)
{
    ((struct seen *)s->user)->hangups++;
}

static void watch(ed_stream *s, struct seen *seen)
{
    s->user = seen;
    s->on_data = on_data;
    s->on_writable = on_writable;
    s->on_hangup = on_hangup;
}

NET_TEST(arrivals_are_delivered_until_the_end)
{
    struct seen seen = {0};
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b;

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    check_int(ed_stream_receive(a, true), 0);
    check_int(ed_stream_write(b, "one", 3), 0);
    settle();
    check_int(seen.last, 3);
    check_int(ed_stream_write(b, "fours", 5), 0);
    settle();
    check_int((int64_t)seen.bytes, 8);
    ed_stream_close(b);
    settle();
    check_int(seen.last, 0);
    check_int(seen.calls, 3);
    return 0;
}

NET_TEST(arrivals_through_a_pipe_are_delivered)
{
    struct seen seen = {0};
    int fds[2];
    ed_stream *in ED_STREAM_AUTO = NULL;
    ed_stream *out;
    struct iovec iov = {"pipe", 4};

    check_int(pipe2(fds, O_CLOEXEC), 0);
    check_int(ed_stream_of_fd(&in, fds[0]), 0);
    check_int(ed_stream_of_fd(&out, fds[1]), 0);
    watch(in, &seen);
    check_int(ed_stream_receive(in, true), 0);
    check_int(ed_stream_try_writev(out, &iov, 1), 4);
    settle();
    check_int(seen.last, 4);
    ed_stream_close(out);
    settle();
    check_int(seen.last, 0);
    check_int(seen.calls, 2);
    return 0;
}

NET_TEST(much_data_is_delivered_whole)
{
    struct seen seen = {0};
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    check_int(ed_stream_receive(a, true), 0);
    check_int(write_much(b), 0);
    settle();
    check_int((int64_t)seen.bytes, MUCH);
    return 0;
}

NET_TEST(stopped_receiving_leaves_data_for_later)
{
    struct seen seen = {.stop = true};
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    char buf[8];

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    check_int(ed_stream_receive(a, true), 0);
    check_int(ed_stream_write(b, "one", 3), 0);
    settle();
    check_int(ed_stream_write(b, "two", 3), 0);
    settle();
    check_int(seen.calls, 1);
    check_int(ed_stream_read(a, buf, sizeof(buf)), 3);
    check_int(ed_stream_write(b, "three", 5), 0);
    settle();
    check_int(seen.calls, 1);
    check_int(ed_stream_receive(a, true), 0);
    settle();
    check_int(seen.last, 5);
    return 0;
}

NET_TEST(a_stream_may_be_closed_while_it_delivers)
{
    struct seen seen = {.close = true};
    ed_stream *a;
    ed_stream *b ED_STREAM_AUTO = NULL;

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    check_int(ed_stream_receive(a, true), 0);
    check_int(ed_stream_write(b, "bye", 3), 0);
    settle();
    check_int(seen.calls, 1);
    check_int(read_one(b), 0);
    return 0;
}

NET_TEST(a_full_socket_tells_when_it_takes_more)
{
    struct seen seen = {0};
    char block[5000] = {0};
    struct iovec iov = {block, sizeof(block)};
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    ssize_t n;
    size_t sent = 0;

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    while ((n = ed_stream_try_writev(a, &iov, 1)) > 0)
        sent += (size_t)n;
    check_int(n, -EAGAIN);
    check_int(ed_stream_want_writable(a, true), 0);
    settle();
    check_int(seen.writable, 0);
    while (sent) {
        n = ed_stream_read(b, block, sizeof(block));
        sent -= (size_t)n;
    }
    settle();
    check_int(seen.writable, 1);
    check_int(ed_stream_want_writable(a, true), 0);
    check_int(ed_stream_want_writable(a, false), 0);
    settle();
    check_int(seen.writable, 1);
    return 0;
}

NET_TEST(a_hangup_is_told_once_while_nothing_is_received)
{
    struct seen seen = {.stop = true};
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b;

    check_int(ed_stream_pair(&a, &b), 0);
    watch(a, &seen);
    check_int(ed_stream_receive(a, true), 0);
    check_int(ed_stream_write(b, "request", 7), 0);
    settle();
    check_int(seen.hangups, 0);
    check_int(ed_stream_shutdown(b), 0);
    settle();
    check_int(seen.hangups, 1);
    ed_stream_close(b); /* half a hangup more */
    settle();
    check_int(seen.hangups, 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_closed_peer_is_the_end),
        cmocka_unit_test(lines_of_a_slow_peer_are_read_whole),
        cmocka_unit_test(a_line_too_long_is_refused_and_can_still_be_read),
        cmocka_unit_test(a_delimiter_is_found_in_a_growing_buffer),
        cmocka_unit_test(a_delimiter_may_come_in_two_parts),
        cmocka_unit_test(an_end_in_the_middle_is_told),
        cmocka_unit_test(half_a_close_leaves_the_other_half),
        cmocka_unit_test(a_writer_waits_for_a_slow_reader),
        cmocka_unit_test(a_long_vector_arrives_in_order),
        cmocka_unit_test(printed_text_of_any_length_arrives),
        cmocka_unit_test(two_readers_at_once_are_refused),
        cmocka_unit_test(one_may_read_while_another_writes),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(closing_after_the_data_came_is_safe),
        cmocka_unit_test(a_deadline_ends_reading_and_the_stream_stays_usable),
        cmocka_unit_test(cancelling_ends_reading_and_writing),
        cmocka_unit_test(pipes_are_streams),
        cmocka_unit_test(what_has_no_stream_of_bytes_is_refused),
        cmocka_unit_test(arrivals_are_delivered_until_the_end),
        cmocka_unit_test(arrivals_through_a_pipe_are_delivered),
        cmocka_unit_test(much_data_is_delivered_whole),
        cmocka_unit_test(stopped_receiving_leaves_data_for_later),
        cmocka_unit_test(a_stream_may_be_closed_while_it_delivers),
        cmocka_unit_test(a_full_socket_tells_when_it_takes_more),
        cmocka_unit_test(a_hangup_is_told_once_while_nothing_is_received),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
