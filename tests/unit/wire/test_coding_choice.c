/*
 * test_coding_choice.c - which coding a client gets.
 */
#include "wire/coding_choice.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define NONE ED_CODING_IDENTITY

static const uint8_t offered[] = {ED_CODING_BR, ED_CODING_ZSTD, ED_CODING_GZIP};

static void the_best_coding_both_sides_know_is_chosen(void **state)
{
    static const struct {
        const char *field;
        int coding;
    } rows[] = {
        {"", NONE},
        {"gzip", ED_CODING_GZIP},
        {"GZip", ED_CODING_GZIP},
        {"gzip, deflate, br, zstd", ED_CODING_BR},
        {"gzip, zstd", ED_CODING_ZSTD},
        {"deflate", NONE},
        {"compress, exi", NONE},
        {"br;q=0.5, gzip;q=0.8", ED_CODING_GZIP},
        {"br ; q=0.5 , gzip ; Q=0.8", ED_CODING_GZIP},
        {"br;q=0.9, gzip;q=0.9", ED_CODING_BR},
        {"br;q=0, gzip", ED_CODING_GZIP},
        {"br;q=0.000, zstd;q=0.001", ED_CODING_ZSTD},
        {"gzip;q=0", NONE},
        {"*", ED_CODING_BR},
        {"*;q=0.1", ED_CODING_BR},
        {"br;q=0, *", ED_CODING_ZSTD},
        {"*;q=0", NONE},
        {"gzip, *;q=0", ED_CODING_GZIP},
        {"identity", NONE},
        {"identity, gzip", ED_CODING_GZIP},
        {"identity;q=1, gzip;q=0.5", NONE},
        {"identity;q=0.5, gzip;q=0.5", ED_CODING_GZIP},
        {"identity;q=0", NONE},
        {"identity;q=0, gzip;q=0.1", ED_CODING_GZIP},
        {"gzip;q=1.001", NONE},
        {"gzip;q=2", NONE},
        {"gzip;q=", NONE},
        {"gzip;x=1;q=0", NONE},
        {", ,gzip,,", ED_CODING_GZIP},
        {"gzipped", NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int coding = ed_coding_choose(ed_bytes(rows[i].field), offered, 3);
        if (coding != rows[i].coding)
            print_error("'%s': %d\n", rows[i].field, coding);
        assert_int_equal(coding, rows[i].coding);
    }
}

static void only_what_is_offered_is_chosen(void **state)
{
    (void)state;
    struct ed_bytes field = ED_BYTES("br, gzip;q=0.1");
    assert_int_equal(ed_coding_choose(field, offered + 1, 2), ED_CODING_GZIP);
    assert_int_equal(ed_coding_choose(field, offered, 0), NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_coding_both_sides_know_is_chosen),
        cmocka_unit_test(only_what_is_offered_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
