/*
 * backoff.h - how long to pause before trying again what has failed.
 */
#ifndef EDDY_BASE_BACKOFF_H
#define EDDY_BASE_BACKOFF_H

#include <eddy/api.h>

/* A number in [0, 1) that differs each time and in each process: good enough
 * for pauses, not for secrets. Any thread. */
double ed_chance(void);

/*
 * The pause, in nanoseconds, after so many failures in a row, from 1: `first`,
 * twice as long for each further one, `longest` at most; of that a random part,
 * at least half, since those that failed together would otherwise come back
 * together. Any thread.
 */
int64_t ed_backoff(unsigned failures, int64_t first, int64_t longest);

#endif
