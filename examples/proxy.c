/*
 * proxy.c - fetches what it is asked for from hosts that are allowed.
 *
 *     proxy --allow 127.0.0.1:9000,files.example
 *     curl '127.0.0.1:8080/?url=http://127.0.0.1:9000/large'
 *
 * Bodies flow through in both directions piece by piece, as fast as the slower
 * side takes them: a body of any size costs no memory. Every method goes on as
 * it is. A host that is not on the list gets 403; one that cannot be reached,
 * or breaks off, an honest 502 or 504.
 */
#include <eddy/app.h>
#include <eddy/client.h>
#include <string.h>

static const char *allowed = "";

/* "host" or "host:port" of an http URL; empty for anything else. Where it
 * ends, the client's own reading of the URL has it end, too. */
static struct ed_bytes authority_of(const char *url)
{
    if (strncmp(url, "http://", 7) != 0)
        return ED_BYTES("");
    url += 7;
    return ed_bytes_of(url, strcspn(url, "/?#"));
}

static bool is_allowed(struct ed_bytes authority)
{
    struct ed_bytes rest = ed_bytes(allowed);
    while (rest.ptr) {
        struct ed_bytes entry = ed_bytes_trim(ed_bytes_cut(&rest, ','));
        if (entry.len && ed_bytes_equal_nocase(authority, entry))
            return true;
    }
    return false;
}

/* [both] */
/* Gives the client's body on, as it comes. */
static ssize_t read_request(void *req, void *buf, size_t len)
{
    return ed_body_read(req, buf, len);
}

static int fetch(ed_req *req, ed_res **res, const char *url)
{
    /* As it is, so that its length stays true. */
    const char *headers[] = {"Accept-Encoding: identity", NULL, NULL};
    const char *accept = ed_header(req, "Accept");
    const char *type = ed_header(req, "Content-Type");
    int64_t length = ed_body_length(req);

    if (accept)
        headers[1] = ed_arena_printf(ed_req_arena(req), "Accept: %s", accept);
    return ed_fetch(res, url, .method = ed_req_method(req), .headers = headers,
                    .content_type = type, .send = length ? read_request : NULL,
                    .send_arg = req, .send_length = length, .stream = true,
                    .max_redirects = -1);
}

static int64_t length_of(const ed_res *res)
{
    const char *text = ed_res_header(res, "Content-Length");
    int64_t length;
    return text && !ed_bytes_int(ed_bytes(text), &length) ? length : -1;
}

static int pass_on(ed_req *req, ed_res *res)
{
    const char *type = ed_res_header(res, "Content-Type");
    char piece[16 * 1024];
    ssize_t len = 0;

    int err = type ? ed_reply_header_set(req, "Content-Type", type) : 0;
    if (!err)
        err = ed_reply_begin(req, ed_res_status(res), length_of(res));
    while (!err && (len = ed_res_read(res, piece, sizeof piece)) > 0)
        err = ed_write_bytes(req, ed_bytes_of(piece, (size_t)len));
    return err ? err : (int)len;
}

/* [/both] */
/* * /?url=URL */
static int proxy(ed_req *req)
{
    const char *url = ed_query(req, "url");
    ed_res *res;

    if (!url || !authority_of(url).len)
        return ed_reply(req, 400, "use /?url=http://HOST/PATH\n");
    if (!is_allowed(authority_of(url)))
        return ed_reply(req, 403, "this host is not allowed\n");
    int err = fetch(req, &res, url);
    if (err)
        return err; /* 400, 502 or 504, by what went wrong */
    err = pass_on(req, res);
    ed_res_close(res);
    return err;
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_option(app, "allow", &allowed, "HOST[:PORT],...", "what may be fetched");
    ed_route(app, "* /", proxy);
    return ed_main(app, argc, argv);
}
