/*
 * rest.c - what is left of several buffers when a call has done a part.
 */
#include "patch/patch.h"

#include <stdlib.h>
#include <string.h>

size_t ed_patch_bytes_of(const struct iovec *iov, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

static bool copy(struct ed_patch_rest *rest)
{
    rest->memory = malloc(rest->count * sizeof *rest->iov);
    if (!rest->memory)
        return false;
    rest->iov =
        memcpy(rest->memory, rest->iov, rest->count * sizeof *rest->iov);
    return true;
}

bool ed_patch_skip(struct ed_patch_rest *rest, size_t bytes)
{
    if (!rest->memory && !copy(rest))
        return false;
    while (rest->count && bytes >= rest->iov->iov_len) {
        bytes -= rest->iov->iov_len;
        rest->iov++;
        rest->count--;
    }
    if (bytes) {
        rest->iov->iov_base = (char *)rest->iov->iov_base + bytes;
        rest->iov->iov_len -= bytes;
    }
    return true;
}
