/*
 * feed.c - the app: a wall of messages that come from one source and go to
 * everybody who looks.
 *
 * Its parts start in the order in which they are added here, and stop in the
 * reverse: the source is given up before the last messages are kept.
 */
#include "feed.h"

#include <stdlib.h>

/* The page's files, made part of the program by the build. */
extern const struct ed_bytes feed_page_html, feed_page_css, feed_page_js;

/* Nothing is loaded from elsewhere, and what a message says is no script. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

/* ---- the page ---- */

static int send_page(ed_req *req, const char *type, struct ed_bytes bytes)
{
    ed_reply_header(req, "Cache-Control", "no-cache");
    ed_reply_header(req, "Content-Security-Policy", policy);
    ed_reply_header(req, "X-Content-Type-Options", "nosniff");
    ed_reply_header(req, "Referrer-Policy", "no-referrer");
    return ed_reply_bytes(req, 200, type, bytes);
}

static int page(ed_req *req)
{
    return send_page(req, "text/html; charset=utf-8", feed_page_html);
}

static int style(ed_req *req)
{
    return send_page(req, "text/css; charset=utf-8", feed_page_css);
}

static int script(ed_req *req)
{
    return send_page(req, "text/javascript; charset=utf-8", feed_page_js);
}

/* ---- its parts ---- */

/* Knows what the command line said, which feed_app() did not. */
static int choose_source(void *arg)
{
    struct feed *feed = arg;

    feed->replay.wanted = !feed->url;
    if (feed->url && !source_is_web(feed->url))
        return ed_fail(ED_EUSAGE,
                       "--source %s is no URL such as https://host/path",
                       feed->url);
    return 0;
}

static int connect_source(void *arg)
{
    struct feed *feed = arg;

    feed->source.url = feed->url ? feed->url : feed->replay.url;
    feed->source.take = feed_take;
    feed->source.gap = feed_gap;
    feed->source.arg = feed;
    return 0;
}

static int forget(void *arg)
{
    struct feed *feed = arg;

    ed_buf_free(&feed->source.last_id);
    ed_buf_free(&feed->last);
    ed_buf_free(&feed->status);
    return 0;
}

static void add_parts(ed_app *app, struct feed *feed)
{
    ed_app_context(app, choose_source, forget, feed);
    replay_serve(app, &feed->replay);
    ed_app_context(app, connect_source, NULL, feed);
    ed_app_context(app, keep_load, keep_save, feed);
    ed_app_background(app, source_follow, &feed->source);
    ed_app_background(app, keep_run, feed);
    ed_app_background(app, viewers_inform, feed);
}

ed_app *feed_app(struct feed *feed)
{
    ed_app *app = ed_app_new();

    feed_set(app, feed);
    feed->room = viewers_room(app);
    if (!feed->room)
        abort(); /* as ed_app_new() does */
    add_parts(app, feed);
    ed_route(app, "GET /", page);
    ed_route(app, "GET /page.css", style);
    ed_route(app, "GET /page.js", script);
    ed_route(app, "GET /ws", view_by_websocket);
    ed_route(app, "GET /events", view_by_events);
    ed_mount(app, "/replay", replay_app(&feed->replay));
    return app;
}
