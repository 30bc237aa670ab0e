/*
 * payload.h - bodies of requests that are given as a form or a file.
 *
 * They become what the rings below know: bytes, or a `send` with a length that
 * can be rewound. Files are open from the start of a journey to its end.
 */
#ifndef EDDY_HTTP_PAYLOAD_H
#define EDDY_HTTP_PAYLOAD_H

#include "http/journey.h"

/*
 * Makes the journey's options say body, or send, of what is given as a form or
 * a file, which is opened for it. journey->payload is to be closed, also on
 * failure. Suspends if there are files. 0, or, explained,
 *   ED_EUSAGE  more than one body; a form that is not well filled in; a file
 *              that is none with a length
 *   ED_ENOMEM, ED_ECANCELED, ED_ETIMEOUT, -ENOENT, -EACCES, -EISDIR, ...
 */
ED_CHECK int ed_payload_open(struct ed_journey *journey);

/* Closes the files; NULL is fine. */
void ed_payload_close(struct ed_payload *payload);

#endif
