/*
 * entity_tag.c - finds an entity tag in a list.
 *
 * Tags may hold commas, so a list cannot be cut at them.
 */
#include "wire/entity_tag.h"

static void skip(struct ed_bytes *rest, size_t n)
{
    rest->ptr += n;
    rest->len -= n;
}

/* What may stand between two tags. */
static void skip_gap(struct ed_bytes *rest)
{
    while (rest->len &&
           (rest->ptr[0] == ',' || rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
        skip(rest, 1);
}

static bool take_weakness(struct ed_bytes *text)
{
    if (!ed_bytes_starts(*text, ED_BYTES("W/")))
        return false;
    skip(text, 2);
    return true;
}

/* Takes the next tag off a list, without its mark; false when there is none,
 * or it is malformed. */
static bool take_tag(struct ed_bytes *rest, struct ed_bytes *tag, bool *weak)
{
    skip_gap(rest);
    *weak = take_weakness(rest);
    if (rest->len < 2 || rest->ptr[0] != '"')
        return false;
    const char *end = memchr(rest->ptr + 1, '"', rest->len - 1);
    if (!end)
        return false;
    *tag = ed_bytes_of(rest->ptr, (size_t)(end + 1 - rest->ptr));
    skip(rest, tag->len);
    return true;
}

bool ed_entity_tag_in(struct ed_bytes field, struct ed_bytes tag, bool strong)
{
    struct ed_bytes rest = ed_bytes_trim(field);
    struct ed_bytes other;
    bool other_weak;
    if (ed_bytes_equal(rest, ED_BYTES("*")))
        return true;
    bool weak = take_weakness(&tag);
    while (take_tag(&rest, &other, &other_weak)) {
        bool counts = !strong || (!weak && !other_weak);
        if (counts && ed_bytes_equal(other, tag))
            return true;
    }
    return false;
}
