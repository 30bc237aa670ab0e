/*
 * tls_target.c - an HTTP server over TLS that tells how it sees its clients.
 *
 *     tls_target CERTIFICATE.pem [IDLE_MS [CA.pem optional|required]]
 *
 *     /            a page that names this server
 *     /info        what TLS agreed on, who asks, and from which address
 *     /echo        the body that came, as it comes
 *     /bytes?n=N   N bytes
 *     /forever     pieces without an end
 *     /counts      of the server
 *
 * Closes what is idle for that long (0: as servers do), and trusts clients'
 * certificates of that CA. Prints where it listens on stderr; ends with
 * SIGTERM, and with 1 when requests did not.
 */
#include <eddy/eddy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct target {
    ed_server *server;
    ed_tls *tls;
    int64_t idle_timeout;
    struct ed_tls_server_options options;
};

static int page(ed_req *req)
{
    return ed_reply_bytes(req, 200, "text/html",
                          ED_BYTES("<!doctype html><title>target</title>"
                                   "<link rel=icon href=data:,>"));
}

static int info(ed_req *req)
{
    struct ed_tls_info tls = {0};
    struct ed_tls_peer peer = {0};

    if (!ed_req_tls(req, &tls))
        return ED_EUSAGE;
    (void)ed_req_tls_peer(req, &peer); /* none: no subject */
    return ed_reply_json(req, 200, "{s:s, s:s, s:s, s:s, s:b, s:b, s:s, s:s}",
                         "version", tls.version, "cipher", tls.cipher, "alpn",
                         tls.alpn, "name", tls.server_name, "resumed",
                         tls.resumed, "verified", tls.verified, "subject",
                         peer.subject, "from", ed_req_peer(req));
}

static int echo(ed_req *req)
{
    char piece[16384];
    ssize_t n;
    int err = ed_reply_begin(req, 200, ed_body_length(req));

    while (!err && (n = ed_body_read(req, piece, sizeof piece)) != 0) {
        err =
            n < 0 ? (int)n : ed_write_bytes(req, ed_bytes_of(piece, (size_t)n));
    }
    return err;
}

static int bytes(ed_req *req)
{
    static const char piece[16384];
    int64_t n;
    int err = ed_query_int(req, "n", 0, INT64_C(1) << 32, 0, &n);

    if (!err)
        err = ed_reply_begin(req, 200, n);
    while (!err && n > 0) {
        size_t now = n < (int64_t)sizeof piece ? (size_t)n : sizeof piece;
        err = ed_write_bytes(req, ed_bytes_of(piece, now));
        n -= (int64_t)now;
    }
    return err;
}

static int forever(ed_req *req)
{
    int err = ed_reply_begin(req, 200, -1);

    while (!err) {
        err = ed_write(req, "more\n");
        if (!err)
            err = ed_flush(req);
        if (!err)
            err = ed_sleep(5 * ED_MS);
    }
    return err;
}

static int counts(ed_req *req)
{
    struct target *target = ed_req_user(req);
    struct ed_server_counts now;

    ed_server_counts(target->server, &now);
    return ed_reply_json(req, 200, "{s:I, s:I, s:I, s:i, s:i}", "requests",
                         (int64_t)now.requests, "handshakes",
                         (int64_t)now.handshakes, "handshakes_failed",
                         (int64_t)now.handshakes_failed, "open", (int)now.open,
                         "in_flight", (int)now.in_flight);
}

static int answer(ed_req *req)
{
    static const struct {
        const char *path;
        ed_handler *handler;
    } routes[] = {{"/", page},           {"/info", info},
                  {"/echo", echo},       {"/bytes", bytes},
                  {"/forever", forever}, {"/counts", counts}};

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!strcmp(ed_req_path(req), routes[i].path))
            return routes[i].handler(req);
    }
    return ED_ENOTFOUND;
}

static int stop_on_signal(void *arg)
{
    struct target *target = arg;
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGTERM);

    if (!err)
        err = ed_signals_next(signals, &signo);
    if (!err)
        ed_server_stop(target->server);
    return err;
}

static int serve_on(struct target *target)
{
    char address[ED_ADDR_TEXT];
    int err =
        ed_server_listen(target->server, "127.0.0.1:0", .tls = target->tls);

    if (err)
        return err;
    ed_scope(s);
    ed_go(s, stop_on_signal, target);
    if (ed_server_address(target->server, 0, address))
        fprintf(stderr, "listening on https://%s\n", address);
    return ed_server_run(target->server);
}

static int serve(void *arg)
{
    struct target *target = arg;
    int err = ed_tls_server_with(&target->tls, &target->options);

    if (err)
        return err;
    target->server = ed_server_new(answer, .user = target,
                                   .idle_timeout = target->idle_timeout,
                                   .drain_timeout = 5 * ED_S);
    err = target->server ? serve_on(target) : ED_ENOMEM;
    ed_server_free(target->server);
    ed_tls_free(target->tls);
    return err;
}

int main(int argc, char **argv)
{
    struct target target = {
        .options = {.size = sizeof target.options, .certificate = argv[1]}};
    if (argc > 2)
        target.idle_timeout = atoi(argv[2]) * ED_MS;
    if (argc > 4) {
        target.options.client_ca = argv[3];
        target.options.client_auth = strcmp(argv[4], "required")
                                         ? ED_TLS_CLIENT_OPTIONAL
                                         : ED_TLS_CLIENT_REQUIRED;
    }
    /* Where much else runs its loop stands still at times. To say where takes
     * debug information, and that 40 MB, which are not the clients'. */
    int err = ed_run(serve, &target, .blocked_after = -1);
    if (err)
        fprintf(stderr, "%s\n", ed_err_name(err));
    return err ? 1 : 0;
}
