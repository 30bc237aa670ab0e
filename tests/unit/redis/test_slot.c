/*
 * Keys and the slots of a cluster they lie in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/slot.h"

static unsigned slot(const char *key)
{
    return redis_slot_of(ed_bytes(key));
}

static void keys_lie_where_a_server_says(void **state)
{
    (void)state;
    /* As CLUSTER KEYSLOT answers. */
    assert_int_equal(slot("123456789"), 12739);
    assert_int_equal(slot("foo"), 12182);
    assert_int_equal(slot("somekey"), 11058);
    assert_int_equal(slot(""), 0);
    assert_int_equal(redis_slot_of(ED_BYTES("\xff\x01\x80")), 11738);
}

static void the_first_part_in_braces_decides(void **state)
{
    (void)state;
    assert_int_equal(slot("{user1000}.following"), slot("user1000"));
    assert_int_equal(slot("{user1000}.followers"), slot("user1000"));
    assert_int_equal(slot("foo{bar}{zap}"), slot("bar"));
    assert_int_equal(slot("foo{{bar}}zap"), slot("{bar"));
}

static void braces_around_nothing_decide_nothing(void **state)
{
    (void)state;
    assert_int_equal(slot("foo{}{bar}"), 8363);
    assert_int_equal(slot("foo{bar"), 15278);
    assert_int_not_equal(slot("foo{bar"), slot("bar"));
    assert_int_equal(slot("foo}bar{"), 11073);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_lie_where_a_server_says),
        cmocka_unit_test(the_first_part_in_braces_decides),
        cmocka_unit_test(braces_around_nothing_decide_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
