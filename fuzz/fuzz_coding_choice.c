/*
 * fuzz_coding_choice.c - Accept-Encoding fields: what is chosen was offered and
 * not refused, nothing was wanted more, and the order of what is offered only
 * decides between equals.
 */
#include "check.h"
#include "wire/accept_coding.h"
#include "wire/coding_choice.h"

static const uint8_t OFFERED[] = {ED_CODING_BR, ED_CODING_ZSTD, ED_CODING_GZIP};
static const uint8_t REVERSED[] = {ED_CODING_GZIP, ED_CODING_ZSTD,
                                   ED_CODING_BR};

static unsigned quality_of(struct ed_bytes field, int coding)
{
    const char *name = coding == ED_CODING_IDENTITY
                           ? "identity"
                           : ed_coding_name((enum ed_coding)coding);
    return ed_accept_coding(field, ed_bytes(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes field = ed_bytes_of(copy, len);
    int coding = ed_coding_choose(field, OFFERED, sizeof OFFERED);
    int other = ed_coding_choose(field, REVERSED, sizeof REVERSED);
    unsigned quality = quality_of(field, coding);

    for (size_t i = 0; i < sizeof OFFERED; i++) {
        unsigned q = quality_of(field, OFFERED[i]);
        CHECK(q <= 1000);
        CHECK(q <= quality || coding == ED_CODING_IDENTITY);
    }
    CHECK(coding == ED_CODING_IDENTITY ||
          (quality && quality >= quality_of(field, ED_CODING_IDENTITY)));
    CHECK((coding == ED_CODING_IDENTITY) == (other == ED_CODING_IDENTITY));
    CHECK(quality == quality_of(field, other));
    free(copy);
    return 0;
}
