/*
 * accept_coding.h - which content codings a client takes (RFC 9110, 12.5.3).
 */
#ifndef EDDY_WIRE_ACCEPT_CODING_H
#define EDDY_WIRE_ACCEPT_CODING_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/*
 * How much a client wants a coding, in thousandths, by the value of its
 * Accept-Encoding field: 0 says never. What it does not name has the quality
 * of "*", if that is there; else it is 0, except for "identity", which is
 * taken by everybody (1). A quality that is none counts as 0.
 */
unsigned ed_accept_coding(struct ed_bytes field, struct ed_bytes coding);

#endif
