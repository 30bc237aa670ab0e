/*
 * request_body.h - the body of a request that the caller gives in pieces.
 *
 * It is sent by whoever waits for the response: ed_fetch() until there is one,
 * then ed_res_read(), so that a server that answers as it reads is never
 * waited for in vain.
 */
#ifndef EDDY_HTTP_REQUEST_BODY_H
#define EDDY_HTTP_REQUEST_BODY_H

#include "http/exchange.h"

/* Gives `res` a body to send, framed as the head says: `length` bytes, or
 * chunked if it is not positive. res->about must be set. 0 or ED_ENOMEM. */
ED_CHECK int ed_request_body_new(ed_res *res,
                                 const struct ed_fetch_options *options);

/* Whether another piece can be sent now: none is on its way, and the server
 * still wants it. */
bool ed_request_body_ready(const ed_res *res);

/*
 * Asks the caller for the next piece, and begins to send it. Suspends if the
 * caller does. Returns 0, or the caller's error, or ED_EUSAGE when the body
 * has another length than was told; ed_error() says so.
 */
ED_CHECK int ed_request_body_pump(ed_res *res);

/* Frees it, if there is one. */
void ed_request_body_free(ed_res *res);

#endif
