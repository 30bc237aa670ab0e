/*
 * fuzz_pg_text.c - values of PostgreSQL as text: what is read is written as
 * something that reads as the same, and nothing is read that is not there.
 *
 * The first byte chooses the type, the rest is the value.
 */
#include "check.h"
#include "wire/pg_array.h"
#include "wire/pg_cell.h"
#include "wire/pg_number.h"
#include "wire/pg_time.h"
#include <eddy/error.h>
#include <math.h>

static void check_date(struct ed_bytes text)
{
    char again[PG_TIME_MAX];
    int32_t days, twice;

    if (pg_date_read(text, &days))
        return;
    char *end = pg_date_print(again, days, PG_SQL);
    CHECK(end <= again + sizeof again);
    CHECK(!pg_date_read(ed_bytes_of(again, (size_t)(end - again)), &twice));
    CHECK(twice == days);
}

static void check_timestamp(struct ed_bytes text)
{
    char again[PG_TIME_MAX];
    int64_t us, twice;

    if (pg_timestamp_read(text, &us))
        return;
    char *end = pg_timestamp_print(again, us, true, PG_ISO);
    CHECK(end <= again + sizeof again);
    end = pg_timestamp_print(again, us, true, PG_SQL);
    CHECK(
        !pg_timestamp_read(ed_bytes_of(again, (size_t)(end - again)), &twice));
    CHECK(twice == us);
}

static void check_interval(struct ed_bytes text)
{
    char again[PG_TIME_MAX];
    struct ed_interval i, twice;

    if (pg_interval_read(text, &i))
        return;
    for (int signs = 0; signs <= 1; signs++) {
        char *end = pg_interval_print(again, i, signs);
        CHECK(end <= again + sizeof again);
        CHECK(!pg_interval_read(ed_bytes_of(again, (size_t)(end - again)),
                                &twice));
        CHECK(twice.months == i.months && twice.days == i.days &&
              twice.microseconds == i.microseconds);
    }
}

/* `text` is NUL-terminated. */
static void check_number(struct ed_bytes text)
{
    char again[PG_FLOAT_MAX];
    double x, twice;
    int64_t n;

    if (!pg_int_read(text, &n))
        CHECK(text.len);
    if (pg_double_read(text, &x))
        return;
    char *end = pg_float8_print(again, x);
    CHECK(end < again + sizeof again);
    *end = '\0';
    CHECK(!pg_double_read(ed_bytes(again), &twice));
    CHECK(isnan(x) ? isnan(twice) : x == twice);
    end = pg_float4_print(again, (float)x);
    CHECK(end < again + sizeof again);
    *end = '\0';
    CHECK(!pg_double_read(ed_bytes(again), &twice));
    CHECK(isnan(x) ? isnan(twice) : (float)x == (float)twice);
}

/* An array written anew from its events. */
static int rewrite(struct ed_buf *out, struct ed_bytes text, char *room)
{
    const struct pg_cell cell = {PG_ARRAY, PG_TEXT, false, text};
    struct pg_cell element;
    struct pg_array a;
    bool comma = false;
    size_t count = 0;
    int event = pg_array_open(&a, &cell, room);

    if (event < 0)
        return event;
    size_t most = pg_array_most(&a);
    while ((event = pg_array_next(&a, &element)) > 0) {
        if (comma && event != PG_ARRAY_UP)
            CHECK(!ed_buf_add(out, ",", 1));
        comma = event != PG_ARRAY_DOWN;
        count += event == PG_ARRAY_ELEMENT || event == PG_ARRAY_NULL;
        if (event == PG_ARRAY_DOWN)
            CHECK(!ed_buf_add(out, "{", 1));
        else if (event == PG_ARRAY_UP)
            CHECK(!ed_buf_add(out, "}", 1));
        else if (event == PG_ARRAY_NULL)
            CHECK(!ed_buf_add(out, "NULL", 4));
        else
            CHECK(!pg_array_quote(out, element.bytes));
    }
    CHECK(count <= most);
    return event;
}

static void check_array(struct ed_bytes text)
{
    struct ed_buf once = {0}, twice = {0};
    /* As much as is asked for, and no more. */
    char *room = check_copy(text);

    if (!rewrite(&once, text, room)) {
        char *more = check_copy(ed_buf_bytes(&once));
        CHECK(!rewrite(&twice, ed_buf_bytes(&once), more));
        CHECK(ed_bytes_equal(ed_buf_bytes(&once), ed_buf_bytes(&twice)));
        free(more);
    }
    ed_buf_free(&once);
    ed_buf_free(&twice);
    free(room);
}

static void check_bytea(struct ed_bytes text)
{
    struct pg_cell cell = {PG_BYTEA, PG_UNKNOWN, false, text};
    struct ed_buf hex = {0};
    char *room = check_copy(text), *more;
    size_t len, twice;

    if (!pg_cell_bytea(&cell, room, &len)) {
        CHECK(len <= text.len);
        cell = (struct pg_cell){PG_BYTEA, PG_UNKNOWN, true, {room, len}};
        CHECK(!pg_cell_text(&hex, &cell));
        more = check_copy(ed_buf_bytes(&hex));
        cell.binary = false;
        cell.bytes = ed_buf_bytes(&hex);
        CHECK(!pg_cell_bytea(&cell, more, &twice));
        CHECK(twice == len && !memcmp(more, room, len));
        free(more);
        ed_buf_free(&hex);
    }
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const checks[])(struct ed_bytes) = {
        check_date,  check_timestamp, check_interval,
        check_array, check_bytea,     check_number};

    if (!len)
        return 0;
    /* Behind a text there is a NUL, and nothing else. */
    char *copy = malloc(len);
    CHECK(copy);
    memcpy(copy, data + 1, len - 1);
    copy[len - 1] = '\0';
    checks[data[0] % 6](ed_bytes_of(copy, len - 1));
    free(copy);
    return 0;
}
