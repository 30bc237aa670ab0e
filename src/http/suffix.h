/*
 * suffix.h - public suffixes: names such as "co.uk" below which anybody can
 * have a name, by the list of libpsl.
 *
 * Names are in small letters and ASCII, without a dot before them; one behind
 * them changes nothing. Nothing suspends; any thread.
 */
#ifndef EDDY_HTTP_SUFFIX_H
#define EDDY_HTTP_SUFFIX_H

#include <eddy/api.h>

/* What can be asked about; of longer ones anybody might have a part. */
#define ED_SUFFIX_NAME_MAX 330

/* A name without a dot is one, whether the list has it or not. */
bool ed_suffix_is_public(const char *host);

/* What belongs to one owner: the end of `host`, one label longer than its
 * public suffix; all of it when that is a public suffix itself. */
const char *ed_suffix_site(const char *host);

#endif
