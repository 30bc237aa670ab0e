/*
 * encode.h - parameters as libpq wants them.
 *
 * Most are sent as text, whose reading the server does by the type it inferred;
 * bytea and uuid as binary, with their type said.
 */
#ifndef EDDY_PG_ENCODE_H
#define EDDY_PG_ENCODE_H

#include <eddy/pg_value.h>
#include <libpq-fe.h>

/* The arguments of PQsendPrepare() and PQsendQueryPrepared(). */
struct pg_params {
    int count;
    const char **values;
    int *lengths;
    int *formats;
    Oid *types;         /* 0: the server infers it */
    struct ed_buf text; /* what the values are written in; kept for the next */
    void *room;         /* of the arrays */
    size_t room_for;
};

/*
 * Writes down `count` values, replacing what *p held. `values` and what they
 * point to must stay as long as *p is used. 0, ED_ENOMEM, or ED_EUSAGE with
 * ed_error() naming the parameter ("$2": holds a NUL, is not UTF-8, a NaN date,
 * a json that is none ...).
 */
ED_CHECK int pg_encode(struct pg_params *p, const struct ed_pg_value *values,
                       size_t count);

void pg_params_free(struct pg_params *p);

/* Adds a value as COPY's text format has it, without the delimiter. */
ED_CHECK int pg_encode_copy(struct ed_buf *out,
                            const struct ed_pg_value *value);

#endif
