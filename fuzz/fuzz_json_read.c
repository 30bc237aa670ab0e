/*
 * fuzz_json_read.c - texts of others: what is read is what jansson reads,
 * except that whatever it would have gone too deep for is an error.
 *
 * On the stack of a process jansson may go as deep as it likes to.
 */
#include "check.h"
#include "wire/json_read.h"

static int depth_of(const json_t *value)
{
    int deepest = 0;
    const char *key;
    json_t *inner;
    size_t index;

    json_array_foreach(value, index, inner)
    {
        int depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        int depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_array(value) || json_is_object(value) ? deepest + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    struct ed_bytes text = ed_bytes_of(data, len);
    char *copy = check_copy(text);
    json_error_t error = {0};

    json_t *value = ed_json_load(ed_bytes_of(copy, len), flags, &error);
    json_t *same = json_loadb(copy, len, flags, NULL);
    if (value) {
        CHECK(json_equal(value, same));
        CHECK(depth_of(value) <= ED_JSON_READ_DEPTH);
    } else if (same) {
        CHECK(json_error_code(&error) == json_error_stack_overflow);
        /* The last of a key that comes twice is kept: a deeper one may have
         * been there. */
        CHECK(error.position < (int)len && strchr("[{", copy[error.position]));
    }
    json_decref(value);
    json_decref(same);
    free(copy);
    return 0;
}
