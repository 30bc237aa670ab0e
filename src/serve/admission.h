/*
 * admission.h - how many requests of a worker are handled at once, and what
 * becomes of the others.
 *
 * They wait in line, in the order they came, at most so many and each for so
 * long; who has to wait longer, or finds the line full, gets 503 with a
 * Retry-After. A request whose client has left, or whose deadline has passed,
 * is never run. Waiting counts for the deadline, which begins with the
 * request.
 *
 * A handler has its place until it returns: one that goes on for long, such as
 * a stream of events or a WebSocket served in its fiber, keeps it so long.
 */
#ifndef EDDY_SERVE_ADMISSION_H
#define EDDY_SERVE_ADMISSION_H

#include "http/limit.h"
#include "http/message.h"
#include "serve/board.h"
#include "serve/settings.h"

struct ed_admission {
    const struct ed_settings *settings;
    struct ed_slot *slot; /* its `queued` and `limit` are kept */
    struct ed_limits limits;
    struct ed_limiter limiter;
};

/* Reads max_in_flight, adaptive, queue_limit, queue_timeout and vital of the
 * settings, which are borrowed as the slot is. */
void ed_admission_open(struct ed_admission *a,
                       const struct ed_settings *settings,
                       struct ed_slot *slot);

/* Runs the handler when it is the request's turn, or answers in its place.
 * Suspends. Returns what the handler does, ED_ECANCELED or ED_ETIMEOUT; after
 * a 503 of its own, 0. */
ED_CHECK int ed_admission_run(struct ed_admission *a, ed_req *req,
                              ed_handler *handler);

#endif
