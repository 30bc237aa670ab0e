/*
 * policy.h - how often, how soon and to whom a request is sent: retries,
 * hedging, balancing, ejection, limits.
 */
#ifndef EDDY_HTTP_POLICY_H
#define EDDY_HTTP_POLICY_H

#include "http/journey.h"

/* Sends what the journey asks for next, in as many attempts as the client's
 * policies give it. Suspends. As ed_attempt() otherwise. */
ED_CHECK int ed_policy_send(struct ed_journey *journey, ed_res **out);

#endif
