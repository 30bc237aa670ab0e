/*
 * spread.c - when a worker leaves the next connection to another.
 *
 * Looks at the slots of all ready workers whenever a connection was taken, and
 * at nothing in between. A worker that takes none although it was favoured,
 * since it is stopped or its loop stands still, is not waited for again before
 * some time has passed: else each connection would be late by a hold as long as
 * that lasts.
 */
#include "serve/spread.h"

#include <eddy/clock.h>
#include <eddy/fiber.h>
#include "base/list.h"

/* Longer than another worker takes to wake up, and little beside the time in
 * which a connection comes over a network. */
static const int64_t HOLD = ED_MS;

/* What is taken this soon after a hold has waited for its end. */
static const int64_t SOON = 2 * ED_MS;

/* How long one that takes nothing is not waited for. */
static const int64_t SHUN = 100 * ED_MS;

/* Differences that do not matter: two connections, and one in eight. */
enum { SLACK = 2, SLACK_SHARE = 8 };

static uint32_t open_of(const struct ed_slot *slot)
{
    return atomic_load_explicit(&slot->open, memory_order_relaxed);
}

static bool is_eligible(const struct ed_spread *spread, size_t i, int64_t now)
{
    const struct ed_slot *slot = &spread->board->slots[i];

    return slot != spread->slot && spread->shunned_until[i] <= now &&
           atomic_load_explicit(&slot->state, memory_order_relaxed) ==
               ED_SLOT_READY;
}

/* ED_BOARD_SLOTS: there is no other. */
static size_t least_loaded(const struct ed_spread *spread, int64_t now)
{
    size_t least = ED_BOARD_SLOTS;

    for (size_t i = 0; i < ED_BOARD_SLOTS; i++) {
        if (!is_eligible(spread, i, now))
            continue;
        if (least == ED_BOARD_SLOTS ||
            open_of(&spread->board->slots[i]) <
                open_of(&spread->board->slots[least]))
            least = i;
    }
    return least;
}

/* Held back for it, and it has done nothing with connections since. Who holds
 * back for a single one often does so when there is none to come: then it is in
 * vain only if one waited, which is taken right after the hold. */
static bool was_in_vain(const struct ed_spread *spread, size_t i, int64_t now)
{
    return i == spread->favoured && spread->held_until &&
           now >= spread->held_until &&
           (!spread->exact || now < spread->held_until + SOON) &&
           open_of(&spread->board->slots[i]) == spread->its_open;
}

int64_t ed_spread_hold(struct ed_spread *spread, uint32_t open, int64_t now)
{
    size_t i = least_loaded(spread, now);

    if (i < ED_BOARD_SLOTS && was_in_vain(spread, i, now)) {
        spread->shunned_until[i] = now + SHUN;
        spread->held_until = 0;
        i = least_loaded(spread, now);
    }
    if (i == ED_BOARD_SLOTS)
        return 0;
    uint32_t its_open = open_of(&spread->board->slots[i]);
    if (open <= its_open + its_open / SLACK_SHARE + (spread->exact ? 0 : SLACK))
        return 0;
    spread->favoured = i;
    spread->its_open = its_open;
    spread->held_until = now + HOLD;
    return spread->held_until;
}

static void changed(struct ed_server_gate *gate, ed_server *server,
                    unsigned open, bool came)
{
    struct ed_spread *spread = ED_CONTAINER(gate, struct ed_spread, gate);

    atomic_store_explicit(&spread->slot->open, open, memory_order_relaxed);
    int64_t until = came ? ed_spread_hold(spread, open, ed_now()) : 0;
    if (until)
        ed_server_hold(server, until);
}

void ed_spread_begin(struct ed_spread *spread, ed_server *server,
                     const struct ed_board *board, struct ed_slot *slot)
{
    *spread = (struct ed_spread){
        .gate.changed = changed,
        .board = board,
        .slot = slot,
    };
    ed_server_set_gate(server, &spread->gate);
}
