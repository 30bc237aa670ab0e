/*
 * response.h - streamed responses, below their codings.
 */
#ifndef EDDY_HTTP_RESPONSE_H
#define EDDY_HTTP_RESPONSE_H

#include "http/exchange.h"

/* ed_res_read() of a streamed body as it was sent; `len` is not 0. */
ED_CHECK ssize_t ed_res_read_raw(ed_res *res, void *buf, size_t len);

/* Ends the exchange, unless it has, and makes every later read fail as this
 * one: returns `err`, explained. `why` is static; NULL: the error's text. */
ssize_t ed_res_fail_read(ed_res *res, int err, const char *why);

#endif
