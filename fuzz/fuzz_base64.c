/*
 * fuzz_base64.c - base64: bytes survive, and every text that is read is the
 * one that is written for its bytes.
 */
#include "base/base64.h"
#include "check.h"

#include <eddy/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes input = ed_bytes_of(copy, len);
    struct ed_buf bytes = {0}, text = {0}, back = {0};

    int err = ed_base64_decode(&bytes, input);
    CHECK(err == 0 || err == ED_EPARSE);
    if (!err) {
        CHECK(!ed_base64_encode(&text, ed_buf_bytes(&bytes)));
        CHECK(ed_bytes_equal(ed_buf_bytes(&text), input));
    }
    ed_buf_free(&text);
    CHECK(!ed_base64_encode(&text, input));
    CHECK(!ed_base64_decode(&back, ed_buf_bytes(&text)));
    CHECK(ed_bytes_equal(ed_buf_bytes(&back), input));
    ed_buf_free(&bytes);
    ed_buf_free(&text);
    ed_buf_free(&back);
    free(copy);
    return 0;
}
