/*
 * wait.c - waiting for descriptors that are not the loop's.
 *
 * Owns the waits of this thread's fibers. A wait registers each of its
 * descriptors with the loop anew, and takes all of them back in the step that
 * wakes the fiber: whoever closes one, or gives its number to another, finds
 * nothing of it left. Several fibers may wait for one descriptor.
 */
#include "patch/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "base/calls.h"
#include "base/moment.h"
#include "core/io.h"

enum {
    TRIES_IN_A_ROW = 3, /* that fail though poll() says they would not */
    FAIR_CALLS = 32,    /* calls that need not wait before others may run */
    FIRST_NUMBER = 3,   /* of ours: what is printed is not to go there */
};
/* What the loop cannot wait for is looked at this often. */
static const int64_t LOOK_EVERY = 10 * ED_MS;
static const int64_t BACK_OFF_MIN = 1 * ED_MS;
static const int64_t BACK_OFF_MAX = 50 * ED_MS;

static const short IN_EVENTS = POLLIN | POLLRDNORM | POLLRDBAND;
static const short OUT_EVENTS = POLLOUT | POLLWRNORM | POLLWRBAND;

struct wait;

/*
 * One descriptor of a wait. Watches are the loop's, and live as long: when a
 * descriptor is closed where we cannot see it (on another thread, inside libc)
 * and is open under another number, too, the system goes on telling of it, and
 * there is no number left to stop that by. It then wakes whoever has the watch
 * by that time, who looks, and waits on.
 */
struct watch {
    struct ed_list link; /* among those of like numbers */
    struct watch *next;  /* of the wait's, or of those nobody uses */
    struct wait *wait;
    int fd;       /* as the caller has it */
    bool urgent;  /* urgent data count, too */
    bool open;    /* `io` is registered */
    bool doubled; /* `io` has a duplicate, ours to close */
    struct ed_io io;
    struct ed_op in;
    struct ed_op out;
};

struct wait {
    ed_fiber *fiber;
    struct ed_timer timer;
    struct watch *watches;
    bool ended;  /* the fiber is about to run */
    bool closed; /* one of the descriptors was */
};

/* ---- time ---- */

int64_t ed_patch_until(int64_t within)
{
    return ed_moment_after(ed_loop_now_exact(ed_loop_current()), within);
}

int64_t ed_patch_ns(const struct timespec *time)
{
    if (time->tv_sec >= INT64_MAX / ED_S)
        return INT64_MAX;
    return time->tv_sec * ED_S + time->tv_nsec;
}

int64_t ed_patch_from_now(clockid_t clock, const struct timespec *at)
{
    struct timespec now;

    if (clock_gettime(clock, &now))
        return 0;
    int64_t ns = ed_patch_ns(at) - ed_patch_ns(&now);
    return ns > 0 ? ns : 0;
}

bool ed_patch_time_valid(const struct timespec *time)
{
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < ED_S;
}

bool ed_patch_clock_valid(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

/* ---- watches ---- */

/* Lists of watches: enough for a close() to look at few of 10,000. */
enum { LISTS = 512 };

/* A loop's. */
struct pool {
    struct watch *unused;
    struct ed_list by_number[LISTS];
};

static void pool_close(void *arg)
{
    struct pool *pool = arg;

    while (pool->unused) {
        struct watch *w = pool->unused;
        pool->unused = w->next;
        free(w);
    }
    free(pool);
}

static const char pool_key;

static struct pool *pool_of(ed_loop *loop)
{
    struct pool *pool = ed_loop_get(loop, &pool_key);

    if (pool)
        return pool;
    pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    for (int i = 0; i < LISTS; i++)
        ed_list_init(&pool->by_number[i]);
    if (ed_loop_set(loop, &pool_key, pool, pool_close)) {
        free(pool);
        return NULL;
    }
    return pool;
}

static struct ed_list *watches_of(struct pool *pool, int fd)
{
    return &pool->by_number[(unsigned)fd % LISTS];
}

static struct watch *watch_new(struct wait *wait, const struct pollfd *p)
{
    struct pool *pool = pool_of(wait->fiber->loop);
    struct watch *w = pool ? pool->unused : NULL;

    if (w)
        pool->unused = w->next;
    else if (pool)
        w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->wait = wait;
    w->fd = p->fd;
    w->urgent = p->events & POLLPRI;
    w->open = w->doubled = false;
    w->next = wait->watches;
    wait->watches = w;
    ed_list_init(&w->link);
    ed_list_add_back(watches_of(pool, w->fd), &w->link);
    return w;
}

static void watch_end(struct watch *w)
{
    if (!w->open)
        return;
    w->open = false;
    int fd = ed_io_release(&w->io);
    if (w->doubled)
        (void)ed_plain->close(fd);
}

/* ---- one wait ---- */

static void wait_end(struct wait *wait)
{
    wait->ended = true;
    for (struct watch *w = wait->watches; w; w = w->next)
        watch_end(w);
    ed_timer_stop(wait->fiber->loop, &wait->timer);
}

static void give_back_watches(struct wait *wait)
{
    while (wait->watches) {
        struct pool *pool = pool_of(wait->fiber->loop);
        struct watch *w = wait->watches;
        wait->watches = w->next;
        ed_list_remove(&w->link);
        w->next = pool->unused;
        pool->unused = w;
    }
}

static void wait_wake(struct wait *wait, int result)
{
    wait_end(wait);
    ed_wake(wait->fiber, result);
}

static void woken(struct ed_op *op, ssize_t result)
{
    const struct watch *w = op->user;

    (void)result; /* the caller looks */
    wait_wake(w->wait, 0);
}

static void time_is_up(struct ed_timer *timer)
{
    wait_wake(ED_CONTAINER(timer, struct wait, timer), 1);
}

static bool wait_abort(void *arg)
{
    wait_end(arg);
    return true;
}

static ssize_t start(struct watch *w, struct ed_op *op, uint8_t kind)
{
    *op = (struct ed_op){
        .done = woken,
        .user = w,
        .kind = kind,
        .urgent = w->urgent,
    };
    return ed_io_start(&w->io, op);
}

/* Somebody else waits for it already; under another number it may be waited
 * for once more. */
static ssize_t start_doubled(struct watch *w, struct ed_op *op, uint8_t kind)
{
    int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, FIRST_NUMBER);

    if (fd < 0)
        return -errno;
    ed_io_release(&w->io);
    int err = ed_io_open(w->io.loop, &w->io, fd);
    if (err) {
        (void)ed_plain->close(fd);
        w->open = false;
        return err;
    }
    w->doubled = true;
    return start(w, op, kind);
}

enum watched {
    WATCHED,
    READY,   /* always: epoll does not take such files */
    REFUSED, /* out of descriptors or memory, sets in sets: to be looked at */
};

static enum watched watch_for(struct watch *w, struct ed_op *op, uint8_t kind)
{
    ssize_t n = start(w, op, kind);

    if (n == -EEXIST)
        n = start_doubled(w, op, kind);
    if (n == ED_IO_PENDING)
        return WATCHED;
    return n == -EPERM || n >= 0 ? READY : REFUSED;
}

static enum watched watch_begin(struct watch *w, const struct pollfd *p)
{
    enum watched in = WATCHED, out = WATCHED;
    bool reads = p->events & IN_EVENTS;

    /* Ends alone are not what the loop tells of. */
    if (!(p->events & (IN_EVENTS | OUT_EVENTS)) ||
        ed_io_borrow(w->wait->fiber->loop, &w->io, p->fd))
        return REFUSED;
    w->open = true;
    if (reads)
        in = watch_for(w, &w->in, ED_OP_READABLE);
    if (in == WATCHED && (p->events & OUT_EVENTS))
        out = watch_for(w, &w->out, ED_OP_WRITABLE);
    /* Nor is urgent data without the rest. */
    if (out == WATCHED && w->urgent && !reads)
        return REFUSED;
    return in == WATCHED ? out : in;
}

/* Registers all. 0 or ED_ENOMEM. */
static int watch_all(struct wait *wait, const struct pollfd *fds, nfds_t count,
                     enum watched *all)
{
    *all = WATCHED;
    for (nfds_t i = 0; i < count && *all != READY; i++) {
        if (fds[i].fd < 0)
            continue;
        struct watch *w = watch_new(wait, &fds[i]);
        if (!w)
            return ED_ENOMEM;
        enum watched one = watch_begin(w, &fds[i]);
        if (one != WATCHED)
            *all = one;
    }
    return 0;
}

static int park(const char *call, struct wait *wait, int64_t until)
{
    int err = 0;

    if (until < INT64_MAX)
        err = ed_timer_start(wait->fiber->loop, &wait->timer, until);
    if (!err)
        err = ed_park(call, wait_abort, wait);
    return err;
}

static int await(const char *call, struct wait *wait, const struct pollfd *fds,
                 nfds_t count, int64_t until)
{
    enum watched watched;

    int result = watch_all(wait, fds, count, &watched);
    int64_t look_at = ed_patch_until(LOOK_EVERY);
    bool early = watched == REFUSED && look_at < until;
    if (!result && watched != READY)
        result = park(call, wait, early ? look_at : until);
    wait_end(wait); /* nothing to do when it was woken */
    return early && result > 0 ? 0 : result;
}

int ed_patch_await(const char *call, const struct pollfd *fds, nfds_t count,
                   int64_t until)
{
    struct wait wait = {
        .fiber = ed_fiber_self(),
        .timer.fire = time_is_up,
    };
    int result = ed_cancelled();

    if (result)
        return result;
    result = await(call, &wait, fds, count, until);
    give_back_watches(&wait);
    return wait.closed && result >= 0 ? -EBADF : result;
}

/* ---- descriptors that end ---- */

/* Wakes who waits for it. Who was woken already, and has not run yet, is told
 * all the same. The descriptors of a child that shares our memory are its
 * own. */
static void wake_waiters(int fd, bool closed)
{
    struct pool *pool = ed_loop_get(ed_loop_current(), &pool_key);

    if (!pool || ed_list_empty(watches_of(pool, fd)) || ed_patch_in_child())
        return;
    ed_list_each (link, watches_of(pool, fd)) {
        const struct watch *w = ED_CONTAINER(link, struct watch, link);
        if (w->fd != fd)
            continue;
        w->wait->closed |= closed;
        if (!w->wait->ended)
            wait_wake(w->wait, 0);
    }
}

/* Its number may be somebody else's before who waited has looked. */
int ed_patch_close(int fd)
{
    wake_waiters(fd, true);
    return ed_plain->close(fd);
}

/* Here the number stays, and means what the program wants it to. */
int ed_patch_dup2(int from, int to)
{
    if (from != to)
        wake_waiters(to, false);
    return ed_plain->dup2(from, to);
}

int ed_patch_dup3(int from, int to, int flags)
{
    wake_waiters(to, false);
    return ed_plain->dup3(from, to, flags);
}

/* ---- trying again and again ---- */

bool ed_patch_is_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || (flags & O_NONBLOCK);
}

bool ed_patch_unblock(int fd, int flags)
{
    return !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void ed_patch_block(int fd, int flags)
{
    int saved = errno;

    (void)fcntl(fd, F_SETFL, flags);
    errno = saved;
}

enum ed_patch_kind ed_patch_kind_of(int fd)
{
    struct stat st;

    if (fstat(fd, &st) || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ||
        S_ISBLK(st.st_mode))
        return ED_PATCH_FILE;
    if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd)))
        return ED_PATCH_BYTES;
    return ED_PATCH_DEVICE;
}

/* Whether a call that need not wait is to look around first. */
static bool is_due(void)
{
    static _Thread_local unsigned calls;

    if (ed_patch_mode() == ED_PATCH_REPORT)
        return false;
    if (!ed_cancelled() && ++calls % FAIR_CALLS)
        return false;
    return !ed_patch_in_child();
}

static bool look_around(void)
{
    int err = ed_checkpoint_now();

    if (err)
        (void)ed_patch_fail(err);
    return !err;
}

bool ed_patch_enter(int fd)
{
    return !is_due() || ed_patch_is_nonblocking(fd) ||
           ed_patch_kind_of(fd) == ED_PATCH_FILE || look_around();
}

bool ed_patch_enter_any(void)
{
    return !is_due() || look_around();
}

int ed_patch_back_off(unsigned tries)
{
    int64_t pause = BACK_OFF_MIN << (tries < 6 ? tries : 6);

    return ed_sleep(pause < BACK_OFF_MAX ? pause : BACK_OFF_MAX);
}

/* SO_RCVTIMEO and SO_SNDTIMEO bound the calls of who asked for it. */
static int64_t own_timeout(const struct ed_patch_try *t)
{
    struct timeval limit = {0};
    socklen_t len = sizeof limit;

    if (!t->timeout_option ||
        getsockopt(t->fd, SOL_SOCKET, t->timeout_option, &limit, &len) ||
        (!limit.tv_sec && !limit.tv_usec))
        return INT64_MAX;
    return ed_patch_until(ed_patch_ns(&(struct timespec){
        limit.tv_sec,
        limit.tv_usec * ED_US,
    }));
}

int64_t ed_patch_try_until(struct ed_patch_try *t)
{
    if (!t->until)
        t->until = own_timeout(t);
    return t->until;
}

/* A descriptor that poll() calls ready, while calls on it would block, is one
 * that cannot be waited for: a full queue of another's Unix socket. */
static int wait_once(struct ed_patch_try *t)
{
    struct pollfd p = {.fd = t->fd, .events = t->events};

    if (ed_plain->poll(&p, 1, 0) <= 0) {
        t->tries = 0;
        return ed_patch_await(t->call, &p, 1, ed_patch_try_until(t));
    }
    if (++t->tries < TRIES_IN_A_ROW)
        return 0;
    int err = ed_patch_back_off(t->tries - TRIES_IN_A_ROW);
    return err ? err : ed_now() >= ed_patch_try_until(t);
}

enum ed_patch_next ed_patch_retry(struct ed_patch_try *t)
{
    if (ed_patch_is_nonblocking(t->fd)) {
        errno = EAGAIN;
        return ED_PATCH_ERROR;
    }
    if (ed_patch_stays_plain(t->call))
        return ED_PATCH_PLAIN;
    int result = wait_once(t);
    if (!result)
        return ED_PATCH_AGAIN;
    errno = result > 0 ? EAGAIN : ed_patch_errno(result);
    return ED_PATCH_ERROR;
}
