/*
 * room.h - rooms: what is said in one is heard by all who are in it.
 *
 *     static ed_room *lobby;              // ed_room_new(app, "lobby")
 *
 *     static int chat(ed_req *req)
 *     {
 *         ed_ws *ws;
 *         struct ed_bytes msg;            // valid until the next receive
 *         int err = ed_ws_accept(req, &ws);
 *         if (!err)
 *             err = ed_room_join(lobby, ws);
 *         while (!err && !(err = ed_ws_recv(ws, &msg)))
 *             ed_room_send(lobby, msg);   // never waits for a slow reader
 *         return err == ED_ECLOSED ? 0 : err;
 *     }
 *
 * Members are WebSockets, of either way to serve them, and streams of
 * server-sent events. A membership ends with its connection. A message is
 * framed, and compressed, once for all WebSockets, and once for all streams of
 * events, and lies in memory once however many wait for it.
 *
 * A member that is slow delays nobody. It may be `max_behind` bytes behind;
 * then it is sent away or misses the oldest messages, as the room is told.
 *
 * A room keeps the last messages for those who come late or come back: see
 * history.h, which also gives its feed by long polling. And it can be one room
 * with those of other processes, by way of Redis.
 *
 * A room can be made before a loop runs, and belongs to one thread. Only the
 * functions that say so suspend.
 */
#ifndef EDDY_ROOM_H
#define EDDY_ROOM_H

#include <eddy/api.h>
#include <eddy/app.h>
#include <eddy/bytes.h>
#include <eddy/history.h>
#include <eddy/redis.h>
#include <eddy/ws.h>

ED_BEGIN_DECLS

typedef struct ed_room ed_room;

/* What becomes of a member that is too far behind. */
enum ed_room_slow {
    /* It is sent away, a WebSocket with 1013 "too slow": nothing is lost
     * unseen, and it can come back and go on where it was. */
    ED_ROOM_CLOSE,
    /* It misses the oldest messages that wait for it, those included that were
     * sent to it alone; a stream of events is told of the gap. */
    ED_ROOM_DROP_OLDEST,
};

/* A member, for hooks and ed_room_next(). Valid until they return, or the next
 * step. */
struct ed_room_member {
    const char *name; /* "" if it has none */
    void *user;
    ed_ws *ws;      /* NULL: it is none */
    ed_sse *sse;    /* NULL: it is none */
    bool elsewhere; /* in another process: only the name is known */
};

/* May join, leave, send and close, in this room and others, but not free it;
 * must not suspend. */
typedef void ed_room_member_fn(ed_room *room,
                               const struct ed_room_member *member, void *arg);
typedef void ed_room_gap_fn(ed_room *room, const struct ed_room_member *member,
                            uint64_t lost, void *arg);
typedef void ed_room_fn(ed_room *room, void *arg);

struct ed_room_options {
    size_t size;

    /* For those who come late or come back. */
    size_t history;       /* messages; none */
    size_t history_bytes; /* 0: 1 MiB */
    int64_t history_age;  /* 0: any */

    enum ed_room_slow slow;
    size_t max_behind;    /* bytes that wait for a member; 0: 1 MiB */
    unsigned max_members; /* of this process; 0: any number */
    bool binary;          /* messages are, to WebSockets */

    /* Hooks. `arg` is the last argument of each. */
    void *arg;
    ed_room_member_fn *on_join;  /* when it is in, and has got the history */
    ed_room_member_fn *on_leave; /* when it is out, however it came to that */
    /* Messages were lost: by a WebSocket that was slow, as many as `lost`; or,
     * with member NULL, on the way from other processes, nobody knows how many.
     * (Streams of events are told by an event.) */
    ed_room_gap_fn *on_gap;
    /* Who is here may have changed: after on_join and on_leave, and when
     * another process has told of its members. */
    ed_room_fn *on_presence;
};

/*
 * A new room. It belongs to the app, which frees it, or, with NULL, to the
 * caller. NULL without memory.
 */
#define ed_room_new(app, name, ...) \
    ed_room_new_with((app), (name), \
                     ED_OPTIONS(struct ed_room_options, __VA_ARGS__))
ED_API ed_room *ed_room_new_with(ed_app *app, const char *name,
                                 const struct ed_room_options *options);

/* WebSockets in it are out, without on_leave, and stay open. No stream of
 * events may be in it, and no long poll wait for it. Not from a hook of its
 * own. NULL is allowed. */
ED_API void ed_room_free(ed_room *room);

ED_API const char *ed_room_name(const ed_room *room);

/* Its messages, to look at and to poll: ed_long_poll(req,
 * ed_room_history(room)). To be added to by ed_room_send() only. */
ED_API ed_history *ed_room_history(ed_room *room);

/* ---- members ---- */

struct ed_join_options {
    size_t size;
    const char *name; /* for presence; copied. Other processes see it, too */
    void *user;
    /* Which messages it gets, of those kept and those to come; NULL: all.
     * Called once for each message: must be quick, and not suspend. */
    ed_filter_fn *filter;
    void *filter_arg;
    /* The message it has seen last, by the id; it gets what came behind, and a
     * stream of events is told of a gap. NULL: streams of events say so
     * themselves; for the others `replay` holds. */
    const char *after;
    int replay; /* how many of the messages kept; 0: all, negative: none */
};

/*
 * Lets a WebSocket, of a server's, in: it gets the messages kept, and from then
 * on all that is said, until it leaves or closes. In its handler, or anywhere.
 * Returns 0, or
 *   ED_ECLOSED  it is closing or gone
 *   ED_ELIMIT   the room is full
 *   ED_EUSAGE   it is in already
 *   ED_ENOMEM
 */
#define ed_room_join(room, ws, ...) \
    ed_room_join_with((room), (ws), \
                      ED_OPTIONS(struct ed_join_options, __VA_ARGS__))
ED_API ED_CHECK int ed_room_join_with(ed_room *room, ed_ws *ws,
                                      const struct ed_join_options *options);

/* Takes it out; nothing to do when it is not in. */
ED_API void ed_room_leave(ed_room *room, ed_ws *ws);

/*
 * Lets a stream of events in, and sends it what is said (with the ids and types
 * of the messages) until the client leaves or the server stops. Suspends.
 * Returns what ed_sse_follow() does, or as above.
 */
#define ed_room_join_sse(room, sse, ...) \
    ed_room_join_sse_with((room), (sse), \
                          ED_OPTIONS(struct ed_join_options, __VA_ARGS__))
ED_API ED_CHECK int ed_room_join_sse_with(
    ed_room *room, ed_sse *sse, const struct ed_join_options *options);

/* The members in this process; and in all that are joined by Redis, as far as
 * they have told lately. */
ED_API size_t ed_room_count(const ed_room *room);
ED_API size_t ed_room_count_all(const ed_room *room);

/* What is known of a WebSocket in the room; false when it is not in. */
ED_API bool ed_room_find(const ed_room *room, const ed_ws *ws,
                         struct ed_room_member *out);

/*
 * Visits the members, those of other processes last:
 *
 *     struct ed_room_iter it = {0};
 *     while (ed_room_next(room, &it))
 *         use(it.member.name);
 *
 * Nobody may join or leave between two steps, so nothing may suspend.
 */
struct ed_room_iter {
    struct ed_room_member member;
    void *private_words[3];
};
ED_API bool ed_room_next(const ed_room *room, struct ed_room_iter *it);

/* ---- saying something ---- */

/*
 * Says it to all members here, keeps it, and passes it on to other processes.
 * Never waits; messages are heard in the order in which they are said. Returns
 * 0, or
 *   ED_EUSAGE   it is not UTF-8, in a room whose messages are text
 *   ED_ELIMIT   it is larger than what may be kept and wait
 *   ED_ENOMEM   nobody has heard it
 */
ED_API int ed_room_send(ed_room *room, struct ed_bytes message);

/* The same with a type and an id, as in history.h: streams of events see them,
 * WebSockets do not. */
#define ed_room_publish(room, ...) \
    ed_room_publish_with((room),   \
                         ED_OPTIONS(struct ed_history_message, __VA_ARGS__))
ED_API int ed_room_publish_with(ed_room *room,
                                const struct ed_history_message *message);

/* Tells the WebSockets of this process only, and keeps nothing: who is here,
 * who is typing. Filters are not asked. Errors as above. */
ED_API int ed_room_tell(ed_room *room, struct ed_bytes message);

/* ---- one room in several processes ---- */

/*
 * Joins the room with those of other processes, on this machine or others, that
 * have joined the same channel of the same Redis; NULL: "eddy:room:" and the
 * room's name. `redis` is a client, and must outlive the room; a room of an
 * app's is joined while ed_main() runs, another from now on, in a loop.
 *
 * What is said here is heard here at once, and elsewhere a moment later; never
 * twice. Messages of one process are heard in order everywhere; two that are
 * said in two processes at the same time may be heard in either order. When
 * Redis cannot be reached, what is said here waits, 10,000 messages or 16 MiB
 * of it; what was lost, here or elsewhere, is told as a gap (on_gap, and to
 * streams of events and long polls).
 *
 * A member that comes back to another process goes on where it was, by the id;
 * of messages that were under way at that moment some may come twice or not at
 * all. Presence is told to the others when it has changed, after a moment, and
 * every 15 s; a process that is gone is forgotten after 45 s. Of more than 1000
 * members of a process only the number is told.
 *
 * Returns 0, ED_ENOMEM, or
 *   ED_EUSAGE  it is joined already; or no loop runs, and it has no app
 */
ED_API ED_CHECK int ed_room_join_redis(ed_room *room, ed_redis *redis,
                                       const char *channel);

ED_END_DECLS
#endif
