/*
 * test_tls_handover.c - a server's connection as it leaves OpenSSL: whatever a
 * client puts behind its last message, however it is cut, and whatever the
 * handshake was like.
 */
#include "../../fiber_test.h"
#include "certs.h"
#include "tls_client.h"
#include <errno.h>
#include <openssl/err.h>

static ed_tls *server;
static SSL_CTX *ctx;

static void open_server(struct ed_tls_server_options options)
{
    options.size = sizeof(options);
    options.certificate = certs_path("a.pem");
    options.key = certs_path("a.key");
    check_int(ed_tls_server_with(&server, &options), 0);
    ctx = SSL_CTX_new(TLS_client_method());
}

static void close_server(void)
{
    SSL_CTX_free(ctx);
    ed_tls_free(server);
}

#define SERVER(...) open_server((struct ed_tls_server_options){__VA_ARGS__})

static void show_certificate(void)
{
    check(SSL_CTX_use_certificate_file(ctx, certs_path("user.pem"),
                                       SSL_FILETYPE_PEM) == 1);
    check(SSL_CTX_use_PrivateKey_file(ctx, certs_path("user.key"),
                                      SSL_FILETYPE_PEM) == 1);
}

static void answer(struct tls_client *c, const char *text)
{
    struct iovec iov = {(char *)text, strlen(text)};

    check_int(ed_stream_try_writev(c->server, &iov, 1), iov.iov_len);
}

static void hears(struct tls_client *c, const char *text)
{
    char buf[100] = "";

    tls_client_hear(c);
    int n = SSL_read(c->ssl, buf, sizeof(buf) - 1);
    check_int(n, strlen(text));
    check_text(buf, text);
}

static bool has_got(const struct tls_client *c, const char *text)
{
    return ed_bytes_equal(ed_buf_bytes(&c->got), ed_bytes(text));
}

/* All a client may have to say, at once. */
static void say_all(struct tls_client *c)
{
    check_int(SSL_write(c->ssl, "to be ", 6), 6);
    check_int(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    check_int(SSL_write(c->ssl, "or not", 6), 6);
    SSL_shutdown(c->ssl);
    tls_client_say(c);
}

/* Cuts the last flight and what is behind it at one place, or, with 0, into
 * single bytes. Returns its length. */
static size_t converse(size_t cut, bool resumed)
{
    struct ed_tls_info info;
    struct tls_client c;

    tls_client_open(&c, ctx, server);
    check(tls_client_shake(&c));
    say_all(&c);
    size_t len = c.peer->said.len;
    tls_client_deliver(&c, cut ? cut : 1);
    while (tls_client_deliver(&c, cut ? SIZE_MAX : 1))
        ;
    check_int(c.result, 0);
    check_int(c.ended, 0);
    check(has_got(&c, "to be or not"));
    if (check(c.server)) {
        check(ed_stream_tls(c.server, &info));
        check_text(info.server_name, "a.org");
        check_int(info.resumed, resumed);
        answer(&c, "that is the question");
        hears(&c, "that is the question");
    }
    check_int(SSL_session_reused(c.ssl), resumed);
    tls_client_close(&c);
    return len;
}

FIBER_TEST(what_comes_with_the_last_message_is_read_wherever_it_is_cut)
{
    SERVER(0);
    size_t len = converse(0, false);
    for (size_t cut = 1; cut <= len; cut++)
        converse(cut, false);
    close_server();
}

FIBER_TEST(so_it_is_when_the_client_was_asked_again)
{
    SERVER(0);
    check(SSL_CTX_set1_groups_list(ctx, "P-521:P-256") == 1);
    for (size_t cut = 0; cut < 200; cut += 13)
        converse(cut, false);
    close_server();
}

FIBER_TEST(so_it_is_with_a_client_that_shows_its_certificate)
{
    SERVER(.client_auth = ED_TLS_CLIENT_REQUIRED,
           .client_ca = certs_path("ca.pem"));
    show_certificate();
    for (size_t cut = 0; cut < 1500; cut += 111)
        converse(cut, false);
    close_server();
}

static SSL_SESSION *kept;

static int keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

/* A session of that server. */
static void get_session(void)
{
    struct tls_client c;
    char byte;

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ctx, keep);
    tls_client_open(&c, ctx, server);
    check(tls_client_shake(&c));
    tls_client_send(&c, SIZE_MAX);
    check_int(SSL_read(c.ssl, &byte, 1), -1);
    SSL_shutdown(c.ssl);
    tls_client_close(&c);
    check(kept && SSL_SESSION_is_resumable(kept));
}

static void drop_session(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

FIBER_TEST(so_it_is_with_a_session_that_is_resumed)
{
    SERVER(0);
    get_session();
    for (size_t cut = 0; cut < 200; cut += 7) {
        struct tls_client c;
        char buf[30];

        tls_client_open(&c, ctx, server);
        check(SSL_set_session(c.ssl, kept) == 1);
        check(tls_client_shake(&c));
        check(SSL_session_reused(c.ssl));
        say_all(&c);
        tls_client_deliver(&c, cut ? cut : 1);
        while (tls_client_deliver(&c, cut ? SIZE_MAX : 1))
            ;
        check(has_got(&c, "to be or not"));
        answer(&c, "well");
        tls_client_hear(&c);
        check_int(SSL_read(c.ssl, buf, sizeof(buf)), 4);
        tls_client_close(&c);
    }
    drop_session();
    close_server();
}

/* Which nobody protects from being sent again. */
FIBER_TEST(data_before_the_end_of_the_handshake_is_not_taken)
{
    struct tls_client c;
    size_t n;

    SERVER(0);
    get_session();
    check(SSL_SESSION_set_max_early_data(kept, 1000) == 1);
    tls_client_open(&c, ctx, server);
    check(SSL_set_session(c.ssl, kept) == 1);
    check(SSL_write_early_data(c.ssl, "early", 5, &n) == 1);
    check(tls_client_shake(&c));
    check_int(SSL_get_early_data_status(c.ssl), SSL_EARLY_DATA_REJECTED);
    check_int(SSL_write(c.ssl, "late", 4), 4);
    tls_client_send(&c, SIZE_MAX);
    check(has_got(&c, "late"));
    tls_client_close(&c);
    drop_session();
    close_server();
}

/* The tickets behind the handshake wait with it, and are counted once. */
FIBER_TEST(a_client_that_takes_its_time_hears_everything_in_order)
{
    SERVER(0);
    for (size_t room = 1; room < 2000; room = room * 3 + 1) {
        struct tls_client c;
        char buf[30];
        int n = -1;

        tls_client_open(&c, ctx, server);
        c.peer->room = 0;
        for (int i = 0; i < 4000 && !SSL_is_init_finished(c.ssl); i++) {
            SSL_do_handshake(c.ssl);
            tls_client_send(&c, SIZE_MAX);
            c.peer->room += room;
        }
        tls_client_send(&c, SIZE_MAX);
        check_int(c.result, 0);
        struct iovec iov = {"hello", 5};
        ssize_t sent = -EAGAIN;
        for (int i = 0; i < 4000 && c.server && n < 0; i++) {
            if (sent == -EAGAIN)
                sent = ed_stream_try_writev(c.server, &iov, 1);
            c.peer->room += room;
            tls_client_send(&c, SIZE_MAX);
            n = SSL_read(c.ssl, buf, sizeof(buf));
        }
        check_int(n, 5);
        tls_client_close(&c);
    }
    close_server();
}

/* ---- what must not come ---- */

/* Which alert such bytes behind the client's last message earn. */
static int alert_for(struct ed_bytes bytes, size_t most)
{
    struct tls_client c;
    char byte;

    tls_client_open(&c, ctx, server);
    check(tls_client_shake(&c));
    tls_client_say(&c);
    memory_peer_say(c.peer, bytes);
    tls_client_send(&c, most);
    check_int(c.result, 0);
    check_int(c.ended, ED_ETLS);
    check_int(c.got.len, 0);
    ERR_clear_error();
    check(SSL_read(c.ssl, &byte, 1) <= 0);
    int reason = ERR_GET_REASON(ERR_peek_error());
    tls_client_close(&c);
    return reason - SSL_AD_REASON_OFFSET;
}

FIBER_TEST(nothing_in_the_clear_may_follow_the_handshake)
{
    static const struct ed_bytes rows[] = {
        ED_BYTES("\x14\3\3\0\1\1"),         /* a change of cipher spec */
        ED_BYTES("\x15\3\3\0\2\1\0"),       /* an alert: close_notify */
        ED_BYTES("\x16\3\3\0\5\x18\0\0\1"), /* an update of keys */
        ED_BYTES("GET / HTTP/1.1\r\n"),
    };

    SERVER(0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        check_int(alert_for(rows[i], SIZE_MAX), SSL_AD_UNEXPECTED_MESSAGE);
        check_int(alert_for(rows[i], 1), SSL_AD_UNEXPECTED_MESSAGE);
    }
    check_int(alert_for(ED_BYTES("\x17\3\3\0\x14"
                                 "01234567890123456789"),
                        SIZE_MAX),
              SSL_AD_BAD_RECORD_MAC);
    close_server();
}

FIBER_TEST(a_cut_before_the_end_is_always_told)
{
    struct tls_client c;

    SERVER(0);
    tls_client_open(&c, ctx, server);
    check(tls_client_shake(&c));
    check_int(SSL_write(c.ssl, "all of it", 9), 9);
    tls_client_say(&c);
    size_t len = c.peer->said.len;
    tls_client_close(&c);
    for (size_t cut = 0; cut <= len; cut++) {
        tls_client_open(&c, ctx, server);
        check(tls_client_shake(&c));
        check_int(SSL_write(c.ssl, "all of it", 9), 9);
        tls_client_say(&c);
        c.peer->said.len = cut;
        memory_peer_end(c.peer);
        tls_client_send(&c, SIZE_MAX);
        check_int(c.result ? c.result : c.ended, ED_EEOF);
        check_int(c.got.len, cut == len ? 9 : 0);
        tls_client_close(&c);
    }
    close_server();
}

/* ---- what was agreed on ---- */

FIBER_TEST(a_client_that_wants_short_records_gets_them)
{
    static char much[5000];
    struct iovec iov = {much, sizeof(much)};
    struct tls_client c;
    size_t got = 0;
    int n;

    SERVER(0);
    check(SSL_CTX_set_tlsext_max_fragment_length(
              ctx, TLSEXT_max_fragment_length_512) == 1);
    tls_client_open(&c, ctx, server);
    check(tls_client_shake(&c));
    tls_client_send(&c, SIZE_MAX);
    check_int(ed_stream_try_writev(c.server, &iov, 1), sizeof(much));
    const uint8_t *at = (uint8_t *)c.peer->heard.ptr;
    const uint8_t *end = at + c.peer->heard.len;
    for (size_t len; at < end; at += 5 + len) {
        len = (size_t)at[3] << 8 | at[4];
        check(len <= 512 + 1 + 16);
    }
    tls_client_hear(&c);
    while ((n = SSL_read(c.ssl, much, sizeof(much))) > 0)
        got += (size_t)n;
    check_int(got, sizeof(much));
    tls_client_close(&c);
    close_server();
}

/* ---- closed at any time ---- */

struct mischief {
    uint32_t seed;
};

static void act(struct tls_client *c)
{
    struct mischief *m = c->user;
    static char bytes[40000];
    struct iovec iov = {bytes, test_random(&m->seed, sizeof(bytes))};

    if (!c->server || c->result)
        return;
    switch (test_random(&m->seed, 8)) {
    case 0:
        tls_client_close_server(c);
        return;
    case 1:
        ed_stream_reset(c->server);
        c->server = NULL;
        return;
    case 2:
        (void)ed_stream_shutdown(c->server);
        return;
    case 3:
        (void)ed_stream_receive(c->server, false);
        return;
    case 4:
        (void)ed_stream_want_writable(c->server, true);
        return;
    case 5:
        (void)ed_stream_receive(c->server, true);
        return;
    default:
        (void)ed_stream_try_writev(c->server, &iov, 1);
    }
}

static void be_a_nuisance(struct tls_client *c, struct mischief *m)
{
    char buf[5000] = {0};
    size_t len = test_random(&m->seed, sizeof(buf)) + 1;

    switch (test_random(&m->seed, 9)) {
    case 0:
        SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
        break;
    case 1:
        if (test_random(&m->seed, 8) == 0)
            SSL_shutdown(c->ssl);
        break;
    case 2:
        if (test_random(&m->seed, 8) == 0)
            memory_peer_end(c->peer);
        break;
    case 3:
        if (test_random(&m->seed, 16) == 0)
            memory_peer_say(c->peer, ed_bytes_of(buf, 10));
        break;
    case 4:
        c->peer->room += test_random(&m->seed, 50000);
        break;
    case 5:
        act(c);
        break;
    default:
        if (SSL_is_init_finished(c->ssl))
            SSL_write(c->ssl, buf, (int)len);
        else
            SSL_do_handshake(c->ssl);
    }
    tls_client_say(c);
    tls_client_deliver(c, test_random(&m->seed, 2) ? SIZE_MAX : len);
    tls_client_hear(c);
    if (SSL_is_init_finished(c->ssl))
        SSL_read(c->ssl, buf, sizeof(buf));
    ERR_clear_error();
}

FIBER_TEST(a_server_that_closes_at_any_time_does_no_harm)
{
    SERVER(0);
    for (uint32_t seed = 1; seed <= 600; seed++) {
        struct mischief m = {.seed = seed * 2654435761};
        struct tls_client c;

        tls_client_open(&c, ctx, server);
        if (seed % 3 == 0)
            check(SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION) == 1);
        c.event = act;
        c.user = &m;
        c.peer->room = seed % 2 ? SIZE_MAX / 2 : 0;
        uint32_t turns = 1 + test_random(&m.seed, 50);
        for (uint32_t i = 0; i < turns && c.server; i++)
            be_a_nuisance(&c, &m);
        tls_client_close(&c);
    }
    close_server();
}

static int set_up(void **state)
{
    (void)state;
    certs_open();
    certs_make(.file = "a", .names = "a.org");
    certs_make(.file = "user", .client = true);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_comes_with_the_last_message_is_read_wherever_it_is_cut),
        cmocka_unit_test(so_it_is_when_the_client_was_asked_again),
        cmocka_unit_test(so_it_is_with_a_client_that_shows_its_certificate),
        cmocka_unit_test(so_it_is_with_a_session_that_is_resumed),
        cmocka_unit_test(data_before_the_end_of_the_handshake_is_not_taken),
        cmocka_unit_test(
            a_client_that_takes_its_time_hears_everything_in_order),
        cmocka_unit_test(nothing_in_the_clear_may_follow_the_handshake),
        cmocka_unit_test(a_cut_before_the_end_is_always_told),
        cmocka_unit_test(a_client_that_wants_short_records_gets_them),
        cmocka_unit_test(a_server_that_closes_at_any_time_does_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, certs_tear_down);
}
