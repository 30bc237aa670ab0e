/*
 * share.c - a loop in a process whose other threads hand it work and fork.
 *
 * Who posts and the loop that falls asleep each say what they do before they
 * look at what the other does, so that one of the two notices: the poster, and
 * it writes to the loop's descriptor, or the loop, and it does not sleep.
 */
#include "core/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <eddy/clock.h>
#include "base/calls.h"
#include "core/loop_internal.h"

#define WORD_BITS 64

static struct timespec from_now(int64_t ns)
{
    int64_t at = ed_clock_monotonic() + ns;

    return (struct timespec){at / ED_S, at % ED_S};
}

/* ---- standing still ---- */

void ed_share_init(struct ed_share *share)
{
    sem_init(&share->gate, 0, 1);
    sem_init(&share->busy, 0, 1);
}

void ed_share_leave(struct ed_share *share)
{
    sem_post(&share->busy);
}

static void take(sem_t *sem)
{
    while (ed_calls.sem_wait(sem))
        ; /* a signal */
}

static bool take_until(sem_t *sem, const struct timespec *until)
{
    int err;

    do
        err = ed_calls.sem_clockwait(sem, CLOCK_MONOTONIC, until);
    while (err && errno == EINTR);
    return !err;
}

void ed_share_return(struct ed_share *share)
{
    take(&share->gate);
    take(&share->busy);
    sem_post(&share->gate);
}

bool ed_share_hold(struct ed_share *share, int64_t within)
{
    struct timespec until = from_now(within);

    if (!take_until(&share->gate, &until))
        return false;
    if (take_until(&share->busy, &until))
        return true;
    sem_post(&share->gate);
    return false;
}

void ed_share_release(struct ed_share *share)
{
    sem_post(&share->busy);
    sem_post(&share->gate);
}

/* ---- descriptors ---- */

/* Without memory the descriptor is not noted: a child keeps it open. */
static bool reach(struct ed_share *share, size_t word)
{
    size_t words = share->owned_words ? share->owned_words : 1;

    if (word < share->owned_words)
        return true;
    while (words <= word)
        words *= 2;
    uint64_t *owned = realloc(share->owned, words * sizeof *owned);
    if (!owned)
        return false;
    memset(owned + share->owned_words, 0,
           (words - share->owned_words) * sizeof *owned);
    share->owned = owned;
    share->owned_words = words;
    return true;
}

void ed_share_own(struct ed_share *share, int fd)
{
    size_t word = (size_t)fd / WORD_BITS;

    if (reach(share, word))
        share->owned[word] |= (uint64_t)1 << fd % WORD_BITS;
}

void ed_share_disown(struct ed_share *share, int fd)
{
    size_t word = (size_t)fd / WORD_BITS;

    if (word < share->owned_words)
        share->owned[word] &= ~((uint64_t)1 << fd % WORD_BITS);
}

static void close_owned(const struct ed_share *share)
{
    for (size_t word = 0; word < share->owned_words; word++) {
        for (uint64_t bits = share->owned[word]; bits; bits &= bits - 1)
            close((int)(word * WORD_BITS) + __builtin_ctzll(bits));
    }
}

/* ---- begin and end ---- */

void ed_share_begin(struct ed_share *share)
{
    ed_share_return(share);
    atomic_store(&share->asleep, false);
    ed_loop_tls->share = share;
}

static void forget_owned(struct ed_share *share)
{
    free(share->owned);
    share->owned = NULL;
    share->owned_words = 0;
}

void ed_share_end(struct ed_share *share)
{
    ed_loop_tls->share = NULL;
    forget_owned(share);
    ed_share_leave(share);
}

void ed_share_abandon(struct ed_share *share, ed_loop *loop, bool still)
{
    ed_share_init(share);
    if (!loop)
        return;
    if (still) {
        close_owned(share);
        forget_owned(share);
    } else { /* the notes may be in the middle of being moved */
        share->owned = NULL;
        share->owned_words = 0;
    }
    close(loop->poll_fd);
    close(loop->wake_io.fd);
    loop->former = share->abandoned; /* lest it be taken for a leak */
    share->abandoned = loop;
    if (ed_loop_tls == loop)
        ed_loop_tls = NULL;
}

/* ---- sleeping ---- */

int64_t ed_share_sleep(ed_loop *loop, int64_t timeout)
{
    struct ed_share *share = loop->share;

    if (timeout) {
        atomic_store(&share->asleep, true);
        if (atomic_load(&loop->posts))
            timeout = 0;
    }
    ed_share_leave(share);
    return timeout;
}

void ed_share_wake(ed_loop *loop)
{
    ed_share_return(loop->share);
    atomic_store_explicit(&loop->share->asleep, false, memory_order_relaxed);
}

void ed_share_post(struct ed_share *share, ed_loop *loop, struct ed_post *post)
{
    if (!ed_loop_push(loop, post) || !atomic_load(&share->asleep))
        return;
    atomic_fetch_add_explicit(&share->wakeups, 1, memory_order_relaxed);
    ed_loop_ring(loop->wake_io.fd);
}
