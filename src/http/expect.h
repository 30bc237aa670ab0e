/*
 * expect.h - asking whether a body is wanted before it is sent (Expect:
 * 100-continue, RFC 9110, 10.1.1).
 */
#ifndef EDDY_HTTP_EXPECT_H
#define EDDY_HTTP_EXPECT_H

#include "http/journey.h"

/* Whether to ask: only of requests that have a body. */
static inline bool ed_expect_asks(const struct ed_fetch_options *o)
{
    return o->expect_continue && (o->send || o->body.len);
}

/*
 * After the head was sent: waits until the server asks for the body, or has
 * said nothing for a second; or has answered, res->body_held then being set: it
 * wants none. The connection cannot carry another request in that case, since
 * the server may still wait for that body. Suspends. 0, ED_ECANCELED or
 * ED_ETIMEOUT.
 */
ED_CHECK int ed_expect_wait(ed_res *res);

/* Whether the server does not know what it was asked (417), and the request can
 * be sent once more without; *res is given up then, and the journey does not
 * ask again. */
bool ed_expect_failed(struct ed_journey *journey, ed_res *res);

#endif
