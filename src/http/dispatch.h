/*
 * dispatch.h - one sending of a request: when, and to which address.
 */
#ifndef EDDY_HTTP_DISPATCH_H
#define EDDY_HTTP_DISPATCH_H

#include "http/policy.h"

/*
 * Waits for a slot of the origin's limit, chooses an address, sends, and notes
 * what that tells of both. An address that takes no connection is passed over
 * for the next, each once. `journey`, whose plan `plan` is, may be a copy of
 * the sending's. Suspends. As ed_attempt(), and ED_EOVERLOAD.
 */
ED_CHECK int ed_dispatch(struct ed_sending *sending, struct ed_journey *journey,
                         struct ed_attempt_plan *plan, ed_res **out);

#endif
