/*
 * hedge.h - sending a request a second time while the first is not answered.
 */
#ifndef EDDY_HTTP_HEDGE_H
#define EDDY_HTTP_HEDGE_H

#include "http/policy.h"

/* Sends a request, and maybe another beside it. Suspends. As ed_attempt(). */
ED_CHECK int ed_hedge_send(struct ed_sending *sending, ed_res **out);

#endif
