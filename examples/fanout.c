/*
 * fanout.c - a page that is made of many calls, all of them at once.
 *
 *     fanout --backend http://127.0.0.1:9000/
 *     curl '127.0.0.1:8080/fanout?n=20'
 *
 * fetches the backend twenty times at once and answers with the bodies joined,
 * after the time of the slowest and not of the sum.
 */
#include <eddy/app.h>
#include <eddy/client.h>
#include <stdio.h>

#define FETCHES_MAX 1000

static const char *backend;

/* The bodies one behind the other, in the arena of the request. */
static int join(ed_req *req, ed_res *const *res, size_t count,
                struct ed_bytes *out)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += ed_res_body(res[i]).len;
    char *at = ed_arena_alloc(ed_req_arena(req), len);
    if (!at)
        return ED_ENOMEM;
    *out = ed_bytes_of(at, len);
    for (size_t i = 0; i < count; i++) {
        struct ed_bytes body = ed_res_body(res[i]);
        memcpy(at, body.ptr, body.len);
        at += body.len;
    }
    return 0;
}

/* GET /fanout?n=N */
static int fanout(ed_req *req)
{
    int64_t count;
    ed_res *res[FETCHES_MAX];
    struct ed_bytes bodies;

    int err = ed_query_int(req, "n", 1, FETCHES_MAX, 1, &count);
    if (err)
        return err;
    ed_scope(s);
    for (int64_t i = 0; i < count; i++)
        ed_go_get(s, &res[i], backend);
    err = ed_wait(s); /* the first failure cancels the others */
    if (!err)
        err = join(req, res, (size_t)count, &bodies);
    return err ? err : ed_reply_bytes(req, 200, "text/plain", bodies);
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    backend = "http://127.0.0.1:9000/";
    ed_option(app, "backend", &backend, "URL", "what to fetch");
    ed_route(app, "GET /fanout", fanout);
    return ed_main(app, argc, argv);
}
