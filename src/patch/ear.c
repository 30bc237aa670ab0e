/*
 * ear.c - being told of conditions and semaphores by whoever is no fiber.
 *
 * Owns an ear for each loop of which a fiber has ever waited for one. Another
 * thread, or a signal handler (sem_post() may be called there), marks it and
 * posts to the loop, which takes nothing but atomics and a write. An ear says
 * by 64 bits what its fibers wait for, so who signals what nobody here knows
 * disturbs nobody.
 *
 * Ears are never freed, since somebody may be looking at them, but used again.
 */
#include "patch/patch.h"

#include <eddy/loop.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "core/runtime.h"

enum { MARKS = 64 };

struct ear {
    struct ear *next;
    _Atomic bool taken;
    _Atomic(ed_loop *) loop; /* NULL: nobody is to be told */
    _Atomic unsigned users;  /* who may be telling the loop just now */
    _Atomic uint64_t wants;
    _Atomic uint64_t marks; /* not 0: `post` is under way */
    unsigned counts[MARKS]; /* of those that wait; the loop's thread's */
    struct ed_post post;
};

static _Atomic(struct ear *) ears;
static _Thread_local struct ed_patch_queue waiting;
static _Thread_local struct ear *mine; /* NULL: none yet */

struct ed_patch_queue *ed_patch_signalled(void)
{
    return &waiting;
}

/* Neighbouring addresses get different bits. */
static unsigned place_of(const void *address)
{
    return (unsigned)(((uintptr_t)address * 0x9e3779b97f4a7c15) >> 58);
}

uint64_t ed_patch_mark(const void *address)
{
    return (uint64_t)1 << place_of(address);
}

/* ---- telling ---- */

static void tell(struct ear *ear, uint64_t mark)
{
    /* The loop does not end while it is counted. */
    atomic_fetch_add(&ear->users, 1);
    ed_loop *loop = atomic_load(&ear->loop);
    if (loop && !atomic_fetch_or(&ear->marks, mark))
        ed_loop_post(loop, &ear->post);
    atomic_fetch_sub(&ear->users, 1);
}

void ed_patch_ring(const void *address)
{
    uint64_t mark = ed_patch_mark(address);

    /* What was signalled is there before this looks; who waits says so before
     * it looks for that. */
    atomic_thread_fence(memory_order_seq_cst);
    for (struct ear *ear = atomic_load(&ears); ear; ear = ear->next) {
        if (atomic_load(&ear->wants) & mark)
            tell(ear, mark);
    }
}

static void rung(struct ed_post *post)
{
    struct ear *ear = ED_CONTAINER(post, struct ear, post);

    ed_patch_queue_wake_marked(&waiting, atomic_exchange(&ear->marks, 0));
}

/* ---- ears ---- */

static void reset(struct ear *ear)
{
    atomic_store(&ear->wants, 0);
    atomic_store(&ear->marks, 0);
    memset(ear->counts, 0, sizeof ear->counts);
    atomic_store(&ear->taken, false);
}

/* The loop ends. */
static void ear_close(void *arg)
{
    struct ear *ear = arg;

    mine = NULL;
    atomic_store(&ear->loop, NULL);
    while (atomic_load(&ear->users))
        (void)ed_plain->sched_yield();
    reset(ear);
}

static struct ear *ear_new(void)
{
    struct ear *ear = calloc(1, sizeof *ear);

    if (!ear)
        return NULL;
    ear->post.run = rung;
    atomic_store(&ear->taken, true);
    ear->next = atomic_load(&ears);
    while (!atomic_compare_exchange_weak(&ears, &ear->next, ear))
        ;
    return ear;
}

static struct ear *take_one(void)
{
    for (struct ear *ear = atomic_load(&ears); ear; ear = ear->next) {
        if (!atomic_exchange(&ear->taken, true))
            return ear;
    }
    return ear_new();
}

static struct ear *my_ear(void)
{
    static const char key;
    ed_loop *loop = ed_loop_current();

    if (mine)
        return mine;
    struct ear *ear = take_one();
    if (!ear)
        return NULL;
    if (ed_loop_set(loop, &key, ear, ear_close)) {
        reset(ear);
        return NULL;
    }
    atomic_store(&ear->loop, loop);
    mine = ear;
    return ear;
}

void ed_patch_ears_forget(void)
{
    mine = NULL;
    for (struct ear *ear = atomic_load(&ears); ear; ear = ear->next) {
        atomic_store(&ear->loop, NULL);
        atomic_store(&ear->users, 0);
        reset(ear);
    }
}

/* ---- listening ---- */

bool ed_patch_listen(const void *address)
{
    struct ear *ear = my_ear();

    if (!ear)
        return false;
    ear->counts[place_of(address)]++;
    atomic_fetch_or(&ear->wants, ed_patch_mark(address));
    return true;
}

void ed_patch_unlisten(const void *address)
{
    if (mine && !--mine->counts[place_of(address)])
        atomic_fetch_and(&mine->wants, ~ed_patch_mark(address));
}

bool ed_patch_listens(const void *address)
{
    return mine && mine->counts[place_of(address)] &&
           ed_patch_queue_has(&waiting, address);
}
