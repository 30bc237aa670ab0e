/*
 * pg_copy.h - COPY: many rows in or out, as a stream of bytes.
 *
 *     ed_pg_copy *in ED_PG_COPY_AUTO = NULL;
 *     int err = ed_pg_copy_in(db, &in, "copy people (id, name) from stdin");
 *     for (...)
 *         err = ed_pg_copy_row(in, ed_v(id), ed_v(name));
 *     if (!err)
 *         err = ed_pg_copy_end(in, NULL);
 *
 * The format is what the statement says: text, csv or binary. A connection is
 * held from the beginning to the end, that of `db` if it is a transaction or a
 * session. Neither side can run ahead: who writes waits for the server, and the
 * server for who reads.
 */
#ifndef EDDY_PG_COPY_H
#define EDDY_PG_COPY_H

#include <eddy/pg.h>

ED_BEGIN_DECLS

typedef struct ed_pg_copy ed_pg_copy;

/*
 * Begins COPY ... FROM STDIN, or COPY ... TO STDOUT. It is freed by
 * ed_pg_copy_close(). Suspends. Returns 0, ED_EUSAGE when the statement is
 * another one (which has been run then), or an error as of ed_pg_query().
 */
ED_API ED_CHECK int ed_pg_copy_in(ed_pg *db, ed_pg_copy **out, const char *sql);
ED_API ED_CHECK int ed_pg_copy_out(ed_pg *db, ed_pg_copy **out,
                                   const char *sql);

/*
 * Sends some bytes; they need not end where a row does. They are gathered, and
 * go out in pieces of 32 KiB. Suspends while the server is behind. Returns 0 or
 * an error as of ed_pg_query(), which ends the copy: nothing is stored, the
 * connection has been given back, and later calls return the same.
 * ED_EDATABASE: the connection broke.
 */
ED_API ED_CHECK int ed_pg_copy_write(ed_pg_copy *in, const void *ptr,
                                     size_t len);

/*
 * Sends a row in the text format with its default delimiter and null, escaped
 * as it must be; values stand in the order of the columns, names do not matter.
 * Results as above, and
 *   ED_EUSAGE  not as many values as columns, or the copy is binary
 *   ED_EVALUE  a value the format cannot hold
 * which add nothing, and the copy goes on.
 */
#define ed_pg_copy_row(in, ...) ed_pg_copy_row_((in), ED_PG_LIST_(__VA_ARGS__))
ED_API ED_CHECK int ed_pg_copy_row_(ed_pg_copy *in,
                                    const struct ed_pg_param *values);

/* The next bytes, a whole row in the text and csv formats; valid until the next
 * call. Suspends. Returns 1, 0 at the end, or an error as of ed_pg_query(),
 * which ends the copy. */
ED_API ED_CHECK int ed_pg_copy_read(ed_pg_copy *out, struct ed_bytes *bytes);

/* Ends it: all that was sent is there then, or (in a transaction: will be).
 * *rows, unless NULL, is how many were copied. Suspends. Returns 0 or an error
 * as of ed_pg_query(), nothing then being stored, but for ED_EUNCERTAIN. A copy
 * out that was not read to its end is ED_EUSAGE, and goes on. */
ED_API ED_CHECK int ed_pg_copy_end(ed_pg_copy *copy, int64_t *rows);

/* Frees; a copy that has not ended is given up: nothing is stored, and the
 * connection is seen to in the background (a transaction's is then in one that
 * has failed). NULL is fine. Does not suspend. */
ED_API void ed_pg_copy_close(ed_pg_copy *copy);

static inline void ed_pg_copy_close_(ed_pg_copy **copy)
{
    ed_pg_copy_close(*copy);
}
#define ED_PG_COPY_AUTO __attribute__((cleanup(ed_pg_copy_close_)))

ED_END_DECLS
#endif
