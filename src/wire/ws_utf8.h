/*
 * ws_utf8.h - whether text that comes in pieces is UTF-8 (RFC 3629).
 *
 * A piece may be cut anywhere, and what is wrong is told with the piece that
 * has the first byte no valid text could have there.
 */
#ifndef EDDY_WIRE_WS_UTF8_H
#define EDDY_WIRE_WS_UTF8_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/* Zeroed: at the beginning of a text. */
struct ed_ws_utf8 {
    uint8_t missing;   /* bytes of the character at hand */
    uint8_t low, high; /* between which the next of them is */
};

/* Reads a piece. False when the text cannot become valid any more. */
ED_CHECK bool ed_ws_utf8_read(struct ed_ws_utf8 *utf8, struct ed_bytes piece);

/* Whether the text may end here: not within a character. */
static inline bool ed_ws_utf8_may_end(const struct ed_ws_utf8 *utf8)
{
    return !utf8->missing;
}

/* Whether a whole text is valid. */
ED_CHECK bool ed_ws_utf8_is_valid(struct ed_bytes text);

#endif
