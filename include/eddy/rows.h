/*
 * rows.h - what a query found: rows, and the values in them.
 *
 *     while (ed_rows_next(rows))
 *         ed_write(req, "%lld %s\n", ed_rows_int(rows, "id"),
 *                  ed_rows_text(rows, "name"));
 *     return ed_rows_error(rows);
 *
 * Rows lie in the arena of the fiber that asked, and so do the values: they
 * are valid as long as it, and nothing is freed. Those of ed_pg_stream() are
 * the exception: a value is valid until the next ed_rows_next().
 *
 * A column is given by its name or by its index, from 0; a name that comes
 * twice is the first of them. Before the first ed_rows_next(), a value is that
 * of the first row.
 *
 * A null is 0, false, "" or an empty view; ed_rows_null() tells it apart. A
 * column that is not there, a row that is not there, and a value that is none
 * of the kind asked for (a text that is no number, a bigint too large for a
 * double) read as a null does, and are remembered: ed_rows_error() returns
 * ED_EUSAGE from then on, and ed_error() names the column.
 *
 * Does not suspend, but for ed_rows_next() on a stream and where said. Thread:
 * the loop's own.
 */
#ifndef EDDY_ROWS_H
#define EDDY_ROWS_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/pg_value.h>

ED_BEGIN_DECLS

typedef struct ed_rows ed_rows;
struct ed_json;
struct json_t; /* jansson's */

/* Goes to the next row, at first to the first. Whether there is one; on a
 * stream, which may fail on the way, ed_rows_error() then tells why not.
 * NULL has no rows. */
ED_API bool ed_rows_next(ed_rows *rows);

/* 0, or the first error, whose text is ed_error() again then: ED_EUSAGE as
 * above, ED_ENOMEM when there was no room for a value, and for streams what
 * ed_pg_query() may return. ED_EUSAGE for NULL. */
ED_API int ed_rows_error(const ed_rows *rows);

/* How many rows there are; of a stream, how many have come. */
ED_API size_t ed_rows_count(const ed_rows *rows);

/* Back to before the first row; not on a stream (ED_EUSAGE). */
ED_API int ed_rows_rewind(ed_rows *rows);

/* How many rows the statement changed, inserted, deleted, or selected. */
ED_API int64_t ed_rows_affected(const ed_rows *rows);

/* Columns: their number, the name of one ("" beyond the last), the index of a
 * name or -1, and the type as PostgreSQL numbers it (pg_type.oid; 0 beyond
 * the last). */
ED_API size_t ed_rows_columns(const ed_rows *rows);
ED_API const char *ed_rows_name(const ed_rows *rows, size_t index);
ED_API int ed_rows_find(const ed_rows *rows, const char *name);
ED_API uint32_t ed_rows_type(const ed_rows *rows, size_t index);

/* Ends a stream that was not read to its end, and gives its connection back.
 * Nothing to do for other rows; NULL is fine. Does not suspend. */
ED_API void ed_rows_close(ed_rows *rows);

/* For `cleanup`: ed_rows *rows ED_ROWS_AUTO = NULL; */
static inline void ed_rows_close_(ed_rows **rows)
{
    ed_rows_close(*rows);
}
#define ED_ROWS_AUTO __attribute__((cleanup(ed_rows_close_)))

/* ---- values ---- */

/* A column by what the caller has: a name or an index. */
struct ed_column {
    const char *name; /* NULL: by index */
    int64_t n;        /* the name's length, or the index */
};
static inline struct ed_column ed_column_named_(const char *name)
{
    struct ed_column c = {name ? name : "", name ? (int64_t)strlen(name) : 0};
    return c;
}
static inline struct ed_column ed_column_at_(int64_t index)
{
    struct ed_column c = {NULL, index};
    return c;
}
#ifdef __cplusplus
ED_BEGIN_CXX_DECLS
static inline struct ed_column ed_column_of_(const char *name)
{
    return ed_column_named_(name);
}
static inline struct ed_column ed_column_of_(char *name)
{
    return ed_column_named_(name);
}
template <class T> static inline struct ed_column ed_column_of_(T index)
{
    return ed_column_at_((int64_t)index);
}
ED_END_CXX_DECLS
#define ED_COLUMN(c) ed_column_of_(c)
#else
#define ED_COLUMN(c) \
    _Generic((c), char *: ed_column_named_,            \
             const char *: ed_column_named_,           \
             default: ed_column_at_)(c)
#endif

#define ed_rows_null(rows, column) ed_rows_null_((rows), ED_COLUMN(column))
ED_API bool ed_rows_null_(ed_rows *rows, struct ed_column column);

/* smallint, integer, bigint, oid; a numeric or text that is a whole number,
 * such as 12 and 12.00. */
#define ed_rows_int(rows, column) ed_rows_int_((rows), ED_COLUMN(column))
ED_API long long ed_rows_int_(ed_rows *rows, struct ed_column column);

/* The same, and real, double precision and numeric. An integer that a double
 * does not hold exactly is an error. */
#define ed_rows_double(rows, column) ed_rows_double_((rows), ED_COLUMN(column))
ED_API double ed_rows_double_(ed_rows *rows, struct ed_column column);

#define ed_rows_bool(rows, column) ed_rows_bool_((rows), ED_COLUMN(column))
ED_API bool ed_rows_bool_(ed_rows *rows, struct ed_column column);

/* Any type, as PostgreSQL writes it, NUL-terminated, in ISO style: a numeric
 * with every digit of it, timestamps in UTC. Never NULL. What is not sent so is
 * written into the arena. */
#define ed_rows_text(rows, column) ed_rows_text_((rows), ED_COLUMN(column))
ED_API const char *ed_rows_text_(ed_rows *rows, struct ed_column column);

/* The bytes of a bytea; of any other type its text, with its length. */
#define ed_rows_bytes(rows, column) ed_rows_bytes_((rows), ED_COLUMN(column))
ED_API struct ed_bytes ed_rows_bytes_(ed_rows *rows, struct ed_column column);

/* timestamptz, and timestamp and date taken as UTC: microseconds since 1970;
 * ED_TIME_INFINITY and ED_TIME_MINUS_INFINITY. Years from 294247 on do not fit
 * and are an error. */
#define ed_rows_time(rows, column) ed_rows_time_((rows), ED_COLUMN(column))
ED_API int64_t ed_rows_time_(ed_rows *rows, struct ed_column column);

/* The day of a date or timestamp (in UTC). An infinite one is an error. */
#define ed_rows_date(rows, column) ed_rows_date_((rows), ED_COLUMN(column))
ED_API struct ed_date ed_rows_date_(ed_rows *rows, struct ed_column column);

#define ed_rows_interval(rows, column) \
    ed_rows_interval_((rows), ED_COLUMN(column))
ED_API struct ed_interval ed_rows_interval_(ed_rows *rows,
                                            struct ed_column column);

/* Writes the 16 bytes of a uuid, or of a text that is one; of a null, zeros. */
#define ed_rows_uuid(rows, column, out) \
    ed_rows_uuid_((rows), ED_COLUMN(column), (out))
ED_API void ed_rows_uuid_(ed_rows *rows, struct ed_column column,
                          uint8_t out[16]);

/* A json or jsonb, read; NULL for a null. It belongs to the caller, who gives
 * it back with json_decref(). */
#define ed_rows_json(rows, column) ed_rows_json_((rows), ED_COLUMN(column))
ED_API struct json_t *ed_rows_json_(ed_rows *rows, struct ed_column column);

/*
 * An array, flattened if it has several dimensions: the number of elements,
 * which lie in the arena. Nulls among them are 0, false or an empty view with
 * ptr NULL. A null array is an empty one.
 */
#define ed_rows_ints(rows, column, out) \
    ed_rows_ints_((rows), ED_COLUMN(column), (out))
ED_API size_t ed_rows_ints_(ed_rows *rows, struct ed_column column,
                            const int64_t **out);
#define ed_rows_doubles(rows, column, out) \
    ed_rows_doubles_((rows), ED_COLUMN(column), (out))
ED_API size_t ed_rows_doubles_(ed_rows *rows, struct ed_column column,
                               const double **out);
#define ed_rows_texts(rows, column, out) \
    ed_rows_texts_((rows), ED_COLUMN(column), (out))
ED_API size_t ed_rows_texts_(ed_rows *rows, struct ed_column column,
                             const struct ed_bytes **out);

/*
 * Writes a value as JSON: numbers and booleans as such, json and jsonb as they
 * are, arrays as arrays, a null as null, everything else as a text, times in
 * ISO 8601 as JavaScript reads them. The second writes the row at hand as an
 * object whose keys are the columns' names. A value that is malformed fails the
 * writer as well. Suspends if the writer does.
 */
#define ed_json_column(j, rows, column) \
    ed_json_column_((j), (rows), ED_COLUMN(column))
ED_API void ed_json_column_(struct ed_json *j, ed_rows *rows,
                            struct ed_column column);
ED_API void ed_json_row(struct ed_json *j, ed_rows *rows);

ED_END_DECLS
#endif
