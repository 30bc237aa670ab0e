/*
 * http_handlers.c - see http_handlers.h. Each handler is one way of treating a
 * request or of making a reply, good or bad.
 */
#include "http_handlers.h"

#include <eddy/fiber.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned test_handler_cancelled;

/* ---- whole replies ---- */

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "Hello\n");
}

static int target(ed_req *req)
{
    return ed_reply(req, 200, "%s [%s] path=%s query=%s host=%s version=%d\n",
                    ed_req_method(req), ed_req_target(req), ed_req_path(req),
                    ed_req_query(req), ed_req_host(req), ed_req_version(req));
}

static int fields(ed_req *req)
{
    struct ed_bytes name, value;
    for (size_t i = 0; ed_header_at(req, i, &name, &value); i++) {
        int err = ed_write(req, "%.*s=[%.*s]\n", (int)name.len, name.ptr,
                           (int)value.len, value.ptr);
        if (err)
            return err;
    }
    return 0;
}

/* /big?n=N: N bytes. */
static int big(ed_req *req)
{
    int64_t n;
    int err = ed_query_int(req, "n", 0, 64 << 20, 100000, &n);
    if (err)
        return err;
    char *body = ed_arena_alloc(ed_req_arena(req), (size_t)n + 1);
    if (!body)
        return ED_ENOMEM;
    for (int64_t i = 0; i < n; i++)
        body[i] = (char)('a' + i % 26);
    return ed_reply_bytes(req, 200, "text/plain", ed_bytes_of(body, (size_t)n));
}

/* /file?n=N&have=H: N bytes out of a file of H; /file-chunked: without a
 * length, between two others. */
static int send_file(ed_req *req, int fd, int64_t n, int64_t have)
{
    for (int64_t i = 0; i < have; i++) {
        char byte = (char)('a' + i % 26);
        if (pwrite(fd, &byte, 1, i) != 1)
            return -errno;
    }
    if (!strcmp(ed_req_path(req), "/file")) {
        int err = ed_reply_begin(req, 200, n);
        return err ? err : ed_write_file(req, fd, 0, n);
    }
    int err = ed_write(req, "<");
    err = err ? err : ed_write_file(req, fd, 0, n);
    return err ? err : ed_write(req, ">");
}

static int file(ed_req *req)
{
    int64_t n, have;
    int err = ed_query_int(req, "n", 0, 100000, 10, &n);
    err = err ? err : ed_query_int(req, "have", 0, 100000, n, &have);
    if (err)
        return err;
    int fd = memfd_create("file", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = send_file(req, fd, n, have);
    close(fd);
    return err;
}

/* /status?s=S: any status, with a body if it may have one. */
static int status(ed_req *req)
{
    int64_t s;
    int err = ed_query_int(req, "s", 0, 999, 200, &s);
    return err ? err : ed_reply(req, (int)s, "Body\n");
}

/* /framed?s=S: a status with a length declared and nothing written. */
static int framed(ed_req *req)
{
    int64_t s;
    int err = ed_query_int(req, "s", 200, 599, 304, &s);
    return err ? err : ed_reply_begin(req, (int)s, 1234);
}

/* /field?name=N&value=V: a field chosen by the client. */
static int field(ed_req *req)
{
    const char *name = ed_query(req, "name");
    const char *value = ed_query(req, "value");
    int err = ed_reply_header(req, name ? name : "X-Field", value ? value : "");
    return ed_reply(req, 200, err == ED_EUSAGE ? "Refused\n" : "Taken\n");
}

/* /go?to=LOCATION */
static int go(ed_req *req)
{
    const char *to = ed_query(req, "to");
    return ed_redirect(req, 302, to ? to : "/");
}

/* /typed?type=TYPE: told with the body, and not as a field. */
static int typed(ed_req *req)
{
    int err =
        ed_reply_bytes(req, 200, ed_query(req, "type"), ED_BYTES("Typed\n"));
    return err == ED_EUSAGE ? ed_reply(req, 200, "Refused\n") : err;
}

/* In pieces, and without a type, which is not the same as saying nothing of
 * it. */
static int untyped_pieces(ed_req *req)
{
    int err = ed_reply_header(req, "Content-Type", "");
    if (!err)
        err = ed_reply_begin(req, 200, 6);
    return err ? err : ed_write(req, "Pieces");
}

/* ---- bodies ---- */

static int echo(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    if (err)
        return err;
    return ed_reply_bytes(req, 200, "application/octet-stream", body);
}

static int count(ed_req *req)
{
    char piece[1000];
    size_t bytes = 0;
    ssize_t n;
    while ((n = ed_body_read(req, piece, sizeof piece)) > 0)
        bytes += (size_t)n;
    return n < 0 ? (int)n : ed_reply(req, 200, "%zu bytes\n", bytes);
}

/* Replies while it reads. */
static int mirror(ed_req *req)
{
    char piece[1000];
    ssize_t n;
    int err = ed_reply_begin(req, 200, ed_body_length(req));
    while (!err && (n = ed_body_read(req, piece, sizeof piece)) != 0) {
        err = (int)n;
        if (n > 0)
            err = ed_write_bytes(req, ed_bytes_of(piece, (size_t)n));
    }
    return err;
}

static int read_three(ed_req *req)
{
    char piece[3];
    ssize_t n = ed_body_read(req, piece, sizeof piece);
    return n < 0 ? (int)n : ed_reply(req, 200, "Enough\n");
}

static int sleep_then_echo(ed_req *req)
{
    int err = ed_sleep(50 * ED_MS);
    return err ? err : echo(req);
}

static int try_body(void *arg)
{
    struct ed_bytes body;
    return ed_body(arg, &body);
}

/* Gives up once, and then takes what is left for the whole. */
static int impatient(ed_req *req)
{
    int err = ed_with_timeout(10 * ED_MS, try_body, req);
    return err == ED_ETIMEOUT ? echo(req) : err;
}

/* ---- waiting ---- */

static int slow(ed_req *req)
{
    int err = ed_sleep(50 * ED_MS);
    return err ? err : ed_reply(req, 200, "Slept\n");
}

static int wait_long(ed_req *req)
{
    int err = ed_sleep(ED_MIN);
    if (err == ED_ECANCELED)
        test_handler_cancelled++;
    return err ? err : ed_reply(req, 200, "Waited\n");
}

/* ---- replies in pieces ---- */

static int two_pieces(ed_req *req)
{
    ed_write(req, "one, ");
    ed_flush(req);
    ed_sleep(10 * ED_MS);
    return ed_write(req, "two\n");
}

static int pieces_of_length(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 9);
    return err ? err : two_pieces(req);
}

static int trailers(ed_req *req)
{
    int err = ed_write(req, "Body\n");
    if (!err)
        err = ed_reply_trailer(req, "X-Sum", "42");
    if (!err && ed_reply_trailer(req, "Content-Length", "1") != ED_EUSAGE)
        err = ED_EPROTO;
    return err;
}

struct writer {
    ed_req *req;
    char letter;
};

/* A piece too large to be gathered, which a slow client makes wait. */
static int write_lines(void *arg)
{
    struct writer *w = arg;
    char line[90000];
    memset(line, w->letter, sizeof line);
    return ed_write_bytes(w->req, ed_bytes_of(line, sizeof line));
}

static int together(ed_req *req)
{
    struct writer writers[8];
    ed_scope(s);
    for (int i = 0; i < 8; i++) {
        writers[i] = (struct writer){req, (char)('a' + i)};
        ed_go(s, write_lines, &writers[i]);
    }
    return ed_wait(s);
}

/* ---- failures ---- */

static int fail(ed_req *req)
{
    ed_reply_header(req, "ETag", "\"never\"");
    return ed_fail(ED_ECONNECT, TEST_SECRET);
}

static int fail_late(ed_req *req)
{
    ed_write(req, "Part");
    ed_flush(req);
    return ed_fail(ED_ECONNECT, TEST_SECRET);
}

/* Nothing is out yet, so the error still makes a reply. */
static int fail_between(ed_req *req)
{
    int err = ed_reply_begin(req, 201, 100);
    return err ? err : ed_fail(ED_ENOTFOUND, TEST_SECRET);
}

static int nothing(ed_req *req)
{
    (void)req;
    return 0;
}

static int too_little(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 10);
    return err ? err : ed_write(req, "Four");
}

static int too_much(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 4);
    if (!err)
        err = ed_write(req, "Four");
    return err ? err : ed_write(req, "and more");
}

static int twice(ed_req *req)
{
    int err = ed_reply(req, 200, "First\n");
    return err ? err : ed_reply(req, 200, "Second\n");
}

static int upgrade(ed_req *req)
{
    ed_stream *s ED_STREAM_AUTO = NULL;
    char piece[100];
    ssize_t n;
    const char *tunnel = ed_req_method(req);
    int err =
        ed_req_upgrade(req, strcmp(tunnel, "CONNECT") ? "echo" : NULL, &s);
    while (!err && (n = ed_stream_read(s, piece, sizeof piece)) != 0) {
        err = (int)n;
        if (n > 0)
            err = ed_stream_write(s, piece, (size_t)n);
    }
    return err;
}

/* ---- by path ---- */

static const struct {
    const char *path;
    ed_handler *handler;
} handlers[] = {
    {"/hello", hello},
    {"*", target},
    {"/target", target},
    {"/fields", fields},
    {"/big", big},
    {"/file", file},
    {"/file-chunked", file},
    {"/status", status},
    {"/framed", framed},
    {"/field", field},
    {"/go", go},
    {"/typed", typed},
    {"/untyped-pieces", untyped_pieces},
    {"/echo", echo},
    {"/count", count},
    {"/mirror", mirror},
    {"/three", read_three},
    {"/sleep-then-echo", sleep_then_echo},
    {"/impatient", impatient},
    {"/sleep", slow},
    {"/wait", wait_long},
    {"/pieces", two_pieces},
    {"/pieces-of-length", pieces_of_length},
    {"/trailers", trailers},
    {"/together", together},
    {"/fail", fail},
    {"/fail-late", fail_late},
    {"/fail-between", fail_between},
    {"/nothing", nothing},
    {"/too-little", too_little},
    {"/too-much", too_much},
    {"/twice", twice},
    {"/upgrade", upgrade},
    {"", upgrade}, /* CONNECT */
};

int test_handler(ed_req *req)
{
    const char *path = ed_req_path(req);
    if (!strncmp(ed_req_target(req), "plain.example:", 14))
        return hello(req); /* a CONNECT taken for any other request */
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        if (!strcmp(handlers[i].path, path))
            return handlers[i].handler(req);
    }
    return ED_ENOTFOUND;
}
