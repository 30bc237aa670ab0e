/*
 * handshake.c - connections of a server that begin with TLS, until HTTP does.
 *
 * Owns a connection while its handshake runs, which holds no fiber. Handshakes
 * are bounded in time by the list of those that wait for one, and in number:
 * at the limit listeners for TLS pause.
 */
#include "http/server_internal.h"
#include "net/tls.h"

#include <eddy/log.h>
#include <stdlib.h>

/* Not only HTTP/1.1: who asks by HTTP/1.0 may offer nothing else, as curl. */
#define PROTOCOLS "http/1.1,http/1.0"

/* What a client reads that speaks HTTP in the clear to such a listener. */
#define CLEAR_TEXT \
    "400 Bad Request: plain HTTP was sent to a port that speaks TLS\n"
#define CLEAR_STATUS 400
#define CLEAR_REPLY                               \
    "HTTP/1.1 400 Bad Request\r\n"                \
    "Content-Type: text/plain; charset=utf-8\r\n" \
    "Connection: close\r\n"                       \
    "Content-Length: 63\r\n"                      \
    "\r\n" CLEAR_TEXT
_Static_assert(sizeof CLEAR_TEXT - 1 == 63, "the length is told above");

struct handshake {
    struct ed_conn base;
    ed_stream *stream;
};

static void end(struct handshake *h)
{
    ed_server *server = h->base.server;
    server->handshakes--;
    ed_conn_gone(&h->base);
    free(h);
}

static void tell_failure(struct handshake *h, const char *why)
{
    char peer[ED_ADDR_TEXT];
    h->base.server->counts.handshakes_failed++;
    if (!ed_log_enabled(ED_LOG_DEBUG))
        return;
    ed_stream_peer(h->stream, peer);
    ed_log_debug("TLS handshake with %s failed: %s", *peer ? peer : "somebody",
                 why);
}

static void ready(ed_stream *stream, int err, const char *why, void *arg)
{
    struct handshake *h = arg;
    ed_server *server = h->base.server;
    if (err) {
        tell_failure(h, why);
        if (ed_tls_answer_in_clear(stream, ED_BYTES(CLEAR_REPLY)))
            ed_server_refused(server, CLEAR_STATUS, stream);
        ed_stream_close(stream);
    } else {
        server->counts.handshakes++;
        ed_h1_open(server, stream);
    }
    end(h);
}

static void expire(struct ed_conn *base, int err)
{
    struct handshake *h = ED_CONTAINER(base, struct handshake, base);
    tell_failure(h,
                 err == ED_ETIMEOUT ? "it took too long" : "the server stops");
    ed_stream_close(h->stream);
    end(h);
}

static ed_stream *stream_of(const struct ed_conn *base)
{
    return ED_CONTAINER(base, const struct handshake, base)->stream;
}

static uint64_t no_requests(const struct ed_conn *base)
{
    (void)base;
    return 0;
}

static const struct ed_conn_kind handshaking = {
    .name = "handshake",
    .expire = expire,
    .stream = stream_of,
    .requests = no_requests,
};

void ed_handshake_open(ed_server *server, ed_stream *lower, ed_tls *tls)
{
    struct handshake *h = calloc(1, sizeof *h);
    int err = h ? ed_tls_accept(&h->stream, lower, tls, PROTOCOLS, ready, h)
                : ED_ENOMEM;
    if (err) {
        ed_log_warn("a connection was dropped before its TLS handshake: %s",
                    ed_err_text(err));
        free(h);
        ed_stream_close(lower);
        return;
    }
    h->base.kind = &handshaking;
    server->handshakes++;
    ed_conn_open(server, &h->base);
    ed_conn_enter(&h->base, ED_CONN_TLS);
}
