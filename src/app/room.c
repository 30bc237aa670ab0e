/*
 * room.c - what is said in a room, and to whom.
 *
 * Owns rooms. A message becomes one object, framed for all WebSockets, which is
 * handed to each by reference and kept in the room's history, from where
 * streams of events read. Handing out never waits: what a socket does not take
 * waits at that socket, within bounds.
 */
#include "app/room.h"
#include "app/app_internal.h"
#include "base/options.h"
#include "wire/ws_utf8.h"

#include <eddy/log.h>
#include <errno.h>
#include <stdlib.h>

static const size_t USUAL_BEHIND = 1024 * 1024;

/* ---- rooms ---- */

static void join_app(ed_room *room, ed_app *app)
{
    room->app = app;
    ed_list_init(&room->node);
    if (app)
        ed_list_add_back(&app->rooms, &room->node);
}

ed_room *ed_room_new_with(ed_app *app, const char *name,
                          const struct ed_room_options *given)
{
    size_t len = strlen(name);
    ed_room *room = calloc(1, sizeof(*room) + len + 1);

    if (!room)
        return NULL;
    ED_MAGIC_SET(room, ED_ROOM_MAGIC);
    memcpy(room->name, name, len);
    ed_options_take(&room->options, sizeof(room->options), given);
    struct ed_room_options *o = &room->options;
    if (!o->max_behind)
        o->max_behind = USUAL_BEHIND;
    room->history =
        ed_history_new(.count = o->history, .bytes = o->history_bytes,
                       .age = o->history_age, .behind = o->max_behind);
    if (!room->history) {
        free(room);
        return NULL;
    }
    /* None is a number here, and no wish for the usual one. */
    room->history->limits.count = o->history;
    ed_list_init(&room->sockets);
    ed_list_init(&room->streams);
    join_app(room, app);
    return room;
}

void ed_room_free(ed_room *room)
{
    if (!room)
        return;
    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    ed_room_unlink(room);
    ed_room_empty(room);
    ed_list_remove(&room->node);
    ed_history_free(room->history);
    ED_MAGIC_CLEAR(room);
    free(room);
}

void ed_app_free_rooms(ed_app *app)
{
    struct ed_list *node;

    while ((node = ed_list_first(&app->rooms))) {
        ed_room *room = ED_CONTAINER(node, ed_room, node);
        ed_room_never_ran(room);
        ed_room_free(room);
    }
}

const char *ed_app_lone_room(const ed_app *app)
{
    const char *name = NULL;

    for (struct ed_list *node = app->rooms.next; node != &app->rooms;
         node = node->next) {
        const ed_room *room = ED_CONTAINER(node, ed_room, node);
        if (!room->link)
            return room->name;
    }
    ed_app *mounted = NULL;
    while (!name && (mounted = ed_app_next_mounted(app, mounted)))
        name = ed_app_lone_room(mounted);
    return name;
}

const char *ed_room_name(const ed_room *room)
{
    return room->name;
}

ed_history *ed_room_history(ed_room *room)
{
    return room->history;
}

/* ---- handing out ---- */

/* The member is too far behind for a message more. */
__attribute__((noinline)) static void too_slow(struct ed_member *m,
                                               struct ws_shared *shared)
{
    ed_room *room = m->room;
    ed_ws *ws = m->ws;
    int err = -EAGAIN;

    if (room->options.slow == ED_ROOM_CLOSE) {
        ws_close_soon(ws, ED_WS_TRY_LATER, "too slow");
        return;
    }
    while (err == -EAGAIN && ws_drop_oldest(ws)) {
        m->lost++;
        err = ws_post_shared(ws, shared, room->options.max_behind);
    }
    m->lost += err == -EAGAIN || err == ED_ENOMEM;
    room->lost = true;
}

/* A connection that breaks or closes is out of the room by its `left`; nothing
 * is to be done about it here. */
static inline void hand_to(struct ed_member *m, struct ws_shared *shared)
{
    int err = ws_post_shared(m->ws, shared, m->room->options.max_behind);

    if (err == -EAGAIN || err == ED_ENOMEM)
        too_slow(m, shared);
}

static bool is_for(const struct ed_member *m, uint64_t number,
                   struct ed_bytes data)
{
    if (m->gone || m->from > number)
        return false;
    return !m->filter || m->filter(m->filter_arg, data);
}

/* Members may go meanwhile, and others come, who are not handed this one: they
 * have had it from the history. */
static void hand_out(ed_room *room, struct ws_shared *shared, uint64_t number)
{
    struct ed_bytes data = ws_shared_payload(shared);

    room->busy++;
    ed_list_each (node, &room->sockets) {
        struct ed_member *m = ED_CONTAINER(node, struct ed_member, node);
        if (is_for(m, number, data))
            hand_to(m, shared);
    }
    if (!--room->busy && (room->gone || room->lost))
        ed_room_settle(room);
}

int ed_room_take(ed_room *room, const struct ed_history_message *message,
                 struct ws_shared *shared, struct ed_entry **out)
{
    struct ed_entry *entry;
    int err = ed_history_put(room->history, message, shared, &entry);

    if (err)
        return err;
    hand_out(room, entry->shared, entry->number);
    if (out)
        *out = entry;
    else
        ed_entry_unref(entry);
    return 0;
}

void ed_room_lost(ed_room *room)
{
    if (ed_history_gap(room->history))
        ed_log_warn("room %s: no memory to remember a gap", room->name);
    if (room->options.on_gap)
        room->options.on_gap(room, NULL, 0, room->options.arg);
}

/* ---- saying something ---- */

static int frame(const ed_room *room, struct ed_bytes data,
                 struct ws_shared **out)
{
    bool text = !room->options.binary;

    if (text && !ed_ws_utf8_is_valid(data))
        return ed_fail(ED_EUSAGE, "a message to room %s is not UTF-8",
                       room->name);
    *out = ws_shared_new(text, data);
    return *out ? 0 : ED_ENOMEM;
}

int ed_room_publish_with(ed_room *room, const struct ed_history_message *given)
{
    ED_OPTIONS_TAKE(struct ed_history_message, message, given);
    struct ws_shared *shared = NULL;
    struct ed_entry *entry = NULL;
    int err = frame(room, message.data, &shared);

    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    if (!err)
        err = ed_room_take(room, &message, shared, &entry);
    if (err)
        return err;
    if (room->link)
        ed_room_pass_on(room, &message, entry);
    ed_entry_unref(entry);
    return 0;
}

int ed_room_send(ed_room *room, struct ed_bytes message)
{
    return ed_room_publish(room, .data = message);
}

int ed_room_tell(ed_room *room, struct ed_bytes message)
{
    struct ws_shared *shared = NULL;
    int err = frame(room, message, &shared);

    if (err)
        return err;
    room->busy++;
    ed_list_each (node, &room->sockets) {
        struct ed_member *m = ED_CONTAINER(node, struct ed_member, node);
        if (!m->gone)
            hand_to(m, shared);
    }
    if (!--room->busy && (room->gone || room->lost))
        ed_room_settle(room);
    ws_shared_unref(shared);
    return 0;
}
