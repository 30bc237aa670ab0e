/*
 * test_reconnect.c - servers that are down, go away, refuse, and come back:
 * clear errors, recovery by itself, and nothing left behind.
 */
#include "pool_test.h"

struct crowd {
    ed_pg *db;
    bool stop, writes;
    int done, down, uncertain, other;
    int last; /* of the others */
};

static int keep_asking(void *arg)
{
    struct crowd *c = arg;
    while (!c->stop) {
        int n = ed_pg_exec(c->db, "select pg_sleep(0.001)",
                           ed_pg_with(.read_only = !c->writes));
        c->done += n == 1;
        c->down += n == ED_EDATABASE;
        c->uncertain += n == ED_EUNCERTAIN;
        if (n < 0 && n != ED_EDATABASE && n != ED_EUNCERTAIN) {
            c->other++;
            c->last = n;
        }
        if (n < 0)
            ed_sleep(2 * ED_MS);
    }
    return 0;
}

POOL_TEST(a_server_that_is_down_is_told_at_once_and_found_again)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 3,
                          .max_backoff = 100 * ED_MS);
    check_int(find_int(db, "select 1"), 1);
    pg_server_halt(server);
    eventually(counts_of(db).open == 0);
    for (int i = 0; i < 5; i++) {
        int64_t began = ed_now();
        check_int(ed_pg_exec(db, "select 1"), ED_EDATABASE);
        check(strstr(ed_error(), "o such file") != NULL ||
              strstr(ed_error(), "refused") != NULL ||
              strstr(ed_error(), "terminating") != NULL);
        check(ed_now() - began < 10 * ED_S);
    }
    check_int(ed_pg_ready(db), ED_EDATABASE);
    pg_server_restart(server);
    eventually(ed_pg_exec(db, "select 1") == 1);
    check(counts_of(db).failed_connects > 0);
    ed_pg_free(db);
}

POOL_TEST(attempts_become_rarer_while_a_server_is_down)
{
    pg_server_halt(server);
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .min = 5);
    int64_t until = ed_now() + 400 * ED_MS;
    while (ed_now() < until) {
        check_int(ed_pg_exec(db, "select 1"), ED_EDATABASE);
        ed_sleep(1 * ED_MS);
    }
    /* 5 at first, then pauses of 25 to 50, 50 to 100, 100 to 200 ms ... */
    check(counts_of(db).failed_connects >= 2);
    check(counts_of(db).failed_connects <= 12);
    pg_server_restart(server);
    eventually(counts_of(db).open == 5);
    ed_pg_free(db);
}

POOL_TEST(a_killed_server_under_load_is_survived)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 4,
                                      .max_backoff = 50 * ED_MS),
                      .writes = true};
    ed_scope(s);
    for (int i = 0; i < 50; i++)
        ed_go(s, keep_asking, &c);
    ed_sleep(100 * ED_MS);
    int before = c.done;
    check(before > 0);
    pg_server_kill(server);
    ed_sleep(100 * ED_MS);
    check(c.down > 0);
    check(c.uncertain > 0);
    pg_server_restart(server);
    before = c.done;
    eventually(c.done > before + 100);
    c.stop = true;
    check_int(ed_wait(s), 0);
    check_(!c.other, "%d others, the last %s\n", c.other, ed_err_name(c.last));
    check_int(counts_of(c.db).under_way, 0);
    ed_pg_free(c.db);
}

static void terminate_all(void)
{
    pg_server_psql(server, "select pg_terminate_backend(pid) from"
                           " pg_stat_activity where backend_type = 'client"
                           " backend' and pid <> pg_backend_pid()");
}

POOL_TEST(reads_do_not_notice_that_connections_are_terminated)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 4)};
    ed_scope(s);
    for (int i = 0; i < 50; i++)
        ed_go(s, keep_asking, &c);
    ed_sleep(50 * ED_MS);
    terminate_all();
    int before = c.done;
    eventually(c.done > before + 200);
    c.stop = true;
    check_int(ed_wait(s), 0);
    check_int(c.down + c.uncertain + c.other, 0);
    check(counts_of(c.db).lost > 0);
    check(counts_of(c.db).resent > 0);
    ed_pg_free(c.db);
}

POOL_TEST(an_idle_connection_that_is_terminated_is_dropped_unseen)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 2);
    for (int i = 0; i < 10; i++) {
        check_int(find_int(db, "select 1"), 1);
        terminate_all();
        eventually(counts_of(db).open == 0);
    }
    check_int((long long)counts_of(db).lost, 10);
    ed_pg_free(db);
}

POOL_TEST(what_may_be_repeated_is_and_what_may_not_is_told)
{
    ed_pg *db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 1);
    static const char suicide[] =
        "select pg_terminate_backend(pg_backend_pid())";
    check_int(ed_pg_exec(db, suicide), ED_EUNCERTAIN);
    check_(strstr(ed_error(), "may have been run") != NULL, "%s\n", ed_error());
    uint64_t resent = counts_of(db).resent;
    check_int(ed_pg_exec(db, suicide, ed_pg_with(.idempotent = true)),
              ED_EUNCERTAIN);
    check_int((long long)(counts_of(db).resent - resent), 1);
    check_int(ed_pg_exec(db, suicide, ed_pg_with(.read_only = true)),
              ED_EDATABASE);
    check_int((long long)(counts_of(db).resent - resent), 2);
    check_int(find_int(db, "select 5"), 5);
    ed_pg_free(db);
}

static const char *password;

static const char *give_password(void *arg)
{
    ++*(int *)arg;
    return password;
}

POOL_TEST(a_wrong_password_is_told_and_a_right_one_asked_for_anew)
{
    int asked = 0;
    pg_server_psql(server, "create role guarded login password 'right'");
    pg_server_write(server, "pg_hba.conf",
                    "local all postgres trust\n"
                    "local all guarded scram-sha-256\n");
    pg_server_reload(server);
    char dsn[300];
    snprintf(dsn, sizeof dsn, "%s user=guarded", pg_server_dsn(server));
    ed_pg *db = ed_pg_new(.dsn = dsn, .password = give_password, .arg = &asked,
                          .max_backoff = 60 * ED_MS);
    password = "wrong";
    check_int(ed_pg_exec(db, "select 1"), ED_EDATABASE);
    check_(strstr(ed_error(), "password authentication failed") != NULL, "%s\n",
           ed_error());
    password = "right";
    ed_sleep(80 * ED_MS);
    check_int(find_int(db, "select (current_user = 'guarded')::int"), 1);
    check_int(asked, 2);
    ed_pg_free(db);
}

POOL_TEST(too_many_connections_at_the_server_leave_us_those_we_have)
{
    struct crowd c = {.db = ed_pg_new(.dsn = pg_server_dsn(server), .max = 60,
                                      .max_backoff = 100 * ED_MS),
                      .writes = true};
    ed_scope(s);
    for (int i = 0; i < 100; i++)
        ed_go(s, keep_asking, &c);
    ed_sleep(500 * ED_MS);
    c.stop = true;
    check_int(ed_wait(s), 0);
    check(c.done > 0);
    check_int(c.down + c.uncertain + c.other, 0);
    check(counts_of(c.db).failed_connects > 0);
    ed_pg_free(c.db);
}

static void let_in(const char *how)
{
    char hba[100];
    snprintf(hba, sizeof hba, "local all postgres trust\nlocal all grows %s\n",
             how);
    pg_server_write(server, "pg_hba.conf", hba);
    pg_server_reload(server);
}

POOL_TEST(a_pool_that_could_not_grow_grows_later)
{
    pg_server_psql(server, "create role grows login");
    let_in("trust");
    char dsn[300];
    snprintf(dsn, sizeof dsn, "%s user=grows", pg_server_dsn(server));
    struct crowd c = {
        .db = ed_pg_new(.dsn = dsn, .max = 3, .max_backoff = 60 * ED_MS),
        .writes = true};
    check_int(find_int(c.db, "select 1"), 1);
    let_in("reject");
    ed_sleep(20 * ED_MS);
    ed_scope(s);
    for (int i = 0; i < 20; i++)
        ed_go(s, keep_asking, &c);
    eventually(counts_of(c.db).failed_connects > 1);
    check_int(counts_of(c.db).open, 1);
    let_in("trust");
    eventually(counts_of(c.db).open == 3);
    c.stop = true;
    check_int(ed_wait(s), 0);
    check_int(c.down + c.uncertain + c.other, 0);
    ed_pg_free(c.db);
}

POOL_TEST(callers_during_one_attempt_all_get_its_error)
{
    struct crowd c = {
        .db = ed_pg_new(.dsn = "host=127.0.0.1 port=1 user=nobody")};
    ed_scope(s);
    for (int i = 0; i < 20; i++)
        ed_go(s, keep_asking, &c);
    ed_sleep(30 * ED_MS);
    c.stop = true;
    check_int(ed_wait(s), 0);
    check(c.down >= 20);
    check_int(c.done + c.uncertain + c.other, 0);
    ed_pg_free(c.db);
}

static int start_small(void **state)
{
    (void)state;
    return start_server_with((const char *[]){"max_connections=20", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_down_is_told_at_once_and_found_again),
        cmocka_unit_test(attempts_become_rarer_while_a_server_is_down),
        cmocka_unit_test(a_killed_server_under_load_is_survived),
        cmocka_unit_test(reads_do_not_notice_that_connections_are_terminated),
        cmocka_unit_test(
            an_idle_connection_that_is_terminated_is_dropped_unseen),
        cmocka_unit_test(what_may_be_repeated_is_and_what_may_not_is_told),
        cmocka_unit_test(
            a_wrong_password_is_told_and_a_right_one_asked_for_anew),
        cmocka_unit_test(
            too_many_connections_at_the_server_leave_us_those_we_have),
        cmocka_unit_test(a_pool_that_could_not_grow_grows_later),
        cmocka_unit_test(callers_during_one_attempt_all_get_its_error),
    };
    return cmocka_run_group_tests(tests, start_small, stop_server);
}
