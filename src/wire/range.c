/*
 * range.c - reads a Range field.
 *
 * Whatever it says, the answer is at most the whole, and in few parts: many
 * overlapping ranges are how a small request becomes a large answer.
 */
#include "wire/range.h"

#include "base/ascii.h"

/* What one range of the list is. */
enum spec { SPEC_MALFORMED, SPEC_OUTSIDE, SPEC_WITHIN };

/* Digits as a number; one too large to hold is the largest there is, since all
 * of those lie behind every end. */
static bool read_position(struct ed_bytes text, int64_t *position)
{
    int64_t n = 0;
    if (!text.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ed_is_digit(text.ptr[i]))
            return false;
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, text.ptr[i] - '0', &n))
            n = INT64_MAX;
    }
    *position = n;
    return true;
}

/* "-500": the last 500 bytes. */
static enum spec read_suffix(struct ed_bytes text, int64_t size,
                             struct ed_range *range)
{
    int64_t len;
    if (!read_position(text, &len))
        return SPEC_MALFORMED;
    if (!len || !size)
        return SPEC_OUTSIDE;
    range->first = len < size ? size - len : 0;
    range->last = size - 1;
    return SPEC_WITHIN;
}

static enum spec read_spec(struct ed_bytes text, int64_t size,
                           struct ed_range *range)
{
    struct ed_bytes last = text;
    struct ed_bytes first = ed_bytes_cut(&last, '-');
    if (!last.ptr)
        return SPEC_MALFORMED;
    if (!first.len)
        return read_suffix(last, size, range);
    range->last = INT64_MAX;
    if (!read_position(first, &range->first) ||
        (last.len && !read_position(last, &range->last)) ||
        range->last < range->first)
        return SPEC_MALFORMED;
    if (range->first >= size)
        return SPEC_OUTSIDE;
    if (range->last >= size)
        range->last = size - 1;
    return SPEC_WITHIN;
}

static bool nearly_touch(const struct ed_range *a, const struct ed_range *b)
{
    const struct ed_range *low = a->first <= b->first ? a : b;
    const struct ed_range *high = low == a ? b : a;
    return high->first - low->last <= ED_RANGES_GAP;
}

static void merge(struct ed_range *into, const struct ed_range *other)
{
    if (other->first < into->first)
        into->first = other->first;
    if (other->last > into->last)
        into->last = other->last;
}

static void take_out(struct ed_ranges *ranges, unsigned at)
{
    ranges->count--;
    memmove(ranges->list + at, ranges->list + at + 1,
            (ranges->count - at) * sizeof *ranges->list);
}

static void put_in(struct ed_ranges *ranges, unsigned at, struct ed_range range)
{
    memmove(ranges->list + at + 1, ranges->list + at,
            (ranges->count - at) * sizeof *ranges->list);
    ranges->list[at] = range;
    ranges->count++;
}

/* Adds a range, as one with those it nearly touches. The union may reach
 * further ones, so it starts over after each. There is room for it. */
static void add(struct ed_ranges *ranges, struct ed_range range)
{
    unsigned place = ranges->count;
    unsigned i = 0;
    while (i < ranges->count) {
        if (!nearly_touch(&ranges->list[i], &range)) {
            i++;
            continue;
        }
        merge(&range, &ranges->list[i]);
        take_out(ranges, i);
        place = i < place ? i : place;
        i = 0;
    }
    put_in(ranges, place, range);
}

/* The ranges behind "bytes=", or ptr NULL. */
static struct ed_bytes range_set(struct ed_bytes field)
{
    struct ed_bytes set = ed_bytes_trim(field);
    struct ed_bytes unit = ed_bytes_cut(&set, '=');
    if (!ed_bytes_equal_nocase(unit, ED_BYTES("bytes")))
        set.ptr = NULL;
    return set;
}

enum ed_ranges_result ed_ranges_parse(struct ed_ranges *ranges,
                                      struct ed_bytes field, int64_t size)
{
    struct ed_bytes set = range_set(field);
    unsigned asked = 0;
    ranges->count = 0;
    while (set.ptr) {
        struct ed_bytes text = ed_bytes_trim(ed_bytes_cut(&set, ','));
        struct ed_range range;
        if (!text.len)
            continue; /* lists may have empty elements (RFC 9110, 5.6.1) */
        if (asked++ == ED_RANGES_MAX)
            return ED_RANGES_IGNORED;
        enum spec spec = read_spec(text, size, &range);
        if (spec == SPEC_MALFORMED)
            return ED_RANGES_IGNORED;
        if (spec == SPEC_WITHIN)
            add(ranges, range);
    }
    if (ranges->count)
        return ED_RANGES_SOME;
    return asked ? ED_RANGES_UNSATISFIABLE : ED_RANGES_IGNORED;
}
