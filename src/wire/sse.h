/*
 * sse.h - the text of server-sent events (HTML, 9.2.6 "Interpreting an event
 * stream").
 *
 * Bytes in, events out, however they arrive: lines end with CR, LF or both, a
 * byte order mark may come first, and an event is given as soon as the first
 * byte of the line end behind it is there. Bytes that are no UTF-8 are passed
 * on.
 */
#ifndef EDDY_WIRE_SSE_H
#define EDDY_WIRE_SSE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_sse {
    /* An event, until the next call. */
    struct ed_buf type; /* len 0: none was named */
    struct ed_buf data;

    /* Behind the last event, and to be remembered when the stream ends. */
    struct ed_buf last_id;
    int64_t retry_ms; /* asked for; -1: never */

    size_t max_event; /* bytes of an event, as they are sent, about; set by the
                         user */

    /* The codec's own. */
    struct ed_buf line; /* so far */
    struct ed_buf id;   /* becomes last_id with the event */
    uint8_t mark;       /* bytes of a byte order mark seen */
    bool begun;         /* it cannot come any more */
    bool after_cr;      /* a LF here belongs to it */
    bool comment;       /* the rest of the line is not kept */
    bool given;         /* the event is, and is to be forgotten */
};

/* Makes a stream ready; to be freed with ed_sse_free(). */
void ed_sse_begin(struct ed_sse *s, size_t max_event);
void ed_sse_free(struct ed_sse *s);

/* Forgets the event that has begun, and goes on with another stream; the last
 * id stays. */
void ed_sse_restart(struct ed_sse *s);

/* As if the server had given that id. 0 or ED_ENOMEM. */
ED_CHECK int ed_sse_set_id(struct ed_sse *s, struct ed_bytes id);

/*
 * Reads on in *in, which is moved behind what was used. Returns 1 when there
 * is an event, 0 when all is used up, ED_ELIMIT when an event is too large, or
 * ED_ENOMEM; after an error only ed_sse_restart() helps.
 */
ED_CHECK int ed_sse_read(struct ed_sse *s, struct ed_bytes *in);

#endif
