/*
 * backoff.c - pauses that grow, by chance not quite alike.
 */
#include "base/backoff.h"
#include "base/hash.h"
#include <eddy/clock.h>

/* The key of the hash is shared by forked processes, so it is the time that
 * makes them differ. */
double ed_chance(void)
{
    static _Thread_local uint64_t count;
    const uint64_t seed[] = {++count, (uint64_t)ed_clock_monotonic()};
    uint64_t hash = ed_hash(ed_bytes_of(seed, sizeof seed));

    return (double)(hash >> 11) / (double)(UINT64_C(1) << 53);
}

int64_t ed_backoff(unsigned failures, int64_t first, int64_t longest)
{
    int64_t pause = first;

    while (failures > 1 && pause < longest / 2) {
        pause *= 2;
        failures--;
    }
    if (failures > 1 || pause > longest)
        pause = longest;
    int64_t half = pause / 2;
    return half + (int64_t)(ed_chance() * (double)(pause - half));
}
