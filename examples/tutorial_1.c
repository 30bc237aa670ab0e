/*
 * tutorial_1.c - a page of twenty parts, fetched one after the other.
 */
#include <eddy/app.h>
#include <eddy/client.h>

enum { PARTS = 20 };

static const char *service = "http://127.0.0.1:8081";

/* [page] */
/* GET / */
static int page(ed_req *req)
{
    for (int i = 0; i < PARTS; i++) {
        ed_res *part;
        const char *url =
            ed_arena_printf(ed_req_arena(req), "%s/part/%d", service, i);
        int err = url ? ed_get(&part, url) : ED_ENOMEM;
        if (!err)
            err = ed_write(req, "%s\n", ed_res_text(part));
        if (err)
            return err;
    }
    return 0;
}
/* [/page] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "service", &service, "URL", "where the parts come from");
    ed_route(app, "GET /", page);
    return ed_main(app, argc, argv);
}
