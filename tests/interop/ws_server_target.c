/*
 * ws_server_target.c - an echo server for ws_cases, of which each path has its
 * own limits.
 *
 *     ws_server_target --listen ADDRESS
 *
 *     /         as ws_echo, yet for pages of its own alone, as is the default
 *     /kept     compression refers back to earlier messages
 *     /small    messages of at most 64 KiB, in at most 100 frames of 16 KiB
 *     /quick    the peer is pinged after half a second, and has another one
 *               to answer it, a close, or to read what it is sent
 *     /silent   says nothing and reads nothing for some seconds
 *     /busy     pings as /quick does, and takes long over every message
 */
#include <eddy/eddy.h>

#define SMALL_MESSAGE   ((size_t)64 * 1024)
#define SMALL_FRAME     ((uint64_t)16 * 1024)
#define SMALL_FRAGMENTS 100
#define LARGE_MESSAGE   ((size_t)64 * 1024 * 1024)
#define QUICK           (500 * ED_MS)
#define SILENT          (5 * ED_S)
#define BUSY            (3 * QUICK) /* two pings and their pongs */

static int said(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static int echo(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .max_message = LARGE_MESSAGE);
}

static int kept(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .max_message = LARGE_MESSAGE,
                       .deflate.takeover = true);
}

static int small(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .max_message = SMALL_MESSAGE,
                       .max_frame = SMALL_FRAME,
                       .max_fragments = SMALL_FRAGMENTS);
}

static int quick(ed_req *req)
{
    return ed_ws_serve(req, .on_message = said, .ping_interval = QUICK,
                       .ping_timeout = QUICK, .close_timeout = QUICK,
                       .write_timeout = QUICK);
}

/* In a fiber, as a handler that is busy elsewhere. */
static int silent(ed_req *req)
{
    ed_ws *ws;

    int err = ed_ws_accept(req, &ws);
    return err ? err : ed_sleep(SILENT);
}

static int busy(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;

    int err =
        ed_ws_accept(req, &ws, .ping_interval = QUICK, .ping_timeout = QUICK);
    while (!err && !(err = ed_ws_recv(ws, &msg))) {
        err = ed_sleep(BUSY);
        if (!err)
            err = said(ws, msg);
    }
    return err == ED_ECLOSED ? 0 : err;
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    ed_route(app, "GET /", echo);
    ed_route(app, "GET /kept", kept);
    ed_route(app, "GET /small", small);
    ed_route(app, "GET /quick", quick);
    ed_route(app, "GET /silent", silent);
    ed_route(app, "GET /busy", busy);
    return ed_main(app, argc, argv);
}
