/*
 * fuzz_traceparent.c - traceparent fields: what is read can be written, and is
 * then read as the same.
 */
#include "check.h"
#include "wire/traceparent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    char text[ED_TRACEPARENT_LEN + 1];
    struct ed_traceparent parent, again;

    if (!ed_traceparent_parse(&parent, ed_bytes_of(copy, len))) {
        ed_traceparent_write(text, &parent);
        CHECK(strlen(text) == ED_TRACEPARENT_LEN);
        CHECK(!ed_traceparent_parse(&again, ed_bytes(text)));
        CHECK(!memcmp(parent.trace, again.trace, sizeof(again.trace)));
        CHECK(!memcmp(parent.span, again.span, sizeof(again.span)));
        CHECK(parent.flags == again.flags);
        CHECK(!memcmp(copy + 3, text + 3, 49));
    }
    free(copy);
    return 0;
}
