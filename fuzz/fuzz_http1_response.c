/*
 * fuzz_http1_response.c - response heads; see heads.h for the oracle. The
 * first byte says what is answered, the rest is as heads.h has it.
 */
#include "heads.h"

static bool to_head, to_connect;

static ssize_t read_response(struct ed_http1_head *head, const char *buf,
                             size_t len, const struct ed_http1_limits *limits)
{
    return ed_http1_response(head, buf, len, limits, to_head, to_connect);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    to_head = data[0] & 1;
    to_connect = data[0] & 2;
    fuzz_head(read_response, ed_bytes_of(data + 1, len - 1));
    return 0;
}
