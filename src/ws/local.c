/*
 * local.c - what the WebSockets of one loop share.
 */
#include "ws/conn.h"
#include "ws/kind.h"
#include "net/crypto.h"
#include <stdlib.h>

static void close_local(void *value)
{
    struct ws_local *local = value;

    ws_close_left(local);
    ws_kinds_free(local);
    while (local->in_count)
        free(local->ins[--local->in_count]);
    while (local->out_count)
        free(local->outs[--local->out_count]);
    while (local->inflate_count)
        ed_ws_inflate_free(local->inflates[--local->inflate_count]);
    free(local);
}

struct ws_local *ws_local(void)
{
    static const char key;
    ed_loop *loop = ed_loop_current();
    struct ws_local *local = ed_loop_get(loop, &key);

    if (local)
        return local;
    local = calloc(1, sizeof(*local));
    if (!local)
        return NULL;
    local->loop = loop;
    ed_list_init(&local->kinds);
    ed_list_init(&local->left);
    if (!ed_random(local->salt, sizeof(local->salt)) &&
        !ed_loop_set(loop, &key, local, close_local))
        return local;
    free(local);
    return NULL;
}

/* ---- lending ---- */

struct ws_in *ws_in_get(struct ws_local *local)
{
    struct ws_in *in =
        local->in_count ? local->ins[--local->in_count] : malloc(sizeof(*in));

    if (!in)
        return NULL;
    memset(in, 0, offsetof(struct ws_in, control));
    in->bytes = in->store;
    in->cap = sizeof(in->store);
    return in;
}

void ws_in_put(struct ws_local *local, struct ws_in *in)
{
    if (in->bytes != in->store)
        free(in->bytes);
    free(in->raw);
    ws_inflate_put(local, in->lent);
    if (local->in_count == WS_FREE_INS)
        free(in);
    else
        local->ins[local->in_count++] = in;
}

struct ws_out *ws_out_get(struct ws_local *local)
{
    struct ws_out *out = local->out_count ? local->outs[--local->out_count]
                                          : malloc(sizeof(*out));

    if (!out)
        return NULL;
    out->deferred.queued = false;
    out->at = out->len = 0;
    return out;
}

void ws_out_put(struct ws_local *local, struct ws_out *out)
{
    if (local->out_count == WS_FREE_OUTS)
        free(out);
    else
        local->outs[local->out_count++] = out;
}

ed_ws_inflate *ws_inflate_get(struct ws_local *local)
{
    if (local->inflate_count)
        return local->inflates[--local->inflate_count];
    /* The largest window reads what was made with any. */
    return ed_ws_inflate_new(ED_WS_BITS_MAX);
}

void ws_inflate_put(struct ws_local *local, ed_ws_inflate *z)
{
    if (!z)
        return;
    if (local->inflate_count == WS_FREE_INFLATES) {
        ed_ws_inflate_free(z);
        return;
    }
    ed_ws_inflate_reset(z);
    local->inflates[local->inflate_count++] = z;
}

/* ---- masks ---- */

int ws_mask(struct ws_local *local, uint8_t mask[ED_WS_MASK_BYTES])
{
    if (local->random_left < ED_WS_MASK_BYTES) {
        int err = ed_random(local->random, sizeof(local->random));
        if (err)
            return err;
        local->random_left = sizeof(local->random);
    }
    local->random_left -= ED_WS_MASK_BYTES;
    memcpy(mask, local->random + local->random_left, ED_WS_MASK_BYTES);
    return 0;
}
