/*
 * room_redis.c - one room in several processes, by a channel of Redis.
 *
 * Owns the link: a fiber that publishes and one that listens. What is said is
 * gathered in packets while an earlier one is on its way, and only one is, so
 * that order is kept whatever connection the commands take. A packet whose
 * publishing failed, or may have, is published again; the others drop what
 * comes twice by its number, and notice what is missing.
 */
#include "app/app_internal.h"
#include "app/room_link.h"
#include "base/backoff.h"

#include <eddy/log.h>
#include <eddy/redis_pubsub.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* How often each process tells of its members, and how long it waits for more
 * to change before it does. */
static const int64_t TELL_EVERY = 15 * ED_S;
static const int64_t TELL_AFTER = 200 * ED_MS;

static const int64_t FIRST_PAUSE = 50 * ED_MS;
static const int64_t LONGEST_PAUSE = 5 * ED_S;

/* For the last words of a process that ends. */
static const int64_t GOODBYE = ED_S;

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

enum { PUBLISHER, LISTENER };

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

/* Drops the oldest that is not under way. The others see it by the numbers. */
static void drop_oldest(struct ed_room_link *link)
{
    struct ed_list *node = ed_list_first(&link->packets);

    if (packet_of(node)->under_way && node->next != &link->packets)
        node = node->next;
    if (!packet_of(node)->under_way)
        packet_free(link, packet_of(node));
}

static bool is_too_much(const struct ed_room_link *link)
{
    return link->packet_bytes > WAITING_BYTES ||
           link->packet_messages > WAITING_MESSAGES;
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
    while (is_too_much(link) && !packet_of(link->packets.next)->under_way &&
           link->packets.next != &packet->node)
        drop_oldest(link);
    ed_waitq_wake(&link->publisher, 0);
}

/* ---- publishing ---- */

static int publish(struct ed_room_link *link, struct ed_bytes bytes)
{
    const struct ed_bytes argv[] = {ED_BYTES("PUBLISH"),
                                    ed_bytes(link->channel), bytes};

    return ed_redis_argv(link->redis, NULL, 3, argv);
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

/* Does one thing, if there is something to do now. */
static int do_something(struct ed_room_link *link)
{
    if (ed_now() >= link->presence_at) {
        link->presence_at = ed_now() + TELL_EVERY;
        ed_room_peers_expire(link);
        return link->room ? publish_presence(link, link->room) : 0;
    }
    return ed_list_empty(&link->packets) ? 0 : publish_first(link);
}

static int wait_for_work(void *arg)
{
    struct ed_room_link *link = arg;

    return ed_waitq_wait(&link->publisher, "something to publish", NULL);
}

/* Until there is a packet, or it is time to tell of our members. */
static int rest(struct ed_room_link *link)
{
    int64_t until = link->presence_at - ed_now();

    if (until <= 0 || !ed_list_empty(&link->packets))
        return 0;
    int err = ed_with_timeout(until, wait_for_work, link);
    return err == ED_ETIMEOUT ? ed_cancelled() : err;
}

/* Logs the first of failures in a row, and waits before the next try. */
static int pause_after(const struct ed_room_link *link, const char *what,
                       int err, unsigned *failures)
{
    if (!(*failures)++)
        ed_log_warn("room %s: cannot %s: %s", link->room->name, what,
                    *ed_error_of(err) ? ed_error_of(err) : ed_err_text(err));
    return ed_sleep(ed_backoff(*failures, FIRST_PAUSE, LONGEST_PAUSE));
}

static int publish_all(struct ed_room_link *link)
{
    unsigned failures = 0;
    int err = 0;

    while (!err && link->room) {
        err = do_something(link);
        if (!err) {
            failures = 0;
            err = rest(link);
        } else if (!(err = ed_cancelled()) && link->room) {
            err = pause_after(link, "publish", err, &failures);
        }
    }
    return err;
}

/* ---- listening ---- */

static int listen_while_it_lasts(struct ed_room_link *link, ed_redis_sub *sub)
{
    struct ed_redis_message message;
    int err = 0;

    while (link->room && !(err = ed_redis_next_message(sub, &message))) {
        if (!link->room)
            break;
        if (!message.gap) {
            ed_room_heard(link, message.payload);
            continue;
        }
        ed_room_peers_lost(link);
        ed_room_lost(link->room);
    }
    return err;
}

static int listen_once(struct ed_room_link *link, unsigned *failures)
{
    ed_redis_sub *sub ED_REDIS_SUB_AUTO = NULL;
    int err = ed_redis_subscribe(link->redis, &sub, link->channel);

    if (err || !link->room)
        return err;
    if (*failures) { /* what was said meanwhile has not come */
        ed_room_peers_lost(link);
        ed_room_lost(link->room);
    }
    *failures = 0;
    ed_room_tell_presence(link->room);
    return listen_while_it_lasts(link, sub);
}

static int listen_always(struct ed_room_link *link)
{
    unsigned failures = 0;
    int err = 0;

    while (!err && link->room) {
        err = listen_once(link, &failures);
        int cancelled = ed_cancelled();
        if (cancelled || !link->room)
            err = cancelled;
        else if (err)
            err = pause_after(link, "listen", err, &failures);
    }
    return err;
}

/* ---- the link ---- */

static void unref(struct ed_room_link *link)
{
    if (--link->refs)
        return;
    while (!ed_list_empty(&link->packets))
        packet_free(link, packet_of(link->packets.next));
    ed_room_peers_free(link);
    free(link->channel);
    free(link);
}

static int end_fiber(struct ed_room_link *link, int which, int err)
{
    link->fibers[which] = NULL;
    link->running--;
    ed_waitq_wake_all(&link->done, 0);
    unref(link);
    return err == ED_ECANCELED ? 0 : err;
}

static int run_publisher(void *arg)
{
    struct ed_room_link *link = arg;

    link->fibers[PUBLISHER] = ed_fiber_self();
    int err = publish_all(link);
    {
        ed_shield(goodbye, GOODBYE);
        int told = publish_presence(link, NULL);
        (void)told; /* they will notice */
    }
    return end_fiber(link, PUBLISHER, err);
}

static int run_listener(void *arg)
{
    struct ed_room_link *link = arg;

    link->fibers[LISTENER] = ed_fiber_self();
    return end_fiber(link, LISTENER, listen_always(link));
}

/* A fiber that has not begun to run has a reference, too. */
static int start(struct ed_room_link *link, ed_fn *fn, const char *name)
{
    ed_app *app = link->room->app;
    int err = app ? ed_app_background_(app, fn, link, name, ED_PLACE_)
                  : ed_background_at_(fn, link, name, ED_PLACE_);

    if (!err) {
        link->refs++;
        link->running++;
    }
    return err;
}

static uint64_t random_origin(void)
{
    uint64_t number = 0;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
        number = (uint64_t)(ed_chance() * (double)UINT64_MAX);
    return number;
}

static struct ed_room_link *link_new(ed_room *room, ed_redis *redis,
                                     const char *channel)
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
    link->redis = redis;
    link->refs = 1;
    link->origin = random_origin();
    ed_list_init(&link->packets);
    ed_list_init(&link->peers);
    return link;
}

int ed_room_join_redis(ed_room *room, ed_redis *redis, const char *channel)
{
    ED_MAGIC_CHECK(room, ED_ROOM_MAGIC);
    if (room->link)
        return ed_fail(ED_EUSAGE, "room %s is joined already", room->name);
    if (!room->app && !ed_loop_current())
        return ED_EUSAGE;
    struct ed_room_link *link = link_new(room, redis, channel);
    if (!link)
        return ED_ENOMEM;
    room->link = link;
    int err = start(link, run_listener, "room listener");
    if (!err)
        err = start(link, run_publisher, "room publisher");
    if (err)
        ed_room_unlink(room);
    return err;
}

void ed_room_tell_presence(ed_room *room)
{
    struct ed_room_link *link = room->link;

    if (!link || link->presence_at <= ed_now() + TELL_AFTER)
        return;
    link->presence_at = ed_now() + TELL_AFTER;
    ed_waitq_wake(&link->publisher, 0);
}

void ed_room_never_ran(ed_room *room)
{
    struct ed_room_link *link = room->link;
    unsigned dropped = link ? link->refs - 1 : 0;

    while (dropped--)
        unref(link);
}

/* The fibers end before the Redis they use may go. */
static void await_fibers(struct ed_room_link *link)
{
    ed_shield(patience, 2 * GOODBYE);
    while (link->running)
        if (ed_waitq_wait(&link->done, "a room to be left", NULL))
            return;
}

void ed_room_unlink(ed_room *room)
{
    struct ed_room_link *link = room->link;

    if (!link)
        return;
    room->link = NULL;
    link->room = NULL;
    for (int i = 0; i < 2; i++)
        if (link->fibers[i])
            ed_fiber_cancel(link->fibers[i], ED_ECANCELED);
    if (ed_in_fiber())
        await_fibers(link);
    unref(link);
}
