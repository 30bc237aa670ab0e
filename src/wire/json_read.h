/*
 * json_read.h - texts of JSON that somebody else has written, as values of
 * jansson.
 */
#ifndef EDDY_WIRE_JSON_READ_H
#define EDDY_WIRE_JSON_READ_H

#include <eddy/json.h>
#include <jansson.h>

/* As json_loadb(), but a text of more than ED_JSON_READ_DEPTH levels is an
 * error as well. `error` may be NULL. */
json_t *ed_json_load(struct ed_bytes text, size_t flags, json_error_t *error);

#endif
