/*
 * sse.h - the text of server-sent events (HTML, 9.2.5 "Parsing" and 9.2.6
 * "Interpreting an event stream").
 *
 * Reading: bytes in, events out, however they arrive: lines end with CR, LF or
 * both, a byte order mark may come first, and an event is given as soon as the
 * first byte of the line end behind it is there.
 *
 * Writing: an event in, text out that reads as that event again, and as no
 * other, whatever its data holds.
 *
 * Bytes that are no UTF-8 are passed on both ways.
 */
#ifndef EDDY_WIRE_SSE_H
#define EDDY_WIRE_SSE_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_sse_reader {
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

/* Makes a stream ready; to be freed with ed_sse_reader_free(). */
void ed_sse_reader_begin(struct ed_sse_reader *s, size_t max_event);
void ed_sse_reader_free(struct ed_sse_reader *s);

/* Forgets the event that has begun, and goes on with another stream; the last
 * id stays. */
void ed_sse_reader_restart(struct ed_sse_reader *s);

/* As if the server had given that id. 0 or ED_ENOMEM. */
ED_CHECK int ed_sse_reader_set_id(struct ed_sse_reader *s, struct ed_bytes id);

/*
 * Reads on in *in, which is moved behind what was used. Returns 1 when there
 * is an event, 0 when all is used up, ED_ELIMIT when an event is too large, or
 * ED_ENOMEM; after an error only ed_sse_reader_restart() helps.
 */
ED_CHECK int ed_sse_read(struct ed_sse_reader *s, struct ed_bytes *in);

/* What to write; a member without `ptr` is left out. */
struct ed_sse_text {
    struct ed_bytes comment; /* for whoever looks at the stream */
    struct ed_bytes type;    /* empty: "message" */
    struct ed_bytes id;      /* empty: forget the last one */
    struct ed_bytes data;    /* any bytes; CR, LF and CR LF arrive as LF. With
                                a type and without this it is empty */
    int64_t retry_ms;        /* negative: not said */
};

/*
 * Adds an event to a buffer, with the empty line that ends it; nothing when
 * all is left out. Without type and data it is none to a client, which only
 * takes note of the id and the time. Returns 0, ED_ENOMEM, or
 *   ED_EUSAGE  the type or the id holds a line end or NUL, which would make
 *              other events of it; nothing was added
 */
ED_CHECK int ed_sse_write(struct ed_buf *out, const struct ed_sse_text *text);

#endif
