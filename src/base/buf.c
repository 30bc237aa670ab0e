/*
 * buf.c - a buffer that grows.
 *
 * Owns the memory of every struct ed_buf. It grows by doubling, so that
 * appending costs constant time on average, and always keeps one byte behind
 * the contents for the NUL. A failed append changes nothing.
 */
#include "base/size.h"
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <stdio.h>
#include <stdlib.h>

/* Small texts fit without growing twice. */
#define FIRST_CAP 64

void ed_buf_free(struct ed_buf *buf)
{
    free(buf->ptr);
    *buf = (struct ed_buf){0};
}

static int grow(struct ed_buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : FIRST_CAP;

    if (cap < need && !ed_size_mul(cap, 2, &cap))
        return ED_ENOMEM;
    if (cap < need)
        cap = need;
    char *ptr = realloc(buf->ptr, cap);
    if (!ptr)
        return ED_ENOMEM;
    buf->ptr = ptr;
    buf->cap = cap;
    buf->ptr[buf->len] = '\0';
    return 0;
}

int ed_buf_reserve(struct ed_buf *buf, size_t more)
{
    size_t need;

    if (!ed_size_add(buf->len, more, &need) || !ed_size_add(need, 1, &need))
        return ED_ENOMEM;
    return need <= buf->cap ? 0 : grow(buf, need);
}

int ed_buf_add(struct ed_buf *buf, const void *ptr, size_t len)
{
    int err = ed_buf_reserve(buf, len);

    if (err)
        return err;
    if (len)
        memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return 0;
}

int ed_buf_addf(struct ed_buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int err = ed_buf_vaddf(buf, fmt, args);
    va_end(args);
    return err;
}

/* Prints behind the contents; what does not fit is left out. Returns the
 * length the whole text has, or a negative number. */
ED_PRINTF(2, 0)
static int print_behind(struct ed_buf *buf, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(buf->ptr + buf->len, buf->cap - buf->len, fmt, again);
    va_end(again);
    return len;
}

int ed_buf_vaddf(struct ed_buf *buf, const char *fmt, va_list args)
{
    int err = ed_buf_reserve(buf, 0);
    if (err)
        return err;

    size_t room = buf->cap - buf->len;
    int len = print_behind(buf, fmt, args);
    if (len >= 0 && (size_t)len >= room) {
        buf->ptr[buf->len] = '\0';
        err = ed_buf_reserve(buf, (size_t)len);
        if (err)
            return err;
        len = print_behind(buf, fmt, args);
    }
    if (len < 0) {
        buf->ptr[buf->len] = '\0';
        return ED_EUSAGE;
    }
    buf->len += (size_t)len;
    return 0;
}

void ed_buf_drop(struct ed_buf *buf, size_t len)
{
    if (len == 0)
        return;
    if (len > buf->len)
        len = buf->len;
    if (!buf->ptr)
        return;
    buf->len -= len;
    memmove(buf->ptr, buf->ptr + len, buf->len);
    buf->ptr[buf->len] = '\0';
}
