/*
 * content_range.c - reads a Content-Range field, strictly: who resumes a
 * download writes where it says.
 */
#include "wire/content_range.h"
#include "base/ascii.h"
#include <eddy/error.h>

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
    if (ed_digits_read(first, &r.first) || ed_digits_read(last, &r.last) ||
        r.last < r.first)
        return ED_EPARSE;
    if (!ed_bytes_equal(whole, ED_BYTES("*")) &&
        (ed_digits_read(whole, &r.whole) || r.last >= r.whole))
        return ED_EPARSE;
    *range = r;
    return 0;
}
