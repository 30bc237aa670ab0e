/*
 * pg_value.h - what is given to a statement: ed_p(name, value).
 *
 *     ed_pg_query(db, &rows,
 *                 "select id from people where city = :city and age > :age",
 *                 ed_p(city, "Bergen"), ed_p(age, 30));
 *
 * The server infers the type of a parameter from where it stands; a value of C
 * only says how to write it down. So an int fits an integer, a numeric and a
 * text column alike, and a parameter whose place says nothing needs a cast:
 * `select :x::int`.
 *
 * A parameter borrows what it points to until the call it is given to returns.
 *
 * Nothing here suspends; any thread.
 */
#ifndef EDDY_PG_VALUE_H
#define EDDY_PG_VALUE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

ED_BEGIN_DECLS

struct json_t; /* jansson's */

enum ed_pg_kind {
    ED_PG_NULL,
    ED_PG_BOOL,
    ED_PG_INT,    /* integer */
    ED_PG_UINT,   /* natural */
    ED_PG_DOUBLE, /* real */
    ED_PG_TEXT,   /* bytes: UTF-8 without NUL */
    ED_PG_BYTEA,  /* bytes */
    ED_PG_JSON,   /* json */
    ED_PG_TIME,   /* integer: microseconds since 1970 in UTC */
    ED_PG_DATE,
    ED_PG_INTERVAL,
    ED_PG_UUID, /* ptr: 16 bytes */
    ED_PG_ARRAY,
    /* Not values: how the statement is to be treated, and the list's end. */
    ED_PG_OPTIONS,
    ED_PG_END,
};

/* A day of the Gregorian calendar, as PostgreSQL counts: year 0 is 1 BC. */
struct ed_date {
    int32_t year;
    int8_t month; /* 1 to 12 */
    int8_t day;   /* 1 to 31 */
};

/* PostgreSQL keeps the three apart: a month has no fixed number of days. */
struct ed_interval {
    int32_t months;
    int32_t days;
    int64_t microseconds;
};

/* The ends of time, of timestamps: 'infinity' and '-infinity'. */
#define ED_TIME_INFINITY       INT64_MAX
#define ED_TIME_MINUS_INFINITY INT64_MIN

struct ed_pg_value {
    enum ed_pg_kind kind;
    enum ed_pg_kind of; /* ARRAY: BOOL, INT, DOUBLE or TEXT, and with INT and */
    uint32_t width;     /* TEXT the size of an element, which says its type */
    size_t count;       /* ARRAY */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        struct ed_bytes bytes;
        const struct json_t *json;
        struct ed_date date;
        struct ed_interval interval;
        const void *ptr;
        const struct ed_pg_query_options *options;
    } as;
};

/* A value with its name; NULL: the next by position. */
struct ed_pg_param {
    const char *name;
    struct ed_pg_value value;
};

/*
 * A parameter by name. `value` may be a bool, any integer or floating-point
 * number, a C string or struct ed_bytes (a text), a json_t *, a struct ed_date
 * or ed_interval, or one of the makers below. A pointer that is NULL is null,
 * as are bytes whose ptr is. A name the statement does not have, or one it has
 * and that was not given, is ED_EUSAGE; a text that holds a NUL or is not
 * UTF-8, and a day that is none, are ED_EVALUE.
 */
#define ed_p(name, value) ED_PG_PARAM_(#name, ed_pg_value(value))

/* The next positional parameter: $1, $2, ... Names and positions cannot be
 * mixed in one statement. */
#define ed_v(value) ED_PG_PARAM_(NULL, ed_pg_value(value))

/* Bytes for a bytea, microseconds since 1970 for a timestamp, 16 bytes of a
 * uuid. JSON that is text already is given as a text. */
static inline struct ed_pg_value ed_bytea(struct ed_bytes bytes);
static inline struct ed_pg_value ed_time(int64_t unix_us);
static inline struct ed_pg_value ed_uuid(const uint8_t uuid[16]);
static inline struct ed_pg_value ed_null(void);

/* And ed_array(elements, count): at the end, with what chooses by a type. */

static inline struct ed_pg_value ed_pg_of_(enum ed_pg_kind kind)
{
    struct ed_pg_value v;
    memset(&v, 0, sizeof v);
    v.kind = kind;
    return v;
}

static inline struct ed_pg_value ed_null(void)
{
    return ed_pg_of_(ED_PG_NULL);
}

static inline struct ed_pg_value ed_pg_bool_(bool x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_BOOL);
    v.as.boolean = x;
    return v;
}

static inline struct ed_pg_value ed_pg_int_(int64_t x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_INT);
    v.as.integer = x;
    return v;
}

static inline struct ed_pg_value ed_pg_uint_(uint64_t x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_UINT);
    v.as.natural = x;
    return v;
}

static inline struct ed_pg_value ed_pg_double_(double x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_DOUBLE);
    v.as.real = x;
    return v;
}

static inline struct ed_pg_value ed_pg_bytes_(struct ed_bytes x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_TEXT);
    v.as.bytes = x;
    return v;
}

static inline struct ed_pg_value ed_pg_text_(const char *x)
{
    return x ? ed_pg_bytes_(ed_bytes(x)) : ed_null();
}

static inline struct ed_pg_value ed_pg_json_(const struct json_t *x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_JSON);
    v.as.json = x;
    return x ? v : ed_null();
}

static inline struct ed_pg_value ed_pg_date_(struct ed_date x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_DATE);
    v.as.date = x;
    return v;
}

static inline struct ed_pg_value ed_pg_interval_(struct ed_interval x)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_INTERVAL);
    v.as.interval = x;
    return v;
}

static inline struct ed_pg_value ed_pg_same_(struct ed_pg_value x)
{
    return x;
}

static inline struct ed_pg_value ed_bytea(struct ed_bytes bytes)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_BYTEA);
    v.as.bytes = bytes;
    return v;
}

static inline struct ed_pg_value ed_time(int64_t unix_us)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_TIME);
    v.as.integer = unix_us;
    return v;
}

static inline struct ed_pg_value ed_uuid(const uint8_t uuid[16])
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_UUID);
    v.as.ptr = uuid;
    return v;
}

static inline struct ed_pg_value ed_pg_array_(const void *elements,
                                              size_t count, enum ed_pg_kind of,
                                              size_t width)
{
    struct ed_pg_value v = ed_pg_of_(ED_PG_ARRAY);
    v.of = of;
    v.width = (uint32_t)width;
    v.count = count;
    v.as.ptr = elements;
    return v;
}

/* ---- what chooses by the type ---- */

/*
 * ed_pg_value(x) is what ed_p() and ed_v() make of a value.
 *
 * ed_array(elements, count) is an array of `count` elements: of bool, int,
 * int64_t (long long), double, C strings (NULL is a null) or struct ed_bytes.
 *
 *     "... where id = any(:ids)", ed_p(ids, ed_array(ids, n))
 */

#ifdef __cplusplus

ED_BEGIN_CXX_DECLS

#define ED_PG_TAKES_(type, function)                             \
    static inline struct ed_pg_value ed_pg_value_of_(type value) \
    {                                                            \
        return function(value);                                  \
    }
ED_PG_TAKES_(bool, ed_pg_bool_)
ED_PG_TAKES_(signed char, ed_pg_int_)
ED_PG_TAKES_(short, ed_pg_int_)
ED_PG_TAKES_(int, ed_pg_int_)
ED_PG_TAKES_(long, ed_pg_int_)
ED_PG_TAKES_(long long, ed_pg_int_)
ED_PG_TAKES_(unsigned char, ed_pg_uint_)
ED_PG_TAKES_(unsigned short, ed_pg_uint_)
ED_PG_TAKES_(unsigned, ed_pg_uint_)
ED_PG_TAKES_(unsigned long, ed_pg_uint_)
ED_PG_TAKES_(unsigned long long, ed_pg_uint_)
ED_PG_TAKES_(float, ed_pg_double_)
ED_PG_TAKES_(double, ed_pg_double_)
ED_PG_TAKES_(char *, ed_pg_text_)
ED_PG_TAKES_(const char *, ed_pg_text_)
ED_PG_TAKES_(struct ed_bytes, ed_pg_bytes_)
ED_PG_TAKES_(struct json_t *, ed_pg_json_)
ED_PG_TAKES_(const struct json_t *, ed_pg_json_)
ED_PG_TAKES_(struct ed_date, ed_pg_date_)
ED_PG_TAKES_(struct ed_interval, ed_pg_interval_)
ED_PG_TAKES_(struct ed_pg_value, ed_pg_same_)
#undef ED_PG_TAKES_

/* Any other pointer would be taken for a bool. */
template <class T> struct ed_pg_value ed_pg_value_of_(T *) = delete;

#define ED_PG_HAS_(type, kind)                                        \
    static inline struct ed_pg_value ed_array(const type *elements,   \
                                              size_t count)           \
    {                                                                 \
        return ed_pg_array_(elements, count, kind, sizeof *elements); \
    }
ED_PG_HAS_(bool, ED_PG_BOOL)
ED_PG_HAS_(int, ED_PG_INT)
ED_PG_HAS_(long, ED_PG_INT)
ED_PG_HAS_(long long, ED_PG_INT)
ED_PG_HAS_(double, ED_PG_DOUBLE)
ED_PG_HAS_(struct ed_bytes, ED_PG_TEXT)
#undef ED_PG_HAS_

static inline struct ed_pg_value ed_array(const char *const *elements,
                                          size_t count)
{
    return ed_pg_array_(elements, count, ED_PG_TEXT, sizeof *elements);
}

static inline struct ed_pg_param ed_pg_param_(const char *name,
                                              struct ed_pg_value value)
{
    struct ed_pg_param param = {name, value};
    return param;
}

/* What a call is given: it lasts as long as that. */
template <class... T> struct ed_pg_params_ {
    struct ed_pg_param all[sizeof...(T) + 1];
    operator const struct ed_pg_param *() const
    {
        return all;
    }
};

template <class... T> static inline ed_pg_params_<T...> ed_pg_list_(T... params)
{
    return ed_pg_params_<T...>{
        {params..., ed_pg_param_(NULL, ed_pg_of_(ED_PG_END))}};
}

ED_END_CXX_DECLS

#define ed_pg_value(x)            ed_pg_value_of_(x)
#define ED_PG_PARAM_(name, value) ed_pg_param_((name), (value))

#else

#define ED_PG_PARAM_(name, value) ((struct ed_pg_param){(name), (value)})

#define ed_array(elements, count) \
    ed_pg_array_(                                                             \
        (elements), (count),                                                  \
        _Generic((elements),                                                  \
            bool *: ED_PG_BOOL, const bool *: ED_PG_BOOL, int *: ED_PG_INT,   \
            const int *: ED_PG_INT, long *: ED_PG_INT, const long *: ED_PG_INT, \
            long long *: ED_PG_INT, const long long *: ED_PG_INT,             \
            double *: ED_PG_DOUBLE, const double *: ED_PG_DOUBLE,             \
            char **: ED_PG_TEXT, const char **: ED_PG_TEXT,                   \
            char *const *: ED_PG_TEXT, const char *const *: ED_PG_TEXT,       \
            struct ed_bytes *: ED_PG_TEXT, const struct ed_bytes *: ED_PG_TEXT), \
        sizeof *(elements))

#define ed_pg_value(x) \
    _Generic((x),                                                            \
        bool: ed_pg_bool_, signed char: ed_pg_int_, short: ed_pg_int_,       \
        int: ed_pg_int_, long: ed_pg_int_, long long: ed_pg_int_,            \
        unsigned char: ed_pg_uint_, unsigned short: ed_pg_uint_,             \
        unsigned: ed_pg_uint_, unsigned long: ed_pg_uint_,                   \
        unsigned long long: ed_pg_uint_, float: ed_pg_double_,               \
        double: ed_pg_double_, char *: ed_pg_text_,                          \
        const char *: ed_pg_text_, struct ed_bytes: ed_pg_bytes_,            \
        struct json_t *: ed_pg_json_, const struct json_t *: ed_pg_json_,    \
        struct ed_date: ed_pg_date_, struct ed_interval: ed_pg_interval_,    \
        struct ed_pg_value: ed_pg_same_)(x)

#endif

ED_END_DECLS
#endif
