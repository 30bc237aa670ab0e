/*
 * html.c - what in a text would mean something in HTML, as references.
 */
#include "wire/html.h"

#include "base/utf8.h"

/* What stands for the character of `len` bytes; NULL: itself. */
static const char *reference(char c, size_t len)
{
    if (!len)
        return "\xef\xbf\xbd";
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

int ed_html_add(struct ed_buf *out, struct ed_bytes text)
{
    int err = 0;

    while (text.len && !err) {
        size_t len = ed_utf8_len(text.ptr, text.len);
        const char *instead = reference(*text.ptr, len);
        len = len ? len : 1;
        err = instead ? ed_buf_add(out, instead, strlen(instead))
                      : ed_buf_add(out, text.ptr, len);
        text = ed_bytes_of(text.ptr + len, text.len - len);
    }
    return err;
}
