/*
 * pg_uuid.h - uuids, as 16 bytes and as text (RFC 9562, section 4).
 *
 * Pure; any thread.
 */
#ifndef EDDY_WIRE_PG_UUID_H
#define EDDY_WIRE_PG_UUID_H

#include <eddy/bytes.h>

#define PG_UUID_TEXT 36

/* Writes 36 bytes, without a NUL; returns their end. */
char *pg_uuid_print(char *at, const uint8_t uuid[16]);

/* 0, or ED_EPARSE. */
ED_CHECK int pg_uuid_read(struct ed_bytes text, uint8_t uuid[16]);

#endif
