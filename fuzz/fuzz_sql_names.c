/*
 * fuzz_sql_names.c - SQL with named parameters: with its names put back, what
 * comes out is what went in, and compiled again it stays as it is.
 */
#include "check.h"
#include "wire/sql_names.h"
#include <eddy/error.h>

struct walk {
    const struct ed_sql *sql;
    struct ed_bytes in;
    struct ed_bytes out;
    unsigned highest; /* number so far */
};

static void advance(struct ed_bytes *b, size_t len)
{
    CHECK(b->len >= len);
    b->ptr += len;
    b->len -= len;
}

static unsigned read_number(struct ed_bytes *out)
{
    unsigned number = 0;

    CHECK(out->len && out->ptr[0] != '0');
    while (out->len && out->ptr[0] >= '0' && out->ptr[0] <= '9') {
        number = number * 10 + (unsigned)(out->ptr[0] - '0');
        advance(out, 1);
    }
    return number;
}

/* Where input and output part there is a name in the one and its number in the
 * other, perhaps behind a space. */
static void walk_name(struct walk *w)
{
    advance(&w->in, 1);
    if (w->out.ptr[0] == ' ')
        advance(&w->out, 1);
    CHECK(w->out.len && w->out.ptr[0] == '$');
    advance(&w->out, 1);
    unsigned number = read_number(&w->out);
    CHECK(number >= 1 && number <= w->highest + 1);
    if (number > w->highest)
        w->highest = number;
    struct ed_bytes name = w->sql->names[number - 1];
    CHECK(name.len && name.len <= ED_SQL_NAME_MAX);
    CHECK(ed_bytes_starts(w->in, name));
    CHECK(ed_sql_find(w->sql, name) == number);
    advance(&w->in, name.len);
}

static void check_names_put_back(const struct ed_sql *sql, struct ed_bytes in)
{
    struct walk w = {.sql = sql, .in = in, .out = sql->text};

    while (w.in.len) {
        CHECK(w.out.len);
        if (w.in.ptr[0] == w.out.ptr[0]) {
            advance(&w.in, 1);
            advance(&w.out, 1);
        } else {
            CHECK(w.in.ptr[0] == ':');
            walk_name(&w);
        }
    }
    CHECK(!w.out.len);
    CHECK(w.highest == sql->name_count);
}

static void check_stays(const struct ed_sql *sql)
{
    struct ed_sql_error error;
    struct ed_sql *again;

    CHECK(!ed_sql_compile(&again, sql->text, &error));
    CHECK(ed_bytes_equal(again->text, sql->text));
    CHECK(again->param_count == sql->param_count);
    CHECK(again->name_count == 0);
    CHECK(again->several == sql->several);
    ed_sql_free(again);
}

/* Behind a text that is whole, a name is one and a quote is not. */
static void check_is_whole(const struct ed_sql *sql, struct ed_bytes in)
{
    struct ed_sql_error error;
    struct ed_buf more = {0};
    struct ed_sql *longer;

    if (sql->param_count && !sql->name_count)
        return;
    CHECK(
        !ed_buf_addf(&more, "%.*s\n, ':no', :fuzz_last", (int)in.len, in.ptr));
    CHECK(!ed_sql_compile(&longer, ed_buf_bytes(&more), &error));
    CHECK(ed_sql_find(longer, ED_BYTES("fuzz_last")));
    CHECK(longer->name_count - sql->name_count ==
          !ed_sql_find(sql, ED_BYTES("fuzz_last")));
    ed_sql_free(longer);
    ed_buf_free(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes in = ed_bytes_of(copy, len);
    struct ed_sql_error error = {0};
    struct ed_sql *sql;

    if (ed_sql_compile(&sql, in, &error)) {
        CHECK(!sql && error.why);
        CHECK(error.line >= 1 && error.column >= 1);
        CHECK(error.line + error.column <= len + 2);
    } else {
        CHECK(sql->text.ptr[sql->text.len] == '\0');
        check_names_put_back(sql, in);
        check_stays(sql);
        check_is_whole(sql, in);
        ed_sql_free(sql);
    }
    free(copy);
    return 0;
}
