/*
 * coding_choice.h - which content coding a client would like best (RFC 9110,
 * 12.5.3). Pure functions.
 */
#ifndef EDDY_WIRE_CODING_CHOICE_H
#define EDDY_WIRE_CODING_CHOICE_H

#include "wire/coding.h"

/* The body as it is. */
enum { ED_CODING_IDENTITY = -1 };

/*
 * The coding to send to who sent that Accept-Encoding field (several are joined
 * by commas; none: empty), out of `count` that are offered, the preferred
 * first: that of the highest quality, before identity unless this has a higher
 * one. ED_CODING_IDENTITY when the client takes none of them, even if it does
 * not take that either.
 */
int ed_coding_choose(struct ed_bytes accept_encoding, const uint8_t *offered,
                     size_t count);

#endif
