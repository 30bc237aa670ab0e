/*
 * room_hub.c - the rooms that are joined by one client of Redis.
 *
 * Owns the hubs of the thread, each with two fibers: one subscribes and
 * publishes, for one room after the other, one listens. So a thousand rooms
 * take one connection more than none. A hub begins with its first link and ends
 * with its last, or with the program.
 */
#include "app/app_internal.h"
#include "app/room_link.h"
#include "base/backoff.h"

#include <eddy/log.h>
#include <stdlib.h>

static const int64_t FIRST_PAUSE = 50 * ED_MS;
static const int64_t LONGEST_PAUSE = 5 * ED_S;

/* For last words, of one room and of all when the program ends; and for who
 * frees a room. */
static const int64_t GOODBYE = ED_S;
static const int64_t LEAVING = 3 * ED_S;

static _Thread_local struct ed_list hubs;

static struct ed_room_link *link_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_room_link, node);
}

static void hub_unref(struct ed_room_hub *hub)
{
    if (--hub->refs)
        return;
    ed_redis_sub_close(hub->sub);
    ed_list_remove(&hub->node);
    ed_map_free(hub->channels);
    free(hub);
}

/* Logs the first of failures in a row, and waits before the next try. */
static int pause_after(const char *what, int err, unsigned *failures)
{
    if (!(*failures)++)
        ed_log_warn("rooms cannot %s: %s", what,
                    *ed_error_of(err) ? ed_error_of(err) : ed_err_text(err));
    return ed_sleep(ed_backoff(*failures, FIRST_PAUSE, LONGEST_PAUSE));
}

/* ---- publishing ---- */

void ed_room_hub_ready(struct ed_room_link *link)
{
    struct ed_room_hub *hub = link->hub;

    if (hub->over || link->ready_node.next != &link->ready_node)
        return;
    ed_list_add_back(&hub->ready, &link->ready_node);
    ed_waitq_wake(&hub->work, 0);
}

static int subscribe(struct ed_room_link *link)
{
    struct ed_room_hub *hub = link->hub;
    ed_redis_sub *sub = hub->sub;

    hub->subscribing = true;
    int err = sub ? ed_redis_subscribe_also(sub, link->channel)
                  : ed_redis_subscribe(hub->redis, &sub, link->channel);
    hub->subscribing = false;
    ed_waitq_wake_all(&hub->subscribed, 0);
    link->deaf |= err != 0;
    if (err)
        return err;
    link->subscribed = true;
    if (!hub->sub) {
        hub->sub = sub;
        ed_waitq_wake(&hub->to_hear, 0);
    }
    if (link->deaf)
        ed_room_link_lost(link);
    link->deaf = false;
    return 0;
}

/* The last thing a link does. */
static void leave(struct ed_room_link *link)
{
    struct ed_room_hub *hub = link->hub;

    if (link->subscribed) {
        ed_shield(soon, GOODBYE);
        ed_room_link_goodbye(link);
    }
    link->left = true;
    ed_waitq_wake_all(&hub->done, 0);
}

/* Does one thing for a link. It is held, as its room may go meanwhile. */
static int serve(struct ed_room_link *link)
{
    int err = 0;

    if (!link->room) {
        if (!link->left)
            leave(link);
        return 0;
    }
    if (!link->subscribed)
        err = subscribe(link);
    if (!err && link->room)
        err = ed_room_link_publish(link);
    /* Its user may not: that is no reason for the others to wait. */
    if (err == ED_EREDIS && link->room)
        return ed_room_link_later(link, LONGEST_PAUSE);
    if (!link->room || ed_room_link_has_work(link) || !link->subscribed)
        ed_room_hub_ready(link);
    return err;
}

static struct ed_room_link *take_ready(struct ed_room_hub *hub)
{
    struct ed_list *node = ed_list_take(&hub->ready);

    return node ? ED_CONTAINER(node, struct ed_room_link, ready_node) : NULL;
}

static int publish_all(struct ed_room_hub *hub)
{
    unsigned failures = 0;
    int err = 0;

    while (!err &&
           !(ed_list_empty(&hub->links) && ed_list_empty(&hub->ready))) {
        struct ed_room_link *link = take_ready(hub);
        if (!link) {
            err = ed_waitq_wait(&hub->work, "something to publish", NULL);
            continue;
        }
        link->refs++;
        err = serve(link);
        ed_room_link_unref(link);
        if (!err)
            failures = 0;
        else if (!(err = ed_cancelled()))
            err = pause_after("publish", err, &failures);
    }
    return err;
}

/* ---- listening ---- */

/* What is said from now on does not come, until `sub` is there again. */
static int lose_connection(struct ed_room_hub *hub)
{
    while (hub->subscribing) {
        int err = ed_waitq_wait(&hub->subscribed, "a subscription", NULL);
        if (err)
            return err;
    }
    ed_redis_sub_close(hub->sub);
    hub->sub = NULL;
    ed_list_each (node, &hub->links) {
        link_of(node)->subscribed = false;
        link_of(node)->deaf = true;
        ed_room_hub_ready(link_of(node));
    }
    return 0;
}

static void heard(struct ed_room_hub *hub, const struct ed_redis_message *m)
{
    struct ed_room_link *link = ed_map_get(hub->channels, m->channel);

    if (m->gap) {
        ed_list_each (node, &hub->links)
            ed_room_link_lost(link_of(node));
    } else if (link && link->room) {
        ed_room_heard(link, m->payload);
    }
}

static int listen_always(struct ed_room_hub *hub)
{
    struct ed_redis_message message;
    unsigned failures = 0;
    int err = 0;

    while (!err) {
        if (!hub->sub) {
            err = ed_waitq_wait(&hub->to_hear, "a channel", NULL);
            continue;
        }
        err = ed_redis_next_message(hub->sub, &message);
        if (!err) {
            failures = 0;
            heard(hub, &message);
        } else if (!(err = ed_cancelled())) {
            err = lose_connection(hub);
            if (!err)
                err = pause_after("listen", ED_EREDIS, &failures);
        }
    }
    return err;
}

/* ---- hubs ---- */

static int end_fiber(struct ed_room_hub *hub, int err)
{
    hub->running--;
    if (!hub->running) {
        hub->over = true;
        ed_list_remove(&hub->node); /* the next link begins a new one */
    }
    ed_waitq_wake_all(&hub->done, 0);
    hub_unref(hub);
    return err == ED_ECANCELED ? 0 : err;
}

/* One that has to; NULL: none. */
static struct ed_room_link *next_to_leave(struct ed_room_hub *hub)
{
    ed_list_each (node, &hub->links) {
        struct ed_room_link *link = link_of(node);
        if (link->room && link->subscribed && !link->left)
            return link;
    }
    return NULL;
}

/* The program ends: all rooms say goodbye, in what time there is. Any of them
 * may go meanwhile. */
static void say_goodbyes(struct ed_room_hub *hub)
{
    struct ed_room_link *link;

    ed_shield(soon, GOODBYE);
    while (!ed_cancelled() && (link = next_to_leave(hub))) {
        link->left = true;
        link->refs++;
        ed_room_link_goodbye(link);
        ed_room_link_unref(link);
    }
}

static int run_publisher(void *arg)
{
    struct ed_room_hub *hub = arg;

    hub->publisher = ed_fiber_self();
    int err = publish_all(hub);
    hub->over = true;
    say_goodbyes(hub);
    hub->publisher = NULL;
    if (hub->listener)
        ed_fiber_cancel(hub->listener, ED_ECANCELED);
    return end_fiber(hub, err);
}

static int run_listener(void *arg)
{
    struct ed_room_hub *hub = arg;

    hub->listener = ed_fiber_self();
    int err = hub->over ? 0 : listen_always(hub);
    hub->listener = NULL;
    return end_fiber(hub, err);
}

static int start(struct ed_room_hub *hub, ed_app *app, ed_fn *fn,
                 const char *name)
{
    int err = app ? ed_app_background_(app, fn, hub, name, ED_PLACE_)
                  : ed_background_at_(fn, hub, name, ED_PLACE_);

    if (!err) {
        hub->refs++;
        hub->running++;
    }
    return err;
}

/* With the caller's reference. */
static struct ed_room_hub *hub_new(ed_redis *redis)
{
    struct ed_room_hub *hub = calloc(1, sizeof(*hub));

    if (!hub)
        return NULL;
    hub->channels = ed_map_new();
    if (!hub->channels) {
        free(hub);
        return NULL;
    }
    hub->redis = redis;
    hub->refs = 1;
    ed_list_init(&hub->links);
    ed_list_init(&hub->ready);
    ed_list_add_back(&hubs, &hub->node);
    return hub;
}

static struct ed_room_hub *hub_find(ed_redis *redis)
{
    if (!hubs.next)
        ed_list_init(&hubs);
    ed_list_each (node, &hubs) {
        struct ed_room_hub *hub = ED_CONTAINER(node, struct ed_room_hub, node);
        if (hub->redis == redis && !hub->over) {
            hub->refs++;
            return hub;
        }
    }
    return NULL;
}

/* The hub has no fibers yet. One that was started alone ends by itself. */
static int begin(struct ed_room_hub *hub, ed_app *app)
{
    if (!app && !ed_loop_current())
        return ED_EUSAGE;
    int err = start(hub, app, run_publisher, "room publisher");
    return err ? err : start(hub, app, run_listener, "room listener");
}

static int add(struct ed_room_hub *hub, struct ed_room_link *link)
{
    struct ed_bytes channel = ed_bytes(link->channel);

    if (ed_map_get(hub->channels, channel))
        return ed_fail(ED_EUSAGE, "another room is joined by channel %s",
                       link->channel);
    int err = ed_map_set(hub->channels, channel, link, NULL);
    if (err)
        return err;
    link->hub = hub;
    link->refs++;
    ed_list_add_back(&hub->links, &link->node);
    ed_room_hub_ready(link);
    return 0;
}

int ed_room_hub_add(struct ed_room_link *link, ed_redis *redis, ed_app *app)
{
    struct ed_room_hub *hub = hub_find(redis);

    if (!hub)
        hub = hub_new(redis);
    if (!hub)
        return ED_ENOMEM;
    int err = add(hub, link);
    if (!err && !hub->running)
        err = begin(hub, app);
    if (!err)
        return 0; /* with the link's reference */
    if (link->hub) {
        ed_map_remove(hub->channels, ed_bytes(link->channel));
        ed_list_remove(&link->node);
        ed_list_remove(&link->ready_node);
        ed_room_link_unref(link);
    }
    hub_unref(hub);
    return err;
}

static void await_goodbye(struct ed_room_link *link)
{
    struct ed_room_hub *hub = link->hub;

    ed_shield(patience, LEAVING);
    while (!hub->over ? !link->left || ed_list_empty(&hub->links)
                      : hub->running > 0)
        if (ed_waitq_wait(&hub->done, "a room to be left", NULL))
            return;
}

void ed_room_hub_remove(struct ed_room_link *link)
{
    struct ed_room_hub *hub = link->hub;

    ed_map_remove(hub->channels, ed_bytes(link->channel));
    ed_list_remove(&link->node);
    if (hub->sub && link->subscribed)
        ed_redis_unsubscribe(hub->sub, link->channel);
    ed_room_hub_ready(link);
    /* The Redis they use may go as soon as this returns. */
    if (hub->running && ed_in_fiber())
        await_goodbye(link);
    ed_list_remove(&link->ready_node);
    ed_room_link_unref(link);
    hub_unref(hub);
}

void ed_room_hub_never_ran(struct ed_room_hub *hub)
{
    unsigned running = hub->running;

    hub->over = true;
    hub->running = 0;
    while (running--) /* the last of them may be what keeps it */
        hub_unref(hub);
}
