/*
 * explain.c - answers every request with what went wrong.
 *
 * The page has no script in its text, so that nothing a compiler quotes can be
 * one.
 */
#include "serve/explain.h"

#include <eddy/error.h>
#include <string.h>
#include "wire/html.h"

/* src/serve/explain.html and those beside it. */
extern const struct ed_bytes serve_explain_html, serve_explain_css,
    serve_explain_js;

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

ED_APP_VALUE(const struct ed_explanation, why)

static int send_fresh(ed_req *req, int status, const char *type,
                      struct ed_bytes body)
{
    int err = ed_reply_header_set(req, "Cache-Control", "no-store");

    return err ? err : ed_reply_bytes(req, status, type, body);
}

/* ---- the page ---- */

/* The page's text with each mark replaced by what stands for it. */
static int fill_page(struct ed_buf *out, const struct ed_explanation *why)
{
    const struct {
        struct ed_bytes mark;
        const char *text;
    } marks[] = {
        {ED_BYTES("<!-- heading -->"), why->heading},
        {ED_BYTES("<!-- text -->"), why->text},
    };
    struct ed_bytes rest = serve_explain_html;
    int err = 0;

    for (size_t i = 0; i < sizeof marks / sizeof *marks && !err; i++) {
        const char *at =
            memmem(rest.ptr, rest.len, marks[i].mark.ptr, marks[i].mark.len);
        if (!at)
            return ED_EPARSE;
        size_t before = (size_t)(at - rest.ptr);
        err = ed_buf_add(out, rest.ptr, before);
        if (!err)
            err = ed_html_add(out, ed_bytes(marks[i].text));
        rest = ed_bytes_of(at + marks[i].mark.len,
                           rest.len - before - marks[i].mark.len);
    }
    return err ? err : ed_buf_add(out, rest.ptr, rest.len);
}

static int send_page(ed_req *req)
{
    struct ed_buf page = {0};
    int err = fill_page(&page, why_of(req));

    if (!err)
        err = ed_reply_header_set(req, "Content-Security-Policy", policy);
    if (!err)
        err = send_fresh(req, 500, "text/html; charset=utf-8",
                         ed_bytes_of(page.ptr, page.len));
    ed_buf_free(&page);
    return err;
}

static int send_text(ed_req *req)
{
    const struct ed_explanation *why = why_of(req);
    struct ed_buf text = {0};
    int err = ed_buf_addf(&text, "%s\n\n%s", why->heading, why->text);

    if (!err)
        err = send_fresh(req, 500, "text/plain; charset=utf-8",
                         ed_bytes_of(text.ptr, text.len));
    ed_buf_free(&text);
    return err;
}

static int explain(ed_req *req)
{
    const char *accept = ed_header(req, "Accept");
    bool page = accept && strstr(accept, "text/html");

    return page ? send_page(req) : send_text(req);
}

/* ---- its parts ---- */

static int send_style(ed_req *req)
{
    return send_fresh(req, 200, "text/css; charset=utf-8", serve_explain_css);
}

static int send_script(ed_req *req)
{
    return send_fresh(req, 200, "text/javascript; charset=utf-8",
                      serve_explain_js);
}

/* By this the page sees whether there is something else to be seen. */
static int send_number(ed_req *req)
{
    int err = ed_reply_header_set(req, "Cache-Control", "no-store");

    return err ? err : ed_reply(req, 200, "%u", why_of(req)->number);
}

ed_app *ed_explain_app(const struct ed_explanation *why)
{
    ed_app *app = ed_app_new();

    if (!app)
        return NULL;
    why_set(app, why);
    ed_route(app, "* /{rest*}", explain);
    ed_route(app, "GET /.eddy/explain", send_number);
    ed_route(app, "GET /.eddy/explain.css", send_style);
    ed_route(app, "GET /.eddy/explain.js", send_script);
    return app;
}
