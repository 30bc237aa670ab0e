/*
 * content_range.c - reads a Content-Range field, strictly: who resumes a
 * download writes where it says.
 */
#include "wire/content_range.h"
#include <eddy/error.h>

/* Digits only: ed_bytes_int() would take a sign. */
static int read_size(struct ed_bytes text, int64_t *size)
{
    if (!text.len || text.ptr[0] < '0' || text.ptr[0] > '9')
        return ED_EPARSE;
    return ed_bytes_int(text, size);
}

int ed_content_range_parse(struct ed_content_range *range, struct ed_bytes text)
{
    static const struct ed_bytes unit = {"bytes ", 6};
    struct ed_content_range r = {.whole = -1};

    if (text.len < unit.len ||
        !ed_bytes_equal_nocase(ed_bytes_of(text.ptr, unit.len), unit))
        return ED_EPARSE;
    struct ed_bytes whole =
        ed_bytes_of(text.ptr + unit.len, text.len - unit.len);
    struct ed_bytes last = ed_bytes_cut(&whole, '/');
    struct ed_bytes first = ed_bytes_cut(&last, '-');
    if (read_size(first, &r.first) || read_size(last, &r.last) ||
        r.last < r.first)
        return ED_EPARSE;
    if (!ed_bytes_equal(whole, ED_BYTES("*")) &&
        (read_size(whole, &r.whole) || r.last >= r.whole))
        return ED_EPARSE;
    *range = r;
    return 0;
}
