/*
 * poll.c - calls that wait for one of several descriptors.
 *
 * What is ready is always the system's to say: each of these asks it without
 * waiting, waits for the descriptors as a fiber does when there is nothing, and
 * asks again. A set of epoll is one descriptor, which can be waited for itself.
 *
 * A mask of signals is in force at each look only, so with one there is a look
 * every 50 ms: a signal it lets through is found then, and ends the call.
 */
#include "patch/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const int64_t LOOK_FOR_SIGNALS = 50 * ED_MS;
static const struct timespec NO_TIME = {0, 0};

/* One call of this kind. */
struct look {
    const char *call;
    const struct pollfd *fds; /* to wait for */
    nfds_t count;
    bool several; /* of the caller's: one that is closed ends no wait */
    const sigset_t *mask;
    int64_t until;
    /* Asks the system, without waiting: as the call itself. */
    int (*now)(const struct look *look);
    void *arg;
};

static int64_t until_ms(int timeout)
{
    return timeout < 0 ? INT64_MAX : ed_patch_until(timeout * ED_MS);
}

static int64_t until_time(const struct timespec *timeout)
{
    return timeout ? ed_patch_until(ed_patch_ns(timeout)) : INT64_MAX;
}

static int await_once(const struct look *look)
{
    int64_t until = look->until;

    if (look->mask) {
        int64_t next = ed_patch_until(LOOK_FOR_SIGNALS);
        if (next < until)
            until = next;
    }
    int result = ed_patch_await(look->call, look->fds, look->count, until);
    /* One of several: what the others are is still to be told. */
    if (result == -EBADF && look->several)
        return 0;
    return result > 0 && until < look->until ? 0 : result;
}

/* Waits and looks until there is something. */
static int look_until(const struct look *look)
{
    for (;;) {
        int result = await_once(look);
        if (result < 0)
            return ed_patch_fail(result);
        int n = look->now(look);
        if (n || result)
            return n;
    }
}

/* ---- poll ---- */

struct poll_call {
    struct pollfd *fds;
    nfds_t count;
};

static int poll_now(const struct look *look)
{
    const struct poll_call *p = look->arg;

    if (look->mask)
        return ed_plain->ppoll(p->fds, p->count, &NO_TIME, look->mask);
    return ed_plain->poll(p->fds, p->count, 0);
}

static struct look poll_look(struct poll_call *p, const char *call,
                             const sigset_t *mask, int64_t until)
{
    return (struct look){
        .call = call,
        .fds = p->fds,
        .count = p->count,
        .several = true,
        .mask = mask,
        .until = until,
        .now = poll_now,
        .arg = p,
    };
}

int ed_patch_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct poll_call p = {fds, count};

    if (!timeout)
        return ed_plain->poll(fds, count, 0);
    if (!ed_patch_enter_any())
        return -1;
    int n = ed_plain->poll(fds, count, 0);
    if (n)
        return n;
    if (ed_patch_stays_plain("poll()"))
        return ed_plain->poll(fds, count, timeout);
    struct look look = poll_look(&p, "poll()", NULL, until_ms(timeout));
    return look_until(&look);
}

int ed_patch_ppoll(struct pollfd *fds, nfds_t count,
                   const struct timespec *timeout, const sigset_t *mask)
{
    struct poll_call p = {fds, count};

    if (timeout && (!ed_patch_time_valid(timeout) || !ed_patch_ns(timeout)))
        return ed_plain->ppoll(fds, count, timeout, mask);
    if (!ed_patch_enter_any())
        return -1;
    int n = ed_plain->ppoll(fds, count, &NO_TIME, mask);
    if (n)
        return n;
    if (ed_patch_stays_plain("ppoll()"))
        return ed_plain->ppoll(fds, count, timeout, mask);
    struct look look = poll_look(&p, "ppoll()", mask, until_time(timeout));
    return look_until(&look);
}

/* ---- select ---- */

enum { IN, OUT, URGENT, SETS };

/* Sets may be larger than FD_SETSIZE, so they are handled as what they are:
 * bits in words of `long`. */
enum { WORD_BITS = CHAR_BIT * sizeof(long) };

struct select_call {
    int count;
    size_t bytes;      /* of a set */
    long *given[SETS]; /* the caller's; NULL: none */
    long *asked[SETS]; /* copies of what they were */
    struct pollfd *fds;
    nfds_t fd_count;
};

static void select_free(struct select_call *s)
{
    for (int i = 0; i < SETS; i++)
        free(s->asked[i]);
    free(s->fds);
}

static void select_ask(const struct select_call *s)
{
    for (int i = 0; i < SETS; i++) {
        if (s->given[i])
            memcpy(s->given[i], s->asked[i], s->bytes);
    }
}

/* The system looks at no more than there is room for in the process's table,
 * and callers name what they like (getdtablesize()), whatever the size of their
 * sets. Without /proc they are believed. */
static int descriptors_below(int count)
{
    static const char size_is[] = "\nFDSize:";
    char text[1024];

    if (count <= FD_SETSIZE)
        return count;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return count;
    ssize_t n = ed_plain->read(fd, text, sizeof text - 1);
    (void)ed_plain->close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *found = strstr(text, size_is);
    long size = found ? strtol(found + sizeof size_is - 1, NULL, 10) : 0;
    return size > 0 && size < count ? (int)size : count;
}

/* An error leaves the sets as they were given. */
static int select_now(const struct look *look)
{
    const struct select_call *s = look->arg;

    select_ask(s);
    int n = ed_plain->pselect(s->count, (fd_set *)s->given[IN],
                              (fd_set *)s->given[OUT],
                              (fd_set *)s->given[URGENT], &NO_TIME, look->mask);
    if (n < 0) {
        int saved = errno;
        select_ask(s);
        errno = saved;
    }
    return n;
}

static bool has(const struct select_call *s, int set, int fd)
{
    const long *words = s->asked[set];

    return words &&
           ((unsigned long)words[fd / WORD_BITS] >> fd % WORD_BITS & 1);
}

static void list_descriptors(struct select_call *s)
{
    for (int fd = 0; fd < s->count; fd++) {
        int events = (has(s, IN, fd) ? POLLIN : 0) |
                     (has(s, OUT, fd) ? POLLOUT : 0) |
                     (has(s, URGENT, fd) ? POLLPRI : 0);
        if (events)
            s->fds[s->fd_count++] = (struct pollfd){fd, (short)events, 0};
    }
}

static bool select_init(struct select_call *s, int count, fd_set *in,
                        fd_set *out, fd_set *urgent)
{
    size_t words = ((size_t)count + WORD_BITS - 1) / WORD_BITS;

    *s = (struct select_call){
        .count = count,
        .bytes = words * sizeof(long),
        .given = {(long *)in, (long *)out, (long *)urgent},
        .fds = calloc((size_t)count + 1, sizeof(struct pollfd)),
    };
    bool well = s->fds;
    for (int i = 0; i < SETS; i++) {
        if (!s->given[i])
            continue;
        s->asked[i] = malloc(s->bytes + 1);
        if (s->asked[i])
            memcpy(s->asked[i], s->given[i], s->bytes);
        well = well && s->asked[i];
    }
    if (well)
        list_descriptors(s);
    return well;
}

static int select_wait(struct select_call *s, const char *call,
                       const struct timespec *timeout, const sigset_t *mask)
{
    struct look look = {
        .call = call,
        .fds = s->fds,
        .count = s->fd_count,
        .several = true,
        .mask = mask,
        .until = until_time(timeout),
        .now = select_now,
        .arg = s,
    };
    int n = select_now(&look);

    if (n || (timeout && !ed_patch_ns(timeout)))
        return n;
    if (ed_patch_stays_plain(call)) {
        select_ask(s);
        return ed_plain->pselect(s->count, (fd_set *)s->given[IN],
                                 (fd_set *)s->given[OUT],
                                 (fd_set *)s->given[URGENT], timeout, mask);
    }
    n = look_until(&look);
    if (n < 0) {
        int saved = errno;
        select_ask(s);
        errno = saved;
    }
    return n;
}

static int select_call(const char *call, int count, fd_set *const sets[SETS],
                       const struct timespec *timeout, const sigset_t *mask)
{
    struct select_call s;
    int n = -1;

    if (count < 0 || (timeout && !ed_patch_time_valid(timeout)))
        return ed_plain->pselect(count, sets[IN], sets[OUT], sets[URGENT],
                                 timeout, mask);
    if ((!timeout || ed_patch_ns(timeout)) && !ed_patch_enter_any())
        return -1;
    if (select_init(&s, descriptors_below(count), sets[IN], sets[OUT],
                    sets[URGENT]))
        n = select_wait(&s, call, timeout, mask);
    else
        errno = ENOMEM;
    int saved = errno;
    select_free(&s);
    errno = saved;
    return n;
}

/* As Linux does, it leaves in *timeout what is left of it. */
int ed_patch_select(int count, fd_set *in, fd_set *out, fd_set *urgent,
                    struct timeval *timeout)
{
    fd_set *const sets[SETS] = {in, out, urgent};
    struct timespec limit = {0};

    if (!timeout)
        return select_call("select()", count, sets, NULL, NULL);
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0)
        return ed_plain->select(count, in, out, urgent, timeout);
    limit.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
    limit.tv_nsec = timeout->tv_usec % 1000000 * 1000;
    int64_t until = until_time(&limit);
    int n = select_call("select()", count, sets, &limit, NULL);
    int64_t left = until - ed_patch_until(0);
    left = left > 0 ? left : 0;
    *timeout = (struct timeval){left / ED_S, left % ED_S / ED_US};
    return n;
}

int ed_patch_pselect(int count, fd_set *in, fd_set *out, fd_set *urgent,
                     const struct timespec *timeout, const sigset_t *mask)
{
    fd_set *const sets[SETS] = {in, out, urgent};

    return select_call("pselect()", count, sets, timeout, mask);
}

/* ---- epoll ---- */

struct epoll_call {
    int fd;
    struct epoll_event *events;
    int room;
};

/* epoll_pwait() that is not to wait does not look at signals; ppoll() does. */
static int epoll_now(const struct look *look)
{
    const struct epoll_call *e = look->arg;
    struct pollfd p = {.fd = e->fd, .events = POLLIN};

    if (look->mask && ed_plain->ppoll(&p, 1, &NO_TIME, look->mask) < 0)
        return -1;
    return ed_plain->epoll_wait(e->fd, e->events, e->room, 0);
}

/* -1, a count, or 0: reported, call what blocks. */
static int epoll_call(const char *call, struct epoll_call *e, int64_t until,
                      const sigset_t *mask, bool *plain)
{
    const struct pollfd p = {.fd = e->fd, .events = POLLIN};
    struct look look = {
        .call = call,
        .fds = &p,
        .count = 1,
        .mask = mask,
        .until = until,
        .now = epoll_now,
        .arg = e,
    };

    *plain = false;
    if (!ed_patch_enter_any())
        return -1;
    int n = epoll_now(&look);
    if (n)
        return n;
    *plain = ed_patch_stays_plain(call);
    return *plain ? 0 : look_until(&look);
}

int ed_patch_epoll_pwait(int fd, struct epoll_event *events, int room,
                         int timeout, const sigset_t *mask)
{
    struct epoll_call e = {fd, events, room};
    bool plain = true;
    int n = 0;

    if (timeout)
        n = epoll_call("epoll_wait()", &e, until_ms(timeout), mask, &plain);
    return plain ? ed_plain->epoll_pwait(fd, events, room, timeout, mask) : n;
}

int ed_patch_epoll_wait(int fd, struct epoll_event *events, int room,
                        int timeout)
{
    return ed_patch_epoll_pwait(fd, events, room, timeout, NULL);
}

int ed_patch_epoll_pwait2(int fd, struct epoll_event *events, int room,
                          const struct timespec *timeout, const sigset_t *mask)
{
    struct epoll_call e = {fd, events, room};
    bool plain = true;
    int n = 0;

    if (!timeout || (ed_patch_time_valid(timeout) && ed_patch_ns(timeout)))
        n = epoll_call("epoll_pwait2()", &e, until_time(timeout), mask, &plain);
    return plain ? ed_plain->epoll_pwait2(fd, events, room, timeout, mask) : n;
}
