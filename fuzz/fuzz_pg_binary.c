/*
 * fuzz_pg_binary.c - values of PostgreSQL in binary, of any type and with any
 * bytes: what is read from them is what is read from the text that they are
 * written as.
 *
 * The first byte chooses the type, the rest is the value.
 */
#include "check.h"
#include "wire/pg_array.h"
#include "wire/pg_cell.h"
#include "wire/pg_time.h"
#include <eddy/error.h>
#include <math.h>

static const uint32_t oids[] = {
#define PG_TYPE(kind, name, oid, array, faster) oid, array,
#include "wire/pg_type.def"
#undef PG_TYPE
};

/* What can be read from a value; an error where it cannot. */
struct readings {
    int int_err, double_err, bool_err, time_err, date_err, interval_err;
    int64_t n, us;
    double x;
    bool truth;
    int32_t days;
    struct ed_interval interval;
};

static struct readings readings_of(const struct pg_cell *cell)
{
    struct readings r;
    uint8_t uuid[16];

    memset(&r, 0, sizeof r);
    r.int_err = pg_cell_int(cell, &r.n);
    r.double_err = pg_cell_double(cell, &r.x);
    r.bool_err = pg_cell_bool(cell, &r.truth);
    r.time_err = pg_cell_timestamp(cell, &r.us);
    r.date_err = pg_cell_date(cell, &r.days);
    r.interval_err = pg_cell_interval(cell, &r.interval);
    (void)!pg_cell_uuid(cell, uuid);
    return r;
}

/* Days the server would not have are written, but not read. */
static bool is_real_time(const struct readings *r)
{
    return (r->date_err || r->days == PG_DATE_INFINITY ||
            r->days == PG_DATE_MINUS_INFINITY ||
            pg_date_is(pg_date_of(r->days)));
}

static void check_same(const struct readings *a, const struct readings *b)
{
    /* Digits of a numeric beyond its places are not written; no server has
     * them. */
    if (!a->int_err)
        CHECK(!b->int_err && a->n == b->n);
    CHECK(a->double_err == b->double_err);
    CHECK(isnan(a->x) ? isnan(b->x) : (float)a->x == (float)b->x);
    CHECK(a->bool_err == b->bool_err && a->truth == b->truth);
    CHECK(a->interval_err == b->interval_err &&
          !memcmp(&a->interval, &b->interval, sizeof a->interval));
    if (!is_real_time(a))
        return;
    CHECK(a->time_err == b->time_err && a->us == b->us);
    CHECK(a->date_err == b->date_err && a->days == b->days);
}

static int events_of(const struct pg_cell *cell, char *events, size_t most)
{
    char *room = cell->binary ? NULL : check_copy(cell->bytes);
    struct pg_cell element;
    struct pg_array a;
    size_t count = 0;
    int event = pg_array_open(&a, cell, room);

    while (event >= 0 && (event = pg_array_next(&a, &element)) > 0) {
        if (count < most)
            events[count++] = (char)event;
    }
    free(room);
    return event;
}

/* Elements alone may differ: a text of nothing is a text all the same. */
static void check_same_events(const struct pg_cell *binary,
                              const struct pg_cell *text)
{
    char a[1000] = {0}, b[1000] = {0};

    CHECK(!events_of(binary, a, sizeof a));
    CHECK(!events_of(text, b, sizeof b));
    CHECK(!memcmp(a, b, sizeof a));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_buf written = {0};

    if (len < 2)
        return 0;
    const struct pg_type *type =
        pg_type_of(oids[data[0] % (sizeof oids / sizeof *oids)]);
    char *copy = check_copy(ed_bytes_of(data + 1, len - 1));
    const struct pg_cell cell = {
        type->kind, type->element, true, {copy, len - 1}};
    struct readings read = readings_of(&cell);

    if (!pg_cell_text(&written, &cell)) {
        CHECK(strlen(written.ptr) == written.len || type->kind == PG_TEXT ||
              type->kind == PG_JSON || type->kind == PG_JSONB ||
              type->kind == PG_ARRAY);
        const struct pg_cell text = {type->kind, type->element, false,
                                     ed_buf_bytes(&written)};
        if (type->kind == PG_ARRAY) {
            check_same_events(&cell, &text);
        } else if (type->kind != PG_TEXT) {
            struct readings again = readings_of(&text);
            check_same(&read, &again);
        }
    } else {
        CHECK(!written.len);
    }
    ed_buf_free(&written);
    free(copy);
    return 0;
}
