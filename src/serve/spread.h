/*
 * spread.h - a brake that spreads connections evenly over the workers which
 * share a listener.
 *
 * The system wakes the same worker for each connection as long as that one is
 * idle. So a worker that has noticeably more connections than another holds
 * back for a moment, after which it is the last in the line of those to be
 * woken. Why so, and not otherwise: docs/serve_accept.md.
 */
#ifndef EDDY_SERVE_SPREAD_H
#define EDDY_SERVE_SPREAD_H

#include "http/gate.h"
#include "serve/board.h"

struct ed_spread {
    struct ed_server_gate gate;
    const struct ed_board *board;
    struct ed_slot *slot; /* its own */
    bool exact;           /* one connection more than another is noticeable */
    size_t favoured;      /* the slot it held back for at last */
    uint32_t its_open;    /* how many connections that one had then */
    int64_t held_until;   /* 0: never yet */
    int64_t shunned_until[ED_BOARD_SLOTS];
};

/* Keeps the slot's `open` true to the server, and has the server hold back as
 * described. The three must live until the server is freed. `exact` may be set
 * afterwards, for workers that are at few requests at a time. */
void ed_spread_begin(struct ed_spread *spread, ed_server *server,
                     const struct ed_board *board, struct ed_slot *slot);

/* What the brake decides, for a worker that has just taken a connection: until
 * when to hold back; 0: not at all. */
int64_t ed_spread_hold(struct ed_spread *spread, uint32_t open, int64_t now);

#endif
