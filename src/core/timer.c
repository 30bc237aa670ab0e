/*
 * timer.c - timers in a heap with four children a node.
 *
 * The heap holds the times beside the pointers, so that a sift touches no
 * timer it does not move; four children make it half as deep as a binary one
 * and keep siblings in one cache line. Timers are embedded in their owners:
 * arming allocates nothing once the heap has grown.
 */
#include "core/loop_internal.h"

#include <stdlib.h>

enum { ARITY = 4, FIRST_CAPACITY = 64 };

static bool before(const struct ed_timer_slot *a, const struct ed_timer_slot *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    return a->timer->seq < b->timer->seq;
}

static void place(struct ed_timers *t, uint32_t i, struct ed_timer_slot slot)
{
    t->slots[i] = slot;
    slot.timer->index = i + 1;
}

static void sift_up(struct ed_timers *t, uint32_t i, struct ed_timer_slot slot)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / ARITY;
        if (!before(&slot, &t->slots[parent]))
            break;
        place(t, i, t->slots[parent]);
        i = parent;
    }
    place(t, i, slot);
}

static void sift_down(struct ed_timers *t, uint32_t i,
                      struct ed_timer_slot slot)
{
    for (;;) {
        uint64_t child = (uint64_t)i * ARITY + 1;
        if (child >= t->count)
            break;
        uint64_t end = child + ARITY < t->count ? child + ARITY : t->count;
        uint64_t least = child;
        for (uint64_t c = child + 1; c < end; c++) {
            if (before(&t->slots[c], &t->slots[least]))
                least = c;
        }
        if (!before(&t->slots[least], &slot))
            break;
        place(t, i, t->slots[least]);
        i = (uint32_t)least;
    }
    place(t, i, slot);
}

static void move(struct ed_timers *t, uint32_t i, struct ed_timer_slot slot)
{
    if (i > 0 && before(&slot, &t->slots[(i - 1) / ARITY]))
        sift_up(t, i, slot);
    else
        sift_down(t, i, slot);
}

static int grow(struct ed_timers *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : FIRST_CAPACITY;
    if (capacity <= t->capacity)
        return ED_ENOMEM;
    struct ed_timer_slot *slots =
        realloc(t->slots, (size_t)capacity * sizeof *slots);
    if (!slots)
        return ED_ENOMEM;
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

int ed_timers_open(struct ed_timers *t)
{
    return grow(t);
}

int ed_timer_start(ed_loop *loop, struct ed_timer *timer, int64_t at)
{
    struct ed_timers *t = &loop->timers;
    /* A time past is now: one that is armed again and again for a time past
     * would otherwise come before all others each time. */
    if (at < loop->now)
        at = loop->now;
    struct ed_timer_slot slot = {at, timer};

    timer->at = at;
    timer->seq = ++t->seq;
    if (timer->index) {
        move(t, timer->index - 1, slot);
        return 0;
    }
    if (t->count == t->capacity) {
        int err = grow(t);
        if (err)
            return err;
    }
    sift_up(t, t->count++, slot);
    return 0;
}

void ed_timer_stop(ed_loop *loop, struct ed_timer *timer)
{
    struct ed_timers *t = &loop->timers;
    if (!timer->index)
        return;
    uint32_t i = timer->index - 1;
    timer->index = 0;
    t->count--;
    if (i < t->count)
        move(t, i, t->slots[t->count]);
}

int64_t ed_timers_next(const struct ed_timers *t)
{
    return t->count ? t->slots[0].at : INT64_MAX;
}

void ed_timers_fire(ed_loop *loop, int64_t now)
{
    struct ed_timers *t = &loop->timers;
    /* Those armed from here on wait for the next turn, or a timer that arms
     * itself again for "now" would keep the loop for ever. */
    uint64_t newest = t->seq;
    while (t->count && t->slots[0].at <= now &&
           t->slots[0].timer->seq <= newest) {
        struct ed_timer *timer = t->slots[0].timer;
        ed_timer_stop(loop, timer);
        timer->fire(timer);
    }
}
