/* Operations on descriptors: edges and ends, and owners that close, stop or
 * start while they are being told. */
#include "../../fiber_test.h"
#include "core/io.h"
#include "outside.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <termios.h>

static void settle(void)
{
    for (int i = 0; i < 4; i++)
        check_int(ed_sleep(1), 0);
}

static void make_pair(int fds[2])
{
    check_int(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
}

static void open_io(struct ed_io *io, int fd)
{
    check_int(ed_io_open(ed_loop_current(), io, fd), 0);
}

static ssize_t read_some(struct ed_io *io, void *buf, size_t len, bool socket)
{
    struct iovec iov = {buf, len};
    struct ed_op op = {
        .kind = ED_OP_READ, .socket = socket, .iov = &iov, .iov_count = 1};
    return ed_io_await(io, &op, "read");
}

static ssize_t write_some(struct ed_io *io, const void *buf, size_t len)
{
    struct iovec iov = {(void *)buf, len};
    struct ed_op op = {
        .kind = ED_OP_WRITE, .socket = true, .iov = &iov, .iov_count = 1};
    return ed_io_await(io, &op, "write");
}

static void send_text(int fd, const char *text)
{
    check_int(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* ---- reading ---- */

struct reader {
    struct ed_io *io;
    char text[64];
    ssize_t result;
    bool socket;
};

static int read_once(void *arg)
{
    struct reader *r = arg;
    r->result = read_some(r->io, r->text, sizeof r->text - 1, r->socket);
    return 0;
}

FIBER_TEST(a_read_waits_for_data)
{
    int fds[2];
    struct ed_io io;
    struct reader reader = {.io = &io, .socket = true};
    make_pair(fds);
    open_io(&io, fds[0]);
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    check_int(reader.result, 0);
    send_text(fds[1], "hello");
    check_int(ed_wait(s), 0);
    check_int(reader.result, 5);
    check_text(reader.text, "hello");
    ed_io_close(&io);
    close(fds[1]);
}

FIBER_TEST(what_is_left_by_a_short_read_is_read_next)
{
    int fds[2];
    struct ed_io io;
    char byte;
    make_pair(fds);
    open_io(&io, fds[0]);
    struct reader reader = {.io = &io, .socket = true};
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    send_text(fds[1], "x");
    check_int(ed_wait(s), 0);
    send_text(fds[1], "abc");
    for (const char *at = "abc"; *at; at++) {
        check_int(read_some(&io, &byte, 1, true), 1);
        check_int(byte, *at);
    }
    send_text(fds[1], "d");
    check_int(read_some(&io, &byte, 1, true), 1);
    check_int(byte, 'd');
    ed_io_close(&io);
    close(fds[1]);
}

FIBER_TEST(data_and_the_end_that_came_together_are_both_read)
{
    int fds[2];
    struct ed_io io;
    struct reader reader = {.io = &io, .socket = true};
    make_pair(fds);
    open_io(&io, fds[0]);
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    send_text(fds[1], "bye");
    close(fds[1]);
    check_int(ed_wait(s), 0);
    check_text(reader.text, "bye");
    check_int(read_some(&io, reader.text, sizeof reader.text, true), 0);
    check_int(read_some(&io, reader.text, sizeof reader.text, true), 0);
    ed_io_close(&io);
}

FIBER_TEST(an_end_that_came_after_the_data_was_read_is_seen)
{
    int fds[2];
    struct ed_io io;
    struct reader reader = {.io = &io, .socket = true};
    make_pair(fds);
    open_io(&io, fds[0]);
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    send_text(fds[1], "bye");
    check_int(ed_wait(s), 0);
    close(fds[1]);
    settle();
    check_int(read_some(&io, reader.text, sizeof reader.text, true), 0);
    ed_io_close(&io);
}

FIBER_TEST(pipes_are_read_to_their_end)
{
    int fds[2];
    struct ed_io io;
    struct reader reader = {.io = &io};
    check_int(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    open_io(&io, fds[0]);
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    send_text(fds[1], "through");
    check_int(ed_wait(s), 0);
    check_text(reader.text, "through");
    close(fds[1]);
    check_int(read_some(&io, reader.text, sizeof reader.text, false), 0);
    ed_io_close(&io);
}

/* The kernel passes lines on in a thread of its own. */
REAL_TEST(a_terminal_gives_its_lines_one_by_one)
{
    int master, slave;
    struct ed_io io;
    struct termios mode;
    struct reader reader = {.io = &io};
    if (!check_int(openpty(&master, &slave, NULL, NULL, NULL), 0))
        return;
    tcgetattr(slave, &mode);
    mode.c_lflag &= (tcflag_t)~ECHO;
    tcsetattr(slave, TCSANOW, &mode);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    open_io(&io, slave);
    ed_scope(s);
    ed_go(s, read_once, &reader);
    settle();
    send_text(master, "one\ntwo\nthree\n");
    check_int(ed_wait(s), 0);
    check_text(reader.text, "one\n");
    check_int(read_some(&io, reader.text, sizeof reader.text, false), 4);
    check_int(read_some(&io, reader.text, sizeof reader.text, false), 6);
    ed_io_close(&io);
    close(master);
}

/* ---- writing ---- */

struct writer {
    struct ed_io *io;
    size_t bytes;
};

static int write_all(void *arg)
{
    static char block[100 * 1000];
    struct writer *w = arg;
    while (w->bytes) {
        size_t len = w->bytes < sizeof block ? w->bytes : sizeof block;
        ssize_t n = write_some(w->io, block, len);
        if (n < 0)
            return (int)n;
        w->bytes -= (size_t)n;
    }
    return 0;
}

FIBER_TEST(a_write_waits_for_room)
{
    static char block[77 * 1000];
    enum { BYTES = 3 * 1000 * 1000 };
    int fds[2];
    struct ed_io from, to;
    struct writer writer = {&from, BYTES};
    make_pair(fds);
    open_io(&from, fds[0]);
    open_io(&to, fds[1]);
    ed_scope(s);
    ed_go(s, write_all, &writer);
    settle();
    check(writer.bytes > 0);
    for (size_t got = 0; got < BYTES;) {
        ssize_t n = read_some(&to, block, sizeof block, true);
        if (!check(n > 0))
            break;
        got += (size_t)n;
    }
    check_int(ed_wait(s), 0);
    ed_io_close(&from);
    ed_io_close(&to);
}

FIBER_TEST(a_peer_that_goes_ends_a_write_without_a_signal)
{
    int fds[2];
    struct ed_io io;
    struct writer writer = {&io, 10 * 1000 * 1000};
    make_pair(fds);
    open_io(&io, fds[0]);
    ed_scope(s);
    ed_go(s, write_all, &writer);
    settle();
    close(fds[1]);
    check_int(ed_wait(s), -EPIPE);
    ed_io_close(&io);
}

FIBER_TEST(a_cancelled_wait_leaves_the_descriptor_usable)
{
    int fds[2];
    struct ed_io io;
    char text[8];
    make_pair(fds);
    open_io(&io, fds[0]);
    {
        ed_scope(s, .within = ED_S);
        check_int(read_some(&io, text, sizeof text, true), ED_ETIMEOUT);
        check_int(ed_wait(s), ED_ETIMEOUT);
    }
    check(io.in == NULL);
    send_text(fds[1], "on");
    check_int(read_some(&io, text, sizeof text, true), 2);
    ed_io_close(&io);
    close(fds[1]);
}

/* ---- receiving ---- */

struct receiver {
    struct ed_io io;
    struct ed_op op;
    size_t bytes;
    int calls;
    int ends;
    int hangups;
    bool close_at_once;
    bool stop_at_once;
    struct receiver *close_too;
};

static void received(struct ed_op *op, ssize_t n)
{
    struct receiver *r = ED_CONTAINER(op, struct receiver, op);
    r->calls++;
    if (n > 0)
        r->bytes += (size_t)n;
    else
        r->ends++;
    if (r->stop_at_once)
        ed_io_stop(&r->io, op);
    if (r->close_too && r->close_too->io.fd >= 0)
        ed_io_close(&r->close_too->io);
    if (r->close_at_once)
        ed_io_close(&r->io);
}

static void hung_up(struct ed_io *io)
{
    ED_CONTAINER(io, struct receiver, io)->hangups++;
}

static void start_receiving(struct receiver *r)
{
    r->op =
        (struct ed_op){.done = received, .kind = ED_OP_RECEIVE, .socket = true};
    check_int(ed_io_start(&r->io, &r->op), ED_IO_PENDING);
}

/* The peer's descriptor. */
static int open_receiver(struct receiver *r)
{
    int fds[2];
    make_pair(fds);
    open_io(&r->io, fds[0]);
    r->io.hangup = hung_up;
    start_receiving(r);
    return fds[1];
}

FIBER_TEST(a_receiver_is_called_with_each_arrival_and_the_end)
{
    struct receiver r = {0};
    int peer = open_receiver(&r);
    send_text(peer, "one");
    settle();
    send_text(peer, "two");
    settle();
    check_int(r.calls, 2);
    check_int(r.bytes, 6);
    close(peer);
    settle();
    check_int(r.ends, 1);
    /* It was told by the end itself. */
    check_int(r.hangups, 0);
    ed_io_close(&r.io);
}

FIBER_TEST(a_receiver_may_close_itself_when_called)
{
    struct receiver r = {.close_at_once = true};
    int peer = open_receiver(&r);
    send_text(peer, "one");
    close(peer);
    settle();
    check_int(r.calls, 1);
    check_int(r.hangups, 0);
    check_int(r.io.fd, -1);
}

FIBER_TEST(what_comes_while_nobody_receives_is_had_later)
{
    struct receiver r = {.stop_at_once = true};
    int peer = open_receiver(&r);
    send_text(peer, "one");
    settle();
    send_text(peer, "two");
    settle();
    check_int(r.bytes, 3);
    start_receiving(&r);
    settle();
    check_int(r.bytes, 6);
    check_int(r.calls, 2);
    close(peer);
    ed_io_close(&r.io);
}

FIBER_TEST(much_data_is_received_to_its_end_in_several_turns)
{
    struct receiver r = {0};
    struct ed_io io;
    struct writer writer = {&io, 3 * 1000 * 1000};
    open_io(&io, open_receiver(&r));
    ed_scope(s);
    ed_go(s, write_all, &writer);
    check_int(ed_wait(s), 0);
    ed_io_close(&io);
    settle();
    check_int(r.bytes, 3 * 1000 * 1000);
    check_int(r.ends, 1);
    ed_io_close(&r.io);
}

FIBER_TEST(a_hang_up_is_told_once_when_nobody_receives)
{
    struct receiver r = {0};
    int peer = open_receiver(&r);
    ed_io_stop(&r.io, &r.op);
    send_text(peer, "last words");
    shutdown(peer, SHUT_WR);
    settle();
    check_int(r.hangups, 1);
    check_int(r.calls, 0);
    start_receiving(&r);
    settle();
    check_int(r.bytes, 10);
    check_int(r.ends, 1);
    check_int(r.hangups, 1);
    close(peer);
    settle();
    /* Now the other direction has gone as well. */
    check_int(r.hangups, 2);
    ed_io_close(&r.io);
}

FIBER_TEST(a_receiver_may_close_others_of_the_same_batch)
{
    struct receiver all[16] = {0};
    int peers[16];
    for (int i = 0; i < 16; i++)
        peers[i] = open_receiver(&all[i]);
    for (int i = 0; i < 16; i++) {
        all[i].close_too = &all[15 - i];
        send_text(peers[i], "x");
    }
    settle();
    int called = 0;
    for (int i = 0; i < 16; i++) {
        called += all[i].calls;
        if (all[i].io.fd >= 0)
            ed_io_close(&all[i].io);
        close(peers[i]);
    }
    check_int(called, 8);
}

/* ---- accepting ---- */

struct acceptor {
    struct ed_io io;
    struct ed_op op;
    int count;
    int most; /* stops after so many */
};

static void accepted(struct ed_op *op, ssize_t result)
{
    struct acceptor *a = ED_CONTAINER(op, struct acceptor, op);
    if (!check(result >= 0))
        return;
    close((int)result);
    if (++a->count == a->most)
        ed_io_stop(&a->io, op);
}

static void start_accepting(struct acceptor *a, int most)
{
    a->most = most;
    a->op = (struct ed_op){.done = accepted, .kind = ED_OP_ACCEPT};
    check_int(ed_io_start(&a->io, &a->op), ED_IO_PENDING);
}

FIBER_TEST(accepting_stops_and_goes_on_at_any_count)
{
    struct acceptor a = {0};
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int clients[5];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check_int(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    check_int(listen(fd, 16), 0);
    check_int(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    open_io(&a.io, fd);
    start_accepting(&a, 2);
    for (int i = 0; i < 5; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check_int(connect(clients[i], (struct sockaddr *)&addr, sizeof addr),
                  0);
    }
    settle();
    check_int(a.count, 2);
    start_accepting(&a, 3);
    settle();
    check_int(a.count, 3);
    start_accepting(&a, 100);
    settle();
    check_int(a.count, 5);
    for (int i = 0; i < 5; i++)
        close(clients[i]);
    ed_io_close(&a.io);
}

/* ---- descriptors of others ---- */

/* ---- descriptors of other libraries ---- */

/* Reads one byte each time it is told. */
struct watcher {
    struct ed_io io;
    struct ed_op op;
    char text[16];
    size_t len;
};

static void read_a_byte(struct ed_op *op, ssize_t result)
{
    struct watcher *w = op->user;
    check_int(result, 0);
    if (read(w->io.fd, w->text + w->len, 1) == 1)
        w->len++;
}

FIBER_TEST(a_watch_tells_as_long_as_anything_is_left)
{
    int fds[2];
    struct watcher w = {.op = {.kind = ED_OP_WATCH, .done = read_a_byte}};
    w.op.user = &w;
    make_pair(fds);
    open_io(&w.io, fds[0]);
    check_int(ed_io_start(&w.io, &w.op), ED_IO_PENDING);
    send_text(fds[1], "ab");
    settle();
    check_text(w.text, "ab");
    send_text(fds[1], "c");
    settle();
    check_text(w.text, "abc");
    ed_io_stop(&w.io, &w.op);
    send_text(fds[1], "de");
    settle();
    check_text(w.text, "abc");
    check_int(ed_io_start(&w.io, &w.op), ED_IO_PENDING);
    settle();
    check_text(w.text, "abcde");
    ed_io_close(&w.io);
    close(fds[1]);
}

FIBER_TEST(a_watch_that_is_stopped_does_not_keep_the_loop_awake)
{
    int fds[2];
    struct watcher w = {.op = {.kind = ED_OP_WATCH, .done = read_a_byte}};
    w.op.user = &w;
    make_pair(fds);
    open_io(&w.io, fds[0]);
    check_int(ed_io_start(&w.io, &w.op), ED_IO_PENDING);
    ed_io_stop(&w.io, &w.op);
    close(fds[1]);
    /* A virtual clock jumps only when nothing is told any more. */
    int64_t began = ed_now();
    check_int(ed_sleep(ED_S), 0);
    check_int(ed_now() - began, ED_S);
    check_int((long long)w.len, 0);
    ed_io_close(&w.io);
}

/* ---- a crowd ---- */

enum { CROWD = 600 }; /* more than a backend looks at in one turn */

struct crowd {
    struct ed_io io[CROWD];
    struct ed_op op[CROWD];
    int told;
    struct ed_timer timer;
    int told_before; /* the timer fired */
    ed_fiber *waits;
};

static void one_is_ready(struct ed_op *op, ssize_t result)
{
    struct crowd *crowd = op->user;

    check_int(result, 0);
    crowd->told++;
}

static void too_late(struct ed_timer *timer)
{
    struct crowd *crowd = ED_CONTAINER(timer, struct crowd, timer);

    crowd->told_before = crowd->told;
    ed_wake(crowd->waits, 0);
}

/* All become ready at once, when the time is up; waits for that. */
static void keep_waiting(struct crowd *crowd, int kind)
{
    for (int i = 0; i < CROWD; i++) {
        crowd->op[i] =
            (struct ed_op){.kind = kind, .done = one_is_ready, .user = crowd};
        open_io(&crowd->io[i], eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
        check_int(ed_io_start(&crowd->io[i], &crowd->op[i]), ED_IO_PENDING);
    }
    crowd->waits = ed_fiber_self();
    crowd->timer.fire = too_late;
    check_int(ed_timer_start(ed_loop_current(), &crowd->timer, ed_now()), 0);
    check_int(ed_park("a crowd", NULL, NULL), 0);
    for (int i = 0; i < CROWD; i++)
        ed_io_close(&crowd->io[i]);
}

FIBER_TEST(time_is_up_only_for_those_to_whom_nothing_came)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    keep_waiting(crowd, ED_OP_READABLE);
    check_int(crowd->told_before, CROWD);
    free(crowd);
}

FIBER_TEST(time_is_up_although_there_is_always_more)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));

    keep_waiting(crowd, ED_OP_WATCH);
    check(crowd->told_before > CROWD);
    free(crowd);
}

FIBER_TEST(a_foreign_descriptor_is_waited_for)
{
    int fds[2];
    make_pair(fds);
    check_int(ed_io_wait_fd(fds[0], true, "test"), 0);
    ed_scope(s, .within = ED_S);
    check_int(ed_io_wait_fd(fds[0], false, "test"), ED_ETIMEOUT);
    check_int(ed_wait(s), ED_ETIMEOUT);
    send_text(fds[1], "x");
    check_int(ed_io_wait_fd(fds[0], false, "test"), 0);
    check_int(ed_io_wait_fd(fds[0], false, "test"), 0);
    close(fds[0]);
    close(fds[1]);
    check_int(ed_io_wait_fd(fds[0], false, "test"), -EBADF);
}

FIBER_TEST(a_regular_file_is_always_ready)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    check_int(ed_io_wait_fd(fd, false, "test"), 0);
    check_int(ed_io_wait_fd(fd, true, "test"), 0);
    check_int(ed_io_wait_fd(null, false, "test"), 0);
    close(fd);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_waits_for_data),
        cmocka_unit_test(what_is_left_by_a_short_read_is_read_next),
        cmocka_unit_test(data_and_the_end_that_came_together_are_both_read),
        cmocka_unit_test(an_end_that_came_after_the_data_was_read_is_seen),
        cmocka_unit_test(pipes_are_read_to_their_end),
        cmocka_unit_test(a_terminal_gives_its_lines_one_by_one),
        cmocka_unit_test(a_write_waits_for_room),
        cmocka_unit_test(a_peer_that_goes_ends_a_write_without_a_signal),
        cmocka_unit_test(a_cancelled_wait_leaves_the_descriptor_usable),
        cmocka_unit_test(a_receiver_is_called_with_each_arrival_and_the_end),
        cmocka_unit_test(a_receiver_may_close_itself_when_called),
        cmocka_unit_test(what_comes_while_nobody_receives_is_had_later),
        cmocka_unit_test(much_data_is_received_to_its_end_in_several_turns),
        cmocka_unit_test(a_hang_up_is_told_once_when_nobody_receives),
        cmocka_unit_test(a_receiver_may_close_others_of_the_same_batch),
        cmocka_unit_test(accepting_stops_and_goes_on_at_any_count),
        cmocka_unit_test(a_watch_tells_as_long_as_anything_is_left),
        cmocka_unit_test(a_watch_that_is_stopped_does_not_keep_the_loop_awake),
        cmocka_unit_test(time_is_up_only_for_those_to_whom_nothing_came),
        cmocka_unit_test(time_is_up_although_there_is_always_more),
        cmocka_unit_test(a_foreign_descriptor_is_waited_for),
        cmocka_unit_test(a_regular_file_is_always_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
