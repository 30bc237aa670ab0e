/*
 * tutorial_4.c - a page of twenty parts, each sent on as soon as it is there.
 */
#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/future.h>

enum { PARTS = 20 };

static const char *service = "http://127.0.0.1:8081";

/* [part] */
struct part {
    const char *url;
    ed_res *res;
    ed_future done;
};

static int fetch_part(void *arg)
{
    struct part *part = arg;
    return ed_get(&part->res, part->url);
}
/* [/part] */

static int send_part(ed_req *req, struct part *part)
{
    int err = ed_future_get(&part->done, NULL);
    err = err ? ed_write(req, "{\"error\":\"%s\"}\n", ed_err_name(err))
              : ed_write(req, "%s\n", ed_res_text(part->res));
    return err ? err : ed_flush(req);
}

/* [page] */
/* GET / */
static int page(ed_req *req)
{
    struct part parts[PARTS] = {0};
    ed_future *all[PARTS];

    ed_scope(s, .within = 5 * ED_S);
    for (int i = 0; i < PARTS; i++) {
        parts[i].url =
            ed_arena_printf(ed_req_arena(req), "%s/part/%d", service, i);
        if (!parts[i].url)
            return ED_ENOMEM;
        all[i] = &parts[i].done;
        ed_go_future(s, all[i], fetch_part, &parts[i]);
    }

    int err = ed_reply_header_set(req, "Content-Type", "application/x-ndjson");
    struct ed_as_completed next = {.futures = all, .count = PARTS};
    while (!err && (err = ed_next_completed(&next)) > 0)
        err = send_part(req, &parts[next.index]);
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
