/*
 * counters.h - what a worker counts of its requests, in shared memory.
 *
 * One process writes, any number reads: plain adding without locked
 * instructions. Times are kept in a histogram of which any quantile can be
 * read within 1/8.
 */
#ifndef EDDY_SERVE_COUNTERS_H
#define EDDY_SERVE_COUNTERS_H

#include <eddy/api.h>
#include <eddy/clock.h>
#include <stdatomic.h>

enum { ED_STATUS_FIRST = 100, ED_STATUS_LAST = 599 };

/* Twenty steps a decade from 1 us to 100 s, with 1, 2.5, 5 and 10 among their
 * ends, since those are the bounds that dashboards ask for; and one for what
 * took longer. */
enum { ED_TIME_STEPS = 8 * 20 + 1 };

#define ED_TIME_LONGEST (100 * ED_S)

enum ed_method_index {
    ED_METHOD_GET,
    ED_METHOD_HEAD,
    ED_METHOD_POST,
    ED_METHOD_PUT,
    ED_METHOD_PATCH,
    ED_METHOD_DELETE,
    ED_METHOD_OPTIONS,
    ED_METHOD_OTHER,
    ED_METHODS,
};

struct ed_counters {
    _Atomic uint64_t statuses[ED_STATUS_LAST - ED_STATUS_FIRST + 1];
    _Atomic uint64_t methods[ED_METHODS];
    _Atomic uint64_t
        times[ED_TIME_STEPS];              /* of whole requests, without those
                                              that became something else (101) */
    _Atomic uint64_t time_sum;             /* ns */
    _Atomic uint64_t waits[ED_TIME_STEPS]; /* in line, of those that waited */
    _Atomic uint64_t wait_sum;
    _Atomic uint64_t bytes_out; /* of bodies */
    _Atomic uint64_t accepted;  /* connections */
    _Atomic uint64_t refused;   /* requests answered 4xx before any handler */
    _Atomic uint64_t cut;       /* replies that did not go out whole */
    _Atomic uint64_t left;      /* clients that left before their reply */
    _Atomic uint64_t shed;      /* 503 from the line */
    _Atomic uint64_t blocked;   /* the loop stood still, and was reported */
    _Atomic uint64_t handshakes;
    _Atomic uint64_t handshakes_failed;
};

static inline void ed_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(
        counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
        memory_order_relaxed);
}

static inline uint64_t ed_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Counts a request that is over: its status (0: none was sent), its method's
 * index, the time it took in ns and the bytes of its body. */
void ed_counters_request(struct ed_counters *c, int status,
                         enum ed_method_index method, int64_t took,
                         int64_t bytes);

/* Counts a wait in line. */
void ed_counters_wait(struct ed_counters *c, int64_t waited);

enum ed_method_index ed_method_index(const char *method);

/* Adds what `from` has counted; takes away what it had counted `before`, and
 * never below 0; forgets everything. */
void ed_counters_add(struct ed_counters *to, const struct ed_counters *from);
void ed_counters_subtract(struct ed_counters *from,
                          const struct ed_counters *before);
void ed_counters_clear(struct ed_counters *c);

/* How many requests there were, refused ones and those whose client left
 * included; and of a class of statuses, 1 to 5. */
uint64_t ed_counters_total(const struct ed_counters *c);
uint64_t ed_counters_class(const struct ed_counters *c, unsigned class_);

/* How many times were counted. */
uint64_t ed_times_count(const _Atomic uint64_t times[ED_TIME_STEPS]);

/* A time that a share of them (0.99) did not pass, and not more than 1/8 above
 * the shortest of which that is true; ED_TIME_LONGEST for those beyond it; 0
 * without any. */
int64_t ed_times_quantile(const _Atomic uint64_t times[ED_TIME_STEPS],
                          double share);

/* The step a time is counted in, and the longest time counted there; the last
 * has none: INT64_MAX. */
unsigned ed_time_step(int64_t took);
int64_t ed_time_step_end(unsigned step);

#endif
