/*
 * Sentinels and clusters over TLS, with passwords: every server that is named
 * by another has to prove who it is, too.
 */
#include "redis_test.h"

#include "certs.h"
#include <eddy/tls.h>

static ed_tls *trust;
static struct redis_server *sentinel, *node;

/* Over TLS, under the name of a certificate. */
static struct redis_server *start_secure(const char *cert, const char *more)
{
    char pem[300], key[300], ca[300];

    snprintf(pem, sizeof pem, "tls-cert-file %s.pem", certs_path(cert));
    snprintf(key, sizeof key, "tls-key-file %s.key", certs_path(cert));
    snprintf(ca, sizeof ca, "tls-ca-cert-file %s", certs_path("ca.pem"));
    return redis_server_start(
        (const char *[]){"tls-port 1", pem, key, ca, "tls-auth-clients no",
                         "requirepass secret", more, NULL});
}

static int start_all(void **state)
{
    char monitor[100];

    (void)state;
    certs_open();
    certs_make(.file = "site", .names = "localhost,127.0.0.1");
    certs_make(.file = "door", .names = "localhost");
    server = start_secure("site", NULL);
    snprintf(monitor, sizeof monitor, "sentinel monitor main 127.0.0.1 %d 1",
             redis_server_tls_port(server));
    sentinel = start_secure("door", monitor);
    node = start_secure("site", "cluster-enabled yes\ntls-cluster yes");
    redis_server_ask(node, "CLUSTER ADDSLOTSRANGE 0 16383");
    return ed_tls_client(&trust, .ca = certs_path("ca.pem"));
}

static int stop_all(void **state)
{
    redis_server_stop(node);
    redis_server_stop(sentinel);
    redis_server_stop(server);
    ed_tls_free(trust);
    return certs_tear_down(state);
}

static ed_redis *by_url(const char *fmt, int port, const char *password)
{
    char url[128];

    snprintf(url, sizeof url, fmt, port);
    return ed_redis_new(.url = url, .tls = trust, .password = password,
                        .sentinel_password = "secret",
                        .connect_timeout = 500 * ED_MS);
}

static const char sentinel_url[] = "rediss+sentinel://localhost:%d/main";

REDIS_TEST(a_master_is_found_over_tls)
{
    ed_redis *db =
        by_url(sentinel_url, redis_server_tls_port(sentinel), "secret");
    ed_redis_reply *reply;

    must(db, NULL, "SET greeting hello");
    must(db, &reply, "GET greeting");
    check_text(ed_redis_text(reply), "hello");
    ed_redis_free(db);
}

REDIS_TEST(a_wrong_password_for_the_master_is_told)
{
    ed_redis *db =
        by_url(sentinel_url, redis_server_tls_port(sentinel), "wrong-word");

    check_int(ed_redis_ready(db), ED_EDATABASE);
    check_error("AUTH: WRONGPASS");
    check(!strstr(ed_error(), "wrong-word"));
    ed_redis_free(db);
}

REDIS_TEST(a_sentinel_has_to_prove_who_it_is)
{
    ed_redis *db = by_url("rediss+sentinel://127.0.0.1:%d/main",
                          redis_server_tls_port(sentinel), "secret");

    check_int(ed_redis_ready(db), ED_EDATABASE);
    check_error("certificate");
    ed_redis_free(db);
}

REDIS_TEST(a_cluster_is_used_over_tls)
{
    ed_redis *db = by_url("rediss+cluster://localhost:%d",
                          redis_server_tls_port(node), "secret");
    ed_redis_reply *reply;

    /* A node alone needs a moment until it trusts itself. */
    while (!strstr(redis_server_ask(node, "CLUSTER INFO"), "cluster_state:ok"))
        ed_sleep(20 * ED_MS);
    for (int i = 0; i < 20; i++) {
        int64_t n = -1;
        must(db, NULL, "SET key:%d %d", i, i);
        must(db, &reply, "GET key:%d", i);
        check_int(ed_redis_int(reply, &n), 0);
        check_int(n, i);
    }
    ed_redis_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_master_is_found_over_tls),
        cmocka_unit_test(a_wrong_password_for_the_master_is_told),
        cmocka_unit_test(a_sentinel_has_to_prove_who_it_is),
        cmocka_unit_test(a_cluster_is_used_over_tls),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
