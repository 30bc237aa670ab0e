/*
 * middleware.c - a service with what most services want around their handlers:
 * an access log, ids, compression, careful headers, passwords and limits.
 *
 *     middleware --access-log access.log --trusted "10.0.0.0/8, unix"
 *
 * SIGUSR1 opens the log anew, for programs that rotate logs.
 */
#include <eddy/eddy.h>
#include <stdlib.h>

/* [page] */
/* GET /: its one script is known by the nonce, and no other runs. */
static int page(ed_req *req)
{
    ed_reply_header_set(req, "Content-Type", "text/html; charset=utf-8");
    return ed_reply(req, 200,
                    "<!DOCTYPE html>\n<title>Orders</title>\n"
                    "<h1>Orders</h1>\n<script nonce=\"%s\">\n"
                    "document.title += ' of today'\n</script>\n",
                    ed_csp_nonce(req));
}
/* [/page] */

/* GET /api/orders?count=N: long, and worth compressing. */
static int orders(ed_req *req)
{
    int64_t count;
    int err = ed_query_int(req, "count", 0, 1000000, 100, &count);
    if (err)
        return err;
    ed_json *j = ed_reply_json_begin(req, 200);
    ed_json_array(j);
    for (int64_t i = 1; i <= count && !ed_json_error(j); i++) {
        ed_json_object(j);
        ed_json_key(j, "id");
        ed_json_int(j, i);
        ed_json_key(j, "state");
        ed_json_text(j, i % 3 ? "sent" : "waits");
        ed_json_end(j);
    }
    ed_json_end(j);
    return ed_json_finish(j);
}

/* POST /api/orders: says how long the order was. */
static int order(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    return err ? err : ed_reply(req, 201, "%zu bytes\n", body.len);
}

/* GET /admin */
static int admin(ed_req *req)
{
    return ed_reply(req, 200, "%s, from %s by %s\n", ed_basic_user(req),
                    ed_req_peer(req), ed_req_scheme(req));
}

/* GET /admin/slow */
static int slow(ed_req *req)
{
    int err = ed_sleep(ED_MIN);
    return err ? err : ed_reply(req, 200, "at last\n");
}

static const char *log_file;
static const char *trusted = "127.0.0.0/8, ::1, unix";

/* [stack] */
/* The first is the outermost. */
static int add_middleware(void *arg)
{
    ed_app *app = arg;
    int err = ed_use_trusted_proxies(app, .trusted = trusted);
    if (!err)
        err = ed_use_access_log(app, .file = log_file,
                                .format = "%a %u \"%r\" %s %b %Tf %L");
    if (!err)
        err = ed_use_request_id(app, .trusted = trusted);
    if (err)
        return err;
    ed_use_compression(app);
    ed_use_security_headers(app, .csp = "default-src 'self'; "
                                        "script-src 'nonce-{nonce}'");
    return ed_use_etag(app);
}
/* [/stack] */

/* [groups] */
static void add_routes(ed_app *app)
{
    static const struct ed_basic_user users[] = {
        {"Ada", "lovelace"},
        {NULL, NULL},
    };
    ed_group *api = ed_group_new(app, "/api");
    ed_use_cors(api, .origins = "https://*.shop.example",
                .headers = "Content-Type, Authorization");
    ed_use_body_limit(api, .max_bytes = 64 * 1024);
    ed_group_route(api, "GET /orders", orders);
    ed_group_route(api, "POST /orders", order);

    ed_group *inside = ed_group_new(app, "/admin");
    ed_use_basic_auth(inside, .realm = "orders", .users = users);
    ed_use_timeout(inside, .within = 300 * ED_MS, .status = 503);
    ed_group_route(inside, "GET", admin);
    ed_group_route(inside, "GET /slow", slow);
    ed_route(app, "GET /", page);
}
/* [/groups] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "access-log", &log_file, "FILE",
              "where requests are logged (stderr)");
    ed_option(app, "trusted", &trusted, "NETWORKS",
              "proxies to be believed (127.0.0.0/8, ::1, unix)");
    add_routes(app);
    ed_app_context(app, add_middleware, NULL, app);
    return ed_main(app, argc, argv);
}
