/*
 * tutorial_service.c - a service that takes its time, for the tutorial: a part
 * of a page for who asks, after a while; part 13 takes twenty times as long.
 */
#include <eddy/app.h>
#include <jansson.h>

static const char *delay_ms = "100";

/* GET /part/{n:int} */
static int part(ed_req *req)
{
    int64_t n = ed_arg_int(req, "n"), ms;
    int err = ed_bytes_int(ed_bytes(delay_ms), &ms);
    if (!err)
        err = ed_sleep((n == 13 ? 20 * ms : ms) * ED_MS);
    if (err)
        return err;
    return ed_reply_json(req, 200, "{s:I, s:s}", "part", (json_int_t)n, "text",
                         "worth waiting for");
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "ms", &delay_ms, "N", "how long a part takes (100)");
    ed_route(app, "GET /part/{n:int}", part);
    return ed_main(app, argc, argv);
}
