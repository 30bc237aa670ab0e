/*
 * cookie.c - reads the pairs of a Cookie field, whatever browsers, proxies and
 * people have made of the white space in it.
 */
#include "wire/cookie.h"

bool ed_cookie_next(struct ed_bytes *rest, struct ed_bytes *name,
                    struct ed_bytes *value)
{
    while (rest->len) {
        struct ed_bytes pair = ed_bytes_cut(rest, ';');
        struct ed_bytes key = ed_bytes_trim(ed_bytes_cut(&pair, '='));

        if (!key.len || !pair.ptr)
            continue;
        *name = key;
        *value = ed_bytes_trim(pair);
        return true;
    }
    return false;
}

bool ed_cookie_find(struct ed_bytes field, struct ed_bytes name,
                    struct ed_bytes *value)
{
    struct ed_bytes each, its_value;

    while (ed_cookie_next(&field, &each, &its_value)) {
        if (!ed_bytes_equal(each, name))
            continue;
        *value = its_value;
        return true;
    }
    return false;
}
