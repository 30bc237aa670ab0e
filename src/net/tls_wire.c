/*
 * tls_wire.c - see tls_wire.h.
 *
 * Owns what the TLS streams of a loop share, which lives until the loop has
 * ended and the last of the streams is closed.
 */
#include "net/tls_wire.h"
#include "base/size.h"
#include "core/runtime.h"
#include <stdlib.h>
#include <string.h>

/* Enough for what a turn of the loop has in work; a connection that waits for
 * its peer takes one with it. */
#define FREE_OUTS 16

static const char SHARED_KEY;

/* ---- what a loop's streams share ---- */

static void leave(struct ed_tls_shared *shared)
{
    if (--shared->users)
        return;
    while (shared->outs) {
        struct ed_tls_out *out = shared->outs;
        shared->outs = out->next;
        free(out);
    }
    free(shared);
}

static void loop_ends(void *value)
{
    leave(value);
}

static struct ed_tls_shared *shared_new(ed_loop *loop)
{
    struct ed_tls_shared *shared = calloc(1, sizeof(*shared));

    if (!shared)
        return NULL;
    shared->users = 1;
    if (ed_loop_set(loop, &SHARED_KEY, shared, loop_ends)) {
        free(shared);
        return NULL;
    }
    return shared;
}

int ed_tls_wire_open(struct ed_tls_wire *wire)
{
    ed_loop *loop = ed_loop_current();
    struct ed_tls_shared *shared = ed_loop_get(loop, &SHARED_KEY);

    if (!shared)
        shared = shared_new(loop);
    if (!shared)
        return ED_ENOMEM;
    shared->users++;
    wire->shared = shared;
    return 0;
}

void ed_tls_wire_close(struct ed_tls_wire *wire)
{
    if (wire->out)
        ed_tls_wire_put_out(wire);
    free(wire->in);
    leave(wire->shared);
}

/* ---- input ---- */

int ed_tls_keep(struct ed_tls_kept **kept, const char *bytes, size_t len)
{
    struct ed_tls_kept *k = *kept;
    size_t have = k ? k->len - k->at : 0;
    size_t want, total;

    if (!len)
        return 0;
    if (k && k->at) {
        memmove(k->bytes, k->bytes + k->at, have);
        k->at = 0;
        k->len = have;
    }
    if (!ed_size_add(have, len, &want) ||
        !ed_size_add(sizeof(*k), want, &total))
        return ED_ENOMEM;
    if (!k || k->cap < want) {
        k = realloc(k, total);
        if (!k)
            return ED_ENOMEM;
        if (!*kept)
            k->at = k->len = 0;
        k->cap = want;
        *kept = k;
    }
    memcpy(k->bytes + have, bytes, len);
    k->len = want;
    return 0;
}

size_t ed_tls_kept_take(struct ed_tls_kept **kept, char *buf, size_t len)
{
    struct ed_tls_kept *k = *kept;

    if (!k)
        return 0;
    if (len > k->len - k->at)
        len = k->len - k->at;
    memcpy(buf, k->bytes + k->at, len);
    k->at += len;
    if (k->at == k->len) {
        free(k);
        *kept = NULL;
    }
    return len;
}

size_t ed_tls_wire_take(struct ed_tls_wire *wire, char *buf, size_t len)
{
    size_t taken = ed_tls_kept_take(&wire->in, buf, len);
    size_t more = len - taken;

    if (more > wire->view_len)
        more = wire->view_len;
    if (!more)
        return taken;
    memcpy(buf + taken, wire->view, more);
    wire->view += more;
    wire->view_len -= more;
    return taken + more;
}

int ed_tls_wire_keep(struct ed_tls_wire *wire)
{
    int err = ed_tls_keep(&wire->in, wire->view, wire->view_len);

    wire->view = NULL;
    wire->view_len = 0;
    return err;
}

/* ---- output ---- */

struct ed_tls_out *ed_tls_wire_out(struct ed_tls_wire *wire)
{
    struct ed_tls_shared *shared = wire->shared;
    struct ed_tls_out *out = wire->out;

    if (out)
        return out;
    out = shared->outs;
    if (out) {
        shared->outs = out->next;
        shared->out_count--;
    } else {
        out = malloc(sizeof(*out));
        if (!out)
            return NULL;
    }
    out->at = out->len = out->plain = out->counted = 0;
    wire->out = out;
    return out;
}

void ed_tls_wire_put_out(struct ed_tls_wire *wire)
{
    struct ed_tls_shared *shared = wire->shared;
    struct ed_tls_out *out = wire->out;

    wire->out = NULL;
    if (shared->out_count == FREE_OUTS) {
        free(out);
        return;
    }
    out->next = shared->outs;
    shared->outs = out;
    shared->out_count++;
}

/* ---- vectors ---- */

bool ed_tls_cursor_more(struct ed_tls_cursor *c)
{
    while (c->count && c->offset == c->iov->iov_len) {
        c->iov++;
        c->count--;
        c->offset = 0;
    }
    return c->count;
}

void ed_tls_cursor_skip(struct ed_tls_cursor *c, size_t n)
{
    while (n && ed_tls_cursor_more(c)) {
        size_t here = c->iov->iov_len - c->offset;
        size_t step = n < here ? n : here;
        c->offset += step;
        n -= step;
    }
}

size_t ed_tls_iov_bytes(const struct iovec *iov, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}
