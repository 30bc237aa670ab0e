/*
 * fuzz_cookie.c - Cookie fields: what comes out lies within the field, is
 * trimmed, and holds none of the separators.
 */
#include "check.h"
#include "wire/cookie.h"

static void check_part(struct ed_bytes part, struct ed_bytes field)
{
    struct ed_bytes trimmed = ed_bytes_trim(part);

    CHECK(part.ptr >= field.ptr);
    CHECK(part.ptr + part.len <= field.ptr + field.len);
    CHECK(trimmed.len == part.len);
    CHECK(!memchr(part.ptr, ';', part.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes field = ed_bytes_of(copy, len);
    struct ed_bytes rest = field, name, value, found;

    while (ed_cookie_next(&rest, &name, &value)) {
        check_part(name, field);
        check_part(value, field);
        CHECK(name.len && !memchr(name.ptr, '=', name.len));
        CHECK(ed_cookie_find(field, name, &found));
    }
    CHECK(!rest.len);
    free(copy);
    return 0;
}
