/*
 * tls_wire.c - see tls_wire.h.
 *
 * Owns what the TLS streams of a loop share, which lives until the loop has
 * ended and the last of the streams is closed.
 */
#include "net/tls_wire.h"
#include "base/size.h"
#include "core/runtime.h"
#include <errno.h>
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
    ed_tls_ciphers_free(&shared->ciphers);
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
        /* A record may come in many small pieces. */
        size_t cap = k && want < 2 * k->cap ? 2 * k->cap : want;
        k = realloc(k, total + (cap - want));
        if (!k)
            return ED_ENOMEM;
        if (!*kept)
            k->at = k->len = 0;
        k->cap = cap;
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

static void let_go_used(struct ed_tls_wire *wire)
{
    if (ed_tls_kept_len(wire->in))
        return;
    free(wire->in);
    wire->in = NULL;
}

int ed_tls_wire_look(struct ed_tls_wire *wire, size_t len, char **bytes)
{
    let_go_used(wire);
    size_t have = ed_tls_kept_len(wire->in);
    *bytes = wire->view;
    if (!have)
        return wire->view_len < len ? -EAGAIN : 0;
    if (have < len && wire->view_len) {
        size_t more = len - have;
        if (more > wire->view_len)
            more = wire->view_len;
        if (ed_tls_keep(&wire->in, wire->view, more))
            return ED_ENOMEM;
        wire->view += more;
        wire->view_len -= more;
        have += more;
    }
    *bytes = wire->in->bytes + wire->in->at;
    return have < len ? -EAGAIN : 0;
}

void ed_tls_wire_pass(struct ed_tls_wire *wire, size_t len)
{
    if (wire->in) {
        wire->in->at += len;
    } else {
        wire->view += len;
        wire->view_len -= len;
    }
}

int ed_tls_wire_keep(struct ed_tls_wire *wire)
{
    let_go_used(wire);
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
