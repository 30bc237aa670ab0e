/*
 * request_body.c - the body of a request that the caller gives in pieces.
 */
#include "http/request_body.h"
#include <stdlib.h>

/* What is asked for, and sent, at once. */
#define PIECE_BYTES (16 * 1024)

static const struct ed_bytes LAST_CHUNK = {"0\r\n\r\n", 5};

struct ed_request_body {
    ssize_t (*send)(void *arg, void *buf, size_t len);
    void *arg;
    bool chunked;
    bool ended; /* asked for, to its end */
    uint64_t length;
    uint64_t given;
    struct iovec out; /* on its way */
    /* A piece lies between room for the framing of a chunk. */
    char line[ED_HTTP1_CHUNK_LINE_MAX];
    char piece[PIECE_BYTES];
    char end[2];
};

int ed_request_body_new(ed_res *res, const struct ed_fetch_options *options)
{
    struct ed_request_body *body = malloc(sizeof(*body));

    if (!body)
        return ed_fail(ED_ENOMEM, "%s: no memory for the body to send",
                       res->about);
    body->send = options->send;
    body->arg = options->send_arg;
    body->chunked = options->send_length <= 0;
    body->ended = false;
    body->length = (uint64_t)options->send_length;
    body->given = 0;
    res->request = body;
    return 0;
}

void ed_request_body_free(ed_res *res)
{
    free(res->request);
    res->request = NULL;
}

static bool is_wanted(const ed_res *res)
{
    return res->conn && !res->conn->refused && !res->body_held &&
           !(res->stream && res->status >= 300);
}

bool ed_request_body_ready(const ed_res *res)
{
    return res->request && !res->request->ended && is_wanted(res) &&
           !ed_exchange_sending(res);
}

static void send_out(ed_res *res, const char *ptr, size_t len, bool end)
{
    struct iovec *out = &res->request->out;

    *out = (struct iovec){(char *)ptr, len};
    ed_exchange_send(res, out, 1, end);
}

static void send_chunk(ed_res *res, size_t len)
{
    struct ed_request_body *body = res->request;

    if (!len) {
        send_out(res, LAST_CHUNK.ptr, LAST_CHUNK.len, true);
        return;
    }
    char line[ED_HTTP1_CHUNK_LINE_MAX];
    size_t line_len = ed_http1_chunk_line(line, len);
    char *begin = body->piece - line_len;
    memcpy(begin, line, line_len);
    memcpy(body->piece + len, "\r\n", 2);
    send_out(res, begin, line_len + len + 2, false);
}

static int check_length(const ed_res *res, size_t len)
{
    const struct ed_request_body *body = res->request;
    bool more = body->given > body->length;

    if (more || (!len && body->given < body->length))
        return ed_fail(ED_EUSAGE,
                       "%s: the body to send has %s than the %llu bytes told",
                       res->about, more ? "more" : "less",
                       (unsigned long long)body->length);
    return 0;
}

int ed_request_body_pump(ed_res *res)
{
    struct ed_request_body *body = res->request;

    res->may_retry = false; /* the caller cannot be asked twice */
    res->body_was_asked = true;
    (void)ed_fail(0, "%s", ""); /* so that its own text can be told */
    ssize_t n = body->send(body->arg, body->piece, PIECE_BYTES);
    if (n < 0)
        return ed_fail((int)n, "%s: no more of the body to send: %s",
                       res->about,
                       *ed_error() ? ed_error() : ed_err_text((int)n));
    if (n > PIECE_BYTES)
        return ed_fail(ED_EUSAGE, "%s: more of the body than was asked for",
                       res->about);
    body->given += (uint64_t)n;
    body->ended = n == 0;
    if (body->chunked) {
        send_chunk(res, (size_t)n);
        return 0;
    }
    int err = check_length(res, (size_t)n);
    if (!err && n)
        send_out(res, body->piece, (size_t)n, body->given == body->length);
    return err;
}
