/*
 * Commands and replies, against a real server.
 */
#include "redis_test.h"
#include <stdlib.h>
#include <math.h>

/* ---- replies ---- */

REDIS_TEST(every_kind_of_reply_is_told_as_what_it_is)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    int64_t n;
    double d;

    must(db, &r, "SET a %s", "1.5");
    check_int(ed_redis_kind(r), ED_REDIS_STATUS);
    check_text(ed_redis_text(r), "OK");
    must(db, &r, "GET a");
    check_int(ed_redis_kind(r), ED_REDIS_STRING);
    check_int(ed_redis_double(r, &d), 0);
    check(d == 1.5);
    check_int(ed_redis_int(r, &n), ED_EPARSE);
    must(db, &r, "GET nothing");
    check_int(ed_redis_kind(r), ED_REDIS_NIL);
    check_int(ed_redis_int(r, &n), ED_ENOTFOUND);
    check(ed_redis_bytes(r).ptr == NULL);
    check_text(ed_redis_text(r), "");
    must(db, &r, "INCRBY n -9223372036854775808");
    check_int(ed_redis_kind(r), ED_REDIS_INTEGER);
    check_int(ed_redis_int(r, &n), 0);
    check(n == INT64_MIN);
    must(db, &r, "ZADD z inf a");
    must(db, &r, "ZSCORE z a");
    check_int(ed_redis_double(r, &d), 0);
    check(isinf(d));
    ed_redis_free(db);
}

REDIS_TEST(arrays_lie_in_arrays)
{
    ed_redis *db = client();
    ed_redis_reply *r;

    must(db, NULL, "HSET h name Grieg town Bergen");
    must(db, &r, "HGETALL h");
    check_int(ed_redis_count(r), 4);
    check_text(ed_redis_text(ed_redis_field(r, "town")), "Bergen");
    check(ed_redis_field(r, "age") == NULL);
    check(ed_redis_at(r, 4) == NULL);
    must(db, &r, "EVAL %s 0",
         "return {1,{2,{'x',false,{}}},redis.error_reply('ODD one')}");
    const ed_redis_reply *inner = ed_redis_at(ed_redis_at(r, 1), 1);
    check_int(ed_redis_count(inner), 3);
    check_text(ed_redis_text(ed_redis_at(inner, 0)), "x");
    check_int(ed_redis_kind(ed_redis_at(inner, 1)), ED_REDIS_NIL);
    check_int(ed_redis_kind(ed_redis_at(inner, 2)), ED_REDIS_ARRAY);
    check_int(ed_redis_count(ed_redis_at(inner, 2)), 0);
    check(ed_redis_is_error(ed_redis_at(r, 2), "ODD"));
    check(!ed_redis_is_error(ed_redis_at(r, 2), "OD"));
    ed_redis_free(db);
}

REDIS_TEST(bytes_of_all_values_come_back_as_they_were)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    char all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    must(db, NULL, "SET %b %b", all, sizeof(all), all, sizeof(all));
    struct ed_bytes argv[] = {ED_BYTES("GET"), ed_bytes_of(all, sizeof(all))};
    check_int(ed_redis_argv(db, &r, 2, argv), 0);
    check(ed_bytes_equal(ed_redis_bytes(r), argv[1]));
    must(db, NULL, "SET empty %s", "");
    must(db, &r, "GET empty");
    check_int(ed_redis_kind(r), ED_REDIS_STRING);
    check_int(ed_redis_bytes(r).len, 0);
    ed_redis_free(db);
}

REDIS_TEST(a_reply_of_megabytes_comes_whole)
{
    ed_redis *db = client();
    size_t len = 20 * 1024 * 1024;
    char *big = malloc(len);
    ed_redis_reply *r;

    for (size_t i = 0; i < len; i++)
        big[i] = (char)(i * 7 >> 3);
    must(db, NULL, "SET big %b", big, len);
    must(db, &r, "GET big");
    check(ed_bytes_equal(ed_redis_bytes(r), ed_bytes_of(big, len)));
    check(ed_redis_bytes(r).ptr[len] == '\0');
    free(big);
    ed_redis_free(db);
}

REDIS_TEST(a_reply_over_the_limit_is_dropped_and_the_connection_stays)
{
    ed_redis *db = client(.max_reply = 100 * 1000, .connections = 1);
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    must(db, NULL, "SETRANGE big 200000 x");
    check_int(ed_redis_cmd(db, &r, "GET big"), ED_ELIMIT);
    check(r == NULL);
    check_error("GET");
    must(db, &r, "STRLEN big");
    /* One that is not wanted costs nothing. */
    must(db, NULL, "GET big");
    ed_redis_counts(db, &counts);
    check_int(counts.connects, 1);
    ed_redis_free(db);
}

REDIS_TEST(a_reply_larger_than_the_arena_is_dropped_and_the_connection_stays)
{
    ed_redis *db = client(.connections = 1);
    ed_arena *small = ed_arena_new(10 * 1000);
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    must(db, NULL, "SETRANGE big 20000 x");
    must(db, NULL, "EVAL %s 0",
         "for i = 1, 1000 do redis.call('RPUSH', 'l', 'some text') end");
    ed_arena *old = ed_fiber_use_arena(small);
    check_int(ed_redis_cmd(db, &r, "GET big"), ED_ENOMEM);
    check_int(ed_redis_cmd(db, &r, "LRANGE l 0 -1"), ED_ENOMEM);
    ed_fiber_use_arena(old);
    must(db, &r, "LRANGE l 0 -1");
    check_int(ed_redis_count(r), 1000);
    check_text(ed_redis_text(ed_redis_at(r, 999)), "some text");
    ed_redis_counts(db, &counts);
    check_int(counts.connects, 1);
    ed_arena_free(small);
    ed_redis_free(db);
}

/* ---- errors ---- */

REDIS_TEST(an_error_has_the_servers_words_but_no_arguments)
{
    ed_redis *db = client();
    ed_redis_reply *r;

    must(db, NULL, "LPUSH list x");
    check_int(ed_redis_cmd(db, &r, "GET list"), ED_EREDIS);
    check(ed_redis_is_error(r, "WRONGTYPE"));
    check_error("GET: WRONGTYPE");
    check_int(ed_redis_cmd(db, NULL, "INCR list"), ED_EREDIS);
    check_error("INCR: WRONGTYPE");
    check_int(ed_redis_cmd(db, &r, "FROBNICATE secret"), ED_EREDIS);
    check_error("FROBNICATE: ERR unknown command");
    check(strstr(ed_error(), "secret") == NULL);
    ed_redis_free(db);
}

REDIS_TEST(what_a_server_cannot_do_now_is_no_error_of_the_command)
{
    ed_redis *db = client();

    must(db, NULL, "REPLICAOF 127.0.0.1 1");
    check_int(ed_redis_cmd(db, NULL, "SET a b"), ED_EDATABASE);
    check_error("SET: READONLY");
    must(db, NULL, "CONFIG SET replica-serve-stale-data no");
    check_int(ed_redis_cmd(db, NULL, "GET a"), ED_EDATABASE);
    check_error("GET: MASTERDOWN");
    must(db, NULL, "CONFIG SET replica-serve-stale-data yes");
    must(db, NULL, "REPLICAOF NO ONE");
    ed_redis_free(db);
}

REDIS_TEST(formats_that_make_no_sense_are_refused)
{
    ed_redis *db = client();
    ed_redis_reply *r = (ed_redis_reply *)&r;

    check_int(ed_redis_cmd(db, &r, ""), ED_EUSAGE);
    check(r == NULL);
    check_int(ed_redis_cmd(db, NULL, "   "), ED_EUSAGE);
    check_int(ed_redis_cmd(db, NULL, "GET %q"), ED_EUSAGE);
    check_error("%q");
    check_int(ed_redis_cmd(db, NULL, "GET %"), ED_EUSAGE);
    check_int(ed_redis_cmd(db, NULL, "GET %s", (char *)NULL), ED_EUSAGE);
    check_int(ed_redis_argv(db, NULL, 0, NULL), ED_EUSAGE);
    ed_redis_free(db);
}

REDIS_TEST(commands_that_change_a_connection_are_refused)
{
    static const char *const commands[] = {
        "SUBSCRIBE x",
        "psubscribe x",
        "MONITOR",
        "MULTI",
        "EXEC",
        "WATCH a",
        "SELECT 1",
        "AUTH a",
        "HELLO 3",
        "CLIENT REPLY OFF",
        "RESET",
        "QUIT",
        "CLIENT SETNAME x",
        "UNWATCH",
        "SYNC",
    };
    ed_redis *db = client();

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        check_int(ed_redis_cmd(db, NULL, commands[i]), ED_EUSAGE);
    must(db, NULL, "CLIENT ID");
    ed_redis_free(db);
}

/* ---- who one is ---- */

REDIS_TEST(a_user_of_the_url_may_do_what_he_may)
{
    char url[300];
    ed_redis_reply *r;

    redis_server_ask(server, "SET a b");
    snprintf(url, sizeof(url), "redis://reader:tell@127.0.0.1:%d/0",
             redis_server_port(server));
    ed_redis *db = ed_redis_new(.url = url, .name = "tests");
    must(db, &r, "GET a");
    check_text(ed_redis_text(r), "b");
    check_int(ed_redis_cmd(db, &r, "SET a c"), ED_EREDIS);
    check(ed_redis_is_error(r, "NOPERM"));
    ed_redis_free(db);
}

REDIS_TEST(a_wrong_password_is_told_and_not_shown)
{
    char url[300];

    snprintf(url, sizeof(url), "redis://reader:hunter2@127.0.0.1:%d",
             redis_server_port(server));
    ed_redis *db = ed_redis_new(.url = url);
    check_int(ed_redis_cmd(db, NULL, "GET a"), ED_EDATABASE);
    check_error("AUTH: WRONGPASS");
    check(strstr(ed_error(), "hunter2") == NULL);
    check_int(ed_redis_ready(db), ED_EDATABASE);
    ed_redis_free(db);
}

static const char *give_password(void *arg)
{
    (*(int *)arg)++;
    return ed_yield() ? NULL : "tell";
}

REDIS_TEST(a_hook_gives_the_password_of_each_connection)
{
    int asked = 0;
    ed_redis *db = client(.user = "reader", .password_hook = give_password,
                          .password_arg = &asked, .connections = 1);

    must(db, NULL, "GET a");
    check_int(asked, 1);
    ed_redis_free(db);
}

REDIS_TEST(databases_and_names_are_as_asked_for)
{
    char url[300];
    ed_redis_reply *r;

    snprintf(url, sizeof(url), "%s?db=3", server_url());
    ed_redis *db = ed_redis_new(.url = url, .name = "tests-of-eddy");
    must(db, NULL, "SET a b");
    must(db, &r, "CLIENT INFO");
    check(strstr(ed_redis_text(r), " db=3 ") != NULL);
    check(strstr(ed_redis_text(r), " name=tests-of-eddy ") != NULL);
    check_text(redis_server_ask(server, "GET a"), "");
    ed_redis_free(db);
}

/* ---- limits ---- */

REDIS_TEST(a_server_that_is_full_is_told)
{
    ed_redis *db = client();

    redis_server_ask(server, "CONFIG SET maxclients 1");
    ed_redis *first = client(.connections = 1);
    must(first, NULL, "PING");
    check_int(ed_redis_cmd(db, NULL, "PING"), ED_EDATABASE);
    check_error("max number of clients");
    must(first, NULL, "CONFIG SET maxclients 10000");
    check_int(ed_redis_ready(db), 0);
    must(db, NULL, "PING");
    ed_redis_free(first);
    ed_redis_free(db);
}

static int get_slowly(void *arg)
{
    return ed_redis_cmd(arg, NULL, "GET a");
}

REDIS_TEST(too_many_commands_without_an_answer_are_refused)
{
    ed_redis *db = client(.queue = 10, .connections = 1);

    must(db, NULL, "PING");
    {
        ed_scope(s);
        ed_go(s, get_slowly, db);
        for (int i = 0; i < 10; i++)
            ed_go(s, get_slowly, db);
        check_int(ed_wait(s), ED_EOVERLOAD);
    }
    ed_sleep(10 * ED_MS);
    must(db, NULL, "PING");
    ed_redis_free(db);
}

static int ping_in_vain(void *arg)
{
    return ed_redis_cmd(arg, NULL, "PING");
}

REDIS_TEST(a_slow_server_costs_its_callers_their_deadline_and_no_more)
{
    ed_redis *db = client(.connections = 1);
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    must(db, NULL, "PING");
    hold_server();
    for (int i = 0; i < 2; i++)
        check_int(ed_with_timeout(20 * ED_MS, ping_in_vain, db), ED_ETIMEOUT);
    ed_redis_counts(db, &counts);
    check_int(counts.under_way, 2);
    let_server_go();
    must(db, &r, "ECHO mine");
    check_text(ed_redis_text(r), "mine");
    ed_redis_counts(db, &counts);
    check_int(counts.dropped, 2);
    check_int(counts.connects, 1);
    ed_redis_free(db);
}

/* How many writes fifty commands took. */
static uint64_t writes_of_fifty(ed_redis *db)
{
    struct ed_redis_counts before, after;

    ed_redis_counts(db, &before);
    {
        ed_scope(s);
        for (int i = 0; i < 50; i++)
            ed_go(s, ping_in_vain, db);
        check_int(ed_wait(s), 0);
    }
    ed_redis_counts(db, &after);
    check_int(after.commands - before.commands, 50);
    return after.writes - before.writes;
}

/* Where others have the processor for long a turn ends early: then once more.
 */
REDIS_TEST(commands_of_one_turn_go_out_together)
{
    ed_redis *db = client(.connections = 1);
    uint64_t writes = 0;

    must(db, NULL, "PING");
    for (int tries = 0; tries < 100 && writes != 1; tries++)
        writes = writes_of_fifty(db);
    check_int(writes, 1);
    ed_redis_free(db);
}

static bool big_is_there;

static int get_big(void *arg)
{
    int err = ed_redis_cmd(arg, NULL, "GET big");

    big_is_there = true;
    return err;
}

REDIS_TEST(a_large_reply_delays_nobody_else)
{
    ed_redis *db = client();
    unsigned meanwhile = 0;

    check_int(ed_redis_ready(db), 0);
    must(db, NULL, "SETRANGE big %d x", 100 * 1000 * 1000);
    /* A command that is sent before the first of the reply has come stands
     * behind it, so that it takes some attempts. */
    for (int i = 0; i < 20 && meanwhile <= 2; i++) {
        big_is_there = false;
        meanwhile = 0;
        ed_scope(s);
        ed_go(s, get_big, db);
        must(db, NULL, "PING");
        for (; !big_is_there; meanwhile++)
            must(db, NULL, "PING");
        check_int(ed_wait(s), 0);
    }
    check(meanwhile > 2);
    ed_redis_free(db);
}

/* ---- life ---- */

static ed_redis *shared;

static int use_shared(void *arg)
{
    (void)arg;
    return ed_redis_cmd(shared, NULL, "PING");
}

static void a_client_may_outlive_the_loop_that_used_it(void **state)
{
    (void)state;
    shared = client();
    assert_int_equal(ed_run(use_shared, NULL), 0);
    assert_int_equal(ed_run(use_shared, NULL), 0);
    ed_redis_free(shared);
    shared = client();
    assert_int_equal(ed_redis_cmd(shared, NULL, "PING"), ED_EUSAGE);
    ed_redis_free(shared);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(every_kind_of_reply_is_told_as_what_it_is),
        cmocka_unit_test(arrays_lie_in_arrays),
        cmocka_unit_test(bytes_of_all_values_come_back_as_they_were),
        cmocka_unit_test(a_reply_of_megabytes_comes_whole),
        cmocka_unit_test(
            a_reply_over_the_limit_is_dropped_and_the_connection_stays),
        cmocka_unit_test(
            a_reply_larger_than_the_arena_is_dropped_and_the_connection_stays),
        cmocka_unit_test(an_error_has_the_servers_words_but_no_arguments),
        cmocka_unit_test(
            what_a_server_cannot_do_now_is_no_error_of_the_command),
        cmocka_unit_test(formats_that_make_no_sense_are_refused),
        cmocka_unit_test(commands_that_change_a_connection_are_refused),
        cmocka_unit_test(a_user_of_the_url_may_do_what_he_may),
        cmocka_unit_test(a_wrong_password_is_told_and_not_shown),
        cmocka_unit_test(a_hook_gives_the_password_of_each_connection),
        cmocka_unit_test(databases_and_names_are_as_asked_for),
        cmocka_unit_test(a_server_that_is_full_is_told),
        cmocka_unit_test(too_many_commands_without_an_answer_are_refused),
        cmocka_unit_test(
            a_slow_server_costs_its_callers_their_deadline_and_no_more),
        cmocka_unit_test(commands_of_one_turn_go_out_together),
        cmocka_unit_test(a_large_reply_delays_nobody_else),
        cmocka_unit_test(a_client_may_outlive_the_loop_that_used_it));
}
