/*
 * shop.c - an ordinary service, whole: a page out of three others, a table in
 * PostgreSQL, a WebSocket that tells what is new, and the tests of it all.
 *
 *     shop --database postgresql:///shop --stock URL --prices URL --reviews URL
 *     shop --self-test --database DSN     tests it, 0 when all is well
 *
 *     curl 127.0.0.1:8080/articles/7
 *     curl -d '{"text": "good"}' 127.0.0.1:8080/articles/7/notes
 */
#include <eddy/eddy.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *stock = "http://127.0.0.1:9001";
static const char *prices = "http://127.0.0.1:9002";
static const char *reviews = "http://127.0.0.1:9003";
static const char *database; /* NULL: what PGHOST and its like say */

static ed_pg *db;
static ed_room *news;

/* ---- a page out of three services ---- */

static const char *url_of(ed_req *req, const char *service)
{
    return ed_arena_printf(ed_req_arena(req), "%s/%s", service,
                           ed_arg(req, "id"));
}

/* GET /articles/{id:int} */
static int article(ed_req *req)
{
    ed_res *in_stock, *price, *said;

    ed_scope(s, .within = 500 * ED_MS); /* for all of them together */
    ed_go_get(s, &in_stock, url_of(req, stock));
    ed_go_get(s, &price, url_of(req, prices));
    ed_go_get(s, &said, url_of(req, reviews));
    int err = ed_wait(s);
    if (err)
        return err; /* 502 or 504 */
    if (ed_res_status(in_stock) == 404)
        return ED_ENOTFOUND;
    return ed_reply_json(req, 200, "{s:o, s:o, s:o}", "stock",
                         ed_res_json(in_stock), "price", ed_res_json(price),
                         "reviews", ed_res_json(said));
}

/* ---- notes, in a table ---- */

/* GET /articles/{id:int}/notes */
static int notes(ed_req *req)
{
    ed_rows *rows;
    int err = ed_pg_query(db, &rows,
                          "select id, text, made from notes"
                          " where article = :article order by id",
                          ed_p(article, ed_arg_int(req, "id")));
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_array(j);
    while (ed_rows_next(rows) && !ed_json_error(j))
        ed_json_row(j, rows);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int store(ed_req *req, const char *text)
{
    ed_rows *rows;
    int err = ed_pg_row(db, &rows,
                        "insert into notes (article, text)"
                        " values (:article, :text) returning id",
                        ed_p(article, ed_arg_int(req, "id")), ed_p(text, text));
    if (err)
        return err; /* a text that the table does not take is a 400 */
    ed_room_send(news, ed_bytes(text));
    return ed_reply_json(req, 201, "{s:I}", "id",
                         (json_int_t)ed_rows_int(rows, "id"));
}

/* POST /articles/{id:int}/notes {"text": ...} */
static int add_note(ed_req *req)
{
    json_t *body;
    const char *text;
    int err = ed_body_json(req, &body);

    if (err)
        return err;
    if (json_unpack(body, "{s:s}", "text", &text))
        err = ed_fail(ED_EBADREQ, "no text");
    if (!err)
        err = store(req, text);
    json_decref(body);
    return err;
}

/* ---- what is new, live ---- */

static int came(ed_ws *ws)
{
    return ed_room_join(news, ws);
}

/* GET /news: a WebSocket; while it is quiet it holds no fiber. */
static int live(ed_req *req)
{
    return ed_ws_serve(req, .on_open = came);
}

/* ---- the app ---- */

/* From its start to its stop. */
static int keep_database(ed_context *self, void *arg)
{
    (void)arg;
    db = ed_pg_new(.dsn = database);
    if (!db)
        return ED_EUSAGE;
    int err =
        ed_pg_script(db, "create table if not exists notes ("
                         " id bigint generated always as identity primary key,"
                         " article bigint not null,"
                         " text text not null check (text <> ''),"
                         " made timestamptz not null default now())");
    if (!err)
        err = ed_context_ready(self);
    ed_pg_free(db);
    return err;
}

static ed_app *make_app(void)
{
    ed_app *app = ed_app_new();

    news = ed_room_new(app, "news");
    ed_setting(app, "workers", "1"); /* all are to hear the same news */
    ed_app_fiber(app, keep_database, NULL);
    ed_route(app, "GET /articles/{id:int}", article);
    ed_route(app, "GET /articles/{id:int}/notes", notes);
    ed_route(app, "POST /articles/{id:int}/notes", add_note);
    ed_route(app, "GET /news", live);
    return news ? app : NULL;
}

/* ---- its tests ---- */

/* GET /{id:int}: any of the three services; 13 is slow, 14 unknown. */
static int service(ed_req *req)
{
    int64_t id = ed_arg_int(req, "id");

    if (id == 13)
        return ed_sleep(ED_MIN);
    if (id == 14)
        return ED_ENOTFOUND;
    return ed_reply_json(req, 200, "{s:I}", "of", (json_int_t)id);
}

static void an_article_is_made_of_three_services(ed_test *t)
{
    ed_res *res;

    ed_test_get(t, &res, "/articles/7");
    ed_test_json(t, res, "{s:{s:i}, s:{s:i}, s:{s:i}}", "stock", "of", 7,
                 "price", "of", 7, "reviews", "of", 7);
    ed_test_expect(t, "/articles/13", 504, NULL);
    ed_test_expect(t, "/articles/14", 404, NULL);
    ed_test_expect(t, "/articles/x", 404, NULL);
}

static void a_note_is_kept_and_told(ed_test *t)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    struct ed_bytes told;
    ed_res *res;

    ed_test_ws(t, &ws, "/news");
    ed_test_post_json(t, &res, "/articles/7/notes", "{s:s}", "text", "good");
    ed_test_status(t, res, 201);
    ed_test_check(t, ws && !ed_ws_recv(ws, &told) &&
                         ed_bytes_equal(told, ED_BYTES("good")));
    ed_test_get(t, &res, "/articles/7/notes");
    ed_test_has(t, res, "\"text\":\"good\"");
}

static void what_is_no_note_is_refused(ed_test *t)
{
    ed_res *res;

    ed_test_post_json(t, &res, "/articles/7/notes", "{s:s}", "text", "");
    ed_test_status(t, res, 400);
    ed_test_post_json(t, &res, "/articles/7/notes", "{s:s}", "txet", "good");
    ed_test_status(t, res, 400);
    ed_test_fetch(t, &res, "/articles/7/notes", .method = "POST",
                  .body = ED_BYTES("{"));
    ed_test_status(t, res, 400);
}

/* On the real clock: the database knows no other. */
static int run_tests(void *arg)
{
    ed_app *services = ed_app_new(), *app = make_app();

    (void)arg;
    ed_route(services, "GET /{id:int}", service);
    ed_test *three = ed_test_new(services, .listen = "127.0.0.1:0");
    stock = prices = reviews = ed_test_url(three);
    ed_test *t = ed_test_new(app);
    an_article_is_made_of_three_services(t);
    a_note_is_kept_and_told(t);
    what_is_no_note_is_refused(t);
    int failed = ed_test_end(t) + ed_test_end(three);
    ed_app_free(app);
    ed_app_free(services);
    return failed;
}

static int self_test(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[2], "--database"))
        database = argv[3];
    return ed_run(run_tests, NULL) != 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--self-test"))
        return self_test(argc, argv);
    ed_app *app = make_app();
    if (!app)
        return 1;
    ed_option(app, "database", &database, "DSN", "PostgreSQL, as libpq has it");
    ed_option(app, "stock", &stock, "URL", "the service of what is in stock");
    ed_option(app, "prices", &prices, "URL", "the service of prices");
    ed_option(app, "reviews", &reviews, "URL", "the service of reviews");
    return ed_main(app, argc, argv);
}
