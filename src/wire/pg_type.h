/*
 * pg_type.h - the types of PostgreSQL, by their numbers.
 *
 * Pure; any thread.
 */
#ifndef EDDY_WIRE_PG_TYPE_H
#define EDDY_WIRE_PG_TYPE_H

#include <eddy/api.h>

/* What the bytes of a value mean. */
enum pg_kind {
    PG_UNKNOWN, /* a type that is not in the table: only its text is read */
    PG_BOOL,
    PG_INT2,
    PG_INT4,
    PG_INT8,
    PG_OID,
    PG_FLOAT4,
    PG_FLOAT8,
    PG_NUMERIC,
    PG_TEXT,
    PG_BYTEA,
    PG_DATE,
    PG_TIME,
    PG_TIMESTAMP,
    PG_TIMESTAMPTZ,
    PG_INTERVAL,
    PG_UUID,
    PG_JSON,
    PG_JSONB,
    PG_ARRAY,
};

struct pg_type {
    enum pg_kind kind;
    enum pg_kind element; /* of an ARRAY */
    bool binary_faster;
    const char *name; /* of an array: that of its elements */
};

/* Never NULL. */
const struct pg_type *pg_type_of(uint32_t oid);

/* The kind of an array's elements: what says a type in it. */
enum pg_kind pg_kind_of(uint32_t oid);

#endif
