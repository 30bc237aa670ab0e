/*
 * console.c - serves the files of the console's page.
 *
 * They are made part of the program by cmake/embed.cmake. The page loads
 * nothing from elsewhere and has no scripts in its text, so that whatever a
 * client sent, and the page shows, can be no script either.
 */
#include "serve/console.h"

/* src/serve/console.html and those beside it. */
extern const struct ed_bytes serve_console_html, serve_console_css,
    serve_console_js;

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'";

static int send_part(ed_req *req, const char *type, struct ed_bytes bytes)
{
    static const char *const fields[][2] = {
        {"Cache-Control", "no-cache"},
        {"Content-Security-Policy", policy},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && !err; i++)
        err = ed_reply_header_set(req, fields[i][0], fields[i][1]);
    return err ? err : ed_reply_bytes(req, 200, type, bytes);
}

static int page(ed_req *req)
{
    return send_part(req, "text/html; charset=utf-8", serve_console_html);
}

static int style(ed_req *req)
{
    return send_part(req, "text/css; charset=utf-8", serve_console_css);
}

static int script(ed_req *req)
{
    return send_part(req, "text/javascript; charset=utf-8", serve_console_js);
}

/* With the slash, the names of the page's files are beside it. */
static int with_slash(ed_req *req)
{
    return ed_redirect(req, 308, "/console/");
}

void ed_console_routes(ed_app *app)
{
    ed_route(app, "GET /console", with_slash);
    ed_route(app, "GET /console/", page);
    ed_route(app, "GET /console/console.css", style);
    ed_route(app, "GET /console/console.js", script);
}
