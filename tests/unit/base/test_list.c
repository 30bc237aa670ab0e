/*
 * test_list.c - lists whose links live in their members, and magic numbers.
 */
#include "base/list.h"
#include "base/magic.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

struct item {
    int number;
    struct ed_list link;
};

static struct ed_list head;
static struct item items[4];

static int setup(void **state)
{
    (void)state;
    ed_list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        ed_list_init(&items[i].link);
    }
    return 0;
}

static int number_of(struct ed_list *link)
{
    return ED_CONTAINER(link, struct item, link)->number;
}

/* The numbers from front to back as decimal digits. */
static int digits(void)
{
    int sum = 0;

    ed_list_each (link, &head)
        sum = sum * 10 + number_of(link);
    return sum;
}

static void a_new_list_is_empty(void **state)
{
    (void)state;
    assert_true(ed_list_empty(&head));
    assert_null(ed_list_first(&head));
    assert_null(ed_list_last(&head));
    assert_null(ed_list_take(&head));
    assert_int_equal(digits(), 0);
}

static void members_stand_where_they_were_added(void **state)
{
    (void)state;
    ed_list_add_back(&head, &items[2].link);
    ed_list_add_back(&head, &items[3].link);
    ed_list_add_front(&head, &items[1].link);
    assert_int_equal(digits(), 123);
    assert_int_equal(number_of(ed_list_first(&head)), 1);
    assert_int_equal(number_of(ed_list_last(&head)), 3);
    assert_false(ed_list_empty(&head));
}

static void a_removed_link_may_be_removed_again(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++)
        ed_list_add_back(&head, &items[i].link);
    ed_list_remove(&items[2].link);
    ed_list_remove(&items[2].link);
    assert_int_equal(digits(), 13);
    assert_true(ed_list_empty(&items[2].link));
}

static void taking_empties_a_list_from_its_front(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++)
        ed_list_add_back(&head, &items[i].link);
    for (int i = 1; i < 4; i++)
        assert_int_equal(number_of(ed_list_take(&head)), i);
    assert_true(ed_list_empty(&head));
}

static void the_link_at_hand_may_be_removed_on_the_way(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++)
        ed_list_add_back(&head, &items[i].link);
    ed_list_each_safe (link, &head) {
        if (number_of(link) != 2)
            ed_list_remove(link);
    }
    assert_int_equal(digits(), 2);
    ed_list_each_safe (link, &head)
        ed_list_remove(link);
    assert_true(ed_list_empty(&head));
}

static void a_link_goes_right_behind_the_one_named(void **state)
{
    (void)state;
    ed_list_add_back(&head, &items[1].link);
    ed_list_add_back(&head, &items[3].link);
    ed_list_insert(&items[1].link, &items[2].link);
    assert_int_equal(digits(), 123);
}

static void a_cleared_magic_number_is_not_the_one_set(void **state)
{
    struct {
        ED_MAGIC;
        int other;
    } thing = {.other = 7};

    (void)state;
    ED_MAGIC_SET(&thing, 0x1234u);
    ED_MAGIC_CHECK(&thing, 0x1234u);
    ED_MAGIC_CLEAR(&thing);
#ifndef NDEBUG
    assert_int_not_equal(thing.magic, 0x1234u);
#else
    assert_int_equal(sizeof(thing), sizeof(int));
#endif
    assert_int_equal(thing.other, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_list_is_empty, setup),
        cmocka_unit_test_setup(members_stand_where_they_were_added, setup),
        cmocka_unit_test_setup(a_removed_link_may_be_removed_again, setup),
        cmocka_unit_test_setup(taking_empties_a_list_from_its_front, setup),
        cmocka_unit_test_setup(the_link_at_hand_may_be_removed_on_the_way,
                               setup),
        cmocka_unit_test_setup(a_link_goes_right_behind_the_one_named, setup),
        cmocka_unit_test_setup(a_cleared_magic_number_is_not_the_one_set,
                               setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
