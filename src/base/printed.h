/*
 * printed.h - a text made by a format: a short one where it was declared, a
 * long one on the heap.
 *
 *     struct ed_printed text ED_PRINTED_AUTO;
 *     va_list args;
 *     va_start(args, fmt);
 *     int err = ed_print(&text, fmt, args);
 *     va_end(args);
 *     return err ? err : send(text.bytes);
 */
#ifndef EDDY_BASE_PRINTED_H
#define EDDY_BASE_PRINTED_H

#include <eddy/bytes.h>

/* Most texts that are sent are shorter; a fiber's stack has room for it. */
#define ED_PRINTED_SHORT 1024

struct ed_printed {
    struct ed_bytes bytes; /* with a NUL behind; as long as this */
    struct ed_buf heap;
    char few[ED_PRINTED_SHORT];
};

/* Begins one, whatever it was before. 0; or ED_ENOMEM, or ED_EUSAGE for a
 * format that cannot be, `bytes` then being empty. */
ED_CHECK int ed_print(struct ed_printed *text, const char *fmt, va_list args)
    ED_PRINTF(2, 0);

static inline void ed_printed_free_(struct ed_printed *text)
{
    ed_buf_free(&text->heap);
}
#define ED_PRINTED_AUTO __attribute__((cleanup(ed_printed_free_)))

#endif
