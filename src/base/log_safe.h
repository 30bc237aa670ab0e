/*
 * log_safe.h - the log for those who may not wait for a lock: handlers of
 * signals, and who reports on a thread that stands still and may hold it.
 *
 *     ed_log_prepare(); // before, where one may wait
 *
 *     struct ed_safe_line line = {0};
 *
 *     ed_safe_put(&line, "stack of ");
 *     ed_safe_put_number(&line, 64);
 *     ed_log_safely(ED_LOG_ERROR, &line);
 *
 * Nothing here allocates, locks, or reads what a locale says.
 */
#ifndef EDDY_BASE_LOG_SAFE_H
#define EDDY_BASE_LOG_SAFE_H

#include <eddy/log.h>
#include <string.h>
#include "base/ascii.h"

/* A message being put together, always ended by NUL; what does not fit is left
 * out. */
struct ed_safe_line {
    size_t len;
    char text[512];
};

static inline void ed_safe_put(struct ed_safe_line *line, const char *text)
{
    size_t room = sizeof line->text - 1 - line->len;
    size_t len = 0;

    while (text && len < room && text[len])
        len++;
    if (len)
        memcpy(line->text + line->len, text, len);
    line->len += len;
    line->text[line->len] = '\0';
}

static inline void ed_safe_put_number(struct ed_safe_line *line, uint64_t n)
{
    char digits[ED_DIGITS_MAX + 1] = "";

    ed_safe_put(line, ed_digits_write(digits + ED_DIGITS_MAX, n));
}

/* As 0x7f00. */
static inline void ed_safe_put_hex(struct ed_safe_line *line, uint64_t n)
{
    char digits[2 * sizeof n + 1] = "";
    char *at = digits + sizeof digits - 1;

    do {
        *--at = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);
    ed_safe_put(line, "0x");
    ed_safe_put(line, at);
}

/* Looks who reads the log, if nothing was logged yet: a terminal gets colour,
 * the journal priorities. Without it ed_log_safely() has neither. */
void ed_log_prepare(void);

/* A message in the log's format and on its descriptor, if the level is enabled:
 * as ed_log(), but without a context, and nobody else is told (log_watch.h). It
 * waits for a descriptor that blocks. errno is as it was. */
void ed_log_safely(enum ed_log_level level, const struct ed_safe_line *text);

#endif
