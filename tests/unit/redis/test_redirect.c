/*
 * Where nodes of a cluster say that others are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "redis/redirect.h"
#include <eddy/error.h>
#include <stdlib.h>

static const char asked[] = "10.0.0.1:7000";

static void check_redirect(const char *words, bool asking, unsigned slot,
                           const char *address)
{
    struct redis_redirect r;
    struct ed_buf text = {0};

    assert_true(redis_redirect_read(&r, ed_bytes(words)));
    assert_int_equal(r.asking, asking);
    assert_int_equal(r.slot, slot);
    assert_int_equal(redis_node_address(&text, r.host, r.port, asked), 0);
    assert_string_equal(text.ptr, address);
    ed_buf_free(&text);
}

static void a_redirection_has_a_slot_and_an_address(void **state)
{
    (void)state;
    check_redirect("MOVED 3999 127.0.0.1:6381", false, 3999, "127.0.0.1:6381");
    check_redirect("ASK 0 node-3.cache_1:6381", true, 0, "node-3.cache_1:6381");
    check_redirect("MOVED 16383 2001:db8::7:6381", false, 16383,
                   "[2001:db8::7]:6381");
    check_redirect("MOVED 1 ::1:6381", false, 1, "[::1]:6381");
}

static void a_node_without_a_name_is_where_it_was_asked(void **state)
{
    struct ed_buf text = {0};

    (void)state;
    check_redirect("MOVED 7 :6381", false, 7, "10.0.0.1:6381");
    check_redirect("ASK 7 ?:6381", true, 7, "10.0.0.1:6381");
    assert_int_equal(
        redis_node_address(&text, ED_BYTES(""), 6381, "[::1]:7000"), 0);
    assert_string_equal(text.ptr, "[::1]:6381");
    ed_buf_free(&text);
}

static void nonsense_is_no_redirection(void **state)
{
    static const char *const words[] = {
        "",
        "ERR no",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED x 127.0.0.1:1",
        "MOVED -1 127.0.0.1:1",
        "MOVED 16384 127.0.0.1:1",
        "MOVED 1 127.0.0.1",
        "MOVED 1 127.0.0.1:",
        "MOVED 1 127.0.0.1:x",
        "MOVED 1 127.0.0.1:99999999999999999999",
        "MOVEDX 1 127.0.0.1:1",
        "moved 1 127.0.0.1:1",
    };
    struct redis_redirect r;

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        assert_false(redis_redirect_read(&r, ed_bytes(words[i])));
}

static void nonsense_is_no_address(void **state)
{
    struct ed_buf text = {0};
    char long_host[300];

    (void)state;
    memset(long_host, 'a', sizeof(long_host));
    assert_int_equal(redis_node_address(&text, ED_BYTES("a"), 0, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("a"), 65536, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("a b"), 1, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("a\n"), 1, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("a\0b"), 1, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("a@b"), 1, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("../x"), 1, asked),
                     ED_EPROTO);
    assert_int_equal(redis_node_address(&text, ED_BYTES("?"), 1, "unknown"),
                     ED_EPROTO);
    assert_int_equal(
        redis_node_address(&text, ed_bytes_of(long_host, sizeof(long_host)), 1,
                           asked),
        ED_EPROTO);
    ed_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redirection_has_a_slot_and_an_address),
        cmocka_unit_test(a_node_without_a_name_is_where_it_was_asked),
        cmocka_unit_test(nonsense_is_no_redirection),
        cmocka_unit_test(nonsense_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
