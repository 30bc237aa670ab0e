/*
 * test_tls_resume.c - sessions that are resumed, those that must not be, and
 * the keys of tickets.
 */
#include "tls_pair.h"
#include "net/tls_context.h"
#include "net/tls_sessions.h"
#include "net/tls_tickets.h"
#include <sys/wait.h>
#include <unistd.h>

#define HOUR  (60 * ED_MIN)
#define START (1000000 * HOUR)

/* ---- keys ---- */

static const struct ed_bytes secret = {"0123456789abcdef0123456789abcdef", 32};

static struct ed_tls_tickets *tickets(struct ed_bytes of, int64_t now)
{
    struct ed_tls_tickets *t;

    assert_int_equal(ed_tls_tickets_new(&t, HOUR, of, now), 0);
    return t;
}

static struct ed_ticket_keys keys_at(struct ed_tls_tickets *t, int64_t now)
{
    struct ed_ticket_keys keys;

    assert_int_equal(ed_tls_tickets_seal(t, now, &keys), 0);
    return keys;
}

static void assert_age(struct ed_tls_tickets *t, int64_t now,
                       const struct ed_ticket_keys *of, enum ed_ticket_age want)
{
    struct ed_ticket_keys found;

    assert_int_equal(ed_tls_tickets_find(t, now, of->name, &found), want);
    if (want != ED_TICKET_UNKNOWN)
        assert_memory_equal(&found, of, sizeof(found));
}

static void keys_change_with_each_epoch_and_are_taken_for_two(void **state)
{
    const struct ed_bytes kinds[] = {secret, {NULL, 0}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ed_tls_tickets *t = tickets(kinds[i], START);
        struct ed_ticket_keys first = keys_at(t, START);
        struct ed_ticket_keys same = keys_at(t, START + HOUR - 1);

        assert_memory_equal(&first, &same, sizeof(first));
        assert_age(t, START + HOUR - 1, &first, ED_TICKET_CURRENT);
        struct ed_ticket_keys second = keys_at(t, START + HOUR);
        assert_memory_not_equal(&first, &second, sizeof(first));
        assert_age(t, START + HOUR, &first, ED_TICKET_OLD);
        assert_age(t, START + 2 * HOUR - 1, &first, ED_TICKET_OLD);
        assert_age(t, START + 2 * HOUR, &first, ED_TICKET_UNKNOWN);
        assert_age(t, START + 2 * HOUR, &second, ED_TICKET_OLD);
        ed_tls_tickets_unref(t);
    }
}

static void keys_of_a_secret_follow_from_it_and_the_time(void **state)
{
    struct ed_tls_tickets *a = tickets(secret, START);
    struct ed_tls_tickets *b = tickets(secret, START + 100 * HOUR);
    struct ed_tls_tickets *other =
        tickets(ED_BYTES("another secret of 32 bytes......"), START);

    (void)state;
    struct ed_ticket_keys early = keys_at(a, START + 99 * HOUR);
    assert_age(b, START + 100 * HOUR, &early, ED_TICKET_OLD);
    assert_age(other, START + 99 * HOUR, &early, ED_TICKET_UNKNOWN);
    ed_tls_tickets_unref(a);
    ed_tls_tickets_unref(b);
    ed_tls_tickets_unref(other);
}

static void random_keys_are_their_processs_own(void **state)
{
    struct ed_tls_tickets *a = tickets(ed_bytes(NULL), START);
    struct ed_tls_tickets *b = tickets(ed_bytes(NULL), START);
    struct ed_ticket_keys keys = keys_at(a, START);

    (void)state;
    assert_age(b, START, &keys, ED_TICKET_UNKNOWN);
    ed_tls_tickets_unref(a);
    ed_tls_tickets_unref(b);
}

/* The child looks once, the parent every hour; in between their clocks agree
 * and nothing else. */
static void forked_processes_agree_on_random_keys(void **state)
{
    struct ed_tls_tickets *t = tickets(ed_bytes(NULL), START);
    struct ed_ticket_keys ours, theirs;
    int ends[2], status;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        theirs = keys_at(t, START + 5 * HOUR);
        _exit(write(ends[1], &theirs, sizeof(theirs)) != sizeof(theirs));
    }
    for (int hour = 0; hour <= 5; hour++)
        ours = keys_at(t, START + hour * HOUR);
    assert_int_equal(read(ends[0], &theirs, sizeof(theirs)), sizeof(theirs));
    assert_memory_equal(&ours, &theirs, sizeof(ours));
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    close(ends[1]);
    ed_tls_tickets_unref(t);
}

static void a_clock_set_back_brings_no_old_keys_back(void **state)
{
    const struct ed_bytes kinds[] = {secret, {NULL, 0}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ed_tls_tickets *t = tickets(kinds[i], START);
        struct ed_ticket_keys first = keys_at(t, START);
        struct ed_ticket_keys third = keys_at(t, START + 2 * HOUR);
        struct ed_ticket_keys again = keys_at(t, START);

        assert_memory_equal(&again, &third, sizeof(third));
        assert_age(t, START, &first, ED_TICKET_UNKNOWN);
        ed_tls_tickets_unref(t);
    }
}

static void a_clock_that_jumps_by_decades_costs_little(void **state)
{
    struct ed_tls_tickets *t;
    struct ed_ticket_keys first, later, next;

    (void)state;
    assert_int_equal(ed_tls_tickets_new(&t, ED_S, ed_bytes(NULL), 0), 0);
    first = keys_at(t, 0);
    later = keys_at(t, START); /* a thousand million epochs on */
    assert_memory_not_equal(&first, &later, sizeof(first));
    assert_age(t, START, &first, ED_TICKET_UNKNOWN);
    next = keys_at(t, START + ED_S);
    assert_memory_not_equal(&later, &next, sizeof(next));
    assert_age(t, START + ED_S, &later, ED_TICKET_OLD);
    ed_tls_tickets_unref(t);
}

/* ---- resuming ---- */

#define SERVER(out, ...)                                                     \
    assert_int_equal(ed_tls_server(out, .certificate = certs_path("a.pem"),  \
                                   .key = certs_path("a.key"), __VA_ARGS__), \
                     0)

#define CLIENT(out, ...) \
    assert_int_equal(    \
        ed_tls_client(out, .ca = certs_path("ca.pem"), __VA_ARGS__), 0)

/* Connects with TLS 1.2 or 1.3; whether both say a session was resumed. */
static bool resumes_by(int version, ed_tls *client, const char *name,
                       const char *alpn, ed_tls *server)
{
    struct ed_tls_info ours, theirs;
    struct tls_pair p = {0};

    assert_int_equal(ed_tls_connection(client, name, alpn, &p.client.ssl), 0);
    assert_int_equal(ed_tls_connection(server, NULL, NULL, &p.server.ssl), 0);
    SSL_set_max_proto_version(p.client.ssl, version);
    tls_pair_join(&p);
    tls_pair_shake(&p);
    assert_string_equal(p.client.why, "");
    assert_string_equal(p.server.why, "");
    assert_true(p.client.done && p.server.done);
    ed_tls_info_of(p.client.ssl, &ours);
    ed_tls_info_of(p.server.ssl, &theirs);
    assert_int_equal(ours.resumed, theirs.resumed);
    assert_string_equal(theirs.server_name, ours.server_name);
    tls_pair_close(&p);
    return ours.resumed;
}

static bool resumes(ed_tls *client, const char *name, ed_tls *server)
{
    return resumes_by(TLS1_3_VERSION, client, name, NULL, server);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void the_second_connection_resumes_the_first_ones_session(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ed_tls *server, *client;

        SERVER(&server, .alpn = "h2");
        CLIENT(&client, .alpn = "h2");
        assert_false(resumes_by(versions[i], client, "a.org", NULL, server));
        for (int j = 0; j < 5; j++)
            assert_true(resumes_by(versions[i], client, "a.org", NULL, server));
        ed_tls_free(client);
        ed_tls_free(server);
    }
}

static void a_resumed_session_has_its_certificate(void **state)
{
    ed_tls *server, *client;
    struct ed_tls_peer peer;
    struct ed_tls_info info;
    struct tls_pair p;

    (void)state;
    SERVER(&server, .client_auth = ED_TLS_CLIENT_REQUIRED,
           .client_ca = certs_path("ca.pem"));
    CLIENT(&client, .certificate = certs_path("user.pem"),
           .key = certs_path("user.key"));
    assert_false(resumes(client, "a.org", server));
    tls_pair_open(&p, client, "a.org", server);
    tls_pair_shake(&p);
    ed_tls_info_of(p.client.ssl, &info);
    assert_true(info.resumed && info.verified);
    assert_true(ed_tls_peer_of(p.client.ssl, &peer));
    assert_string_equal(peer.subject, "CN=a, O=Eddy");
    ed_tls_info_of(p.server.ssl, &info);
    assert_true(info.resumed && info.verified);
    assert_true(ed_tls_peer_of(p.server.ssl, &peer));
    assert_string_equal(peer.subject, "CN=user, O=Eddy");
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void sessions_are_for_one_name_and_one_offer(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ed_tls *server, *client;

        SERVER(&server, .alpn = "h2,http/1.1");
        CLIENT(&client, .alpn = "h2");
        assert_false(resumes_by(versions[i], client, "a.org", NULL, server));
        assert_false(
            resumes_by(versions[i], client, "www.a.org", NULL, server));
        assert_false(
            resumes_by(versions[i], client, "a.org", "http/1.1", server));
        assert_true(resumes_by(versions[i], client, "a.org", "h2", server));
        ed_tls_free(client);
        ed_tls_free(server);
    }
}

/* A ticket under another name than it was given for, which only a client that
 * is not ours presents. */
static void a_server_takes_tickets_for_their_own_name_only(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ed_tls *server, *client;
        struct tls_pair p;

        SERVER(&server, .alpn = "h2");
        CLIENT(&client, .no_verify = true);
        assert_false(resumes_by(versions[i], client, "a.org", NULL, server));
        tls_pair_open(&p, client, "a.org", server);
        SSL_set_max_proto_version(p.client.ssl, versions[i]);
        SSL_set_tlsext_host_name(p.client.ssl, "www.a.org");
        tls_pair_shake(&p);
        assert_int_equal(p.server.err, 0);
        assert_false(SSL_session_reused(p.server.ssl));
        tls_pair_close(&p);
        ed_tls_free(client);
        ed_tls_free(server);
    }
}

static void a_ticket_of_tls_1_3_is_used_once(void **state)
{
    ed_tls *server, *client;
    struct tls_pair first, pairs[3];
    bool resumed[3];

    (void)state;
    SERVER(&server, .alpn = "h2");
    CLIENT(&client, .alpn = "h2");
    tls_pair_open(&first, client, "a.org", server);
    tls_pair_shake(&first);
    tls_pair_close(&first);
    /* A server gives two. */
    for (int i = 0; i < 3; i++)
        tls_pair_open(&pairs[i], client, "a.org", server);
    for (int i = 0; i < 3; i++) {
        tls_pair_shake(&pairs[i]);
        resumed[i] = SSL_session_reused(pairs[i].client.ssl);
        tls_pair_close(&pairs[i]);
    }
    assert_true(resumed[0] && resumed[1]);
    assert_false(resumed[2]);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void who_wants_no_resumption_gets_none(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ed_tls *server, *client, *forgetful, *without;

        SERVER(&server, .alpn = "h2");
        SERVER(&without, .ticket_rotation = -1);
        CLIENT(&client, .alpn = "h2");
        CLIENT(&forgetful, .no_resumption = true);
        for (int j = 0; j < 2; j++) {
            assert_false(
                resumes_by(versions[i], forgetful, "a.org", NULL, server));
            assert_false(
                resumes_by(versions[i], client, "a.org", NULL, without));
        }
        ed_tls_free(client);
        ed_tls_free(forgetful);
        ed_tls_free(server);
        ed_tls_free(without);
    }
}

static void a_reload_keeps_a_servers_tickets_and_drops_a_clients(void **state)
{
    ed_tls *server, *client;

    (void)state;
    SERVER(&server, .alpn = "h2");
    CLIENT(&client, .alpn = "h2");
    assert_false(resumes(client, "a.org", server));
    assert_int_equal(ed_tls_reload(server), 0);
    assert_true(resumes(client, "a.org", server));
    assert_int_equal(
        ed_tls_add(server, certs_path("b.pem"), certs_path("b.key"), NULL), 0);
    assert_true(resumes(client, "a.org", server));
    assert_int_equal(ed_tls_reload(client), 0);
    assert_false(resumes(client, "a.org", server));
    ed_tls_free(client);
    ed_tls_free(server);
}

static void servers_with_one_secret_take_each_others_tickets(void **state)
{
    ed_tls *one, *two, *other, *client;

    (void)state;
    SERVER(&one, .ticket_secret = certs_path("secret"));
    SERVER(&two, .ticket_secret = certs_path("secret"));
    SERVER(&other, .alpn = "h2");
    CLIENT(&client, .alpn = NULL);
    assert_false(resumes(client, "a.org", one));
    assert_true(resumes(client, "a.org", two));
    assert_true(resumes(client, "a.org", one));
    assert_false(resumes(client, "a.org", other));

    /* The file is read again; and tickets of the old secret are void. */
    certs_write("secret", "another secret of more than 32 bytes");
    assert_int_equal(ed_tls_reload(two), 0);
    assert_false(resumes(client, "a.org", two));
    assert_true(resumes(client, "a.org", two));
    ed_tls_free(client);
    ed_tls_free(one);
    ed_tls_free(two);
    ed_tls_free(other);
}

static void other_demands_on_clients_void_tickets(void **state)
{
    ed_tls *none, *optional, *required, *stricter, *client;

    (void)state;
    certs_write("secret", "a third secret of more than 32 bytes");
    SERVER(&none, .ticket_secret = certs_path("secret"));
    SERVER(&optional, .ticket_secret = certs_path("secret"),
           .client_auth = ED_TLS_CLIENT_OPTIONAL,
           .client_ca = certs_path("ca.pem"));
    SERVER(&required, .ticket_secret = certs_path("secret"),
           .client_auth = ED_TLS_CLIENT_REQUIRED,
           .client_ca = certs_path("ca.pem"));
    SERVER(&stricter, .ticket_secret = certs_path("secret"),
           .client_auth = ED_TLS_CLIENT_REQUIRED,
           .client_ca = certs_path("two_cas.pem"));
    CLIENT(&client, .certificate = certs_path("user.pem"),
           .key = certs_path("user.key"));
    assert_false(resumes(client, "a.org", none));
    assert_false(resumes(client, "a.org", optional));
    assert_false(resumes(client, "a.org", required));
    assert_false(resumes(client, "a.org", stricter));
    assert_true(resumes(client, "a.org", stricter));
    assert_false(resumes(client, "a.org", required));
    ed_tls_free(client);
    ed_tls_free(none);
    ed_tls_free(optional);
    ed_tls_free(required);
    ed_tls_free(stricter);
}

static void a_server_whose_certificate_has_expired_is_not_resumed(void **state)
{
    ed_tls *server, *client;

    (void)state;
    assert_int_equal(ed_tls_server(&server,
                                   .certificate = certs_path("old.pem"),
                                   .key = certs_path("old.key")),
                     0);
    assert_int_equal(ed_tls_client(&client, .no_verify = true), 0);
    assert_false(resumes(client, "old.org", server));
    assert_false(resumes(client, "old.org", server));
    ed_tls_free(client);
    ed_tls_free(server);
}

static int believe(int well, X509_STORE_CTX *ctx)
{
    (void)well;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* As if it had expired since it was shown. */
static void a_client_whose_certificate_has_expired_is_not_resumed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        ed_tls *server, *client;
        struct tls_pair p;

        SERVER(&server, .client_auth = ED_TLS_CLIENT_REQUIRED,
               .client_ca = certs_path("ca.pem"));
        CLIENT(&client, .certificate = certs_path("old_user.pem"),
               .key = certs_path("old_user.key"));
        tls_pair_open(&p, client, "a.org", server);
        SSL_set_max_proto_version(p.client.ssl, versions[i]);
        SSL_set_verify(p.server.ssl, SSL_VERIFY_PEER, believe);
        tls_pair_shake(&p);
        well(&p);
        tls_pair_close(&p);
        tls_pair_open(&p, client, "a.org", server);
        SSL_set_max_proto_version(p.client.ssl, versions[i]);
        tls_pair_shake(&p);
        assert_int_equal(p.server.err, ED_ECERT);
        assert_has(p.server.why, "expired");
        tls_pair_close(&p);
        ed_tls_free(client);
        ed_tls_free(server);
    }
}

/* Though each ticket brings another. */
static void a_client_has_to_show_its_certificate_from_time_to_time(void **state)
{
    ed_tls *server, *client;
    int resumed = 0;

    (void)state;
    SERVER(&server, .client_auth = ED_TLS_CLIENT_REQUIRED,
           .client_ca = certs_path("ca.pem"), .ticket_rotation = ED_S / 2);
    CLIENT(&client, .certificate = certs_path("user.pem"),
           .key = certs_path("user.key"));
    assert_false(resumes(client, "a.org", server));
    for (int i = 0; i < 5; i++) {
        usleep(220000);
        resumed += resumes(client, "a.org", server);
    }
    assert_true(resumed < 5);
    ed_tls_free(client);
    ed_tls_free(server);
}

static void without_a_name_nothing_is_remembered(void **state)
{
    ed_tls *server, *client;

    (void)state;
    SERVER(&server, .alpn = "h2");
    CLIENT(&client, .no_verify = true);
    assert_false(resumes(client, NULL, server));
    assert_false(resumes(client, NULL, server));
    ed_tls_free(client);
    ed_tls_free(server);
}

/* The context is made before the fork; then each serves the other's client. */
static void forked_servers_take_each_others_tickets(void **state)
{
    ed_tls *server, *client;
    struct tls_pair p;
    int ends[2], status;
    unsigned char der[8192];

    (void)state;
    SERVER(&server, .alpn = "h2");
    CLIENT(&client, .alpn = "h2");
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) { /* gets a ticket of its own server, and hands it over */
        unsigned char *at = der;
        tls_pair_open(&p, client, "a.org", server);
        tls_pair_shake(&p);
        int len = i2d_SSL_SESSION(SSL_get_session(p.client.ssl), &at);
        _exit(len <= 0 || write(ends[1], der, (size_t)len) != len);
    }
    ssize_t len = read(ends[0], der, sizeof(der));
    assert_true(len > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    const unsigned char *at = der;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, len);
    assert_non_null(session);
    tls_pair_open(&p, client, "a.org", server);
    assert_true(SSL_set_session(p.client.ssl, session));
    tls_pair_shake(&p);
    assert_string_equal(p.client.why, "");
    assert_true(SSL_session_reused(p.client.ssl));
    tls_pair_close(&p);
    SSL_SESSION_free(session);
    close(ends[0]);
    close(ends[1]);
    ed_tls_free(client);
    ed_tls_free(server);
}

/* ---- what is remembered ---- */

/* A session that may be resumed. */
static SSL_SESSION *any_session(int version)
{
    ed_tls *server, *client;
    struct tls_pair p;

    SERVER(&server, .alpn = "h2");
    CLIENT(&client, .alpn = "h2");
    tls_pair_open(&p, client, "a.org", server);
    SSL_set_max_proto_version(p.client.ssl, version);
    tls_pair_shake(&p);
    SSL_SESSION *session = SSL_get1_session(p.client.ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    tls_pair_close(&p);
    ed_tls_free(client);
    ed_tls_free(server);
    return session;
}

static struct ed_bytes key_of(int number)
{
    static char text[16];

    snprintf(text, sizeof(text), "%d", number);
    return ed_bytes(text);
}

static void a_thousand_sessions_are_kept_and_the_oldest_go(void **state)
{
    struct ed_tls_sessions *kept = ed_tls_sessions_new();
    SSL_SESSION *session = any_session(TLS1_3_VERSION);

    (void)state;
    for (int i = 0; i < 1010; i++)
        ed_tls_sessions_keep(kept, key_of(i), SSL_SESSION_dup(session));
    for (int i = 0; i < 1010; i++) {
        SSL_SESSION *found = ed_tls_sessions_take(kept, key_of(i));
        if ((found != NULL) != (i >= 10))
            fail_msg("session %d", i);
        SSL_SESSION_free(found);
        assert_null(ed_tls_sessions_take(kept, key_of(i)));
    }
    SSL_SESSION_free(session);
    ed_tls_sessions_free(kept);
}

static void one_server_cannot_push_the_others_out(void **state)
{
    struct ed_tls_sessions *kept = ed_tls_sessions_new();
    SSL_SESSION *session = any_session(TLS1_3_VERSION), *found;
    int count = 0;

    (void)state;
    ed_tls_sessions_keep(kept, key_of(1), SSL_SESSION_dup(session));
    for (int i = 0; i < 2000; i++)
        ed_tls_sessions_keep(kept, key_of(2), SSL_SESSION_dup(session));
    found = ed_tls_sessions_take(kept, key_of(1));
    assert_non_null(found);
    SSL_SESSION_free(found);
    while ((found = ed_tls_sessions_take(kept, key_of(2)))) {
        SSL_SESSION_free(found);
        count++;
    }
    assert_int_equal(count, 16);
    SSL_SESSION_free(session);
    ed_tls_sessions_free(kept);
}

static void sessions_that_are_out_of_date_are_forgotten(void **state)
{
    struct ed_tls_sessions *kept = ed_tls_sessions_new();
    SSL_SESSION *session = any_session(TLS1_2_VERSION), *found;

    (void)state;
    ed_tls_sessions_keep(kept, key_of(1), session);
    for (int i = 0; i < 2; i++) { /* of TLS 1.2: many times */
        found = ed_tls_sessions_take(kept, key_of(1));
        assert_ptr_equal(found, session);
        SSL_SESSION_free(found);
    }
    SSL_SESSION_set_timeout(session, 0);
    assert_null(ed_tls_sessions_take(kept, key_of(1)));
    ed_tls_sessions_free(kept);
}

/* ---- files ---- */

static int make_files(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "a", .names = "a.org,*.a.org");
    certs_make(.file = "b", .names = "b.org");
    certs_make(.file = "old", .names = "old.org", .from = -9, .until = -1);
    certs_make(.file = "user", .client = true);
    certs_make(.file = "old_user", .client = true, .from = -9, .until = -1);
    certs_make(.file = "other_ca", .issuer = "", .ca = true);
    certs_append("two_cas.pem", "ca.pem");
    certs_append("two_cas.pem", "other_ca.pem");
    certs_write("secret", "a secret of more than thirty-two bytes");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_change_with_each_epoch_and_are_taken_for_two),
        cmocka_unit_test(keys_of_a_secret_follow_from_it_and_the_time),
        cmocka_unit_test(random_keys_are_their_processs_own),
        cmocka_unit_test(forked_processes_agree_on_random_keys),
        cmocka_unit_test(a_clock_set_back_brings_no_old_keys_back),
        cmocka_unit_test(a_clock_that_jumps_by_decades_costs_little),
        cmocka_unit_test(the_second_connection_resumes_the_first_ones_session),
        cmocka_unit_test(a_resumed_session_has_its_certificate),
        cmocka_unit_test(sessions_are_for_one_name_and_one_offer),
        cmocka_unit_test(a_server_takes_tickets_for_their_own_name_only),
        cmocka_unit_test(a_ticket_of_tls_1_3_is_used_once),
        cmocka_unit_test(who_wants_no_resumption_gets_none),
        cmocka_unit_test(a_reload_keeps_a_servers_tickets_and_drops_a_clients),
        cmocka_unit_test(servers_with_one_secret_take_each_others_tickets),
        cmocka_unit_test(other_demands_on_clients_void_tickets),
        cmocka_unit_test(a_server_whose_certificate_has_expired_is_not_resumed),
        cmocka_unit_test(a_client_whose_certificate_has_expired_is_not_resumed),
        cmocka_unit_test(
            a_client_has_to_show_its_certificate_from_time_to_time),
        cmocka_unit_test(without_a_name_nothing_is_remembered),
        cmocka_unit_test(forked_servers_take_each_others_tickets),
        cmocka_unit_test(a_thousand_sessions_are_kept_and_the_oldest_go),
        cmocka_unit_test(one_server_cannot_push_the_others_out),
        cmocka_unit_test(sessions_that_are_out_of_date_are_forgotten),
    };
    return cmocka_run_group_tests(tests, make_files, certs_tear_down);
}
