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
 * point to must stay as long as *p is used. Does not suspend; in the loop as
 * well as in fibers. 0, or with ed_error() naming the parameter ("$2: ...")
 *   ED_EVALUE  a text holds a NUL or is not UTF-8, there is no such day, a
 *              json is deeper than ED_JSON_DEPTH ...
 *   ED_EUSAGE  no value at all, more than 65535 of them, or more than 1 GiB
 *   ED_ENOMEM
 */
ED_CHECK int pg_encode(struct pg_params *p, const struct ed_pg_value *values,
                       size_t count);

void pg_params_free(struct pg_params *p);

/* Adds a value as COPY's text format has it, without the delimiter. 0 or as
 * above, with ed_error() saying what is wrong with it; `out` is then as it
 * was. */
ED_CHECK int pg_encode_copy(struct ed_buf *out,
                            const struct ed_pg_value *value);

#endif
