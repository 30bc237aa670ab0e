/*
 * scenarios_room.c - live fan-out: a history followed by server-sent events and
 * by long polling, and a room with WebSockets.
 *
 * The history and the room outlive the server, and with it all who follow.
 */
#include "scenario_server.h"
#include "scenarios_run.h"

#include <eddy/client.h>
#include <eddy/event_source.h>
#include <eddy/history.h>
#include <eddy/room.h>
#include <eddy/server.h>
#include <eddy/ws.h>
#include <stdio.h>
#include <string.h>

static void free_history(ed_history **history)
{
    ed_history_free(*history);
}

static void free_room(ed_room **room)
{
    ed_room_free(*room);
}

static void close_source(ed_event_source **source)
{
    ed_event_source_close(*source);
}

#define AUTO(free) __attribute__((cleanup(free)))

static int with_handler(ed_handler *handler, scenario_session *use)
{
    return with_server(ed_server_new(handler),
                       ed_client_new(.max_per_origin = 4), use);
}

/* ---- a history ---- */

static ed_history *news;

static int tell_news(ed_req *req)
{
    ed_sse *sse;

    if (!strcmp(ed_req_path(req), "/poll"))
        return ed_long_poll(req, news, .within = ED_S);
    int err = ed_sse_begin(req, &sse, .heartbeat = ED_MS);
    return err ? err : ed_sse_follow(sse, news);
}

/* Two that are kept, and one that comes after more than a heartbeat. */
static int hear_news(ed_client *client, const char *address)
{
    char url[100];
    struct ed_sse_event event = {0};
    ed_event_source *source AUTO(close_source) = NULL;

    snprintf(url, sizeof url, "http://%s/", address);
    int err =
        ed_event_source_open(&source, url, .client = client, .max_failures = 3);
    for (int i = 1; i <= 3 && !err; i++) {
        if (i == 3)
            err = ed_sleep(3 * ED_MS);
        if (i == 3 && !err)
            err = ed_history_add(news, .id = "3", .data = ED_BYTES("three"));
        if (!err)
            err = ed_event_source_next(source, &event);
        if (!err)
            err = expect(*event.id == '0' + i);
    }
    return err;
}

static int poll_news(ed_client *client, const char *address)
{
    char url[100];
    ed_res *res;

    snprintf(url, sizeof url, "http://%s/poll?after=1", address);
    int err = ed_fetch(&res, url, .client = client);
    if (err)
        return err;
    if (ed_res_status(res) != 200)
        return ED_EPROTO;
    return expect(
        !strncmp(ed_res_text(res), "{\"last\":\"3\",\"gap\":false", 23));
}

static int use_news(ed_client *client, const char *address)
{
    int err = hear_news(client, address);

    return err ? err : poll_news(client, address);
}

int run_history(void *arg)
{
    ed_history *history AUTO(free_history) = ed_history_new(.count = 10);

    (void)arg;
    news = history;
    if (!news)
        return ED_ENOMEM;
    int err = ed_history_add(news, .id = "1", .data = ED_BYTES("one"));
    if (!err)
        err = ed_history_add(news, .id = "2", .data = ED_BYTES("two"));
    return err ? err : with_handler(tell_news, use_news);
}

/* ---- a room ---- */

static ed_room *lobby;

static int chat(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    int err = ed_ws_accept(req, &ws);

    if (!err)
        err = ed_room_join(lobby, ws, .name = "guest");
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = ed_room_send(lobby, msg);
    return err == ED_ECLOSED ? 0 : err;
}

static int hear(ed_ws *ws, const char *text)
{
    struct ed_bytes msg;
    int err = ed_ws_recv(ws, &msg);

    return err ? err : expect(ed_bytes_equal(msg, ed_bytes(text)));
}

static int talk(ed_client *client, const char *address)
{
    char url[100];
    ed_ws *a ED_WS_AUTO = NULL, *b ED_WS_AUTO = NULL;

    snprintf(url, sizeof url, "ws://%s/", address);
    int err = ed_ws_connect(&a, url, .client = client);
    if (!err)
        err = hear(a, "welcome");
    if (!err)
        err = ed_ws_connect(&b, url, .client = client);
    if (!err)
        err = hear(b, "welcome");
    if (!err)
        err = ed_ws_send(a, ED_BYTES("hello"));
    if (!err)
        err = hear(a, "hello");
    if (!err)
        err = hear(b, "hello");
    if (!err)
        err = expect(ed_room_count(lobby) == 2);
    return err ? err : ed_ws_close(b, ED_WS_NORMAL, NULL);
}

int run_room(void *arg)
{
    ed_room *room AUTO(free_room) = ed_room_new(NULL, "lobby", .history = 10);

    (void)arg;
    lobby = room;
    if (!lobby)
        return ED_ENOMEM;
    int err = ed_room_send(lobby, ED_BYTES("welcome"));
    return err ? err : with_handler(chat, talk);
}
