/*
 * ticket.c - tickets: their references, their results, and what is told of
 * failures that nobody asked for.
 *
 * A ticket is freed by whoever drops the last reference, on any thread; if its
 * value lives on the loop it goes there first. What was delivered does not
 * change any more and is read without the lock.
 */
#include "offload/ticket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/clock.h>
#include <eddy/log.h>
#include "base/moment.h"
#include "base/options.h"

/* Failures told in full each second: a service that is down makes a thousand
 * calls fail alike. */
#define TOLD_A_SECOND 10

static int64_t deadline_from(int64_t now, int64_t within)
{
    if (!within)
        return INT64_MAX;
    return within < 0 ? now : ed_moment_after(now, within);
}

static void take_names(ed_ticket *t, const char *name, const char *place)
{
    size_t name_size = strlen(name) + 1;

    memcpy(t->name, name, name_size);
    memcpy(t->name + name_size, place, strlen(place) + 1);
    t->place = t->name + name_size;
}

static void take_options(ed_ticket *t, const struct ed_offload_options *options)
{
    t->deadline = deadline_from(t->began, options->within);
    t->max_bytes = options->max_bytes;
    t->free_arg = options->free_arg;
    t->free_value = options->free_value;
    t->at_home = options->at_home;
    t->remade = options->remade;
}

ed_ticket *ed_ticket_new(ed_offload_fn *fn, void *arg, const char *name,
                         const char *place,
                         const struct ed_offload_options *given)
{
    ED_OPTIONS_TAKE(struct ed_offload_options, options, given);
    if (options.name)
        name = options.name;
    if (options.place)
        place = options.place;
    ed_ticket *t = calloc(1, sizeof *t + strlen(name) + strlen(place) + 2);
    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    t->fn = fn;
    t->arg = arg;
    t->began = ed_clock_monotonic();
    t->generation = ed_offload_loop.generation;
    t->fd = -1;
    t->callbacks_end = &t->callbacks;
    ed_list_init(&t->link);
    ed_list_init(&t->next);
    ed_list_init(&t->to_cancel);
    ed_list_init(&t->waiters);
    take_names(t, name, place);
    take_options(t, &options);
    return t;
}

/* ---- results ---- */

static bool is_done(const ed_ticket *t)
{
    return atomic_load_explicit(&t->state, memory_order_acquire) ==
           ED_TICKET_DONE;
}

static bool of_this_process(const ed_ticket *t)
{
    return t->generation == ed_offload_loop.generation;
}

bool ed_ticket_done(const ed_ticket *t)
{
    return !t || is_done(t);
}

bool ed_ticket_settled(const ed_ticket *t, int *result)
{
    *result = ED_ENOMEM;
    if (!t)
        return true;
    if (is_done(t)) {
        *result = t->result;
        return true;
    }
    *result = of_this_process(t) ? ED_ESTOPPED : ED_EFORKED;
    return t->given_up || !of_this_process(t);
}

int ed_ticket_result(ed_ticket *t, void **value)
{
    int result;

    if (value)
        *value = NULL;
    ed_offload_lock();
    bool settled = ed_ticket_settled(t, &result);
    ed_offload_unlock();
    if (!settled)
        return ED_EWOULDBLOCK;
    if (t && is_done(t))
        atomic_store(&t->seen, true);
    if (value)
        *value = ed_ticket_value(t);
    return result;
}

/* Whether there is a value that somebody may have. */
static bool has_value(ed_ticket *t)
{
    return t && is_done(t) && t->result >= 0;
}

void *ed_ticket_value(ed_ticket *t)
{
    if (!has_value(t))
        return NULL;
    atomic_store(&t->seen, true);
    if (t->at_home && (atomic_load(&t->gone) || !of_this_process(t)))
        return NULL;
    return t->value;
}

/* Of a streamed response the head can be read everywhere; it lies in the
 * ticket's arena, and stays there when the stream is closed. */
ed_res *ed_ticket_res(ed_ticket *t)
{
    if (!has_value(t))
        return NULL;
    atomic_store(&t->seen, true);
    return t->value;
}

int ed_ticket_at_home(ed_ticket *t, void **value)
{
    *value = NULL;
    if (!of_this_process(t))
        return ED_EFORKED;
    if (atomic_load(&t->state) < ED_TICKET_ENDED)
        return ED_EUSAGE;
    if (t->result < 0)
        return ed_fail(t->result, "%s", t->detail ? t->detail : "");
    if (atomic_load(&t->gone))
        return ED_ESTOPPED;
    *value = t->value;
    return 0;
}

int64_t ed_ticket_elapsed(const ed_ticket *t)
{
    if (!t)
        return 0;
    return (is_done(t) ? t->ended : ed_clock_monotonic()) - t->began;
}

uint64_t ed_ticket_order(const ed_ticket *t)
{
    return t && is_done(t) ? t->order : 0;
}

/* ---- failures ---- */

static char *failure_text(const ed_ticket *t, int failure)
{
    const char *what = t->detail && *t->detail && is_done(t)
                           ? t->detail
                           : ed_err_text(failure);
    char *text;

    if (asprintf(&text, "%s (%s), of '%s' at %s", what, ed_err_name(failure),
                 t->name, t->place) < 0)
        return NULL;
    return text;
}

const char *ed_ticket_failure(ed_ticket *t)
{
    const char *text = NULL;
    int result;

    if (!t)
        return "no memory for a ticket (ED_ENOMEM)";
    ed_offload_lock();
    if (ed_ticket_settled(t, &result) && result < 0) {
        if (!t->failure)
            t->failure = failure_text(t, result);
        text = t->failure ? t->failure : ed_err_text(result);
    }
    ed_offload_unlock();
    if (text && is_done(t))
        atomic_store(&t->seen, true);
    return text;
}

const char *ed_ticket_detail(ed_ticket *t)
{
    return t && is_done(t) && t->detail ? t->detail : "";
}

static struct {
    int64_t since; /* the second that is counted */
    unsigned told;
    unsigned untold; /* since then */
    uint64_t all;
} uncollected; /* under the lock */

uint64_t ed_ticket_uncollected(void)
{
    return uncollected.all;
}

static void log_untold(unsigned count)
{
    if (count)
        ed_log_error("%u more calls failed, and nobody asked for them", count);
}

/* Whether one more is to be told, and how many were not before. */
static bool may_tell(unsigned *untold)
{
    int64_t now = ed_clock_monotonic();

    ed_offload_lock();
    *untold = 0;
    uncollected.all++;
    if (now - uncollected.since >= ED_S) {
        *untold = uncollected.untold;
        uncollected.since = now;
        uncollected.told = uncollected.untold = 0;
    }
    bool may = uncollected.told < TOLD_A_SECOND;
    if (may)
        uncollected.told++;
    else
        uncollected.untold++;
    ed_offload_unlock();
    return may;
}

void ed_ticket_flush_log(void)
{
    ed_offload_lock();
    unsigned untold = uncollected.untold;
    uncollected.untold = 0;
    ed_offload_unlock();
    log_untold(untold);
}

static bool is_uncollected(const ed_ticket *t)
{
    if (!is_done(t) || t->result >= 0 || atomic_load(&t->seen) ||
        !of_this_process(t))
        return false;
    return !(t->result == ED_ECANCELED && atomic_load(&t->cancelled));
}

static void log_uncollected(const ed_ticket *t)
{
    unsigned untold;
    bool may = may_tell(&untold);

    log_untold(untold);
    if (!may)
        return;
    char *text = failure_text(t, t->result);
    ed_log_error("a call failed, and nobody asked for it: %s",
                 text ? text : ed_err_text(t->result));
    free(text);
}

/* ---- references ---- */

static void destroy(ed_ticket *t)
{
    if (is_uncollected(t))
        log_uncollected(t);
    if (t->value && t->free_value && !t->at_home)
        t->free_value(t->value);
    while (t->callbacks) {
        struct ed_ticket_callback *callback = t->callbacks;
        t->callbacks = callback->next;
        free(callback);
    }
    if (t->fd >= 0)
        close(t->fd);
    ed_ticket_free(t->keeps);
    ed_arena_free(t->arena);
    free(t->detail);
    free(t->failure);
    free(t);
}

/* Whether that was the last one. A value at home that is still there goes to
 * the loop instead, together with the ticket. */
static bool drop_at_home(ed_ticket *t)
{
    ed_offload_lock();
    bool last = atomic_fetch_sub(&t->refs, 1) == 1;
    bool goes_home = last && !ed_list_empty(&t->link);
    if (goes_home) {
        ed_list_remove(&t->link);
        ed_list_add_back(&ed_offload_loop.releases, &t->next);
        /* The lists' own, until the loop has freed the value. */
        atomic_store(&t->refs, 1);
        ed_offload_nudge();
    }
    ed_offload_unlock();
    return last && !goes_home;
}

ed_ticket *ed_ticket_ref(ed_ticket *t)
{
    if (t)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void ed_ticket_free(ed_ticket *t)
{
    if (!t)
        return;
    if (t->at_home && of_this_process(t)) {
        if (drop_at_home(t))
            destroy(t);
        return;
    }
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        destroy(t);
}
