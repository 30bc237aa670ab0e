/*
 * multipart.h - forms as multipart/form-data (RFC 7578), for the side that
 * sends them.
 *
 * Writes what stands around the contents of the parts, which are not looked at:
 * a boundary of 128 random bits does not occur in them.
 */
#ifndef EDDY_WIRE_MULTIPART_H
#define EDDY_WIRE_MULTIPART_H

#include <eddy/api.h>
#include <eddy/bytes.h>

#define ED_MULTIPART_RANDOM   16
#define ED_MULTIPART_BOUNDARY (5 + 2 * ED_MULTIPART_RANDOM)

/* Makes a boundary, which ends with NUL, of random bytes. */
void ed_multipart_boundary(char out[ED_MULTIPART_BOUNDARY + 1],
                           const uint8_t random[ED_MULTIPART_RANDOM]);

struct ed_multipart_part {
    struct ed_bytes name;
    struct ed_bytes filename; /* ptr NULL: none */
    struct ed_bytes type;     /* a field's value; empty: none */
};

/*
 * Appends all that stands before the content of a part: with `first`, the
 * first one. In names a quote and line ends are written as browsers do, %22,
 * %0D and %0A; all else stays as it is (HTML, "multipart form data").
 *
 * Returns 0, ED_EUSAGE (the type is no field's value) or ED_ENOMEM; a part of
 * it may have been appended then.
 */
ED_CHECK int ed_multipart_part(struct ed_buf *out, const char *boundary,
                               const struct ed_multipart_part *part,
                               bool first);

/* Appends what stands behind the content of the last part. 0 or ED_ENOMEM. */
ED_CHECK int ed_multipart_end(struct ed_buf *out, const char *boundary);

#endif
