/*
 * test_listen.c - LISTEN and NOTIFY, and what survives what.
 */
#include "pool_test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <eddy/pg_listen.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static ed_pg *new_pool(void)
{
    return ed_pg_new(.dsn = pg_server_dsn(server), .max = 2,
                     .max_backoff = 200 * ED_MS);
}

/* The next notification's text: "channel:payload", "gap", or an error. */
static const char *next_text(ed_pg_listener *l)
{
    static char text[160];
    struct ed_pg_notification n;
    ed_scope(s, .within = 5 * ED_S);
    (void)s;
    int err = ed_pg_next_notification(l, &n);
    if (err)
        return ed_err_name(err);
    if (n.gap)
        return "gap";
    check(n.channel.ptr[n.channel.len] == '\0');
    check(n.payload.ptr[n.payload.len] == '\0');
    check(n.sender > 0);
    snprintf(text, sizeof text, "%s:%s", n.channel.ptr, n.payload.ptr);
    return text;
}

/* That nothing is there. */
static void check_silent(ed_pg_listener *l)
{
    struct ed_pg_notification n;
    ed_scope(s, .within = 50 * ED_MS);
    (void)s;
    check_int(ed_pg_next_notification(l, &n), ED_ETIMEOUT);
}

POOL_TEST(what_is_notified_is_heard)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "orders"), 0);
    check_int(ed_pg_notify(db, "orders", "17"), 0);
    check_int(ed_pg_notify(db, "other", "18"), 0);
    check_int(ed_pg_notify(db, "orders", NULL), 0);
    check_text(next_text(l), "orders:17");
    check_text(next_text(l), "orders:");
    check_silent(l);
    ed_pg_listener_close(l);
    ed_pg_listener_close(NULL);
    ed_pg_free(db);
}

POOL_TEST(names_are_taken_as_they_are)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    char name[80];
    memset(name, 'n', sizeof name);
    name[64] = '\0';
    check_int(ed_pg_listen(db, &l, ""), ED_EUSAGE);
    check_int(ed_pg_listen(db, &l, name), ED_EUSAGE);
    check(!l);
    check_int(ed_pg_listen(db, &l, "\xff"), ED_EUSAGE);
    name[63] = '\0';
    check_int(ed_pg_listen(db, &l, name), 0);
    check_int(ed_pg_listen_also(l, "\"; drop table x; -- É"), 0);
    check_int(ed_pg_listen_also(l, "Case"), 0);
    check_int(ed_pg_listen_also(l, ""), ED_EUSAGE);
    check_int(ed_pg_notify(db, "case", "1"), 0);
    check_int(ed_pg_notify(db, "Case", "2"), 0);
    check_int(ed_pg_notify(db, "\"; drop table x; -- É", "3"), 0);
    check_int(ed_pg_notify(db, name, "4"), 0);
    check_text(next_text(l), "Case:2");
    check_text(next_text(l), "\"; drop table x; -- É:3");
    check_int(strncmp(next_text(l), name, 63), 0);
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(a_channel_can_be_left)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "one"), 0);
    check_int(ed_pg_listen_also(l, "two"), 0);
    check_int(ed_pg_listen_also(l, "two"), 0);
    check_int(ed_pg_unlisten(l, "one"), 0);
    check_int(ed_pg_unlisten(l, "never heard of"), 0);
    check_int(ed_pg_notify(db, "one", ""), 0);
    check_int(ed_pg_notify(db, "two", ""), 0);
    check_text(next_text(l), "two:");
    check_int(ed_pg_listen_also(l, "one"), 0);
    check_int(ed_pg_notify(db, "one", ""), 0);
    check_text(next_text(l), "one:");
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(a_transaction_notifies_when_it_commits)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "deals"), 0);
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_notify(tx, "deals", "off"), 0);
    }
    {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_notify(tx, "deals", "on"), 0);
        check_silent(l);
        check_int(ed_pg_commit(tx), 0);
    }
    check_text(next_text(l), "deals:on");
    {
        ed_pg_transaction(tx, db);
        ed_pg_listener *none;
        check_int(ed_pg_listen(tx, &none, "deals"), ED_EUSAGE);
    }
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(payloads_have_a_limit)
{
    ed_pg *db = new_pool();
    char *payload = calloc(1, 8001);
    memset(payload, 'p', 8000);
    check_int(ed_pg_notify(db, "limits", payload), ED_EVALUE);
    payload[7999] = '\0';
    check_int(ed_pg_notify(db, "limits", payload), 0);
    free(payload);
    ed_pg_free(db);
}

POOL_TEST(two_hundred_channels_are_listened_to_again)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "c0"), 0);
    for (int i = 1; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        check_int(ed_pg_listen_also(l, name), 0);
    }
    pg_server_psql(server, "select pg_terminate_backend(pid) from"
                           " pg_stat_activity where query like 'listen%'");
    check_text(next_text(l), "gap");
    check_int(ed_pg_notify(db, "c0", ""), 0);
    check_int(ed_pg_notify(db, "c100", ""), 0);
    check_int(ed_pg_notify(db, "c199", ""), 0);
    check_text(next_text(l), "c0:");
    check_text(next_text(l), "c100:");
    check_text(next_text(l), "c199:");
    check_silent(l);
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

static int notify_when_back(void *db)
{
    for (int i = 0; i < 100; i++) {
        if (!ed_pg_notify(db, "news", "after"))
            return 0;
        ed_sleep(50 * ED_MS);
    }
    return -1;
}

POOL_TEST(a_listener_survives_a_restart_and_marks_the_gap)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "news"), 0);
    check_int(ed_pg_notify(db, "news", "before"), 0);
    check_text(next_text(l), "news:before");
    pg_server_restart(server);
    check_text(next_text(l), "gap");
    check_int(notify_when_back(db), 0);
    check_text(next_text(l), "news:after");

    pg_server_kill(server);
    check_silent(l);
    pg_server_restart(server);
    check_text(next_text(l), "gap");
    check_int(notify_when_back(db), 0);
    check_text(next_text(l), "news:after");
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

struct also {
    ed_pg_listener *l;
    const char *channel;
};

static int listen_also(void *arg)
{
    struct also *also = arg;
    return ed_pg_listen_also(also->l, also->channel);
}

POOL_TEST(a_channel_asked_for_while_the_server_is_down_is_listened_to_later)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "first"), 0);
    struct also late = {l, "late"}, given_up = {l, "given up"};
    {
        ed_scope(s);
        pg_server_halt(server);
        check_int(ed_with_timeout(50 * ED_MS, listen_also, &given_up),
                  ED_ETIMEOUT);
        ed_go(s, listen_also, &late);
        ed_sleep(50 * ED_MS);
        pg_server_restart(server);
        check_int(ed_wait(s), 0);
    }
    check_text(next_text(l), "gap");
    for (int i = 0; i < 100 && ed_pg_notify(db, "late", ""); i++)
        ed_sleep(50 * ED_MS);
    check_int(ed_pg_notify(db, "given up", ""), 0);
    check_int(ed_pg_notify(db, "first", ""), 0);
    check_text(next_text(l), "late:");
    check_text(next_text(l), "first:");
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(a_server_that_is_down_gives_no_listener)
{
    ed_pg *db = ed_pg_new(.dsn = "host=127.0.0.1 port=1 user=x dbname=x");
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "any"), ED_EDATABASE);
    check(!l && *ed_error());
    ed_pg_free(db);
}

POOL_TEST(a_storm_is_heard_in_order)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    char want[32];
    int heard = 0;
    check_int(ed_pg_listen(db, &l, "storm"), 0);
    check_int(ed_pg_exec(db, "select pg_notify('storm', n::text)"
                             " from generate_series(1, 9000) n"),
              9000);
    for (; heard < 9000; heard++) {
        snprintf(want, sizeof want, "storm:%d", heard + 1);
        if (!check_text(next_text(l), want))
            break;
    }
    check_int(heard, 9000);
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(what_is_too_much_is_dropped_and_marked_where_it_is_missing)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "storm", .queue = 3), 0);
    check_int(ed_pg_exec(db, "select pg_notify('storm', n::text)"
                             " from generate_series(1, 100) n"),
              100);
    ed_sleep(100 * ED_MS);
    check_text(next_text(l), "storm:1");
    check_text(next_text(l), "storm:2");
    check_int(ed_pg_notify(db, "storm", "more"), 0);
    ed_sleep(100 * ED_MS);
    check_text(next_text(l), "storm:3");
    check_text(next_text(l), "gap");
    check_text(next_text(l), "storm:more");
    check_int(ed_pg_exec(db, "select pg_notify('storm', n::text)"
                             " from generate_series(1, 10) n"),
              10);
    ed_sleep(100 * ED_MS);
    check_text(next_text(l), "storm:1");
    check_text(next_text(l), "storm:2");
    check_text(next_text(l), "storm:3");
    check_text(next_text(l), "gap"); /* although nothing comes behind it */
    check_silent(l);
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

static int wait_for_one(void *l)
{
    struct ed_pg_notification n;
    return ed_pg_next_notification(l, &n);
}

POOL_TEST(one_fiber_waits_at_a_time)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    struct ed_pg_notification n;
    check_int(ed_pg_listen(db, &l, "alone"), 0);
    {
        ed_scope(s);
        ed_go(s, wait_for_one, l);
        ed_yield();
        check_int(ed_pg_next_notification(l, &n), ED_EUSAGE);
        ed_cancel(s);
        check_int(ed_wait(s), ED_ECANCELED);
    }
    check_int(ed_pg_notify(db, "alone", "still"), 0);
    check_text(next_text(l), "alone:still");
    ed_pg_listener_close(l);
    ed_pg_free(db);
}

POOL_TEST(a_pool_may_be_freed_right_after_its_listener)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l;
    check_int(ed_pg_listen(db, &l, "short"), 0);
    ed_pg_listener_close(l);
    ed_pg_free(db);

    db = new_pool();
    check_int(ed_pg_listen(db, &l, "short"), 0);
    pg_server_halt(server);
    ed_sleep(60 * ED_MS); /* it is trying to connect, or pauses */
    ed_pg_listener_close(l);
    ed_pg_free(db);
    pg_server_restart(server);
}

POOL_TEST(listening_can_be_cancelled_at_any_time)
{
    ed_pg *db = new_pool();
    for (int us = 0; us < 20000; us += 400) {
        ed_pg_listener *l = NULL;
        ed_scope(s, .within = us * ED_US + 1);
        int err = ed_pg_listen(db, &l, "sometimes");
        check(err ? err == ED_ETIMEOUT && !l : l != NULL);
        ed_pg_listener_close(l);
        ed_cancel(s);
    }
    ed_pg_free(db);
}

/* ---- a network that swallows everything ---- */

/* Passes bytes on in both directions; what comes by a connection up to number
 * `silent` it swallows, and does not hang up either. */
struct tunnel {
    int listening;
    unsigned connections, silent;
};

static bool pass(int from, int to)
{
    char bytes[4096];
    ssize_t n = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        check_int(send(to, bytes, (size_t)n, MSG_NOSIGNAL), n);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static int connect_to_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port =
                                htons((uint16_t)pg_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static int carry(void *arg)
{
    struct tunnel *t = arg;
    int client = accept4(t->listening, NULL, NULL, SOCK_CLOEXEC);
    int up = connect_to_server();
    bool open = true;
    unsigned number = ++t->connections;
    while (open && !ed_cancelled()) {
        char swallowed[4096];
        if (number > t->silent)
            open = pass(client, up) && pass(up, client);
        else
            open = recv(client, swallowed, sizeof swallowed, MSG_DONTWAIT) != 0;
        ed_sleep(ED_MS);
    }
    close(client);
    close(up);
    return 0;
}

static int tunnel_all(void *arg)
{
    struct tunnel *t = arg;
    struct pollfd p = {t->listening, POLLIN, 0};
    ed_scope(s);
    while (!ed_cancelled()) {
        if (poll(&p, 1, 0) > 0)
            ed_go(s, carry, t);
        ed_sleep(ED_MS);
    }
    return 0;
}

/* By checks that are answered within `patience`, if the machine lets them. */
static bool is_noticed(int64_t patience)
{
    bool noticed;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    struct tunnel t = {.listening =
                           socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    check_int(bind(t.listening, (struct sockaddr *)&a, len), 0);
    check_int(listen(t.listening, 8), 0);
    check_int(getsockname(t.listening, (struct sockaddr *)&a, &len), 0);
    char dsn[128];
    snprintf(dsn, sizeof dsn,
             "host=127.0.0.1 port=%d user=postgres dbname=postgres",
             ntohs(a.sin_port));
    {
        ed_scope(s);
        ed_go(s, tunnel_all, &t);
        ed_pg *db = ed_pg_new(.dsn = dsn);
        ed_pg *direct = new_pool();
        ed_pg_listener *l;
        check_int(ed_pg_listen(db, &l, "far", .check_after = 40 * ED_MS,
                               .check_patience = patience),
                  0);
        ed_sleep(200 * ED_MS); /* some checks that are answered */
        noticed = t.connections == 1;
        t.silent = 1;
        check_text(next_text(l), "gap");
        noticed = noticed && t.connections == 2;
        if (noticed) {
            check_int(ed_pg_notify(direct, "far", "again"), 0);
            check_text(next_text(l), "far:again");
        }
        ed_pg_listener_close(l);
        ed_pg_free(db);
        ed_pg_free(direct);
        ed_sleep(20 * ED_MS);
        ed_cancel(s);
    }
    close(t.listening);
    return noticed;
}

POOL_TEST(a_peer_that_is_silently_gone_is_noticed)
{
    check(is_noticed(100 * ED_MS) || is_noticed(ED_S) || is_noticed(5 * ED_S));
}

static int start_tcp_server(void **state)
{
    (void)state;
    return start_server_with(
        (const char *[]){"listen_addresses=127.0.0.1", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_notified_is_heard),
        cmocka_unit_test(names_are_taken_as_they_are),
        cmocka_unit_test(a_channel_can_be_left),
        cmocka_unit_test(a_transaction_notifies_when_it_commits),
        cmocka_unit_test(payloads_have_a_limit),
        cmocka_unit_test(two_hundred_channels_are_listened_to_again),
        cmocka_unit_test(a_listener_survives_a_restart_and_marks_the_gap),
        cmocka_unit_test(
            a_channel_asked_for_while_the_server_is_down_is_listened_to_later),
        cmocka_unit_test(a_server_that_is_down_gives_no_listener),
        cmocka_unit_test(a_storm_is_heard_in_order),
        cmocka_unit_test(
            what_is_too_much_is_dropped_and_marked_where_it_is_missing),
        cmocka_unit_test(one_fiber_waits_at_a_time),
        cmocka_unit_test(a_pool_may_be_freed_right_after_its_listener),
        cmocka_unit_test(listening_can_be_cancelled_at_any_time),
        cmocka_unit_test(a_peer_that_is_silently_gone_is_noticed),
    };
    return cmocka_run_group_tests(tests, start_tcp_server, stop_server);
}
