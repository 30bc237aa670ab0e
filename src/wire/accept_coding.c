/*
 * accept_coding.c - reads an Accept-Encoding field.
 */
#include "wire/accept_coding.h"

#include "base/ascii.h"

/* "0.5" as 500; what is no quality is none. */
static unsigned read_quality(struct ed_bytes text)
{
    unsigned quality = 0, place = 1000;
    if (!text.len || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return 0;
    if (text.len > 1 && text.ptr[1] != '.')
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (!ed_is_digit(text.ptr[i]))
            return 0;
        quality += (unsigned)(text.ptr[i] - '0') * place;
        place /= 10;
    }
    return quality > 1000 ? 0 : quality;
}

static unsigned quality_of(struct ed_bytes parameters)
{
    while (parameters.ptr) {
        struct ed_bytes value = ed_bytes_cut(&parameters, ';');
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&value, '='));
        if (value.ptr && ed_bytes_equal_nocase(name, ED_BYTES("q")))
            return read_quality(ed_bytes_trim(value));
    }
    return 1000;
}

unsigned ed_accept_coding(struct ed_bytes field, struct ed_bytes coding)
{
    bool identity = ed_bytes_equal_nocase(coding, ED_BYTES("identity"));
    unsigned otherwise = identity ? 1 : 0;
    while (field.ptr) {
        struct ed_bytes parameters = ed_bytes_cut(&field, ',');
        struct ed_bytes name = ed_bytes_trim(ed_bytes_cut(&parameters, ';'));
        if (ed_bytes_equal_nocase(name, coding))
            return quality_of(parameters);
        if (ed_bytes_equal(name, ED_BYTES("*")))
            otherwise = quality_of(parameters);
    }
    return otherwise;
}
