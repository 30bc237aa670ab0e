/*
 * room.h - the inside of a room, for the files that make it up: room.c (what
 * is said), room_member.c (who is in), room_redis.c (other processes).
 */
#ifndef EDDY_APP_ROOM_H
#define EDDY_APP_ROOM_H

#include <eddy/room.h>
#include "app/history.h"
#include "base/list.h"
#include "base/magic.h"
#include "ws/shared.h"

/* A member of this process. Owned by the room; one that goes while a message is
 * being handed out is only marked, and freed when that is over. */
struct ed_member {
    struct ws_member link; /* of a WebSocket */
    struct ed_list node;   /* in room->sockets or room->streams */
    ed_room *room;
    ed_ws *ws;
    ed_sse *sse;
    void *user;
    ed_filter_fn *filter;
    void *filter_arg;
    uint64_t from; /* the first message it is handed */
    unsigned lost; /* messages since it was told of */
    unsigned told; /* in which round that was */
    bool gone;
    char name[];
};

/* What joins a room with others; room_redis.c. */
struct ed_room_link;

#define ED_ROOM_MAGIC 0xed400311u

struct ed_room {
    ED_MAGIC;
    struct ed_room_options options;
    ed_history *history;
    struct ed_list sockets; /* members by WebSocket */
    struct ed_list streams; /* and by server-sent events */
    size_t count;           /* of members that are not gone */
    unsigned busy;          /* messages being handed out, one within another */
    unsigned gone;          /* members still in the list */
    bool lost;              /* some member has to be told */
    bool telling;           /* on_gap is at work, and may cause more of it */
    unsigned round;         /* of telling */
    ed_app *app;            /* NULL: nobody's */
    struct ed_list node;    /* in app->rooms */
    struct ed_room_link *link; /* NULL: with no others */
    char name[];
};

/* ---- room_member.c ---- */

/* Members that went or lost something while a message was handed out. */
void ed_room_settle(ed_room *room);

/* Lets all WebSockets out, without hooks. */
void ed_room_empty(ed_room *room);

/* Who is here has changed. */
void ed_room_presence(ed_room *room);

/* ---- room.c ---- */

/* Hands a message out that was said here or elsewhere, and keeps it. `shared`
 * is taken over. *out, unless NULL, is a reference. */
ED_CHECK int ed_room_take(ed_room *room,
                          const struct ed_history_message *message,
                          struct ws_shared *shared, struct ed_entry **out);

/* Tells members that some messages were lost on the way. */
void ed_room_lost(ed_room *room);

/* ---- room_redis.c ---- */

/* Passes a message on. Does nothing without a link. */
void ed_room_pass_on(ed_room *room, const struct ed_history_message *message,
                     const struct ed_entry *entry);

/* Tells the others, soon, who is here. */
void ed_room_tell_presence(ed_room *room);

/* Members elsewhere: how many; and their names, one after the other: `state` is
 * two words that begin as NULL. */
size_t ed_room_count_elsewhere(const ed_room *room);
const char *ed_room_next_elsewhere(const ed_room *room, void *state[2]);

/* The app ends: fibers that were asked for and have not begun never will. */
void ed_room_never_ran(ed_room *room);

/* Ends the link, if there is one. */
void ed_room_unlink(ed_room *room);

#endif
