/*
 * date.h - reads dates, as HTTP and cookies have them. The writer is
 * ed_http_date() (clock.h).
 *
 * Pure functions; seconds of Unix time, without leap seconds.
 */
#ifndef EDDY_WIRE_DATE_H
#define EDDY_WIRE_DATE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/*
 * Reads an HTTP date (RFC 9110, 5.6.7) in any of its three forms: "Sun, 06 Nov
 * 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" and "Sun Nov  6 08:49:37
 * 1994". A year of two digits is in the century that brings it closest to
 * `now`, but no more than 50 years ahead of it. The day of the week has to be
 * one, and need not be true. Returns 0, or ED_EPARSE with *unix_s untouched.
 */
ED_CHECK int ed_date_parse(struct ed_bytes text, int64_t now, int64_t *unix_s);

/* Reads the date of a cookie's Expires by the algorithm of RFC 6265, 5.1.1,
 * which takes what looks like a day, a month, a year and a time in any order
 * and passes over the rest. 0, or ED_EPARSE with *unix_s untouched. */
ED_CHECK int ed_date_parse_cookie(struct ed_bytes text, int64_t *unix_s);

#endif
