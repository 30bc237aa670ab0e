/*
 * snapshot.h - what a board says at one moment, to be told or to be compared
 * with what it says later.
 */
#ifndef EDDY_SERVE_SNAPSHOT_H
#define EDDY_SERVE_SNAPSHOT_H

#include "serve/board.h"

struct ed_seen_worker {
    unsigned slot;
    int pid;
    enum ed_slot_state state;
    uint64_t generation;
    int64_t age;      /* ns */
    int64_t beat_age; /* ns; -1: it has not shown itself yet */
    uint32_t open, in_flight, queued, limit;
    uint64_t memory; /* bytes */
    int64_t cpu;     /* used, ns */
    struct ed_counters counters;
    struct ed_standstill standstills[ED_STANDSTILLS]; /* in any order */
};

struct ed_snapshot {
    int64_t at;             /* monotonic */
    int64_t now;            /* since 1970, ns */
    struct ed_counters all; /* of all workers there ever were */
    uint64_t cpu;           /* used by them, ns */
    uint64_t open, in_flight, queued;
    unsigned states[ED_SLOT_DRAINING + 1]; /* how many workers are in each */
    struct ed_seen_worker *workers;        /* those there are */
    size_t count, room;
};

/* Looks at the board; a snapshot of before is overwritten, one that is zeroed
 * is fine. 0, or ED_ENOMEM, it then being empty. */
ED_CHECK int ed_snapshot_take(struct ed_snapshot *s,
                              const struct ed_board *board);

void ed_snapshot_free(struct ed_snapshot *s);

/* The worker of that process; NULL: there is none. */
const struct ed_seen_worker *ed_snapshot_find(const struct ed_snapshot *s,
                                              int pid);

/*
 * What a board says of a server as a whole: NULL when requests are to be sent
 * to it, else why not, in a few words for people.
 */
const char *ed_board_unready(const struct ed_board *board);

/* "starting", "ready", "draining"; "free". */
const char *ed_slot_state_name(enum ed_slot_state state);

#endif
