/*
 * test_connect.c - the ways to a server: dsns, several hosts, passwords, and
 * what is said when there is none.
 */
#include "link_fixture.h"

#include "certs.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int start_tcp_server(void **state)
{
    (void)state;
    server =
        pg_server_start((const char *[]){"listen_addresses=127.0.0.1", NULL});
    pg_server_psql(server, "create role locked login password 'right'");
    return 0;
}

static int connect_by(const struct ed_pg_options *options, PGconn **conn)
{
    struct pg_target to;
    *conn = NULL;
    int err = pg_target_init(&to, options);
    if (!err)
        err = pg_connect(conn, &to);
    pg_target_free(&to);
    return err;
}

static int connect_to(const char *dsn, PGconn **conn)
{
    struct ed_pg_options options = {.dsn = dsn};
    return connect_by(&options, conn);
}

/* Whether it can be connected to; the port at the end of `format`. */
static bool reaches(const char *format)
{
    char dsn[512];
    PGconn *conn;
    snprintf(dsn, sizeof dsn, format, pg_server_port(server),
             pg_server_port(server));
    int err = connect_to(dsn, &conn);
    check_(!err, "%s: %s", dsn, ed_error());
    bool up = PQstatus(conn) == CONNECTION_OK && PQisnonblocking(conn);
    PQfinish(conn);
    return up;
}

static int refused_by(const char *dsn, const char *words)
{
    PGconn *conn;
    int err = connect_to(dsn, &conn);
    check_(strstr(ed_error(), words) != NULL, "%s: %s", dsn, ed_error());
    PQfinish(conn);
    return err;
}

LINK_TEST(a_name_is_resolved_by_us)
{
    check(reaches("host=localhost port=%d user=postgres dbname=postgres"));
}

LINK_TEST(a_uri_leads_there)
{
    check(reaches("postgresql://postgres@127.0.0.1:%d/postgres"));
    check(reaches("postgres://postgres@localhost:%d/postgres"
                  "?application_name=x&connect_timeout=3"));
}

LINK_TEST(a_folder_of_sockets_is_no_name)
{
    PGconn *conn;
    check_int(connect_to(pg_server_dsn(server), &conn), 0);
    check_text(PQparameterStatus(conn, "client_encoding"), "UTF8");
    check_text(PQparameterStatus(conn, "application_name"),
               program_invocation_short_name);
    PQfinish(conn);
}

static int user_timeout(const char *more)
{
    char dsn[256];
    PGconn *conn;
    int timeout = -1;
    socklen_t size = sizeof timeout;
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=postgres %s",
             pg_server_port(server), more);
    check_int(connect_to(dsn, &conn), 0);
    check_int(getsockopt(PQsocket(conn), IPPROTO_TCP, TCP_USER_TIMEOUT,
                         &timeout, &size),
              0);
    PQfinish(conn);
    return timeout;
}

LINK_TEST(a_host_that_falls_silent_is_waited_for_as_long_as_somebody_says)
{
    check_int(user_timeout(""), 20000);
    check_int(user_timeout("tcp_user_timeout=7000"), 7000);
    check_int(user_timeout("keepalives_idle=5"), 0);
}

LINK_TEST(hosts_that_refuse_are_passed_over)
{
    check(reaches("host=127.0.0.1,localhost port=1,%d user=postgres "
                  "dbname=postgres"));
    check(reaches("host=/nowhere,127.0.0.1 port=%d user=postgres "
                  "dbname=postgres"));
    check(reaches("host=a,b hostaddr=127.0.0.1,127.0.0.1 port=1,%d "
                  "user=postgres dbname=postgres"));
}

LINK_TEST(names_that_do_not_resolve_are_passed_over)
{
    check(reaches("host=nowhere.invalid,localhost port=%d user=postgres "
                  "dbname=postgres"));
    check_int(refused_by("host=nowhere.invalid", "nowhere.invalid"),
              ED_EDATABASE);
}

/* Takes connections and says nothing. */
static int silent_listener(int *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(bind(fd, (struct sockaddr *)&addr, len), 0);
    check_int(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&addr, &len);
    *port = ntohs(addr.sin_port);
    return fd;
}

LINK_TEST(a_host_that_does_not_answer_is_given_its_share_of_the_time)
{
    int port;
    int fd = silent_listener(&port);
    char dsn[256];
    PGconn *conn;
    snprintf(dsn, sizeof dsn,
             "host=127.0.0.1,127.0.0.1 port=%d,%d user=postgres", port,
             pg_server_port(server));
    struct ed_pg_options options = {.dsn = dsn, .connect_timeout = 400 * ED_MS};
    int64_t began = ed_now();
    int err = connect_by(&options, &conn);
    /* The other half may be short for a server on a busy machine. */
    while (err && options.connect_timeout < 10 * ED_S) {
        options.connect_timeout *= 2;
        began = ed_now();
        err = connect_by(&options, &conn);
    }
    if (!check_int(err, 0))
        return;
    check(ed_now() - began >= options.connect_timeout / 2);
    PQfinish(conn);
    close(fd);
}

LINK_TEST(connect_timeout_bounds_the_whole)
{
    int port;
    int fd = silent_listener(&port);
    char dsn[256];
    PGconn *conn;
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d", port);
    struct ed_pg_options options = {.dsn = dsn, .connect_timeout = 50 * ED_MS};
    check_int(connect_by(&options, &conn), ED_EDATABASE);
    snprintf(dsn, sizeof dsn, "port %d", port);
    check_(strstr(ed_error(), dsn) || strstr(ed_error(), "connect_timeout"),
           "%s", ed_error());
    close(fd);
}

static int connect_late(void *arg)
{
    PGconn *conn;
    return connect_to(arg, &conn);
}

LINK_TEST(the_callers_deadline_is_the_callers)
{
    int port;
    int fd = silent_listener(&port);
    char dsn[256];
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d", port);
    check_int(ed_with_timeout(30 * ED_MS, connect_late, dsn), ED_ETIMEOUT);
    close(fd);
}

LINK_TEST(a_service_file_and_the_environment_count)
{
    char path[] = "/tmp/eddy-service-XXXXXX";
    int fd = mkstemp(path);
    dprintf(fd, "[shop]\nhost=localhost\nport=%d\nuser=postgres\n",
            pg_server_port(server));
    close(fd);
    setenv("PGSERVICEFILE", path, 1);
    setenv("PGDATABASE", "template1", 1);
    PGconn *conn;
    check_int(connect_to("service=shop", &conn), 0);
    check_text(PQdb(conn), "template1");
    PQfinish(conn);
    check_int(refused_by("service=shops", "shops"), ED_EDATABASE);
    unsetenv("PGSERVICEFILE");
    unsetenv("PGDATABASE");
    unlink(path);
}

LINK_TEST(a_database_that_is_not_there_is_named_with_its_sqlstate)
{
    char dsn[256];
    snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d user=postgres dbname=x1",
             pg_server_port(server));
    check_int(refused_by(dsn, "3D000"), ED_EDATABASE);
    check(strstr(ed_error(), "\"x1\"") != NULL);
    check(strstr(ed_error(), "127.0.0.1") != NULL);
}

static void demand_passwords(void)
{
    pg_server_write(server, "pg_hba.conf",
                    "local all all trust\n"
                    "host all locked 127.0.0.1/32 scram-sha-256\n"
                    "host all all 127.0.0.1/32 trust\n");
    pg_server_reload(server);
}

static const char *right_password(void *arg)
{
    (void)!ed_sleep(ED_MS);
    return arg;
}

LINK_TEST(passwords_come_from_the_dsn_or_the_hook)
{
    char dsn[256];
    PGconn *conn;
    demand_passwords();
    snprintf(dsn, sizeof dsn,
             "host=127.0.0.1 port=%d user=locked dbname=postgres password=no",
             pg_server_port(server));
    check_int(refused_by(dsn, "28P01"), ED_EDATABASE);
    struct ed_pg_options options = {
        .dsn = dsn, .password = right_password, .arg = "right"};
    check_int(connect_by(&options, &conn), 0);
    PQfinish(conn);
    options.arg = NULL;
    check_int(connect_by(&options, &conn), ED_EDATABASE);
}

LINK_TEST(a_session_is_made_as_rows_are_read)
{
    pg_server_psql(server, "alter role postgres set datestyle to german");
    pg_server_psql(server, "alter role postgres set intervalstyle to iso_8601");
    struct ed_pg_options options = {.dsn = pg_server_dsn(server),
                                    .read_only = true};
    PGconn *conn;
    check_int(connect_by(&options, &conn), 0);
    check(!strncmp(PQparameterStatus(conn, "DateStyle"), "ISO", 3));
    check_text(PQparameterStatus(conn, "IntervalStyle"), "postgres");
    check_text(PQparameterStatus(conn, "default_transaction_read_only"), "on");
    PQfinish(conn);
    pg_server_psql(server, "alter role postgres reset all");
}

static void give_file(const char *name, const char *from)
{
    char text[16384];
    FILE *file = fopen(certs_path(from), "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    check(len > 0);
    text[len] = '\0';
    fclose(file);
    pg_server_write(server, name, text);
}

LINK_TEST(a_link_may_be_by_tls)
{
    char dsn[512];
    certs_open();
    certs_make(.file = "server", .names = "localhost");
    give_file("server.crt", "server.pem");
    give_file("server.key", "server.key");
    pg_server_psql(server, "alter system set ssl to on");
    pg_server_reload(server);
    check_int(ed_sleep(100 * ED_MS), 0);
    pg_target_free(&target);
    snprintf(dsn, sizeof dsn,
             "host=localhost port=%d user=postgres dbname=postgres "
             "sslmode=verify-full sslrootcert=%s",
             pg_server_port(server), certs_path("ca.pem"));
    struct ed_pg_options options = {.dsn = dsn};
    check_int(pg_target_init(&target, &options), 0);
    struct pg_link *link = link_open();
    if (link) {
        struct wait w[8];
        for (int i = 0; i < 8; i++)
            SEND(link, &w[i], "select repeat('x', 1000000) || :n::text",
                 ed_p(n, i));
        for (int i = 0; i < 8; i++) {
            check_int(await(&w[i]), 0);
            check_int((long long)ed_rows_bytes(w[i].call->rows, 0).len,
                      1000001);
            done(&w[i]);
        }
        check_text(ask(link, "select ssl::text from pg_stat_ssl where "
                             "pid = pg_backend_pid()"),
                   "true");
        pg_link_close(link);
    }
    certs_close();
}

/* In a fiber, where ed_error() is. */
LINK_TEST(a_malformed_dsn_gives_no_password_away)
{
    static const char *const dsns[] = {
        "postgresql://u:s3%zzcret@h/db",
        "postgresql://u:s3cret@[h/db",
        "password=a s3cret",
        "password=a s3cret=b",
        "postgresql://u:a@s3cret@h/db",
    };
    for (size_t i = 0; i < sizeof dsns / sizeof *dsns; i++) {
        struct ed_pg_options options = {.dsn = dsns[i]};
        struct pg_target to;
        check_int(pg_target_init(&to, &options), ED_EUSAGE);
        check(strlen(ed_error()) > strlen("dsn: "));
        check_(!strstr(ed_error(), "cret"), "%s", ed_error());
    }
    struct ed_pg_options options = {.dsn = "hots=x"};
    struct pg_target to;
    check_int(pg_target_init(&to, &options), ED_EUSAGE);
    check(strstr(ed_error(), "\"hots\"") != NULL);
}

static void a_malformed_dsn_is_refused_at_once(void **state)
{
    struct pg_target to;
    struct ed_pg_options options = {.dsn = "hostt=x"};
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    assert_int_equal(pg_target_init(&to, &options), ED_EUSAGE);
    ed_log_set_level(ED_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_resolved_by_us),
        cmocka_unit_test(a_uri_leads_there),
        cmocka_unit_test(a_folder_of_sockets_is_no_name),
        cmocka_unit_test(
            a_host_that_falls_silent_is_waited_for_as_long_as_somebody_says),
        cmocka_unit_test(hosts_that_refuse_are_passed_over),
        cmocka_unit_test(names_that_do_not_resolve_are_passed_over),
        cmocka_unit_test(
            a_host_that_does_not_answer_is_given_its_share_of_the_time),
        cmocka_unit_test(connect_timeout_bounds_the_whole),
        cmocka_unit_test(the_callers_deadline_is_the_callers),
        cmocka_unit_test(a_service_file_and_the_environment_count),
        cmocka_unit_test(
            a_database_that_is_not_there_is_named_with_its_sqlstate),
        cmocka_unit_test(passwords_come_from_the_dsn_or_the_hook),
        cmocka_unit_test(a_session_is_made_as_rows_are_read),
        cmocka_unit_test(a_link_may_be_by_tls),
        cmocka_unit_test(a_malformed_dsn_gives_no_password_away),
        cmocka_unit_test(a_malformed_dsn_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, start_tcp_server, stop_server);
}
