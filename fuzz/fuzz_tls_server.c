/*
 * fuzz_tls_server.c - a client that spoils its own handshake and records.
 *
 * The first byte says which handshake it is: of 1.2, with a certificate of the
 * client, resumed. Each of the others is something the client does, the network
 * does to its bytes, or the server does to its stream; some take arguments from
 * behind them. Whatever happens:
 *
 * - the server reads nothing but what the client has written, in order;
 * - it is not told of an end that the client has not told;
 * - without spoiling nothing fails, and all arrives;
 * - nothing is left when the stream is closed.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* random bytes that are the same again */
#include "check.h"
#include "certs.h"
#include "tls_client.h"

#include <eddy/log.h>
#include <openssl/err.h>
#include <openssl/rand.h>

enum { OF_1_2 = 1, WITH_CERTIFICATE = 2, RESUMED = 4, MOST = 100000 };

static ed_tls *servers[2]; /* the second asks for certificates */
static SSL_CTX *clients[2];
static SSL_SESSION *sessions[2];

struct run {
    const uint8_t *in, *end;
    struct tls_client client;
    struct ed_buf written;
    bool spoilt; /* the client's bytes, or the server has had enough */
    bool shut;   /* the client has said that it ends */
};

/* ---- the same each time ---- */

static uint64_t random_state;

static int draw(unsigned char *out, int len)
{
    for (int i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005 + 1442695040888963407;
        out[i] = (unsigned char)(random_state >> 56);
    }
    return 1;
}

static int always(void)
{
    return 1;
}

static const RAND_METHOD same_again = {
    .bytes = draw, .pseudorand = draw, .status = always};

static int keep(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **kept = SSL_get_app_data(ssl);

    if (*kept)
        return 0;
    *kept = session;
    return 1;
}

/* A session of 1.3 for each server. */
static int get_sessions(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct tls_client c;
        char byte;

        tls_client_open(&c, clients[i], servers[i]);
        SSL_set_app_data(c.ssl, &sessions[i]);
        CHECK(tls_client_shake(&c));
        tls_client_send(&c, SIZE_MAX);
        CHECK(SSL_read(c.ssl, &byte, 1) < 0);
        SSL_shutdown(c.ssl);
        tls_client_close(&c);
        CHECK(sessions[i]);
    }
    return 0;
}

static void prepare(void)
{
    CHECK(RAND_set_rand_method(&same_again) == 1);
    ed_log_set_level(ED_LOG_OFF);
    certs_open();
    certs_make(.file = "a", .names = "a.org");
    certs_make(.file = "user", .client = true);
    for (int i = 0; i < 2; i++) {
        CHECK(!ed_tls_server(&servers[i], .certificate = certs_path("a.pem"),
                             .key = certs_path("a.key"), .alpn = "h2,http/1.1",
                             .client_auth = i ? ED_TLS_CLIENT_REQUIRED
                                              : ED_TLS_CLIENT_NONE,
                             .client_ca = i ? certs_path("ca.pem") : NULL));
        SSL_CTX *ctx = clients[i] = SSL_CTX_new(TLS_client_method());
        CHECK(ctx);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, keep);
    }
    CHECK(SSL_CTX_use_certificate_file(clients[1], certs_path("user.pem"),
                                       SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(clients[1], certs_path("user.key"),
                                      SSL_FILETYPE_PEM) == 1);
    certs_close();
    CHECK(!ed_run(get_sessions, NULL, .virtual_clock = true));
}

/* ---- what may happen ---- */

static uint8_t next(struct run *r)
{
    return r->in < r->end ? *r->in++ : 0;
}

static void client_works(struct run *r)
{
    SSL *ssl = r->client.ssl;
    char buf[4096];

    if (SSL_is_init_finished(ssl))
        SSL_read(ssl, buf, sizeof(buf));
    else
        SSL_do_handshake(ssl);
}

static void client_writes(struct run *r)
{
    static char bytes[256 * 100];
    size_t len = next(r) * (size_t)100 + 1;
    size_t n;

    if (!SSL_is_init_finished(r->client.ssl) || r->written.len > MOST)
        return;
    memset(bytes, (int)(r->written.len / 7), len);
    if (SSL_write_ex(r->client.ssl, bytes, len, &n))
        CHECK(!ed_buf_add(&r->written, bytes, n));
}

static void client_says(struct run *r)
{
    SSL *ssl = r->client.ssl;

    switch (next(r) % 4) {
    case 0:
        r->shut |= SSL_is_init_finished(ssl);
        SSL_shutdown(ssl);
        break;
    case 1:
        if (SSL_version(ssl) == TLS1_2_VERSION && SSL_renegotiate(ssl) == 1)
            r->spoilt = true;
        break;
    case 2:
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        break;
    default:
        SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
    }
}

static void network_spoils(struct run *r)
{
    struct ed_buf *said = &r->client.peer->said;
    size_t len = next(r);

    r->spoilt = true;
    if (len & 1 && said->len) {
        size_t at = (len * 256 + next(r)) % said->len;
        said->ptr[at] ^= (char)(next(r) | 1);
        return;
    }
    if (len & 2) {
        len = len / 4 * 16;
        said->len -= len < said->len ? len : said->len;
        return;
    }
    if (len > (size_t)(r->end - r->in))
        len = (size_t)(r->end - r->in);
    memory_peer_say(r->client.peer, ed_bytes_of((const char *)r->in, len));
    r->in += len;
}

static void network_delivers(struct run *r)
{
    uint8_t how = next(r);

    if (how == 255) {
        r->spoilt = true;
        memory_peer_end(r->client.peer);
    }
    r->client.peer->room += how * (size_t)how;
    tls_client_deliver(&r->client, how & 1 ? how : SIZE_MAX);
}

static void server_acts(struct run *r)
{
    static char bytes[256 * 256];
    struct iovec iov = {bytes, next(r) * (size_t)256 + 1};
    ed_stream *s = r->client.server;
    uint8_t what = next(r) % 6;

    if (s && what == 0) {
        r->spoilt = true;
        tls_client_close_server(&r->client);
        return;
    }
    if (!s || r->client.result)
        return;
    switch (what) {
    case 1:
        CHECK(!ed_stream_receive(s, false));
        return;
    case 2:
        if (r->client.ended == TLS_CLIENT_WAITS)
            CHECK(!ed_stream_receive(s, true));
        return;
    case 3:
        (void)ed_stream_shutdown(s);
        return;
    default:
        (void)ed_stream_try_writev(s, &iov, 1);
    }
}

static void happen(struct run *r)
{
    static void (*const things[])(struct run * r) = {
        client_works, client_works,     network_delivers, client_writes,
        client_says,  network_delivers, network_spoils,   server_acts,
    };

    things[next(r) % 8](r);
    ERR_clear_error();
    tls_client_say(&r->client);
    tls_client_hear(&r->client);
}

/* ---- what has to be so ---- */

static void check_run(const struct run *r)
{
    const struct tls_client *c = &r->client;

    CHECK(c->got.len <= r->written.len);
    CHECK(!c->got.len || !memcmp(c->got.ptr, r->written.ptr, c->got.len));
    CHECK(c->ended || r->shut);
    if (r->spoilt)
        return;
    CHECK(c->result == 0);
    CHECK(c->got.len == r->written.len);
    CHECK(c->ended == (r->shut ? 0 : TLS_CLIENT_WAITS));
}

/* Lets all that is on its way arrive. */
static void finish(struct run *r)
{
    struct tls_client *c = &r->client;

    for (int i = 0; i < 20; i++) {
        c->peer->room = SIZE_MAX / 2;
        if (c->server && !c->result && c->ended == TLS_CLIENT_WAITS)
            CHECK(!ed_stream_receive(c->server, true));
        client_works(r);
        ERR_clear_error();
        tls_client_send(c, SIZE_MAX);
    }
}

static int run_body(void *arg)
{
    struct run *r = arg;
    uint8_t kind = next(r);
    int i = kind & WITH_CERTIFICATE ? 1 : 0;
    struct tls_client *c = &r->client;

    tls_client_open(c, clients[i], servers[i]);
    SSL_set_app_data(c->ssl, &sessions[i]);
    if (kind & RESUMED)
        CHECK(SSL_set_session(c->ssl, sessions[i]) == 1);
    else if (kind & OF_1_2)
        CHECK(SSL_set_max_proto_version(c->ssl, TLS1_2_VERSION) == 1);
    while (r->in < r->end)
        happen(r);
    finish(r);
    check_run(r);
    tls_client_close(c);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run r = {.in = data, .end = data + len};

    if (!servers[0])
        prepare();
    random_state = 1;
    CHECK(!ed_run(run_body, &r, .virtual_clock = true, .blocked_after = -1));
    ed_buf_free(&r.written);
    return 0;
}
