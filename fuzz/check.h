/*
 * check.h - what every fuzzer needs: an assertion that no build leaves out,
 * and memory that ends where its bytes do.
 */
#ifndef EDDY_FUZZ_CHECK_H
#define EDDY_FUZZ_CHECK_H

#include <eddy/bytes.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(truth) \
    ((truth) ? (void)0 : check_failed(#truth, __FILE__, __LINE__))

static inline void check_failed(const char *truth, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, truth);
    abort();
}

/* A copy with nothing behind it, to be freed. */
static inline char *check_copy(struct ed_bytes b)
{
    char *copy = malloc(b.len ? b.len : 1);

    CHECK(copy);
    if (b.len)
        memcpy(copy, b.ptr, b.len);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
