/*
 * conditional.c - asking for what has changed, or for a part.
 */
#include "http/conditional.h"
#include "base/ascii.h"
#include "wire/content_range.h"
#include <eddy/clock.h>

static int add_text(struct ed_journey *j, struct ed_bytes name,
                    const char *value)
{
    return value && *value ? ed_journey_field(j, name, ed_bytes(value)) : 0;
}

static int add_date(struct ed_journey *j, int64_t unix_s)
{
    char *date = ed_arena_alloc(ed_fiber_arena(), ED_HTTP_DATE_LEN + 1);

    if (!date)
        return ed_journey_explain(j, ED_ENOMEM, "no memory for the request");
    ed_http_date(date, unix_s);
    return ed_journey_field(j, ED_BYTES("If-Modified-Since"),
                            ed_bytes_of(date, ED_HTTP_DATE_LEN));
}

static bool is_number(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ed_is_digit(text.ptr[i]))
            return false;
    }
    return text.len > 0;
}

/* "0-499", "500-" or "-500". */
static bool is_range(struct ed_bytes text)
{
    struct ed_bytes first = ed_bytes_cut(&text, '-');

    if (!text.ptr || (!first.len && !text.len))
        return false;
    return (!first.len || is_number(first)) && (!text.len || is_number(text));
}

static int add_range(struct ed_journey *j)
{
    const char *range = j->options.range;

    if (!is_range(ed_bytes(range)))
        return ed_journey_explain(j, ED_EUSAGE,
                                  "a range is \"0-499\", \"500-\" or \"-500\"");
    char *value = ed_arena_printf(ed_fiber_arena(), "bytes=%s", range);
    if (!value)
        return ed_journey_explain(j, ED_ENOMEM, "no memory for the request");
    int err = add_text(j, ED_BYTES("Range"), value);
    return err ? err : add_text(j, ED_BYTES("If-Range"), j->options.if_range);
}

int ed_conditional_fields(struct ed_journey *journey)
{
    const struct ed_fetch_options *o = &journey->options;
    int err = add_text(journey, ED_BYTES("If-None-Match"), o->etag);

    if (!err && o->modified_since)
        err = add_date(journey, o->modified_since);
    if (!err && o->range)
        err = add_range(journey);
    return err;
}

bool ed_res_range(const ed_res *res, int64_t *first, int64_t *last,
                  int64_t *whole)
{
    const char *field = ed_res_header(res, "Content-Range");
    struct ed_content_range range;

    if (ed_res_status(res) != 206 || !field ||
        ed_content_range_parse(&range, ed_bytes(field)))
        return false;
    *first = range.first;
    *last = range.last;
    *whole = range.whole;
    return true;
}
