/*
 * pg_wire.h - integers as PostgreSQL's binary formats have them: big-endian.
 */
#ifndef EDDY_WIRE_PG_WIRE_H
#define EDDY_WIRE_PG_WIRE_H

#include <endian.h>
#include <eddy/bytes.h>

static inline uint16_t pg_u16(const char *at)
{
    uint16_t n;

    memcpy(&n, at, sizeof n);
    return be16toh(n);
}

static inline uint32_t pg_u32(const char *at)
{
    uint32_t n;

    memcpy(&n, at, sizeof n);
    return be32toh(n);
}

static inline uint64_t pg_u64(const char *at)
{
    uint64_t n;

    memcpy(&n, at, sizeof n);
    return be64toh(n);
}

#endif
