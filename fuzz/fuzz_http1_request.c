/*
 * fuzz_http1_request.c - request heads; see heads.h for the oracle.
 */
#include "heads.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_head(ed_http1_request, ed_bytes_of(data, len));
    return 0;
}
