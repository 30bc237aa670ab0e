/*
 * suffix.h - public suffixes: names such as "co.uk" below which anybody can
 * have a name, by the list of libpsl.
 *
 * Names are in small letters and ASCII, without a dot at either end. Nothing
 * suspends; any thread.
 */
#ifndef EDDY_HTTP_SUFFIX_H
#define EDDY_HTTP_SUFFIX_H

#include <eddy/api.h>

/* A name without a dot is one, whether the list has it or not. */
bool ed_suffix_is_public(const char *name);

/* What belongs to one owner: the end of `host`, one label longer than its
 * public suffix; all of it when that is a public suffix itself. */
const char *ed_suffix_site(const char *host);

#endif
