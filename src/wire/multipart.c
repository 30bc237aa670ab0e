/*
 * multipart.c - forms as multipart/form-data.
 */
#include "wire/multipart.h"
#include "base/hex.h"
#include "wire/http1.h"
#include <eddy/error.h>

void ed_multipart_boundary(char out[ED_MULTIPART_BOUNDARY + 1],
                           const uint8_t random[ED_MULTIPART_RANDOM])
{
    memcpy(out, "eddy-", 5);
    *ed_hex_write(out + 5, random, ED_MULTIPART_RANDOM) = '\0';
}

static const char *escape(char c)
{
    switch (c) {
    case '"':
        return "%22";
    case '\r':
        return "%0D";
    case '\n':
        return "%0A";
    default:
        return NULL;
    }
}

/* Appends name="text". */
static int add_quoted(struct ed_buf *out, const char *name,
                      struct ed_bytes text)
{
    int err = ed_buf_addf(out, "; %s=\"", name);

    for (size_t i = 0; i < text.len && !err; i++) {
        const char *escaped = escape(text.ptr[i]);
        err = escaped ? ed_buf_add(out, escaped, 3)
                      : ed_buf_add(out, text.ptr + i, 1);
    }
    return err ? err : ed_buf_add(out, "\"", 1);
}

int ed_multipart_part(struct ed_buf *out, const char *boundary,
                      const struct ed_multipart_part *part, bool first)
{
    if (!ed_http1_is_value(part->type))
        return ED_EUSAGE;
    int err = ed_buf_addf(out, "%s--%s\r\nContent-Disposition: form-data",
                          first ? "" : "\r\n", boundary);
    if (!err)
        err = add_quoted(out, "name", part->name);
    if (!err && part->filename.ptr)
        err = add_quoted(out, "filename", part->filename);
    if (!err && part->type.len)
        err = ed_buf_addf(out, "\r\nContent-Type: %.*s", (int)part->type.len,
                          part->type.ptr);
    return err ? err : ed_buf_add(out, "\r\n\r\n", 4);
}

int ed_multipart_end(struct ed_buf *out, const char *boundary)
{
    return ed_buf_addf(out, "\r\n--%s--\r\n", boundary);
}
