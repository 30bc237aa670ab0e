/*
 * conditional.h - asking for what has changed, or for a part (RFC 9110, 13 and
 * 14).
 */
#ifndef EDDY_HTTP_CONDITIONAL_H
#define EDDY_HTTP_CONDITIONAL_H

#include "http/journey.h"

/* Adds the fields that the options `etag`, `modified_since`, `range` and
 * `if_range` ask for, and which last for the journey. 0, ED_ENOMEM, or
 * ED_EUSAGE for a range that is none, explained. */
ED_CHECK int ed_conditional_fields(struct ed_journey *journey);

#endif
