/*
 * ws.c - Eddy's WebSockets for the `ws` benchmark: by events, in the fiber of
 * the handler, compressed, and in a room.
 *
 *     ws --listen 127.0.0.1:8080
 */
#include <eddy/app.h>
#include <eddy/room.h>
#include <eddy/ws.h>

static ed_room *room;

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

static int join(ed_ws *ws)
{
    return ed_room_join(room, ws);
}

static int tell_all(ed_ws *ws, struct ed_bytes msg)
{
    (void)ws;
    return ed_room_send(room, msg);
}

/* GET /broadcast */
static int broadcast(ed_req *req)
{
    return ed_ws_serve(req, .on_open = join, .on_message = tell_all);
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    room = ed_room_new(app, "all");
    if (!room)
        return 1;
    ed_route(app, "GET /", echo);
    ed_route(app, "GET /deflate", echo);
    ed_route(app, "GET /contexts", echo_with_contexts);
    ed_route(app, "GET /sequential", echo_sequential);
    ed_route(app, "GET /broadcast", broadcast);
    return ed_main(app, argc, argv);
}
