/*
 * host_map.h - names that a client does not resolve, and where they are.
 */
#ifndef EDDY_HTTP_HOST_MAP_H
#define EDDY_HTTP_HOST_MAP_H

#include <eddy/addr.h>

struct ed_host_map; /* NULL: an empty one */

/* Reads rules as ed_client_options.hosts has them. 0, ED_ENOMEM, or ED_EUSAGE,
 * ed_error() naming the rule. */
ED_CHECK int ed_host_map_new(struct ed_host_map **out,
                             const char *const *rules);
void ed_host_map_free(struct ed_host_map *map);

/* Where a host and port are, as the first rule for them says. False when there
 * is none. */
bool ed_host_map_find(const struct ed_host_map *map, struct ed_bytes host,
                      uint16_t port, struct ed_addr *out);

#endif
