/*
 * error_page.c - replies to errors: HTML for people, JSON for programs, and a
 * line of text for who asks for neither.
 *
 * Promises that nothing is shown but the status and a sentence that is the
 * same for everybody: what really went wrong is in the log, under the id that
 * a 5xx reply carries.
 */
#include "app/app_internal.h"
#include "base/ascii.h"

#include <eddy/error.h>
#include "wire/html.h"

/* ---- what the client wants ---- */

enum form { FORM_HTML, FORM_JSON, FORM_TEXT, FORMS };

/*
 * How much a form is wanted: first by its quality, then by how closely it was
 * named, then by its place among its equals. Who names forms gets HTML before
 * JSON before text; whoever takes anything ("*" "/" "*", curl) gets text.
 */
struct wish {
    unsigned quality;   /* thousandths */
    unsigned closeness; /* 3: the type, 2: its family, 1: anything */
};

static const struct {
    const char *type;
    const char *family;
    const char *suffix; /* of subtypes that are of the form, too */
    const char *content_type;
} forms[FORMS] = {
    [FORM_HTML] = {"text/html", "text/*", "/xhtml+xml",
                   "text/html; charset=utf-8"},
    [FORM_JSON] = {"application/json", "application/*", "+json",
                   "application/json"},
    [FORM_TEXT] = {"text/plain", "text/*", NULL, "text/plain; charset=utf-8"},
};

static bool is_type(struct ed_bytes type, const char *name)
{
    return ed_bytes_equal_nocase(type, ed_bytes(name));
}

static bool ends_with(struct ed_bytes text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len &&
           is_type(ed_bytes_of(text.ptr + text.len - len, len), end);
}

static unsigned closeness(struct ed_bytes type, enum form form)
{
    const char *suffix = forms[form].suffix;
    if (is_type(type, forms[form].type) || (suffix && ends_with(type, suffix)))
        return 3;
    if (is_type(type, forms[form].family))
        return 2;
    return is_type(type, "*/*") ? 1 : 0;
}

/* "0.5" as 500; what is malformed counts as 1 (RFC 9110, 12.4.2). */
static unsigned thousandths(struct ed_bytes text)
{
    if (!text.len || text.ptr[0] != '0')
        return 1000;
    unsigned value = 0, unit = 100;
    for (size_t i = 2; i < text.len && unit; i++, unit /= 10) {
        if (!ed_is_digit(text.ptr[i]))
            return 1000;
        value += unit * (unsigned)(text.ptr[i] - '0');
    }
    return value;
}

static unsigned quality(struct ed_bytes parameters)
{
    while (parameters.ptr) {
        struct ed_bytes value = ed_bytes_cut(&parameters, ';');
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&value, '='));
        if (is_type(name, "q"))
            return thousandths(ed_bytes_trim(value));
    }
    return 1000;
}

/* Takes one Accept field into account. The closest range that fits a form
 * says how much it is wanted. */
static void read_accept(struct wish wishes[FORMS], struct ed_bytes accept)
{
    while (accept.ptr) {
        struct ed_bytes parameters = ed_bytes_cut(&accept, ',');
        struct ed_bytes type = ed_bytes_trim(ed_bytes_cut(&parameters, ';'));
        unsigned q = quality(parameters);
        for (enum form form = 0; form < FORMS; form++) {
            unsigned close = closeness(type, form);
            struct wish *wish = &wishes[form];
            if (close > wish->closeness ||
                (close && close == wish->closeness && q > wish->quality))
                *wish = (struct wish){q, close};
        }
    }
}

static bool is_wanted_more(const struct wish *a, const struct wish *b)
{
    if (a->quality != b->quality)
        return a->quality > b->quality;
    return a->closeness > b->closeness;
}

static enum form choose_form(const ed_req *req)
{
    struct wish wishes[FORMS] = {0};
    struct ed_bytes name, value;
    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        if (is_type(name, "accept"))
            read_accept(wishes, value);
    }
    enum form best = FORM_HTML;
    for (enum form form = FORM_JSON; form < FORMS; form++) {
        if (is_wanted_more(&wishes[form], &wishes[best]))
            best = form;
    }
    /* When text is as good as the best and nothing was called by its name. */
    bool named = wishes[best].closeness == 3 && wishes[best].quality;
    if (!named && !is_wanted_more(&wishes[best], &wishes[FORM_TEXT]))
        return FORM_TEXT;
    return wishes[best].quality ? best : FORM_TEXT;
}

/* ---- the forms ---- */

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5d6b7d;"
    "--ground:#f5f7fa;--line:#dde3ea;--mark:#0b7285}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#93a1b3;"
    "--ground:#12171e;--line:#2a3441;--mark:#4fc3d9}}"
    "*{margin:0}"
    "body{min-height:100vh;display:grid;place-items:center;"
    "background:var(--ground);color:var(--ink);"
    "font:1.0625rem/1.6 system-ui,sans-serif}"
    "main{max-width:32rem;padding:2rem}"
    "b{display:block;font-size:4.5rem;line-height:1;font-weight:250;"
    "letter-spacing:-.03em;color:var(--mark)}"
    "h1{margin:.75rem 0 .25rem;font-size:1.5rem;font-weight:600}"
    "p{color:var(--soft)}"
    "small{display:block;margin-top:1.75rem;padding-top:.75rem;"
    "border-top:1px solid var(--line);color:var(--soft)}"
    "code{font:.9em ui-monospace,monospace;color:var(--ink)}";

/* What an error reply says. */
struct report {
    int status;
    const char *reason;
    const char *text; /* "": none */
    const char *id;   /* "": not shown */
};

static int add_html(struct ed_buf *out, const struct report *r)
{
    int err = ed_buf_addf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>%d %s</title>\n<style>%s</style>\n"
        "<main>\n<b>%d</b>\n<h1>%s</h1>\n<p>",
        r->status, r->reason, style, r->status, r->reason);
    if (!err)
        err = ed_html_add(out, ed_bytes(r->text));
    if (!err)
        err = ed_buf_addf(out, "</p>\n");
    if (!err && *r->id)
        err =
            ed_buf_addf(out, "<small>Request <code>%s</code></small>\n", r->id);
    return err ? err : ed_buf_addf(out, "</main>\n</html>\n");
}

static int add_text(struct ed_buf *out, const struct report *r)
{
    int err = ed_buf_addf(out, "%d %s\n", r->status, r->reason);
    if (!err && *r->text)
        err = ed_buf_addf(out, "%s\n", r->text);
    if (!err && *r->id)
        err = ed_buf_addf(out, "Request %s\n", r->id);
    return err;
}

/* Reasons and ids are made of characters that JSON takes as they are; the text
 * is left out, being the same for everybody. */
static int add_json(struct ed_buf *out, const struct report *r)
{
    int err = ed_buf_addf(out, "{\"error\":{\"status\":%d,\"reason\":\"%s\"",
                          r->status, r->reason);
    if (!err && *r->id)
        err = ed_buf_addf(out, ",\"request\":\"%s\"", r->id);
    return err ? err : ed_buf_addf(out, "}}\n");
}

int ed_error_page(ed_req *req, int status, const char *text)
{
    static int (*const add[FORMS])(struct ed_buf *, const struct report *) = {
        add_html, add_json, add_text};
    const struct report report = {
        .status = status,
        .reason = ed_http_reason(status),
        .text = text,
        .id = status >= 500 ? ed_req_id(req) : "",
    };
    enum form form = choose_form(req);
    struct ed_buf body = {0};
    int err = add[form](&body, &report);
    if (!err)
        err = ed_reply_header(req, "Vary", "Accept");
    if (!err)
        err = ed_reply_bytes(req, status, forms[form].content_type,
                             ed_buf_bytes(&body));
    ed_buf_free(&body);
    return err;
}

/* ---- errors of handlers ---- */

static const char *sentence(int status)
{
    switch (status) {
    case 400:
        return "The request could not be understood.";
    case 401:
        return "You have to sign in first.";
    case 403:
        return "You may not do this.";
    case 404:
        return "There is nothing at this address.";
    case 405:
        return "This address does not take requests of that kind.";
    case 409:
        return "This does not go together with what is there already.";
    case 413:
        return "What was sent is too large.";
    case 429:
        return "Too many requests came from there. Please wait a moment.";
    case 502:
        return "A service that is needed for this could not be reached.";
    case 503:
        return "The service is busy. Please try again in a moment.";
    case 504:
        return "A service that is needed for this took too long.";
    default:
        return status >= 500 ? "Something went wrong on our side." : "";
    }
}

/* Has the app that the error is from make a page, or the next around it that
 * has a page of its own. */
static int make_page(ed_req *req, int status)
{
    struct ed_note *note = req->app;
    ed_app *app = note->app;
    ed_app *from = note->failed ? note->failed : app;
    while (from->outer && from != app && !from->on_error)
        from = from->outer;
    note->app = from;
    ed_error_fn *page = from->on_error ? from->on_error : ed_error_page;
    int err = page(req, status, sentence(status));
    note->app = app;
    return err;
}

int ed_app_fail(ed_req *req, int err)
{
    /* A client that has left gets no reply; and what is out cannot be taken
     * back: the server cuts it short. */
    bool left = err == ED_ECANCELED && ed_cancelled();
    if (req->taken || left || !ed_req_take_back(req))
        return err;
    ed_req_log_failure(req, err);
    int status = ed_req_error_status(req, err);
    int made = make_page(req, status);
    if (made >= 0 && req->reply.status)
        return 0;
    return ed_req_take_back(req) ? ed_error_page(req, status, sentence(status))
                                 : made;
}
