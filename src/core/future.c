/*
 * future.c - futures, the fibers that set them, and waiting for many.
 *
 * A future owns the detail of its failure until the scope of its fiber is
 * left. Results are final; who waits is woken in the order of arrival, by
 * whoever sets the future, and the order of completions is that of the calls.
 */
#include <eddy/future.h>
#include "core/line.h"
#include "core/places.h"

#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>

/* Counts the completions of the thread. */
static _Thread_local uint64_t completions;

/* ---- waiting ---- */

/* What a fiber waits for that stands in the lines of futures. */
struct watch {
    struct ed_places places;
    size_t missing;             /* it is woken after so many completions, */
    bool (*enough)(int result); /* or by one with such a result (or NULL) */
};

static bool is_failure(int result)
{
    return result < 0;
}

static bool is_success(int result)
{
    return result >= 0;
}

static void complete(ed_future *f, int result, void *value)
{
    f->result = result;
    f->value = value;
    f->order = ++completions;

    struct ed_list *line = &ed_line_queue(&f->watchers)->waiters;
    struct ed_list *node;
    while ((node = ed_list_take(line))) {
        struct ed_place *place = ED_CONTAINER(node, struct ed_place, node);
        struct watch *watch = ED_CONTAINER(place->all, struct watch, places);
        watch->missing--;
        if (!watch->missing || (watch->enough && watch->enough(result)))
            ed_places_serve(&watch->places, 0);
    }
}

/* Waits for `missing` completions among the futures that are not done yet, or
 * for one whose result is enough. */
static int watch_futures(ed_future *const *futures, size_t count,
                         size_t missing, bool (*enough)(int result))
{
    struct watch watch = {.missing = missing, .enough = enough};
    int err = ed_places_init(&watch.places, count);
    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        if (!futures[i]->order)
            ed_list_add_back(&ed_line_queue(&futures[i]->watchers)->waiters,
                             &watch.places.place[i].node);
    }
    err = ed_places_wait(&watch.places, "future");
    ed_places_free(&watch.places);
    return err;
}

/* ---- one future ---- */

int ed_future_set(ed_future *f, int result, void *value)
{
    if (f->order || f->promised)
        return ED_EUSAGE;
    complete(f, result, value);
    return 0;
}

bool ed_future_done(const ed_future *f)
{
    return f->order != 0;
}

int ed_future_get(ed_future *f, void **value)
{
    if (!f->order)
        return ED_EWOULDBLOCK;
    f->seen = true;
    if (value)
        *value = f->value;
    if (f->detail)
        return ed_fail(f->result, "%s", f->detail);
    return f->result;
}

int ed_future_wait(ed_future *f, void **value)
{
    int err = ed_checkpoint();
    if (!err && !f->order)
        err = watch_futures(&f, 1, 1, NULL);
    return err ? err : ed_future_get(f, value);
}

/* ---- fibers that set one ---- */

struct promise {
    ed_future *future;
    ed_fn *fn;
    void *arg;
};

/* Whether the running fiber ends like that because it was cancelled. */
static bool is_cancellation(int result)
{
    return ed_cancelled() && (result == ED_ECANCELED || result == ED_ETIMEOUT);
}

static int run_promise(void *arg)
{
    struct promise *p = arg;
    int result = p->fn(p->arg);
    if (result < 0 && *ed_error_of(result))
        p->future->detail = strdup(ed_error_of(result));
    p->future->seen |= is_cancellation(result);
    complete(p->future, result, p->arg);
    return 0;
}

int ed_go_future_at_(ed_scope *scope, ed_future *f, ed_fn *fn, void *arg,
                     const char *name, const char *place)
{
    if (f->order || f->promised)
        return ED_EUSAGE;
    struct promise p = {f, fn, arg};
    int err = ed_go_copy_at_(scope, run_promise, &p, sizeof p, name, place);
    if (err) {
        /* The scope knows of this failure, too. */
        f->seen = true;
        complete(f, err, arg);
        return err;
    }
    f->promised = true;
    f->name = name;
    f->place = place;
    f->next_of_scope = scope->futures;
    scope->futures = f;
    return 0;
}

void ed_futures_leave(ed_future *first)
{
    ed_future *next;
    for (ed_future *f = first; f; f = next) {
        next = f->next_of_scope;
        f->next_of_scope = NULL;
        if (f->result < 0 && !f->seen)
            ed_log_failure(f->name, f->place, f->result, f->detail);
        free(f->detail);
        f->detail = NULL;
    }
}

/* ---- many futures ---- */

/* The index of the earliest completion after `after` whose result is such
 * (NULL: any), or `count`. */
static size_t earliest(ed_future *const *futures, size_t count, uint64_t after,
                       bool (*such)(int result))
{
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        const ed_future *f = futures[i];
        if (f->order <= after || (such && !such(f->result)))
            continue;
        if (found == count || f->order < futures[found]->order)
            found = i;
    }
    return found;
}

static size_t count_missing(ed_future *const *futures, size_t count)
{
    size_t missing = 0;
    for (size_t i = 0; i < count; i++)
        missing += !futures[i]->order;
    return missing;
}

/* Waits until one has ended with such a result, or all have ended without;
 * *found is the earliest of them, or `count`. */
static int watch_until(ed_future *const *futures, size_t count,
                       bool (*such)(int result), size_t *found)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    *found = earliest(futures, count, 0, such);
    size_t missing = count_missing(futures, count);
    if (*found < count || !missing)
        return 0;
    err = watch_futures(futures, count, missing, such);
    if (err)
        return err;
    *found = earliest(futures, count, 0, such);
    return 0;
}

int ed_gather(ed_future *const *futures, size_t count)
{
    size_t failed;
    int err = watch_until(futures, count, is_failure, &failed);
    if (err || failed == count)
        return err;
    return ed_future_get(futures[failed], NULL);
}

int ed_first_of(ed_future *const *futures, size_t count)
{
    size_t winner;
    if (!count)
        return ED_EUSAGE;
    int err = watch_until(futures, count, is_success, &winner);
    if (err)
        return err;
    for (size_t i = 0; i < count; i++)
        futures[i]->seen |= futures[i]->order != 0;
    if (winner < count)
        return (int)winner;
    return ed_future_get(futures[earliest(futures, count, 0, NULL)], NULL);
}

int ed_next_completed(struct ed_as_completed *it)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    size_t next = earliest(it->futures, it->count, it->order, NULL);
    if (next == it->count) {
        if (!count_missing(it->futures, it->count))
            return 0;
        err = watch_futures(it->futures, it->count, 1, NULL);
        if (err)
            return err;
        next = earliest(it->futures, it->count, it->order, NULL);
    }
    it->index = next;
    it->order = it->futures[next]->order;
    return 1;
}

/* ---- many calls ---- */

int ed_gather_calls_at_(const struct ed_call *calls, size_t count,
                        const char *place)
{
    ed_scope(s, .name = "gather");
    for (size_t i = 0; i < count; i++)
        (void)ed_go_at_(s, calls[i].fn, calls[i].arg, "gather", place);
    return ed_wait(s);
}

struct race {
    struct ed_scope *scope;
    int winner;  /* -1: none yet */
    int failure; /* the first */
    char *detail;
};

struct racer {
    struct race *race;
    const struct ed_call *call;
    int index;
};

static int run_racer(void *arg)
{
    struct racer *racer = arg;
    struct race *race = racer->race;
    int result = racer->call->fn(racer->call->arg);
    if (result >= 0 && race->winner < 0) {
        race->winner = racer->index;
        ed_cancel(race->scope);
    } else if (result < 0 && !race->failure) {
        race->failure = result;
        const char *detail = ed_error_of(result);
        race->detail = *detail ? strdup(detail) : NULL;
    }
    return 0;
}

static int race_result(const struct race *race, int err)
{
    if (race->winner >= 0)
        return race->winner;
    if (err)
        return err;
    if (race->detail)
        return ed_fail(race->failure, "%s", race->detail);
    return race->failure;
}

int ed_race_calls_at_(const struct ed_call *calls, size_t count,
                      const char *place)
{
    if (!count)
        return ED_EUSAGE;
    struct race race = {.winner = -1};
    ed_scope(s, .name = "race");
    race.scope = s;
    for (size_t i = 0; i < count; i++) {
        struct racer racer = {&race, &calls[i], (int)i};
        (void)ed_go_copy_at_(s, run_racer, &racer, sizeof racer, "race", place);
    }
    int result = race_result(&race, ed_wait(s));
    free(race.detail);
    return result;
}
