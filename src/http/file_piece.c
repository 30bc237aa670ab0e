/*
 * file_piece.c - reading files into replies.
 *
 * Owns the buffer they come through, for as long as a piece takes. It is not in
 * the request's arena, where a long download in many pieces would gather them.
 */
#include "http/file_piece.h"

#include "core/disk.h"
#include "http/reply_filter.h"

#include <stdlib.h>

/* Four records of TLS. More saves nothing, since it is sealed and sent record
 * by record. */
#define BUFFER (64 * 1024)

int ed_file_piece_short(int64_t missing)
{
    return ed_fail(ED_EEOF,
                   "the file ended %lld bytes early: it was cut while "
                   "it was sent",
                   (long long)missing);
}

static int read_pieces(char *buf, int fd, int64_t offset, int64_t left,
                       ed_file_piece_fn *give, void *arg)
{
    while (left) {
        size_t want = left < BUFFER ? (size_t)left : BUFFER;
        ssize_t n = ed_disk_read(fd, buf, want, offset);
        if (n < 0)
            return (int)n;
        int err = n ? give(arg, ed_bytes_of(buf, (size_t)n)) : 0;
        if (err)
            return err;
        offset += n;
        left -= n;
        if ((size_t)n < want)
            return ed_file_piece_short(left);
    }
    return 0;
}

int ed_file_piece_read(int fd, int64_t offset, int64_t length,
                       ed_file_piece_fn *give, void *arg)
{
    char *buf = malloc(length < BUFFER ? (size_t)length : BUFFER);
    if (!buf)
        return ED_ENOMEM;
    int err = read_pieces(buf, fd, offset, length, give, arg);
    free(buf);
    return err;
}

struct piece {
    int fd;
    int64_t offset, length;
    bool *warm;
};

static int give_to_version(void *req, struct ed_bytes bytes)
{
    return ((ed_req *)req)->ops->send(req, bytes, false);
}

static int give_to_filters(void *req, struct ed_bytes bytes)
{
    return ed_filtered_send(req, bytes, false);
}

/* Reads the piece, unless nobody will see it. */
static int send_read(ed_req *req, const struct piece *p, ed_file_piece_fn *give)
{
    if (!ed_req_reply_has_body(req))
        return give(req, (struct ed_bytes){0});
    return ed_file_piece_read(p->fd, p->offset, p->length, give, req);
}

static int send_past_filters(ed_req *req, void *arg)
{
    const struct piece *p = arg;
    if (!req->ops->send_file)
        return send_read(req, p, give_to_version);
    return req->ops->send_file(req, p->fd, p->offset, p->length, p->warm);
}

static int send_piece(ed_req *req, struct piece *p)
{
    if (!req->filters)
        return send_past_filters(req, p);
    int err = ed_filtered_around(req, p->length, send_past_filters, p);
    return err == 1 ? send_read(req, p, give_to_filters) : err;
}

int ed_req_write_file(ed_req *req, int fd, int64_t offset, int64_t length,
                      bool *warm)
{
    struct piece p = {fd, offset, length, warm};
    if (offset < 0 || length < 0)
        return ed_fail(ED_EUSAGE,
                       "no part of a file begins at %lld and is of %lld bytes",
                       (long long)offset, (long long)length);
    int err = ed_req_begin_piece(req, (uint64_t)length);
    if (err || !length)
        return err;
    if (req->reply.failed)
        return req->reply.failed;
    err = send_piece(req, &p);
    if (err && req->reply.began)
        req->reply.failed = err;
    return err;
}

int ed_write_file(ed_req *req, int fd, int64_t offset, int64_t length)
{
    bool warm = false;
    return ed_req_write_file(req, fd, offset, length, &warm);
}
