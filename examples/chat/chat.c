/*
 * chat.c - the app: rooms that anybody opens by their names, guests with names
 * of their own choosing, and who is where.
 *
 * What a browser sends is what is said, as it is. What it gets is JSON:
 *
 *     {"type":"said","id":"...","name":"Ada","text":"Hello","at":1764460800000}
 *     {"type":"here","count":2,"names":["Ada","Bob"]}
 *     {"type":"gap"}      some messages may be missing: load the page anew
 *     {"type":"error","text":"..."}
 */
#include "chat.h"

#include <eddy/eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROOMS_MAX = 500, /* anybody can open one by its name */
    ROOM_NAME_MAX = 32,
    NAME_MAX_BYTES = 40,
    TEXT_MAX = 2000,
    NAMES_SHOWN = 200,
    HISTORY = 200,
    BURST = 10, /* messages one may send at once... */
};
static const int64_t EACH = 500 * ED_MS; /* ...and then one in this time */

/* Presence is told once for all who come within this. */
static const int64_t GATHER = 100 * ED_MS;

/* How long a room without anybody keeps what was said in it. */
static const int64_t EMPTY_FOR = 10 * ED_MIN;

/* A room that somebody has opened. */
struct place {
    ed_room *room;
    unsigned polls;     /* that wait for its history */
    int64_t empty_from; /* 0: it is not */
    bool changed;       /* who is there */
};

/* Somebody in one. */
struct guest {
    struct place *place;
    int64_t may_speak; /* when the burst is used up if nothing more is said */
    char after[64];
    char name[NAME_MAX_BYTES + 1];
};

static ed_app *app;
static ed_map *places;  /* by the name of the room */
static ed_redis *redis; /* NULL: one process */
static const char *const *redis_url;
static ed_event presence_changed;

/* The page, made part of the program by the build. */
extern const struct ed_bytes chat_page_html;

/* ---- rooms by name ---- */

static void on_presence(ed_room *room, void *arg)
{
    struct place *place = arg;

    place->changed = true;
    place->empty_from = ed_room_count(room) ? 0 : ed_now();
    ed_event_set(&presence_changed);
}

static void on_gap(ed_room *room, const struct ed_room_member *member,
                   uint64_t lost, void *arg)
{
    (void)arg;
    (void)lost;
    if (!member) /* on the way from another process */
        ed_room_tell(room, ED_BYTES("{\"type\":\"gap\"}"));
}

static bool is_room_name(const char *name)
{
    size_t len = strlen(name);

    return len && len <= ROOM_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int place_new(const char *name, struct place **out)
{
    struct place *place = calloc(1, sizeof(*place));
    int err = 0;

    if (!place)
        return ED_ENOMEM;
    place->empty_from = ed_now();
    place->room = ed_room_new(app, name, .history = HISTORY, .arg = place,
                              .on_presence = on_presence, .on_gap = on_gap);
    if (!place->room)
        err = ED_ENOMEM;
    if (!err && redis)
        err = ed_room_join_redis(place->room, redis, NULL);
    if (!err)
        err = ed_map_set(places, ed_bytes(name), place, NULL);
    if (err) {
        ed_room_free(place->room);
        free(place);
        return err;
    }
    *out = place;
    return 0;
}

/* The room the path names, which is opened if it is not there. */
static int place_of(ed_req *req, struct place **out)
{
    const char *name = ed_arg(req, "room");

    if (!is_room_name(name))
        return ed_fail(ED_ENOTFOUND, "no room can be called '%s'", name);
    *out = ed_map_get(places, ed_bytes(name));
    if (*out)
        return 0;
    if (ed_map_count(places) >= ROOMS_MAX)
        return ed_fail(ED_EOVERLOAD, "there are %d rooms", ROOMS_MAX);
    return place_new(name, out);
}

/* Closes one room that has been empty for long; false: there is none. */
static bool close_one(void)
{
    struct ed_map_iter it = {0};

    while (ed_map_next(places, &it)) {
        struct place *place = it.value;
        if (!place->empty_from || place->polls ||
            ed_now() - place->empty_from < EMPTY_FOR)
            continue;
        ed_map_remove(places, it.key);
        ed_room_free(place->room);
        free(place);
        return true;
    }
    return false;
}

static int close_empty_rooms(void *arg)
{
    int err = 0;

    (void)arg;
    while (!(err = ed_sleep(ED_MIN)))
        while (close_one())
            ;
    return err;
}

/* ---- who is here ---- */

static void tell_who_is_here(ed_room *room)
{
    struct ed_room_iter it = {0};
    struct ed_buf text = {0};
    struct ed_json json, *j = &json;

    ed_json_begin(j, &text);
    ed_json_object(j);
    ed_json_key(j, "type");
    ed_json_text(j, "here");
    ed_json_key(j, "count");
    ed_json_uint(j, ed_room_count_all(room));
    ed_json_key(j, "names");
    ed_json_array(j);
    for (int i = 0; i < NAMES_SHOWN && ed_room_next(room, &it); i++)
        ed_json_text(j, it.member.name);
    ed_json_end(j);
    ed_json_end(j);
    if (!ed_json_finish(j))
        ed_room_tell(room, ed_buf_bytes(&text));
    ed_buf_free(&text);
}

static int tell_presence(void *arg)
{
    int err = 0;

    (void)arg;
    while (!err && !(err = ed_event_wait(&presence_changed))) {
        err = ed_sleep(GATHER);
        ed_event_clear(&presence_changed);
        struct ed_map_iter it = {0};
        while (ed_map_next(places, &it)) {
            struct place *place = it.value;
            if (place->changed)
                tell_who_is_here(place->room);
            place->changed = false;
        }
    }
    return err;
}

/* ---- guests ---- */

/* Text of a person's, without what would upset others' screens. */
static bool is_readable(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\n')
            return false;
    return true;
}

static void choose_name(struct guest *guest, const char *wanted)
{
    static unsigned guests;
    struct ed_bytes name = ed_bytes_trim(ed_bytes(wanted));

    if (name.len && name.len <= NAME_MAX_BYTES && is_readable(name) &&
        !memchr(name.ptr, '\n', name.len))
        snprintf(guest->name, sizeof(guest->name), "%.*s", (int)name.len,
                 name.ptr);
    else
        snprintf(guest->name, sizeof(guest->name), "Guest %u", ++guests);
}

/* Whether one more message is within the guest's measure. */
static bool may_speak(struct guest *guest)
{
    int64_t now = ed_now();

    if (guest->may_speak < now)
        guest->may_speak = now;
    if (guest->may_speak - now >= BURST * EACH)
        return false;
    guest->may_speak += EACH;
    return true;
}

static int complain(ed_ws *ws, const char *text)
{
    return ed_ws_printf(ws, "{\"type\":\"error\",\"text\":\"%s\"}", text);
}

/* Its id lets a page that comes back see what it has shown already. */
static int say(const struct guest *guest, struct ed_bytes said)
{
    static unsigned long long count;
    struct ed_buf text = {0};
    struct ed_json json, *j = &json;
    char id[64];

    snprintf(id, sizeof(id), "%llx-%d-%llx",
             (unsigned long long)ed_clock_realtime(), (int)getpid(), ++count);
    ed_json_begin(j, &text);
    ed_json_object(j);
    ed_json_key(j, "type");
    ed_json_text(j, "said");
    ed_json_key(j, "id");
    ed_json_text(j, id);
    ed_json_key(j, "name");
    ed_json_text(j, guest->name);
    ed_json_key(j, "text");
    ed_json_bytes(j, said);
    ed_json_key(j, "at");
    ed_json_int(j, ed_clock_realtime() / ED_MS);
    ed_json_end(j);
    int err = ed_json_finish(j);
    if (!err)
        err = ed_room_publish(guest->place->room, .id = id,
                              .data = ed_buf_bytes(&text));
    ed_buf_free(&text);
    return err;
}

static int on_message(ed_ws *ws, struct ed_bytes message)
{
    struct guest *guest = ed_ws_user(ws);
    struct ed_bytes text = ed_bytes_trim(message);

    if (!text.len)
        return 0;
    if (!ed_ws_is_text(ws) || text.len > TEXT_MAX || !is_readable(text))
        return complain(ws, "This cannot be said here.");
    if (!may_speak(guest))
        return complain(ws, "Not so fast, please.");
    return say(guest, text);
}

static int on_open(ed_ws *ws)
{
    struct guest *guest = ed_ws_user(ws);

    return ed_room_join(guest->place->room, ws, .name = guest->name,
                        .user = guest, .after = guest->after);
}

static void on_close(ed_ws *ws)
{
    free(ed_ws_user(ws));
}

/* ---- routes ---- */

/* GET /ws/{room}: between two messages a guest holds no fiber. */
static int visit(ed_req *req)
{
    struct place *place;
    const char *after = ed_query(req, "after");
    int err = place_of(req, &place);

    if (err)
        return err;
    struct guest *guest = calloc(1, sizeof(*guest));
    if (!guest)
        return ED_ENOMEM;
    guest->place = place;
    choose_name(guest, ed_query(req, "name"));
    snprintf(guest->after, sizeof(guest->after), "%s", after ? after : "");
    return ed_ws_serve(req, .user = guest, .on_open = on_open,
                       .on_message = on_message, .on_close = on_close,
                       .max_message = 2 * TEXT_MAX);
}

/* GET /events/{room} */
static int look_on(ed_req *req)
{
    struct place *place;
    ed_sse *sse;
    int err = place_of(req, &place);

    if (!err)
        err = ed_sse_begin(req, &sse);
    return err ? err : ed_room_join_sse(place->room, sse, .name = "Somebody");
}

/* GET /poll/{room} */
static int poll_once(ed_req *req)
{
    struct place *place;
    int err = place_of(req, &place);

    if (err)
        return err;
    place->polls++;
    err = ed_long_poll(req, ed_room_history(place->room));
    place->polls--;
    return err;
}

/* GET /rooms */
static int list_rooms(ed_req *req)
{
    struct ed_map_iter it = {0};
    ed_json *j = ed_reply_json_begin(req, 200);

    ed_json_array(j);
    while (ed_map_next(places, &it)) {
        const struct place *place = it.value;
        ed_json_object(j);
        ed_json_key(j, "name");
        ed_json_bytes(j, it.key);
        ed_json_key(j, "count");
        ed_json_uint(j, ed_room_count_all(place->room));
        ed_json_end(j);
    }
    ed_json_end(j);
    return ed_json_finish(j);
}

/* GET / */
static int page(ed_req *req)
{
    ed_reply_header(req, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; "
                    "script-src 'unsafe-inline'; connect-src 'self'; "
                    "img-src data:; base-uri 'none'; form-action 'none'");
    return ed_reply_bytes(req, 200, "text/html; charset=utf-8", chat_page_html);
}

static int connect_redis(void *arg)
{
    (void)arg;
    if (!*redis_url)
        return 0;
    redis = ed_redis_new(.url = *redis_url);
    return redis ? ed_redis_ready(redis) : ED_EURL;
}

ed_app *chat_app(const char *const *url)
{
    app = ed_app_new();
    places = ed_map_new();
    redis_url = url;
    if (!places)
        abort(); /* as ed_app_new() does */
    ed_app_context(app, connect_redis, NULL, NULL);
    ed_app_background(app, tell_presence, NULL);
    ed_app_background(app, close_empty_rooms, NULL);
    ed_route(app, "GET /", page);
    ed_route(app, "GET /rooms", list_rooms);
    ed_route(app, "GET /ws/{room}", visit);
    ed_route(app, "GET /events/{room}", look_on);
    ed_route(app, "GET /poll/{room}", poll_once);
    return app;
}
