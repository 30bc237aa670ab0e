/*
 * snapshot.c - what a board says at one moment.
 */
#include "serve/snapshot.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <stdlib.h>
#include <string.h>

/* ---- looking at workers ---- */

/* A worker writes its state itself, and may have written anything. */
static enum ed_slot_state state_of(const struct ed_slot *slot)
{
    int state = atomic_load(&slot->state);

    return state >= ED_SLOT_FREE && state <= ED_SLOT_DRAINING
               ? (enum ed_slot_state)state
               : ED_SLOT_FREE;
}

static void see_worker(struct ed_seen_worker *seen, const struct ed_slot *slot,
                       const struct ed_snapshot *s)
{
    int64_t beat = atomic_load(&slot->beat);

    seen->pid = atomic_load(&slot->pid);
    seen->state = state_of(slot);
    seen->generation = atomic_load(&slot->generation);
    seen->age = s->now - atomic_load(&slot->started);
    seen->beat_age = beat ? s->at - beat : -1;
    seen->open = atomic_load(&slot->open);
    seen->in_flight = atomic_load(&slot->in_flight);
    seen->queued = atomic_load(&slot->queued);
    seen->limit = atomic_load(&slot->limit);
    seen->memory = atomic_load(&slot->memory);
    seen->cpu = atomic_load(&slot->cpu);
    ed_counters_clear(&seen->counters);
    ed_counters_add(&seen->counters, &slot->counters);
    for (size_t i = 0; i < ED_STANDSTILLS; i++)
        ed_standstill_read(slot->standstills, i, &seen->standstills[i]);
}

static void add_worker(struct ed_snapshot *s, const struct ed_board *board,
                       unsigned slot)
{
    struct ed_seen_worker *seen = &s->workers[s->count];

    seen->slot = slot;
    see_worker(seen, &board->slots[slot], s);
    /* It has gone, or is only about to come. */
    if (seen->state == ED_SLOT_FREE || !seen->pid)
        return;
    s->count++;
    s->states[seen->state]++;
    s->open += seen->open;
    s->in_flight += seen->in_flight;
    s->queued += seen->queued;
    s->cpu += (uint64_t)seen->cpu;
    ed_counters_add(&s->all, &seen->counters);
}

static void see_all(const struct ed_board *board, void *arg)
{
    struct ed_snapshot *s = arg;

    s->at = ed_clock_monotonic();
    s->now = ed_clock_realtime();
    s->open = s->in_flight = s->queued = 0;
    s->count = 0;
    memset(s->states, 0, sizeof s->states);
    s->cpu = atomic_load(&board->retired_cpu);
    ed_counters_clear(&s->all);
    ed_counters_add(&s->all, &board->retired);
    for (unsigned i = 0; i < ED_BOARD_SLOTS && s->count < s->room; i++) {
        if (atomic_load(&board->slots[i].state) != ED_SLOT_FREE)
            add_worker(s, board, i);
    }
}

/* ---- memory ---- */

/* Workers that may come while it is looked. */
enum { SPARE = 8 };

static size_t workers_there(const struct ed_board *board)
{
    size_t n = 0;

    for (size_t i = 0; i < ED_BOARD_SLOTS; i++)
        n += atomic_load(&board->slots[i].state) != ED_SLOT_FREE;
    return n;
}

int ed_snapshot_take(struct ed_snapshot *s, const struct ed_board *board)
{
    size_t wanted = workers_there(board) + SPARE;

    if (wanted > s->room) {
        ed_snapshot_free(s);
        s->workers = calloc(wanted, sizeof *s->workers);
        if (!s->workers)
            return ED_ENOMEM;
        s->room = wanted;
    }
    ed_board_look(board, see_all, s);
    return 0;
}

void ed_snapshot_free(struct ed_snapshot *s)
{
    free(s->workers);
    memset((void *)s, 0, sizeof *s);
}

const struct ed_seen_worker *ed_snapshot_find(const struct ed_snapshot *s,
                                              int pid)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->workers[i].pid == pid)
            return &s->workers[i];
    }
    return NULL;
}

/* ---- the whole ---- */

const char *ed_board_unready(const struct ed_board *board)
{
    bool starting = false;

    if (!atomic_load(&board->ready))
        return "draining";
    for (size_t i = 0; i < ED_BOARD_SLOTS; i++) {
        int state = atomic_load(&board->slots[i].state);
        if (state == ED_SLOT_READY)
            return NULL;
        starting = starting || state == ED_SLOT_STARTING;
    }
    return starting ? "the workers are starting" : "there are no workers";
}

const char *ed_slot_state_name(enum ed_slot_state state)
{
    static const char *const names[] = {
        [ED_SLOT_FREE] = "free",
        [ED_SLOT_STARTING] = "starting",
        [ED_SLOT_READY] = "ready",
        [ED_SLOT_DRAINING] = "draining",
    };

    return names[state];
}
