/*
 * bytes.h - borrowed views of memory, and a buffer that grows.
 */
#ifndef EDDY_BYTES_H
#define EDDY_BYTES_H

#include <eddy/api.h>
#include <stdarg.h>
#include <string.h>

ED_BEGIN_DECLS

/* A borrowed view. It owns nothing and need not end with NUL; the function
 * that gives one says until when it is valid. */
struct ed_bytes {
    const char *ptr;
    size_t len;
};

/* A view of a string literal, of a C string (NULL gives an empty view), and
 * of any memory. */
#ifdef __cplusplus
#define ED_BYTES(literal) ed_bytes_of("" literal, sizeof(literal) - 1)
#else
#define ED_BYTES(literal) ((struct ed_bytes){"" literal, sizeof(literal) - 1})
#endif

static inline struct ed_bytes ed_bytes(const char *text)
{
    struct ed_bytes b = {text, text ? strlen(text) : 0};
    return b;
}

static inline struct ed_bytes ed_bytes_of(const void *ptr, size_t len)
{
    struct ed_bytes b = {(const char *)ptr, len};
    return b;
}

static inline bool ed_bytes_equal(struct ed_bytes a, struct ed_bytes b)
{
    return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

/* Equal when ASCII letters of either case count as the same; the locale never
 * matters. */
ED_API bool ed_bytes_equal_nocase(struct ed_bytes a, struct ed_bytes b);

ED_API bool ed_bytes_starts(struct ed_bytes b, struct ed_bytes prefix);

/* The view without spaces and tabs at both ends. */
ED_API struct ed_bytes ed_bytes_trim(struct ed_bytes b);

/* Cuts `rest` at the first `sep`: returns what stands before it and moves
 * `rest` behind it; without a `sep` returns all and leaves `rest` empty with
 * ptr NULL, so `while (rest.ptr)` visits every part, empty ones included. */
ED_API struct ed_bytes ed_bytes_cut(struct ed_bytes *rest, char sep);

/* Where `needle` first stands in `b`, or -1. An empty one stands at 0. */
ED_API ssize_t ed_bytes_find(struct ed_bytes b, struct ed_bytes needle);

/* Reads a whole view as a decimal number, digits with an optional sign only.
 * Returns 0, or ED_EPARSE when it is empty, holds anything else, or does not
 * fit; *value is then untouched. */
ED_API ED_CHECK int ed_bytes_int(struct ed_bytes b, int64_t *value);

/* Whether two secrets are equal, in a time that depends on the lengths only. */
ED_API bool ed_bytes_equal_secret(struct ed_bytes a, struct ed_bytes b);

/*
 * A growing buffer. Zero-initialised it is empty and owns nothing:
 *
 *     struct ed_buf buf = {0};
 *     ...
 *     ed_buf_free(&buf);
 *
 * `ptr` is always NUL-terminated once anything was added or reserved.
 * Appending returns 0 or ED_ENOMEM (a format that cannot be printed:
 * ED_EUSAGE), and leaves the buffer as it was on failure. What is appended
 * must not be part of the buffer itself, which may move.
 */
struct ed_buf {
    char *ptr;
    size_t len;
    size_t cap;
};

/* Frees the memory; the buffer is then empty and may be used again. */
ED_API void ed_buf_free(struct ed_buf *buf);

/* Makes room for `more` bytes, so that adding them cannot fail. */
ED_API ED_CHECK int ed_buf_reserve(struct ed_buf *buf, size_t more);
ED_API ED_CHECK int ed_buf_add(struct ed_buf *buf, const void *ptr, size_t len);
ED_API ED_CHECK int ed_buf_addf(struct ed_buf *buf, const char *fmt, ...)
    ED_PRINTF(2, 3);
ED_API ED_CHECK int ed_buf_vaddf(struct ed_buf *buf, const char *fmt,
                                 va_list args) ED_PRINTF(2, 0);

/* Drops the first `len` bytes, or all there are, and moves the rest to the
 * front. */
ED_API void ed_buf_drop(struct ed_buf *buf, size_t len);

static inline struct ed_bytes ed_buf_bytes(const struct ed_buf *buf)
{
    struct ed_bytes b = {buf->ptr, buf->len};
    return b;
}

ED_END_DECLS
#endif
