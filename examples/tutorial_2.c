/*
 * tutorial_2.c - a page of twenty parts, fetched all at once.
 */
#include <eddy/app.h>
#include <eddy/client.h>

enum { PARTS = 20 };

static const char *service = "http://127.0.0.1:8081";

/* [fetch] */
static int fetch_parts(ed_req *req, ed_res **parts)
{
    ed_scope(s);
    for (int i = 0; i < PARTS; i++) {
        const char *url =
            ed_arena_printf(ed_req_arena(req), "%s/part/%d", service, i);
        if (!url)
            return ED_ENOMEM; /* and those under way are cancelled */
        ed_go_get(s, &parts[i], url);
    }
    return ed_wait(s);
}
/* [/fetch] */

/* [page] */
/* GET / */
static int page(ed_req *req)
{
    ed_res *parts[PARTS];
    int err = fetch_parts(req, parts);
    for (int i = 0; i < PARTS && !err; i++)
        err = ed_write(req, "%s\n", ed_res_text(parts[i]));
    return err;
}
/* [/page] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "service", &service, "URL", "where the parts come from");
    ed_route(app, "GET /", page);
    return ed_main(app, argc, argv);
}
