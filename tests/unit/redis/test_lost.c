/*
 * Connections that break: what is known of the commands on them, and how one
 * gets back. Most servers here are a fiber that follows a script.
 */
#include "redis_test.h"
#include "certs.h"
#include <eddy/stream.h>
#include <eddy/tls.h>
#include <stdlib.h>

/* ---- a server that does as it is told ---- */

/* What one connection does: waits for so many commands (PINGs of introductions
 * are answered, and not counted), says something, and closes. */
struct act {
    unsigned commands;
    const char *says;
};

struct stage {
    ed_listener *listener;
    char url[ED_ADDR_TEXT + 16];
    const struct act *acts;
    unsigned connections; /* so far */
    unsigned commands;
};

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what))) {
        n++;
        text += strlen(what);
    }
    return n;
}

static int play(ed_stream *s, void *arg)
{
    struct stage *stage = arg;
    const struct act *act = &stage->acts[stage->connections++];
    unsigned seen = 0;
    char text[65536];

    while (seen < act->commands) {
        ssize_t n = ed_stream_read(s, text, sizeof(text) - 1);
        if (n <= 0)
            return 0;
        text[n] = '\0';
        if (strstr(text, "PING") && ed_stream_printf(s, "+PONG\r\n"))
            return 0;
        seen += count(text, "$3\r\nGET") + count(text, "$4\r\nINCR");
    }
    stage->commands += seen;
    if (!act->says) /* says nothing, and stays */
        return ed_sleep(10 * ED_S);
    return ed_stream_write(s, act->says, strlen(act->says));
}

static int serve(void *arg)
{
    struct stage *stage = arg;

    return ed_accept_each(stage->listener, play, stage, 0);
}

static void open_stage(struct stage *stage, const struct act *acts)
{
    char address[ED_ADDR_TEXT];

    *stage = (struct stage){.acts = acts};
    check_int(ed_listen(&stage->listener, "127.0.0.1:0"), 0);
    ed_listener_local(stage->listener, address);
    snprintf(stage->url, sizeof(stage->url), "redis://%s", address);
}

#define STAGE(...)                                         \
    struct stage stage;                                    \
    open_stage(&stage, (const struct act[]){__VA_ARGS__}); \
    ed_scope(theatre, .independent = true);                \
    ed_go(theatre, serve, &stage);                         \
    ed_redis *db = ed_redis_new(.url = stage.url, .connections = 1)

#define END_STAGE()          \
    ed_redis_free(db);       \
    ed_cancel(theatre);      \
    (void)!ed_wait(theatre); \
    ed_listener_close(stage.listener)

/* ---- what is known of a command ---- */

REDIS_TEST(a_command_that_changes_nothing_is_sent_again)
{
    STAGE({1, ""}, {1, "$2\r\nhi\r\n"});
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    must(db, &r, "GET a");
    check_text(ed_redis_text(r), "hi");
    ed_redis_counts(db, &counts);
    check_int(counts.resent, 1);
    END_STAGE();
}

REDIS_TEST(but_only_once)
{
    STAGE({1, ""}, {1, ""}, {1, "+no\r\n"});

    check_int(ed_redis_cmd(db, NULL, "GET a"), ED_EDATABASE);
    check_error("GET: connection lost");
    check_int(stage.commands, 2);
    END_STAGE();
}

REDIS_TEST(a_command_that_may_have_been_done_is_told_to_be_uncertain)
{
    STAGE({1, ""}, {1, ":2\r\n"});

    check_int(ed_redis_cmd(db, NULL, "INCR a"), ED_EUNCERTAIN);
    check_error("INCR: connection lost: closed by the server");
    check_int(stage.commands, 1);
    END_STAGE();
}

REDIS_TEST(one_that_is_declared_to_bear_it_is_sent_again)
{
    STAGE({1, ""}, {1, ":2\r\n"});
    ed_redis_reply *r;

    check_int(ed_redis_cmd_with(db, &r, ED_REDIS_CALL(.idempotent = true),
                                "INCR %s", "a"),
              0);
    check_int(ed_redis_kind(r), ED_REDIS_INTEGER);
    END_STAGE();
}

REDIS_TEST(a_reply_cut_in_the_middle_is_no_reply)
{
    STAGE({1, "*2\r\n$5\r\nhel"}, {1, "*2\r\n+a\r\n+b\r\n"});
    ed_redis_reply *r;

    must(db, &r, "GET a");
    check_int(ed_redis_count(r), 2);
    END_STAGE();
}

REDIS_TEST(what_is_no_reply_closes_the_connection)
{
    STAGE({1, "HTTP/1.1 400 Bad Request\r\n\r\n"}, {1, ":1\r\n"});

    check_int(ed_redis_cmd(db, NULL, "INCR a"), ED_EUNCERTAIN);
    check_error("Protocol error");
    must(db, NULL, "INCR a");
    END_STAGE();
}

REDIS_TEST(a_reply_nobody_asked_for_closes_the_connection)
{
    STAGE({1, ":1\r\n-ERR good-bye\r\n"}, {1, ":2\r\n"});

    must(db, NULL, "INCR a");
    ed_sleep(5 * ED_MS);
    must(db, NULL, "INCR a");
    check_int(stage.connections, 2);
    END_STAGE();
}

static int get(void *db)
{
    return ed_redis_cmd(db, NULL, "GET a");
}

/* Whether it is for another, which answers within `patience` if the machine
 * lets it. */
static bool silence_is_left(int64_t patience)
{
    struct stage stage;
    open_stage(&stage, (const struct act[]){{1, NULL}, {1, "+a\r\n"}});
    ed_scope(theatre, .independent = true);
    ed_go(theatre, serve, &stage);
    ed_redis *db = ed_redis_new(.url = stage.url, .connections = 1,
                                .reply_timeout = patience);
    struct ed_redis_counts counts;

    int err = ed_redis_cmd(db, NULL, "GET a");
    ed_redis_counts(db, &counts);
    check_int(counts.resent, 1);
    END_STAGE();
    return !err;
}

REDIS_TEST(a_server_that_says_nothing_is_left)
{
    check(silence_is_left(50 * ED_MS) || silence_is_left(2 * ED_S));
}

REDIS_TEST(a_server_that_does_not_introduce_itself_is_not_waited_for)
{
    struct stage stage;
    open_stage(&stage, NULL);
    ed_redis *db =
        ed_redis_new(.url = stage.url, .connect_timeout = 50 * ED_MS);

    check_int(ed_redis_cmd(db, NULL, "GET a"), ED_EDATABASE);
    check_error("no answer in time");
    ed_redis_free(db);
    ed_listener_close(stage.listener);
}

REDIS_TEST(who_waits_for_a_connection_has_a_deadline)
{
    struct stage stage;
    open_stage(&stage, NULL);
    ed_redis *db = ed_redis_new(.url = stage.url);

    check_int(ed_with_timeout(20 * ED_MS, get, db), ED_ETIMEOUT);
    ed_redis_free(db);
    ed_listener_close(stage.listener);
}

REDIS_TEST(what_the_server_does_not_take_is_bounded_and_not_lost)
{
    struct stage stage;
    open_stage(&stage, (const struct act[]){{1, NULL}, {1, "+a\r\n"}});
    ed_scope(theatre, .independent = true);
    ed_go(theatre, serve, &stage);
    ed_redis *db = ed_redis_new(.url = stage.url, .connections = 1,
                                .max_unsent = 1000 * 1000);
    size_t len = 16 * 1000 * 1000;
    char *big = calloc(1, len);
    int err = 0;

    /* The first makes it stop reading. */
    check_int(ed_with_timeout(20 * ED_MS, get, db), ED_ETIMEOUT);
    {
        ed_scope(s, .within = 20 * ED_MS);
        (void)s;
        check_int(ed_redis_cmd(db, NULL, "SET a %b", big, len), ED_ETIMEOUT);
    }
    err = ed_redis_cmd(db, NULL, "SET a %b", big, len);
    check_int(err, ED_EOVERLOAD);
    check_error("bytes");
    free(big);
    END_STAGE();
}

/* ---- being down and up again ---- */

REDIS_TEST(while_the_server_is_down_commands_fail_at_once)
{
    ed_redis *db = client(.max_backoff = 100 * ED_MS);
    struct ed_redis_counts counts;

    must(db, NULL, "PING");
    redis_server_kill(server);
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    ed_sleep(120 * ED_MS);
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    check_error("refused");
    int64_t began = ed_clock_monotonic();
    for (int i = 0; i < 100; i++)
        check_int(ed_redis_cmd(db, NULL, "GET a"), ED_EDATABASE);
    /* A hundred pauses between attempts would take longer. */
    check(ed_clock_monotonic() - began < 5 * ED_S);
    redis_server_restart(server);
    check_int(ed_redis_ready(db), 0);
    must(db, NULL, "PING");
    ed_redis_counts(db, &counts);
    check(counts.failed_connects > 0);
    check(counts.lost > 0);
    ed_redis_free(db);
}

static bool stop_asking;

static int ask_all_the_time(void *db)
{
    while (!stop_asking) {
        int err = ed_redis_cmd(db, NULL, "INCR n");
        if (err && err != ED_EDATABASE && err != ED_EUNCERTAIN)
            return err;
        if (err && ed_sleep(5 * ED_MS))
            return ED_ECANCELED;
    }
    return 0;
}

REDIS_TEST(a_server_killed_under_load_is_found_again)
{
    ed_redis *db = client(.max_backoff = 20 * ED_MS);
    struct ed_redis_counts counts;

    stop_asking = false;
    {
        ed_scope(s);
        for (int i = 0; i < 50; i++)
            ed_go(s, ask_all_the_time, db);
        for (int i = 0; i < 3; i++) {
            ed_sleep(30 * ED_MS);
            redis_server_kill(server);
            ed_sleep(30 * ED_MS);
            redis_server_restart(server);
        }
        check_int(ed_redis_ready(db), 0);
        ed_sleep(30 * ED_MS);
        stop_asking = true;
        check_int(ed_wait(s), 0);
    }
    must(db, NULL, "PING");
    ed_redis_counts(db, &counts);
    check_int(counts.under_way, 0);
    check_int(counts.waiting, 0);
    ed_redis_free(db);
}

REDIS_TEST(a_client_freed_while_it_connects_leaves_nothing)
{
    struct stage stage;
    open_stage(&stage, NULL);
    ed_redis *db = ed_redis_new(.url = stage.url);

    check_int(ed_with_timeout(5 * ED_MS, get, db), ED_ETIMEOUT);
    ed_redis_free(db);
    db = ed_redis_new(.url = stage.url);
    ed_redis_free(db);
    ed_listener_close(stage.listener);
}

static int greet_and_leave(ed_stream *s, void *arg)
{
    unsigned *visits = arg;
    char text[200];

    ++*visits;
    if (ed_stream_read(s, text, sizeof text) <= 0)
        return 0;
    int err = ed_stream_printf(s, "+PONG\r\n");
    return err ? err : ed_sleep(2 * ED_MS);
}

struct door {
    ed_listener *listener;
    unsigned visits;
};

static int open_door(void *arg)
{
    struct door *door = arg;

    return ed_accept_each(door->listener, greet_and_leave, &door->visits, 0);
}

REDIS_TEST(a_server_that_always_leaves_is_visited_with_pauses)
{
    struct door door = {0};
    char address[ED_ADDR_TEXT], url[ED_ADDR_TEXT + 16];

    check_int(ed_listen(&door.listener, "127.0.0.1:0"), 0);
    ed_listener_local(door.listener, address);
    snprintf(url, sizeof url, "redis://%s", address);
    ed_scope(s, .independent = true);
    ed_go(s, open_door, &door);
    ed_redis *db = ed_redis_new(.url = url, .connections = 1);
    check_int(ed_redis_ready(db), 0);
    ed_sleep(500 * ED_MS);
    check_(door.visits > 2 && door.visits < 12, "%u visits", door.visits);
    ed_redis_free(db);
    ed_cancel(s);
    (void)!ed_wait(s);
    ed_listener_close(door.listener);
}

/* ---- TLS ---- */

REDIS_TEST(commands_go_over_tls_to_who_proves_to_be_it)
{
    char tls_port[300], url[300];
    ed_redis_reply *r;
    ed_tls *trust;

    certs_open();
    certs_make(.file = "site", .names = "localhost");
    char cert[300], key[300], ca[300];
    snprintf(cert, sizeof(cert), "tls-cert-file %s", certs_path("site.pem"));
    snprintf(key, sizeof(key), "tls-key-file %s", certs_path("site.key"));
    snprintf(ca, sizeof(ca), "tls-ca-cert-file %s", certs_path("ca.pem"));
    snprintf(tls_port, sizeof(tls_port), "tls-port 1");
    struct redis_server *safe = redis_server_start(
        (const char *[]){tls_port, cert, key, ca, "tls-auth-clients no", NULL});
    check_int(ed_tls_client(&trust, .ca = certs_path("ca.pem")), 0);

    snprintf(url, sizeof(url), "rediss://localhost:%d",
             redis_server_tls_port(safe));
    ed_redis *db = ed_redis_new(.url = url, .tls = trust);
    size_t len = 3 * 1000 * 1000;
    char *big = calloc(1, len);
    must(db, NULL, "SET a %b", big, len);
    must(db, &r, "GET a");
    check_int(ed_redis_bytes(r).len, len);
    free(big);
    ed_redis_free(db);

    db = ed_redis_new(.url = url);
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    check_error("not trusted");
    ed_redis_free(db);

    db = ed_redis_new(.url = url, .tls = trust, .server_name = "other.org");
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    check_error("other.org");
    ed_redis_free(db);

    snprintf(url, sizeof(url), "rediss://127.0.0.1:%d",
             redis_server_port(safe));
    db = ed_redis_new(.url = url, .tls = trust, .connect_timeout = 50 * ED_MS);
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    ed_redis_free(db);
    ed_tls_free(trust);
    redis_server_stop(safe);
    certs_close();
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(a_command_that_changes_nothing_is_sent_again),
        cmocka_unit_test(but_only_once),
        cmocka_unit_test(
            a_command_that_may_have_been_done_is_told_to_be_uncertain),
        cmocka_unit_test(one_that_is_declared_to_bear_it_is_sent_again),
        cmocka_unit_test(a_reply_cut_in_the_middle_is_no_reply),
        cmocka_unit_test(what_is_no_reply_closes_the_connection),
        cmocka_unit_test(a_reply_nobody_asked_for_closes_the_connection),
        cmocka_unit_test(a_server_that_says_nothing_is_left),
        cmocka_unit_test(
            a_server_that_does_not_introduce_itself_is_not_waited_for),
        cmocka_unit_test(who_waits_for_a_connection_has_a_deadline),
        cmocka_unit_test(what_the_server_does_not_take_is_bounded_and_not_lost),
        cmocka_unit_test(while_the_server_is_down_commands_fail_at_once),
        cmocka_unit_test(a_server_killed_under_load_is_found_again),
        cmocka_unit_test(a_client_freed_while_it_connects_leaves_nothing),
        cmocka_unit_test(a_server_that_always_leaves_is_visited_with_pauses),
        cmocka_unit_test(commands_go_over_tls_to_who_proves_to_be_it));
}
