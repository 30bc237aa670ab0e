/*
 * mirror.c - shows HTTP test tools what they have sent.
 *
 * Any request is answered with 200 OK. What has a body gets it back, with its
 * content type, piece by piece as it comes, so that size does not matter.
 * /echo shows the field lines of the request, /cookie its cookies.
 */
#include <eddy/app.h>

/* [mirror] */
/* Sends the body back while it is still coming. */
static int mirror(ed_req *req)
{
    const char *type = ed_header(req, "Content-Type");
    if (!ed_body_length(req))
        return ed_reply(req, 200, "OK\n");
    int err = ed_reply_header(req, "Content-Type",
                              type ? type : "application/octet-stream");
    if (!err)
        err = ed_reply_begin(req, 200, ed_body_length(req));
    while (!err) {
        char piece[16 * 1024];
        ssize_t len = ed_body_read(req, piece, sizeof piece);
        if (len <= 0)
            return (int)len;
        err = ed_write_bytes(req, ed_bytes_of(piece, (size_t)len));
    }
    return err;
}
/* [/mirror] */

/* * /echo */
static int echo(ed_req *req)
{
    struct ed_bytes name, value;
    int err = ed_reply_begin(req, 200, -1);
    for (size_t i = 0; !err && ed_header_at(req, i, &name, &value); i++)
        err = ed_write(req, "%.*s: %.*s\n", (int)name.len, name.ptr,
                       (int)value.len, value.ptr);
    return err;
}

/* One "name=value" of a Cookie field a line. */
static int write_cookies(ed_req *req, struct ed_bytes cookies)
{
    int err = 0;
    while (!err && cookies.ptr) {
        struct ed_bytes cookie = ed_bytes_trim(ed_bytes_cut(&cookies, ';'));
        if (cookie.len)
            err = ed_write(req, "%.*s\n", (int)cookie.len, cookie.ptr);
    }
    return err;
}

/* * /cookie */
static int cookie(ed_req *req)
{
    struct ed_bytes name, value;
    int err = ed_reply_begin(req, 200, -1);
    for (size_t i = 0; !err && ed_header_at(req, i, &name, &value); i++) {
        if (ed_bytes_equal_nocase(name, ED_BYTES("Cookie")))
            err = write_cookies(req, value);
    }
    return err;
}

int main(int argc, char **argv)
{
    ed_app *app = ed_app_new();
    ed_route(app, "* /echo", echo);
    ed_route(app, "* /cookie", cookie);
    ed_route(app, "* /{rest*}", mirror);
    return ed_main(app, argc, argv);
}
