/*
 * test_sockets.c - listening sockets that a master hands to the next one.
 */
#include "serve/sockets.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char VARIABLE[] = "EDDY_SOCKETS";

static void open_some(struct ed_sockets *s)
{
    const char *addresses[] = {"127.0.0.1:0", "127.0.0.2:0"};
    const struct ed_texts asked = {.each = addresses, .count = 2};

    assert_int_equal(ed_sockets_open(s, &asked, 16, 0, NULL), 0);
}

static void another_master_finds_them_by_what_was_asked_for(void **state)
{
    struct ed_sockets given, taken, asked;
    const struct ed_sockets *sets[] = {&given};
    const char *addresses[] = {"127.0.0.2:0"};
    const struct ed_texts wanted = {.each = addresses, .count = 1};

    (void)state;
    open_some(&given);
    assert_int_equal(ed_sockets_give(sets, 1), 0);
    assert_int_equal(ed_sockets_take(&taken), 0);
    assert_null(getenv(VARIABLE));
    assert_int_equal(taken.count, 2);
    assert_int_equal(ed_sockets_open(&asked, &wanted, 16, 0, &taken), 0);
    assert_int_equal(asked.each[0].bound.fd, given.each[1].bound.fd);
    assert_true(asked.each[0].taken_over);
    assert_int_equal(taken.count, 1);
    ed_sockets_close(&asked, false);
    ed_sockets_close(&taken, false);
    given.each[0].bound.fd = given.each[1].bound.fd = -1; /* were the same */
    ed_sockets_close(&given, false);
}

enum { THERE = 100 }; /* a descriptor that is open */

static int take(const char *text)
{
    struct ed_sockets taken;

    assert_int_equal(dup2(STDERR_FILENO, THERE), THERE);
    assert_int_equal(setenv(VARIABLE, text, 1), 0);
    int err = ed_sockets_take(&taken);
    assert_null(getenv(VARIABLE));
    ed_sockets_close(&taken, false);
    close(THERE);
    return err;
}

static void what_no_master_has_written_is_refused(void **state)
{
    static const char *const rows[] = {
        "x - a\n",
        "100\n",
        "100 -\n",
        "2 - a\n",
        "-1 - a\n",
        "101 - a\n",        /* is not open */
        "4294967396 - a\n", /* 100 in 32 bits */
        "99999999999999999999 - a\n",
        "100 zz:1:/x a\n",
        "100 - a\n100 - b\n",
    };

    (void)state;
    assert_int_equal(take("100 - a\n"), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!take(rows[i]))
            fail_msg("taken: %s", rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_master_finds_them_by_what_was_asked_for),
        cmocka_unit_test(what_no_master_has_written_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
