/*
 * test_tls_stream.c - streams over TLS, seen from fibers and from state
 * machines, and what they do when the peer does not do as it should.
 *
 * Most tests run with each version: a server of TLS 1.3 seals its records
 * itself, everyone else leaves that to OpenSSL.
 */
#include "net_test.h"
#include "certs.h"
#include "net/tls.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fills what the kernel buffers, many times over. */
#define MUCH (3 << 20)

static const char *version = "TLSv1.3";

/* Both ends of a connection, and what is beneath them. */
struct pair {
    ed_tls *server_tls, *client_tls;
    ed_stream *server, *client;
    ed_stream *server_beneath, *client_beneath;
    int server_err;
    bool served; /* the server's handshake is over */
};

static int serve(void *arg)
{
    struct pair *p = arg;

    p->server_err = ed_start_tls(&p->server, p->server_tls);
    p->served = true;
    return 0;
}

static void open_contexts(struct pair *p)
{
    check_int(ed_tls_server(&p->server_tls, .certificate = certs_path("a.pem"),
                            .key = certs_path("a.key")),
              0);
    check_int(ed_tls_client(&p->client_tls, .ca = certs_path("ca.pem")), 0);
}

static void open_pair(struct pair *p)
{
    *p = (struct pair){0};
    open_contexts(p);
    check_int(ed_stream_pair(&p->server, &p->client), 0);
    p->server_beneath = p->server;
    p->client_beneath = p->client;
    ed_scope(s);
    ed_go(s, serve, p);
    check_int(ed_start_tls(&p->client, p->client_tls, .server_name = "a.org"),
              0);
    check_int(ed_wait(s), 0);
    check_int(p->server_err, 0);
}

static void close_pair(struct pair *p)
{
    ed_stream_close(p->client);
    ed_stream_close(p->server);
    ed_tls_free(p->client_tls);
    ed_tls_free(p->server_tls);
}

/* ---- fibers ---- */

NET_TEST(what_is_written_is_read_on_the_other_side)
{
    struct pair p;
    char buf[16];

    open_pair(&p);
    check_int(ed_stream_write(p.client, "hello", 5), 0);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), 5);
    check(!memcmp(buf, "hello", 5));
    check_int(ed_stream_write(p.server, "world", 5), 0);
    check_int(ed_stream_read_exactly(p.client, buf, 5), 0);
    check(!memcmp(buf, "world", 5));
    close_pair(&p);
    return 0;
}

NET_TEST(both_sides_know_what_was_agreed_on)
{
    struct pair p;
    struct ed_tls_info client, server;
    struct ed_tls_peer peer;

    open_pair(&p);
    check(ed_stream_tls(p.client, &client));
    check(ed_stream_tls(p.server, &server));
    check_text(server.version, version);
    check_text(client.version, version);
    check_text(server.cipher, client.cipher);
    check_text(server.server_name, "a.org");
    check(client.verified && !server.verified);
    check(ed_stream_tls_peer(p.client, &peer));
    check(strstr(peer.subject, "CN=a"));
    check(!ed_stream_tls_peer(p.server, &peer));
    check(!ed_stream_tls(p.client_beneath, &client));
    close_pair(&p);
    return 0;
}

NET_TEST(small_reads_lose_nothing_of_a_large_record)
{
    struct pair p;
    char text[1000], buf[1000];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)i;
    open_pair(&p);
    check_int(ed_stream_write(p.client, text, sizeof(text)), 0);
    for (size_t at = 0; at < sizeof(buf);) {
        ssize_t n = ed_stream_read(p.server, buf + at, 7);
        if (!check(n > 0))
            break;
        at += (size_t)n;
    }
    check(!memcmp(text, buf, sizeof(buf)));
    close_pair(&p);
    return 0;
}

static uint8_t byte_at(size_t i)
{
    return (uint8_t)(i ^ (i >> 8) ^ (i >> 16));
}

static int write_much(void *arg)
{
    uint8_t *bytes = malloc(MUCH);

    for (size_t i = 0; i < MUCH; i++)
        bytes[i] = byte_at(i);
    /* In pieces of all sizes, some of them in vectors. */
    for (size_t at = 0, size = 1; at < MUCH; at += size, size = size * 3 + 1) {
        if (size > MUCH - at)
            size = MUCH - at;
        struct iovec iov[3] = {{bytes + at, size / 3},
                               {bytes + at + size / 3, 0},
                               {bytes + at + size / 3, size - size / 3}};
        check_int(ed_stream_writev(arg, iov, 3), 0);
    }
    free(bytes);
    return ed_stream_shutdown(arg);
}

static int read_much(void *arg)
{
    uint8_t buf[10000];
    size_t got = 0, wrong = 0;
    ssize_t n;

    while ((n = ed_stream_read(arg, buf, got % sizeof(buf) + 1)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            wrong += buf[i] != byte_at(got++);
    }
    check_int(n, 0);
    check_int(wrong, 0);
    check_int(got, MUCH);
    return 0;
}

NET_TEST(much_goes_both_ways_at_once_and_ends_in_order)
{
    struct pair p;

    open_pair(&p);
    {
        ed_scope(s);
        ed_go(s, write_much, p.client);
        ed_go(s, read_much, p.client);
        ed_go(s, write_much, p.server);
        ed_go(s, read_much, p.server);
        check_int(ed_wait(s), 0);
    }
    close_pair(&p);
    return 0;
}

NET_TEST(a_close_is_the_end_and_a_cut_is_none)
{
    struct pair p;
    char buf[16];

    open_pair(&p);
    check_int(ed_stream_write(p.server, "last", 4), 0);
    ed_stream_close(p.server);
    p.server = NULL;
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), 4);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), 0);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), 0);
    close_pair(&p);

    open_pair(&p);
    check_int(shutdown(p.server_beneath->ops->fd(p.server_beneath), SHUT_WR),
              0);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), ED_EEOF);
    close_pair(&p);

    open_pair(&p);
    check_int(shutdown(p.client_beneath->ops->fd(p.client_beneath), SHUT_WR),
              0);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), ED_EEOF);
    close_pair(&p);
    return 0;
}

NET_TEST(a_reset_is_no_proper_end)
{
    struct pair p;
    char buf[16];

    open_pair(&p);
    ed_stream_reset(p.server);
    p.server = NULL;
    ssize_t n = ed_stream_read(p.client, buf, sizeof(buf));
    check(n == ED_EEOF || n == -ECONNRESET);
    close_pair(&p);
    return 0;
}

NET_TEST(one_side_may_go_on_after_the_other_has_ended)
{
    struct pair p;
    char buf[16];

    open_pair(&p);
    check_int(ed_stream_shutdown(p.client), 0);
    check_int(ed_stream_write(p.client, "x", 1), -EPIPE);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), 0);
    check_int(ed_stream_write(p.server, "still here", 10), 0);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), 10);
    close_pair(&p);
    return 0;
}

NET_TEST(bytes_that_were_changed_are_refused_by_both_sides)
{
    static const char forged[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";
    struct pair p;
    char buf[16];

    open_pair(&p);
    int client = p.client_beneath->ops->fd(p.client_beneath);
    check_int(send(client, forged, sizeof(forged) - 1, 0), 37);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), ED_ETLS);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), ED_ETLS);
    check_int(ed_stream_write(p.server, "x", 1), ED_ETLS);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), ED_ETLS);
    check_text(ed_error(), "the peer refused (alert 20, bad record mac)");
    check_text(ed_stream_why(p.client), ed_error());
    close_pair(&p);

    open_pair(&p);
    int server = p.server_beneath->ops->fd(p.server_beneath);
    check_int(send(server, forged, sizeof(forged) - 1, 0), 37);
    check_int(ed_stream_read(p.client, buf, sizeof(buf)), ED_ETLS);
    check_int(ed_stream_read(p.server, buf, sizeof(buf)), ED_ETLS);
    close_pair(&p);
    return 0;
}

/* ---- cancelled and closed in the middle ---- */

static int write_without_end(void *arg)
{
    static char bytes[100000];
    int err;

    while (!(err = ed_stream_write(arg, bytes, sizeof(bytes))))
        ;
    return err;
}

static int write_until_broken(void *arg)
{
    check_int(write_without_end(arg), ED_ETLS);
    return 0;
}

NET_TEST(a_fiber_that_writes_is_told_when_the_peer_breaks_the_protocol)
{
    struct pair p;
    char byte;

    open_pair(&p);
    {
        ed_scope(s, .within = ED_S);
        ed_go(s, write_until_broken, p.server);
        settle();
        int client = p.client_beneath->ops->fd(p.client_beneath);
        check_int(send(client, "no record at all", 16, 0), 16);
        check_int(ed_stream_read(p.server, &byte, 1), ED_ETLS);
        check_int(ed_wait(s), 0);
    }
    close_pair(&p);
    return 0;
}

static int cancel_a_writer(ed_stream *s)
{
    ed_scope(soon, .within = 10 * ED_MS);
    int err = write_without_end(s);
    (void)soon;
    return err;
}

NET_TEST(a_write_that_is_cancelled_leaves_whole_records)
{
    struct pair p;
    static char buf[65536];
    ssize_t n, last = 0;

    open_pair(&p);
    ed_stream *ends[][2] = {{p.client, p.server}, {p.server, p.client}};
    for (int i = 0; i < 2; i++) {
        check_int(cancel_a_writer(ends[i][0]), ED_ETIMEOUT);
        check_int(cancel_a_writer(ends[i][0]), ED_ETIMEOUT);
        ed_scope(s);
        ed_go(s, (ed_fn *)ed_stream_shutdown, ends[i][0]);
        check_int(ed_wait(s), 0);
        while ((n = ed_stream_read(ends[i][1], buf, sizeof(buf))) > 0)
            last = n;
        check_int(n, 0);
        check(last > 0 && buf[last - 1] == 0);
    }
    close_pair(&p);
    return 0;
}

NET_TEST(what_follows_a_cancelled_write_comes_behind_it)
{
    struct pair p;
    static char buf[65536];
    ssize_t n;
    char last = 0;

    open_pair(&p);
    check_int(cancel_a_writer(p.server), ED_ETIMEOUT);
    ed_scope(s);
    ed_stream *server = p.server;
    while ((n = ed_stream_read(p.client, buf, sizeof(buf))) > 0) {
        last = buf[n - 1];
        if (last == 'x')
            break;
        if (server && !ed_stream_write(server, "x", 1))
            server = NULL;
    }
    check_int(last, 'x');
    close_pair(&p);
    (void)s;
    return 0;
}

static int read_and_tell(void *arg)
{
    char byte;

    check_int(ed_stream_read(arg, &byte, 1), ED_ECLOSED);
    return 0;
}

static int write_and_tell(void *arg)
{
    check_int(write_without_end(arg), ED_ECLOSED);
    return 0;
}

NET_TEST(fibers_in_a_stream_that_is_closed_are_told)
{
    struct pair p;

    open_pair(&p);
    ed_scope(s);
    ed_go(s, read_and_tell, p.server);
    ed_go(s, write_and_tell, p.server);
    settle();
    ed_stream_close(p.server);
    p.server = NULL;
    check_int(ed_wait(s), 0);
    close_pair(&p);
    return 0;
}

NET_TEST(a_cancelled_read_loses_nothing)
{
    struct pair p;
    char buf[8];

    open_pair(&p);
    for (int i = 0; i < 3; i++) {
        {
            ed_scope(soon, .within = ED_MS);
            check_int(ed_stream_read(p.server, buf, 1), ED_ETIMEOUT);
            (void)soon;
        }
        check_int(ed_stream_write(p.client, "abc", 3), 0);
        check_int(ed_stream_read_exactly(p.server, buf, 3), 0);
        check(!memcmp(buf, "abc", 3));
    }
    close_pair(&p);
    return 0;
}

/* ---- state machines ---- */

struct machine {
    size_t got, wrong, events;
    ssize_t ended; /* 1: not yet */
    size_t sent;
    bool stop_each_time;
    unsigned hangups;
};

static void take(ed_stream *s, char *data, ssize_t len)
{
    struct machine *m = s->user;

    if (len <= 0) {
        m->ended = len;
        return;
    }
    m->events++;
    for (ssize_t i = 0; i < len; i++)
        m->wrong += (uint8_t)data[i] != byte_at(m->got++);
    if (m->stop_each_time)
        check_int(ed_stream_receive(s, false), 0);
}

static void give(ed_stream *s)
{
    struct machine *m = s->user;
    static uint8_t bytes[50000];

    while (m->sent < MUCH) {
        size_t len = MUCH - m->sent;
        if (len > sizeof(bytes))
            len = sizeof(bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = byte_at(m->sent + i);
        struct iovec iov[2] = {{bytes, len / 2},
                               {bytes + len / 2, len - len / 2}};
        ssize_t n = ed_stream_try_writev(s, iov, 2);
        if (n == -EAGAIN) {
            check_int(ed_stream_want_writable(s, true), 0);
            return;
        }
        if (!check(n > 0))
            return;
        m->sent += (size_t)n;
    }
    check_int(ed_stream_shutdown(s), 0);
}

static void hung_up(ed_stream *s)
{
    struct machine *m = s->user;

    m->hangups++;
}

static void attach(ed_stream *s, struct machine *m)
{
    *m = (struct machine){.ended = 1};
    s->user = m;
    s->on_data = take;
    s->on_writable = give;
    s->on_hangup = hung_up;
}

NET_TEST(a_machine_receives_all_and_the_end)
{
    struct pair p;
    struct machine m;

    open_pair(&p);
    attach(p.server, &m);
    check_int(ed_stream_receive(p.server, true), 0);
    check_int(write_much(p.client), 0);
    settle();
    check_int(m.got, MUCH);
    check_int(m.wrong, 0);
    check_int(m.ended, 0);
    close_pair(&p);
    return 0;
}

NET_TEST(a_machine_that_stops_gets_the_rest_when_it_goes_on)
{
    struct pair p;
    struct machine m;

    open_pair(&p);
    attach(p.server, &m);
    m.stop_each_time = true;
    check_int(ed_stream_receive(p.server, true), 0);
    ed_scope(s);
    ed_go(s, write_much, p.client);
    for (size_t turns = 0; m.ended == 1 && turns < 100000; turns++) {
        size_t before = m.events;
        check_int(ed_yield(), 0);
        check(m.events <= before + 1);
        check_int(ed_stream_receive(p.server, true), 0);
    }
    check_int(ed_wait(s), 0);
    check_int(m.got, MUCH);
    check_int(m.wrong, 0);
    check_int(m.ended, 0);
    close_pair(&p);
    return 0;
}

NET_TEST(a_machine_writes_what_goes_and_is_told_when_more_does)
{
    struct pair p;
    struct machine m;

    open_pair(&p);
    attach(p.server, &m);
    give(p.server);
    check(m.sent < MUCH);
    check_int(read_much(p.client), 0);
    check_int(m.sent, MUCH);
    close_pair(&p);
    return 0;
}

NET_TEST(a_machine_is_told_of_a_cut_as_an_error)
{
    struct pair p;
    struct machine m;

    open_pair(&p);
    attach(p.server, &m);
    check_int(ed_stream_receive(p.server, true), 0);
    check_int(shutdown(p.client_beneath->ops->fd(p.client_beneath), SHUT_WR),
              0);
    settle();
    check_int(m.ended, ED_EEOF);
    close_pair(&p);
    return 0;
}

NET_TEST(a_machine_that_does_not_receive_is_told_of_a_hangup)
{
    struct pair p;
    struct machine m;

    open_pair(&p);
    attach(p.server, &m);
    check_int(ed_stream_receive(p.server, true), 0);
    settle();
    check_int(ed_stream_receive(p.server, false), 0);
    ed_stream_close(p.client);
    p.client = NULL;
    settle();
    check_int(m.hangups, 1);
    check_int(m.ended, 1);
    check_int(ed_stream_receive(p.server, true), 0);
    settle();
    check_int(m.ended, 0);
    close_pair(&p);
    return 0;
}

/* ---- handshakes ---- */

NET_TEST(what_was_read_ahead_in_the_clear_is_not_taken_for_secret)
{
    ed_stream *a, *b;
    struct ed_bytes line;

    check_int(ed_stream_pair(&a, &b), 0);
    check_int(ed_stream_write(b, "220 go\nmore", 11), 0);
    check_int(ed_stream_read_until(a, ED_BYTES("\n"), 100, &line), 0);
    check_int(ed_start_tls(&a, NULL, .server_name = "a.org"), ED_EUSAGE);
    check(!a);
    ed_stream_close(b);
    return 0;
}

NET_TEST(a_peer_that_speaks_in_the_clear_is_refused)
{
    struct pair p = {0};
    ed_stream *raw;

    open_contexts(&p);
    check_int(ed_stream_pair(&p.server, &raw), 0);
    check_int(ed_stream_write(raw, "GET / HTTP/1.1\r\n\r\n", 18), 0);
    check_int(serve(&p), 0);
    check_int(p.server_err, ED_ETLS);
    check(!p.server);
    ed_stream_close(raw);

    check_int(ed_stream_pair(&p.client, &raw), 0);
    check_int(ed_stream_write(raw, "220 hello\r\n", 11), 0);
    check_int(ed_start_tls(&p.client, p.client_tls, .server_name = "a.org"),
              ED_ETLS);
    ed_stream_close(raw);
    close_pair(&p);
    return 0;
}

NET_TEST(a_handshake_with_a_silent_peer_ends_with_the_deadline)
{
    struct pair p = {0};
    ed_stream *raw;

    open_contexts(&p);
    check_int(ed_stream_pair(&p.client, &raw), 0);
    {
        ed_scope(soon, .within = 5 * ED_MS);
        check_int(ed_start_tls(&p.client, p.client_tls, .server_name = "a.org"),
                  ED_ETIMEOUT);
        (void)soon;
    }
    check(!p.client);
    ed_stream_close(raw);
    close_pair(&p);
    return 0;
}

NET_TEST(a_peer_that_leaves_in_the_handshake_is_the_end)
{
    struct pair p = {0};
    ed_stream *raw;

    open_contexts(&p);
    check_int(ed_stream_pair(&p.server, &raw), 0);
    ed_stream_close(raw);
    check_int(serve(&p), 0);
    check_int(p.server_err, ED_EEOF);
    close_pair(&p);
    return 0;
}

NET_TEST(a_name_that_is_not_in_the_certificate_is_refused)
{
    struct pair p = {0};

    open_contexts(&p);
    check_int(ed_stream_pair(&p.server, &p.client), 0);
    ed_scope(s);
    ed_go(s, serve, &p);
    check_int(ed_start_tls(&p.client, p.client_tls, .server_name = "b.org"),
              ED_ECERT);
    check(strstr(ed_error(), "b.org"));
    check_int(ed_wait(s), 0);
    /* With 1.3 the server is done before it hears of that. */
    char byte;
    if (p.server)
        check_int(ed_stream_read(p.server, &byte, 1), ED_ETLS);
    else
        check_int(p.server_err, ED_ETLS);
    close_pair(&p);
    return 0;
}

/* A stream that passes bytes on one by one. */
static int pass_slowly(void *arg)
{
    ed_stream **ends = arg;
    char buf[512];
    ssize_t n;

    while ((n = ed_stream_read(ends[0], buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (ed_stream_write(ends[1], buf + i, 1))
                return 0;
            if (i % 16 == 0 && ed_yield())
                return 0;
        }
    }
    ed_stream_shutdown(ends[1]);
    return 0;
}

NET_TEST(bytes_that_come_one_by_one_make_the_same_stream)
{
    struct pair p = {0};
    ed_stream *left, *right;
    char buf[64];

    open_contexts(&p);
    check_int(ed_stream_pair(&p.client, &left), 0);
    check_int(ed_stream_pair(&p.server, &right), 0);
    ed_stream *there[] = {left, right}, *back[] = {right, left};
    {
        ed_scope(s);
        ed_go(s, pass_slowly, there);
        ed_go(s, pass_slowly, back);
        ed_go(s, serve, &p);
        check_int(ed_start_tls(&p.client, p.client_tls, .server_name = "a.org"),
                  0);
        check_int(ed_stream_write(p.client, "to the server", 13), 0);
        check_int(ed_stream_write(p.client, " and more", 9), 0);
        while (!p.served)
            check_int(ed_yield(), 0);
        check_int(p.server_err, 0);
        check_int(ed_stream_read_exactly(p.server, buf, 22), 0);
        check(!memcmp(buf, "to the server and more", 22));
        check_int(ed_stream_write(p.server, "to the client", 13), 0);
        check_int(ed_stream_read_exactly(p.client, buf, 13), 0);
        check(!memcmp(buf, "to the client", 13));
        ed_stream_close(p.client);
        ed_stream_close(p.server);
        p.client = p.server = NULL;
        check_int(ed_wait(s), 0);
    }
    ed_stream_close(left);
    ed_stream_close(right);
    close_pair(&p);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "a", .names = "a.org");
    return 0;
}

/* No option of ours makes OpenSSL stop at 1.2: its own configuration does,
 * which it reads when the program begins. */
static int run_again_with_1_2(char **argv)
{
    int status = 1;

    certs_open();
    certs_write("openssl.cnf", "openssl_conf = all\n"
                               "[all]\nssl_conf = ssl\n"
                               "[ssl]\nsystem_default = it\n"
                               "[it]\nMaxProtocol = TLSv1.2\n");
    setenv("OPENSSL_CONF", certs_path("openssl.cnf"), 1);
    pid_t child = fork();
    if (child == 0) {
        execv("/proc/self/exe", (char *[]){argv[0], "1.2", NULL});
        _exit(127);
    }
    waitpid(child, &status, 0);
    unsetenv("OPENSSL_CONF");
    certs_close();
    return status;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_on_the_other_side),
        cmocka_unit_test(both_sides_know_what_was_agreed_on),
        cmocka_unit_test(small_reads_lose_nothing_of_a_large_record),
        cmocka_unit_test(much_goes_both_ways_at_once_and_ends_in_order),
        cmocka_unit_test(a_close_is_the_end_and_a_cut_is_none),
        cmocka_unit_test(a_reset_is_no_proper_end),
        cmocka_unit_test(one_side_may_go_on_after_the_other_has_ended),
        cmocka_unit_test(bytes_that_were_changed_are_refused_by_both_sides),
        cmocka_unit_test(a_write_that_is_cancelled_leaves_whole_records),
        cmocka_unit_test(
            a_fiber_that_writes_is_told_when_the_peer_breaks_the_protocol),
        cmocka_unit_test(what_follows_a_cancelled_write_comes_behind_it),
        cmocka_unit_test(fibers_in_a_stream_that_is_closed_are_told),
        cmocka_unit_test(a_cancelled_read_loses_nothing),
        cmocka_unit_test(a_machine_receives_all_and_the_end),
        cmocka_unit_test(a_machine_that_stops_gets_the_rest_when_it_goes_on),
        cmocka_unit_test(a_machine_writes_what_goes_and_is_told_when_more_does),
        cmocka_unit_test(a_machine_is_told_of_a_cut_as_an_error),
        cmocka_unit_test(a_machine_that_does_not_receive_is_told_of_a_hangup),
        cmocka_unit_test(
            what_was_read_ahead_in_the_clear_is_not_taken_for_secret),
        cmocka_unit_test(a_peer_that_speaks_in_the_clear_is_refused),
        cmocka_unit_test(a_handshake_with_a_silent_peer_ends_with_the_deadline),
        cmocka_unit_test(a_peer_that_leaves_in_the_handshake_is_the_end),
        cmocka_unit_test(a_name_that_is_not_in_the_certificate_is_refused),
        cmocka_unit_test(bytes_that_come_one_by_one_make_the_same_stream),
    };

    if (argc > 1)
        version = "TLSv1.2";
    else if (run_again_with_1_2(argv))
        return 1;
    return cmocka_run_group_tests_name(version, tests, set_up, certs_tear_down);
}
