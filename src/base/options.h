/*
 * options.h - taking options from a caller that may be older or newer than
 * the library: a member the caller's struct does not reach is zero, the
 * default; one the library does not know is not read.
 */
#ifndef EDDY_BASE_OPTIONS_H
#define EDDY_BASE_OPTIONS_H

#include <stddef.h>
#include <string.h>

/* `given` points to a struct that begins with its size, as ED_OPTIONS() makes
 * it; `to` is of the library's own size. */
static inline void ed_options_take(void *to, size_t size, const void *given)
{
    size_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    size_t common = given_size < size ? given_size : size;
    memcpy(to, given, common);
    memset((char *)to + common, 0, size - common);
}

/* Declares `name`, a copy of the options at `given`. */
#define ED_OPTIONS_TAKE(type, name, given) \
    type name;                             \
    ed_options_take(&name, sizeof name, (given))

#endif
