/*
 * board.h - what the processes of a server know of each other: memory they all
 * share.
 *
 * The master makes it and hands its descriptor to whom it starts. Each worker
 * has a slot that it alone writes, but for what is the master's in it; anyone
 * reads. What a slot has counted is added to `retired` before another worker
 * gets it, so sums survive workers.
 */
#ifndef EDDY_SERVE_BOARD_H
#define EDDY_SERVE_BOARD_H

#include <eddy/api.h>
#include <stdatomic.h>
#include "serve/counters.h"
#include "serve/standstill.h"

/* Workers of both generations, while one takes over from the other. */
#define ED_BOARD_SLOTS 256

enum ed_slot_state {
    ED_SLOT_FREE,
    ED_SLOT_STARTING,
    ED_SLOT_READY,    /* accepts */
    ED_SLOT_DRAINING, /* answers what it has */
};

struct ed_slot {
    /* The master's. */
    _Atomic int state; /* enum ed_slot_state; READY is set by the worker */
    _Atomic int pid;
    _Atomic uint64_t generation; /* of the reload it came with, from 1 */
    _Atomic int64_t started;     /* since 1970, ns */

    /* The worker's. */
    _Atomic int64_t beat;       /* when its loop last ran; monotonic */
    _Atomic uint32_t open;      /* connections */
    _Atomic uint32_t in_flight; /* requests handled */
    _Atomic uint32_t queued;    /* requests that wait in line */
    _Atomic uint32_t limit;     /* of those handled at once; 0: none */
    _Atomic uint64_t memory;    /* resident bytes */
    _Atomic int64_t cpu;        /* used so far, ns */

    struct ed_counters counters;
    struct ed_standstill_note standstills[ED_STANDSTILLS];
};

/* How a reload came out. */
enum ed_reload_end {
    ED_RELOAD_DONE,
    ED_RELOAD_BAD_SETTINGS,
    ED_RELOAD_BAD_WORKER,
    ED_RELOAD_CUT, /* all workers were told to go */
    ED_RELOAD_ENDS,
};

struct ed_board {
    uint64_t magic; /* of this layout, with its size */
    _Atomic int master;
    _Atomic int64_t started; /* since 1970, ns */
    _Atomic uint64_t generation;
    _Atomic uint32_t wanted;  /* workers */
    _Atomic bool ready;       /* what /readyz says, with a worker ready */
    _Atomic uint64_t reloads; /* that came out well */
    _Atomic uint64_t reloads_failed; /* all stayed as it was */
    /* The last that is over: its number, from 1, times ED_RELOAD_ENDS and how
     * it came out. */
    _Atomic uint64_t reload_end;
    _Atomic uint64_t spawned; /* workers */
    _Atomic uint64_t crashed; /* ended by a signal of their own doing */
    _Atomic uint64_t hung;    /* killed since their loop stood still */
    _Atomic int log_level;    /* enum ed_log_level and 1; 0: as it was set */
    /* Used by workers that are gone, ns. */
    _Atomic uint64_t retired_cpu;

    /* Odd while counters go from a slot to those of the retired. */
    _Atomic uint32_t moving;
    struct ed_counters retired;
    struct ed_slot slots[ED_BOARD_SLOTS];
};

/* Makes one; *fd is what others map it by (close-on-exec). NULL and errno. */
struct ed_board *ed_board_new(int *fd);

/* Maps that of a master. NULL and errno; EPROTO: of another version. */
struct ed_board *ed_board_map(int fd);

void ed_board_unmap(struct ed_board *board);

/* Master: a free slot, now STARTING; NULL: there is none. */
struct ed_slot *ed_board_take(struct ed_board *board);

/* Master: the worker is gone; what it counted stays counted. */
void ed_board_give(struct ed_board *board, struct ed_slot *slot);

/* Has fn(board, arg) look at the counters: again, if some were moved to the
 * retired meanwhile. What it sees last has no worker twice, and none missing.
 */
void ed_board_look(const struct ed_board *board,
                   void (*fn)(const struct ed_board *board, void *arg),
                   void *arg);

/* Master: the reload of that number is over. */
void ed_board_end_reload(struct ed_board *board, uint64_t number,
                         enum ed_reload_end how);

/* The number of the last reload that is over; 0: there was none. */
uint64_t ed_board_reload(const struct ed_board *board, enum ed_reload_end *how);

/* What to tell people of one that came to nothing; NULL of one that did not. */
const char *ed_board_reload_text(enum ed_reload_end how);

/* Master: this process's log level, set since, is that of whoever comes. */
void ed_board_keep_level(struct ed_board *board);

/* Others: take it up, if there is one. */
void ed_board_use_level(const struct ed_board *board);

static inline size_t ed_slot_number(const struct ed_board *board,
                                    const struct ed_slot *slot)
{
    return (size_t)(slot - board->slots);
}

#endif
