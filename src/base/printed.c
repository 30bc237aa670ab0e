/*
 * printed.c - see printed.h.
 */
#include "base/printed.h"

#include <stdio.h>

int ed_print(struct ed_printed *text, const char *fmt, va_list args)
{
    va_list again;
    int err = 0;

    text->heap = (struct ed_buf){0};
    text->bytes = (struct ed_bytes){text->few, 0};
    va_copy(again, args);
    int len = vsnprintf(text->few, sizeof text->few, fmt, args);
    if (len >= 0 && (size_t)len < sizeof text->few) {
        text->bytes.len = (size_t)len;
    } else {
        err = ed_buf_vaddf(&text->heap, fmt, again);
        if (!err)
            text->bytes = ed_buf_bytes(&text->heap);
    }
    va_end(again);
    return err;
}
