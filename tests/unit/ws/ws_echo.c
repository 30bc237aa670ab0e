/*
 * ws_echo.c - see ws_echo.h.
 */
#include "ws_echo.h"

int echo_closed_code, echo_result;
unsigned echo_opened, echo_closed;
ed_ws *echo_last;
const char *const echo_paths[2] = {"/", "/seq"};

int echo_forget(void **state)
{
    echo_closed_code = echo_result = 0;
    echo_opened = echo_closed = 0;
    echo_last = NULL;
    return ws_quiet(state);
}

static int note_open(ed_ws *ws)
{
    echo_opened++;
    echo_last = ws;
    return 0;
}

static void note_close(ed_ws *ws)
{
    echo_closed++;
    echo_closed_code = ed_ws_close_code(ws);
    echo_last = NULL;
}

static int say_back(ed_ws *ws, struct ed_bytes msg)
{
    check_int(msg.ptr[msg.len], '\0');
    if (!strcmp(msg.ptr, "fail"))
        return ED_ENOTFOUND;
    if (!strcmp(msg.ptr, "slow"))
        check_int(ed_sleep(ED_S), 0);
    if (!strcmp(msg.ptr, "close"))
        check_int(ed_ws_close(ws, 4000, "as asked"), 0);
    if (!ed_ws_is_open(ws))
        return ED_ECLOSED;
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static int by_events(ed_req *req)
{
    return ed_ws_serve(req, .on_open = note_open, .on_message = say_back,
                       .on_close = note_close, .max_message = 1000,
                       .max_fragments = 5, .max_frame = 900,
                       .protocols = "chat.v1, chat.v2",
                       .origins = "https://good.org, http://good.org:81");
}

static int in_a_fiber(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws, .max_message = 1000, .max_fragments = 5,
                           .max_frame = 900);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = say_back(ws, msg);
    echo_result = err;
    echo_closed_code = ed_ws_close_code(ws);
    return err == ED_ECLOSED ? 0 : err;
}

static int leave(ed_req *req)
{
    ed_ws *ws;
    int err = ed_ws_accept(req, &ws);
    return err ? err : ed_ws_send(ws, ED_BYTES("bye"));
}

static int impatient(ed_req *req)
{
    return ed_ws_serve(req, .on_open = note_open, .on_close = note_close,
                       .ping_interval = ED_S, .ping_timeout = 2 * ED_S);
}

int echo_handler(ed_req *req)
{
    const char *path = ed_req_path(req);
    if (!strcmp(path, "/impatient"))
        return impatient(req);
    if (!strcmp(path, "/seq"))
        return in_a_fiber(req);
    return !strcmp(path, "/leave") ? leave(req) : by_events(req);
}
