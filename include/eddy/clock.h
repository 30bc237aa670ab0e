/*
 * clock.h - monotonic nanoseconds, and wall-clock text. Nothing here suspends;
 * any thread.
 */
#ifndef EDDY_CLOCK_H
#define EDDY_CLOCK_H

#include <eddy/api.h>

ED_BEGIN_DECLS

/* The system's monotonic clock, in nanoseconds. Inside a loop prefer ed_now()
 * (fiber.h), which costs nothing and follows a test's virtual clock. */
ED_API int64_t ed_clock_monotonic(void);

/* Nanoseconds since 1970 UTC. */
ED_API int64_t ed_clock_realtime(void);

/* Length of an HTTP date, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). */
#define ED_HTTP_DATE_LEN 29

/* Writes the HTTP date of `unix_s` seconds since 1970, ED_HTTP_DATE_LEN bytes
 * and a NUL. Times outside of the years 0 to 9999 become the nearest one
 * inside. */
ED_API void ed_http_date(char out[ED_HTTP_DATE_LEN + 1], int64_t unix_s);

/* Length of a date as logs have it, "2026-11-20T18:31:52.123Z" (RFC 3339). */
#define ED_ISO_DATE_LEN 24

/* Writes the date of `unix_ns` nanoseconds since 1970, to the millisecond,
 * ED_ISO_DATE_LEN bytes and a NUL. */
ED_API void ed_iso_date(char out[ED_ISO_DATE_LEN + 1], int64_t unix_ns);

ED_END_DECLS
#endif
