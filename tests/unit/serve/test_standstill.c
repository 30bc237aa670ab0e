/*
 * test_standstill.c - loops that stood still, told from one process to others.
 */
#include "serve/standstill.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/clock.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct ed_standstill_note notes[ED_STANDSTILLS];

static int forget_all(void **state)
{
    (void)state;
    memset((void *)notes, 0, sizeof notes);
    return 0;
}

static void stands(uint64_t number, int64_t lasted, const char *names)
{
    const struct ed_block block = {
        .number = number,
        .lasted = lasted,
        .names = names,
        .fiber = names ? "request" : NULL,
        .place = names ? "shop.c:12" : NULL,
    };

    ed_standstill_write(notes, &block);
}

static void runs_again(uint64_t number, int64_t lasted)
{
    const struct ed_block block = {
        .number = number,
        .lasted = lasted,
        .over = true,
    };

    ed_standstill_write(notes, &block);
}

/* The one of that number; none if it is there no more. */
static struct ed_standstill find(uint64_t number)
{
    struct ed_standstill seen = {0};

    for (size_t i = 0; i < ED_STANDSTILLS; i++) {
        ed_standstill_read(notes, i, &seen);
        if (seen.number == number)
            return seen;
    }
    return (struct ed_standstill){0};
}

static void one_is_read_as_it_was_written(void **state)
{
    int64_t before = ed_clock_realtime();

    (void)state;
    stands(1, 100 * ED_MS, "slow < page");
    struct ed_standstill seen = find(1);
    assert_string_equal(seen.names, "slow < page");
    assert_string_equal(seen.fiber, "request");
    assert_string_equal(seen.place, "shop.c:12");
    assert_int_equal(seen.lasted, 100 * ED_MS);
    assert_false(seen.over);
    assert_in_range(seen.began, before - 100 * ED_MS,
                    ed_clock_realtime() - 100 * ED_MS);
}

static void its_end_keeps_where_it_stood_and_when_it_began(void **state)
{
    (void)state;
    stands(1, 100 * ED_MS, "slow < page");
    int64_t began = find(1).began;
    runs_again(1, ED_S);
    struct ed_standstill seen = find(1);
    assert_true(seen.over);
    assert_int_equal(seen.lasted, ED_S);
    assert_int_equal(seen.began, began);
    assert_string_equal(seen.names, "slow < page");
}

static void the_last_ones_are_kept(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= ED_STANDSTILLS + 1; i++)
        stands(i, ED_MS, "slow");
    assert_int_equal(find(1).number, 0);
    for (uint64_t i = 2; i <= ED_STANDSTILLS + 1; i++)
        assert_int_equal(find(i).number, i);
    runs_again(1, ED_S); /* of another loop, which has lasted long */
    assert_false(find(ED_STANDSTILLS + 1).over);
    assert_int_equal(find(1).number, 0);
}

static void what_is_too_long_is_cut(void **state)
{
    char names[1024];

    (void)state;
    memset(names, 'x', sizeof names - 1);
    names[sizeof names - 1] = '\0';
    stands(1, ED_MS, names);
    assert_int_equal(strlen(find(1).names), sizeof find(1).names - 1);
    stands(1, ED_MS, "y"); /* of the longer one nothing is left */
    assert_string_equal(find(1).names, "y");
}

static void who_was_killed_while_writing_is_not_waited_for(void **state)
{
    struct ed_standstill seen;

    (void)state;
    stands(4, ED_MS, "slow");
    atomic_fetch_add(&notes[0].version, 1);
    ed_standstill_read(notes, 0, &seen);
    assert_int_equal(seen.number, 0);
    assert_string_equal(seen.names, "");
}

static void a_text_without_an_end_is_given_one(void **state)
{
    struct ed_standstill seen;

    (void)state;
    for (size_t i = 0; i < sizeof notes->words / sizeof *notes->words; i++)
        atomic_store(&notes[0].words[i], UINT64_MAX);
    ed_standstill_read(notes, 0, &seen);
    assert_int_equal(strlen(seen.names), sizeof seen.names - 1);
    assert_int_equal(strlen(seen.fiber), sizeof seen.fiber - 1);
    assert_int_equal(strlen(seen.place), sizeof seen.place - 1);
}

enum { WRITTEN = 20000 };

/* All texts of one are of the same letter. */
static void *write_many(void *arg)
{
    char names[100];

    for (uint64_t i = 1; i <= WRITTEN; i++) {
        memset(names, 'a' + (int)(i % 26), sizeof names - 1);
        names[sizeof names - 1] = '\0';
        stands(i * ED_STANDSTILLS, (int64_t)i, names);
    }
    return arg;
}

static void nobody_reads_half_of_one_and_half_of_another(void **state)
{
    pthread_t writer;
    struct ed_standstill seen = {0};

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_many, NULL), 0);
    while (seen.lasted < WRITTEN) {
        ed_standstill_read(notes, 0, &seen);
        if (!seen.number)
            continue;
        const char letter[] = {(char)('a' + seen.lasted % 26), '\0'};
        if (seen.number != (uint64_t)seen.lasted * ED_STANDSTILLS ||
            strspn(seen.names, letter) != 99)
            break;
    }
    pthread_join(writer, NULL);
    assert_int_equal(seen.lasted, WRITTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_is_read_as_it_was_written, forget_all),
        cmocka_unit_test_setup(its_end_keeps_where_it_stood_and_when_it_began,
                               forget_all),
        cmocka_unit_test_setup(the_last_ones_are_kept, forget_all),
        cmocka_unit_test_setup(what_is_too_long_is_cut, forget_all),
        cmocka_unit_test_setup(who_was_killed_while_writing_is_not_waited_for,
                               forget_all),
        cmocka_unit_test_setup(a_text_without_an_end_is_given_one, forget_all),
        cmocka_unit_test_setup(nobody_reads_half_of_one_and_half_of_another,
                               forget_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
