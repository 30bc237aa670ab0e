/*
 * standstill.h - the loops that stood still lately, in memory that processes
 * share.
 *
 * The thread of a worker that watches its loop writes, whoever looks into the
 * server reads: while the loop stands still, and without a lock, since the one
 * who writes may be killed in the middle of it. Then there is nothing to be
 * read.
 */
#ifndef EDDY_SERVE_STANDSTILL_H
#define EDDY_SERVE_STANDSTILL_H

#include <eddy/api.h>
#include <stdatomic.h>
#include "core/monitor.h"

/* Of one worker; more in the second between two looks are only counted. */
enum { ED_STANDSTILLS = 4 };

struct ed_standstill {
    uint64_t number; /* from 1 with each worker; 0: there was none */
    int64_t began;   /* since 1970, ns */
    int64_t lasted;  /* ns; so far, when it was last looked at */
    uint64_t over;   /* not 0: the loop runs again */
    /* Cut where they are longer; "" as far as it is not known. */
    char names[192]; /* of functions, innermost first: "slow < page" */
    char fiber[64];
    char place[96];
};

/* One that is shared. All zeroes: none. */
struct ed_standstill_note {
    _Atomic uint32_t version; /* odd while it is written */
    _Atomic uint64_t words[sizeof(struct ed_standstill) / sizeof(uint64_t)];
};

/* Notes what the monitor tells, in the place of the oldest. One thread's. */
void ed_standstill_write(struct ed_standstill_note notes[ED_STANDSTILLS],
                         const struct ed_block *block);

/* The i-th, all texts ended, whatever stands there; without a number if there
 * is none, or it is not to be had. Any thread or process. */
void ed_standstill_read(const struct ed_standstill_note notes[ED_STANDSTILLS],
                        size_t i, struct ed_standstill *seen);

#endif
