/*
 * tls_openssl.c - both sides of TLS, for tls_openssl.sh.
 *
 *     tls_openssl serve FOLDER [OPTION...]   one line of each client, answered
 *     tls_openssl ask ADDRESS NAME [OPTION...]
 *
 * The server shows FOLDER/site.pem, and FOLDER/other.pem for its names; it
 * reads its files again on SIGHUP. Both print what a handshake agreed on, one
 * line a connection, or why it failed. Options, as in eddy/tls.h: alpn=LIST,
 * ca=FILE (of clients, for a server), certificate=FILE, ocsp=FILE, secret=FILE,
 * pin=PIN, optional, required, no_verify.
 */
#include <eddy/eddy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *alpn, *ca, *certificate, *ocsp, *secret;
    const char *pins[2];
    enum ed_tls_client_auth client_auth;
    bool no_verify;
} options;

static bool value_of(const char *option, const char *name, const char **out)
{
    size_t len = strlen(name);

    if (strncmp(option, name, len) != 0 || option[len] != '=')
        return false;
    *out = option + len + 1;
    return true;
}

static void take_option(const char *option)
{
    if (value_of(option, "alpn", &options.alpn) ||
        value_of(option, "ca", &options.ca) ||
        value_of(option, "certificate", &options.certificate) ||
        value_of(option, "ocsp", &options.ocsp) ||
        value_of(option, "secret", &options.secret) ||
        value_of(option, "pin", &options.pins[0]))
        return;
    if (!strcmp(option, "optional"))
        options.client_auth = ED_TLS_CLIENT_OPTIONAL;
    else if (!strcmp(option, "required"))
        options.client_auth = ED_TLS_CLIENT_REQUIRED;
    else if (!strcmp(option, "no_verify"))
        options.no_verify = true;
    else
        exit(2);
}

static void tell(ed_stream *s)
{
    struct ed_tls_info info;
    struct ed_tls_peer peer;

    if (!ed_stream_tls(s, &info))
        return;
    bool shown = ed_stream_tls_peer(s, &peer);
    printf("%s alpn=%s name=%s %s %s peer=%s\n", info.version, info.alpn,
           info.server_name, info.resumed ? "resumed" : "new",
           info.verified ? "verified" : "unverified",
           shown ? peer.subject : "");
    fflush(stdout);
}

/* ---- the server ---- */

struct service {
    ed_tls *tls;
    ed_listener *listener;
};

static int answer(struct service *service, ed_stream **s)
{
    struct ed_bytes line;
    int err = ed_start_tls(s, service->tls);

    if (err) {
        printf("%s: %s\n", ed_err_name(err), ed_error());
        fflush(stdout);
        return 0;
    }
    tell(*s);
    err = ed_stream_read_until(*s, ED_BYTES("\n"), 1000, &line);
    return err ? 0
               : ed_stream_printf(*s, "heard %.*s", (int)line.len, line.ptr);
}

static int serve_all(void *arg)
{
    struct service *service = arg;

    for (;;) {
        ed_stream *s ED_STREAM_AUTO = NULL;
        int err = ed_accept(service->listener, &s);
        if (!err)
            err = answer(service, &s);
        if (err == ED_ECANCELED)
            return err;
    }
}

static int reload_on_hangup(void *arg)
{
    struct service *service = arg;
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGHUP);

    while (!err && !(err = ed_signals_next(signals, &signo))) {
        printf("reloaded: %s\n", ed_err_name(ed_tls_reload(service->tls)));
        fflush(stdout);
    }
    return err;
}

static int serve(void *arg)
{
    char **argv = arg, local[ED_ADDR_TEXT], path[3][256];
    struct service service;

    snprintf(path[0], sizeof(path[0]), "%s/site.pem", argv[0]);
    snprintf(path[1], sizeof(path[1]), "%s/other.pem", argv[0]);
    int err = ed_tls_server(
        &service.tls, .certificate = path[0], .ocsp = options.ocsp,
        .alpn = options.alpn, .client_auth = options.client_auth,
        .client_ca = options.ca, .ticket_secret = options.secret);
    if (!err)
        err = ed_tls_add(service.tls, path[1], NULL, NULL);
    if (!err)
        err = ed_listen(&service.listener, "127.0.0.1:0");
    if (err) {
        fprintf(stderr, "%s\n", ed_error());
        return err;
    }
    ed_listener_local(service.listener, local);
    printf("listening on %s\n", local);
    fflush(stdout);
    ed_scope(s);
    ed_go(s, serve_all, &service);
    ed_go(s, reload_on_hangup, &service);
    return ed_wait(s);
}

/* ---- the client ---- */

static int ask_in(ed_tls *tls, const char *address, const char *name)
{
    ed_stream *s ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    int err = ed_connect(&s, address);

    if (!err)
        err = ed_start_tls(&s, tls, .server_name = name);
    if (!err)
        err = ed_stream_printf(s, "hello\n");
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\n"), 1000, &line);
    if (!err)
        tell(s);
    return err;
}

static int ask_once(ed_tls *tls, const char *address, const char *name)
{
    int err = ask_in(tls, address, name);

    if (err)
        printf("%s: %s\n", ed_err_name(err), ed_error());
    return err;
}

/* Twice: the second time the session is resumed. */
static int ask(void *arg)
{
    char **argv = arg;
    const char *name = *argv[1] ? argv[1] : NULL;
    ed_tls *tls;
    int err =
        ed_tls_client(&tls, .ca = options.ca, .alpn = options.alpn,
                      .certificate = options.certificate, .pins = options.pins,
                      .no_verify = options.no_verify);

    if (err) {
        printf("%s: %s\n", ed_err_name(err), ed_error());
        return err;
    }
    err = ask_once(tls, argv[0], name);
    if (!err)
        err = ask_once(tls, argv[0], name);
    ed_tls_free(tls);
    return err;
}

int main(int argc, char **argv)
{
    bool serving = argc >= 3 && !strcmp(argv[1], "serve");

    if (!serving && (argc < 4 || strcmp(argv[1], "ask") != 0))
        return 2;
    for (int i = serving ? 3 : 4; i < argc; i++)
        take_option(argv[i]);
    return ed_run(serving ? serve : ask, argv + 2) != 0;
}
