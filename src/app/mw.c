/*
 * mw.c - what ready-made middleware shares: where it is added, its memory, and
 * lists in options.
 */
#include "app/mw.h"

#include <eddy/log.h>
#include <stdarg.h>
#include <stdio.h>

ed_app *mw_app(struct ed_where where)
{
    return where.group ? where.group->app : where.app;
}

void *mw_zalloc(struct ed_where where, size_t size)
{
    return memset(ed_app_alloc(mw_app(where), size), 0, size);
}

const char *mw_copy(struct ed_where where, const char *text)
{
    return text ? ed_app_copy(mw_app(where), ed_bytes(text)) : NULL;
}

int mw_before(struct ed_where where, ed_before_fn *fn, void *arg)
{
    return where.group ? ed_group_before(where.group, fn, arg)
                       : ed_before(where.app, fn, arg);
}

int mw_around(struct ed_where where, ed_around_fn *fn, void *arg)
{
    return where.group ? ed_group_around(where.group, fn, arg)
                       : ed_around(where.app, fn, arg);
}

int mw_refuse(struct ed_where where, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    ed_log_error("middleware: %s", text);
    mw_app(where)->refused++;
    return ED_EUSAGE;
}

static bool separates(char c)
{
    return c == ',' || c == ' ' || c == '\t' || c == '\n';
}

bool mw_word(struct ed_bytes *list, struct ed_bytes *word)
{
    while (list->len && separates(*list->ptr)) {
        list->ptr++;
        list->len--;
    }
    *word = ed_bytes_of(list->ptr, 0);
    while (list->len && !separates(*list->ptr)) {
        list->ptr++;
        list->len--;
        word->len++;
    }
    return word->len > 0;
}

bool mw_has_word(const char *list, struct ed_bytes word)
{
    struct ed_bytes rest = ed_bytes(list), one;

    while (mw_word(&rest, &one)) {
        if (ed_bytes_equal_nocase(one, word))
            return true;
    }
    return false;
}
