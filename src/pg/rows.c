/*
 * rows.c - results of libpq as rows in an arena, and how one goes through them.
 *
 * A result is copied in one piece: the rows, their columns, a slot for each
 * value, and then names and values, each with a NUL behind it. A stream has its
 * columns in the fiber's arena and the slots and values of one row in an arena
 * of its own, which is reset for each row and freed at the end.
 */
#include "pg/rows_internal.h"
#include "base/size.h"
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <stdlib.h>

/* ---- copying ---- */

/* How much a part of a result takes. Overflows show in `whole`. */
struct measure {
    size_t bytes;
    bool fits;
};

static void count_in(struct measure *m, size_t more)
{
    m->fits = m->fits && ed_size_add(m->bytes, more, &m->bytes);
}

static void count_columns(struct measure *m, const PGresult *result)
{
    int width = PQnfields(result);

    count_in(m, (size_t)width * sizeof(struct pg_column));
    for (int i = 0; i < width; i++)
        count_in(m, strlen(PQfname(result, i)) + 1);
}

static void count_values(struct measure *m, const PGresult *result)
{
    int width = PQnfields(result), count = PQntuples(result);
    size_t slots = 0;

    m->fits = m->fits && ed_size_mul((size_t)width, (size_t)count, &slots) &&
              ed_size_mul(slots, sizeof(struct pg_slot) + 1, &slots);
    if (!m->fits)
        return;
    count_in(m, slots); /* with a byte each for the NULs */
    for (int row = 0; row < count; row++) {
        for (int i = 0; i < width; i++)
            count_in(m, (size_t)PQgetlength(result, row, i));
    }
}

/* Copies names to `at`; returns where they end. */
static char *put_columns(ed_rows *rows, const PGresult *result, char *at)
{
    for (size_t i = 0; i < rows->width; i++) {
        const char *name = PQfname(result, (int)i);
        size_t len = strlen(name);
        rows->columns[i] = (struct pg_column){
            .name = memcpy(at, name, len + 1),
            .name_len = (uint32_t)len,
            .oid = PQftype(result, (int)i),
            .binary = PQfformat(result, (int)i) == 1,
        };
        at += len + 1;
    }
    return at;
}

static void put_values(ed_rows *rows, const PGresult *result, char *at)
{
    struct pg_slot *slot = rows->slots;
    int count = PQntuples(result);

    for (int row = 0; row < count; row++) {
        for (int i = 0; i < (int)rows->width; i++, slot++) {
            size_t len = (size_t)PQgetlength(result, row, i);
            if (!len && PQgetisnull(result, row, i)) {
                *slot = (struct pg_slot){0};
                continue;
            }
            memcpy(at, PQgetvalue(result, row, i), len);
            at[len] = '\0';
            *slot = (struct pg_slot){at, len};
            at += len + 1;
        }
    }
}

int64_t pg_rows_affected_by(const PGresult *result)
{
    int64_t count = 0;

    /* libpq's function only reads, but does not say so. */
    for (const char *p = PQcmdTuples((PGresult *)result); *p; p++)
        count = count * 10 + (*p - '0');
    return count;
}

int pg_rows_of(ed_rows **out, ed_arena *arena, const PGresult *result)
{
    struct measure m = {sizeof(ed_rows), true};

    count_columns(&m, result);
    count_values(&m, result);
    ed_rows *rows = m.fits ? ed_arena_alloc(arena, m.bytes) : NULL;
    if (!rows)
        return ED_ENOMEM;

    *rows = (ed_rows){
        .count = (size_t)PQntuples(result),
        .width = (size_t)PQnfields(result),
        .affected = pg_rows_affected_by(result),
        .home = arena,
        .arena = arena,
    };
    ED_MAGIC_SET(rows, ED_ROWS_MAGIC);
    rows->columns = (struct pg_column *)(rows + 1);
    rows->slots = (struct pg_slot *)(rows->columns + rows->width);
    char *names = (char *)(rows->slots + rows->width * rows->count);
    put_values(rows, result, put_columns(rows, result, names));
    *out = rows;
    return 0;
}

bool pg_rows_binary_better(const PGresult *result)
{
    bool faster = false;

    for (int i = 0; i < PQnfields(result); i++) {
        const struct pg_type *type = pg_type_of(PQftype(result, i));
        if (type->kind == PG_UNKNOWN)
            return false;
        faster |= type->binary_faster;
    }
    return faster;
}

/* ---- streams ---- */

int pg_rows_stream(ed_rows **out, ed_arena *arena,
                   struct pg_rows_source *source)
{
    ed_rows *rows = ed_arena_alloc(arena, sizeof *rows);
    ed_arena *own = rows ? ed_arena_new(0) : NULL;

    if (!own)
        return ED_ENOMEM;
    *rows = (ed_rows){
        .arena = own,
        .home = arena,
        .source = source,
        .stream = true,
    };
    ED_MAGIC_SET(rows, ED_ROWS_MAGIC);
    *out = rows;
    return 0;
}

void ed_rows_close(ed_rows *rows)
{
    if (!rows)
        return;
    ED_MAGIC_CHECK(rows, ED_ROWS_MAGIC);
    if (!rows->source)
        return;
    struct pg_rows_source *source = rows->source;
    rows->source = NULL;
    rows->slots = NULL;
    ed_arena_free(rows->arena);
    rows->arena = NULL;
    source->close(source);
}

/* The columns of a stream come with its first row, and stay. */
static int keep_columns(ed_rows *rows, const PGresult *result)
{
    struct measure m = {0, true};

    count_columns(&m, result);
    rows->columns = m.fits ? ed_arena_alloc(rows->home, m.bytes) : NULL;
    if (!rows->columns)
        return ED_ENOMEM;
    rows->width = (size_t)PQnfields(result);
    put_columns(rows, result, (char *)(rows->columns + rows->width));
    return 0;
}

static int keep_row(ed_rows *rows, const PGresult *result)
{
    struct measure m = {0, true};
    int err = rows->columns ? 0 : keep_columns(rows, result);

    if (err)
        return err;
    count_values(&m, result);
    ed_arena_reset(rows->arena);
    rows->slots = m.fits ? ed_arena_alloc(rows->arena, m.bytes) : NULL;
    if (!rows->slots)
        return ED_ENOMEM;
    put_values(rows, result, (char *)(rows->slots + rows->width));
    return 0;
}

/* Some errors leave no text, and that of an older one is not theirs. */
static const char *text_about(int err)
{
    bool silent = err == ED_ENOMEM || err == ED_ECANCELED || err == ED_ETIMEOUT;

    return silent ? ed_err_text(err) : ed_error();
}

static bool next_of_stream(ed_rows *rows)
{
    int err = 0;

    if (!rows->source)
        return false;
    PGresult *result = rows->source->next(rows->source, &err);
    if (result) {
        err = keep_row(rows, result);
        PQclear(result);
    }
    if (result && !err) {
        rows->at = ++rows->count;
        rows->affected++;
        return true;
    }
    if (err)
        pg_rows_fail(rows, err, "%s", text_about(err));
    ed_rows_close(rows);
    return false;
}

/* ---- going through them ---- */

bool ed_rows_next(ed_rows *rows)
{
    if (!rows)
        return false;
    ED_MAGIC_CHECK(rows, ED_ROWS_MAGIC);
    if (rows->stream)
        return next_of_stream(rows);
    if (rows->at <= rows->count)
        rows->at++;
    return rows->at <= rows->count;
}

void pg_rows_fail(ed_rows *rows, int err, const char *fmt, ...)
{
    va_list args;

    if (rows->error)
        return;
    rows->error = err;
    va_start(args, fmt);
    rows->why = ed_arena_vprintf(rows->home, fmt, args);
    va_end(args);
    if (!rows->why)
        rows->why = "no memory to say what";
    (void)ed_fail(err, "%s", rows->why);
}

int ed_rows_error(const ed_rows *rows)
{
    if (!rows)
        return ed_fail(ED_EUSAGE, "there are no rows: the query failed");
    /* Said again, as another failure may have been told since. */
    return rows->error ? ed_fail(rows->error, "%s", rows->why) : 0;
}

int ed_rows_rewind(ed_rows *rows)
{
    if (!rows || rows->stream)
        return ed_fail(ED_EUSAGE, "rows of a stream cannot be gone back to");
    rows->at = 0;
    return 0;
}

size_t ed_rows_count(const ed_rows *rows)
{
    return rows ? rows->count : 0;
}

int64_t ed_rows_affected(const ed_rows *rows)
{
    return rows ? rows->affected : 0;
}

/* ---- columns ---- */

size_t ed_rows_columns(const ed_rows *rows)
{
    return rows ? rows->width : 0;
}

const char *ed_rows_name(const ed_rows *rows, size_t index)
{
    return index < ed_rows_columns(rows) ? rows->columns[index].name : "";
}

uint32_t ed_rows_type(const ed_rows *rows, size_t index)
{
    return index < ed_rows_columns(rows) ? rows->columns[index].oid : 0;
}

/* A plain scan: results have few columns, and most names part by length. */
static int find(const ed_rows *rows, const char *name, size_t len)
{
    for (size_t i = 0; i < rows->width; i++) {
        const struct pg_column *c = &rows->columns[i];
        if (c->name_len == len && !memcmp(c->name, name, len))
            return (int)i;
    }
    return -1;
}

int ed_rows_find(const ed_rows *rows, const char *name)
{
    return rows && name ? find(rows, name, strlen(name)) : -1;
}

/* ---- one value ---- */

/* The index of a column; false when it is not there, which is remembered. */
static bool find_column(ed_rows *rows, struct ed_column column, size_t *index)
{
    int64_t i =
        column.name ? find(rows, column.name, (size_t)column.n) : column.n;

    if (i >= 0 && (size_t)i < rows->width) {
        *index = (size_t)i;
        return true;
    }
    if (column.name)
        pg_rows_fail(rows, ED_EUSAGE, "no column '%.80s'", column.name);
    else
        pg_rows_fail(rows, ED_EUSAGE, "no column %lld: there are %zu",
                     (long long)column.n, rows->width);
    return false;
}

/* The slots of the row at hand; NULL when there is none. */
static const struct pg_slot *slots_at_hand(const ed_rows *rows)
{
    if (rows->stream)
        return rows->slots;
    if (rows->at > rows->count || !rows->count)
        return NULL;
    return rows->slots + (rows->at ? rows->at - 1 : 0) * rows->width;
}

bool pg_rows_cell(ed_rows *rows, struct ed_column column, size_t *index,
                  struct pg_cell *cell)
{
    if (!rows)
        return false;
    ED_MAGIC_CHECK(rows, ED_ROWS_MAGIC);
    const struct pg_slot *slots = slots_at_hand(rows);
    if (!slots) {
        pg_rows_fail(rows, ED_EUSAGE,
                     rows->count ? "no row: behind the last"
                                 : "no row: there is none");
        return false;
    }
    if (!find_column(rows, column, index) || !slots[*index].ptr)
        return false;
    const struct pg_column *c = &rows->columns[*index];
    const struct pg_type *type = pg_type_of(c->oid);
    *cell = (struct pg_cell){
        .kind = type->kind,
        .element = type->element,
        .binary = c->binary,
        .bytes = {slots[*index].ptr, slots[*index].len},
    };
    return true;
}

void *pg_rows_room(ed_rows *rows, size_t size)
{
    void *room = ed_arena_alloc(rows->arena, size);

    if (!room)
        pg_rows_fail(rows, ED_ENOMEM, "no memory for a value");
    return room;
}

bool ed_rows_null_(ed_rows *rows, struct ed_column column)
{
    struct pg_cell cell;
    size_t index;

    return !pg_rows_cell(rows, column, &index, &cell);
}
