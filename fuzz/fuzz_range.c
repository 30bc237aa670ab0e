/*
 * fuzz_range.c - Range fields: whatever they ask for, what comes out lies
 * within the whole and apart, so that it is never more than the whole.
 *
 * The first two bytes are the size of the whole, so that ends are met.
 */
#include "check.h"
#include "wire/entity_tag.h"
#include "wire/range.h"

static void check_apart(const struct ed_ranges *r, unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        const struct ed_range *a = &r->list[i], *b = &r->list[at];
        CHECK(b->first - a->last > ED_RANGES_GAP ||
              a->first - b->last > ED_RANGES_GAP);
    }
}

static void check_ranges(struct ed_bytes field, int64_t size)
{
    struct ed_ranges r;
    enum ed_ranges_result result = ed_ranges_parse(&r, field, size);
    CHECK((result == ED_RANGES_SOME) == (r.count > 0) ||
          result == ED_RANGES_IGNORED);
    CHECK(r.count <= ED_RANGES_MAX);
    for (unsigned i = 0; i < r.count; i++) {
        CHECK(r.list[i].first >= 0);
        CHECK(r.list[i].first <= r.list[i].last);
        CHECK(r.list[i].last < size);
        check_apart(&r, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    int64_t size = data[0] | data[1] << 8;
    char *copy = check_copy(ed_bytes_of(data + 2, len - 2));
    struct ed_bytes field = ed_bytes_of(copy, len - 2);
    check_ranges(field, size);
    check_ranges(field, INT64_MAX);
    /* A tag that a list names weakly is there whenever it is named strongly. */
    bool strong = ed_entity_tag_in(field, ED_BYTES("\"a\""), true);
    CHECK(!strong || ed_entity_tag_in(field, ED_BYTES("\"a\""), false));
    free(copy);
    return 0;
}
