/*
 * test_held_tls.c - streams, copies and many sets over TLS, where bytes may lie
 * in the library while the socket has none, and the other way round.
 */
#include "certs.h"
#include "pool_test.h"
#include <eddy/pg_copy.h>
#include <eddy/pg_listen.h>

static char dsn[256];

static char *text_of(const char *path)
{
    static char text[16384];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static int start_tls_server(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "127.0.0.1");
    start_server_with((const char *[]){"listen_addresses=127.0.0.1", NULL});
    pg_server_write(server, "server.crt", text_of(certs_path("site.pem")));
    pg_server_write(server, "server.key", text_of(certs_path("site.key")));
    pg_server_psql(server, "alter system set ssl = on");
    pg_server_reload(server);
    snprintf(dsn, sizeof dsn, "%s sslmode=verify-full sslrootcert=%s",
             pg_server_tcp_dsn(server), certs_path("ca.pem"));
    return 0;
}

static int stop_tls_server(void **state)
{
    certs_close();
    return stop_server(state);
}

static ed_pg *new_pool(void)
{
    /* What is given up is read to its end, on a busy machine slowly. */
    ed_pg *db = ed_pg_new(.dsn = dsn, .max = 2, .goodbye = ED_MIN);
    check_int(find_int(db, "select count(*) from pg_stat_ssl"
                           " where ssl and pid = pg_backend_pid()"),
              1);
    check_int(ed_pg_script(db, "drop table if exists far;"
                               "create table far (n int, t text)"),
              0);
    return db;
}

static int next_set(void *arg, size_t i, struct ed_pg_value *values)
{
    values[0] = ed_pg_value((int)i);
    values[1] = ed_pg_value((const char *)arg);
    return 0;
}

POOL_TEST(what_goes_in_comes_out)
{
    ed_pg *db = new_pool();
    ed_pg_copy *in, *out;
    ed_rows *rows;
    struct ed_bytes bytes;
    int64_t copied = 0;
    size_t len = 0;
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    check_int(ed_pg_exec_many(db, "insert into far values (:n, :t) returning t",
                              2, 4000, next_set, text),
              4000);
    check_int(ed_pg_copy_in(db, &in, "copy far from stdin"), 0);
    for (int i = 0; i < 4000; i++)
        check_int(ed_pg_copy_row(in, ed_v(i), ed_v((const char *)text)), 0);
    check_int(ed_pg_copy_end(in, &copied), 0);
    check_int(copied, 4000);
    ed_pg_copy_close(in);
    check_int(ed_pg_copy_out(db, &out, "copy far (t) to stdout"), 0);
    while (ed_pg_copy_read(out, &bytes) == 1)
        len += bytes.len;
    check_int((long long)len, 8000 * 5000);
    ed_pg_copy_close(out);
    len = 0;
    check_int(ed_pg_stream(db, &rows, "select * from far"), 0);
    while (ed_rows_next(rows))
        len += ed_rows_bytes(rows, "t").len + 1;
    check_int((long long)len, 8000 * 5000);
    check_int(ed_rows_error(rows), 0);
    ed_pg_free(db);
}

POOL_TEST(what_is_given_up_leaves_clean_connections)
{
    ed_pg *db = new_pool();
    for (int i = 0; i < 5; i++) {
        ed_pg_copy *copy ED_PG_COPY_AUTO = NULL;
        ed_rows *rows ED_ROWS_AUTO = NULL;
        struct ed_bytes bytes;
        check_int(ed_pg_stream(db, &rows, "select generate_series(1, 1000000)"),
                  0);
        check(ed_rows_next(rows));
        check_int(ed_pg_copy_out(db, &copy,
                                 "copy (select generate_series(1, 1000000))"
                                 " to stdout"),
                  0);
        check_int(ed_pg_copy_read(copy, &bytes), 1);
    }
    eventually(counts_of(db).held == 0 && counts_of(db).under_way == 0);
    check_int((long long)counts_of(db).connects, 2);
    ed_pg_free(db);
}

/* The server refuses the first row; nothing but its word can end this. */
POOL_TEST(a_refusal_ends_a_copy_that_has_no_end)
{
    ed_pg *db = new_pool();
    ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
    int err = ed_pg_copy_in(db, &in, "copy far from stdin");
    while (!err)
        err = ed_pg_copy_write(in, "no number\tx\n", 12);
    check_int(err, ED_EVALUE);
    check_text(ed_pg_error()->sqlstate, "22P02");
    ed_pg_free(db);
}

POOL_TEST(notifications_are_heard)
{
    ed_pg *db = new_pool();
    ed_pg_listener *l ED_PG_LISTENER_AUTO = NULL;
    struct ed_pg_notification n;
    check_int(ed_pg_listen(db, &l, "far", .check_after = 20 * ED_MS), 0);
    check_int(ed_pg_exec(db, "select pg_notify('far', n || repeat('x', 7000))"
                             " from generate_series(1, 500) n"),
              500);
    for (int i = 1; i <= 500; i++) {
        check_int(ed_pg_next_notification(l, &n), 0);
        check(!n.gap && (int)strtol(n.payload.ptr, NULL, 10) == i);
    }
    ed_pg_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(what_is_given_up_leaves_clean_connections),
        cmocka_unit_test(a_refusal_ends_a_copy_that_has_no_end),
        cmocka_unit_test(notifications_are_heard),
    };
    return cmocka_run_group_tests(tests, start_tls_server, stop_tls_server);
}
