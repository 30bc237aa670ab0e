/*
 * A cluster as one place, against a real one of three masters, while its slots
 * move and its nodes die.
 */
#include "redis_test.h"
#include "redis/slot.h"
#include <eddy/log.h>
#include <eddy/redis_pubsub.h>
#include <stdlib.h>

enum { MASTERS = 3, NODES = 6 };

static struct redis_server *nodes[NODES];

static int start_cluster(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        nodes[i] = redis_server_start(
            (const char *[]){"cluster-enabled yes", "cluster-node-timeout 1000",
                             "cluster-replica-validity-factor 0",
                             "requirepass secret", "masterauth secret", NULL});
    redis_server_cluster(nodes, NODES, MASTERS);
    server = nodes[0];
    return 0;
}

static int stop_cluster(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        redis_server_stop(nodes[i]);
    return 0;
}

static ed_redis *cluster_client(void)
{
    char url[128];

    /* The first names a port where nobody listens. */
    snprintf(url, sizeof url,
             "redis+cluster://:secret@127.0.0.1:1,127.0.0.1:%d",
             redis_server_port(nodes[1]));
    return ed_redis_new(.url = url);
}

static const char *ask(int node, const char *fmt, ...)
{
    char command[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof command, fmt, args);
    va_end(args);
    return redis_server_ask(nodes[node], command);
}

/* The node that is the master of a slot, as the first living one sees it. */
static int owner_of(unsigned slot)
{
    for (int i = 0; i < NODES; i++) {
        if (redis_server_pid(nodes[i]) && strstr(ask(i, "ROLE"), "master") &&
            (int)strtol(ask(i, "CLUSTER COUNTKEYSINSLOT %u", slot), NULL, 10) >
                0)
            return i;
    }
    return -1;
}

REDIS_TEST(keys_go_to_the_nodes_that_have_their_slots)
{
    ed_redis *db = cluster_client();
    ed_redis_reply *reply;

    for (int i = 0; i < 200; i++)
        must(db, NULL, "SET key:%d %d", i, i);
    for (int i = 0; i < 200; i++) {
        int64_t n = -1;
        must(db, &reply, "GET key:%d", i);
        check_int(ed_redis_int(reply, &n), 0);
        check_int(n, i);
    }
    for (int i = 0; i < MASTERS; i++)
        check((int)strtol(ask(i, "DBSIZE"), NULL, 10) > 20);
    must(db, &reply, "PING");
    check_text(ed_redis_text(reply), "PONG");
    check_int(ed_redis_cmd(db, &reply, "MGET key:1 key:2"), ED_EREDIS);
    check_error("CROSSSLOT");
    must(db, NULL, "MSET {a}1 x {a}2 y");
    must(db, &reply, "MGET {a}1 {a}2");
    check_text(ed_redis_text(ed_redis_at(reply, 1)), "y");
    ed_redis_free(db);
}

REDIS_TEST(transactions_scripts_and_sessions_work_by_their_keys)
{
    static struct ed_redis_script incr = {
        .text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"};
    ed_redis *db = cluster_client();
    ed_redis_reply *reply;

    for (int i = 0; i < 20; i++) {
        char key[16];
        int64_t n = 0;
        snprintf(key, sizeof key, "n:%d", i);
        const struct ed_bytes args[] = {ed_bytes(key), ED_BYTES("5")};
        check_int(ed_redis_eval(db, &reply, &incr, 1, 2, args), 0);
        ed_redis_multi(tx, db);
        must(tx, NULL, "INCR %s", key);
        must(tx, NULL, "INCR %s", key);
        check_int(ed_redis_exec(tx, &reply), 0);
        check_int(ed_redis_int(ed_redis_at(reply, 1), &n), 0);
        check_int(n, 7);
        ed_redis_session(s, db);
        must(s, NULL, "WATCH %s", key);
        ed_redis_multi(tx2, s);
        must(tx2, NULL, "SET %s 1", key);
        must(db, NULL, "INCR %s", key);
        check_int(ed_redis_exec(tx2, &reply), ED_ESERIAL);
    }
    ed_redis_free(db);
}

/* Moves the slot of a key from one master to another; with `halfway` leaves it
 * in the middle, the key being at the new one already. */
static void move_slot(const char *key, bool halfway)
{
    unsigned slot = redis_slot_of(ed_bytes(key));
    int from = owner_of(slot);
    if (!check(from >= 0))
        return;
    int to = (from + 1) % MASTERS;
    char from_id[64], to_id[64];

    snprintf(from_id, sizeof from_id, "%.40s", ask(from, "CLUSTER MYID"));
    snprintf(to_id, sizeof to_id, "%.40s", ask(to, "CLUSTER MYID"));
    ask(to, "CLUSTER SETSLOT %u IMPORTING %s", slot, from_id);
    ask(from, "CLUSTER SETSLOT %u MIGRATING %s", slot, to_id);
    check_text(ask(from, "MIGRATE 127.0.0.1 %d %s 0 5000 AUTH secret",
                   redis_server_port(nodes[to]), key),
               "OK");
    if (halfway)
        return;
    for (int i = 0; i < MASTERS; i++)
        ask(i, "CLUSTER SETSLOT %u NODE %s", slot, to_id);
}

REDIS_TEST(a_slot_that_moved_is_followed_unseen)
{
    ed_redis *db = cluster_client();
    ed_redis_reply *reply;

    must(db, NULL, "SET moved 1");
    move_slot("moved", false);
    must(db, &reply, "INCR moved");
    must(db, &reply, "GET moved");
    check_text(ed_redis_text(reply), "2");
    ed_redis_multi(tx, db);
    must(tx, NULL, "INCR moved");
    check_int(ed_redis_exec(tx, NULL), 0);

    must(db, NULL, "SET again 1");
    move_slot("again", false);
    ed_redis_multi(tx2, db);
    must(tx2, NULL, "INCR again");
    check_int(ed_redis_exec(tx2, &reply), 0);
    must(db, &reply, "GET again");
    check_text(ed_redis_text(reply), "2");
    ed_redis_free(db);
}

REDIS_TEST(a_key_that_moved_before_its_slot_is_asked_for_there)
{
    ed_redis *db = cluster_client();
    ed_redis_reply *reply;

    must(db, NULL, "SET guest 1");
    move_slot("guest", true);
    must(db, &reply, "INCR guest");
    must(db, &reply, "GET guest");
    check_text(ed_redis_text(reply), "2");
    ed_redis_free(db);
}

/* Two keys of different nodes: each would send it to the other. */
REDIS_TEST(a_transaction_across_slots_is_told_at_once)
{
    ed_redis *db = cluster_client();
    int64_t began = ed_now();
    int refused = 0;

    for (int i = 0; i < 20; i++) {
        ed_redis_multi(tx, db);
        must(tx, NULL, "SET across:%d 1", i);
        must(tx, NULL, "SET other:%d 1", i);
        int err = ed_redis_exec(tx, NULL);
        check_(err == ED_EREDIS, "%d: %s", err, ed_error());
        refused += strstr(ed_error(), "several slots") != NULL;
    }
    check(refused > 0);
    check(ed_now() - began < 10 * ED_S);
    ed_redis_free(db);
}

REDIS_TEST(a_session_goes_to_where_a_slot_moved_the_next_time)
{
    ed_redis *db = cluster_client();
    int err = 0;

    must(db, NULL, "SET sought 1");
    move_slot("sought", false);
    for (int i = 0; i < 10; i++) {
        ed_redis_session(s, db);
        err = ed_redis_cmd(s, NULL, "WATCH sought");
        if (!err)
            break;
        check_error("MOVED");
        ed_sleep(50 * ED_MS);
    }
    check_int(err, 0);
    ed_redis_free(db);
}

REDIS_TEST(channels_are_heard_whichever_node_they_are_published_to)
{
    ed_redis *db = cluster_client();
    ed_redis_sub *sub = NULL;
    struct ed_redis_message m;

    if (check_int(ed_redis_subscribe(db, &sub, "news"), 0)) {
        ed_sleep(50 * ED_MS);
        for (int i = 0; i < MASTERS; i++)
            ask(i, "PUBLISH news %d", i);
        for (int i = 0; i < MASTERS; i++)
            check_int(ed_redis_next_message(sub, &m), 0);
    }
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

REDIS_TEST(a_dead_master_is_replaced_by_its_replica)
{
    ed_redis *db = cluster_client();
    ed_redis_reply *reply;

    must(db, NULL, "SET precious 1");
    must(db, NULL, "WAIT 1 1000"); /* of any node; a moment passes */
    ed_sleep(100 * ED_MS);
    int owner = owner_of(redis_slot_of(ED_BYTES("precious")));
    if (!check(owner >= 0))
        return;
    redis_server_kill(nodes[owner]);
    must(db, &reply, "GET precious");
    check_text(ed_redis_text(reply), "1");
    must(db, NULL, "INCR precious");
    ed_redis_free(db);
    redis_server_restart(nodes[owner]);
}

REDIS_TEST(a_cluster_that_is_not_there_is_told)
{
    ed_redis *db = ed_redis_new(.url = "redis+cluster://127.0.0.1:1");

    check_int(ed_redis_ready(db), ED_EDATABASE);
    check_error("127.0.0.1:1");
    ed_redis_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_to_the_nodes_that_have_their_slots),
        cmocka_unit_test(transactions_scripts_and_sessions_work_by_their_keys),
        cmocka_unit_test(a_slot_that_moved_is_followed_unseen),
        cmocka_unit_test(a_key_that_moved_before_its_slot_is_asked_for_there),
        cmocka_unit_test(a_transaction_across_slots_is_told_at_once),
        cmocka_unit_test(a_session_goes_to_where_a_slot_moved_the_next_time),
        cmocka_unit_test(
            channels_are_heard_whichever_node_they_are_published_to),
        cmocka_unit_test(a_cluster_that_is_not_there_is_told),
        cmocka_unit_test(a_dead_master_is_replaced_by_its_replica),
    };
    return cmocka_run_group_tests(tests, start_cluster, stop_cluster);
}
