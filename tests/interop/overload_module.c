/*
 * overload_module.c - a module for `eddy serve` whose handler takes its time,
 * and tells how often it ran and how many of it did at once.
 */
#include <eddy/eddy.h>

static unsigned ran, inside, most;

static int work(ed_req *req)
{
    int64_t ms;
    int err = ed_query_int(req, "ms", 0, 60000, 50, &ms);

    if (err)
        return err;
    ran++;
    inside++;
    if (inside > most)
        most = inside;
    err = ed_sleep(ms * ED_MS);
    inside--;
    return err ? err : ed_reply(req, 200, "done\n");
}

/* Vital: answers however much there is to do. */
static int count(ed_req *req)
{
    return ed_reply(req, 200, "ran %u most %u\n", ran, most);
}

ED_API ed_app *eddy_app(void);
ed_app *eddy_app(void)
{
    ed_app *app = ed_app_new();
    ed_route(app, "GET /", work);
    ed_route(app, "GET /count", count);
    return app;
}
