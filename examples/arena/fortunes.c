/*
 * fortunes.c - GET /fortunes: the fortunes in the database and one more, in the
 * order of their messages, as a page of HTML.
 */
#include "arena.h"

#include <stdlib.h>

struct fortune {
    int64_t id;
    const char *message;
};

static int by_message(const void *a, const void *b)
{
    const struct fortune *x = a, *y = b;
    return strcmp(x->message, y->message);
}

/* ---- the page ---- */

static const char *entity(char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Adds a text so that a browser shows it and obeys none of it. */
static int add_escaped(struct ed_buf *page, const char *text)
{
    int err = 0;
    while (!err && *text) {
        size_t plain = strcspn(text, "<>&\"'");
        err = ed_buf_add(page, text, plain);
        text += plain;
        if (!err && *text)
            err = ed_buf_addf(page, "%s", entity(*text++));
    }
    return err;
}

static int add_row(struct ed_buf *page, const struct fortune *fortune)
{
    int err =
        ed_buf_addf(page, "<tr><td>%lld</td><td>", (long long)fortune->id);
    if (!err)
        err = add_escaped(page, fortune->message);
    if (!err)
        err = ed_buf_addf(page, "</td></tr>");
    return err;
}

static int add_page(struct ed_buf *page, const struct fortune *fortunes,
                    size_t count)
{
    int err = ed_buf_addf(page, "<!DOCTYPE html><html><head>"
                                "<title>Fortunes</title></head><body><table>"
                                "<tr><th>id</th><th>message</th></tr>");
    for (size_t i = 0; !err && i < count; i++)
        err = add_row(page, &fortunes[i]);
    if (!err)
        err = ed_buf_addf(page, "</table></body></html>");
    return err;
}

/* ---- the route ---- */

/* GET /fortunes */
static int fortunes(ed_req *req)
{
    ed_rows *rows;
    int err = ed_pg_query(arena_of(req)->db, &rows,
                          "select id, message from fortune");
    if (err)
        return err;

    size_t count = 0;
    struct fortune *all = ed_arena_alloc(
        ed_req_arena(req), (ed_rows_count(rows) + 1) * sizeof *all);
    if (!all)
        return ED_ENOMEM;
    while (ed_rows_next(rows))
        all[count++] =
            (struct fortune){ed_rows_int(rows, 0), ed_rows_text(rows, 1)};
    all[count++] =
        (struct fortune){0, "Additional fortune added at request time."};
    qsort(all, count, sizeof *all, by_message);

    struct ed_buf page __attribute__((cleanup(ed_buf_free))) = {0};
    err = add_page(&page, all, count);
    if (err)
        return err;
    return ed_reply_bytes(req, 200, "text/html; charset=utf-8",
                          ed_buf_bytes(&page));
}

void fortunes_routes(ed_group *stored)
{
    ed_group_route(stored, "GET /fortunes", fortunes);
}
