/*
 * overload_module.c - a module for `eddy serve` whose handler waits until there
 * is a file "go", and tells how often it ran and how many of it did at once.
 */
#include <eddy/eddy.h>
#include <unistd.h>

static unsigned ran, inside, most;

static int work(ed_req *req)
{
    int err = 0;

    ran++;
    inside++;
    if (inside > most)
        most = inside;
    while (!err && access("go", F_OK))
        err = ed_sleep(10 * ED_MS);
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
