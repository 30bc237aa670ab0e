/*
 * encoder.h - the content codings of HTTP, applied as a body is made (RFC
 * 9110, 8.4.1): gzip (RFC 1952), br (RFC 7932) and zstd (RFC 8878). Bytes in,
 * bytes out; no I/O.
 *
 * What an encoder keeps is bounded whatever the body is, and about the same
 * for each of its coding and level: windows are of 32 KiB (gzip), 64 KiB (br)
 * and 128 KiB (zstd), which is nearly all that a page gains by, and well within
 * what decoders must bear (RFC 9659: 8 MiB).
 */
#ifndef EDDY_WIRE_ENCODER_H
#define EDDY_WIRE_ENCODER_H

#include "wire/coding.h"

typedef struct ed_encoder ed_encoder;

/* Whether there is one: for gzip, br and zstd. "deflate" is read in two ways by
 * the programs of this world, and so never sent. */
bool ed_encoder_has(enum ed_coding coding);

/* The level that 0 stands for, and the highest there is; the lowest is 1. */
int ed_encoder_level(enum ed_coding coding);
int ed_encoder_level_max(enum ed_coding coding);

/* Makes an encoder of a coding there is; a level that is none becomes the
 * nearest. NULL without memory. */
ED_CHECK ed_encoder *ed_encoder_new(enum ed_coding coding, int level);
void ed_encoder_free(ed_encoder *e); /* NULL is fine */

/* Makes it ready for another body. False when that takes a new one. */
bool ed_encoder_reset(ed_encoder *e);

enum ed_encode {
    ED_ENCODE,       /* more will come; what is worth keeping is kept back */
    ED_ENCODE_FLUSH, /* all that was given so far can be decoded */
    ED_ENCODE_END,   /* nothing comes any more */
};

/* The least room: with less than 7 bytes zlib never gets to the end of a flush,
 * for it begins it anew. */
enum { ED_ENCODER_ROOM = 16 };

/*
 * Encodes what is at *in, which is moved behind what was used, into `out`, at
 * least ED_ENCODER_ROOM bytes: to be called again, with the same purpose, until
 * it returns 0. Then *in is used up, and the purpose fulfilled.
 *
 * Returns how many bytes it has written, or ED_ENOMEM.
 */
ED_CHECK ssize_t ed_encoder_write(ed_encoder *e, struct ed_bytes *in,
                                  enum ed_encode purpose, char *out,
                                  size_t room);

#endif
