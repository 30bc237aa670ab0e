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

struct part {
    int fd;
    int64_t offset, length;
};

static int read_and_send(ed_req *req, const struct part *p,
                         ed_file_piece_fn *send)
{
    if (!ed_req_reply_has_body(req))
        return send(req, (struct ed_bytes){0});
    return ed_file_piece_read(p->fd, p->offset, p->length, send, req);
}

static int send_piece(void *arg, struct ed_bytes bytes)
{
    ed_req *req = arg;
    return req->ops->send(req, bytes, false);
}

static int send_filtered(void *arg, struct ed_bytes bytes)
{
    return ed_filtered_send(arg, bytes, false);
}

static int send_directly(ed_req *req, void *arg)
{
    const struct part *p = arg;
    return req->ops->send_file
               ? req->ops->send_file(req, p->fd, p->offset, p->length)
               : read_and_send(req, p, send_piece);
}

int ed_file_piece_send(ed_req *req, int fd, int64_t offset, int64_t length)
{
    struct part part = {fd, offset, length};
    if (!req->filters)
        return send_directly(req, &part);
    int err = ed_filtered_around(req, length, send_directly, &part);
    return err > 0 ? read_and_send(req, &part, send_filtered) : err;
}
