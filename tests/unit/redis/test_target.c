/*
 * Redis URLs.
 */
#include "redis/target.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <stdlib.h>

static void check_url(const char *url, const char *address, const char *user,
                      const char *password, unsigned db)
{
    struct redis_target t;

    assert_int_equal(
        redis_target_init(&t, &(struct ed_redis_options){.url = url}), 0);
    assert_string_equal(t.address, address);
    assert_string_equal(t.user, user);
    assert_string_equal(t.password, password);
    assert_int_equal(t.db, db);
    redis_target_free(&t);
}

static void urls_say_where_and_who(void **state)
{
    (void)state;
    check_url("redis://a.org", "a.org:6379", "", "", 0);
    check_url("REDIS://a.org:1/", "a.org:1", "", "", 0);
    check_url("redis://", "127.0.0.1:6379", "", "", 0);
    check_url("redis://:6380/3", "127.0.0.1:6380", "", "", 3);
    check_url("redis://me@a", "a:6379", "me", "", 0);
    check_url("redis://:s%40:t@a", "a:6379", "", "s@:t", 0);
    check_url("redis://me:a@b@10.0.0.7/2", "10.0.0.7:6379", "me", "a@b", 2);
    check_url("redis://[::1]:7", "[::1]:7", "", "", 0);
    check_url("redis://[::1]?db=9", "[::1]:6379", "", "", 9);
    check_url("unix:///run/r.sock", "unix:/run/r.sock", "", "", 0);
    check_url("unix://me:pw@/run/r%20s?db=1", "unix:/run/r s", "me", "pw", 1);
}

static void without_one_the_environment_says_it(void **state)
{
    (void)state;
    setenv("REDIS_URL", "redis://b.org:77/1", 1);
    check_url(NULL, "b.org:77", "", "", 1);
    check_url("redis://a.org", "a.org:6379", "", "", 0);
    unsetenv("REDIS_URL");
    check_url(NULL, "127.0.0.1:6379", "", "", 0);
}

static void options_say_it_instead(void **state)
{
    (void)state;
    struct redis_target t;

    assert_int_equal(redis_target_init(&t,
                                       &(struct ed_redis_options){
                                           .url = "rediss://x:y@a.org",
                                           .user = "me",
                                           .password = "pw",
                                           .server_name = "b.org",
                                       }),
                     0);
    assert_true(t.secure);
    assert_string_equal(t.user, "me");
    assert_string_equal(t.password, "pw");
    assert_string_equal(t.server_name, "b.org");
    redis_target_free(&t);
}

static void another_address_keeps_the_rest(void **state)
{
    (void)state;
    struct redis_target t, other;
    struct ed_redis_options options = {.url = "rediss://me:pw@a.org/2"};

    assert_int_equal(redis_target_init(&t, &options), 0);
    assert_int_equal(redis_target_at(&other, &t, "b.org:7"), 0);
    assert_string_equal(other.address, "b.org:7");
    assert_string_equal(other.server_name, "b.org");
    assert_string_equal(other.password, "pw");
    assert_int_equal(other.db, 2);
    assert_true(other.secure);
    redis_target_free(&other);
    redis_target_free(&t);
    options.server_name = "cluster.org";
    assert_int_equal(redis_target_init(&t, &options), 0);
    assert_int_equal(redis_target_at(&other, &t, "10.0.0.7:7"), 0);
    assert_string_equal(other.server_name, "cluster.org");
    redis_target_free(&other);
    redis_target_free(&t);
}

static void malformed_urls_make_no_client(void **state)
{
    static const char *const urls[] = {
        "http://a",         "redis://a:x",   "redis://a:70000", "redis://a/x",
        "redis://a/1/2",    "redis://[::1",  "redis://a?x=1",   "unix://",
        "unix://host/path", "redis://%zz@a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
        assert_null(ed_redis_new(.url = urls[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_say_where_and_who),
        cmocka_unit_test(without_one_the_environment_says_it),
        cmocka_unit_test(options_say_it_instead),
        cmocka_unit_test(another_address_keeps_the_rest),
        cmocka_unit_test(malformed_urls_make_no_client),
    };
    ed_log_set_level(ED_LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
