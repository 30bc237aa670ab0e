/*
 * range.h - which parts of a whole a request asks for (RFC 9110, 14.1 and
 * 14.2).
 */
#ifndef EDDY_WIRE_RANGE_H
#define EDDY_WIRE_RANGE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_range {
    int64_t first; /* byte, from 0 */
    int64_t last;
};

/* A reader of PDF files asks for a handful; nobody needs more at once. */
#define ED_RANGES_MAX 16

/* What a part costs besides its bytes: ranges that lie closer together are
 * sent as one (RFC 9110, 15.3.7.2). */
#define ED_RANGES_GAP 80

struct ed_ranges {
    unsigned count;
    struct ed_range list[ED_RANGES_MAX]; /* none touches another */
};

enum ed_ranges_result {
    /* Not to be heeded: malformed, another unit, or more than
     * ED_RANGES_MAX of them. */
    ED_RANGES_IGNORED,
    ED_RANGES_SOME,
    ED_RANGES_UNSATISFIABLE, /* well-formed, but nothing of it is there */
};

/*
 * Reads the value of a Range field, for a whole of `size` bytes. What comes out
 * lies within the whole and does not overlap, so all of it together is never
 * larger; ranges that overlap, or nearly touch, have become one, in the place
 * of the first of them.
 */
enum ed_ranges_result ed_ranges_parse(struct ed_ranges *ranges,
                                      struct ed_bytes field, int64_t size);

#endif
