/*
 * baseline.c - what needs neither a database nor a dataset: sums, a short
 * answer to be pipelined, bodies that are only counted, and messages that are
 * sent back.
 */
#include "arena.h"

#include <eddy/ws.h>

/* Of each term, so that three of them have a sum. */
#define TERM_MAX INT64_C(1000000000000000)

int64_t query_number(ed_req *req, const char *name, int64_t min, int64_t max,
                     int64_t absent)
{
    const char *text = ed_query(req, name);
    int64_t n;
    if (!text || ed_bytes_int(ed_bytes(text), &n))
        n = absent;
    return clamp(n, min, max);
}

/* Adds the number in the body, which may be as long as a number. */
static int add_body(ed_req *req, int64_t *sum)
{
    struct ed_bytes body;
    int64_t n;
    ed_body_limit(req, 64);
    int err = ed_body(req, &body);
    if (err)
        return err;
    if (ed_bytes_int(ed_bytes_trim(body), &n) || n < -TERM_MAX || n > TERM_MAX)
        return ed_fail(ED_EBADREQ, "the body is no number to add");
    *sum += n;
    return 0;
}

/* GET,POST /baseline11?a=&b= */
static int baseline(ed_req *req)
{
    int64_t a, b;
    int err = ed_query_int(req, "a", -TERM_MAX, TERM_MAX, 0, &a);
    if (!err)
        err = ed_query_int(req, "b", -TERM_MAX, TERM_MAX, 0, &b);
    if (err)
        return err;
    int64_t sum = a + b;
    if (ed_body_length(req)) {
        err = add_body(req, &sum);
        if (err)
            return err;
    }
    return ed_reply(req, 200, "%lld", (long long)sum);
}

/* GET /pipeline */
static int pipeline(ed_req *req)
{
    return ed_reply_bytes(req, 200, "text/plain", ED_BYTES("ok"));
}

/* POST /upload: counts the bytes of a body of any size as they come. */
static int upload(ed_req *req)
{
    char piece[64 * 1024];
    uint64_t bytes = 0;
    ssize_t n;
    while ((n = ed_body_read(req, piece, sizeof piece)) > 0)
        bytes += (uint64_t)n;
    if (n < 0)
        return (int)n;
    return ed_reply(req, 200, "%llu", (unsigned long long)bytes);
}

static int echo(ed_ws *ws, struct ed_bytes msg)
{
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

/* GET /ws */
static int websocket(ed_req *req)
{
    return ed_ws_serve(req, .on_message = echo);
}

void baseline_routes(ed_app *app)
{
    ed_route(app, "GET,POST /baseline11", baseline);
    ed_route(app, "GET /pipeline", pipeline);
    ed_route(app, "POST /upload", upload);
    ed_route(app, "GET /ws", websocket);
}
