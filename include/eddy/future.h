/*
 * future.h - a value someone will have, and waiting for many at once.
 *
 *     ed_future user = {0}, shop = {0};          // before the scope
 *     ed_scope(s, .within = 800 * ED_MS);
 *     ed_go_future(s, &user, load_user, &page->user);
 *     ed_go_future(s, &shop, load_shop, &page->shop);
 *     ...                                        // other work
 *     int err = ed_future_wait(&user, NULL);     // and later the shop
 *
 * Without futures a failing fiber cancels its siblings (fiber.h). With one,
 * its failure is kept in the future, for whoever asks.
 *
 * A future is a plain struct, ready when zeroed. It must outlive whoever waits
 * for it and the scope of the fiber that sets it, so declare it before that
 * scope, and it must not be copied or moved once used.
 *
 * Thread: the loop's own. Only fibers may wait.
 */
#ifndef EDDY_FUTURE_H
#define EDDY_FUTURE_H

#include <eddy/api.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/sync.h>

ED_BEGIN_DECLS

/* Use the functions; the members are theirs. */
typedef struct ed_future {
    void *value;
    uint64_t order; /* among the completions of the thread; 0: not done */
    struct ed_line watchers;
    int result;
    bool seen;     /* the result was asked for */
    bool promised; /* a fiber was started to set it */

    /* Of the fiber that sets it, when there is one: */
    const char *name;
    const char *place;
    char *detail; /* ed_error() text of its failure; freed with the scope */
    struct ed_future *next_of_scope;
} ed_future;

/* ---- one future ---- */

/* Gives the future its result (negative: a failure) and its value, once, and
 * wakes all who wait. The value is borrowed; its owner says for how long.
 * Returns 0, or ED_EUSAGE when it has a result already or a fiber is to set
 * it. Does not suspend. */
ED_API int ed_future_set(ed_future *f, int result, void *value);

/* Whether the future has its result. Does not suspend. */
ED_API bool ed_future_done(const ed_future *f);

/* The result and, unless `value` is NULL, the value; ED_EWOULDBLOCK when it
 * has none yet. Sets ed_error() when the failure has a detail. May be called
 * again. Does not suspend. */
ED_API int ed_future_get(ed_future *f, void **value);

/*
 * Waits until the future has its result. Any number of fibers may wait, and
 * each again and again.
 *
 * Suspends. Returns the result, which may be any error, or
 *   ED_ECANCELED, ED_ETIMEOUT   the caller was; *value is as it was
 */
ED_API int ed_future_wait(ed_future *f, void **value);

/*
 * Starts a fiber in the scope, as ed_go() does, that sets the future when it
 * ends: the result is what `fn` returned, the value is `arg`.
 *
 * Its failure cancels nobody. One that nobody has asked for by the time the
 * scope is left is logged, with the place of this call; a cancellation is not.
 *
 * Does not suspend. Returns 0, or
 *   ED_EUSAGE   the future is set already, or another fiber is to set it
 *   what ed_go() does, which then is the future's result, too
 */
#define ed_go_future(scope, future, fn, arg) \
    ed_go_future_at_((scope), (future), (fn), (arg), #fn, ED_PLACE_)
ED_API int ed_go_future_at_(ed_scope *scope, ed_future *f, ed_fn *fn, void *arg,
                            const char *name, const char *place);

/* ---- many futures ---- */

/*
 * Waits until all have succeeded, or one has failed.
 *
 * What the others do then is up to their scopes: they go on until these are
 * cancelled or left. Their failures count as not asked for.
 *
 * Suspends. Returns 0, or
 *   the failure that came first
 *   ED_ENOMEM   no memory to wait for more than a few
 *   ED_ECANCELED, ED_ETIMEOUT   the caller was
 */
ED_API ED_CHECK int ed_gather(ed_future *const *futures, size_t count);

/*
 * Waits for the first success.
 *
 * The others go on until their scopes are cancelled or left; failures that
 * came before the success count as asked for.
 *
 * Suspends. Returns its index, or
 *   the failure that came first, when all have failed
 *   ED_EUSAGE   count is 0
 *   ED_ENOMEM   no memory to wait for more than a few
 *   ED_ECANCELED, ED_ETIMEOUT   the caller was
 */
ED_API ED_CHECK int ed_first_of(ed_future *const *futures, size_t count);

/*
 * Goes through futures in the order in which they get their results, each
 * once:
 *
 *     struct ed_as_completed it = {.futures = all, .count = n};
 *     while ((err = ed_next_completed(&it)) > 0)
 *         use(it.index, ed_future_get(all[it.index], NULL));
 *
 * It may be left at any time. Each step looks at all of the futures; for
 * thousands, let the fibers send to a channel instead.
 */
struct ed_as_completed {
    ed_future *const *futures;
    size_t count;
    size_t index;   /* of the one just completed */
    uint64_t order; /* of that; private */
};

/* Suspends. Returns 1 with it->index set, 0 when each was given, or ED_ENOMEM,
 * ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_next_completed(struct ed_as_completed *it);

/* ---- many calls ---- */

/* A function to call and its argument. */
struct ed_call {
    ed_fn *fn;
    void *arg;
};

/*
 * Makes all calls at once, each in a fiber, and returns when all have ended.
 * The first failure cancels the others. It is ed_scope(), an ed_go() for each,
 * and ed_wait().
 *
 * Suspends. Returns 0, or
 *   the failure that came first; ed_error() has its detail
 *   ED_ENOMEM   not all could be started
 *   ED_ECANCELED, ED_ETIMEOUT   the caller was
 */
#define ed_gather_calls(calls, count) \
    ed_gather_calls_at_((calls), (count), ED_PLACE_)
ED_API ED_CHECK int ed_gather_calls_at_(const struct ed_call *calls,
                                        size_t count, const char *place);

/*
 * Makes all calls at once, each in a fiber; the first success cancels the
 * others. Returns when all have ended.
 *
 * A call that is cancelled too late may succeed as well. Its index is not the
 * one returned, and what it made is the caller's to give back.
 *
 * Suspends. Returns the index of the first success, even if the caller is
 * cancelled meanwhile, or
 *   the failure that came first, when all have failed; ed_error() has its
 *     detail
 *   ED_EUSAGE   count is 0
 *   ED_ENOMEM   not all could be started
 *   ED_ECANCELED, ED_ETIMEOUT   the caller was
 */
#define ed_race_calls(calls, count) \
    ed_race_calls_at_((calls), (count), ED_PLACE_)
ED_API ED_CHECK int ed_race_calls_at_(const struct ed_call *calls, size_t count,
                                      const char *place);

ED_END_DECLS
#endif
