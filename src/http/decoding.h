/*
 * decoding.h - bodies of responses, decoded because the client asked for
 * codings.
 */
#ifndef EDDY_HTTP_DECODING_H
#define EDDY_HTTP_DECODING_H

#include "http/journey.h"

/*
 * Decodes the body of a response that is whole, into its arena; of one that is
 * streamed, sees to it that ed_res_read() does. One that has no coding, or has
 * one without having been asked to or that is unknown, stays as it is. Suspends
 * to let others run. 0, ED_ECODING, ED_EBODYLIMIT, ED_ENOMEM, ED_ECANCELED or
 * ED_ETIMEOUT, explained.
 */
ED_CHECK int ed_decoding_begin(const struct ed_journey *journey, ed_res *res);

/* ed_res_read() of a response with codings. */
ED_CHECK ssize_t ed_decoding_read(ed_res *res, void *buf, size_t len);

/* Frees what it takes, if there is something. */
void ed_decoding_free(ed_res *res);

#endif
