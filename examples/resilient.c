/*
 * resilient.c - asks a backend of several servers, some of which fail, so that
 * whoever asks here does not notice.
 *
 *     resilient --backend http://backend.local:9000/
 *     curl 127.0.0.1:8080/           what the backend says
 *     curl 127.0.0.1:8080/counts     what it took
 *
 * All policies of a client are on; the backend's name should have several
 * addresses. EDDY_HOSTS_FILE names a file in the form of /etc/hosts to try it
 * with.
 */
#include <eddy/app.h>
#include <eddy/client.h>
#include <jansson.h>

static const char *backend = "http://127.0.0.1:9000/";

/* [client] */
static ed_client *client;

/* Owns the client, from before the first request until after the last. */
static int keep_client(ed_context *self, void *arg)
{
    (void)arg;
    client =
        ed_client_new(.retry = {.attempts = 3}, .hedge = {.after = 100 * ED_MS},
                      .balance = {.on = true}, .eject = {.failures = 5},
                      .limit = {.adaptive = true});
    if (!client)
        return ED_ENOMEM;
    int err = ed_context_ready(self);
    ed_client_free(client);
    return err;
}

/* GET / */
static int ask(ed_req *req)
{
    ed_res *res;

    ed_scope(s, .within = 2 * ED_S);
    (void)s;
    int err = ed_fetch(&res, backend, .client = client);
    if (err)
        return err; /* an honest 502, 503 or 504 */
    return ed_reply_bytes(req, ed_res_status(res), "text/plain",
                          ed_res_body(res));
}
/* [/client] */

/* [counts] */
static json_t *endpoints(void)
{
    json_t *list = json_array();
    struct ed_endpoint_counts e;

    for (size_t i = 0; ed_client_endpoint(client, i, &e); i++)
        json_array_append_new(
            list,
            json_pack("{s:s, s:i, s:i, s:I, s:I, s:b}", "address", e.address,
                      "limit", (int)e.limit, "in_flight", (int)e.in_flight,
                      "requests", (json_int_t)e.requests, "failures",
                      (json_int_t)e.failures, "ejected", (int)e.ejected));
    return list;
}

/* GET /counts */
static int counts(ed_req *req)
{
    struct ed_client_counts c;

    ed_client_counts(client, &c);
    return ed_reply_json(
        req, 200, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "requests",
        (json_int_t)c.requests, "retries", (json_int_t)c.retries, "denied",
        (json_int_t)c.retries_denied, "hedges", (json_int_t)c.hedges,
        "hedges_won", (json_int_t)c.hedges_won, "ejections",
        (json_int_t)c.ejections, "probes", (json_int_t)c.probes, "overloads",
        (json_int_t)c.overloads, "endpoints", endpoints());
}
/* [/counts] */

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "backend", &backend, "URL", "what to fetch");
    if (ed_app_fiber(app, keep_client, NULL))
        return 1;
    ed_route(app, "GET /", ask);
    ed_route(app, "GET /counts", counts);
    ed_setting(app, "workers", "1"); /* what it counts is its own */
    return ed_main(app, argc, argv);
}
