/*
 * waits.c - a page that waits for a database and a service at the same time,
 * served to many by one process.
 *
 *     DATABASE_URL=postgresql://... waits --service http://127.0.0.1:9000/
 *     curl 127.0.0.1:8080/
 */
#include <eddy/eddy.h>
#include <stdlib.h>

/* [page] */
static ed_pg *db;
static const char *service_url;

static int ask_database(void *arg)
{
    ed_rows **rows = arg;

    return ed_pg_row(db, rows, "select 42 as answer, pg_sleep(0.3)");
}

/* GET / */
static int page(ed_req *req)
{
    ed_rows *rows;
    ed_res *res;

    ed_scope(s, .within = 2 * ED_S);
    ed_go(s, ask_database, &rows);
    ed_go_get(s, &res, service_url);
    int err = ed_wait(s); /* as long as the slower of the two */
    if (err)
        return err;
    return ed_reply(req, 200, "%lld %s\n", ed_rows_int(rows, "answer"),
                    ed_res_text(res));
}
/* [/page] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();

    service_url = "http://127.0.0.1:9000/";
    ed_option(app, "service", &service_url, "URL", "the service asked, too");
    db = ed_pg_new(.dsn = getenv("DATABASE_URL"), .max = 10);
    if (!db)
        return 1;
    ed_route(app, "GET /", page);
    int status = ed_main(app, argc, argv);
    ed_pg_free(db);
    return status;
}
