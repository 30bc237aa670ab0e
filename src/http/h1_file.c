/*
 * h1_file.c - files on an HTTP/1 connection.
 *
 * A small piece is read into the output that is gathered, and leaves with the
 * head in one call. A large one is sent by the kernel from the page cache,
 * behind what was gathered; over TLS it is read and sealed. Nothing of it waits
 * for a disk in the loop, and a fiber waits while the client takes its time.
 */
#include "http/file_piece.h"
#include "http/h1.h"

#include "core/disk.h"

enum {
    /* Read into the output. Measured: with 4 KiB that costs a quarter less than
     * having the kernel send it, with 12 KiB a quarter more. */
    SMALL = 8 * 1024,
    /* What is seen to be in memory, and then sent, at once: more than a socket
     * takes (4 MiB, unless the system is told otherwise), so that one call
     * fills it and no more are made than have to be. */
    STRIDE = 8 * 1024 * 1024,
    /* What is waited for when it is not: the client waits as well. */
    COLD = 1024 * 1024,
};

/* ---- small pieces ---- */

static int put_piece(void *arg, struct ed_bytes bytes)
{
    struct h1_exchange *x = arg;
    int err = h1_put(x->conn, bytes);
    if (!err)
        x->req.sent_bytes += (int64_t)bytes.len;
    return err;
}

static int put_small(struct h1_exchange *x, int fd, int64_t offset, size_t len)
{
    struct h1_conn *c = x->conn;
    char *at = h1_room(c, len);
    ssize_t n = at ? ed_disk_read_at_once(fd, at, len, offset) : -EAGAIN;
    if (n > 0) {
        h1_gathered(c, (size_t)n);
        x->req.sent_bytes += n;
    }
    if (n == (ssize_t)len)
        return 0;
    /* The rest is read by a thread, and not straight into the output, which
     * may be sent meanwhile. */
    size_t got = n > 0 ? (size_t)n : 0;
    return ed_file_piece_read(fd, offset + (int64_t)got, (int64_t)(len - got),
                              put_piece, x);
}

/* ---- large ones ---- */

/* What is still to be sent of a file. */
struct rest {
    int fd;
    int64_t offset, left;
    bool *warm; /* see ed_req_write_file() */
    bool cold;  /* not all of it was in memory */
};

/* Sends a part that is in memory. */
static int send_warm(struct h1_conn *c, struct rest *r, size_t part)
{
    int err = 0;
    while (!err && part) {
        ssize_t n = h1_try_send_file(c, r->fd, r->offset, part);
        if (n == -EAGAIN) {
            err = h1_await_writable(c);
        } else if (n < 0) {
            err = (int)n;
        } else {
            r->offset += n;
            r->left -= n;
            part -= (size_t)n;
        }
    }
    return err == ED_EEOF ? ed_file_piece_short(r->left) : err;
}

/* Sees to it that the next part is in memory, however long that then is. */
static int warm_up(struct rest *r, size_t *part)
{
    if (*r->warm || ed_disk_is_warm(r->fd, r->offset, *part))
        return 0;
    r->cold = true;
    if (*part > COLD)
        *part = COLD;
    return ed_disk_warm(r->fd, r->offset, *part);
}

static int send_by_kernel(struct h1_conn *c, struct rest *r)
{
    int err = 0;
    while (!err && r->left) {
        size_t part = r->left < STRIDE ? (size_t)r->left : STRIDE;
        err = ed_checkpoint();
        err = err ? err : warm_up(r, &part);
        err = err ? err : send_warm(c, r, part);
    }
    *r->warm |= !err && !r->cold;
    return h1_sent_through(c, err);
}

static int put_large(struct h1_exchange *x, struct rest *r)
{
    struct h1_conn *c = x->conn;
    int64_t all = r->left;
    int err = -EINVAL;
    if (c->broken)
        return c->broken;
    if (ed_stream_sends_files(c->stream))
        err = send_by_kernel(c, r);
    x->req.sent_bytes += all - r->left;
    if (err != -EINVAL)
        return err;
    /* Over TLS; or of a file system from which the kernel cannot send. */
    return ed_file_piece_read(r->fd, r->offset, r->left, put_piece, x);
}

static int put_file(struct h1_exchange *x, struct rest *r)
{
    if (r->left <= SMALL)
        return put_small(x, r->fd, r->offset, (size_t)r->left);
    return put_large(x, r);
}

/* ---- both ---- */

static int send_file(struct h1_exchange *x, struct rest *r)
{
    char line[ED_HTTP1_CHUNK_LINE_MAX];
    int err = h1_begin(x);
    if (err || x->no_reply_body)
        return err;
    if (!x->chunked_reply)
        return put_file(x, r);
    size_t len = ed_http1_chunk_line(line, (uint64_t)r->left);
    err = h1_put(x->conn, ed_bytes_of(line, len));
    err = err ? err : put_file(x, r);
    return err ? err : h1_put(x->conn, ED_BYTES("\r\n"));
}

int h1_send_file(ed_req *req, int fd, int64_t offset, int64_t length,
                 bool *warm)
{
    struct h1_exchange *x = h1_exchange(req);
    struct rest rest = {fd, offset, length, warm, false};
    int err = h1_take_turn(x);
    return err ? err : h1_end_turn(x, send_file(x, &rest));
}
