/*
 * Commands as they are sent: from formats, as hiredis makes them, and from
 * arguments; and what is known of them by their names.
 */
#include "redis/request.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static void check_bytes(const struct redis_request *request,
                        const char *expected, size_t len)
{
    assert_int_equal(request->len, len);
    assert_memory_equal(request->ptr, expected, len);
}

/* Ours and hiredis' have to agree. */
static void check_alike(const char *fmt, ...)
{
    struct redis_request request;
    va_list args;
    char *theirs;

    va_start(args, fmt);
    int len = redisvFormatCommand(&theirs, fmt, args);
    va_end(args);
    assert_true(len > 0);
    redis_request_init(&request);
    va_start(args, fmt);
    assert_int_equal(redis_request_format(&request, fmt, args), 0);
    va_end(args);
    check_bytes(&request, theirs, (size_t)len);
    redis_request_free(&request);
    free(theirs);
}

static void formats_mean_what_they_mean_to_hiredis(void **state)
{
    (void)state;
    check_alike("PING");
    check_alike("  SET   a  b ");
    check_alike("SET %s %s", "key", "a value with spaces");
    check_alike("SET %s %b", "", "a\0b\r\n", (size_t)5);
    check_alike("SET k%sk x%b%%%s", "1", "22", (size_t)2, "3");
    check_alike("SET %b%b %s", "a", (size_t)1, "b", (size_t)1, "");
    check_alike("%s%s %s", "G", "ET", "x");
    check_alike("a %d %i %u %x %X %o", -1, INT_MIN, UINT_MAX, 255, 255, 8);
    check_alike("a %ld %li %lu %lld %llu", LONG_MIN, 1L, ULONG_MAX, LLONG_MIN,
                ULLONG_MAX);
    check_alike("a %hd %hhd %hu %hhu", (short)-5, (signed char)-7,
                (unsigned short)65535, (unsigned char)255);
    check_alike("a %f %g %e %.3f %08.2f %a", 1.5, 1e100, -2.5, 3.14159, 2.0,
                1.0);
    check_alike("a %05d|%-6d|%+d|%#x", 42, 42, 42, 42);
    check_alike("a %012u|%03d|%03d|%01d|%0d", 7, -7, -1234, 0, 5);
    check_alike("a %6d|% d|%047d|%048d|%0100d", 7, 7, -7, -7, 7);
    check_alike("a %00012d|%0+4d|%08lld", 7, 7, LLONG_MIN);
    check_alike("a %lld %lld %lld %lld %lld %lld %lld %lld %lld", LLONG_MIN,
                LLONG_MIN, LLONG_MIN, LLONG_MIN, LLONG_MIN, LLONG_MIN,
                LLONG_MIN, LLONG_MIN, LLONG_MIN);
    check_alike("a %.200f|%100d", 1.0, 7);
    check_alike("a %%%d%%", 5);
}

static void many_and_long_arguments_find_room(void **state)
{
    (void)state;
    static const char more[] = " x%%y%d";
    char fmt[2000] = "SADD set";
    char *value = malloc(100 * 1000);

    for (size_t i = 0, at = strlen(fmt); i < 100; i++, at += strlen(more))
        memcpy(fmt + at, more, sizeof(more));
#define TEN(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9
    check_alike(fmt, TEN(0), TEN(10), TEN(20), TEN(30), TEN(40), TEN(50),
                TEN(60), TEN(70), TEN(80), TEN(90));
    memset(value, 'v', 100 * 1000);
    check_alike("SET big %b", value, (size_t)100 * 1000);
    free(value);
}

static void arguments_mean_what_they_mean_to_hiredis(void **state)
{
    (void)state;
    const char *theirs_argv[] = {"SET", "", "a\0b"};
    const size_t lens[] = {3, 0, 3};
    struct ed_bytes argv[3];
    struct redis_request request;
    char *theirs;

    for (int i = 0; i < 3; i++)
        argv[i] = ed_bytes_of(theirs_argv[i], lens[i]);
    int len = redisFormatCommandArgv(&theirs, 3, theirs_argv, lens);
    redis_request_init(&request);
    assert_int_equal(redis_request_argv(&request, 3, argv), 0);
    check_bytes(&request, theirs, (size_t)len);
    redis_request_free(&request);
    redis_request_init(&request);
    assert_int_equal(redis_request_argv2(&request, 1, argv, 2, argv + 1), 0);
    check_bytes(&request, theirs, (size_t)len);
    redis_request_free(&request);
    free(theirs);
}

static void a_refused_command_leaves_the_request_as_it_was(void **state)
{
    (void)state;
    struct redis_request request;

    redis_request_init(&request);
    assert_int_equal(redis_request_formatf(&request, "GET a"), 0);
    size_t len = request.len;
    assert_int_equal(redis_request_formatf(&request, " "), ED_EUSAGE);
    assert_int_equal(redis_request_formatf(&request, "GET %y"), ED_EUSAGE);
    assert_int_equal(redis_request_formatf(&request, "GET %Lf"), ED_EUSAGE);
    assert_int_equal(redis_request_formatf(&request, "GET %*d", 1, 2),
                     ED_EUSAGE);
    assert_int_equal(
        redis_request_formatf(&request, "GET %00000000000000000000d", 1),
        ED_EUSAGE);
    assert_int_equal(redis_request_formatf(&request, "GET %b", NULL, (size_t)1),
                     ED_EUSAGE);
    assert_int_equal(request.len, len);
    assert_int_equal(request.commands, 1);
    assert_string_equal(request.command.name, "GET");
    redis_request_free(&request);
}

static void check_known(const char *text, unsigned flags, int first_key,
                        bool blocks)
{
    struct redis_request request;

    redis_request_init(&request);
    assert_int_equal(redis_request_formatf(&request, text), 0);
    assert_int_equal(request.command.flags, flags);
    assert_int_equal(request.command.first_key, first_key);
    assert_int_equal(redis_request_blocks(&request), blocks);
    redis_request_free(&request);
}

static void commands_are_known_by_their_names(void **state)
{
    (void)state;
    check_known("get a", REDIS_READS, 1, false);
    check_known("SET a b", 0, 1, false);
    check_known("ZUNION 1 a", REDIS_READS, 2, false);
    check_known("eval x 1 a", 0, 3, false);
    check_known("eval_ro x 1 a", REDIS_READS, 3, false);
    check_known("SUBSCRIBE a", REDIS_REFUSED, 0, false);
    check_known("WATCH a", REDIS_WATCHES, 1, false);
    check_known("SELECT 1", REDIS_CHANGES, 0, false);
    check_known("client reply off", REDIS_REFUSED, 0, false);
    check_known("CLIENT LIST", 0, 0, false);
    check_known("ACL WHOAMI", 0, 0, false);
    check_known("NEWCOMMAND a", 0, 1, false);
    check_known("BLPOP a 0", REDIS_BLOCKS, 1, true);
    check_known("XREAD COUNT 1 STREAMS block 0", REDIS_READS | REDIS_BLOCKS, -1,
                false);
    check_known("XREAD BLOCK 0 STREAMS a 0", REDIS_READS | REDIS_BLOCKS, -1,
                true);
    check_known("A%%0AVERYLONGNAMEOFACOMMANDTHATDOESNOTEXIST", 0, 1, false);
}

/* A table out of order would hide some from the search. */
static void every_command_of_the_table_is_found(void **state)
{
    static const struct {
        const char *name;
        unsigned flags;
        int first_key;
    } table[] = {
#define REDIS_COMMAND(name, flags, first_key) {#name, flags, first_key},
#include "redis/commands.def"
#undef REDIS_COMMAND
    };
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct redis_command command;

        redis_command_of(&command, ed_bytes(table[i].name), ED_BYTES(""));
        assert_string_equal(command.name, table[i].name);
        assert_int_equal(command.flags, table[i].flags);
        assert_int_equal(command.first_key, table[i].first_key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_mean_what_they_mean_to_hiredis),
        cmocka_unit_test(many_and_long_arguments_find_room),
        cmocka_unit_test(arguments_mean_what_they_mean_to_hiredis),
        cmocka_unit_test(a_refused_command_leaves_the_request_as_it_was),
        cmocka_unit_test(commands_are_known_by_their_names),
        cmocka_unit_test(every_command_of_the_table_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
