/*
 * auth.h - saying who asks: basic (RFC 7617), digest (RFC 7616) and bearer (RFC
 * 6750) authentication of a fetch.
 */
#ifndef EDDY_HTTP_AUTH_H
#define EDDY_HTTP_AUTH_H

#include "http/journey.h"

/* Adds the Authorization field for what is asked for next, as far as it is
 * known what to say. 0, or an error, explained. */
ED_CHECK int ed_auth_send(struct ed_journey *journey);

/*
 * Answers the challenge of a 401, the strongest if there are several: what the
 * journey sends next will carry it. May suspend when the body has to be made
 * ready again. Returns 1; 0 when there is none that can be answered, or it was
 * answered already; or an error, explained.
 */
ED_CHECK int ed_auth_answer(struct ed_journey *journey, const ed_res *res);

/* Notes what a response says about the next request (Authentication-Info). */
void ed_auth_receive(struct ed_journey *journey, const ed_res *res);

/* Frees what a client remembers of challenges. */
void ed_auth_forget(ed_client *client);

#endif
