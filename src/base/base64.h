/*
 * base64.h - base64 (RFC 4648, 4), in its one canonical form.
 */
#ifndef EDDY_BASE_BASE64_H
#define EDDY_BASE_BASE64_H

#include <eddy/bytes.h>

/* Appends the text of some bytes, padded with '='. 0 or ED_ENOMEM, `out` then
 * being as it was. */
ED_CHECK int ed_base64_encode(struct ed_buf *out, struct ed_bytes bytes);

/*
 * Appends the bytes a text stands for. Strict: padding is needed, nothing but
 * the alphabet may occur (no line ends either), and bits that carry nothing are
 * zero, so that no two texts mean the same. 0, ED_EPARSE or ED_ENOMEM; on
 * failure `out` is as it was.
 */
ED_CHECK int ed_base64_decode(struct ed_buf *out, struct ed_bytes text);

#endif
