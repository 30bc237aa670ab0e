/*
 * Messages that came and were not taken yet.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/inbox.h"
#include <stdio.h>
#include <stdlib.h>

static void put(struct redis_inbox *box, const char *payload)
{
    const struct ed_redis_message m = {.channel = ED_BYTES("news"),
                                       .payload = ed_bytes(payload)};
    redis_inbox_put(box, &m);
}

static void messages_come_out_as_they_went_in(void **state)
{
    struct redis_inbox box;
    struct ed_redis_message m;
    char text[16] = "one";

    (void)state;
    redis_inbox_init(&box);
    put(&box, text);
    text[0] = 'X'; /* it was copied */
    put(&box, "");
    const struct ed_redis_message by_pattern = {.channel =
                                                    ED_BYTES("news.sport"),
                                                .pattern = ED_BYTES("news.*"),
                                                .payload = ED_BYTES("a\0b")};
    redis_inbox_put(&box, &by_pattern);

    assert_true(redis_inbox_take(&box, &m));
    assert_string_equal(m.payload.ptr, "one");
    assert_string_equal(m.channel.ptr, "news");
    assert_null(m.pattern.ptr);
    assert_false(m.gap);
    assert_true(redis_inbox_take(&box, &m));
    assert_string_equal(m.payload.ptr, "");
    assert_true(redis_inbox_take(&box, &m));
    assert_string_equal(m.pattern.ptr, "news.*");
    assert_int_equal(m.payload.len, 3);
    assert_memory_equal(m.payload.ptr, "a\0b", 4);
    assert_false(redis_inbox_take(&box, &m));
    redis_inbox_free(&box);
}

static void what_does_not_fit_is_marked_once_and_where_it_was(void **state)
{
    struct redis_inbox box;
    struct ed_redis_message m;
    char text[16];

    (void)state;
    redis_inbox_init(&box);
    for (int i = 0; i < 10100; i++) {
        snprintf(text, sizeof text, "%d", i);
        put(&box, text);
    }
    for (int i = 0; i < 10000; i++) {
        assert_true(redis_inbox_take(&box, &m));
        assert_int_equal((int)strtol(m.payload.ptr, NULL, 10), i);
        assert_false(m.gap);
    }
    put(&box, "later");
    assert_true(redis_inbox_take(&box, &m));
    assert_true(m.gap);
    assert_int_equal(m.channel.len, 0);
    assert_true(redis_inbox_take(&box, &m));
    assert_string_equal(m.payload.ptr, "later");
    assert_false(redis_inbox_take(&box, &m));
    redis_inbox_free(&box);
}

static void bytes_are_bounded_too(void **state)
{
    struct redis_inbox box;
    struct ed_redis_message m;
    size_t len = 20 * 1024 * 1024;
    char *large = calloc(1, len);
    const struct ed_redis_message sent = {.channel = ED_BYTES("news"),
                                          .payload = ed_bytes_of(large, len)};

    (void)state;
    assert_non_null(large);
    redis_inbox_init(&box);
    for (int i = 0; i < 5; i++)
        redis_inbox_put(&box, &sent);
    for (int i = 0; i < 3; i++) {
        assert_true(redis_inbox_take(&box, &m));
        assert_int_equal(m.payload.len, len);
    }
    assert_true(redis_inbox_take(&box, &m));
    assert_true(m.gap);
    assert_false(redis_inbox_take(&box, &m));
    redis_inbox_put(&box, &sent); /* there is room again */
    assert_true(redis_inbox_take(&box, &m));
    assert_false(m.gap);
    redis_inbox_free(&box);
    free(large);
}

static void gaps_in_a_row_are_one(void **state)
{
    struct redis_inbox box;
    struct ed_redis_message m;

    (void)state;
    redis_inbox_init(&box);
    redis_inbox_gap(&box);
    redis_inbox_gap(&box);
    put(&box, "x");
    redis_inbox_gap(&box);
    assert_true(redis_inbox_take(&box, &m) && m.gap);
    assert_true(redis_inbox_take(&box, &m) && !m.gap);
    assert_true(redis_inbox_take(&box, &m) && m.gap);
    assert_false(redis_inbox_take(&box, &m));
    redis_inbox_free(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(what_does_not_fit_is_marked_once_and_where_it_was),
        cmocka_unit_test(bytes_are_bounded_too),
        cmocka_unit_test(gaps_in_a_row_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
