/*
 * scenarios_http.c - the server and the client of HTTP.
 *
 * What outlives a scope's fibers is declared before the scope, so that it is
 * cleaned up after them whatever happened.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/client.h>
#include <eddy/event_source.h>
#include <eddy/file.h>
#include <eddy/server.h>
#include <eddy/stream.h>
#include <eddy/tls.h>
#include <eddy/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- HTTP ---- */

static int hello(ed_req *req)
{
    int err = ed_sleep(10 * ED_MS);
    return err ? err : ed_reply(req, 200, "hello from %s", ed_req_path(req));
}

/* Sends each piece of the body back as it comes. */
static int mirror(ed_req *req)
{
    char buf[10 * 1000];
    ssize_t n;
    int err = ed_reply_begin(req, 200, -1);
    while (!err && (n = ed_body_read(req, buf, sizeof buf)) != 0)
        err = n < 0 ? (int)n
                    : ed_write_bytes(req, (struct ed_bytes){buf, (size_t)n});
    return err;
}

/* A server with that handler. */
static int with_client(ed_handler *handler, ed_client *client,
                       scenario_session *use)
{
    return with_server(ed_server_new(handler), client, use);
}

static int with_handler(ed_handler *handler, scenario_session *use)
{
    return with_client(handler, ed_client_new(.max_per_origin = 3), use);
}

static int fetch_five(ed_client *client, const char *address)
{
    ed_res *res[5] = {NULL};
    char url[100];
    struct ed_fetch_options options = {.size = sizeof options,
                                       .client = client};
    ed_scope(s, .within = ED_MIN);
    for (int i = 0; i < 5; i++) {
        snprintf(url, sizeof url, "http://%s/%d", address, i);
        ed_go_fetch(s, &res[i], url, &options);
    }
    int err = ed_wait(s);
    if (err)
        return err;
    for (int i = 0; i < 5 && !err; i++) {
        snprintf(url, sizeof url, "hello from /%d", i);
        if (!res[i]) /* its fiber alone was cancelled */
            return SCENARIO_CORRUPT;
        err = ed_res_status(res[i]) == 200
                  ? expect(!strcmp(ed_res_text(res[i]), url))
                  : ED_EPROTO;
    }
    return err;
}

static int fetch_twice(ed_client *client, const char *address)
{
    int err = fetch_five(client, address);
    return err ? err : fetch_five(client, address);
}

int run_http(void *arg)
{
    (void)arg;
    return with_handler(hello, fetch_twice);
}

enum { BODY = 300 * 1000 };

static ssize_t give_body(void *arg, void *buf, size_t len)
{
    size_t *left = arg;
    size_t n = *left < len ? *left : len;
    memset(buf, 'x', n);
    *left -= n;
    int err = ed_yield();
    return err ? err : (ssize_t)n;
}

static int stream_both_ways(ed_client *client, const char *address)
{
    char url[100], buf[10 * 1000];
    size_t left = BODY, got = 0;
    ssize_t n;
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/", address);
    int err = ed_fetch(&res, url, .client = client, .method = "POST",
                       .send = give_body, .send_arg = &left, .stream = true);
    if (err)
        return err;
    while ((n = ed_res_read(res, buf, sizeof buf)) > 0)
        got += (size_t)n;
    int status = ed_res_status(res);
    ed_res_close(res);
    if (n < 0)
        return (int)n;
    return status == 200 ? expect(got == BODY) : ED_EPROTO;
}

int run_http_stream(void *arg)
{
    (void)arg;
    return with_handler(mirror, stream_both_ways);
}

/* ---- policies of a client ---- */

static unsigned asked;

static int busy_at_first(ed_req *req)
{
    return asked++ < 5 ? ed_reply(req, 503, "busy") : hello(req);
}

int run_retries(void *arg)
{
    (void)arg;
    asked = 0;
    /* The shortest of pauses, so that each run has the same order. */
    ed_client *client = ed_client_new(.retry = {.attempts = 3, .backoff = 1},
                                      .balance = {.on = true});
    return with_client(busy_at_first, client, fetch_five);
}

static int slow_at_first(ed_req *req)
{
    int err = asked++ < 2 ? ed_sleep(ED_S) : 0;
    return err ? err : hello(req);
}

/* Streamed, so that it is the loser's head alone that is too late. */
static int stream_hedged(ed_client *client, const char *address)
{
    char url[100], buf[100];
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/hedged", address);
    int err = ed_fetch(&res, url, .client = client, .stream = true);
    if (err)
        return err;
    ssize_t n = ed_res_read(res, buf, sizeof buf);
    ed_res_close(res);
    return n < 0 ? (int)n : expect(n > 0);
}

static int fetch_hedged(ed_client *client, const char *address)
{
    int err = fetch_five(client, address);
    asked = 0;
    return err ? err : stream_hedged(client, address);
}

int run_hedges(void *arg)
{
    (void)arg;
    asked = 0;
    ed_client *client =
        ed_client_new(.hedge = {.after = 50 * ED_MS}, .eject = {.failures = 2},
                      .limit = {.adaptive = true});
    return with_client(slow_at_first, client, fetch_hedged);
}

int run_limit(void *arg)
{
    (void)arg;
    ed_client *client = ed_client_new(.limit = {.max = 2, .queue = 3});
    return with_client(hello, client, fetch_twice);
}

/* ---- bodies ---- */

/* A gzip member that holds 25 letters x, sent in two halves. */
static int send_encoded(ed_req *req)
{
    static const char coded[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xa8\xc0\x01\x00\xc1\x8f"
        "\x7a\x92\x19\x00\x00\x00";
    struct ed_bytes whole = {coded, sizeof coded - 1};
    int err = ed_reply_header(req, "Content-Encoding", "gzip");
    if (!err)
        err = ed_reply_begin(req, 200, -1);
    for (size_t half = 0; half < 2 && !err; half++) {
        size_t from = half * 12;
        err = ed_write_bytes(
            req, ed_bytes_of(whole.ptr + from, half ? whole.len - from : 12));
        if (!err)
            err = ed_flush(req);
        if (!err)
            err = ed_sleep(ED_MS);
    }
    return err;
}

static int read_decoded(ed_client *client, const char *address)
{
    char url[100], text[100];
    size_t got = 0;
    ssize_t n;
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/", address);
    int err = ed_fetch(&res, url, .client = client);
    if (err)
        return err;
    err = ed_res_status(res) == 200
              ? expect(!strcmp(ed_res_text(res), "xxxxxxxxxxxxxxxxxxxxxxxxx"))
              : ED_EPROTO;
    if (!err)
        err = ed_fetch(&res, url, .client = client, .stream = true);
    if (err)
        return err;
    while ((n = ed_res_read(res, text + got, sizeof text - got)) > 0)
        got += (size_t)n;
    int status = ed_res_status(res);
    ed_res_close(res);
    if (n < 0)
        return (int)n;
    return status == 200 ? expect(got == 25 && text[24] == 'x') : ED_EPROTO;
}

int run_http_decoding(void *arg)
{
    (void)arg;
    return with_handler(send_encoded, read_decoded);
}

static int count_body(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    return err ? err : ed_reply(req, 200, "%zu", body.len);
}

static int fill_in(ed_form *form, const char *path)
{
    int err = ed_form_add(form, "name", "value");
    if (!err)
        err = ed_form_bytes(form, "bytes", ED_BYTES("some"));
    return err ? err : ed_form_file(form, "file", path);
}

static int send_form(ed_client *client, const char *address)
{
    char url[100], path[64];
    ed_res *res;
    ed_form *form = ed_form_new();
    snprintf(url, sizeof url, "http://%s/", address);
    snprintf(path, sizeof path, "/tmp/eddy-scenario-form-%d", (int)getpid());
    int err = form ? fill_in(form, path) : ED_ENOMEM;
    if (!err)
        err = ed_file_write(path, ED_BYTES("content of a file"));
    if (!err)
        err = ed_fetch(&res, url, .client = client, .form = form,
                       .expect_continue = true);
    unlink(path);
    if (err)
        return err;
    return ed_res_status(res) == 200
               ? expect(strtol(ed_res_text(res), NULL, 10) > 300)
               : ED_EPROTO;
}

int run_http_form(void *arg)
{
    (void)arg;
    return with_handler(count_body, send_form);
}

/* Leads on, sets a cookie, and asks who that is. */
static int door(ed_req *req)
{
    int err;
    if (!strcmp(ed_req_path(req), "/")) {
        err = ed_reply_header(req, "Set-Cookie", "a=b; Path=/");
        return err ? err : ed_redirect(req, 307, "/in?now");
    }
    if (ed_header(req, "Authorization"))
        return ed_reply(req, 200, "come in");
    err = ed_reply_header(req, "WWW-Authenticate",
                          "Basic realm=x, Digest realm=\"x\", nonce=\"y\","
                          " qop=\"auth\", algorithm=SHA-256");
    return err ? err : ed_reply(req, 401, "who is it?");
}

static int go_in(ed_client *client, const char *address)
{
    char url[120];
    ed_res *res;
    snprintf(url, sizeof url, "http://me:word@%s/", address);
    int err = ed_trace_begin(true);
    if (!err)
        err = ed_fetch(&res, url, .client = client, .auth = ED_AUTH_ANY,
                       .body = ED_BYTES("knock"), .etag = "\"x\"");
    if (err)
        return err;
    if (ed_res_status(res) != 200)
        return ED_EUNAUTHORIZED;
    return expect(!strcmp(ed_res_text(res), "come in") &&
                  ed_res_redirects(res) == 1);
}

static void free_jar(ed_jar **jar)
{
    ed_jar_free(*jar);
}

int run_journey(void *arg)
{
    (void)arg;
    ed_jar *jar __attribute__((cleanup(free_jar))) = ed_jar_new();
    ed_client *client = jar ? ed_client_new(.jar = jar) : NULL;
    return with_client(door, client, go_in);
}

/* One event for each connection, which tells where it went on. */
static int send_event(ed_req *req)
{
    const char *last = ed_header(req, "Last-Event-ID");
    int err = ed_reply_header_set(req, "Content-Type", "text/event-stream");
    if (!err)
        err = ed_reply_begin(req, 200, -1);
    return err ? err
               : ed_write(req, "id: %sx\ndata: event\n\n", last ? last : "");
}

static void close_source(ed_event_source **source)
{
    ed_event_source_close(*source);
}

static int hear_events(ed_client *client, const char *address)
{
    char url[100];
    struct ed_sse_event event = {0};
    ed_event_source *source __attribute__((cleanup(close_source))) = NULL;
    snprintf(url, sizeof url, "http://%s/", address);
    int err =
        ed_event_source_open(&source, url, .client = client, .max_failures = 3);
    for (int i = 0; i < 3 && !err; i++)
        err = ed_event_source_next(source, &event);
    return err ? err : expect(!strcmp(event.id, "xxx"));
}

int run_events(void *arg)
{
    (void)arg;
    return with_handler(send_event, hear_events);
}

/* ---- https through a proxy ---- */

struct relay {
    ed_stream *from, *to;
};

static int relay(void *arg)
{
    struct relay *r = arg;
    char buf[4096];
    ssize_t n;

    while ((n = ed_stream_read(r->from, buf, sizeof buf)) > 0) {
        int err = ed_stream_write(r->to, buf, (size_t)n);
        if (err)
            return err;
    }
    int err = ed_stream_shutdown(r->to);
    return n ? (int)n : err;
}

/* A proxy for one connection at a time, as far as it is asked nicely. */
static int connect_through(ed_stream *client, void *arg)
{
    static const struct ed_bytes connect = {"CONNECT ", 8};
    ed_stream *server ED_STREAM_AUTO = NULL;
    struct ed_bytes head;
    char address[ED_ADDR_TEXT];

    (void)arg;
    int err = ed_stream_read_until(client, ED_BYTES("\r\n\r\n"), 4096, &head);
    if (err)
        return err;
    if (!ed_bytes_starts(head, connect))
        return ED_EPROTO;
    head.ptr += connect.len;
    head.len -= connect.len;
    struct ed_bytes to = ed_bytes_cut(&head, ' ');
    snprintf(address, sizeof address, "%.*s", (int)to.len, to.ptr);
    err = ed_connect(&server, address);
    if (!err)
        err = ed_stream_printf(client, "HTTP/1.1 200 Connected\r\n\r\n");
    if (err)
        return err;
    struct relay there = {client, server}, back = {server, client};
    ed_scope(s);
    ed_go(s, relay, &there);
    ed_go(s, relay, &back);
    return ed_wait(s);
}

static int run_proxy(void *listener)
{
    return ed_accept_each(listener, connect_through, NULL, 0);
}

/* Connections go on behind the response: the proxy is simply cancelled. */
static int fetch_by_proxy(const char *address)
{
    char url[ED_ADDR_TEXT + 16];
    ed_listener *l;
    ed_res *res = NULL;
    int err = ed_listen(&l, "127.0.0.1:0");

    if (err)
        return err;
    ed_listener_local(l, url);
    ed_client *client =
        ed_client_new(.proxy = url, .no_proxy = "", .tls = secured.client);
    snprintf(url, sizeof url, "https://%s/5", address);
    err = client ? 0 : ED_ENOMEM;
    {
        ed_scope(s, .within = ED_MIN);
        ed_go(s, run_proxy, l);
        for (int i = 0; i < 2 && !err; i++)
            err = ed_fetch(&res, url, .client = client);
        ed_cancel(s);
    }
    if (!err)
        err = expect(!strcmp(ed_res_text(res), "hello from /5"));
    if (client)
        ed_client_free(client);
    ed_listener_close(l);
    return err;
}

int run_https_by_proxy(void *arg)
{
    char address[ED_ADDR_TEXT];
    int err = make_secured();
    ed_server *server SERVER_AUTO = ed_server_new(hello);

    (void)arg;
    if (!server)
        return ED_ENOMEM;
    if (!err)
        err = ed_server_listen(server, "127.0.0.1:0", .tls = secured.server);
    if (err)
        return err;
    ed_server_address(server, 0, address);
    ed_scope(s);
    ed_go(s, serve, server);
    err = fetch_by_proxy(address);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}
