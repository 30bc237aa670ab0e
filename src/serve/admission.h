/*
 * admission.h - how many requests of a worker are handled at once, and what
 * becomes of the others.
 *
 * They wait in line, at most so many and each for so long; who has to wait
 * longer, or finds the line full, gets 503 with a Retry-After. A request whose
 * client has left, or whose deadline has passed, is never run. Waiting counts
 * for the deadline, which begins with the request. Those for vital paths
 * neither wait nor count.
 *
 * A handler has its place until its reply begins, the connection is taken over,
 * it gives the place back (ed_req_give_place()) or returns. From then on it is
 * the client who sets the pace: neither streams of events, nor WebSockets, nor
 * those who read slowly can use up all places.
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
    int64_t stay; /* how long a place is taken, lately */
};

/* Reads max_in_flight, adaptive, queue_limit, queue_timeout and vital of the
 * settings, which are borrowed as the slot is. */
void ed_admission_open(struct ed_admission *a,
                       const struct ed_settings *settings,
                       struct ed_slot *slot);

/* Runs the handler when it is the request's turn, or answers in its place.
 * Suspends. Returns what the handler does, or ED_ECANCELED; after a 503 of its
 * own what replying returned. */
ED_CHECK int ed_admission_run(struct ed_admission *a, ed_req *req,
                              ed_handler *handler);

/* For lines that others keep: so many more wait, or fewer, if negative; one has
 * waited so long; and a 503 with a Retry-After of at least `wait`. The last
 * suspends as replying does, and returns what that does. */
void ed_admission_line(struct ed_admission *a, int more);
void ed_admission_waited(struct ed_admission *a, ed_req *req, int64_t waited);
int ed_admission_send_away(struct ed_admission *a, ed_req *req, int64_t wait);

#endif
