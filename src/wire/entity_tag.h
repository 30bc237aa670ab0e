/*
 * entity_tag.h - entity tags in lists (RFC 9110, 8.8.3 and 13.1).
 */
#ifndef EDDY_WIRE_ENTITY_TAG_H
#define EDDY_WIRE_ENTITY_TAG_H

#include <eddy/api.h>
#include <eddy/bytes.h>

/*
 * Whether the value of an If-Match or If-None-Match field, a list of tags or
 * "*", names `tag` (quotes included). By strong comparison, weak tags are equal
 * to nothing; by weak comparison the mark of weakness does not count. What
 * stands behind a malformed element is not looked at.
 */
bool ed_entity_tag_in(struct ed_bytes field, struct ed_bytes tag, bool strong);

#endif
