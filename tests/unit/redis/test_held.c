/*
 * What needs a connection of its own, or several commands in a row: blocking
 * commands, sessions, transactions, scripts.
 */
#include "redis_test.h"

/* ---- blocking commands ---- */

REDIS_TEST(a_blocking_command_waits_for_its_element)
{
    ed_redis *db = client(.connections = 1);
    ed_redis_reply *r;

    must(db, NULL, "RPUSH list one");
    must(db, &r, "BLPOP list 0");
    check_text(ed_redis_text(ed_redis_at(r, 1)), "one");
    must(db, &r, "BLPOP list 0.01");
    check_int(ed_redis_kind(r), ED_REDIS_NIL);
    ed_redis_free(db);
}

static int pop(void *arg)
{
    return ed_redis_cmd(arg, NULL, "BLPOP list 0");
}

REDIS_TEST(a_blocking_command_keeps_no_one_from_going_on)
{
    ed_redis *db = client(.connections = 1);
    ed_scope(s);

    ed_go(s, pop, db);
    ed_sleep(20 * ED_MS);
    must(db, NULL, "PING");
    must(db, NULL, "RPUSH list one");
    check_int(ed_wait(s), 0);
    ed_redis_free(db);
}

REDIS_TEST(a_blocking_command_is_given_up_with_its_caller)
{
    ed_redis *db = client();
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    check_int(ed_with_timeout(30 * ED_MS, pop, db), ED_ETIMEOUT);
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    ed_sleep(20 * ED_MS); /* for the server to see it */
    must(db, NULL, "RPUSH list mine");
    must(db, &r, "LLEN list");
    int64_t n = 0;
    check_int(ed_redis_int(r, &n), 0);
    check_int(n, 1);
    ed_redis_free(db);
}

REDIS_TEST(connections_of_blocking_commands_are_bounded_and_used_again)
{
    ed_redis *db = client(.held = 2, .connections = 1);
    struct ed_redis_counts counts;

    {
        ed_scope(s);
        for (int i = 0; i < 5; i++)
            ed_go(s, pop, db);
        eventually((ed_redis_counts(db, &counts),
                    counts.held == 2 && counts.waiting == 3));
        must(db, NULL, "RPUSH list 1 2 3 4 5");
        check_int(ed_wait(s), 0);
    }
    ed_redis_counts(db, &counts);
    check_int(counts.held, 2);
    check_int(counts.held_idle, 2);
    check_int(counts.connects, 3);
    ed_redis_free(db);
}

REDIS_TEST(connections_nobody_holds_are_closed_in_time)
{
    ed_redis *db = client(.idle_time = 30 * ED_MS);
    struct ed_redis_counts counts;

    must(db, NULL, "RPUSH list 1");
    must(db, NULL, "BLPOP list 0");
    ed_redis_counts(db, &counts);
    check_int(counts.held_idle, 1);
    ed_sleep(80 * ED_MS);
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    ed_redis_free(db);
}

REDIS_TEST(a_stream_is_read_on_a_shared_connection_unless_it_blocks)
{
    ed_redis *db = client();
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    must(db, NULL, "XADD s 1-1 a b");
    must(db, &r, "XREAD STREAMS s 0");
    check_int(ed_redis_count(r), 1);
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    must(db, &r, "XREAD BLOCK 10 STREAMS s $");
    check_int(ed_redis_kind(r), ED_REDIS_NIL);
    ed_redis_counts(db, &counts);
    check_int(counts.held, 1);
    ed_redis_free(db);
}

/* ---- transactions ---- */

REDIS_TEST(a_transaction_gives_the_replies_of_its_commands)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    ed_redis_multi(tx, db);

    must(tx, &r, "SET a %d", 1);
    check(r == NULL);
    must(tx, NULL, "INCR a");
    check_text(redis_server_ask(server, "EXISTS a"), "0");
    check_int(ed_redis_exec(tx, &r), 0);
    check_int(ed_redis_count(r), 2);
    check_text(ed_redis_text(ed_redis_at(r, 0)), "OK");
    int64_t n = 0;
    check_int(ed_redis_int(ed_redis_at(r, 1), &n), 0);
    check_int(n, 2);
    check_int(ed_redis_exec(tx, &r), ED_EUSAGE);
    check_int(ed_redis_cmd(tx, NULL, "GET a"), ED_EUSAGE);
    ed_redis_leave_(&tx); /* twice is fine */
    ed_redis_free(db);
}

REDIS_TEST(errors_within_a_transaction_are_values)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    ed_redis_multi(tx, db);

    must(tx, NULL, "SET a text");
    must(tx, NULL, "INCR a");
    must(tx, NULL, "SET b done");
    check_int(ed_redis_exec(tx, &r), 0);
    check(ed_redis_is_error(ed_redis_at(r, 1), "ERR"));
    check_text(redis_server_ask(server, "GET b"), "done");
    ed_redis_free(db);
}

REDIS_TEST(a_transaction_with_an_impossible_command_does_nothing)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    ed_redis_multi(tx, db);

    must(tx, NULL, "SET a 1");
    must(tx, NULL, "INCR");
    check_int(ed_redis_exec(tx, &r), ED_EREDIS);
    check_error("wrong number of arguments");
    check(r == NULL);
    check_text(redis_server_ask(server, "EXISTS a"), "0");
    ed_redis_free(db);
}

REDIS_TEST(a_transaction_that_is_left_does_nothing)
{
    ed_redis *db = client();
    ed_redis_reply *r;

    {
        ed_redis_multi(tx, db);
        must(tx, NULL, "SET a 1");
    }
    {
        ed_redis_multi(empty, db);
        check_int(ed_redis_exec(empty, &r), 0);
        check_int(ed_redis_kind(r), ED_REDIS_ARRAY);
        check_int(ed_redis_count(r), 0);
    }
    check_text(redis_server_ask(server, "EXISTS a"), "0");
    ed_redis_free(db);
}

static int add_pair(void *arg)
{
    ed_redis_multi(tx, arg);
    int err = ed_redis_cmd(tx, NULL, "RPUSH log in");

    if (!err)
        err = ed_redis_cmd(tx, NULL, "RPUSH log out");
    return err ? err : ed_redis_exec(tx, NULL);
}

REDIS_TEST(transactions_of_many_fibers_do_not_mix)
{
    ed_redis *db = client(.connections = 2);
    ed_redis_reply *r;

    {
        ed_scope(s);
        for (int i = 0; i < 100; i++)
            ed_go(s, add_pair, db);
        check_int(ed_wait(s), 0);
    }
    must(db, &r, "LRANGE log 0 -1");
    check_int(ed_redis_count(r), 200);
    for (size_t i = 0; i < ed_redis_count(r); i++)
        check_text(ed_redis_text(ed_redis_at(r, i)), i % 2 ? "out" : "in");
    ed_redis_free(db);
}

/* ---- sessions ---- */

/* Raises a number by check-and-set, as another does it in between. */
static int raise_number(ed_redis *db, bool disturbed)
{
    ed_redis_reply *r;
    int64_t n = 0;
    ed_redis_session(s, db);

    must(s, NULL, "WATCH n");
    must(s, &r, "GET n");
    check_int(ed_redis_int(r, &n), 0);
    if (disturbed)
        must(db, NULL, "INCR n");
    ed_redis_multi(tx, s);
    must(tx, NULL, "SET n %lld", (long long)n + 1);
    return ed_redis_exec(tx, NULL);
}

REDIS_TEST(a_watched_key_that_changed_stops_the_transaction)
{
    ed_redis *db = client();

    must(db, NULL, "SET n 1");
    check_int(raise_number(db, true), ED_ESERIAL);
    check_text(redis_server_ask(server, "GET n"), "2");
    check_int(raise_number(db, false), 0);
    check_text(redis_server_ask(server, "GET n"), "3");
    ed_redis_free(db);
}

REDIS_TEST(a_session_gives_its_connection_back_unwatched)
{
    ed_redis *db = client();
    struct ed_redis_counts counts;

    {
        ed_redis_session(s, db);
        must(s, NULL, "WATCH n");
    }
    must(db, NULL, "INCR n");
    {
        ed_redis_session(s, db);
        ed_redis_multi(tx, s);
        must(tx, NULL, "SET n 7");
        check_int(ed_redis_exec(tx, NULL), 0);
    }
    ed_redis_counts(db, &counts);
    check_int(counts.held, 1);
    check_int(counts.held_idle, 1);
    ed_redis_free(db);
}

REDIS_TEST(a_session_that_changed_its_connection_closes_it)
{
    ed_redis *db = client();
    struct ed_redis_counts counts;
    ed_redis_reply *r;

    {
        ed_redis_session(s, db);
        must(s, NULL, "SELECT 1");
        must(s, NULL, "SET a 1");
        must(s, &r, "CLIENT INFO");
        check(strstr(ed_redis_text(r), " db=1 ") != NULL);
    }
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    ed_redis_free(db);
}

REDIS_TEST(a_session_ends_with_its_connection)
{
    ed_redis *db = client();
    ed_redis_reply *r;
    int64_t id = 0;
    ed_redis_session(s, db);

    must(s, &r, "CLIENT ID");
    check_int(ed_redis_int(r, &id), 0);
    must(db, NULL, "CLIENT KILL ID %lld", (long long)id);
    ed_sleep(20 * ED_MS);
    check_int(ed_redis_cmd(s, NULL, "PING"), ED_EDATABASE);
    ed_redis_leave_(&s);
    {
        ed_redis_session(again, db);
        must(again, NULL, "PING");
    }
    ed_redis_free(db);
}

REDIS_TEST(a_transaction_within_a_transaction_is_refused)
{
    ed_redis *db = client();
    ed_redis_reply *reply;

    {
        ed_redis_multi(outer, db);
        must(outer, NULL, "SET outer 1");
        ed_redis_multi(inner, outer);
        must(inner, NULL, "SET inner 1");
        check_int(ed_redis_exec(inner, &reply), ED_EUSAGE);
        check_error("within another");
        check_int(ed_redis_exec(outer, &reply), 0);
        check_int(ed_redis_count(reply), 1);
    }
    check_text(redis_server_ask(server, "EXISTS inner"), "0");
    ed_redis_free(db);
}

REDIS_TEST(a_session_within_a_session_is_refused)
{
    ed_redis *db = client();
    ed_redis_session(s, db);
    ed_redis_session(inner, s);

    check_int(ed_redis_cmd(inner, NULL, "PING"), ED_EUSAGE);
    check_int(ed_redis_cmd(s, NULL, "SUBSCRIBE a"), ED_EUSAGE);
    ed_redis_free(db);
}

/* ---- scripts ---- */

static struct ed_redis_script sum = {
    .text = "return redis.call('INCRBY', KEYS[1], ARGV[1])",
};
static struct ed_redis_script look = {
    .text = "return redis.call('GET', KEYS[1])",
    .read_only = true,
};

REDIS_TEST(a_script_is_sent_once_and_then_by_its_digest)
{
    ed_redis *db = client();
    struct ed_bytes argv[] = {ED_BYTES("n"), ED_BYTES("5")};
    ed_redis_reply *r;
    int64_t n = 0;

    redis_server_ask(server, "SCRIPT FLUSH");
    redis_server_ask(server, "CONFIG RESETSTAT");
    for (int i = 0; i < 3; i++) {
        check_int(ed_redis_eval(db, &r, &sum, 1, 2, argv), 0);
        check_int(ed_redis_int(r, &n), 0);
    }
    check_int(n, 15);
    check(strstr(redis_server_ask(server, "INFO commandstats"),
                 "cmdstat_eval:calls=1,") != NULL);
    redis_server_ask(server, "SCRIPT FLUSH");
    check_int(ed_redis_eval(db, NULL, &sum, 1, 2, argv), 0);
    check_int(ed_redis_eval(db, &r, &look, 1, 1, argv), 0);
    check_text(ed_redis_text(r), "20");
    check_int(ed_redis_eval(db, &r, &look, 2, 1, argv), ED_EUSAGE);
    ed_redis_free(db);
}

REDIS_TEST(a_script_in_a_transaction_needs_not_be_known)
{
    ed_redis *db = client();
    struct ed_bytes argv[] = {ED_BYTES("n"), ED_BYTES("5")};
    ed_redis_reply *r;
    ed_redis_multi(tx, db);

    redis_server_ask(server, "SCRIPT FLUSH");
    check_int(ed_redis_eval(tx, NULL, &sum, 1, 2, argv), 0);
    check_int(ed_redis_exec(tx, &r), 0);
    check_int(ed_redis_kind(ed_redis_at(r, 0)), ED_REDIS_INTEGER);
    ed_redis_free(db);
}

REDIS_TEST(connections_to_a_server_made_a_replica_are_not_kept)
{
    ed_redis *db = client();
    struct ed_redis_counts counts;

    must(db, NULL, "BLPOP none 0.01");
    ed_sleep(1100 * ED_MS); /* a young one may well be to the right server */
    redis_server_ask(server, "REPLICAOF 127.0.0.1 1");
    check_int(ed_redis_cmd(db, NULL, "BLPOP none 0.01"), ED_EDATABASE);
    check_error("READONLY");
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    redis_server_ask(server, "REPLICAOF NO ONE");
    must(db, NULL, "BLPOP none 0.01");
    {
        ed_redis_session(s, db);
        ed_sleep(1100 * ED_MS);
        must(s, NULL, "GET a");
        redis_server_ask(server, "REPLICAOF 127.0.0.1 1");
        check_int(ed_redis_cmd(s, NULL, "SET a b"), ED_EDATABASE);
        redis_server_ask(server, "REPLICAOF NO ONE");
    }
    ed_redis_counts(db, &counts);
    check_int(counts.held, 0);
    ed_redis_free(db);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(a_blocking_command_waits_for_its_element),
        cmocka_unit_test(a_blocking_command_keeps_no_one_from_going_on),
        cmocka_unit_test(a_blocking_command_is_given_up_with_its_caller),
        cmocka_unit_test(
            connections_of_blocking_commands_are_bounded_and_used_again),
        cmocka_unit_test(connections_nobody_holds_are_closed_in_time),
        cmocka_unit_test(
            a_stream_is_read_on_a_shared_connection_unless_it_blocks),
        cmocka_unit_test(a_transaction_gives_the_replies_of_its_commands),
        cmocka_unit_test(errors_within_a_transaction_are_values),
        cmocka_unit_test(a_transaction_with_an_impossible_command_does_nothing),
        cmocka_unit_test(a_transaction_that_is_left_does_nothing),
        cmocka_unit_test(transactions_of_many_fibers_do_not_mix),
        cmocka_unit_test(a_watched_key_that_changed_stops_the_transaction),
        cmocka_unit_test(a_session_gives_its_connection_back_unwatched),
        cmocka_unit_test(a_session_that_changed_its_connection_closes_it),
        cmocka_unit_test(a_session_ends_with_its_connection),
        cmocka_unit_test(a_transaction_within_a_transaction_is_refused),
        cmocka_unit_test(a_session_within_a_session_is_refused),
        cmocka_unit_test(a_script_is_sent_once_and_then_by_its_digest),
        cmocka_unit_test(a_script_in_a_transaction_needs_not_be_known),
        cmocka_unit_test(connections_to_a_server_made_a_replica_are_not_kept));
}
