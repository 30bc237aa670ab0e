/*
 * ws.c - Eddy's WebSockets for the `ws` benchmark: by events, in the fiber of
 * the handler, compressed, and in a room.
 *
 *     ws --listen 127.0.0.1:8080
 */
#include <eddy/app.h>
#include <eddy/ws.h>

static int said(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_send(ws, msg);
}

/* GET / and GET /deflate, which is what the client offers */
static int echo(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said);
}

/* GET /contexts */
static int echo_with_contexts(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .deflate.takeover = true);
}

/* GET /sequential */
static int echo_sequential(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws);

    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = ed_ws_send(ws, msg);
    return err == ED_ECLOSED ? 0 : err;
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    ed_route(app, "GET /", echo);
    ed_route(app, "GET /deflate", echo);
    ed_route(app, "GET /contexts", echo_with_contexts);
    ed_route(app, "GET /sequential", echo_sequential);
    return ed_main(app, argc, argv);
}
