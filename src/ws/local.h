/*
 * local.h - what the WebSockets of one loop share: buffers that are lent,
 * contexts that decompress, random bytes for masks, and the connections that
 * nobody holds any more.
 */
#ifndef EDDY_WS_LOCAL_H
#define EDDY_WS_LOCAL_H

#include "core/runtime.h"
#include "wire/ws_deflate.h"
#include "wire/ws_frame.h"

struct ws_in;
struct ws_out;
struct ws_kind;

enum {
    WS_FREE_INS = 64,
    WS_FREE_OUTS = 64,
    WS_FREE_INFLATES = 4, /* each of 40 KiB: so many messages that are read in
                             pieces, at once, without making new ones */
    WS_RANDOM_BYTES = 1024,
};

struct ws_local {
    ed_loop *loop;
    struct ed_list kinds; /* ws_kind.node, the last used first */
    struct ed_list left;  /* ws_more.node: clients that were given up */

    /* Stacks of what is free to be lent. */
    struct ws_in *ins[WS_FREE_INS];
    struct ws_out *outs[WS_FREE_OUTS];
    ed_ws_inflate *inflates[WS_FREE_INFLATES];
    unsigned in_count, out_count, inflate_count;

    uint8_t random[WS_RANDOM_BYTES];
    unsigned random_left;
    int refused_status; /* ed_ws_refused_status() */
    uint8_t salt[8];    /* of the times that pings carry, and a mark of ours */
};

/* Of this loop. NULL: no memory. In the loop or in a fiber. */
struct ws_local *ws_local(void);

/* NULL: no memory. */
struct ws_in *ws_in_get(struct ws_local *local);
void ws_in_put(struct ws_local *local, struct ws_in *in);
struct ws_out *ws_out_get(struct ws_local *local);
void ws_out_put(struct ws_local *local, struct ws_out *out);
ed_ws_inflate *ws_inflate_get(struct ws_local *local);
void ws_inflate_put(struct ws_local *local, ed_ws_inflate *z);

/* A mask nobody can foresee (RFC 6455, 5.3). 0, or ED_EUSAGE when the system
 * has no random bytes. */
ED_CHECK int ws_mask(struct ws_local *local, uint8_t mask[ED_WS_MASK_BYTES]);

#endif
