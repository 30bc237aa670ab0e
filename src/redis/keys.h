/*
 * keys.h - the key a request is about.
 */
#ifndef EDDY_REDIS_KEYS_H
#define EDDY_REDIS_KEYS_H

#include "redis/request.h"

/* The first key of the first of its commands that has one; false: none does.
 * Valid until the request changes. */
bool redis_request_key(const struct redis_request *request,
                       struct ed_bytes *key);

#endif
