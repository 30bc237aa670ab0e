/*
 * room_peers.c - the other processes of a room: what they say, and who is
 * there.
 *
 * Owns what is known of each: the number of the next message, by which
 * messages that come twice are dropped and those that are missing are noticed,
 * and its members. All of it is what they have told, and forgotten when they
 * stop telling.
 */
#include "app/room_link.h"
#include "wire/ws_utf8.h"

#include <eddy/log.h>
#include <stdlib.h>

/* Three times as often as they tell. */
static const int64_t SILENT = 45 * ED_S;

/* More processes than anybody runs; whoever writes into the channel could make
 * up any number. */
enum { PEERS_MAX = 1000 };

struct peer {
    struct ed_list node;
    uint64_t origin;
    bool in_order; /* `next` is known */
    uint64_t next;
    int64_t heard;
    uint32_t members;
    struct ed_buf names; /* each ended by NUL */
};

static struct peer *peer_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct peer, node);
}

/* Who speaks is likely to go on: it comes to the front. */
static struct peer *find(struct ed_room_link *link, uint64_t origin)
{
    ed_list_each (node, &link->peers) {
        struct peer *peer = peer_of(node);
        if (peer->origin != origin)
            continue;
        ed_list_remove(&peer->node);
        ed_list_add_front(&link->peers, &peer->node);
        return peer;
    }
    return NULL;
}

static struct peer *peer_new(struct ed_room_link *link, uint64_t origin)
{
    struct peer *peer =
        link->peer_count < PEERS_MAX ? calloc(1, sizeof(*peer)) : NULL;

    if (!peer)
        return NULL;
    peer->origin = origin;
    ed_list_add_front(&link->peers, &peer->node);
    link->peer_count++;
    /* One that is new does not know of us. */
    ed_room_tell_presence(link->room);
    return peer;
}

static void peer_free(struct ed_room_link *link, struct peer *peer)
{
    ed_list_remove(&peer->node);
    link->peer_count--;
    ed_buf_free(&peer->names);
    free(peer);
}

void ed_room_peers_free(struct ed_room_link *link)
{
    struct ed_list *node;

    while ((node = ed_list_first(&link->peers)))
        peer_free(link, peer_of(node));
}

void ed_room_peers_lost(struct ed_room_link *link)
{
    ed_list_each (node, &link->peers)
        peer_of(node)->in_order = false;
}

void ed_room_peers_expire(struct ed_room_link *link)
{
    bool changed = false;

    ed_list_each_safe (node, &link->peers) {
        struct peer *peer = peer_of(node);
        if (ed_now() - peer->heard < SILENT)
            continue;
        changed |= peer->members > 0;
        peer_free(link, peer);
    }
    if (changed)
        ed_room_presence(link->room);
}

/* ---- what they say ---- */

static void take(ed_room *room, const struct ed_room_said *said)
{
    bool text = !room->options.binary;
    struct ws_shared *shared = NULL;
    struct ed_history_message message = {
        .id = said->id,
        .event = *said->event ? said->event : NULL,
    };

    if (!text || ed_ws_utf8_is_valid(said->data))
        shared = ws_shared_new(text, said->data);
    if (!shared || ed_room_take(room, &message, shared, NULL))
        ed_log_warn("room %s: a message of another process is not taken",
                    room->name);
}

/* Tells of a gap once for all of a packet. */
static void take_messages(struct ed_room_link *link, struct peer *peer,
                          struct ed_room_packet *packet)
{
    struct ed_room_said said;
    uint64_t seq = packet->seq;

    if (peer->in_order && seq > peer->next)
        ed_room_lost(link->room);
    for (; ed_room_packet_message(packet, &said); seq++) {
        if (peer->in_order && seq < peer->next)
            continue; /* published twice: it was not sure to have been */
        peer->in_order = true;
        peer->next = seq + 1;
        take(link->room, &said);
    }
}

/* ---- who is there ---- */

static void take_presence(struct ed_room_link *link, struct peer *peer,
                          struct ed_room_packet *packet)
{
    struct ed_buf names = {0};
    const char *name;
    int err = 0;

    while (!err && (name = ed_room_packet_name(packet)))
        err = ed_buf_add(&names, name, strlen(name) + 1);
    if (err) {
        ed_buf_free(&names);
        return; /* they will tell again */
    }
    bool same =
        peer->members == packet->members &&
        ed_bytes_equal(ed_buf_bytes(&peer->names), ed_buf_bytes(&names));
    ed_buf_free(&peer->names);
    peer->names = names;
    peer->members = packet->members;
    if (!same)
        ed_room_presence(link->room);
}

void ed_room_heard(struct ed_room_link *link, struct ed_bytes bytes)
{
    struct ed_room_packet packet;

    if (ed_room_packet_read(&packet, bytes)) {
        ed_log_warn("room %s: something else is published in channel %s",
                    link->room->name, link->channel);
        return;
    }
    if (packet.origin == link->origin)
        return;
    struct peer *peer = find(link, packet.origin);
    if (!peer)
        peer = peer_new(link, packet.origin);
    if (!peer)
        return;
    peer->heard = ed_now();
    if (packet.kind == ED_ROOM_MESSAGES)
        take_messages(link, peer, &packet);
    else
        take_presence(link, peer, &packet);
}

size_t ed_room_count_elsewhere(const ed_room *room)
{
    size_t count = 0;

    if (!room->link)
        return 0;
    ed_list_each (node, &room->link->peers)
        count += peer_of(node)->members;
    return count;
}

/* state[0] is the link of the process at hand, state[1] the name last given. */
const char *ed_room_next_elsewhere(const ed_room *room, void *state[2])
{
    if (!room->link)
        return NULL;
    struct ed_list *peers = &room->link->peers;
    struct ed_list *node = state[0] ? state[0] : peers->next;
    const char *name = state[1];
    for (; node != peers; node = node->next, name = NULL) {
        const struct ed_buf *names = &peer_of(node)->names;
        name = name ? name + strlen(name) + 1 : names->ptr;
        if (!names->len || name == names->ptr + names->len)
            continue;
        state[0] = node;
        state[1] = (void *)name;
        return name;
    }
    state[0] = peers;
    return NULL;
}
