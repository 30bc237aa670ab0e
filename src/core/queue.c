/*
 * queue.c - queues of work: by age or by priority, with join.
 *
 * Owns the array of items, not the items. An item is handed straight to a
 * getter that waits, and a putter that waits has its item taken in by whoever
 * makes room, so at any time:
 *   - getters stand in line only while the queue is empty
 *   - putters stand in line only while it is full
 */
#include <eddy/queue.h>
#include "base/options.h"
#include "base/size.h"
#include "core/runtime.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 16 };

struct entry {
    void *item;
    uint64_t seq; /* tells the age among equals */
};

struct ed_queue {
    /* A heap from entries[0] when `before` is set, else a ring from `head`. */
    struct entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t head;
    size_t count;
    uint64_t seq;

    size_t max;
    bool (*before)(const void *a, const void *b);
    bool lifo;
    bool closed;

    size_t unfinished;       /* put in, but not reported as dealt with */
    struct ed_waitq getters; /* data: where to store the item */
    struct ed_waitq putters; /* data: the item */
    struct ed_waitq joiners;
};

ed_queue *ed_queue_new_with(const struct ed_queue_options *given)
{
    ED_OPTIONS_TAKE(struct ed_queue_options, options, given);
    ed_queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->max = options.max ? options.max : SIZE_MAX;
    q->before = options.before;
    q->lifo = options.lifo;
    return q;
}

void ed_queue_free(ed_queue *q)
{
    if (!q)
        return;
    ed_queue_close(q);
    ed_waitq_wake_all(&q->joiners, ED_ECLOSED);
    free(q->entries);
    free(q);
}

size_t ed_queue_count(const ed_queue *q)
{
    return q->count;
}

/* ---- the items ---- */

static struct entry *ring_at(ed_queue *q, size_t nth)
{
    return &q->entries[(q->head + nth) & (q->capacity - 1)];
}

/* Makes room for one more. */
static int reserve(ed_queue *q)
{
    if (q->count < q->capacity)
        return 0;
    size_t capacity = FIRST_CAPACITY;
    size_t bytes;
    if ((q->capacity && !ed_size_mul(q->capacity, 2, &capacity)) ||
        !ed_size_mul(capacity, sizeof *q->entries, &bytes))
        return ED_ENOMEM;
    struct entry *entries = malloc(bytes);
    if (!entries)
        return ED_ENOMEM;
    for (size_t i = 0; i < q->count; i++)
        entries[i] = *ring_at(q, i);
    free(q->entries);
    q->entries = entries;
    q->capacity = capacity;
    q->head = 0;
    return 0;
}

static bool goes_before(const ed_queue *q, const struct entry *a,
                        const struct entry *b)
{
    if (q->before(a->item, b->item))
        return true;
    if (q->before(b->item, a->item))
        return false;
    return q->lifo ? a->seq > b->seq : a->seq < b->seq;
}

static void heap_add(ed_queue *q, struct entry added)
{
    size_t at = q->count++;
    while (at > 0) {
        size_t above = (at - 1) / 2;
        if (!goes_before(q, &added, &q->entries[above]))
            break;
        q->entries[at] = q->entries[above];
        at = above;
    }
    q->entries[at] = added;
}

static void *heap_take(ed_queue *q)
{
    void *item = q->entries[0].item;
    struct entry last = q->entries[--q->count];
    size_t at = 0;
    for (;;) {
        size_t below = 2 * at + 1;
        if (below >= q->count)
            break;
        if (below + 1 < q->count &&
            goes_before(q, &q->entries[below + 1], &q->entries[below]))
            below++;
        if (!goes_before(q, &q->entries[below], &last))
            break;
        q->entries[at] = q->entries[below];
        at = below;
    }
    q->entries[at] = last;
    return item;
}

/* Stores an item for which there is room. */
static void store(ed_queue *q, void *item)
{
    struct entry added = {item, q->seq++};
    if (q->before)
        heap_add(q, added);
    else
        *ring_at(q, q->count++) = added;
}

static void *take(ed_queue *q)
{
    if (q->before)
        return heap_take(q);
    if (q->lifo)
        return ring_at(q, --q->count)->item;
    void *item = ring_at(q, 0)->item;
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
    return item;
}

/* ---- putting and getting ---- */

int ed_queue_try_put(ed_queue *q, void *item)
{
    if (q->closed)
        return ED_ECLOSED;
    if (q->count >= q->max)
        return ED_EWOULDBLOCK;
    struct ed_waiter *getter = ed_waitq_wake(&q->getters, 0);
    if (getter) {
        *(void **)getter->data = item;
    } else {
        int err = reserve(q);
        if (err)
            return err;
        store(q, item);
    }
    q->unfinished++;
    return 0;
}

int ed_queue_put(ed_queue *q, void *item)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    err = ed_queue_try_put(q, item);
    if (err != ED_EWOULDBLOCK)
        return err;
    return ed_waitq_wait(&q->putters, "queue put", item);
}

/* Lets in the item of the putter that has waited longest; the one just taken
 * out has left room for it. */
static void admit_putter(ed_queue *q)
{
    struct ed_waiter *putter = ed_waitq_wake(&q->putters, 0);
    if (!putter)
        return;
    store(q, putter->data);
    q->unfinished++;
}

int ed_queue_try_get(ed_queue *q, void **item)
{
    if (!q->count)
        return q->closed ? ED_ECLOSED : ED_EWOULDBLOCK;
    *item = take(q);
    admit_putter(q);
    return 0;
}

int ed_queue_get(ed_queue *q, void **item)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    err = ed_queue_try_get(q, item);
    if (err != ED_EWOULDBLOCK)
        return err;
    return ed_waitq_wait(&q->getters, "queue get", item);
}

void ed_queue_close(ed_queue *q)
{
    q->closed = true;
    ed_waitq_wake_all(&q->getters, ED_ECLOSED);
    ed_waitq_wake_all(&q->putters, ED_ECLOSED);
}

/* ---- what was dealt with ---- */

int ed_queue_task_done(ed_queue *q)
{
    if (!q->unfinished)
        return ED_EUSAGE;
    if (--q->unfinished == 0)
        ed_waitq_wake_all(&q->joiners, 0);
    return 0;
}

int ed_queue_join(ed_queue *q)
{
    int err = ed_checkpoint();
    if (err || !q->unfinished)
        return err;
    return ed_waitq_wait(&q->joiners, "queue join", NULL);
}
