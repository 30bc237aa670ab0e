/*
 * fuzz_date.c - dates: what is read can be written, and is then read as the
 * same.
 */
#include "check.h"
#include "wire/date.h"
#include <eddy/clock.h>

static const int64_t NOW = 1795132800;

static void check_again(int64_t time)
{
    char text[ED_HTTP_DATE_LEN + 1];
    int64_t again;

    ed_http_date(text, time);
    CHECK(!ed_date_parse(ed_bytes(text), NOW, &again));
    CHECK(again == time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = check_copy(ed_bytes_of(data, len));
    struct ed_bytes text = ed_bytes_of(copy, len);
    int64_t time;

    if (!ed_date_parse(text, NOW, &time))
        check_again(time);
    if (!ed_date_parse_cookie(text, &time)) {
        check_again(time);
        CHECK(time >= -11644473600);
    }
    free(copy);
    return 0;
}
