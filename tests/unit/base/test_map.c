/*
 * test_map.c - the hash map, and the hash under it.
 */
#include "base/hash.h"
#include <eddy/map.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/* Values are never looked into, so any address does. */
static void *value_of(size_t n)
{
    return (void *)(uintptr_t)(n + 1);
}

static struct ed_bytes key_of(char out[24], size_t n)
{
    int len = snprintf(out, 24, "key %zu", n);

    return ed_bytes_of(out, (size_t)len);
}

static void set(ed_map *map, size_t n)
{
    char text[24];
    void *old = map;

    assert_int_equal(ed_map_set(map, key_of(text, n), value_of(n), &old), 0);
    assert_null(old);
}

static void the_hash_is_siphash_1_3(void **state)
{
    static const uint64_t zero[2] = {0, 0};
    static const uint64_t counting[2] = {0x0706050403020100,
                                         0x0f0e0d0c0b0a0908};
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        /* As CPython 3.11 hashes bytes(range(len)) with PYTHONHASHSEED=0. */
        {1, 0x68a914128e01e473},  {7, 0x2f098ab0c751325a},
        {8, 0xead411e67ebe2eea},  {9, 0x75927f9d95124362},
        {15, 0xf30eb725bb91c9ea}, {63, 0x385d3e39e5f37359},
        {64, 0x75e05fd5bbc870c6},
    };
    char data[64];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)i;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        assert_true(ed_siphash13(zero, ed_bytes_of(data, known[i].len)) ==
                    known[i].hash);
    assert_true(ed_siphash13(counting, ed_bytes_of(NULL, 0)) ==
                0xabac0158050fc4dc);
}

static void the_process_draws_a_key_of_its_own(void **state)
{
    static const uint64_t zero[2] = {0, 0};

    (void)state;
    assert_true(ed_hash(ED_BYTES("a")) == ed_hash(ED_BYTES("a")));
    assert_true(ed_hash(ED_BYTES("a")) != ed_siphash13(zero, ED_BYTES("a")));
}

static void an_empty_map_has_nothing(void **state)
{
    ed_map *map = ed_map_new();
    struct ed_map_iter it = {0};

    (void)state;
    assert_int_equal(ed_map_count(map), 0);
    assert_null(ed_map_get(map, ED_BYTES("a")));
    assert_null(ed_map_remove(map, ED_BYTES("a")));
    assert_false(ed_map_next(map, &it));
    ed_map_free(map);
    ed_map_free(NULL);
}

static void setting_again_hands_back_the_old_value(void **state)
{
    ed_map *map = ed_map_new();
    void *old = map;

    (void)state;
    assert_int_equal(ed_map_set(map, ED_BYTES("a"), value_of(1), &old), 0);
    assert_null(old);
    assert_int_equal(ed_map_set(map, ED_BYTES("a"), value_of(2), &old), 0);
    assert_ptr_equal(old, value_of(1));
    assert_int_equal(ed_map_set(map, ED_BYTES("a"), value_of(3), NULL), 0);
    assert_ptr_equal(ed_map_get(map, ED_BYTES("a")), value_of(3));
    assert_int_equal(ed_map_count(map), 1);
    ed_map_free(map);
}

static void keys_are_bytes_not_strings(void **state)
{
    ed_map *map = ed_map_new();

    (void)state;
    assert_int_equal(ed_map_set(map, ED_BYTES(""), value_of(0), NULL), 0);
    assert_int_equal(ed_map_set(map, ED_BYTES("\0"), value_of(1), NULL), 0);
    assert_int_equal(ed_map_set(map, ED_BYTES("a\0b"), value_of(2), NULL), 0);
    assert_int_equal(ed_map_set(map, ED_BYTES("a"), value_of(3), NULL), 0);
    assert_ptr_equal(ed_map_get(map, ed_bytes_of(NULL, 0)), value_of(0));
    assert_ptr_equal(ed_map_get(map, ED_BYTES("\0")), value_of(1));
    assert_ptr_equal(ed_map_get(map, ED_BYTES("a\0b")), value_of(2));
    assert_ptr_equal(ed_map_get(map, ED_BYTES("a")), value_of(3));
    assert_null(ed_map_get(map, ED_BYTES("a\0")));
    ed_map_free(map);
}

static void keys_are_copied(void **state)
{
    ed_map *map = ed_map_new();
    char key[] = "key";

    (void)state;
    assert_int_equal(ed_map_set(map, ed_bytes(key), value_of(0), NULL), 0);
    key[0] = 'x';
    assert_ptr_equal(ed_map_get(map, ED_BYTES("key")), value_of(0));
    assert_null(ed_map_get(map, ed_bytes(key)));
    ed_map_free(map);
}

static void every_key_of_many_is_found(void **state)
{
    enum { COUNT = 20000 };
    ed_map *map = ed_map_new();
    char text[24];

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        set(map, i);
    assert_int_equal(ed_map_count(map), COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_ptr_equal(ed_map_get(map, key_of(text, i)), value_of(i));
    assert_null(ed_map_get(map, key_of(text, COUNT)));
    ed_map_free(map);
}

/* The next key whose hash ends in ten bits of our choice, near the end of any
 * array of slots, so that probing wraps around. */
static size_t colliding(size_t from)
{
    char text[24];

    while ((ed_hash(key_of(text, from)) & 1023) != 1021)
        from++;
    return from;
}

static void colliding_keys_survive_each_others_removal(void **state)
{
    enum { COUNT = 60 };
    size_t keys[COUNT];
    char text[24];

    (void)state;
    for (size_t i = 0, n = 0; i < COUNT; i++, n++)
        keys[i] = n = colliding(n);
    for (size_t step = 1; step < COUNT; step += 2) {
        ed_map *map = ed_map_new();
        for (size_t i = 0; i < COUNT; i++)
            set(map, keys[i]);
        for (size_t i = 0; i < COUNT; i += step)
            assert_ptr_equal(ed_map_remove(map, key_of(text, keys[i])),
                             value_of(keys[i]));
        for (size_t i = 0; i < COUNT; i++)
            assert_ptr_equal(ed_map_get(map, key_of(text, keys[i])),
                             i % step ? value_of(keys[i]) : NULL);
        ed_map_free(map);
    }
}

static void it_agrees_with_a_plain_array_over_random_changes(void **state)
{
    enum { KEYS = 200 };
    ed_map *map = ed_map_new();
    void *model[KEYS] = {NULL};
    size_t count = 0;
    unsigned seed = 42;
    char text[24];

    (void)state;
    for (size_t step = 0; step < 50000; step++) {
        size_t n = (size_t)rand_r(&seed) % KEYS;
        struct ed_bytes key = key_of(text, n);
        /* Mostly filling, then mostly emptying, and again. */
        bool add = (size_t)rand_r(&seed) % 4 < (step / 5000 % 2 ? 1 : 3);
        void *old = NULL;

        if (add)
            assert_int_equal(ed_map_set(map, key, value_of(step), &old), 0);
        else
            old = ed_map_remove(map, key);
        assert_ptr_equal(old, model[n]);
        count += (add ? 1 : 0) - (old ? 1 : 0);
        model[n] = add ? value_of(step) : NULL;
        assert_int_equal(ed_map_count(map), count);
    }
    for (size_t n = 0; n < KEYS; n++)
        assert_ptr_equal(ed_map_get(map, key_of(text, n)), model[n]);
    ed_map_free(map);
}

static void iteration_goes_in_the_order_of_setting(void **state)
{
    ed_map *map = ed_map_new();
    struct ed_map_iter it = {0};
    char text[24];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        set(map, i);
    for (size_t i = 0; i < 1000; i += 3)
        assert_non_null(ed_map_remove(map, key_of(text, i)));
    for (; ed_map_next(map, &it); n++) {
        n += n % 3 == 0;
        assert_ptr_equal(it.value, value_of(n));
        assert_true(ed_bytes_equal(it.key, key_of(text, n)));
        assert_int_equal(it.key.ptr[it.key.len], '\0');
    }
    assert_int_equal(n, 999);
    ed_map_free(map);
}

static void the_current_key_may_be_removed_on_the_way(void **state)
{
    (void)state;
    for (size_t keep = 1; keep < 5; keep++) {
        ed_map *map = ed_map_new();
        struct ed_map_iter it = {0};
        size_t visited = 0;

        for (size_t i = 0; i < 500; i++)
            set(map, i);
        for (; ed_map_next(map, &it); visited++) {
            if (visited % keep == 0)
                assert_ptr_equal(ed_map_remove(map, it.key), it.value);
        }
        assert_int_equal(visited, 500);
        assert_int_equal(ed_map_count(map), 500 - (500 + keep - 1) / keep);
        ed_map_free(map);
    }
}

static void a_map_used_as_a_queue_does_not_grow_for_ever(void **state)
{
    ed_map *map = ed_map_new();
    char text[24];

    (void)state;
    for (size_t i = 0; i < 100000; i++) {
        set(map, i);
        if (i >= 10)
            assert_non_null(ed_map_remove(map, key_of(text, i - 10)));
    }
    struct ed_map_iter it = {0};
    assert_true(ed_map_next(map, &it));
    assert_true(it.at < 64); /* of the 99990 holes few are left */
    ed_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(the_process_draws_a_key_of_its_own),
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(setting_again_hands_back_the_old_value),
        cmocka_unit_test(keys_are_bytes_not_strings),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(every_key_of_many_is_found),
        cmocka_unit_test(colliding_keys_survive_each_others_removal),
        cmocka_unit_test(it_agrees_with_a_plain_array_over_random_changes),
        cmocka_unit_test(iteration_goes_in_the_order_of_setting),
        cmocka_unit_test(the_current_key_may_be_removed_on_the_way),
        cmocka_unit_test(a_map_used_as_a_queue_does_not_grow_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
