/*
 * coding_choice.c - which content coding a client would like best.
 */
#include "wire/coding_choice.h"

#include "wire/accept_coding.h"

int ed_coding_choose(struct ed_bytes accept_encoding, const uint8_t *offered,
                     size_t count)
{
    unsigned best_quality = 0;
    int best = ED_CODING_IDENTITY;

    for (size_t i = 0; i < count; i++) {
        struct ed_bytes name = ed_bytes(ed_coding_name(offered[i]));
        unsigned quality = ed_accept_coding(accept_encoding, name);
        if (quality > best_quality) {
            best_quality = quality;
            best = offered[i];
        }
    }
    if (ed_accept_coding(accept_encoding, ED_BYTES("identity")) > best_quality)
        return ED_CODING_IDENTITY;
    return best;
}
