/*
 * moment.h - points in time, as nanoseconds of the monotonic clock.
 */
#ifndef EDDY_BASE_MOMENT_H
#define EDDY_BASE_MOMENT_H

#include <eddy/api.h>

/* So long after a moment; INT64_MAX, which is never, when the clock will not
 * tell it any more. */
static inline int64_t ed_moment_after(int64_t from, int64_t span)
{
    int64_t at;

    return __builtin_add_overflow(from, span, &at) ? INT64_MAX : at;
}

#endif
