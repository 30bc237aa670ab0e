/*
 * test_auth.c - challenges, one or several in a field.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/auth.h"
#include <stdio.h>

/* What is read, as "Scheme(token){name=value;...}...". */
static const char *read_all(const char *field)
{
    static char text[1024];
    struct ed_bytes rest = ed_bytes(field);
    struct ed_challenge c;
    struct ed_auth_param p;
    char *at = text;

    *at = '\0';
    while (ed_challenge_next(&rest, &c)) {
        at += sprintf(at, "%.*s", (int)c.scheme.len, c.scheme.ptr);
        if (c.token.len)
            at += sprintf(at, "(%.*s)", (int)c.token.len, c.token.ptr);
        if (!c.params.len)
            continue;
        *at++ = '{';
        while (ed_auth_param_next(&c.params, &p))
            at += sprintf(at, "%.*s=%.*s;", (int)p.name.len, p.name.ptr,
                          (int)p.value.len, p.value.ptr);
        at += sprintf(at, "}");
    }
    assert_int_equal(rest.len, 0);
    return text;
}

static void a_challenge_has_a_scheme_and_perhaps_more(void **state)
{
    (void)state;
    assert_string_equal(read_all("Basic"), "Basic");
    assert_string_equal(read_all("Negotiate YII="), "Negotiate(YII=)");
    assert_string_equal(read_all("X a/b+c-d.e_~=="), "X(a/b+c-d.e_~==)");
    assert_string_equal(read_all("Basic realm=\"a b\""), "Basic{realm=a b;}");
    assert_string_equal(read_all("Basic realm=plain"), "Basic{realm=plain;}");
    assert_string_equal(read_all("Basic realm = \"x\""), "Basic{realm=x;}");
    assert_string_equal(read_all("Basic realm=\"\""), "Basic{realm=;}");
}

static void one_field_may_hold_several(void **state)
{
    (void)state;
    assert_string_equal(
        read_all("Digest realm=\"a, b=c\", nonce=\"n\" , qop=\"auth,auth-int\","
                 " Basic realm=\"x\", charset=\"UTF-8\""),
        "Digest{realm=a, b=c;nonce=n;qop=auth,auth-int;}"
        "Basic{realm=x;charset=UTF-8;}");
    assert_string_equal(read_all("Negotiate, NTLM, Basic realm=\"x\""),
                        "NegotiateNTLMBasic{realm=x;}");
    assert_string_equal(read_all("Negotiate YII=, Basic realm=x"),
                        "Negotiate(YII=)Basic{realm=x;}");
    assert_string_equal(read_all(" , ,Basic realm=x,, ,Digest nonce=y,"),
                        "Basic{realm=x;}Digest{nonce=y;}");
}

static void what_stands_before_a_mistake_is_read(void **state)
{
    (void)state;
    assert_string_equal(read_all("Basic realm=x, =y"), "Basic{realm=x;}");
    assert_string_equal(read_all("Basic realm=x, Digest nonce=\"open"),
                        "Basic{realm=x;}");
    assert_string_equal(read_all("Basic realm=x, \"what\""), "Basic{realm=x;}");
    assert_string_equal(read_all("Basic realm=\"x\"y"), "");
    assert_string_equal(read_all("\"Basic\""), "");
    assert_string_equal(read_all("Basic \x01"), "");
    assert_string_equal(read_all("Basic realm=\"x\\"), "");
    assert_string_equal(read_all(""), "");
}

static void quotes_and_backslashes_are_escaped(void **state)
{
    struct ed_bytes field = ED_BYTES("Basic realm=\"a\\\"b\\\\c\\d\"");
    struct ed_buf quoted = {0};
    struct ed_challenge c;
    struct ed_auth_param p;
    char text[32];

    (void)state;
    assert_true(ed_challenge_next(&field, &c));
    assert_true(ed_auth_param_next(&c.params, &p));
    size_t len = ed_auth_unescape(text, p.value);
    assert_int_equal(len, 6);
    assert_memory_equal(text, "a\"b\\cd", 6);
    assert_int_equal(ed_auth_add_quoted(&quoted, ed_bytes_of(text, len)), 0);
    assert_string_equal(quoted.ptr, "\"a\\\"b\\\\cd\"");
    ed_buf_free(&quoted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_challenge_has_a_scheme_and_perhaps_more),
        cmocka_unit_test(one_field_may_hold_several),
        cmocka_unit_test(what_stands_before_a_mistake_is_read),
        cmocka_unit_test(quotes_and_backslashes_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
