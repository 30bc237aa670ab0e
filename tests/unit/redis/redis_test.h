/*
 * redis_test.h - tests in a fiber against a real Redis, by the real clock.
 *
 *     REDIS_TEST(what_is_set_can_be_got)
 *     {
 *         ed_redis *db = client();
 *         ...
 *         ed_redis_free(db);
 *     }
 *
 *     int main(void) { return REDIS_TESTS(cmocka_unit_test(...), ...); }
 *
 * All tests of a program share one server, which is emptied before each. The
 * checks are those of fiber_test.h.
 */
#ifndef EDDY_TESTS_REDIS_TEST_H
#define EDDY_TESTS_REDIS_TEST_H

#include "../../fiber_test.h"
#include "redis_server.h"
#include <eddy/clock.h>
#include <eddy/redis.h>
#include <signal.h>
#include <stdio.h>

#define REDIS_TEST_PATIENCE (50 * ED_S)

static struct redis_server *server;

#define REDIS_TEST(name)             \
    static void name##_body(void);   \
    static void name(void **state)   \
    {                                \
        (void)state;                 \
        redis_test_run(name##_body); \
    }                                \
    static void name##_body(void)

static int redis_test_body(void *arg)
{
    void (**body)(void) = arg;
    ed_scope(patience, .within = REDIS_TEST_PATIENCE, .name = "test");
    (void)patience;
    (*body)();
    check_(ed_cancelled() != ED_ETIMEOUT, "the test took too long");
    return 0;
}

static void redis_test_run(void (*body)(void))
{
    fiber_test_failures = 0;
    if (redis_server_pid(server))
        redis_server_ask(server, "FLUSHALL");
    else
        redis_server_restart(server);
    int err = ed_run(redis_test_body, &body, .blocked_after = -1);
    assert_int_equal(err, 0);
    assert_int_equal(fiber_test_failures, 0);
}

/* A server that is held takes connections, and says nothing. */
__attribute__((unused)) static void hold_server(void)
{
    check_int(kill(redis_server_pid(server), SIGSTOP), 0);
}

__attribute__((unused)) static void let_server_go(void)
{
    check_int(kill(redis_server_pid(server), SIGCONT), 0);
}

/* Waits until it is so, for as long as a busy machine may need. */
#define eventually(condition)                                                  \
    ({                                                                         \
        int64_t until_ = ed_now() + REDIS_TEST_PATIENCE / 2;                   \
        while (!(condition) && ed_now() < until_)                              \
            (void)!ed_sleep(ED_MS);                                            \
        check_((condition), "%s:%d: not so in time: %s\n", __FILE__, __LINE__, \
               #condition);                                                    \
    })

__attribute__((unused)) static int start_server(void **state)
{
    (void)state;
    server = redis_server_start((const char *[]){
        "enable-debug-command yes",
        "user reader on >tell +get +ping ~*",
        NULL,
    });
    return 0;
}

__attribute__((unused)) static int stop_server(void **state)
{
    (void)state;
    redis_server_stop(server);
    return 0;
}

#define REDIS_TESTS(...)                                          \
    ({                                                            \
        const struct CMUnitTest tests[] = {__VA_ARGS__};          \
        cmocka_run_group_tests(tests, start_server, stop_server); \
    })

/* Where the server is, by its unix socket. */
__attribute__((unused)) static const char *server_url(void)
{
    static char url[256];

    snprintf(url, sizeof(url), "unix://%s", redis_server_socket(server));
    return url;
}

#define client(...) ed_redis_new(.url = server_url(), ##__VA_ARGS__)

/* A command that has to succeed, without its reply. */
#define must(...) check_int(ed_redis_cmd(__VA_ARGS__), 0)

#define check_error(part)                                                     \
    check_(strstr(ed_error(), (part)) != NULL,                                \
           "%s:%d: ed_error() is \"%s\", without \"%s\"", __FILE__, __LINE__, \
           ed_error(), (part))

#endif
