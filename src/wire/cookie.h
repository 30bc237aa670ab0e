/*
 * cookie.h - the Cookie field of a request (RFC 6265, 5.4).
 *
 * Pure functions; views point into the text that was given.
 */
#ifndef EDDY_WIRE_COOKIE_H
#define EDDY_WIRE_COOKIE_H

#include <eddy/bytes.h>

/*
 * Takes the next "name=value" off a Cookie field's value. Spaces and tabs
 * around names, values and semicolons do not count; nothing is decoded, and
 * quotes around a value stay. Pieces without '=' or without a name are
 * skipped. False at the end.
 *
 *     struct ed_bytes rest = cookie_field, name, value;
 *     while (ed_cookie_next(&rest, &name, &value))
 *         ...
 */
bool ed_cookie_next(struct ed_bytes *rest, struct ed_bytes *name,
                    struct ed_bytes *value);

/* Finds the first cookie of that name, letter case counting. False, and
 * *value untouched, when there is none. */
bool ed_cookie_find(struct ed_bytes field, struct ed_bytes name,
                    struct ed_bytes *value);

#endif
