/*
 * Reading replies, from bytes cut anywhere.
 */
#include "redis/reader.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdio.h>
#include <stdlib.h>

#define LONG (100 * 1000)

static struct redis_reader reader;
static ed_arena *arena;

static int open_reader(void **state)
{
    (void)state;
    arena = ed_arena_new(0);
    int err = redis_reader_open(&reader, 1000 * 1000);
    reader.arena = arena;
    return err || !arena;
}

static int close_reader(void **state)
{
    (void)state;
    redis_reader_close(&reader);
    ed_arena_free(arena);
    return 0;
}

/* A reply as text: "[+OK -ERR no :1 $text nil]". */
static void describe(struct ed_buf *out, const ed_redis_reply *r)
{
    static const char signs[] = {
        [ED_REDIS_STATUS] = '+',
        [ED_REDIS_ERROR] = '-',
        [ED_REDIS_STRING] = '$',
    };
    enum ed_redis_kind kind = ed_redis_kind(r);
    int64_t n = 0;

    if (kind == ED_REDIS_NIL) {
        (void)!ed_buf_addf(out, "nil");
    } else if (kind == ED_REDIS_INTEGER) {
        (void)!ed_redis_int(r, &n);
        (void)!ed_buf_addf(out, ":%lld", (long long)n);
    } else if (kind == ED_REDIS_ARRAY) {
        (void)!ed_buf_addf(out, "[");
        for (size_t i = 0; i < ed_redis_count(r); i++) {
            (void)!ed_buf_addf(out, "%s", i ? " " : "");
            describe(out, ed_redis_at(r, i));
        }
        (void)!ed_buf_addf(out, "]");
    } else {
        assert_int_equal(ed_redis_bytes(r).ptr[ed_redis_bytes(r).len], 0);
        (void)!ed_buf_addf(out, "%c%s", signs[kind], ed_redis_text(r));
    }
}

/* Reads all, so many bytes at once, and gives each reply and "; ". */
static char *read_all(struct ed_bytes text, size_t step)
{
    struct ed_buf out = {0};

    (void)!ed_buf_reserve(&out, 1);
    while (text.len) {
        struct ed_bytes piece = {text.ptr, step < text.len ? step : text.len};

        text.ptr += piece.len;
        text.len -= piece.len;
        int got;
        while ((got = redis_reader_next(&reader, &piece)) == 1) {
            if (reader.err)
                (void)!ed_buf_addf(&out, "%s", ed_err_name(reader.err));
            else
                describe(&out, reader.reply);
            (void)!ed_buf_addf(&out, "; ");
        }
        if (got < 0) {
            (void)!ed_buf_addf(&out, "%s", ed_err_name(got));
            break;
        }
        assert_int_equal(piece.len, 0);
    }
    return out.ptr;
}

static void check_replies(const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        char *seen = read_all(ed_bytes(text), step);
        assert_string_equal(seen, expected);
        free(seen);
        assert_true(redis_reader_between(&reader));
    }
}

static void replies_of_all_kinds_are_read_wherever_they_are_cut(void **state)
{
    (void)state;
    check_replies("+OK\r\n-ERR no\r\n:-7\r\n$5\r\nhello\r\n$0\r\n\r\n$-1\r\n",
                  "+OK; -ERR no; :-7; $hello; $; nil; ");
    check_replies("*-1\r\n*0\r\n*2\r\n:1\r\n*3\r\n+a\r\n-b\r\n$-1\r\n:2\r\n",
                  "nil; []; [:1 [+a -b nil]]; :2; ");
    check_replies("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
                  "[[[[[[:1]]]]]]; ");
}

/* "*2\r\n$LONG\r\nxxx...\r\n$LONG..." and so on; to be freed. */
static char *long_replies(size_t len, unsigned count, size_t *size)
{
    struct ed_buf out = {0};

    (void)!ed_buf_addf(&out, "*%u\r\n", count);
    for (unsigned i = 0; i < count; i++) {
        (void)!ed_buf_addf(&out, "$%zu\r\n", len);
        for (size_t k = 0; k < len; k++)
            (void)!ed_buf_add(&out, &"abcdefg"[(k + i) % 7], 1);
        (void)!ed_buf_addf(&out, "\r\n");
    }
    *size = out.len;
    return out.ptr;
}

static void long_strings_are_read_wherever_they_are_cut(void **state)
{
    static const size_t lens[] = {2047, 2048, 2049, 4090, 4096, 5000, LONG};
    static const size_t steps[] = {1, 7, 1000, 2047, 2048, 4096, 4097, 65536};
    (void)state;

    for (size_t i = 0; i < 7 * 8; i++) {
        size_t size, len = lens[i / 8];
        char *text = long_replies(len, 3, &size);
        char *seen = read_all(ed_bytes_of(text, size), steps[i % 8]);

        assert_int_equal(strlen(seen), 3 * (len + 1) + 2 + 2 + 2);
        for (size_t k = 0; k < 3; k++)
            assert_memory_equal(seen + 2 + k * (len + 2),
                                text + size - (3 - k) * (len + 2) -
                                    (2 - k) *
                                        (strlen("$\r\n") +
                                         (size_t)snprintf(NULL, 0, "%zu", len)),
                                len);
        free(seen);
        free(text);
        ed_arena_reset(arena);
    }
}

static void a_reply_too_long_is_passed_over(void **state)
{
    (void)state;
    size_t size;
    char *text = long_replies(LONG, 20, &size);
    char *seen = read_all(ed_bytes_of(text, size), 3000);
    assert_string_equal(seen, "ED_ELIMIT; ");
    free(seen);
    free(text);
    seen = read_all(ED_BYTES("*2000000000\r\n+a\r\n"), 100);
    assert_string_equal(seen, "");
    free(seen);
}

static void a_long_string_over_the_limit_takes_no_memory(void **state)
{
    (void)state;
    static const char head[] = "*2\r\n$1000000000\r\n";
    struct ed_bytes bytes = ed_bytes(head);
    char zeros[10000] = {0};

    assert_int_equal(redis_reader_next(&reader, &bytes), 0);
    for (unsigned i = 0; i < 1000 * 1000 * 1000 / sizeof(zeros); i++) {
        bytes = ed_bytes_of(zeros, sizeof(zeros));
        assert_int_equal(redis_reader_next(&reader, &bytes), 0);
    }
    assert_true(ed_arena_used(arena) < 1000);
    char *seen = read_all(ED_BYTES("\r\n+end\r\n:7\r\n"), 3);
    assert_string_equal(seen, "ED_ELIMIT; :7; ");
    free(seen);
}

static void an_arena_that_is_full_costs_the_reply_only(void **state)
{
    (void)state;
    ed_arena *small = ed_arena_new(200);

    reader.arena = small;
    char *seen = read_all(
        ED_BYTES("*3\r\n$3\r\nabc\r\n$100\r\n"
                 "0123456789012345678901234567890123456789012345678901234567890"
                 "123456789012345678901234567890123456789\r\n+x\r\n:7\r\n"),
        11);
    assert_string_equal(seen, "ED_ENOMEM; :7; ");
    free(seen);
    ed_arena_free(small);
}

/* Its arena goes with the caller, at every byte of the reply. */
static void a_caller_may_leave_in_the_midst_of_a_reply(void **state)
{
    (void)state;
    size_t size;
    char *text = long_replies(3000, 2, &size);

    for (size_t cut = 0; cut < size; cut += cut < 50 ? 1 : 331) {
        ed_arena *own = ed_arena_new(0);
        struct ed_bytes front = {text, cut};
        struct ed_bytes rest = {text + cut, size - cut};

        reader.arena = own;
        assert_int_equal(redis_reader_next(&reader, &front), 0);
        reader.arena = NULL;
        ed_arena_free(own);
        assert_int_equal(redis_reader_next(&reader, &rest), 1);
        assert_null(reader.reply);
        assert_int_equal(reader.err, 0);
        reader.arena = arena;
        char *seen = read_all(ED_BYTES("$2\r\nok\r\n"), 1);
        assert_string_equal(seen, "$ok; ");
        free(seen);
    }
    free(text);
}

static void words_of_an_error_are_there_for_who_wants_no_reply(void **state)
{
    (void)state;
    struct ed_bytes bytes = ED_BYTES("-ERR it is so\r\n*1\r\n-ERR not\r\n");

    reader.arena = NULL;
    assert_int_equal(redis_reader_next(&reader, &bytes), 1);
    assert_true(reader.refused);
    assert_string_equal(reader.words, "ERR it is so");
    assert_null(reader.reply);
    assert_int_equal(redis_reader_next(&reader, &bytes), 1);
    assert_false(reader.refused);
}

static void what_is_no_reply_is_found(void **state)
{
    static const char *const texts[] = {
        "x\r\n",
        "\r\n",
        "$x\r\n",
        "*-2\r\n",
        "$-2\r\n",
        ":1x\r\n",
        "GET / HTTP",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        /* RESP3 */
        ",1.5\r\n",
        "#t\r\n",
        "_\r\n",
        "(12345678901234567890\r\n",
        "=5\r\ntxt:a\r\n",
        "%1\r\n+a\r\n:1\r\n",
        "*1\r\n~1\r\n:1\r\n",
        ">1\r\n+a\r\n",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char *seen = read_all(ed_bytes(texts[i]), 1);
        assert_string_equal(seen, "ED_EPROTO");
        assert_true(*redis_reader_why(&reader));
        free(seen);
        close_reader(NULL);
        open_reader(NULL);
    }
}

static void a_line_without_an_end_is_no_reply(void **state)
{
    (void)state;
    char line[LONG];

    memset(line, 'x', sizeof(line));
    *line = '+';
    char *seen = read_all(ed_bytes_of(line, sizeof(line)), 1000);
    assert_string_equal(seen, "ED_EPROTO");
    free(seen);
}

#define READER_TEST(name) \
    cmocka_unit_test_setup_teardown(name, open_reader, close_reader)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(replies_of_all_kinds_are_read_wherever_they_are_cut),
        READER_TEST(long_strings_are_read_wherever_they_are_cut),
        READER_TEST(a_reply_too_long_is_passed_over),
        READER_TEST(a_long_string_over_the_limit_takes_no_memory),
        READER_TEST(an_arena_that_is_full_costs_the_reply_only),
        READER_TEST(a_caller_may_leave_in_the_midst_of_a_reply),
        READER_TEST(words_of_an_error_are_there_for_who_wants_no_reply),
        READER_TEST(what_is_no_reply_is_found),
        READER_TEST(a_line_without_an_end_is_no_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
