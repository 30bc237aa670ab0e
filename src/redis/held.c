/*
 * held.c - connections that are held by one caller at a time.
 *
 * Owns the idle ones; a connection holds a place from before it is opened until
 * after it is closed. Waiters are served in the order they came, the youngest
 * connection is used first, and those no longer needed grow old and are closed.
 *
 * One timer serves all idle connections: it looks anew when it fires, so that
 * taking and giving never touch it.
 */
#include "redis/held.h"

static struct redis_link_info *info_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct redis_link_info, node);
}

static void leave_place(struct redis_held *held)
{
    /* It goes over to who waits, which keeps newcomers behind. */
    if (!ed_waitq_wake(&held->waiters, 0))
        held->places--;
}

static void close_idle(struct redis_held *held, struct ed_list *node)
{
    ed_list_remove(node);
    held->idle_count--;
    redis_link_close(info_of(node)->link, "");
    leave_place(held);
}

/* One that is in use is closed by who uses it. */
static void lost(struct redis_link *link, int err, const char *why)
{
    struct redis_link_info *info = redis_link_info(link);

    (void)err;
    (void)why;
    if (!ed_list_empty(&info->node))
        close_idle(info->user, &info->node);
}

/* ---- growing old ---- */

static int start_timer(struct redis_held *held, struct ed_list *oldest)
{
    int64_t at;

    if (__builtin_add_overflow(info_of(oldest)->idle_since, held->idle_time,
                               &at))
        at = INT64_MAX;
    return ed_timer_start(held->loop, &held->timer, at);
}

static void expire(struct ed_timer *timer)
{
    struct redis_held *held = ED_CONTAINER(timer, struct redis_held, timer);
    int64_t since = ed_now() - held->idle_time;
    struct ed_list *oldest;

    while ((oldest = ed_list_last(&held->idle))) {
        /* One that can no longer be timed would stay for ever. */
        if (info_of(oldest)->idle_since > since && !start_timer(held, oldest))
            return;
        close_idle(held, oldest);
    }
}

static void keep_idle(struct redis_held *held, struct redis_link *link)
{
    struct redis_link_info *info = redis_link_info(link);

    info->idle_since = ed_now();
    ed_list_add_front(&held->idle, &info->node);
    held->idle_count++;
    if (!held->timer.index && start_timer(held, &info->node))
        close_idle(held, &info->node);
}

/* ---- taking and giving ---- */

static int open_one(struct redis_held *held, struct redis_link **out)
{
    static const struct redis_link_owner owner = {.lost = lost};
    struct redis_link_options options = {
        .owner = &owner,
        .user = held,
        .counts = held->counts,
    };
    int err = held->open(held->arg, out, &options);

    if (err)
        leave_place(held);
    return err;
}

int redis_held_take(struct redis_held *held, struct redis_link **out)
{
    struct ed_list *node = ed_list_take(&held->idle);

    if (node) {
        held->idle_count--;
        *out = info_of(node)->link;
        return 0;
    }
    *out = NULL;
    if (held->places < held->max) {
        held->places++;
    } else {
        held->waiting++;
        int err = ed_waitq_wait(&held->waiters, "Redis connection", out);
        held->waiting--;
        if (err || *out)
            return err;
    }
    return open_one(held, out);
}

void redis_held_give(struct redis_held *held, struct redis_link *link,
                     bool keep)
{
    if (!keep || !redis_link_up(link)) {
        redis_link_close(link, "");
        leave_place(held);
        return;
    }
    struct ed_waiter *waiter = ed_waitq_wake(&held->waiters, 0);
    if (waiter)
        *(struct redis_link **)waiter->data = link;
    else
        keep_idle(held, link);
}

/* ---- life ---- */

void redis_held_open(struct redis_held *held)
{
    held->timer.fire = expire;
    ed_list_init(&held->idle);
}

void redis_held_close(struct redis_held *held)
{
    struct ed_list *node;

    while ((node = ed_list_first(&held->idle)))
        close_idle(held, node);
    ed_timer_stop(held->loop, &held->timer);
}
