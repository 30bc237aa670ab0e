/*
 * room_link.h - a room's link to those of other processes, for the files that
 * make it up: room_redis.c (a link, and what it publishes), room_hub.c (the
 * fibers that all links by one client of Redis share), room_peers.c (who is
 * elsewhere).
 */
#ifndef EDDY_APP_ROOM_LINK_H
#define EDDY_APP_ROOM_LINK_H

#include "app/room.h"
#include "app/room_wire.h"

#include <eddy/map.h>
#include <eddy/redis_pubsub.h>

/* One connection that listens and one thing that is published at a time, for
 * all rooms that are joined by the same client. */
struct ed_room_hub {
    struct ed_list node; /* among this thread's */
    ed_redis *redis;
    unsigned refs; /* links, and fibers that run or will */
    unsigned running;
    bool over; /* its fibers have ended, or never will begin */

    ed_map *channels;     /* to links */
    struct ed_list links; /* all of them */
    struct ed_list ready; /* those with something to publish */

    ed_redis_sub *sub; /* NULL: not listening */
    bool subscribing;  /* the publisher is, and `sub` must stay */
    struct ed_waitq subscribed;
    struct ed_waitq work;           /* the publisher, when none is ready */
    struct ed_waitq to_hear;        /* the listener, until there is `sub` */
    struct ed_waitq done;           /* who waits for a link to be left */
    ed_fiber *publisher, *listener; /* NULL: does not run */
};

/* Lives until the room and the hub are done with it. */
struct ed_room_link {
    ed_room *room; /* NULL: gone; only a goodbye is left to say */
    struct ed_room_hub *hub;
    char *channel;
    uint64_t origin; /* this process and room, to the others */
    unsigned refs;
    struct ed_list node;       /* in hub->links */
    struct ed_list ready_node; /* in hub->ready */
    bool subscribed;
    bool deaf;    /* it was to be: what was said has not come */
    bool refused; /* and that was logged */
    bool left;    /* the goodbye is said, or cannot be */

    /* What waits to be published: packets, the oldest first. */
    struct ed_list packets;
    size_t packet_bytes;
    uint32_t packet_messages;
    uint64_t seq; /* of the next message */

    bool presence_due;
    struct ed_timer presence; /* when it is due next */

    struct ed_list peers;
    unsigned peer_count;
};

/* ---- room_redis.c ---- */

void ed_room_link_unref(struct ed_room_link *link);

/* Publishes one thing; it may have more. Suspends. Returns 0 or why not, the
 * thing being still there then. */
ED_CHECK int ed_room_link_publish(struct ed_room_link *link);
/* Tries again after that time. Returns 0. */
int ed_room_link_later(struct ed_room_link *link, int64_t time);
bool ed_room_link_has_work(const struct ed_room_link *link);

/* Tells the others that nobody is in any more. Suspends. */
void ed_room_link_goodbye(struct ed_room_link *link);

/* Messages may have been lost on the way here. */
void ed_room_link_lost(struct ed_room_link *link);

/* ---- room_hub.c ---- */

/* Brings a link with its channel to the hub of a client, which is made if need
 * be. 0, ED_ENOMEM or ED_EUSAGE. */
ED_CHECK int ed_room_hub_add(struct ed_room_link *link, ed_redis *redis,
                             ed_app *app);

/* The link's room has gone: waits for the goodbye, in a fiber. */
void ed_room_hub_remove(struct ed_room_link *link);

/* The link has something to publish. */
void ed_room_hub_ready(struct ed_room_link *link);

/* The fibers were asked for and will never begin. */
void ed_room_hub_never_ran(struct ed_room_hub *hub);

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
