/*
 * coding.h - the content codings of HTTP, undone (RFC 9110, 8.4.1).
 *
 * gzip and x-gzip (RFC 1952), deflate (RFC 1950, and RFC 1951 alone, which
 * some servers send under that name), br (RFC 7932), zstd (RFC 8878), and up to
 * ED_CODINGS_MAX of them one inside of the other. Bytes in, bytes out; no I/O.
 *
 * What a peer sends may be made to grow without bounds, so a decoder has
 * limits: the bytes that come out in all, how many times more they are than
 * those that went in, and the memory a coding may ask for (a window of 8 MiB,
 * as RFC 9659 has it for zstd; 16 MiB is the most that br knows, 32 KiB that
 * gzip does).
 */
#ifndef EDDY_WIRE_CODING_H
#define EDDY_WIRE_CODING_H

#include <eddy/api.h>
#include <eddy/bytes.h>

enum ed_coding {
    ED_CODING_GZIP,
    ED_CODING_DEFLATE,
    ED_CODING_BR,
    ED_CODING_ZSTD
};

/* The coding of that name in any case, "x-gzip" being gzip; or -1. */
int ed_coding_named(struct ed_bytes name);

/* Static. */
const char *ed_coding_name(enum ed_coding coding);

/* Nobody applies two on purpose; three by accident happens with proxies. */
#define ED_CODINGS_MAX 3

/* The codings applied to a body, in that order. */
struct ed_codings {
    unsigned count; /* 0: the body is as it is */
    uint8_t list[ED_CODINGS_MAX];
};

/* Adds those that a Content-Encoding field names; "identity" is none. False
 * when it names an unknown one, or more than there is room for. */
ED_CHECK bool ed_codings_add(struct ed_codings *codings, struct ed_bytes field);

/*
 * Growth is judged once a body, or what lies between two codings, is larger
 * than ED_DECODER_FREE: below that it harms nobody. Deflate cannot give more
 * than 1032 bytes for one, so no gzip body is ever refused for its growth; a
 * br, zstd or nested one that grows faster holds next to nothing.
 */
#define ED_DECODER_FREE   (8 * 1024 * 1024)
#define ED_DECODER_GROWTH 1100

typedef struct ed_decoder ed_decoder;

/* Makes a decoder for at least one coding. NULL without memory. At most
 * `max_output` bytes come out. */
ED_CHECK ed_decoder *ed_decoder_new(struct ed_codings codings,
                                    uint64_t max_output);
void ed_decoder_free(ed_decoder *d); /* NULL is fine */

/*
 * Decodes what is at *in, which is moved behind what was used, into `out`.
 * `last` says that nothing comes behind it.
 *
 * Returns how many bytes it has written; 0 when *in is used up and more is
 * needed, or, with `last`, when the body has ended properly. An empty body is
 * proper. Bytes come out as soon as the coding allows. Otherwise returns, then
 * and again each time,
 *   ED_ECODING     malformed, cut off, followed by something else, or beyond
 *                  the limits of memory and growth
 *   ED_EBODYLIMIT  more comes out than allowed
 *   ED_ENOMEM
 * and ed_decoder_error() says why.
 */
ED_CHECK ssize_t ed_decoder_read(ed_decoder *d, struct ed_bytes *in, bool last,
                                 char *out, size_t room);

/* Static. */
const char *ed_decoder_error(const ed_decoder *d);

#endif
