/*
 * room_member.c - who is in a room.
 *
 * Owns the members. One comes by joining and goes by leaving, by its
 * connection's end, or by being sent away for being slow, which may be in the
 * middle of a message that is being handed out: it is out at once then, and
 * what is said about it (on_leave) is said when that is over. Hooks may do
 * anything with the room but free it, so nothing here is relied upon after one
 * was called but the room itself.
 */
#include "app/room.h"
#include "base/options.h"

#include <stdlib.h>

static struct ed_member *member_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_member, node);
}

static struct ed_room_member seen(const struct ed_member *m)
{
    return (struct ed_room_member){
        .name = m->name,
        .user = m->user,
        .ws = m->ws,
        .sse = m->sse,
    };
}

void ed_room_presence(ed_room *room)
{
    if (room->options.on_presence)
        room->options.on_presence(room, room->options.arg);
}

static void tell(ed_room *room, ed_room_member_fn *hook,
                 const struct ed_room_member *member)
{
    if (hook)
        hook(room, member, room->options.arg);
    ed_room_tell_presence(room);
    ed_room_presence(room);
}

/* ---- going ---- */

/* Tells of one that is out of all lists, and frees it. */
static void bury(struct ed_member *m)
{
    ed_room *room = m->room;
    struct ed_room_member member = seen(m);

    tell(room, room->options.on_leave, &member);
    free(m);
}

/* It is out of the connection's list. */
static void remove_member(struct ed_member *m)
{
    ed_room *room = m->room;

    room->count--;
    if (room->busy) {
        m->gone = true;
        room->gone++;
        return;
    }
    ed_list_remove(&m->node);
    bury(m);
}

static void socket_left(struct ws_member *link)
{
    remove_member(ED_CONTAINER(link, struct ed_member, link));
}

/* Puts those that are gone aside, in one walk, before any hook can change the
 * list. */
static void bury_gone(ed_room *room)
{
    struct ed_list gone;

    ed_list_init(&gone);
    ed_list_each_safe (node, &room->sockets) {
        if (!member_of(node)->gone)
            continue;
        ed_list_remove(node);
        ed_list_add_back(&gone, node);
    }
    room->gone = 0;
    struct ed_list *node;
    while ((node = ed_list_take(&gone)))
        bury(member_of(node));
}

/* A member that has lost messages and was not told in this round, as a copy;
 * false: none. */
static bool take_lost(ed_room *room, struct ed_room_member *out, uint64_t *lost)
{
    ed_list_each (node, &room->sockets) {
        struct ed_member *m = member_of(node);
        if (!m->lost || m->gone || m->told == room->round)
            continue;
        m->told = room->round;
        *out = seen(m);
        *lost = m->lost;
        m->lost = 0;
        return true;
    }
    return false;
}

/* Each is told once. What a hook says of it may be lost as well, which is told
 * with the next message. */
static void tell_of_losses(ed_room *room)
{
    struct ed_room_member member;
    uint64_t lost;

    room->lost = false;
    room->telling = true;
    room->round++;
    while (room->options.on_gap && take_lost(room, &member, &lost))
        room->options.on_gap(room, &member, lost, room->options.arg);
    room->telling = false;
}

void ed_room_settle(ed_room *room)
{
    if (room->gone)
        bury_gone(room);
    if (room->lost && !room->telling)
        tell_of_losses(room);
}

void ed_room_empty(ed_room *room)
{
    struct ed_list *node;

    while ((node = ed_list_take(&room->sockets))) {
        ws_leave(&member_of(node)->link);
        free(member_of(node));
    }
}

/* ---- coming ---- */

static struct ed_member *member_new(ed_room *room,
                                    const struct ed_join_options *options)
{
    const char *name = options->name ? options->name : "";
    size_t len = strlen(name);
    struct ed_member *m = calloc(1, sizeof(*m) + len + 1);

    if (!m)
        return NULL;
    m->room = room;
    m->user = options->user;
    m->filter = options->filter;
    m->filter_arg = options->filter_arg;
    memcpy(m->name, name, len);
    ed_list_init(&m->node);
    return m;
}

/* A connection may be in several rooms. */
static struct ed_member *find(const ed_room *room, const ed_ws *ws)
{
    struct ws_member *link = ws_member_find(ws, socket_left);

    for (; link; link = ws_member_next(link)) {
        struct ed_member *m = ED_CONTAINER(link, struct ed_member, link);
        if (m->room == room)
            return m;
    }
    return NULL;
}

static int may_enter(const ed_room *room)
{
    unsigned most = room->options.max_members;

    if (most && room->count >= most)
        return ed_fail(ED_ELIMIT, "room %s has %zu members", room->name,
                       room->count);
    return 0;
}

static uint64_t first_of(ed_room *room, const struct ed_join_options *options)
{
    ed_history *h = room->history;
    uint64_t oldest = ed_history_oldest(h);
    uint64_t next;

    if (options->after && *options->after) {
        ed_history_find(h, options->after, &next);
        return next;
    }
    if (options->replay < 0)
        return h->next;
    if (options->replay && h->next - oldest > (uint64_t)options->replay)
        return h->next - (uint64_t)options->replay;
    return oldest;
}

/* The bound is for what is said while somebody is in: what is kept is bounded
 * already, and a new member is not behind. */
static int replay(ed_room *room, struct ed_member *m, uint64_t from)
{
    ed_history *h = room->history;
    int err = 0;

    for (; from < h->next && !err; from++) {
        const struct ed_entry *entry = ed_history_entry(h, from);
        if (entry->gap || (m->filter && !m->filter(m->filter_arg, entry->data)))
            continue;
        err = ws_post_shared(m->ws, entry->shared, SIZE_MAX);
    }
    return err;
}

static int enter(ed_room *room, struct ed_member *m, ed_ws *ws,
                 const struct ed_join_options *options)
{
    m->ws = ws;
    m->link.left = socket_left;
    m->from = room->history->next;
    int err = ws_join(ws, &m->link);
    if (err)
        return err;
    err = replay(room, m, first_of(room, options));
    if (err)
        ws_leave(&m->link);
    return err;
}

int ed_room_join_with(ed_room *room, ed_ws *ws,
                      const struct ed_join_options *given)
{
    ED_OPTIONS_TAKE(struct ed_join_options, options, given);
    int err = may_enter(room);

    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    if (!err && find(room, ws))
        err = ed_fail(ED_EUSAGE, "twice in room %s", room->name);
    if (err)
        return err;
    struct ed_member *m = member_new(room, &options);
    if (!m)
        return ED_ENOMEM;
    err = enter(room, m, ws, &options);
    if (err) {
        free(m);
        return err;
    }
    ed_list_add_back(&room->sockets, &m->node);
    room->count++;
    struct ed_room_member member = seen(m);
    tell(room, room->options.on_join, &member);
    /* The hook may have sent it away. */
    return find(room, ws) ? 0 : ED_ECLOSED;
}

void ed_room_leave(ed_room *room, ed_ws *ws)
{
    struct ed_member *m = find(room, ws);

    if (!m)
        return;
    ws_leave(&m->link);
    remove_member(m);
}

int ed_room_join_sse_with(ed_room *room, ed_sse *sse,
                          const struct ed_join_options *given)
{
    ED_OPTIONS_TAKE(struct ed_join_options, options, given);
    int err = may_enter(room);

    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    if (err)
        return err;
    struct ed_member *m = member_new(room, &options);
    if (!m)
        return ED_ENOMEM;
    m->sse = sse;
    ed_list_add_back(&room->streams, &m->node);
    room->count++;
    struct ed_room_member member = seen(m);
    tell(room, room->options.on_join, &member);
    err = ed_sse_follow(sse, room->history, .after = options.after,
                        .replay = options.replay, .filter = options.filter,
                        .arg = options.filter_arg,
                        .close_slow = room->options.slow == ED_ROOM_CLOSE);
    ed_list_remove(&m->node);
    room->count--;
    bury(m);
    return err;
}

/* ---- looking in ---- */

size_t ed_room_count(const ed_room *room)
{
    return room->count;
}

size_t ed_room_count_all(const ed_room *room)
{
    return room->count + ed_room_count_elsewhere(room);
}

bool ed_room_find(const ed_room *room, const ed_ws *ws,
                  struct ed_room_member *out)
{
    const struct ed_member *m = find(room, ws);

    if (m)
        *out = seen(m);
    return m;
}

/* The next link of the two lists, one behind the other; NULL at the end. */
static struct ed_list *next_node(const ed_room *room, struct ed_list *at)
{
    struct ed_list *next = at ? at->next : room->sockets.next;

    if (next == &room->sockets)
        next = room->streams.next;
    return next == &room->streams ? NULL : next;
}

/* private_words[0] is the link of the member at hand, as long as they are ours;
 * the others are for those elsewhere. */
bool ed_room_next(const ed_room *room, struct ed_room_iter *it)
{
    struct ed_list *ours = (struct ed_list *)&room->streams;
    struct ed_list *at = it->private_words[0];

    while (at != ours && (at = next_node(room, at))) {
        it->private_words[0] = at;
        if (member_of(at)->gone)
            continue;
        it->member = seen(member_of(at));
        return true;
    }
    it->private_words[0] = ours; /* the end of them */
    const char *name = ed_room_next_elsewhere(room, it->private_words + 1);
    if (!name)
        return false;
    it->member = (struct ed_room_member){.name = name, .elsewhere = true};
    return true;
}
