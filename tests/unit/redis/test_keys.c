/*
 * The key a request is about.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/keys.h"

#define expect_key(expected, ...) \
    expect_key_(expected, (const char *const[]){__VA_ARGS__, NULL})

static void expect_key_(const char *expected, const char *const *commands)
{
    struct redis_request request;
    struct ed_bytes key = {NULL, 0};

    redis_request_init(&request);
    for (; *commands; commands++)
        assert_int_equal(redis_request_formatf(&request, *commands), 0);
    assert_int_equal(redis_request_key(&request, &key), expected != NULL);
    assert_true(ed_bytes_equal(key, ed_bytes(expected)));
    redis_request_free(&request);
}

static void most_commands_begin_with_their_key(void **state)
{
    (void)state;
    expect_key("k", "GET k");
    expect_key("k", "set k v EX 10");
    expect_key("k", "NEWCOMMAND k v");
    expect_key("dest", "BITOP AND dest a b");
    expect_key("s", "XINFO STREAM s");
    expect_key("z", "ZUNION 2 z y");
    expect_key("l", "BLMPOP 1 2 l m LEFT");
}

static void some_have_none(void **state)
{
    (void)state;
    expect_key(NULL, "PING");
    expect_key(NULL, "GET"); /* the server says what is wrong */
    expect_key(NULL, "CONFIG GET maxmemory");
    expect_key(NULL, "XREAD COUNT 1");
}

static void scripts_say_how_many_they_have(void **state)
{
    (void)state;
    expect_key("k", "EVAL script 1 k a");
    expect_key(NULL, "EVAL script 0 a b");
    expect_key("k", "EVALSHA 0123 2 k l");
    expect_key(NULL, "FCALL f 0");
}

static void streams_stand_behind_their_word(void **state)
{
    (void)state;
    expect_key("s", "XREAD COUNT 2 BLOCK 0 streams s t 0 0");
    expect_key("s", "XREADGROUP GROUP g c STREAMS s >");
}

static void a_transaction_is_about_its_first_key(void **state)
{
    (void)state;
    expect_key("k", "MULTI", "PING", "INCR k", "INCR l", "EXEC");
    expect_key(NULL, "MULTI", "EXEC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_commands_begin_with_their_key),
        cmocka_unit_test(some_have_none),
        cmocka_unit_test(scripts_say_how_many_they_have),
        cmocka_unit_test(streams_stand_behind_their_word),
        cmocka_unit_test(a_transaction_is_about_its_first_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
