/*
 * room_link.h - a room's link to those of other processes, for the files that
 * make it up: room_redis.c (its two fibers), room_peers.c (who is elsewhere).
 */
#ifndef EDDY_APP_ROOM_LINK_H
#define EDDY_APP_ROOM_LINK_H

#include "app/room.h"
#include "app/room_wire.h"

/* Lives until the room and both fibers are done with it. */
struct ed_room_link {
    ed_room *room; /* NULL: gone */
    ed_redis *redis;
    char *channel;
    uint64_t origin; /* this process and room, to the others */
    unsigned refs;

    /* What waits to be published: packets, the oldest first. */
    struct ed_list packets;
    size_t packet_bytes;
    uint32_t packet_messages;
    uint64_t seq; /* of the next message */

    int64_t presence_at;       /* when to tell of our members */
    struct ed_waitq publisher; /* waits for something to do */
    struct ed_waitq done;      /* who waits for the fibers to end */
    ed_fiber *fibers[2];       /* publisher, listener; NULL: it does not run */
    unsigned running;          /* or about to run */

    struct ed_list peers;
    unsigned peer_count;
};

/* ---- room_peers.c ---- */

/* What came by the channel. */
void ed_room_heard(struct ed_room_link *link, struct ed_bytes bytes);

/* Messages of all processes may have been lost: what comes next is in order,
 * whatever its number. */
void ed_room_peers_lost(struct ed_room_link *link);

/* Forgets processes that have said nothing for long. */
void ed_room_peers_expire(struct ed_room_link *link);
void ed_room_peers_free(struct ed_room_link *link);

#endif
