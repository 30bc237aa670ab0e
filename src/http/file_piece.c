/*
 * file_piece.c - reading files into replies.
 *
 * Owns the buffer they come through, for as long as a piece takes. It is not in
 * the request's arena, where a long download in many pieces would gather them.
 */
#include "http/file_piece.h"

#include "core/disk.h"

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

static int send_piece(void *arg, struct ed_bytes bytes)
{
    ed_req *req = arg;
    return req->ops->send(req, bytes, false);
}

int ed_file_piece_send(ed_req *req, int fd, int64_t offset, int64_t length)
{
    if (!ed_req_reply_has_body(req))
        return req->ops->send(req, (struct ed_bytes){0}, false);
    return ed_file_piece_read(fd, offset, length, send_piece, req);
}
