/*
 * fiber.h - fibers, scopes, deadlines and cancellation.
 *
 * A fiber is an activity with a stack of its own. It reads like blocking
 * code; when it has to wait, other fibers of the same thread run. No fiber
 * outlives the scope it was started in.
 *
 *     static int page(void *arg)
 *     {
 *         struct page *page = arg;            // borrowed by the children
 *         ed_scope(s, .within = 800 * ED_MS);
 *         ed_go(s, load_user, page);
 *         ed_go(s, load_shop, page);
 *         return ed_wait(s);                  // 0, or the first failure
 *     }
 *
 * Every call that says "Suspends" may let other fibers run, and returns
 * ED_ECANCELED or ED_ETIMEOUT when the scope it runs in is cancelled or its
 * deadline passes. Such an error is an ordinary return value: `cleanup`
 * attributes run, and nothing jumps.
 *
 * Everything here belongs to one thread: a fiber never leaves the thread that
 * started it.
 */
#ifndef EDDY_FIBER_H
#define EDDY_FIBER_H

#include <eddy/api.h>
#include <eddy/arena.h>
#include <eddy/error.h>

ED_BEGIN_DECLS

typedef struct ed_fiber ed_fiber;
typedef struct ed_scope ed_scope;

/* What a fiber runs: 0 or a positive number is success, negative a failure. */
typedef int ed_fn(void *arg);

/* ---- running a loop ---- */

struct ed_run_options {
    size_t size;
    /* Bytes of virtual stack of each fiber; 0 is 256 KiB. Only touched pages
     * cost memory. Rounded up to whole pages, at least 16 KiB. */
    size_t stack_bytes;
    /* A clock that stands still while anything can run and jumps to the next
     * timer when nothing can: tests neither sleep nor depend on speed. */
    bool virtual_clock;
    /* The loop counts as blocked, and the log names the culprit, when one
     * fiber keeps it for longer; 0 is 100 ms (off with a virtual clock),
     * negative turns this off. */
    int64_t blocked_after;
    /* Installs no signal handler, for programs whose signals are not ours:
     * blocked loops are not seen, and stack overflows not named. */
    bool no_signals;
};

/*
 * Runs `fn(arg)` as the first fiber of a new loop in this thread and returns
 * its result when it and all fibers it started have ended. Not in a fiber: it
 * keeps the thread until then.
 *
 * Returns the fiber's own result, or
 *   ED_EUSAGE   this thread already runs a loop
 *   ED_ENOMEM, -EMFILE, ...   the loop could not be made
 */
#define ed_run(fn, arg, ...) \
    ed_run_with((fn), (arg), ED_OPTIONS(struct ed_run_options, __VA_ARGS__))
ED_API int ed_run_with(ed_fn *fn, void *arg,
                       const struct ed_run_options *options);

/* The loop's clock, monotonic nanoseconds, read once per turn of the loop.
 * Does not suspend. Outside a loop it is ed_clock_monotonic(). */
ED_API int64_t ed_now(void);

/* Whether the caller is a fiber, and so may call what suspends. */
ED_API bool ed_in_fiber(void);

/* ---- scopes ---- */

struct ed_scope_options {
    size_t size;
    int64_t within;   /* deadline, from now; 0: none of its own */
    int64_t deadline; /* deadline in ed_now() time; 0: none of its own */
    /* A failed child does not cancel the others, nor make ed_wait() fail: its
     * failure is logged. For long-lived scopes such as a server's. */
    bool independent;
    const char *name; /* for the fiber tree; a literal */
};

#define ED_SCOPE_WORDS 26
struct ed_scope_store {
    void *private_words[ED_SCOPE_WORDS];
};

/*
 * Declares `ed_scope *name`, open from here to the end of the enclosing
 * block. Its deadline is the earlier of its own and the surrounding scope's.
 *
 * Place it after everything its children borrow: leaving the block cancels
 * what still runs, waits for the ends, and only then are variables declared
 * before it gone.
 *
 * Entering does not suspend; leaving does while children run. Fibers only:
 * elsewhere it aborts with a message.
 */
#define ed_scope(name, ...)                                            \
    struct ed_scope_store name##_store_;                               \
    ed_scope *name __attribute__((cleanup(ed_scope_leave_), unused)) = \
        ed_scope_enter_(&name##_store_,                                \
                        ED_OPTIONS(struct ed_scope_options, __VA_ARGS__))

/*
 * Declares a scope that the cancellation and the deadlines around it do not
 * reach, for a bounded time to say goodbye: ed_shield(s, 2 * ED_S). Calls
 * that suspend work normally in it until that time has passed. Suspends and
 * aborts as ed_scope() does.
 */
#define ed_shield(name, time)                                          \
    struct ed_scope_store name##_store_;                               \
    ed_scope *name __attribute__((cleanup(ed_scope_leave_), unused)) = \
        ed_shield_enter_(&name##_store_, (time))

ED_API ed_scope *ed_scope_enter_(struct ed_scope_store *store,
                                 const struct ed_scope_options *options);
ED_API ed_scope *ed_shield_enter_(struct ed_scope_store *store, int64_t within);
ED_API void ed_scope_leave_(ed_scope **scope);

/*
 * Starts a fiber in the scope; it runs for the first time when the caller
 * waits for something. It inherits the arena of the fiber the scope belongs to,
 * and its fiber-local values marked as inherited.
 *
 * When no fiber can be had that counts as a child's failure, so that ed_wait()
 * returns it; the result may thus be ignored.
 *
 * Does not suspend. Returns 0, or
 *   ED_ENOMEM              no memory for a stack
 *   ED_ECLOSED             ed_wait() was already called
 *   ED_ECANCELED, ED_ETIMEOUT  the scope is cancelled
 */
#define ed_go(scope, fn, arg) ed_go_at_((scope), (fn), (arg), #fn, ED_PLACE_)

/* The same, with `*arg`, `len` bytes, copied for the fiber, which is given its
 * copy. More than ED_GO_COPY_MAX bytes are ED_EUSAGE, which counts as a
 * child's failure, too. */
#define ED_GO_COPY_MAX 512
#define ed_go_copy(scope, fn, arg, len) \
    ed_go_copy_at_((scope), (fn), (arg), (len), #fn, ED_PLACE_)

#define ED_PLACE_          __FILE__ ":" ED_PLACE_TEXT_(__LINE__)
#define ED_PLACE_TEXT_(x)  ED_PLACE_TEXT2_(x)
#define ED_PLACE_TEXT2_(x) #x
ED_API int ed_go_at_(ed_scope *scope, ed_fn *fn, void *arg, const char *name,
                     const char *place);
ED_API int ed_go_copy_at_(ed_scope *scope, ed_fn *fn, const void *arg,
                          size_t len, const char *name, const char *place);

/*
 * Waits until every child of the scope has ended, and ends the scope: its
 * deadline no longer holds for what the caller does next, and no fiber can be
 * started in it. Calling it again returns the same answer.
 *
 * If a child fails, its siblings and what the scope's own fiber waits for are
 * cancelled at once, and the first failure is returned here; ed_error() then
 * has its detail.
 *
 * Suspends. Only for the fiber that declared the scope. Returns 0, or the first
 * failure of a child, or
 *   ED_ETIMEOUT   the scope's deadline passed first
 *   ED_ECANCELED  the scope, or one around it, was cancelled
 *   ED_EUSAGE     called by another fiber
 */
ED_API ED_CHECK int ed_wait(ed_scope *scope);

/* Cancels the scope: what its fibers wait for, and every later wait in it,
 * returns ED_ECANCELED. Does not suspend; the ends are awaited by ed_wait()
 * or by leaving the scope. */
ED_API void ed_cancel(ed_scope *scope);

/* The innermost scope of the running fiber; NULL outside of one. */
ED_API ed_scope *ed_scope_current(void);

/* 0, ED_ECANCELED or ED_ETIMEOUT: what a call that suspends would return now.
 * For long computations that want to stop early. */
ED_API int ed_cancelled(void);

/* The deadline in force, in ed_now() time; INT64_MAX when there is none. */
ED_API int64_t ed_deadline(void);

/* Runs fn(arg) in the calling fiber, in a scope with that deadline; it has
 * passed already when `within` is 0 or less. Suspends if fn does. Returns fn's
 * result: ED_ETIMEOUT when the deadline made it fail. */
ED_API int ed_with_timeout(int64_t within, ed_fn *fn, void *arg);

/* ---- waiting ---- */

/* Suspends for that long. Returns 0, ED_ECANCELED, ED_ETIMEOUT or, when there
 * is no memory for a timer, ED_ENOMEM; ED_EUSAGE outside of a fiber. */
ED_API int ed_sleep(int64_t duration);

/* Lets every other fiber that can run do so first. I/O is let in at least
 * every few hundred times, and every millisecond. Suspends.
 * Returns 0, ED_ECANCELED or ED_ETIMEOUT; ED_EUSAGE outside of a fiber. */
ED_API int ed_yield(void);

/* ---- detail of the last failure ---- */

/* Text about the fiber's last failure ("connect to 10.0.0.7:80: connection
 * refused"); "" when there is none, and outside of a fiber. Valid until the
 * fiber fails again. Not every failure leaves a text: ask right after one that
 * says it does, or it may be that of an earlier one. */
ED_API const char *ed_error(void);

/* Notes such a text, of at most 255 bytes, and returns `err`: return
 * ed_fail(ED_ECONNECT, ...). Arguments may point into the old text. Outside of
 * a fiber it only returns `err`. */
ED_API int ed_fail(int err, const char *fmt, ...) ED_PRINTF(2, 3);

/* ---- what a fiber carries ---- */

/* The arena of what the fiber works on: its request's, shared by the fibers
 * it starts; without a request, one that lives as long as the loop. NULL
 * outside of a fiber. */
ED_API ed_arena *ed_fiber_arena(void);

/* Makes the running fiber, and those it starts from now on, use an arena the
 * caller owns; NULL goes back to the loop's. Returns the one before. Outside of
 * a fiber it does nothing, as does ed_fiber_name(). */
ED_API ed_arena *ed_fiber_use_arena(ed_arena *arena);

/* Names the running fiber in trees and logs; the text must outlive it. */
ED_API void ed_fiber_name(const char *name);

/*
 * A fiber-local value. Declare keys as static objects:
 *
 *     static struct ed_local request_id = {.inherit = true};
 *
 * `drop` is called with the value when the fiber ends or the value is
 * replaced; an inherited value is borrowed from the fiber that set it, which
 * must outlive its children, and is not dropped by them.
 *
 * Setting does not suspend and returns 0, ED_ENOMEM, or ED_EUSAGE outside of a
 * fiber, the value then still being the caller's. Getting gives NULL when
 * there is none.
 */
struct ed_local {
    void (*drop)(void *value);
    bool inherit;
};
ED_API ED_CHECK int ed_local_set(struct ed_local *key, void *value);
ED_API void *ed_local_get(const struct ed_local *key);

/* ---- looking in ---- */

/* Writes the tree of scopes and fibers of this thread's loop, with the place
 * each fiber was started and what it waits for, to the log (ED_LOG_INFO).
 * `eddy ctl tree` shows it of programs run by ed_main(). */
ED_API void ed_fiber_tree(void);

ED_END_DECLS
#endif
