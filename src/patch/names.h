/*
 * names.h - addresses of names for getaddrinfo() and gethostbyname().
 */
#ifndef EDDY_PATCH_NAMES_H
#define EDDY_PATCH_NAMES_H

#include <eddy/dns.h>

/* Whether the name is an address already, "127.1" too: libc then asks nobody.
 */
bool ed_patch_is_address(const char *name);

/* ed_resolve(), with a failure told as EAI_NONAME, EAI_NODATA (the name has no
 * such address), EAI_AGAIN (no name server said), EAI_MEMORY or, errno saying
 * more, EAI_SYSTEM. Suspends. */
int ed_patch_resolve(const char *name, int family, struct ed_addrs *found);

#endif
