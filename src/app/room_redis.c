/*
 * room_redis.c - one room in several processes: what it publishes.
 *
 * Owns links. What is said is gathered in packets while an earlier one is on
 * its way, and only one is, so that order is kept whatever connection the
 * commands take. A packet whose publishing failed, or may have, is published
 * again; the others drop what comes twice by its number, and notice what is
 * missing.
 */
#include "app/app_internal.h"
#include "app/room_link.h"
#include "base/backoff.h"
#include "base/moment.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* How often each process tells of its members, and how long it waits for more
 * to change before it does. */
static const int64_t TELL_EVERY = 15 * ED_S;
static const int64_t TELL_AFTER = 200 * ED_MS;

enum {
    /* Messages are gathered up to this, which Redis and its subscribers take
     * without a thought. */
    PACKET_BYTES = 64 * 1024,
    /* What waits while Redis cannot be reached. */
    WAITING_BYTES = 16 * 1024 * 1024,
    WAITING_MESSAGES = 10 * 1000,
    NAMES_MAX = 1000,
    NAMES_BYTES = 256 * 1024,
};

struct packet {
    struct ed_list node;
    uint32_t count;
    bool under_way;
    struct ed_buf bytes;
};

static struct packet *packet_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct packet, node);
}

/* ---- what waits ---- */

static void packet_free(struct ed_room_link *link, struct packet *packet)
{
    ed_list_remove(&packet->node);
    link->packet_bytes -= packet->bytes.len;
    link->packet_messages -= packet->count;
    ed_buf_free(&packet->bytes);
    free(packet);
}

static struct packet *packet_new(struct ed_room_link *link)
{
    struct packet *packet = calloc(1, sizeof(*packet));

    if (!packet)
        return NULL;
    if (ed_room_packet_begin(&packet->bytes, ED_ROOM_MESSAGES, link->origin,
                             link->seq)) {
        free(packet);
        return NULL;
    }
    link->packet_bytes += packet->bytes.len;
    ed_list_add_back(&link->packets, &packet->node);
    return packet;
}

/* The one to add to. */
static struct packet *last_packet(struct ed_room_link *link)
{
    struct ed_list *node = ed_list_last(&link->packets);
    struct packet *packet = node ? packet_of(node) : NULL;

    if (packet && !packet->under_way && packet->bytes.len < PACKET_BYTES)
        return packet;
    return packet_new(link);
}

static bool is_too_much(const struct ed_room_link *link)
{
    return link->packet_bytes > WAITING_BYTES ||
           link->packet_messages > WAITING_MESSAGES;
}

/* Drops the oldest packet but that one and the one under way; the others see it
 * by the numbers. False: there is none. */
static bool drop_oldest(struct ed_room_link *link, const struct packet *keep)
{
    struct packet *packet = packet_of(link->packets.next);

    if (packet->under_way && packet->node.next != &link->packets)
        packet = packet_of(packet->node.next);
    if (packet->under_way || packet == keep)
        return false;
    packet_free(link, packet);
    return true;
}

void ed_room_pass_on(ed_room *room, const struct ed_history_message *message,
                     const struct ed_entry *entry)
{
    struct ed_room_link *link = room->link;
    struct packet *packet = last_packet(link);
    struct ed_room_said said = {
        .id = ed_entry_id(entry),
        .event = message->event ? message->event : "",
        .data = entry->data,
    };

    size_t before = packet ? packet->bytes.len : 0;
    if (!packet || ed_room_packet_add(&packet->bytes, &said)) {
        /* A number without a message: a gap, to the others. What is in the
         * packet has to end before it. */
        if (packet)
            packet->under_way |= packet->count > 0;
        link->seq++;
        ed_log_warn("room %s: no memory to pass a message on", room->name);
        return;
    }
    link->seq++;
    link->packet_messages++;
    link->packet_bytes += packet->bytes.len - before;
    packet->count++;
    while (is_too_much(link) && drop_oldest(link, packet))
        ;
    ed_room_hub_ready(link);
}

/* ---- publishing ---- */

static int publish(struct ed_room_link *link, struct ed_bytes bytes)
{
    const struct ed_bytes argv[] = {ED_BYTES("PUBLISH"),
                                    ed_bytes(link->channel), bytes};

    return ed_redis_argv(link->hub->redis, NULL, 3, argv);
}

static int add_names(ed_room *room, struct ed_buf *out, uint32_t *count)
{
    struct ed_room_iter it = {0};
    int err = 0;

    while (!err && *count < NAMES_MAX && out->len < NAMES_BYTES &&
           ed_room_next(room, &it) && !it.member.elsewhere) {
        if (!*it.member.name)
            continue;
        err = ed_room_packet_add_name(out, it.member.name);
        *count += !err;
    }
    return err;
}

/* Publishes who is here: `room` NULL says that nobody is. */
static int publish_presence(struct ed_room_link *link, ed_room *room)
{
    struct ed_buf out = {0};
    uint32_t count = 0;
    int err = ed_room_packet_begin(&out, ED_ROOM_PRESENCE, link->origin, 0);

    if (!err && room && room->count <= NAMES_MAX)
        err = add_names(room, &out, &count);
    if (!err) {
        ed_room_packet_count(&out, count, room ? (uint32_t)room->count : 0);
        err = publish(link, ed_buf_bytes(&out));
    }
    ed_buf_free(&out);
    return err;
}

static int publish_first(struct ed_room_link *link)
{
    struct packet *packet = packet_of(ed_list_first(&link->packets));

    packet->under_way = true;
    ed_room_packet_count(&packet->bytes, packet->count, 0);
    int err = publish(link, ed_buf_bytes(&packet->bytes));
    if (!err)
        packet_free(link, packet);
    return err;
}

static void presence_due(struct ed_timer *timer)
{
    struct ed_room_link *link =
        ED_CONTAINER(timer, struct ed_room_link, presence);

    link->presence_due = true;
    ed_room_hub_ready(link);
}

/* Without memory for a timer the others forget us until there is. */
static void tell_in(struct ed_room_link *link, int64_t time)
{
    if (ed_timer_start(ed_loop_current(), &link->presence,
                       ed_moment_after(ed_now(), time)))
        ed_log_warn("room %s: no memory to tell of its members",
                    link->room->name);
}

static int tell_now(struct ed_room_link *link)
{
    link->presence_due = false;
    ed_room_peers_expire(link);
    if (!link->room)
        return 0; /* a hook cannot free it; but that is not relied upon */
    tell_in(link, TELL_EVERY);
    int err = publish_presence(link, link->room);
    if (err)
        link->presence_due = true;
    return err;
}

int ed_room_link_later(struct ed_room_link *link, int64_t time)
{
    if (!link->refused)
        ed_log_warn("room %s: %s", link->room->name,
                    *ed_error_of(ED_EREDIS) ? ed_error_of(ED_EREDIS)
                                            : ed_err_text(ED_EREDIS));
    link->refused = true;
    tell_in(link, time);
    return 0;
}

bool ed_room_link_has_work(const struct ed_room_link *link)
{
    return link->presence_due || !ed_list_empty(&link->packets);
}

int ed_room_link_publish(struct ed_room_link *link)
{
    if (link->presence_due)
        return tell_now(link);
    return ed_list_empty(&link->packets) ? 0 : publish_first(link);
}

void ed_room_link_goodbye(struct ed_room_link *link)
{
    int told = publish_presence(link, NULL);

    (void)told; /* they will notice */
}

void ed_room_link_lost(struct ed_room_link *link)
{
    ed_room_peers_lost(link);
    if (link->room)
        ed_room_lost(link->room);
}

void ed_room_tell_presence(ed_room *room)
{
    struct ed_room_link *link = room->link;
    const ed_loop *loop = ed_loop_current();

    /* Without a loop, or before the first time, it will be told anyway. */
    if (!link || !loop || !link->subscribed || link->presence_due)
        return;
    if (link->presence.index && link->presence.at <= ed_now() + TELL_AFTER)
        return;
    tell_in(link, TELL_AFTER);
}

/* ---- the link ---- */

void ed_room_link_unref(struct ed_room_link *link)
{
    if (--link->refs)
        return;
    while (!ed_list_empty(&link->packets))
        packet_free(link, packet_of(link->packets.next));
    ed_room_peers_free(link);
    free(link->channel);
    free(link);
}

static uint64_t random_origin(void)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
        number = (uint64_t)(ed_chance() * (double)UINT64_MAX);
    return number;
}

static struct ed_room_link *link_new(ed_room *room, const char *channel)
{
    struct ed_room_link *link = calloc(1, sizeof(*link));
    int len = -1;

    if (link)
        len = channel ? asprintf(&link->channel, "%s", channel)
                      : asprintf(&link->channel, "eddy:room:%s", room->name);
    if (len < 0) {
        free(link);
        return NULL;
    }
    link->room = room;
    link->refs = 1;
    link->origin = random_origin();
    link->presence_due = true;
    link->presence.fire = presence_due;
    ed_list_init(&link->node);
    ed_list_init(&link->ready_node);
    ed_list_init(&link->packets);
    ed_list_init(&link->peers);
    return link;
}

int ed_room_join_redis(ed_room *room, ed_redis *redis, const char *channel)
{
    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    if (room->link)
        return ed_fail(ED_EUSAGE, "room %s is joined already", room->name);
    struct ed_room_link *link = link_new(room, channel);
    if (!link)
        return ED_ENOMEM;
    int err = ed_room_hub_add(link, redis, room->app);
    if (err) {
        ed_room_link_unref(link);
        return err;
    }
    room->link = link;
    return 0;
}

void ed_room_never_ran(ed_room *room)
{
    if (room->link)
        ed_room_hub_never_ran(room->link->hub);
}

void ed_room_unlink(ed_room *room)
{
    struct ed_room_link *link = room->link;

    if (!link)
        return;
    room->link = NULL;
    link->room = NULL;
    if (link->presence.index && ed_loop_current())
        ed_timer_stop(ed_loop_current(), &link->presence);
    ed_room_hub_remove(link);
    ed_room_link_unref(link);
}
