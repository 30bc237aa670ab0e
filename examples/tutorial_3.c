/*
 * tutorial_3.c - a page of what came of twenty parts in half a second, as
 * JSON.
 */
#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/log.h>
#include <jansson.h>

enum { PARTS = 20 };

static const char *service = "http://127.0.0.1:8081";

/* [part] */
struct part {
    const char *url;
    json_t *json; /* NULL: it did not come */
};

/* A part that fails is left out: it says why in the log, and fails nobody. */
static int fetch_part(void *arg)
{
    struct part *part = arg;
    ed_res *res;
    int err = ed_get(&res, part->url);
    if (!err && ed_res_status(res) == 200)
        part->json = ed_res_json(res);
    else
        ed_log_warn("without %s: %s", part->url,
                    err ? ed_err_text(err) : ed_res_reason(res));
    return 0;
}
/* [/part] */

/* [fetch] */
static int fetch_parts(ed_req *req, struct part *parts)
{
    ed_scope(s, .within = 500 * ED_MS);
    for (int i = 0; i < PARTS; i++) {
        parts[i].url =
            ed_arena_printf(ed_req_arena(req), "%s/part/%d", service, i);
        if (!parts[i].url)
            return ED_ENOMEM;
        ed_go(s, fetch_part, &parts[i]);
    }
    int err = ed_wait(s);
    return err == ED_ETIMEOUT ? 0 : err; /* then it is what came till then */
}
/* [/fetch] */

/* [page] */
/* GET / */
static int page(ed_req *req)
{
    struct part parts[PARTS] = {0};
    int err = fetch_parts(req, parts);
    int missing = 0;
    json_t *array = json_array();
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].json)
            json_array_append_new(array, parts[i].json);
        else
            missing++;
    }
    if (err) {
        json_decref(array);
        return err;
    }
    return ed_reply_json(req, 200, "{s:i, s:o}", "missing", missing, "parts",
                         array);
}
/* [/page] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "service", &service, "URL", "where the parts come from");
    ed_route(app, "GET /", page);
    return ed_main(app, argc, argv);
}
