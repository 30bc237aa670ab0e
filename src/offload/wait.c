/*
 * wait.c - threads that wait for tickets, callbacks, and descriptors that tell.
 *
 * A thread that waits has a semaphore, and a link in each ticket it waits for;
 * whoever delivers the one that decides its question wakes it, so that waiting
 * for a thousand is one waking. The answer is then read from the tickets. A
 * semaphore, since it alone tells of signals.
 */
#include "offload/ticket.h"
#include "base/moment.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <eddy/clock.h>

/* So many links lie on the stack. */
#define FEW 16

#define HOW_MASK 0xff

struct waiter {
    sem_t woken;
    int how;
    size_t missing; /* tickets that are not done yet */
    bool told;      /* the semaphore was posted */
};

struct link {
    struct ed_list node; /* in ed_ticket.waiters */
    struct waiter *waiter;
};

/* What is known of all tickets together. */
struct census {
    size_t settled;
    size_t first;   /* index of what was done first; SIZE_MAX: none */
    size_t success; /* the same of the successes; SIZE_MAX: none */
    size_t failure; /* and of the failures */
    int failure_result;
};

/* ---- looking ---- */

/* Those that will never be done come last. */
static uint64_t order_of(const ed_ticket *t)
{
    return ed_ticket_done(t) ? (t ? t->order : 0) : UINT64_MAX;
}

static void note_earlier(ed_ticket *const *tickets, size_t i, size_t *at)
{
    if (*at == SIZE_MAX || order_of(tickets[i]) < order_of(tickets[*at]))
        *at = i;
}

/* Under the lock. */
static struct census count(ed_ticket *const *tickets, size_t n)
{
    struct census c = {
        .first = SIZE_MAX, .success = SIZE_MAX, .failure = SIZE_MAX};
    int result;

    for (size_t i = 0; i < n; i++) {
        if (!ed_ticket_settled(tickets[i], &result))
            continue;
        c.settled++;
        note_earlier(tickets, i, &c.first);
        note_earlier(tickets, i, result < 0 ? &c.failure : &c.success);
    }
    if (c.failure != SIZE_MAX)
        (void)ed_ticket_settled(tickets[c.failure], &c.failure_result);
    return c;
}

static void note_seen(ed_ticket *t)
{
    if (t && ed_ticket_done(t))
        atomic_store(&t->seen, true);
}

static void note_all_seen(ed_ticket *const *tickets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        note_seen(tickets[i]);
}

/* Whether the question is decided, and how. Under the lock. */
static bool decided(ed_ticket *const *tickets, size_t n, int how, int *answer)
{
    struct census c = count(tickets, n);
    bool all = c.settled == n;

    *answer = 0;
    if (how == ED_TICKETS_ALL)
        return all;
    if (how == ED_TICKETS_ANY) {
        *answer = (int)c.first;
        return c.settled;
    }
    if (how == ED_TICKETS_FIRST && c.success != SIZE_MAX) {
        *answer = (int)c.success;
        return true;
    }
    if (c.failure == SIZE_MAX || (how == ED_TICKETS_FIRST && !all))
        return all;
    *answer = c.failure_result;
    note_seen(tickets[c.failure]);
    if (how == ED_TICKETS_FIRST)
        note_all_seen(tickets, n);
    return true;
}

/* ---- waking ---- */

static bool enough(struct waiter *w, int result)
{
    w->missing--;
    switch (w->how) {
    case ED_TICKETS_ANY:
        return true;
    case ED_TICKETS_SOUND:
        return !w->missing || result < 0;
    case ED_TICKETS_FIRST:
        return !w->missing || result >= 0;
    default:
        return !w->missing;
    }
}

void ed_ticket_wake(ed_ticket *t, int result)
{
    ed_list_each (node, &t->waiters) {
        struct waiter *w = ED_CONTAINER(node, struct link, node)->waiter;
        if (!enough(w, result) || w->told)
            continue;
        w->told = true;
        sem_post(&w->woken);
    }
    if (t->fd < 0)
        return;
    uint64_t one = 1;
    ssize_t n = write(t->fd, &one, sizeof one);
    (void)n; /* it is full already: that tells, too */
}

/* ---- waiting ---- */

/* Under the lock, as is the next. */
static void join_line(ed_ticket *const *tickets, size_t n, struct link *links,
                      struct waiter *w)
{
    int result;

    for (size_t i = 0; i < n; i++) {
        links[i].waiter = w;
        ed_list_init(&links[i].node);
        if (ed_ticket_settled(tickets[i], &result))
            continue;
        ed_list_add_back(&tickets[i]->waiters, &links[i].node);
        w->missing++;
    }
}

static void leave_line(struct link *links, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ed_list_remove(&links[i].node);
}

/* What this thread sleeps on, or NULL. */
static _Thread_local sem_t *_Atomic sleeping;

/* A signal handler that forks comes back in the child as well, to a wait that
 * nobody else would end there. */
void ed_ticket_wake_forked(void)
{
    if (sleeping)
        sem_post(sleeping);
}

/* 0, ED_ETIMEOUT or -EINTR. The thread is not cancelled meanwhile: it would
 * take away the stack that its links lie on. */
static int sleep_until(struct waiter *w, int64_t until, bool interruptible)
{
    struct timespec at = {until / ED_S, until % ED_S};
    int cancellable;
    int err;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    sleeping = &w->woken;
    do
        err = until == INT64_MAX
                  ? sem_wait(&w->woken)
                  : sem_clockwait(&w->woken, CLOCK_MONOTONIC, &at);
    while (err && errno == EINTR && !interruptible);
    if (err)
        err = errno == EINTR ? -EINTR : ED_ETIMEOUT;
    sleeping = NULL;
    pthread_setcancelstate(cancellable, NULL);
    return err;
}

static int64_t end_of(int64_t within)
{
    return within < 0 ? INT64_MAX
                      : ed_moment_after(ed_clock_monotonic(), within);
}

/* Under the lock, which it lets go of while it sleeps. */
static int wait_in_line(ed_ticket *const *tickets, size_t n, int how,
                        int64_t within, struct link *links)
{
    struct waiter w = {.how = how & HOW_MASK};
    int64_t until = end_of(within);
    int err = 0;
    int answer;

    sem_init(&w.woken, 0, 0);
    join_line(tickets, n, links, &w);
    ed_offload_unlock();
    err = sleep_until(&w, until, how & ED_TICKETS_INTERRUPTIBLE);
    ed_offload_lock();
    leave_line(links, n);
    sem_destroy(&w.woken);
    /* It may have come at the last moment. */
    return decided(tickets, n, how & HOW_MASK, &answer) ? answer : err;
}

static int wait_anew(ed_ticket *const *tickets, size_t n, int how,
                     int64_t within)
{
    struct link few[FEW];
    struct link *links = few;

    if (ed_offload_inside())
        return -EDEADLK;
    if (n > FEW)
        links = malloc(n * sizeof *links);
    if (!links)
        return ED_ENOMEM;
    int answer = wait_in_line(tickets, n, how, within, links);
    if (links != few)
        free(links);
    return answer;
}

int ed_tickets_wait(ed_ticket *const *tickets, size_t n, int how,
                    int64_t within)
{
    int kind = how & HOW_MASK;
    int answer;

    if (!n)
        return kind == ED_TICKETS_ANY || kind == ED_TICKETS_FIRST ? ED_EUSAGE
                                                                  : 0;
    ed_offload_lock();
    if (!decided(tickets, n, kind, &answer))
        answer = within ? wait_anew(tickets, n, how, within) : ED_ETIMEOUT;
    ed_offload_unlock();
    return answer;
}

int ed_tickets_wait_all(ed_ticket *const *tickets, size_t n, int64_t within)
{
    int err = ed_tickets_wait(tickets, n, ED_TICKETS_ALL, within);

    if (err)
        return err;
    note_all_seen(tickets, n);
    ed_offload_lock();
    struct census c = count(tickets, n);
    ed_offload_unlock();
    return c.failure == SIZE_MAX ? 0 : c.failure_result;
}

int ed_tickets_wait_any(ed_ticket *const *tickets, size_t n, int64_t within)
{
    return ed_tickets_wait(tickets, n, ED_TICKETS_ANY, within);
}

int ed_ticket_wait(ed_ticket *t, int64_t within)
{
    int err = ed_tickets_wait(&t, 1, ED_TICKETS_ALL, within);

    return err ? err : ed_ticket_result(t, NULL);
}

/* ---- as they are done ---- */

/* The next in order behind it->order; SIZE_MAX when none is done. Under the
 * lock. *left: how many are not done. */
static size_t next_done(const struct ed_tickets_done *it, size_t *left)
{
    size_t next = SIZE_MAX;

    *left = 0;
    for (size_t i = 0; i < it->count; i++) {
        const ed_ticket *t = it->tickets[i];
        if (!t)
            continue;
        if (!ed_ticket_done(t))
            ++*left;
        else if (t->order > it->order &&
                 (next == SIZE_MAX || t->order < it->tickets[next]->order))
            next = i;
    }
    return next;
}

/* Those that are not done, of which one is waited for. Under the lock. */
static int await_next(const struct ed_tickets_done *it, size_t left,
                      int64_t within)
{
    ed_ticket **rest = malloc(left * sizeof(*rest));
    int how = ED_TICKETS_ANY;
    int answer;
    size_t n = 0;

    if (!rest)
        return ED_ENOMEM;
    for (size_t i = 0; i < it->count; i++) {
        if (it->tickets[i] && !ed_ticket_done(it->tickets[i]))
            rest[n++] = it->tickets[i];
    }
    if (it->interruptible)
        how |= ED_TICKETS_INTERRUPTIBLE;
    if (decided(rest, n, ED_TICKETS_ANY, &answer))
        (void)ed_ticket_settled(rest[answer], &answer); /* forked, given up */
    else
        answer = within ? wait_anew(rest, n, how, within) : ED_ETIMEOUT;
    free(rest);
    return answer < 0 ? answer : 0;
}

int ed_tickets_next(struct ed_tickets_done *it, int64_t within)
{
    int64_t until = end_of(within);
    size_t left;
    int err = 0;

    ed_offload_lock();
    size_t next = next_done(it, &left);
    while (next == SIZE_MAX && left && !err) {
        int64_t rest = until - ed_clock_monotonic();
        err = await_next(it, left, rest > 0 ? rest : 0);
        next = next_done(it, &left);
    }
    if (next != SIZE_MAX) {
        it->index = next;
        it->order = it->tickets[next]->order;
    }
    ed_offload_unlock();
    return next != SIZE_MAX ? 1 : err;
}

/* ---- callbacks and descriptors ---- */

int ed_ticket_on_done(ed_ticket *t, ed_ticket_fn *fn, void *arg)
{
    struct ed_ticket_callback *callback = malloc(sizeof *callback);
    int result;

    if (!t || !callback) {
        free(callback);
        return ED_ENOMEM;
    }
    *callback = (struct ed_ticket_callback){NULL, fn, arg};
    ed_offload_lock();
    bool settled = ed_ticket_settled(t, &result);
    bool done = ed_ticket_done(t);
    if (!settled) {
        *t->callbacks_end = callback;
        t->callbacks_end = &callback->next;
    }
    ed_offload_unlock();
    if (!settled)
        return 0;
    free(callback);
    if (!done)
        return result; /* forked, or given up */
    fn(t, arg);
    return 0;
}

int ed_ticket_fd(ed_ticket *t)
{
    int result;

    if (!t)
        return ED_ENOMEM;
    ed_offload_lock();
    bool settled = ed_ticket_settled(t, &result);
    int fd = t->fd;
    if (settled && !ed_ticket_done(t) && result == ED_EFORKED)
        fd = result;
    else if (fd < 0)
        fd = t->fd = eventfd(settled, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd == -1)
        fd = -errno;
    ed_offload_unlock();
    return fd;
}
