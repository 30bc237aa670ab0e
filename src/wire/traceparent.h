/*
 * traceparent.h - the traceparent field (W3C Trace Context, levels 1 and 2).
 *
 * Pure functions.
 */
#ifndef EDDY_WIRE_TRACEPARENT_H
#define EDDY_WIRE_TRACEPARENT_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* "00-" 32 digits "-" 16 digits "-01". */
#define ED_TRACEPARENT_LEN 55

enum ed_trace_flag {
    ED_TRACE_SAMPLED = 1,
    ED_TRACE_RANDOM = 2, /* the id of the trace is a random number; level 2 */
};

struct ed_traceparent {
    uint8_t trace[16];
    uint8_t span[8];
    uint8_t flags; /* those above; others mean nothing to us */
};

/*
 * Reads one. Of version 00 nothing may stand behind the flags; of a later one
 * what is known of 00 is read, if a '-' separates what follows. Returns 0, or
 * ED_EPARSE: version ff, an id that is all zero, anything but small hexadecimal
 * letters.
 */
ED_CHECK int ed_traceparent_parse(struct ed_traceparent *out,
                                  struct ed_bytes text);

/* Writes one of version 00, and a NUL. */
void ed_traceparent_write(char out[ED_TRACEPARENT_LEN + 1],
                          const struct ed_traceparent *in);

#endif
