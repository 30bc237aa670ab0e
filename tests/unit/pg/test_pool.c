/*
 * test_pool.c - how a pool shares its connections: growing, shrinking, sharing,
 * queueing, and giving up.
 */
#include "pool_test.h"

#include <pthread.h>
#include <signal.h>

struct crowd {
    ed_pg *db;
    const char *sql;
    int64_t within; /* each one's deadline; 0: none */
    int done, refused, late, cancelled;
    char text[200]; /* of the last that did not go well */
};

static int member(void *arg)
{
    struct crowd *c = arg;
    ed_scope(s, .within = c->within);
    (void)s;
    int n = ed_pg_exec(c->db, c->sql);
    if (n < 0)
        snprintf(c->text, sizeof c->text, "%s", ed_error());
    c->done += n >= 0;
    c->refused += n == ED_EOVERLOAD;
    c->late += n == ED_ETIMEOUT;
    c->cancelled += n == ED_ECANCELED;
    return 0;
}

static void gather(struct crowd *c, int members)
{
    ed_scope(s, .independent = true);
    for (int i = 0; i < members; i++)
        ed_go(s, member, c);
    check_int(ed_wait(s), 0);
}

struct holders {
    ed_pg *db;
    int wanted, held;
};

static int hold_until_all_do(void *arg)
{
    struct holders *h = arg;
    ed_pg_session(session, h->db);
    int n = ed_pg_exec(session, "select 1");
    h->held++;
    while (n >= 0 && h->held < h->wanted)
        n = ed_sleep(ED_MS);
    return n < 0 ? n : 0;
}

/* Has so many connections be in use at once, however long they take to open. */
static void use_together(ed_pg *db, int connections)
{
    struct holders h = {.db = db, .wanted = connections};
    ed_scope(s);
    for (int i = 0; i < connections; i++)
        ed_go(s, hold_until_all_do, &h);
    check_int(ed_wait(s), 0);
}

/* A statement that ends when the gate is opened, and not before. */
#define GATED "select pg_advisory_xact_lock_shared(1)"

static ed_pg *shut_gate(void)
{
    ed_pg *gate = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
    check_int(find_int(gate, "select 1 from pg_advisory_lock(1)"), 1);
    return gate;
}

static void open_gate(ed_pg *gate)
{
    ed_pg_free(gate);
}

static int64_t time_of_crowd(struct crowd *c, int members)
{
    int64_t began = ed_now();
    c->done = 0;
    gather(c, members);
    check_int(c->done, members);
    return ed_now() - began;
}

POOL_TEST(ten_clients_of_twenty_sleeps_take_two_waits)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 10),
                      .sql = "select 42, pg_sleep(0.3)"};
    check_int(ed_pg_ready(c.db), 0);
    eventually(counts_of(c.db).open == 10);
    int64_t took = time_of_crowd(&c, 20);
    check(took >= 600 * ED_MS);
    /* On a busy machine, once more. */
    for (int i = 0; i < 20 && took >= 900 * ED_MS; i++)
        took = time_of_crowd(&c, 20);
    check_(took < 900 * ED_MS, "took %d ms\n", (int)(took / ED_MS));
    check_int(counts_of(c.db).open, 10);
    ed_pg_free(c.db);
}

POOL_TEST(a_pool_grows_only_as_far_as_it_is_needed)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server));
    for (int i = 0; i < 20; i++)
        check_int(find_int(db, "select 1"), 1);
    check_int(counts_of(db).open, 1);
    use_together(db, 4);
    check_int(counts_of(db).open, 4);
    eventually(counts_of(db).idle == 4);
    ed_pg_free(db);
}

POOL_TEST(idle_connections_beyond_min_are_closed)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 2,
                          .idle_time = 100 * ED_MS);
    use_together(db, 6);
    check_int((long long)counts_of(db).connects, 6);
    eventually(counts_of(db).open == 2);
    ed_sleep(150 * ED_MS);
    check_int(counts_of(db).open, 2);
    eventually(connections_at_server() == 2);
    ed_pg_free(db);
}

POOL_TEST(min_connections_are_opened_and_kept_up)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 3);
    check_int(ed_pg_ready(db), 0);
    eventually(counts_of(db).open == 3);
    pg_server_psql(server, "select pg_terminate_backend(pid) from"
                           " pg_stat_activity where backend_type = 'client"
                           " backend' and pid <> pg_backend_pid()");
    eventually(counts_of(db).connects == 6);
    eventually(counts_of(db).open == 3);
    check_int(counts_of(db).lost, 3);
    check_int(find_int(db, "select 1"), 1);
    ed_pg_free(db);
}

POOL_TEST(the_connection_used_last_is_used_next)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server));
    use_together(db, 5);
    eventually(counts_of(db).idle == 5);
    long long pid = find_int(db, "select pg_backend_pid()");
    for (int i = 0; i < 20; i++)
        check_int(find_int(db, "select pg_backend_pid()"), pid);
    ed_pg_free(db);
}

POOL_TEST(statements_share_connections_when_there_are_no_more)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2),
                      .sql = "select 1"};
    check_int(ed_pg_ready(c.db), 0);
    gather(&c, 500);
    check_int(c.done, 500);
    eventually(counts_of(c.db).open == 2);
    ed_pg_free(c.db);
}

POOL_TEST(nothing_stands_behind_something_slow_while_others_have_room)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2);
    struct crowd slow = {.db = db, .sql = GATED};
    struct crowd quick = {.db = db, .sql = "select 1", .within = 20 * ED_S};
    ed_pg *gate = shut_gate();
    check_int(ed_pg_ready(db), 0);
    {
        ed_scope(s);
        ed_go(s, member, &slow);
        eventually(counts_of(db).under_way == 1);
        ed_sleep(30 * ED_MS); /* it is slow, then */
        gather(&quick, 60);
        open_gate(gate);
        check_int(ed_wait(s), 0);
    }
    check_int(quick.done, 60);
    check_int(slow.done, 1);
    ed_pg_free(db);
}

POOL_TEST(a_full_pool_lets_so_many_wait_and_no_more)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2,
                                      .pipeline = 1, .queue = 3),
                      .sql = GATED};
    ed_pg *gate = shut_gate();
    use_together(c.db, 2);
    eventually(counts_of(c.db).idle == 2);
    {
        ed_scope(s);
        for (int i = 0; i < 7; i++)
            ed_go(s, member, &c);
        eventually(counts_of(c.db).waiting == 3 && c.refused == 2);
        check_int(c.done, 0);
        open_gate(gate);
        check_int(ed_wait(s), 0);
    }
    check_int(c.done, 5);
    check_int(c.refused, 2);
    check(strstr(c.text, "3 wait already for one of 2 connections") != NULL);
    check_int(counts_of(c.db).waiting, 0);
    ed_pg_free(c.db);
}

POOL_TEST(who_waited_too_long_is_told_so)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1,
                                      .pipeline = 1, .max_wait = 400 * ED_MS),
                      .sql = GATED};
    ed_pg *gate = shut_gate();
    check_int(ed_pg_ready(c.db), 0);
    {
        ed_scope(s);
        ed_go(s, member, &c);
        eventually(counts_of(c.db).under_way == 1);
        gather(&c, 3);
        check_int(c.done, 0);
        check_int(c.refused, 3);
        open_gate(gate);
        check_int(ed_wait(s), 0);
    }
    check_int(c.done, 1);
    check(!strncmp(c.text, "waited ", 7) && strtod(c.text + 7, NULL) >= 0.4);
    check_(strstr(c.text, " s for one of 1 connections to") != NULL, "%s\n",
           c.text);
    ed_pg_free(c.db);
}

POOL_TEST(a_deadline_bounds_the_wait_for_a_connection)
{
    ed_pg *db =
        ed_pg_new(.dsn = pg_server_dsn(server), .max = 1, .pipeline = 1);
    struct crowd slow = {.db = db, .sql = GATED};
    struct crowd hurried = {.db = db, .sql = "select 1", .within = 60 * ED_MS};
    ed_pg *gate = shut_gate();
    check_int(ed_pg_ready(db), 0);
    ed_scope(s);
    ed_go(s, member, &slow);
    eventually(counts_of(db).under_way == 1);
    gather(&hurried, 3);
    check_int(hurried.late, 3);
    check_(strstr(hurried.text, "for one of 1 connections") != NULL, "%s\n",
           hurried.text);
    check_int(counts_of(db).waiting, 0);
    open_gate(gate);
    check_int(ed_wait(s), 0);
    check_int(slow.done, 1);
    ed_pg_free(db);
}

static int hold_while_shut(void *arg)
{
    ed_pg_session(session, arg);
    int n = ed_pg_exec(session, GATED);
    return n < 0 ? n : 0;
}

POOL_TEST(a_cancelled_waiter_keeps_no_connection)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
    ed_pg *gate = shut_gate();
    check_int(ed_pg_ready(db), 0);
    {
        ed_scope(holders);
        ed_go(holders, hold_while_shut, db);
        eventually(counts_of(db).held == 1);
        {
            ed_scope(waiters);
            for (int i = 0; i < 5; i++)
                ed_go(waiters, hold_while_shut, db);
            eventually(counts_of(db).waiting == 5);
            ed_cancel(waiters);
            check_int(ed_wait(waiters), ED_ECANCELED);
        }
        check_int(counts_of(db).waiting, 0);
        open_gate(gate);
        check_int(ed_wait(holders), 0);
    }
    check_int(find_int(db, "select 5"), 5);
    check_int(counts_of(db).held, 0);
    check_int(counts_of(db).open, 1);
    ed_pg_free(db);
}

static bool stop_querying;

static int query_on(void *arg)
{
    while (!stop_querying) {
        int n = ed_pg_exec(arg, "select pg_sleep(0.001)");
        if (n < 0)
            return n;
    }
    return 0;
}

/* Who wants a connection alone gets one though all are shared all the time. */
POOL_TEST(nobody_starves)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2);
    check_int(ed_pg_ready(db), 0);
    stop_querying = false;
    ed_scope(s);
    for (int i = 0; i < 40; i++)
        ed_go(s, query_on, db);
    ed_sleep(50 * ED_MS);
    int64_t began = ed_now();
    for (int i = 0; i < 5; i++) {
        ed_pg_transaction(tx, db);
        check_int(ed_pg_exec(tx, "select 1"), 1);
        check_int(ed_pg_exec(tx, "select 1"), 1);
        check_int(ed_pg_commit(tx), 0);
    }
    check(ed_now() - began < 20 * ED_S);
    stop_querying = true;
    check_int(ed_wait(s), 0);
    ed_pg_free(db);
}

POOL_TEST(connections_are_replaced_when_they_are_old)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 1,
                          .lifetime = 100 * ED_MS);
    long long pid = find_int(db, "select pg_backend_pid()");
    ed_sleep(150 * ED_MS);
    check(find_int(db, "select pg_backend_pid()") != pid);
    eventually(counts_of(db).open == 1);
    check_int(counts_of(db).lost, 0);
    ed_pg_free(db);
}

POOL_TEST(expire_replaces_all_connections)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 3),
                      .sql = GATED};
    use_together(c.db, 3);
    ed_pg_expire(c.db);
    check_int(find_int(c.db, "select 1"), 1);
    check_int((long long)counts_of(c.db).connects, 4);
    {
        ed_pg *gate = shut_gate();
        ed_scope(s);
        ed_go(s, member, &c);
        eventually(counts_of(c.db).under_way == 1);
        ed_pg_expire(c.db);
        check_int(find_int(c.db, "select 1"), 1);
        check_int(c.done, 0);
        open_gate(gate);
        check_int(ed_wait(s), 0);
    }
    check_int(c.done, 1);
    eventually(counts_of(c.db).open == 1);
    ed_pg_free(c.db);
}

POOL_TEST(one_idle_for_long_is_asked_for_a_sign_of_life)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .check_after = 1);
    long long pid = find_int(db, "select pg_backend_pid()");
    ed_sleep(5 * ED_MS);
    check_int(find_int(db, "select pg_backend_pid()"), pid);
    check_int((long long)counts_of(db).connects, 1);
    check_int((long long)counts_of(db).statements, 2);
    ed_pg_free(db);
}

/* A process that is stopped is as silent as a host that is gone. */
static void signal_backends(const char *pids, int signal)
{
    char *rest = (char *)pids;
    long pid;
    while ((pid = strtol(rest, &rest, 10)))
        check_int(kill((pid_t)pid, signal), 0);
}

POOL_TEST(those_that_give_no_sign_of_life_are_replaced_together)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .check_after = 1);
    char pids[100];
    use_together(db, 3);
    eventually(counts_of(db).idle == 3);
    snprintf(pids, sizeof pids, "%s",
             pg_server_psql(server,
                            "select string_agg(pid::text, ' ') from"
                            " pg_stat_activity where backend_type = 'client"
                            " backend' and pid <> pg_backend_pid()"));
    signal_backends(pids, SIGSTOP);
    ed_sleep(5 * ED_MS);
    int64_t began = ed_now();
    check_int(find_int(db, "select 5"), 5);
    /* One after the other, each would be waited for. */
    check(ed_now() - began < 6 * ED_S);
    check_int((long long)counts_of(db).connects, 4);
    check_int(counts_of(db).open, 1);
    signal_backends(pids, SIGCONT);
    ed_pg_free(db);
}

POOL_TEST(one_that_does_not_roll_back_is_closed_after_goodbye)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .goodbye = 100 * ED_MS);
    long long pid;
    {
        ed_pg_transaction(tx, db);
        pid = find_int(tx, "select pg_backend_pid()");
        check_int(kill((pid_t)pid, SIGSTOP), 0);
    }
    check_int(counts_of(db).open, 1);
    eventually(counts_of(db).open == 0);
    check_int(find_int(db, "select 5"), 5);
    check_int(kill((pid_t)pid, SIGCONT), 0);
    ed_pg_free(db);
}

static int use_in_other_thread(void *db)
{
    ed_rows *rows;
    int err = ed_pg_query(db, &rows, "select 1");
    check(strstr(ed_error(), "thread") != NULL);
    return err;
}

static void *other_thread(void *db)
{
    return (void *)(intptr_t)ed_run(use_in_other_thread, db);
}

POOL_TEST(a_pool_belongs_to_the_thread_that_used_it_first)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server));
    check_int(find_int(db, "select 1"), 1);
    pthread_t thread;
    void *result;
    check_int(pthread_create(&thread, NULL, other_thread, db), 0);
    check_int(pthread_join(thread, &result), 0);
    check_int((int)(intptr_t)result, ED_EUSAGE);
    ed_pg_free(db);
}

static int connected;

static int set_up(ed_pg *session, void *arg)
{
    connected++;
    check(arg == &connected);
    int n = ed_pg_exec(session, "set application_name = 'set up'");
    return n < 0 ? n : 0;
}

POOL_TEST(on_connect_sees_each_connection_first)
{
    connected = 0;
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server),
                                      .on_connect = set_up, .arg = &connected),
                      .sql = GATED};
    ed_pg *gate = shut_gate();
    {
        ed_scope(s);
        for (int i = 0; i < 3; i++)
            ed_go(s, member, &c);
        eventually(counts_of(c.db).under_way == 3);
        check_int(connected, 3);
        open_gate(gate);
        check_int(ed_wait(s), 0);
    }
    check_int(find_int(c.db, "select (current_setting('application_name') ="
                             " 'set up')::int"),
              1);
    ed_pg_free(c.db);
}

static int refuse(ed_pg *session, void *arg)
{
    (void)arg;
    int n = ed_pg_exec(session, "select * from what_is_not_there");
    return n < 0 ? n : 0;
}

POOL_TEST(on_connect_may_refuse_a_connection)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .on_connect = refuse);
    check_int(ed_pg_exec(db, "select 1"), ED_EDATABASE);
    check_(strstr(ed_error(), "what_is_not_there") != NULL, "%s\n", ed_error());
    check_int(counts_of(db).open + counts_of(db).connecting, 0);
    ed_pg_free(db);
}

static ed_pg *outlives;

static int use_it(void *arg)
{
    (void)arg;
    return find_int(outlives, "select 7") == 7 ? 0 : ED_ESQL;
}

static void a_pool_outlives_its_loop_and_works_in_the_next(void **state)
{
    (void)state;
    outlives = ed_pg_new(.dsn = pg_server_dsn(server), .min = 2);
    assert_int_equal(ed_run(use_it, NULL), 0);
    assert_true(all_have_gone());
    assert_int_equal(ed_run(use_it, NULL), 0);
    ed_pg_free(outlives);
}

POOL_TEST(a_pool_may_be_freed_while_it_connects)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 5);
    check_int(find_int(db, "select 1"), 1);
    ed_pg_free(db);
    ed_sleep(20 * ED_MS);
}

static void outside_of_a_fiber_a_pool_is_of_no_use(void **state)
{
    (void)state;
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server));
    assert_int_equal(ed_pg_exec(db, "select 1"), ED_EUSAGE);
    assert_int_equal(ed_pg_ready(db), ED_EUSAGE);
    ed_pg_free(db);
}

POOL_TEST(counts_tell_what_goes_on)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2),
                      .sql = GATED};
    struct ed_pg_counts counts;
    ed_pg *gate = shut_gate();
    check_int(ed_pg_ready(c.db), 0);
    ed_scope(s);
    ed_pg_transaction(tx, c.db);
    check_int(ed_pg_exec(tx, "select 1"), 1);
    for (int i = 0; i < 3; i++)
        ed_go(s, member, &c);
    eventually(counts_of(c.db).under_way == 3);
    counts = counts_of(c.db);
    check_int(counts.open, 2);
    check_int(counts.held, 1);
    check_int(counts.idle, 0);
    check_int(counts.under_way, 3);
    check_int((long long)counts.statements, 4);
    open_gate(gate);
    check_int(ed_wait(s), 0);
    check_int(ed_pg_rollback(tx), 0);
    counts = counts_of(c.db);
    check_int(counts.idle, 2);
    check_int(counts.under_way, 0);
    check_int((long long)counts.connects, 2);
    check((long long)counts.waits > 0);
    check(counts.waited > 0);
    check(counts.prepared > 0);
    ed_pg_free(c.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_clients_of_twenty_sleeps_take_two_waits),
        cmocka_unit_test(a_pool_grows_only_as_far_as_it_is_needed),
        cmocka_unit_test(idle_connections_beyond_min_are_closed),
        cmocka_unit_test(min_connections_are_opened_and_kept_up),
        cmocka_unit_test(the_connection_used_last_is_used_next),
        cmocka_unit_test(statements_share_connections_when_there_are_no_more),
        cmocka_unit_test(
            nothing_stands_behind_something_slow_while_others_have_room),
        cmocka_unit_test(a_full_pool_lets_so_many_wait_and_no_more),
        cmocka_unit_test(who_waited_too_long_is_told_so),
        cmocka_unit_test(a_deadline_bounds_the_wait_for_a_connection),
        cmocka_unit_test(a_cancelled_waiter_keeps_no_connection),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(connections_are_replaced_when_they_are_old),
        cmocka_unit_test(expire_replaces_all_connections),
        cmocka_unit_test(one_idle_for_long_is_asked_for_a_sign_of_life),
        cmocka_unit_test(those_that_give_no_sign_of_life_are_replaced_together),
        cmocka_unit_test(one_that_does_not_roll_back_is_closed_after_goodbye),
        cmocka_unit_test(a_pool_belongs_to_the_thread_that_used_it_first),
        cmocka_unit_test(on_connect_sees_each_connection_first),
        cmocka_unit_test(on_connect_may_refuse_a_connection),
        cmocka_unit_test(a_pool_outlives_its_loop_and_works_in_the_next),
        cmocka_unit_test(a_pool_may_be_freed_while_it_connects),
        cmocka_unit_test(outside_of_a_fiber_a_pool_is_of_no_use),
        cmocka_unit_test(counts_tell_what_goes_on),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
