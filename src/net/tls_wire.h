/*
 * tls_wire.h - the bytes of TLS streams between the transport and whoever
 * seals and opens records.
 *
 * What arrived is worked on where it lies, in the loop's scratch memory, and
 * kept only if it cannot be used yet. What is sealed is gathered in a buffer
 * out of the loop's pool and leaves in as few system calls as possible. A
 * connection at rest has neither.
 */
#ifndef EDDY_NET_TLS_WIRE_H
#define EDDY_NET_TLS_WIRE_H

#include "net/tls_record.h"

/* What sealing adds at most to a record with the ciphers in use: header, nonce
 * (1.2) or inner type (1.3), tag. */
#define ED_TLS_EXTRA 64

/* Records that leave in one system call, and room for what is no data: alerts,
 * updates of keys, tickets, flights of a handshake. */
#define ED_TLS_OUT_RECORDS 4
#define ED_TLS_OUT_SPARE   4096
#define ED_TLS_OUT_BYTES \
    (ED_TLS_OUT_RECORDS * (ED_TLS_PLAIN + ED_TLS_EXTRA) + ED_TLS_OUT_SPARE)

/* Sealed records on their way. */
struct ed_tls_out {
    struct ed_tls_out *next; /* in the pool */
    size_t at;               /* sent so far */
    size_t len;
    size_t plain;   /* bytes of data in it, before they were sealed */
    size_t counted; /* of these, those that count as sent */
    char bytes[ED_TLS_OUT_BYTES];
};

/* Bytes that came and could not be used at once. */
struct ed_tls_kept {
    size_t at; /* used so far */
    size_t len;
    size_t cap;
    char bytes[];
};

/* What the TLS streams of a loop share. */
struct ed_tls_shared {
    size_t users;
    struct ed_tls_out *outs;
    unsigned out_count;
    struct ed_tls_ciphers ciphers;
    char plain[ED_TLS_PLAIN];  /* opened, while on_data looks at it */
    char gather[ED_TLS_PLAIN]; /* small pieces, to be sealed as one */
};

struct ed_tls_wire {
    struct ed_tls_shared *shared;
    struct ed_tls_kept *in; /* comes before the view */
    char *view;             /* during an event of the transport only */
    size_t view_len;
    struct ed_tls_out *out;
    struct ed_tls_secrets *secrets; /* where a handshake leaves its own; NULL */
};

/* In a loop. 0 or ED_ENOMEM. */
ED_CHECK int ed_tls_wire_open(struct ed_tls_wire *wire);
void ed_tls_wire_close(struct ed_tls_wire *wire);

/* Adds to what is kept; NULL at first. 0 or ED_ENOMEM. */
ED_CHECK int ed_tls_keep(struct ed_tls_kept **kept, const char *bytes,
                         size_t len);
/* Takes up to `len` bytes of what is kept. */
size_t ed_tls_kept_take(struct ed_tls_kept **kept, char *buf, size_t len);

static inline size_t ed_tls_kept_len(const struct ed_tls_kept *kept)
{
    return kept ? kept->len - kept->at : 0;
}

/* Whether anything that arrived was not used yet. */
static inline bool ed_tls_wire_has_input(const struct ed_tls_wire *wire)
{
    return ed_tls_kept_len(wire->in) || wire->view_len;
}

/* Takes up to `len` bytes of the input. */
size_t ed_tls_wire_take(struct ed_tls_wire *wire, char *buf, size_t len);

/*
 * The first `len` bytes of the input in one piece: 0, *bytes being valid until
 * the next look or the end of the event, and free to be overwritten; -EAGAIN
 * when they are not there yet; or ED_ENOMEM.
 */
ED_CHECK int ed_tls_wire_look(struct ed_tls_wire *wire, size_t len,
                              char **bytes);
/* Passes bytes that were looked at. */
void ed_tls_wire_pass(struct ed_tls_wire *wire, size_t len);

/* Keeps what is left of the view, which is about to vanish, and lets go what
 * was used. 0 or ED_ENOMEM. */
ED_CHECK int ed_tls_wire_keep(struct ed_tls_wire *wire);

/* The buffer for output, taken from the pool if need be; NULL: no memory. */
struct ed_tls_out *ed_tls_wire_out(struct ed_tls_wire *wire);
void ed_tls_wire_put_out(struct ed_tls_wire *wire);

/* Whether one more record of data fits, without the room that is spared. */
static inline bool ed_tls_wire_has_room(const struct ed_tls_wire *wire)
{
    size_t len = wire->out ? wire->out->len : 0;

    return ED_TLS_OUT_BYTES - ED_TLS_OUT_SPARE - len >=
               ED_TLS_PLAIN + ED_TLS_EXTRA &&
           len <= ED_TLS_OUT_BYTES - ED_TLS_OUT_SPARE;
}

#endif
