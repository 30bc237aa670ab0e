/*
 * keep.c - see keep.h.
 */
#include "net/keep.h"

#include <eddy/error.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 2 * 1024 };

/* Room for that much, with what is at *view in it. */
static int grow(struct ed_keep **keep, const char *view, size_t have,
                size_t want)
{
    size_t cap = *keep ? (*keep)->cap : LEAST;

    while (cap < want)
        cap *= 2;
    struct ed_keep *larger = malloc(sizeof *larger + cap);
    if (!larger)
        return ED_ENOMEM;
    larger->cap = cap;
    if (have)
        memcpy(larger->bytes, view, have);
    free(*keep);
    *keep = larger;
    return 0;
}

int ed_keep(struct ed_keep **keep, char **view, size_t have, const char *more,
            size_t len)
{
    if (!*keep || (*keep)->cap < have + len) {
        int err = grow(keep, *view, have, have + len);
        if (err)
            return err;
    } else if (have && *view != (*keep)->bytes) {
        memmove((*keep)->bytes, *view, have);
    }
    if (len)
        memcpy((*keep)->bytes + have, more, len);
    *view = (*keep)->bytes;
    return 0;
}
