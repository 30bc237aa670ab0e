/*
 * scenarios_ws.c - WebSockets, server and client.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/client.h>
#include <eddy/server.h>
#include <eddy/ws.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 50 * 1000 };

/* ---- the server ---- */

static int say_back(ed_ws *ws, struct ed_bytes msg)
{
    int err = ed_sleep(ED_MS);
    return err ? err : ed_ws_send(ws, msg);
}

static int by_events(ed_req *req)
{
    return ed_ws_serve(req, .on_message = say_back, .deflate.takeover = true);
}

static int in_a_fiber(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = say_back(ws, msg);
    return err == ED_ECLOSED ? 0 : err;
}

static int handler(ed_req *req)
{
    return strcmp(ed_req_path(req), "/fiber") ? by_events(req)
                                              : in_a_fiber(req);
}

/* ---- the client ---- */

static int echo(ed_ws *ws, struct ed_bytes text)
{
    struct ed_bytes msg;
    int err = ed_ws_send(ws, text);
    if (!err)
        err = ed_ws_recv(ws, &msg);
    return err ? err : expect(ed_bytes_equal(msg, text));
}

/* A message in pieces, both ways. */
static int echo_in_pieces(ed_ws *ws)
{
    char buf[1000];
    size_t got = 0;
    ssize_t n = 0;
    int err = ed_ws_send_begin(ws, true);
    if (!err)
        err = ed_ws_write(ws, ED_BYTES("in "));
    if (!err)
        err = ed_ws_write(ws, ED_BYTES("pieces"));
    if (!err)
        err = ed_ws_send_end(ws);
    if (!err)
        err = ed_ws_recv_begin(ws);
    while (!err && (n = ed_ws_read(ws, buf + got, sizeof(buf) - got)) > 0)
        got += (size_t)n;
    if (!err && n < 0)
        err = (int)n;
    return err ? err : expect(got == 9 && !memcmp(buf, "in pieces", 9));
}

static int converse(const char *url, ed_tls *tls, bool takeover)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    ed_client *client = ed_client_new(.proxy = "", .tls = tls);
    char *large = malloc(LARGE);
    int err = client && large ? 0 : ED_ENOMEM;
    if (!err)
        err = ed_ws_connect(&ws, url, .client = client,
                            .deflate.takeover = takeover);
    if (!err)
        err = echo(ws, ED_BYTES("hello"));
    for (int i = 0; large && i < LARGE; i++)
        large[i] = (char)('a' + i % 331 % 23);
    for (int i = 0; i < 2 && !err; i++)
        err = echo(ws, ed_bytes_of(large, LARGE));
    if (!err)
        err = echo_in_pieces(ws);
    if (!err)
        err = ed_ws_ping(ws, ED_BYTES("there?"));
    if (!err)
        err = ed_ws_close(ws, ED_WS_NORMAL, NULL);
    free(large);
    if (client)
        ed_client_free(client);
    return err;
}

static int with_sockets(const char *path, ed_tls *server_tls, ed_tls *tls,
                        bool takeover)
{
    char address[ED_ADDR_TEXT], url[ED_ADDR_TEXT + 32];
    ed_server *server SERVER_AUTO = ed_server_new(handler);
    if (!server)
        return ED_ENOMEM;
    int err = ed_server_listen(server, "127.0.0.1:0", .tls = server_tls);
    if (err)
        return err;
    ed_server_address(server, 0, address);
    snprintf(url, sizeof(url), "ws%s://%s%s", tls ? "s" : "", address, path);
    ed_scope(s);
    ed_go(s, serve, server);
    err = converse(url, tls, takeover);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}

int run_ws_by_events(void *arg)
{
    (void)arg;
    return with_sockets("/", NULL, NULL, true);
}

int run_ws_in_a_fiber(void *arg)
{
    (void)arg;
    return with_sockets("/fiber", NULL, NULL, false);
}

int run_ws_over_tls(void *arg)
{
    int err = make_secured();
    (void)arg;
    return err ? err : with_sockets("/", secured.server, secured.client, false);
}
