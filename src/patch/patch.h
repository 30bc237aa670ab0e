/*
 * patch.h - the inside of the patch: its mode, and how its calls wait.
 *
 * Every cooperative function has the same form: try the plain function so that
 * it cannot block; when it would have, wait as a fiber does and try again.
 * Whether it may wait is asked only then, so that a call that need not wait
 * costs little more than the plain one.
 */
#ifndef EDDY_PATCH_PATCH_H
#define EDDY_PATCH_PATCH_H

#include <eddy/fiber.h>
#include <eddy/patch.h>
#include "base/list.h"
#include "patch/runtime.h"

/* The plain functions. Set before any function of this room can be called. */
extern const struct ed_patch_calls *ed_plain;

/* An address in libeddy-patch.so. */
extern const void *ed_patch_door;

/* The cooperative functions, ed_patch_read() and so on. */
#define PATCH_CALL(result, name, parameters, arguments) \
    result ed_patch_##name parameters;
#include "patch/calls.def"
#undef PATCH_CALL

/* ---- errors ---- */

/* As errno: ECANCELED and ETIMEDOUT for the two a fiber may be ended with. */
int ed_patch_errno(int err);
/* Sets errno so, and returns -1. Suspends now and then. */
int ed_patch_fail(int err);

/* ---- reports ---- */

/* To be asked before anything waits: whether the caller is to call the plain
 * function, which blocks. In the mode that reports, this also logs, once for
 * each place in the program, that `call` is about to block the loop, with its
 * fiber and its stack. */
bool ed_patch_stays_plain(const char *call);

/* Whether this is not the process of the loop, but a child in its memory
 * (vfork()), or in a copy that no handler of forks was told of. */
bool ed_patch_in_child(void);

/* ---- waiting ---- */

/* A time in nanoseconds from now, as a time of the loop's clock; INT64_MAX
 * stays, and is for ever. */
int64_t ed_patch_until(int64_t within);
int64_t ed_patch_ns(const struct timespec *time);
/* How far off a time of another clock is; 0 when it has passed. */
int64_t ed_patch_from_now(clockid_t clock, const struct timespec *at);
/* Whether tv_nsec is what it may be. */
bool ed_patch_time_valid(const struct timespec *time);
/* Whether it is one by which locks are waited for: libc refuses others. */
bool ed_patch_clock_valid(clockid_t clock);

/*
 * Waits until one of the descriptors may be ready, as poll() understands it,
 * but does not fill in what has come: the caller looks again. It may return
 * though nothing has.
 *
 * Suspends. Returns 0, 1 when `until` has passed, or ED_ECANCELED,
 * ED_ETIMEOUT, ED_ENOMEM; -EBADF: one of them was closed meanwhile, and its
 * number may mean another by now.
 */
int ed_patch_await(const char *call, const struct pollfd *fds, nfds_t count,
                   int64_t until);

/* A call on one descriptor that goes on trying. Zero but for the first. */
struct ed_patch_try {
    const char *call;
    int fd;
    short events;
    int timeout_option; /* SO_RCVTIMEO or SO_SNDTIMEO; 0: none */
    bool bare;          /* of messages: one buffer alone */
    int64_t until;      /* by ed_patch_try_until() */
    unsigned tries;
};

enum ed_patch_next {
    ED_PATCH_AGAIN, /* it may be ready: try again */
    ED_PATCH_PLAIN, /* reported: call what blocks */
    ED_PATCH_ERROR, /* errno is set; EAGAIN: the descriptor is non-blocking, or
                       its own timeout has passed */
};

/* What to do after a try that would have blocked. Suspends. */
enum ed_patch_next ed_patch_retry(struct ed_patch_try *t);

/* When its own timeout passes, counted from the first question. */
int64_t ed_patch_try_until(struct ed_patch_try *t);

/* To be asked before a call that may wait is tried: false with errno set when
 * the fiber is cancelled and the descriptor blocks. It also lets others run
 * when this fiber has gone on for long without waiting. Suspends. */
bool ed_patch_enter(int fd);

/* The same for calls that say of themselves that they wait. */
bool ed_patch_enter_any(void);

/* Or no descriptor at all. */
bool ed_patch_is_nonblocking(int fd);

/* For the moment of a call that has no flag for it, a descriptor of these flags
 * (F_GETFL), which blocks, is not to: false if that cannot be. Nobody else of
 * this thread runs before it blocks again, which leaves errno alone. */
bool ed_patch_unblock(int fd, int flags);
void ed_patch_block(int fd, int flags);

enum ed_patch_kind {
    ED_PATCH_FILE,   /* a regular file, a directory or a block device, on which
                        calls never wait as this room understands it; or no
                        descriptor at all */
    ED_PATCH_BYTES,  /* a pipe or a terminal: a stream of bytes */
    ED_PATCH_DEVICE, /* anything else, of which a call takes or gives what it
                        will: a number, an event, a packet */
};
enum ed_patch_kind ed_patch_kind_of(int fd);

/* Sleeps between two tries of what cannot be waited for, longer each time:
 * 1 ms at first, 50 ms at most. Suspends. Returns 0 or as ed_sleep(). */
int ed_patch_back_off(unsigned tries);

/* ---- buffers ---- */

size_t ed_patch_bytes_of(const struct iovec *iov, size_t count);

/* What is left of several; begins as the caller's own, which stay as they
 * are. */
struct ed_patch_rest {
    struct iovec *iov; /* a copy, from the first skip on */
    size_t count;
    void *memory; /* NULL, or to be freed */
};

/* Skips so many bytes. False: no memory for the copy that takes. */
bool ed_patch_skip(struct ed_patch_rest *rest, size_t bytes);

/* ---- threads' locks ---- */

/* Who waits for a lock of threads, by its address: in line with the fibers of
 * its thread that wait for the same. */
struct ed_patch_queue {
    struct ed_list waiters; /* zeroed: empty */
};

/* Waits until it is called for that address, or a time of the loop's clock: a
 * lock may be given back where nobody can tell (another thread, the loop
 * itself). Cancellation does not end it. Suspends. Whether it was called. */
bool ed_patch_queue_wait(struct ed_patch_queue *queue, const char *call,
                         const void *address, int64_t until);

/* Calls the first that waits for that address, or all. Whether there was one.
 */
bool ed_patch_queue_wake(struct ed_patch_queue *queue, const void *address);
void ed_patch_queue_wake_all(struct ed_patch_queue *queue, const void *address);

/* Whether somebody waits for it; whether one of these was called, and has not
 * run yet: what it was called for should be left to it. */
bool ed_patch_queue_has(const struct ed_patch_queue *queue,
                        const void *address);
bool ed_patch_queue_called(const struct ed_patch_queue *queue,
                           const void *address);

/* One of 64 bits for an address; calls all whose bits are set. */
uint64_t ed_patch_mark(const void *address);
void ed_patch_queue_wake_marked(struct ed_patch_queue *queue, uint64_t marks);

/* ---- what any thread signals: ear.c ---- */

/* This thread's fibers that wait for conditions and semaphores. */
struct ed_patch_queue *ed_patch_signalled(void);

/* From now on until ed_patch_unlisten(), ed_patch_ring() calls who waits there
 * for that address. False without memory: nobody calls. */
bool ed_patch_listen(const void *address);
void ed_patch_unlisten(const void *address);
/* Whether a fiber of this thread waits there. */
bool ed_patch_listens(const void *address);

/* Something was signalled at that address: calls, by their loops, all fibers
 * that listen. Any thread, signal handlers, too; keeps errno. */
void ed_patch_ring(const void *address);

/* In the child of a fork: who listened stayed with the parent. */
void ed_patch_ears_forget(void);

/* ---- who holds what ---- */

/* A lock of threads that a fiber of this thread holds. */
struct ed_patch_held {
    const void *lock;
    const ed_fiber *fiber; /* NULL: several may */
    unsigned holds;
};

struct ed_patch_held *ed_patch_held_find(const void *lock);
/* A new entry, or NULL: no room. Does not allocate by malloc(), which may be
 * what locks. */
struct ed_patch_held *ed_patch_held_add(const void *lock);
void ed_patch_held_drop(struct ed_patch_held *held);

#endif
