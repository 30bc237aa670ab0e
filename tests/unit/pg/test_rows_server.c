/*
 * test_rows_server.c - what a real server sends, in text and in binary: both
 * read as the same, and what is written from binary is what the server writes.
 * What is sent to it comes back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "pg/encode.h"
#include "pg/rows.h"
#include "pg_server.h"
#include <eddy/error.h>
#include <eddy/json.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct pg_server *server;
static PGconn *conn;
static ed_arena *arena;

/* ---- asking ---- */

static PGresult *ask(const char *sql, int format)
{
    PGresult *result =
        PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, format);

    if (PQresultStatus(result) != PGRES_TUPLES_OK &&
        PQresultStatus(result) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    return result;
}

static ed_rows *rows_in(const char *sql, int format)
{
    PGresult *result = ask(sql, format);
    ed_rows *rows;

    assert_int_equal(pg_rows_of(&rows, arena, result), 0);
    PQclear(result);
    return rows;
}

static void run(const char *sql)
{
    PQclear(ask(sql, 0));
}

/* ---- comparing ---- */

static char *json_of(ed_rows *rows)
{
    struct ed_json j;
    struct ed_buf text = {0};

    ed_json_begin(&j, &text);
    ed_json_column(&j, rows, 0);
    if (ed_json_finish(&j))
        fail_msg("%s: %s", ed_rows_text(rows, 0), j.why);
    json_error_t error;
    json_t *read = json_loads(text.ptr, JSON_DECODE_ANY, &error);
    /* Numbers beyond a double's reach are JSON, but not jansson's. */
    if (!read && !strstr(error.text, "overflow") &&
        !strstr(error.text, "too big"))
        fail_msg("%s: %s", text.ptr, error.text);
    json_decref(read);
    return text.ptr;
}

static void same_json(ed_rows *text, ed_rows *binary)
{
    char *a = json_of(text), *b = json_of(binary);

    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* Every row of a query of one column is written from binary as the server
 * writes it, and in JSON as it would be from text. */
static void agree(const char *sql)
{
    ed_rows *text = rows_in(sql, 0), *binary = rows_in(sql, 1);

    assert_true(ed_rows_count(text) > 0);
    while (ed_rows_next(text)) {
        assert_true(ed_rows_next(binary));
        assert_int_equal(ed_rows_null(text, 0), ed_rows_null(binary, 0));
        const char *a = ed_rows_text(text, 0), *b = ed_rows_text(binary, 0);
        if (strcmp(a, b) != 0)
            fail_msg("%.60s: '%s' is written as '%s'", sql, a, b);
        same_json(text, binary);
        if (ed_rows_error(text) || ed_rows_error(binary))
            fail_msg("%.60s: '%s' is not read", sql, a);
    }
    ed_arena_reset(arena);
}

/* The same for a column of that name and type in the table of random values,
 * alone and in arrays. */
static void agree_on(const char *type, const char *expression)
{
    char sql[1000];

    (void)snprintf(sql, sizeof sql, "select (%s)::%s from dice", expression,
                   type);
    agree(sql);
    (void)snprintf(sql, sizeof sql,
                   "select array_agg((%s)::%s) from dice group by n / 7",
                   expression, type);
    agree(sql);
}

static void agree_on_values(const char *type, const char *values)
{
    char sql[4000];

    (void)snprintf(sql, sizeof sql, "select x::%s from (values %s) v(x)", type,
                   values);
    agree(sql);
    (void)snprintf(sql, sizeof sql,
                   "select array_agg(x::%s) from (values %s) v(x)", type,
                   values);
    agree(sql);
}

/* ---- types ---- */

static void whole_numbers_agree(void **state)
{
    (void)state;
    agree_on_values("bool", "('t'), ('f'), (null)");
    agree_on_values("int2", "('-32768'), ('32767'), ('0'), (null)");
    agree_on_values("int4", "('-2147483648'), ('2147483647'), ('0')");
    agree_on_values("int8", "('-9223372036854775808'), "
                            "('9223372036854775807'), ('0')");
    agree_on_values("oid", "('0'), ('4294967295')");
    agree_on("int8", "(r - 0.5) * 1.8e19");
}

static void numerics_agree_in_every_digit(void **state)
{
    (void)state;
    agree_on_values("numeric",
                    "('0'), ('0.00'), ('-0.5'), ('1.500'), ('10000'), "
                    "('9999.9999'), ('100000000.00000001'), ('NaN'), "
                    "('Infinity'), ('-Infinity'), ('1e-16383'), ('1e131071'), "
                    "('-1e131071'), ('12345678901234567890.1234567890'), "
                    "('0.0001'), ('0.00001000'), ('1e40'), ('3e-9')");
    agree_on("numeric", "r * 10 ^ (n % 60 - 30)");
    agree_on("numeric", "r::numeric * 10.0 ^ (n % 60 - 30)::numeric");
    agree_on("numeric(30,7)", "(r - 0.5) * 10 ^ (n % 20)");
}

static void doubles_agree_to_the_last_bit(void **state)
{
    (void)state;
    agree_on_values("float8",
                    "('0'), ('-0'), ('NaN'), ('Infinity'), ('-Infinity'), "
                    "('5e-324'), ('1.7976931348623157e308'), ('1e23'), "
                    "('1e22'), ('1e15'), ('123456789012345'), "
                    "('999999999999999'), ('1234567890123456'), ('0.0001'), "
                    "('0.00001'), ('9007199254740993'), ('0.1'), ('100'), "
                    "('1.5e300'), ('2.2250738585072014e-308')");
    agree("select 2::float8 ^ n from generate_series(-1074, 1023) n");
    agree("select ('1e' || n)::float8 from generate_series(-323, 308) n");
    agree("select ('9e' || n)::float8 from generate_series(-323, 307) n");
    agree_on("float8", "(r - 0.5) * 10::float8 ^ ((n * 7919) % 600 - 300)");
    agree_on("float8", "round(r::numeric * 1000000, n % 8)");
}

static void reals_agree_to_the_last_bit(void **state)
{
    (void)state;
    agree_on_values("float4",
                    "('0'), ('-0'), ('NaN'), ('Infinity'), ('-Infinity'), "
                    "('1e-45'), ('3.4028235e38'), ('0.1'), ('16777216'), "
                    "('16777218'), ('999999'), ('1000000'), ('1234567'), "
                    "('0.0001'), ('0.00001'), ('33554434'), ('8388608.5')");
    agree("select (2::float8 ^ n)::float4 from generate_series(-149, 127) n");
    agree("select ('1e' || n)::float4 from generate_series(-45, 38) n");
    agree_on("float4", "(r - 0.5) * 10::float8 ^ ((n * 7919) % 70 - 35)");
}

/* Doubles of any bits, by way of their decimals. */
static void doubles_of_any_bits_agree(void **state)
{
    struct ed_buf sql = {0};
    uint64_t bits = 88172645463325252;

    (void)state;
    assert_int_equal(ed_buf_addf(&sql, "select unnest('{0"), 0);
    for (int i = 0; i < 20000; i++) {
        double x;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            assert_int_equal(ed_buf_addf(&sql, ",%.17g", x), 0);
    }
    assert_int_equal(ed_buf_addf(&sql, "}'::float8[])"), 0);
    agree(sql.ptr);
    sql.len = 0;
    assert_int_equal(ed_buf_addf(&sql, "select unnest('{0"), 0);
    for (int i = 0; i < 20000; i++) {
        uint32_t half;
        float x;
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        half = (uint32_t)bits;
        memcpy(&x, &half, sizeof x);
        if (isfinite(x))
            assert_int_equal(ed_buf_addf(&sql, ",%.9g", (double)x), 0);
    }
    assert_int_equal(ed_buf_addf(&sql, "}'::float4[])"), 0);
    agree(sql.ptr);
    ed_buf_free(&sql);
}

static void texts_agree(void **state)
{
    const char *values = "('a'), (''), ('NULL'), ('null'), (null), ('x y'), "
                         "(E'\\\\'), ('\"'), ('{a,b}'), (E'a\\tb\\nc'), ('ø'), "
                         "(','), (E'\\x0b'), ('a\"b\\\\c')";

    (void)state;
    agree_on_values("text", values);
    agree_on_values("varchar", values);
    agree_on_values("char(5)", "('a'), ('abcde')");
    agree_on_values("name", "('a'), ('pg_class')");
    agree_on_values("json", "('{\"a\": [1, 2.50, null]}'), ('\"x\"'), "
                            "('1'), ('null')");
    agree_on_values("jsonb", "('{\"a\": [1, 2.50, null]}'), ('\"x\"'), "
                             "('1'), ('null')");
    agree_on_values("uuid", "('12345678-9abc-def0-0102-030405060708'), (null)");
    agree_on("uuid", "md5(r::text)");
}

static void bytes_agree(void **state)
{
    (void)state;
    agree_on_values("bytea", "(''), ('\\x00'), ('\\xff00ab'), ('abc')");
    agree_on("bytea", "decode(md5(r::text), 'hex')");
    run("set bytea_output = 'escape'");
    ed_rows *text = rows_in("select decode(md5(r::text), 'hex') from dice", 0);
    ed_rows *binary =
        rows_in("select decode(md5(r::text), 'hex') from dice", 1);
    while (ed_rows_next(text) && ed_rows_next(binary))
        assert_true(
            ed_bytes_equal(ed_rows_bytes(text, 0), ed_rows_bytes(binary, 0)));
    assert_int_equal(ed_rows_error(text), 0);
    run("reset bytea_output");
}

/* ---- times ---- */

#define TIMES                                                       \
    "('infinity'), ('-infinity'), ('2000-01-01 00:00:00'), "        \
    "('1999-12-31 23:59:59.999999'), ('0001-01-01 00:00:00'), "     \
    "('0001-12-31 23:59:59 BC'), ('0044-03-15 12:00:00.5 BC'), "    \
    "('4713-01-01 00:00:00 BC'), ('10000-01-01 00:00:00'), "        \
    "('294276-12-31 23:59:59.999999'), ('2024-02-29 12:34:56.7'), " \
    "('1900-02-28 23:00:00'), ('1970-01-01 00:00:00'), (null)"

static void times_agree(void **state)
{
    (void)state;
    agree_on_values("timestamp", TIMES);
    agree_on_values("timestamptz", TIMES);
    agree_on_values("date", TIMES ", ('5874897-12-31'), ('5874897-12-31')");
    agree_on_values("time", "('00:00:00'), ('24:00:00'), ('23:59:59.999999'), "
                            "('12:00:00.1'), ('04:05:06')");
    agree_on("timestamp", "'4000-01-01 BC'::timestamp + r * 280000 * "
                          "interval '365 days'");
    agree_on("timestamptz",
             "'1900-01-01'::timestamptz + r * interval '200 years'");
    agree_on("date", "'4700-01-01 BC'::date + (r * 2e9)::int4");
    agree("select '0400-01-01 BC'::date + n * 59 from "
          "generate_series(0, 20000) n");
    agree_on("time", "r * interval '24 hours'");
}

static void intervals_agree(void **state)
{
    (void)state;
    agree_on_values(
        "interval",
        "('0'), ('1 year'), ('-1 year'), ('1 mon'), ('2 mons'), ('1 day'), "
        "('-1 day'), ('1 day -1 hour'), ('-1 day +1 hour'), ('-1 mon +2 day'), "
        "('-1 year +1 day'), ('1 year 2 mons 3 days 04:05:06.789'), "
        "('-00:00:00.000001'), ('178000000 years'), ('-178000000 years'), "
        "('2147483647 days'), ('-2147483648 days'), ('2562047788:00:54.7758'), "
        "('-2562047788:00:54.7758'), ('100:00:00'), (null)");
    agree_on("interval",
             "(r - 0.5) * interval '20 years 5 mons 77 days 11 hours'");
}

/* What is read of a time does not depend on the form it came in. */
static void same_readings(const char *sql)
{
    ed_rows *text = rows_in(sql, 0), *binary = rows_in(sql, 1);

    while (ed_rows_next(text) && ed_rows_next(binary)) {
        struct ed_interval a = ed_rows_interval(text, "i"),
                           b = ed_rows_interval(binary, "i");
        const char *stamp = ed_rows_text(text, "t");
        if (ed_rows_time(text, "t") != ed_rows_time(binary, "t"))
            fail_msg("%s is read otherwise", stamp);
        assert_string_equal(stamp, ed_rows_text(binary, "t"));
        assert_memory_equal(&a, &b, sizeof a);
    }
    assert_int_equal(ed_rows_error(text), 0);
    assert_int_equal(ed_rows_error(binary), 0);
    ed_arena_reset(arena);
}

static void any_offset_and_style_reads_as_the_same(void **state)
{
    static const char *const zones[] = {
        "UTC",          "Asia/Kolkata", "America/St_Johns", "Africa/Monrovia",
        "Pacific/Apia", "Europe/Oslo"};
    static const char *const styles[] = {"postgres", "iso_8601"};
    char sql[200];

    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        (void)snprintf(sql, sizeof sql, "set timezone = '%s'", zones[i]);
        run(sql);
        (void)snprintf(sql, sizeof sql, "set intervalstyle = '%s'",
                       styles[i % 2]);
        run(sql);
        same_readings("select '1800-01-01 BC'::timestamptz + r * interval "
                      "'4000 years' as t, (r - 0.5) * interval "
                      "'20 years 5 mons 77 days 11 hours' as i from dice");
    }
    run("reset timezone");
    run("reset intervalstyle");
}

/* ---- arrays ---- */

static void arrays_agree_in_any_shape(void **state)
{
    (void)state;
    agree("select '{}'::int4[]");
    agree("select '[2:4]={1,2,3}'::int8[]");
    agree("select '[0:1][-3:-2]={{1,2},{3,null}}'::int2[]");
    agree("select '{{{a,\"\"},{null,\"NULL\"}},{{\"{\",\"\\\\\"},"
          "{\"x y\",\"\\\"\"}}}'::text[]");
    agree("select array_fill(7, array[2,2,2,2,2,2])");
    agree("select array[interval '1 day', '-1 mon 3 h']");
    agree("select array['{\"a\": 1}'::jsonb, null]");
}

static void elements_are_read_from_both_forms(void **state)
{
    (void)state;
    for (int format = 0; format <= 1; format++) {
        ed_rows *rows = rows_in("select '{{1,2},{null,-4}}'::int4[], "
                                "'{0.5,1e300,NaN,null}'::float8[], "
                                "array['a,b', null, '', 'ø\"'], "
                                "array['\\x0001'::bytea], null::int4[], "
                                "array[1.00, 2], '{}'::int4[]",
                                format);
        const int64_t *ints;
        const double *reals;
        const struct ed_bytes *texts;
        assert_int_equal(ed_rows_ints(rows, 0, &ints), 4);
        assert_int_equal(ints[1], 2);
        assert_int_equal(ints[2], 0);
        assert_int_equal(ints[3], -4);
        assert_int_equal(ed_rows_doubles(rows, 1, &reals), 4);
        assert_true(reals[0] == 0.5 && reals[1] == 1e300 && isnan(reals[2]));
        assert_true(reals[3] == 0);
        assert_int_equal(ed_rows_texts(rows, 2, &texts), 4);
        assert_true(ed_bytes_equal(texts[0], ED_BYTES("a,b")));
        assert_null(texts[1].ptr);
        assert_non_null(texts[2].ptr);
        assert_int_equal(texts[2].len, 0);
        assert_true(ed_bytes_equal(texts[3], ED_BYTES("ø\"")));
        assert_int_equal(ed_rows_texts(rows, 3, &texts), 1);
        assert_true(ed_bytes_equal(texts[0], ED_BYTES("\0\1")));
        assert_int_equal(ed_rows_ints(rows, 4, &ints), 0);
        assert_int_equal(ed_rows_ints(rows, 5, &ints), 2);
        assert_int_equal(ints[0], 1);
        assert_int_equal(ed_rows_ints(rows, 6, &ints), 0);
        assert_int_equal(ed_rows_texts(rows, 0, &texts), 4);
        assert_true(ed_bytes_equal(texts[3], ED_BYTES("-4")));
        assert_int_equal(ed_rows_error(rows), 0);
    }
}

/* ---- which form to ask for ---- */

static void chooses(const char *sql, bool binary)
{
    PGresult *result = PQprepare(conn, "", sql, 0, NULL);

    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    PQclear(result);
    result = PQdescribePrepared(conn, "");
    assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
    assert_int_equal(pg_rows_binary_better(result), binary);
    PQclear(result);
}

static void binary_is_asked_for_where_all_is_read_and_something_is_faster(
    void **state)
{
    (void)state;
    chooses("select 1, 'a'::text", false);
    chooses("select 1, now()", true);
    chooses("select now(), 'a'::mood", false);
    chooses("select now(), 1::small", true); /* a domain is its base */
    chooses("select now(), row(1, 2)", false);
    chooses("select array[1]", true);
    chooses("select array['a'::mood]", false);
    chooses("select '\\x00'::bytea, '{}'::jsonb, 1.5", true);
    chooses("select now(), '1 2'::int2vector", false);
}

/* ---- there and back ---- */

/* Sends a value as this type; its text as the server understood it. */
static const char *comes_back(struct ed_pg_value value, const char *type)
{
    static char text[300];
    static struct pg_params p;
    char sql[100];

    assert_int_equal(pg_encode(&p, &value, 1), 0);
    (void)snprintf(sql, sizeof sql, "select $1::%s", type);
    PGresult *result =
        PQexecParams(conn, sql, 1, p.types, p.values, p.lengths, p.formats, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    (void)snprintf(text, sizeof text, "%s",
                   PQgetisnull(result, 0, 0) ? "<null>"
                                             : PQgetvalue(result, 0, 0));
    PQclear(result);
    pg_params_free(&p);
    return text;
}

static void what_is_sent_comes_back(void **state)
{
    static const uint8_t uuid[16] = {0x12, 0x34};
    const char *texts[] = {"a", "", NULL, "null", "q\"b\\,{}", "\t"};
    const double reals[] = {0.1, -INFINITY, NAN, 5e-324};

    (void)state;
    assert_string_equal(comes_back(ed_pg_value(true), "bool"), "t");
    assert_string_equal(comes_back(ed_pg_value((bool)false), "bool"), "f");
    assert_string_equal(comes_back(ed_pg_value(UINT64_MAX), "numeric"),
                        "18446744073709551615");
    assert_string_equal(comes_back(ed_pg_value(0.1), "float8"), "0.1");
    assert_string_equal(comes_back(ed_pg_value(-INFINITY), "float8"),
                        "-Infinity");
    assert_string_equal(comes_back(ed_pg_value("ø'"), "text"), "ø'");
    assert_string_equal(comes_back(ed_null(), "text"), "<null>");
    assert_string_equal(comes_back(ed_bytea(ED_BYTES("\0\xff")), "bytea"),
                        "\\x00ff");
    assert_string_equal(comes_back(ed_bytea(ED_BYTES("")), "bytea"), "\\x");
    assert_string_equal(comes_back(ed_uuid(uuid), "uuid"),
                        "12340000-0000-0000-0000-000000000000");
    assert_string_equal(comes_back(ed_array(texts, 6), "text[]"),
                        "{a,\"\",NULL,\"null\",\"q\\\"b\\\\,{}\",\"\t\"}");
    assert_string_equal(comes_back(ed_array(reals, 4), "float8[]"),
                        "{0.1,-Infinity,NaN,5e-324}");
    assert_string_equal(comes_back(ed_time(ED_TIME_INFINITY), "timestamptz"),
                        "infinity");
    assert_string_equal(comes_back(ed_time(-1), "timestamp"),
                        "1969-12-31 23:59:59.999999");
    assert_string_equal(comes_back(ed_time(-1), "date"), "1969-12-31");
}

static uint64_t next_random(void)
{
    static uint64_t bits = 88172645463325252;

    bits ^= bits << 13;
    bits ^= bits >> 7;
    bits ^= bits << 17;
    return bits;
}

static void times_come_back_to_the_microsecond(void **state)
{
    struct ed_date day = {-4712, 1, 1};
    char sql[100];

    (void)state;
    for (int i = 0; i < 300; i++) {
        int64_t us = (int64_t)(next_random() >> 1) - 210000000000000000;
        if (us > 9223371331200000000 - 946684800000000)
            continue;
        const char *text = comes_back(ed_time(us), "timestamptz");
        (void)snprintf(sql, sizeof sql, "select '%s'::timestamptz", text);
        for (int format = 0; format <= 1; format++) {
            ed_rows *rows = rows_in(sql, format);
            assert_int_equal(ed_rows_time(rows, 0), us);
        }
    }
    for (int i = 0; i < 300; i++) {
        const char *text = comes_back(ed_pg_value(day), "date");
        (void)snprintf(sql, sizeof sql, "select '%s'::date", text);
        for (int format = 0; format <= 1; format++) {
            struct ed_date back = ed_rows_date(rows_in(sql, format), 0);
            assert_int_equal(back.year, day.year);
            assert_int_equal(back.month, day.month);
            assert_int_equal(back.day, day.day);
        }
        day.year += 19;
        day.month = (int8_t)(1 + (day.month + 4) % 12);
        day.day = (int8_t)(1 + (day.day + 8) % 28);
    }
}

static void intervals_come_back_in_every_style(void **state)
{
    static const char *const styles[] = {"postgres", "postgres_verbose",
                                         "sql_standard", "iso_8601"};
    char sql[100];

    (void)state;
    for (int i = 0; i < 400; i++) {
        struct ed_interval sent = {
            .months = (int32_t)next_random() >> next_random() % 32,
            .days = (int32_t)next_random() >> next_random() % 32,
            .microseconds = (int64_t)next_random() >> next_random() % 64,
        };
        if (i == 0)
            sent = (struct ed_interval){0};
        (void)snprintf(sql, sizeof sql, "set intervalstyle = '%s'",
                       styles[i % 4]);
        run(sql);
        const struct ed_pg_value value = ed_pg_value(sent);
        struct pg_params p = {0};
        assert_int_equal(pg_encode(&p, &value, 1), 0);
        PGresult *result = PQexecParams(conn, "select $1::interval", 1, p.types,
                                        p.values, p.lengths, p.formats, 1);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s: %s", p.values[0], PQerrorMessage(conn));
        ed_rows *rows;
        assert_int_equal(pg_rows_of(&rows, arena, result), 0);
        struct ed_interval back = ed_rows_interval(rows, 0);
        if (memcmp(&sent, &back, sizeof sent) != 0)
            fail_msg("'%s' comes back as '%s'", p.values[0],
                     ed_rows_text(rows, 0));
        PQclear(result);
        pg_params_free(&p);
        ed_arena_reset(arena);
    }
    run("reset intervalstyle");
}

static void a_copied_value_is_read_as_it_was(void **state)
{
    const char *texts[] = {"a\\b", "\b\f\n\r\t\v", "\\N", "", "ø", "\\."};
    const struct ed_pg_value bytes = ed_bytea(ED_BYTES("\0\n\\\xff"));
    struct ed_buf line = {0};

    (void)state;
    run("create temp table copied (t text, b bytea)");
    PQclear(PQexec(conn, "copy copied from stdin"));
    for (size_t i = 0; i < 6; i++) {
        const struct ed_pg_value text = ed_pg_value(texts[i]);
        assert_int_equal(pg_encode_copy(&line, &text), 0);
        assert_int_equal(ed_buf_add(&line, "\t", 1), 0);
        assert_int_equal(pg_encode_copy(&line, &bytes), 0);
        assert_int_equal(ed_buf_add(&line, "\n", 1), 0);
    }
    assert_int_equal(PQputCopyData(conn, line.ptr, (int)line.len), 1);
    assert_int_equal(PQputCopyEnd(conn, NULL), 1);
    PGresult *end = PQgetResult(conn);
    if (PQresultStatus(end) != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(conn));
    PQclear(end);
    assert_null(PQgetResult(conn));
    ed_rows *rows = rows_in("select t, b from copied", 1);
    for (size_t i = 0; i < 6; i++) {
        assert_true(ed_rows_next(rows));
        assert_string_equal(ed_rows_text(rows, "t"), texts[i]);
        assert_true(ed_bytes_equal(ed_rows_bytes(rows, "b"), bytes.as.bytes));
    }
    ed_buf_free(&line);
}

/* ---- the server ---- */

static int start(void **state)
{
    (void)state;
    server = pg_server_start(NULL);
    conn = PQconnectdb(pg_server_dsn(server));
    arena = ed_arena_new(0);
    if (PQstatus(conn) != CONNECTION_OK || !arena)
        return -1;
    run("set datestyle = iso");
    run("set client_min_messages = error");
    run("create type mood as enum ('a', 'b')");
    run("create domain small as int4 check (value < 10)");
    run("create temp table dice as select n, r from (select setseed(0.5)) s, "
        "lateral (select n, random() r from generate_series(1, 1000) n) d");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    PQfinish(conn);
    ed_arena_free(arena);
    pg_server_stop(server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_agree),
        cmocka_unit_test(numerics_agree_in_every_digit),
        cmocka_unit_test(doubles_agree_to_the_last_bit),
        cmocka_unit_test(reals_agree_to_the_last_bit),
        cmocka_unit_test(doubles_of_any_bits_agree),
        cmocka_unit_test(texts_agree),
        cmocka_unit_test(bytes_agree),
        cmocka_unit_test(times_agree),
        cmocka_unit_test(intervals_agree),
        cmocka_unit_test(any_offset_and_style_reads_as_the_same),
        cmocka_unit_test(arrays_agree_in_any_shape),
        cmocka_unit_test(elements_are_read_from_both_forms),
        cmocka_unit_test(
            binary_is_asked_for_where_all_is_read_and_something_is_faster),
        cmocka_unit_test(what_is_sent_comes_back),
        cmocka_unit_test(times_come_back_to_the_microsecond),
        cmocka_unit_test(intervals_come_back_in_every_style),
        cmocka_unit_test(a_copied_value_is_read_as_it_was),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
