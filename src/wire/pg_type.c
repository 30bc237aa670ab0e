/*
 * pg_type.c - the types of PostgreSQL, by their numbers.
 */
#include "wire/pg_type.h"

/* A row for each type, and one for its array behind it. */
static const struct pg_type types[] = {
#define PG_TYPE(kind, name, oid, array, faster) \
    {kind, PG_UNKNOWN, faster, name}, {PG_ARRAY, kind, true, name},
#include "wire/pg_type.def"
#undef PG_TYPE
};

/* The rows' indexes, in their order. */
enum row {
#define PG_TYPE(kind, name, oid, array, faster) ROW_##oid, ROW_##array,
#include "wire/pg_type.def"
#undef PG_TYPE
};

const struct pg_type *pg_type_of(uint32_t oid)
{
    static const struct pg_type unknown = {PG_UNKNOWN, PG_UNKNOWN, false,
                                           "this type"};

    switch (oid) {
#define PG_TYPE(kind, name, oid, array, faster) \
    case oid:                                   \
        return &types[ROW_##oid];               \
    case array:                                 \
        return &types[ROW_##array];
#include "wire/pg_type.def"
#undef PG_TYPE
    default:
        return &unknown;
    }
}

enum pg_kind pg_kind_of(uint32_t oid)
{
    return pg_type_of(oid)->kind;
}
