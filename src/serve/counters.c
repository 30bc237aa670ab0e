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

/* A decade in twenty steps, each at most 1/8 longer than the one before. */
#define DECADE(us)                                                             \
    1121LL * (us), 1257LL * (us), 1410LL * (us), 1581LL * (us), 1773LL * (us), \
        1988LL * (us), 2230LL * (us), 2500LL * (us), 2806LL * (us),            \
        3150LL * (us), 3536LL * (us), 3969LL * (us), 4454LL * (us),            \
        5000LL * (us), 5612LL * (us), 6300LL * (us), 7071LL * (us),            \
        7937LL * (us), 8909LL * (us), 10000LL * (us)

/* In nanoseconds. */
static const int64_t ends[ED_TIME_STEPS] = {
    DECADE(1),       DECADE(10),       DECADE(100),
    DECADE(1000),    DECADE(10000),    DECADE(100000),
    DECADE(1000000), DECADE(10000000), INT64_MAX,
};

unsigned ed_time_step(int64_t took)
{
    unsigned low = 0, high = ED_TIME_STEPS - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (took <= ends[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

int64_t ed_time_step_end(unsigned step)
{
    return ends[step];
}

uint64_t ed_times_count(const _Atomic uint64_t times[ED_TIME_STEPS])
{
    uint64_t all = 0;

    for (unsigned i = 0; i < ED_TIME_STEPS; i++)
        all += ed_counted(&times[i]);
    return all;
}

int64_t ed_times_quantile(const _Atomic uint64_t times[ED_TIME_STEPS],
                          double share)
{
    uint64_t all = ed_times_count(times), seen = 0;

    for (unsigned i = 0; i < ED_TIME_STEPS - 1 && all; i++) {
        seen += ed_counted(&times[i]);
        if (seen && (double)seen >= share * (double)all)
            return ends[i];
    }
    return all ? ED_TIME_LONGEST : 0;
}

/* ---- counting ---- */

/* It became something else, such as a WebSocket: that lasts as long as it
 * likes. */
enum { SWITCHED = 101 };

void ed_counters_request(struct ed_counters *c, int status,
                         enum ed_method_index method, int64_t took,
                         int64_t bytes)
{
    if (status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST)
        ed_count(&c->statuses[status - ED_STATUS_FIRST], 1);
    else
        ed_count(&c->left, 1);
    ed_count(&c->methods[method], 1);
    ed_count(&c->bytes_out, (uint64_t)bytes);
    if (status == SWITCHED)
        return;
    ed_count(&c->times[ed_time_step(took)], 1);
    ed_count(&c->time_sum, (uint64_t)took);
}

void ed_counters_wait(struct ed_counters *c, int64_t waited)
{
    ed_count(&c->waits[ed_time_step(waited)], 1);
    ed_count(&c->wait_sum, (uint64_t)waited);
}

/* ---- all of them ---- */

enum { COUNTERS = sizeof(struct ed_counters) / sizeof(uint64_t) };

/* They are counters and nothing else. */
_Static_assert(sizeof(struct ed_counters) % sizeof(uint64_t) == 0,
               "counters have no gaps");

void ed_counters_add(struct ed_counters *to, const struct ed_counters *from)
{
    _Atomic uint64_t *sum = (_Atomic uint64_t *)to;
    const _Atomic uint64_t *part = (const _Atomic uint64_t *)from;

    for (size_t i = 0; i < COUNTERS; i++)
        ed_count(&sum[i], ed_counted(&part[i]));
}

void ed_counters_subtract(struct ed_counters *from,
                          const struct ed_counters *before)
{
    _Atomic uint64_t *rest = (_Atomic uint64_t *)from;
    const _Atomic uint64_t *part = (const _Atomic uint64_t *)before;

    for (size_t i = 0; i < COUNTERS; i++) {
        uint64_t now = ed_counted(&rest[i]), then = ed_counted(&part[i]);
        atomic_store_explicit(&rest[i], now > then ? now - then : 0,
                              memory_order_relaxed);
    }
}

void ed_counters_clear(struct ed_counters *c)
{
    _Atomic uint64_t *each = (_Atomic uint64_t *)c;

    for (size_t i = 0; i < COUNTERS; i++)
        atomic_store_explicit(&each[i], 0, memory_order_relaxed);
}

uint64_t ed_counters_total(const struct ed_counters *c)
{
    uint64_t all = ed_counted(&c->left);

    for (unsigned class_ = 1; class_ <= 5; class_++)
        all += ed_counters_class(c, class_);
    return all;
}

uint64_t ed_counters_class(const struct ed_counters *c, unsigned class_)
{
    unsigned from = class_ * 100 - ED_STATUS_FIRST;
    uint64_t n = 0;

    for (unsigned i = from; i < from + 100; i++)
        n += ed_counted(&c->statuses[i]);
    return n;
}
