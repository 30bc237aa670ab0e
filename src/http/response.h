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

/* Closes a response that is not the caller's: the fetch goes on without it, or
 * its failure is told of elsewhere. The client's hook hears nothing of it. Does
 * not suspend. */
void ed_res_discard(ed_res *res);

/* What went wrong with an exchange, in words; room for a reason of TLS (which
 * has ED_TLS_WHY) in them. */
#define ED_FAILURE_TEXT 320
void ed_res_failure_text(const struct ed_res_failure *failure,
                         char text[ED_FAILURE_TEXT]);

#endif
