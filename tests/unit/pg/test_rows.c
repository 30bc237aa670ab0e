/*
 * test_rows.c - rows: how one goes through them, and what mistakes do. What
 * types read as is for test_rows_server.c.
 */
#include "../../fiber_test.h"
#include "pg/rows.h"
#include <eddy/arena.h>
#include <eddy/error.h>
#include <eddy/json.h>
#include <jansson.h>
#include <stdlib.h>

enum { INT4 = 23, TEXT = 25, INT8 = 20, BYTEA = 17, STAMP = 1184, INTS = 1007 };

struct column {
    const char *name;
    Oid type;
    int format;
};

/* A result as libpq would have it: `cells` row by row, ended by one too many
 * of no use; a NULL is a null. Texts only, or bytes by set_bytes(). */
static PGresult *result_of(const struct column *columns, int width,
                           const char *const *cells, int count)
{
    PGresAttDesc descs[8] = {{0}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    for (int i = 0; i < width; i++) {
        descs[i].name = (char *)columns[i].name;
        descs[i].typid = columns[i].type;
        descs[i].format = columns[i].format;
    }
    assert_true(PQsetResultAttrs(result, width, descs));
    for (int i = 0; i < count * width; i++) {
        char *cell = (char *)cells[i];
        assert_true(PQsetvalue(result, i / width, i % width, cell,
                               cell ? (int)strlen(cell) : -1));
    }
    return result;
}

/* Rows of it, in the fiber's arena; the result is gone. */
static ed_rows *rows_of(const struct column *columns, int width,
                        const char *const *cells, int count)
{
    PGresult *result = result_of(columns, width, cells, count);
    ed_rows *rows = NULL;

    check_int(pg_rows_of(&rows, ed_fiber_arena(), result), 0);
    PQclear(result);
    return rows;
}

static const struct column people[] = {{"id", INT4, 0}, {"name", TEXT, 0}};
static const char *const three[] = {"1", "Ada", "2", NULL, "3", ""};

/* A row of one text, which says it is of that type. */
static ed_rows *one(Oid type, const char *text)
{
    struct column column = {"x", type, 0};

    return rows_of(&column, 1, &text, 1);
}

/* The same in binary. */
static ed_rows *one_binary(Oid type, const void *bytes, int len)
{
    struct column column = {"x", type, 1};
    PGresult *result = result_of(&column, 1, NULL, 0);
    ed_rows *rows = NULL;

    check(PQsetvalue(result, 0, 0, (char *)bytes, len));
    check_int(pg_rows_of(&rows, ed_fiber_arena(), result), 0);
    PQclear(result);
    return rows;
}

/* ---- going through them ---- */

FIBER_TEST(rows_come_in_their_order_and_end)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    check_int(ed_rows_count(rows), 3);
    for (int round = 0; round < 2; round++) {
        for (int i = 1; i <= 3; i++) {
            check(ed_rows_next(rows));
            check_int(ed_rows_int(rows, "id"), i);
        }
        check(!ed_rows_next(rows));
        check(!ed_rows_next(rows));
        check_int(ed_rows_rewind(rows), 0);
    }
    check_int(ed_rows_error(rows), 0);
}

FIBER_TEST(before_the_first_next_a_value_is_of_the_first_row)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    check_text(ed_rows_text(rows, "name"), "Ada");
    check(ed_rows_next(rows));
    check_text(ed_rows_text(rows, "name"), "Ada");
}

FIBER_TEST(columns_are_known_by_name_and_by_index)
{
    const struct column twice[] = {
        {"a", INT4, 0}, {"b", TEXT, 0}, {"a", TEXT, 0}};
    const char *const cells[] = {"1", "x", "y"};
    ed_rows *rows = rows_of(twice, 3, cells, 1);
    char name[] = "b";

    check_int(ed_rows_columns(rows), 3);
    check_text(ed_rows_name(rows, 1), "b");
    check_text(ed_rows_name(rows, 3), "");
    check_int(ed_rows_type(rows, 0), INT4);
    check_int(ed_rows_type(rows, 3), 0);
    check_int(ed_rows_find(rows, "a"), 0);
    check_int(ed_rows_find(rows, "c"), -1);
    check_int(ed_rows_int(rows, "a"), 1);
    check_text(ed_rows_text(rows, 2), "y");
    check_text(ed_rows_text(rows, name), "x");
    check_text(ed_rows_text(rows, (size_t)1), "x");
    check_int(ed_rows_error(rows), 0);
}

FIBER_TEST(a_null_reads_as_nothing_and_is_told_apart)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    check(ed_rows_next(rows) && !ed_rows_null(rows, "name"));
    check(ed_rows_next(rows) && ed_rows_null(rows, "name"));
    check_text(ed_rows_text(rows, "name"), "");
    check_int(ed_rows_bytes(rows, "name").len, 0);
    check_int(ed_rows_int(rows, "name"), 0);
    check(!ed_rows_bool(rows, "name"));
    check(!ed_rows_json(rows, "name"));
    check(ed_rows_next(rows) && !ed_rows_null(rows, "name"));
    check_text(ed_rows_text(rows, "name"), "");
    check_int(ed_rows_error(rows), 0);
}

FIBER_TEST(no_rows_are_no_rows)
{
    ed_rows *none = NULL;

    check(!ed_rows_next(none));
    check_int(ed_rows_count(none), 0);
    check_int(ed_rows_columns(none), 0);
    check_text(ed_rows_text(none, "a"), "");
    check(ed_rows_null(none, 0));
    ed_rows_close(none);
    check_int(ed_rows_error(none), ED_EUSAGE);

    PGresult *done = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
    ed_rows *rows = NULL;
    check_int(pg_rows_of(&rows, ed_fiber_arena(), done), 0);
    PQclear(done);
    check(!ed_rows_next(rows));
    check_int(ed_rows_affected(rows), 0);
    check_int(ed_rows_error(rows), 0);
    check_int(ed_rows_int(rows, 0), 0);
    check_int(ed_rows_error(rows), ED_EUSAGE);
    check_text(ed_error(), "no row: there is none");
}

FIBER_TEST(rows_that_do_not_fit_into_the_arena_are_refused)
{
    ed_arena *small = ed_arena_new(100);
    PGresult *result = result_of(people, 2, three, 3);
    ed_rows *rows = NULL;

    check_int(pg_rows_of(&rows, small, result), ED_ENOMEM);
    PQclear(result);
    ed_arena_free(small);
}

/* ---- mistakes ---- */

/* Rows of which something was read that cannot be. */
static void refused(ed_rows *rows, const char *text)
{
    (void)ed_fail(ED_EPROTO, "something else that failed since");
    check_int(ed_rows_error(rows), ED_EUSAGE);
    check_text(ed_error(), text);
}

FIBER_TEST(a_column_that_is_not_there_is_remembered)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    check_int(ed_rows_int(rows, "idd"), 0);
    refused(rows, "no column 'idd'");
    rows = rows_of(people, 2, three, 3);
    check_text(ed_rows_text(rows, 2), "");
    refused(rows, "no column 2: there are 2");
    rows = rows_of(people, 2, three, 3);
    check(ed_rows_null(rows, -1));
    refused(rows, "no column -1: there are 2");
}

FIBER_TEST(a_row_that_is_not_there_is_remembered)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    while (ed_rows_next(rows))
        ;
    check_int(ed_rows_int(rows, "id"), 0);
    refused(rows, "no row: behind the last");
}

FIBER_TEST(the_first_mistake_is_the_one_that_is_told)
{
    ed_rows *rows = rows_of(people, 2, three, 3);

    check_int(ed_rows_int(rows, "name"), 0);
    check_int(ed_rows_int(rows, "nam"), 0);
    check_int(ed_rows_int(rows, "id"), 1);
    refused(rows, "column 'name' (text) is not a whole number of 64 bits: Ada");
}

FIBER_TEST(a_value_of_another_kind_is_named_and_shown_in_part)
{
    ed_rows *rows = one(TEXT, "0123456789012345678901234567890123456789more");

    check(!ed_rows_bool(rows, 0));
    refused(rows, "column 'x' (text) is not a boolean: "
                  "0123456789012345678901234567890123456789...");
    rows = one(TEXT, "012345678901234567890123456789012345678øø");
    check_int(ed_rows_time(rows, 0), 0);
    refused(rows,
            "column 'x' (text) is not a time in ISO style that "
            "fits into 64 bits: 012345678901234567890123456789012345678...");
    rows = one(INTS, "{1,x}");
    const int64_t *ints;
    check_int(ed_rows_ints(rows, 0, &ints), 0);
    refused(rows, "column 'x' (integer[]) is not an array of whole numbers: "
                  "{1,x}");
    rows = one_binary(STAMP, "\0\0\0\0\0\0\0\0", 8);
    check_int(ed_rows_int(rows, 0), 0);
    refused(rows, "column 'x' (timestamp with time zone) is not a whole "
                  "number of 64 bits: 2000-01-01 00:00:00+00");
    rows = one_binary(STAMP, "\0\0\0", 3);
    check_text(ed_rows_text(rows, 0), "");
    refused(rows, "column 'x' (timestamp with time zone) is malformed");
    rows = one_binary(99999, "\1", 1);
    check_text(ed_rows_text(rows, 0), "");
    refused(rows, "column 'x': type 99999 is not read in binary");
}

FIBER_TEST(whole_numbers_are_read_from_numerics_and_texts)
{
    check_int(ed_rows_int(one(1700, "12.00"), 0), 12);
    check_int(ed_rows_int(one(1700, "-9223372036854775808"), 0), INT64_MIN);
    check_int(ed_rows_int(one(TEXT, " 7 "), 0), 7);
    check_int(ed_rows_int(one_binary(1700, "\0\1\0\0\0\0\0\2\0\14", 10), 0),
              12);
    ed_rows *rows = one(1700, "12.5");
    check_int(ed_rows_int(rows, 0), 0);
    refused(rows, "column 'x' (numeric) is not a whole number of 64 bits: "
                  "12.5");
    rows = one_binary(1700, "\0\2\0\0\0\0\0\1\0\14\x13\x88", 12);
    check_int(ed_rows_int(rows, 0), 0);
    refused(rows, "column 'x' (numeric) is not a whole number of 64 bits: "
                  "12.5");
    rows = one(1700, "9223372036854775808");
    check_int(ed_rows_int(rows, 0), 0);
    check_int(ed_rows_error(rows), ED_EUSAGE);
}

FIBER_TEST(an_integer_is_a_double_only_if_it_fits)
{
    check(ed_rows_double(one(INT8, "9007199254740992"), 0) == 0x1p53);
    check(ed_rows_double(one(1700, "0.1"), 0) == 0.1);
    check(ed_rows_double(one(1700, "9007199254740993"), 0) == 0x1p53);
    ed_rows *rows = one(INT8, "9007199254740993");
    check(ed_rows_double(rows, 0) == 0);
    refused(rows, "column 'x' (bigint) is not a number that a double holds: "
                  "9007199254740993");
    rows = one(INT8, "9223372036854775807");
    check(ed_rows_double(rows, 0) == 0);
    check_int(ed_rows_error(rows), ED_EUSAGE);
}

FIBER_TEST(a_time_too_late_for_64_bits_is_still_a_day_and_a_text)
{
    ed_rows *rows = one(STAMP, "294276-12-31 23:59:59.999999+00");

    check_int(ed_rows_date(rows, 0).year, 294276);
    check_text(ed_rows_text(rows, 0), "294276-12-31 23:59:59.999999+00");
    check_int(ed_rows_time(rows, 0), 0);
    check_int(ed_rows_error(rows), ED_EUSAGE);
    rows = one(STAMP, "-infinity");
    check(ed_rows_time(rows, 0) == ED_TIME_MINUS_INFINITY);
    check_int(ed_rows_error(rows), 0);
    check_int(ed_rows_date(rows, 0).year, 0);
    refused(rows, "column 'x' (timestamp with time zone) is not a day: "
                  "-infinity");
}

FIBER_TEST(a_uuid_is_read_as_bytes)
{
    uint8_t uuid[16];

    ed_rows_uuid(one(2950, "12345678-9abc-def0-0102-030405060708"), 0, uuid);
    check_int(uuid[0], 0x12);
    check_int(uuid[15], 8);
    ed_rows *rows = one(TEXT, "12345678-9abc-def0-0102-03040506070");
    ed_rows_uuid(rows, 0, uuid);
    check_int(uuid[0], 0);
    check_int(ed_rows_error(rows), ED_EUSAGE);
}

FIBER_TEST(json_is_read_by_jansson)
{
    json_t *value = ed_rows_json(one(114, " [1, {\"a\": null}] "), 0);

    check_int(json_array_size(value), 2);
    json_decref(value);
    value = ed_rows_json(one_binary(3802, "\1{}", 3), 0);
    check(json_is_object(value));
    json_decref(value);
    ed_rows *rows = one(TEXT, "{\"a\"");
    check(!ed_rows_json(rows, 0));
    refused(rows, "column 'x' (text) is not JSON: {\"a\"");
}

/* ---- as JSON ---- */

FIBER_TEST(a_row_is_written_as_an_object)
{
    const struct column columns[] = {
        {"id", INT8, 0},  {"n", 1700, 0}, {"nan", 1700, 0},  {"f", 701, 0},
        {"at", STAMP, 0}, {"d", 1082, 0}, {"tags", 1009, 0}, {"none", TEXT, 0}};
    const char *const cells[] = {"9007199254740993",
                                 "1.50",
                                 "NaN",
                                 "Infinity",
                                 "2026-01-02 04:04:05.5+01",
                                 "0044-03-15 BC",
                                 "{{a},{\"b \\\"\"}}",
                                 NULL};
    ed_rows *rows = rows_of(columns, 8, cells, 1);
    struct ed_buf text = {0};
    struct ed_json j;

    ed_json_begin(&j, &text);
    ed_json_row(&j, rows);
    check_int(ed_json_finish(&j), 0);
    check_text(text.ptr,
               "{\"id\":9007199254740993,\"n\":1.50,\"nan\":\"NaN\","
               "\"f\":null,\"at\":\"2026-01-02T03:04:05.5Z\","
               "\"d\":\"-000043-03-15\",\"tags\":[[\"a\"],[\"b \\\"\"]],"
               "\"none\":null}");
    check_int(ed_rows_error(rows), 0);
    ed_buf_free(&text);
}

FIBER_TEST(what_is_malformed_is_no_json)
{
    ed_rows *rows = one(INTS, "{1,");
    struct ed_buf text = {0};
    struct ed_json j;

    ed_json_begin(&j, &text);
    ed_json_row(&j, rows);
    check_int(ed_json_finish(&j), ED_EUSAGE);
    refused(rows, "column 'x' (integer[]) is not well-formed: {1,");
    ed_buf_free(&text);
}

/* ---- streams ---- */

/* Rows 1 to `last`, and then an end of that kind. */
struct counting {
    struct pg_rows_source source;
    int at, last, err, closed;
};

static PGresult *next_count(struct pg_rows_source *source, int *err)
{
    struct counting *c = (struct counting *)source;
    char text[2000];
    const char *cells[] = {text, "x"};

    if (c->at == c->last) {
        *err = c->err;
        if (c->err)
            (void)ed_fail(c->err, "the server left");
        return NULL;
    }
    /* Of very different lengths. */
    c->at++;
    (void)snprintf(text, sizeof text, "%0*d", c->at % 2 ? 1900 : 4, c->at);
    return result_of(people, 2, cells, 1);
}

static void close_count(struct pg_rows_source *source)
{
    ((struct counting *)source)->closed++;
}

static ed_rows *count_to(struct counting *c, int last, int err)
{
    ed_rows *rows = NULL;

    *c = (struct counting){{next_count, close_count}, 0, last, err, 0};
    check_int(pg_rows_stream(&rows, ed_fiber_arena(), &c->source), 0);
    return rows;
}

FIBER_TEST(a_stream_has_one_row_at_a_time_and_closes_at_its_end)
{
    struct counting c;
    ed_rows *rows ED_ROWS_AUTO = count_to(&c, 100, 0);

    for (int i = 1; i <= 100; i++) {
        check(ed_rows_next(rows));
        check_int(ed_rows_int(rows, "id"), i);
        check_text(ed_rows_text(rows, "name"), "x");
        check_int(ed_rows_count(rows), i);
    }
    check_int(c.closed, 0);
    check(!ed_rows_next(rows));
    check_int(c.closed, 1);
    check_int(ed_rows_error(rows), 0);
    check_int(ed_rows_affected(rows), 100);
    check_text(ed_rows_name(rows, 1), "name");
    check(!ed_rows_next(rows));
    check_int(c.closed, 1);
    check_int(ed_rows_rewind(rows), ED_EUSAGE);
    check_int(ed_rows_int(rows, "id"), 0);
    refused(rows, "no row: behind the last");
}

FIBER_TEST(a_stream_that_fails_says_why)
{
    struct counting c;
    ed_rows *rows ED_ROWS_AUTO = count_to(&c, 2, ED_EUNCERTAIN);

    check(ed_rows_next(rows));
    check(ed_rows_next(rows));
    check(!ed_rows_next(rows));
    check_int(ed_rows_error(rows), ED_EUNCERTAIN);
    check_text(ed_error(), "the server left");
    check_int(c.closed, 1);
}

FIBER_TEST(a_stream_that_is_cancelled_does_not_tell_of_an_older_failure)
{
    struct counting c;
    ed_rows *rows ED_ROWS_AUTO = count_to(&c, 0, ED_ECANCELED);

    check(!ed_rows_next(rows));
    check_int(ed_rows_error(rows), ED_ECANCELED);
    check_text(ed_error(), "cancelled");
}

FIBER_TEST(a_stream_left_early_is_closed_once)
{
    struct counting c;
    ed_rows *rows ED_ROWS_AUTO = count_to(&c, 9, 0);

    check(ed_rows_next(rows));
    ed_rows_close(rows);
    ed_rows_close(rows);
    check_int(c.closed, 1);
    check(!ed_rows_next(rows));
}

FIBER_TEST(a_stream_has_no_row_before_its_first)
{
    struct counting c;
    ed_rows *rows ED_ROWS_AUTO = count_to(&c, 0, 0);

    check_int(ed_rows_int(rows, "id"), 0);
    refused(rows, "no row: there is none");
    check(!ed_rows_next(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_their_order_and_end),
        cmocka_unit_test(before_the_first_next_a_value_is_of_the_first_row),
        cmocka_unit_test(columns_are_known_by_name_and_by_index),
        cmocka_unit_test(a_null_reads_as_nothing_and_is_told_apart),
        cmocka_unit_test(no_rows_are_no_rows),
        cmocka_unit_test(rows_that_do_not_fit_into_the_arena_are_refused),
        cmocka_unit_test(a_column_that_is_not_there_is_remembered),
        cmocka_unit_test(a_row_that_is_not_there_is_remembered),
        cmocka_unit_test(the_first_mistake_is_the_one_that_is_told),
        cmocka_unit_test(a_value_of_another_kind_is_named_and_shown_in_part),
        cmocka_unit_test(whole_numbers_are_read_from_numerics_and_texts),
        cmocka_unit_test(an_integer_is_a_double_only_if_it_fits),
        cmocka_unit_test(a_time_too_late_for_64_bits_is_still_a_day_and_a_text),
        cmocka_unit_test(a_uuid_is_read_as_bytes),
        cmocka_unit_test(json_is_read_by_jansson),
        cmocka_unit_test(a_row_is_written_as_an_object),
        cmocka_unit_test(what_is_malformed_is_no_json),
        cmocka_unit_test(a_stream_has_one_row_at_a_time_and_closes_at_its_end),
        cmocka_unit_test(a_stream_that_fails_says_why),
        cmocka_unit_test(
            a_stream_that_is_cancelled_does_not_tell_of_an_older_failure),
        cmocka_unit_test(a_stream_left_early_is_closed_once),
        cmocka_unit_test(a_stream_has_no_row_before_its_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
