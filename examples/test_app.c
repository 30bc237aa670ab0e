/*
 * test_app.c - a guest book that tests itself.
 *
 *     test_app                serves it
 *     test_app --self-test    tests it, and exits with 0 when all is well
 *
 * A visitor signs once an hour: a cookie tells who has.
 */
#include <eddy/eddy.h>
#include <jansson.h>
#include <string.h>

/* ---- the app ---- */

struct book {
    json_t *entries;
    int64_t hours; /* the book has been open */
};

ED_APP_VALUE(struct book, book)

/* GET /entries */
static int list(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:O, s:I}", "entries",
                         book_of(req)->entries, "hours",
                         (json_int_t)book_of(req)->hours);
}

/* POST /entries {"name": ...} */
static int sign(ed_req *req)
{
    struct book *book = book_of(req);
    const char *name = NULL;
    json_t *entry;

    if (ed_cookie(req, "signed"))
        return ed_fail(ED_ECONFLICT, "has signed already");
    int err = ed_body_json(req, &entry);
    if (err)
        return err;
    if (json_unpack(entry, "{s:s}", "name", &name) || !*name) {
        json_decref(entry);
        return ed_fail(ED_EBADREQ, "no name");
    }
    ed_log_info("%s has signed", name);
    json_array_append_new(book->entries, json_string(name));
    json_decref(entry);
    err = ed_reply_header(req, "Set-Cookie", "signed=yes; Path=/");
    return err ? err : ed_reply(req, 201, "thank you\n");
}

static int count_hours(void *arg)
{
    struct book *book = arg;
    int err;

    while (!(err = ed_sleep(60 * ED_MIN)))
        book->hours++;
    return err;
}

/* The book is there from the app's start to its stop. */
static int keep_book(ed_context *self, void *arg)
{
    struct book book = {.entries = json_array()};

    (void)arg;
    if (!book.entries)
        return ED_ENOMEM;
    book_set(ed_context_app(self), &book);
    ed_scope(s);
    ed_go(s, count_hours, &book);
    int err = ed_context_ready(self);
    book_set(ed_context_app(self), NULL);
    json_decref(book.entries);
    return err;
}

static ed_app *make_app(void)
{
    ed_app *app = ed_app_new();

    if (ed_app_fiber(app, keep_book, NULL)) {
        ed_app_free(app);
        return NULL;
    }
    ed_route(app, "GET /entries", list);
    ed_route(app, "POST /entries", sign);
    return app;
}

/* ---- its tests ---- */

/* [tests] */
static void a_visitor_signs_once(ed_test *t)
{
    ed_res *res;

    ed_test_post_json(t, &res, "/entries", "{s:s}", "name", "Ada");
    ed_test_status(t, res, 201);
    ed_test_body(t, res, "thank you\n");
    ed_test_check(t, ed_test_cookie(t, "signed"));
    ed_test_logged(t, "Ada has signed");

    ed_test_post_json(t, &res, "/entries", "{s:s}", "name", "Ada");
    ed_test_status(t, res, 409);
    ed_test_get(t, &res, "/entries");
    ed_test_json(t, res, "{s:[s], s:i}", "entries", "Ada", "hours", 0);
}

static void hours_are_counted(ed_test *t)
{
    ed_res *res;

    ed_test_advance(t, 24 * 60 * ED_MIN + ED_S); /* takes no time */
    ed_test_get(t, &res, "/entries",
                .headers = (const char *[]){"Accept: application/json", NULL});
    ed_test_header(t, res, "Content-Type", "application/json");
    ed_test_json(t, res, "{s:[], s:i}", "entries", "hours", 24);
}

static void who_has_no_name_is_refused(ed_test *t)
{
    ed_res *res;

    ed_test_post_json(t, &res, "/entries", "{s:s}", "nmae", "Ada");
    ed_test_status(t, res, 400);
    ed_test_expect(t, "POST /entries", 400, NULL);
    ed_test_expect(t, "/entries/1", 404, NULL);
}

static void (*const tests[])(ed_test *t) = {
    a_visitor_signs_once,
    hours_are_counted,
    who_has_no_name_is_refused,
};

/* Each with an app of its own. */
static int run_tests(void *arg)
{
    int failed = 0;

    (void)arg;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        ed_app *app = make_app();
        ed_test *t = ed_test_new(app);
        tests[i](t);
        failed += ed_test_end(t);
        ed_app_free(app);
    }
    return failed;
}
/* [/tests] */

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--self-test"))
        return ed_run(run_tests, NULL, .virtual_clock = true) != 0;
    ed_app *app = make_app();
    return app ? ed_main(app, argc, argv) : 1;
}
