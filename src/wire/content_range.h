/*
 * content_range.h - which part of a whole a response is (RFC 9110, 14.4).
 */
#ifndef EDDY_WIRE_CONTENT_RANGE_H
#define EDDY_WIRE_CONTENT_RANGE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_content_range {
    int64_t first; /* byte, from 0 */
    int64_t last;
    int64_t whole; /* size of it; -1: not told */
};

/* Reads "bytes 0-499/1234", or one with an asterisk for the size. 0, or
 * ED_EPARSE, also for other units, for a range that is not within the whole,
 * and for the form that tells of no range. */
ED_CHECK int ed_content_range_parse(struct ed_content_range *range,
                                    struct ed_bytes text);

#endif
