/*
 * ws_echo.c - sends every WebSocket message back, for pointing test tools at.
 *
 *     ws_echo --listen 127.0.0.1:9001
 *
 * On / messages of up to 64 MiB, text and binary, are handled by events: a
 * quiet connection holds no fiber. On /stream they are of any size and go back
 * as they come. Compression is agreed on when it is offered; with --takeover
 * yes each side may refer back to earlier messages.
 */
#include <eddy/eddy.h>
#include <string.h>

#define MAX_MESSAGE ((size_t)64 * 1024 * 1024)

static const char *takeover = "no";

/* [events] */
static int said(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static int echo(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .origins = "*",
                       .max_message = MAX_MESSAGE,
                       .deflate.takeover = !strcmp(takeover, "yes"));
}
/* [/events] */

/* [stream] */
static int send_back(ed_ws *ws)
{
    char piece[16 * 1024];
    ssize_t n = 0;

    int err = ed_ws_send_begin(ws, ed_ws_is_text(ws));
    while (!err && (n = ed_ws_read(ws, piece, sizeof(piece))) > 0)
        err = ed_ws_write(ws, ed_bytes_of(piece, (size_t)n));
    if (!err && n < 0)
        err = (int)n;
    return err ? err : ed_ws_send_end(ws);
}

static int stream(ed_req *req)
{
    ed_ws *ws;

    int err = ed_ws_accept(req, &ws, .origins = "*");
    while (!err && !(err = ed_ws_recv_begin(ws)))
        err = send_back(ws);
    return err == ED_ECLOSED ? 0 : err;
}
/* [/stream] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    ed_option(app, "takeover", &takeover, "yes|no",
              "compression refers back to earlier messages");
    ed_route(app, "GET /", echo);
    ed_route(app, "GET /stream", stream);
    return ed_main(app, argc, argv);
}
