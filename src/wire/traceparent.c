/*
 * traceparent.c - reads and writes the traceparent field.
 */
#include "wire/traceparent.h"
#include "base/hex.h"
#include <eddy/error.h>

/* Where the parts stand in every version: "00-TRACE-SPAN-01". */
enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

/* Small letters only. */
static int small_hex_value(char c)
{
    return c >= 'A' && c <= 'F' ? -1 : ed_hex_value(c);
}

/* Reads `len` bytes of two digits each. */
static bool read_hex(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = small_hex_value(text[2 * i]);
        int low = small_hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_zero(const uint8_t *id, size_t len)
{
    uint8_t all = 0;

    while (len--)
        all |= id[len];
    return !all;
}

int ed_traceparent_parse(struct ed_traceparent *out, struct ed_bytes text)
{
    struct ed_traceparent t;
    const char *at = text.ptr;
    uint8_t version;

    if (text.len < ED_TRACEPARENT_LEN || !read_hex(at, &version, 1) ||
        version == 0xff)
        return ED_EPARSE;
    if (text.len > ED_TRACEPARENT_LEN &&
        (version == 0 || at[ED_TRACEPARENT_LEN] != '-'))
        return ED_EPARSE;
    if (at[TRACE_AT - 1] != '-' || at[SPAN_AT - 1] != '-' ||
        at[FLAGS_AT - 1] != '-')
        return ED_EPARSE;
    if (!read_hex(at + TRACE_AT, t.trace, sizeof(t.trace)) ||
        !read_hex(at + SPAN_AT, t.span, sizeof(t.span)) ||
        !read_hex(at + FLAGS_AT, &t.flags, 1))
        return ED_EPARSE;
    if (is_zero(t.trace, sizeof(t.trace)) || is_zero(t.span, sizeof(t.span)))
        return ED_EPARSE;
    t.flags &= ED_TRACE_SAMPLED | ED_TRACE_RANDOM;
    *out = t;
    return 0;
}

void ed_traceparent_write(char out[ED_TRACEPARENT_LEN + 1],
                          const struct ed_traceparent *in)
{
    static const uint8_t version = 0;

    out = ed_hex_write(out, &version, 1);
    *out++ = '-';
    out = ed_hex_write(out, in->trace, sizeof(in->trace));
    *out++ = '-';
    out = ed_hex_write(out, in->span, sizeof(in->span));
    *out++ = '-';
    out = ed_hex_write(out, &in->flags, 1);
    *out = '\0';
}
