/*
 * test_socks5.c - what is said to a SOCKS5 proxy, and what its answers mean,
 * however they come in pieces.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/socks5.h"
#include <eddy/error.h>

#define SAID(s, text)                                    \
    do {                                                 \
        assert_int_equal((s).out_len, sizeof(text) - 1); \
        assert_memory_equal((s).out, text, (s).out_len); \
    } while (0)

#define OK_V4 "\5\0\0\1\1\2\3\4\0\120"

/* Gives an answer a byte at a time, and what is behind it is left. */
static int hear(struct ed_socks5 *s, const char *bytes, size_t len)
{
    int step = ED_SOCKS5_MORE;

    for (size_t i = 0; i < len; i++) {
        struct ed_bytes in = ed_bytes_of(bytes + i, 1);
        assert_int_equal(step, ED_SOCKS5_MORE);
        step = ed_socks5_read(s, &in);
        assert_int_equal(in.len, 0);
    }
    return step;
}
#define HEAR(s, text) hear(&(s), text, sizeof(text) - 1)

static struct ed_socks5 to_name(const char *user, const char *password)
{
    struct ed_socks5 s = {
        .user = ed_bytes(user),
        .password = ed_bytes(password),
        .host = ED_BYTES("a.org"),
        .port = 443,
    };

    ed_socks5_begin(&s);
    return s;
}

static void a_name_is_asked_for(void **state)
{
    (void)state;
    struct ed_socks5 s = to_name(NULL, NULL);

    SAID(s, "\5\1\0");
    assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
    SAID(s, "\5\1\0\3\5a.org\1\273");
    assert_int_equal(HEAR(s, OK_V4), ED_SOCKS5_DONE);
}

static void addresses_are_asked_for(void **state)
{
    (void)state;
    struct ed_socks5 s = {
        .host = ED_BYTES("\12\0\0\1"), .is_address = true, .port = 80};

    ed_socks5_begin(&s);
    assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
    SAID(s, "\5\1\0\1\12\0\0\1\0\120");

    s.host = ED_BYTES("0123456789abcdef");
    ed_socks5_begin(&s);
    assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
    SAID(s, "\5\1\0\4"
            "0123456789abcdef"
            "\0\120");
}

static void user_and_password_are_said_when_asked_for(void **state)
{
    (void)state;
    struct ed_socks5 s = to_name("me", "word");

    SAID(s, "\5\2\0\2");
    assert_int_equal(HEAR(s, "\5\2"), ED_SOCKS5_SEND);
    SAID(s, "\1\2me\4word");
    assert_int_equal(HEAR(s, "\1\0"), ED_SOCKS5_SEND);
    assert_int_equal(HEAR(s, OK_V4), ED_SOCKS5_DONE);
}

static void user_and_password_are_kept_when_not_asked_for(void **state)
{
    (void)state;
    struct ed_socks5 s = to_name("me", "word");

    assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
    assert_int_equal(s.out[1], 1); /* CONNECT */
}

static void the_longest_texts_fit(void **state)
{
    (void)state;
    static char text[ED_SOCKS5_TEXT_MAX];
    struct ed_bytes all = {text, sizeof(text)};
    struct ed_socks5 s = {.user = all, .password = all, .host = all};

    ed_socks5_begin(&s);
    assert_int_equal(HEAR(s, "\5\2"), ED_SOCKS5_SEND);
    assert_int_equal(s.out_len, ED_SOCKS5_OUT_MAX);
    assert_int_equal(HEAR(s, "\1\0"), ED_SOCKS5_SEND);
    assert_int_equal(s.out_len, 4 + 1 + 255 + 2);
    assert_int_equal(HEAR(s, "\5\0\0\3\377"), ED_SOCKS5_MORE);
    assert_int_equal(hear(&s, text, 255), ED_SOCKS5_MORE);
    assert_int_equal(HEAR(s, "\0\120"), ED_SOCKS5_DONE);
}

static void what_is_behind_the_reply_is_left(void **state)
{
    (void)state;
    static const char *const replies[] = {"\5\0\0\1\1\2\3\4\0\120SSH",
                                          "\5\0\0\3\2ab\0\120SSH",
                                          "\5\0\0\4"
                                          "0123456789abcdef"
                                          "\0\120SSH"};
    static const size_t lengths[] = {13, 12, 25};

    for (int i = 0; i < 3; i++) {
        struct ed_socks5 s = to_name(NULL, NULL);
        struct ed_bytes in = ed_bytes_of(replies[i], lengths[i]);
        assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
        assert_int_equal(ed_socks5_read(&s, &in), ED_SOCKS5_DONE);
        assert_int_equal(in.len, 3);
        assert_memory_equal(in.ptr, "SSH", 3);
    }
}

static void refuses(const char *reply, size_t len, const char *why)
{
    struct ed_socks5 s = to_name(NULL, NULL);

    assert_int_equal(HEAR(s, "\5\0"), ED_SOCKS5_SEND);
    assert_int_equal(hear(&s, reply, len), ED_EPROXY);
    assert_string_equal(s.error, why);
}

static void every_refusal_has_its_text(void **state)
{
    (void)state;
    refuses("\5\1", 2, "the proxy failed");
    refuses("\5\2", 2, "the proxy's rules do not allow the connection");
    refuses("\5\3", 2, "the proxy cannot reach the network");
    refuses("\5\4", 2, "the proxy cannot reach the host");
    refuses("\5\5", 2, "the host refused the proxy's connection");
    refuses("\5\6", 2, "the proxy's connection was on its way for too long");
    refuses("\5\7", 2, "the proxy does not know how to connect");
    refuses("\5\10", 2, "the proxy does not know this kind of address");
    refuses("\5\11", 2, "the proxy refused for a reason of its own");
    refuses("\5\377", 2, "the proxy refused for a reason of its own");
    refuses("\4", 1, "the proxy does not speak SOCKS5");
    refuses("\5\0\0\2", 4, "the proxy's reply makes no sense");
}

static void what_is_no_proxy_is_told_by_its_first_byte(void **state)
{
    (void)state;
    struct ed_socks5 s = to_name(NULL, NULL);

    assert_int_equal(HEAR(s, "H"), ED_EPROXY);
    assert_string_equal(s.error, "the proxy does not speak SOCKS5");
}

static void not_being_admitted_has_its_texts(void **state)
{
    (void)state;
    struct ed_socks5 s = to_name(NULL, NULL);

    assert_int_equal(HEAR(s, "\5\377"), ED_EPROXY);
    assert_string_equal(s.error, "the proxy wants to know who asks");
    s = to_name(NULL, NULL);
    assert_int_equal(HEAR(s, "\5\2"), ED_EPROXY);
    assert_string_equal(s.error, "the proxy chose what it was not offered");
    s = to_name("me", "word");
    assert_int_equal(HEAR(s, "\5\377"), ED_EPROXY);
    assert_string_equal(s.error, "the proxy takes no password");
    s = to_name("me", "word");
    assert_int_equal(HEAR(s, "\5\1"), ED_EPROXY);
    s = to_name("me", "word");
    assert_int_equal(HEAR(s, "\5\2"), ED_SOCKS5_SEND);
    assert_int_equal(HEAR(s, "\1\1"), ED_EPROXY);
    assert_string_equal(s.error, "the proxy refused user name and password");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_asked_for),
        cmocka_unit_test(addresses_are_asked_for),
        cmocka_unit_test(user_and_password_are_said_when_asked_for),
        cmocka_unit_test(user_and_password_are_kept_when_not_asked_for),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(what_is_behind_the_reply_is_left),
        cmocka_unit_test(every_refusal_has_its_text),
        cmocka_unit_test(what_is_no_proxy_is_told_by_its_first_byte),
        cmocka_unit_test(not_being_admitted_has_its_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
