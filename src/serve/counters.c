/*
 * counters.c - what a worker counts of its requests.
 */
#include "serve/counters.h"

#include <string.h>

static const char *const methods[] = {
    [ED_METHOD_GET] = "GET",         [ED_METHOD_HEAD] = "HEAD",
    [ED_METHOD_POST] = "POST",       [ED_METHOD_PUT] = "PUT",
    [ED_METHOD_PATCH] = "PATCH",     [ED_METHOD_DELETE] = "DELETE",
    [ED_METHOD_OPTIONS] = "OPTIONS",
};

enum ed_method_index ed_method_index(const char *method)
{
    for (int i = 0; i < ED_METHOD_OTHER; i++) {
        if (!strcmp(method, methods[i]))
            return (enum ed_method_index)i;
    }
    return ED_METHOD_OTHER;
}

/* ---- steps of time ---- */

enum {
    STEPS_AN_OCTAVE = 8,
    OCTAVE_BITS = 3,
    /* The first octave is of 1024 ns: near enough to a microsecond. */
    FIRST_BIT = 10,
};

unsigned ed_time_step(int64_t took)
{
    if (took < 1 << FIRST_BIT)
        return 0;
    unsigned high = 63 - (unsigned)__builtin_clzll((uint64_t)took);
    unsigned within =
        (unsigned)(took >> (high - OCTAVE_BITS)) & (STEPS_AN_OCTAVE - 1);
    unsigned step = (high - FIRST_BIT) * STEPS_AN_OCTAVE + within;
    return step < ED_TIME_STEPS ? step : ED_TIME_STEPS - 1;
}

int64_t ed_time_step_end(unsigned step)
{
    unsigned octave = step / STEPS_AN_OCTAVE;
    int64_t within = step % STEPS_AN_OCTAVE;

    return ((STEPS_AN_OCTAVE + within + 1) << (FIRST_BIT - OCTAVE_BITS))
           << octave;
}

int64_t ed_times_quantile(const _Atomic uint64_t times[ED_TIME_STEPS],
                          double share)
{
    uint64_t all = 0, seen = 0;

    for (unsigned i = 0; i < ED_TIME_STEPS; i++)
        all += atomic_load_explicit(&times[i], memory_order_relaxed);
    for (unsigned i = 0; i < ED_TIME_STEPS && all; i++) {
        seen += atomic_load_explicit(&times[i], memory_order_relaxed);
        if ((double)seen >= share * (double)all && seen)
            return ed_time_step_end(i);
    }
    return 0;
}

/* ---- counting ---- */

void ed_counters_request(struct ed_counters *c, int status,
                         enum ed_method_index method, int64_t took,
                         int64_t bytes)
{
    if (status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST)
        ed_count(&c->statuses[status - ED_STATUS_FIRST], 1);
    else
        ed_count(&c->left, 1);
    ed_count(&c->methods[method], 1);
    ed_count(&c->times[ed_time_step(took)], 1);
    ed_count(&c->time_sum, (uint64_t)took);
    ed_count(&c->bytes_out, (uint64_t)bytes);
}

void ed_counters_wait(struct ed_counters *c, int64_t waited)
{
    ed_count(&c->waits[ed_time_step(waited)], 1);
    ed_count(&c->wait_sum, (uint64_t)waited);
}

/* They are counters and nothing else. */
_Static_assert(sizeof(struct ed_counters) % sizeof(uint64_t) == 0,
               "counters have no gaps");

void ed_counters_add(struct ed_counters *to, const struct ed_counters *from)
{
    _Atomic uint64_t *sum = (_Atomic uint64_t *)to;
    const _Atomic uint64_t *part = (const _Atomic uint64_t *)from;

    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++)
        ed_count(&sum[i], atomic_load_explicit(&part[i], memory_order_relaxed));
}
