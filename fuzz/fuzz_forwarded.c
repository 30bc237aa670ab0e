/*
 * fuzz_forwarded.c - Forwarded fields: elements lie one behind the other in the
 * text, their values in them, and an address found in a node in that. What
 * stands behind an element changes nothing of it.
 */
#include "check.h"
#include "wire/forwarded.h"

#include <eddy/error.h>

static bool lies_in(struct ed_bytes part, struct ed_bytes whole)
{
    return !part.ptr || (part.ptr >= whole.ptr &&
                         part.ptr + part.len <= whole.ptr + whole.len);
}

static bool is_same(struct ed_bytes a, struct ed_bytes b)
{
    return !a.ptr == !b.ptr && ed_bytes_equal(a, b);
}

/* An element alone, without what stands behind it, reads the same. */
static void check_alone(struct ed_bytes element, const struct ed_forwarded *f)
{
    char *copy = check_copy(element);
    struct ed_bytes rest = ed_bytes_of(copy, element.len);
    struct ed_forwarded again;

    CHECK(ed_forwarded_next(&rest, &again) == 1);
    CHECK(!rest.len);
    CHECK(is_same(f->node, again.node) && is_same(f->by, again.by));
    CHECK(is_same(f->proto, again.proto) && is_same(f->host, again.host));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes rest = ed_bytes_of(copy, len), before = rest;
    struct ed_forwarded f;
    int got;

    while ((got = ed_forwarded_next(&rest, &f)) == 1) {
        CHECK(rest.len < before.len);
        CHECK(rest.ptr + rest.len == copy + len);
        struct ed_bytes element =
            ed_bytes_of(before.ptr, before.len - rest.len);
        CHECK(lies_in(f.node, element) && lies_in(f.by, element));
        CHECK(lies_in(f.proto, element) && lies_in(f.host, element));
        CHECK(lies_in(ed_forwarded_ip(f.node), f.node));
        check_alone(element, &f);
        before = rest;
    }
    CHECK(got == ED_EPARSE || (got == 0 && !rest.len));
    CHECK(lies_in(ed_forwarded_ip(ed_bytes_of(copy, len)),
                  ed_bytes_of(copy, len)));
    free(copy);
    return 0;
}
