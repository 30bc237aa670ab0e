/*
 * test_set_cookie.c - what a Set-Cookie field means.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/set_cookie.h"
#include <eddy/error.h>
#include <stdio.h>

static const int64_t NOW = 1795132800; /* 2026-11-20T00:00:00Z */

static struct ed_set_cookie parsed(const char *field)
{
    struct ed_set_cookie cookie;
    const char *why = "";

    assert_int_equal(ed_set_cookie_parse(&cookie, ed_bytes(field), NOW, &why),
                     0);
    assert_null(why);
    return cookie;
}

static const char *refused(struct ed_bytes field)
{
    struct ed_set_cookie cookie;
    const char *why = NULL;

    assert_int_equal(ed_set_cookie_parse(&cookie, field, NOW, &why), ED_EPARSE);
    assert_non_null(why);
    return why;
}

static void assert_text(struct ed_bytes text, const char *want)
{
    assert_int_equal(text.len, strlen(want));
    if (text.len)
        assert_memory_equal(text.ptr, want, text.len);
}

static void is_pair(const char *field, const char *name, const char *value)
{
    struct ed_set_cookie cookie = parsed(field);

    assert_text(cookie.name, name);
    assert_text(cookie.value, value);
}

static void name_and_value_stand_before_the_first_semicolon(void **state)
{
    (void)state;
    is_pair("a=b", "a", "b");
    is_pair(" a \t=  b c ; Path=/", "a", "b c");
    is_pair("a=b=c; d=e", "a", "b=c");
    is_pair("a=", "a", "");
    is_pair("a=\"quoted; no\"", "a", "\"quoted");
    is_pair("a=\"b\"", "a", "\"b\"");
    is_pair("a=b\tc", "a", "b\tc");
}

static void a_piece_without_a_name_is_a_value(void **state)
{
    (void)state;
    is_pair("b", "", "b");
    is_pair("=b", "", "b");
    is_pair("=b=c", "", "b=c");
}

static void what_is_no_cookie_is_refused(void **state)
{
    char large[ED_COOKIE_MAX + 3];

    (void)state;
    refused(ed_bytes(""));
    refused(ed_bytes("="));
    refused(ed_bytes("; a=b"));
    refused(ed_bytes_of("a=\0b", 4));
    refused(ed_bytes("a=b\nc"));
    refused(ed_bytes("a=b; x=\x7f"));
    memset(large, 'x', sizeof(large));
    large[0] = 'a';
    large[1] = '=';
    refused(ed_bytes_of(large, ED_COOKIE_MAX + 2));
    struct ed_set_cookie cookie;
    const char *why;
    assert_int_equal(ed_set_cookie_parse(&cookie,
                                         ed_bytes_of(large, ED_COOKIE_MAX + 1),
                                         NOW, &why),
                     0);
}

static void attributes_have_any_case_and_the_last_one_counts(void **state)
{
    struct ed_set_cookie c =
        parsed("a=b; PATH=/x; Domain=.One.org; path=/y; domain=two.ORG;secure "
               ";HTTPONLY=no; SameSite=Lax; What=ever");

    (void)state;
    assert_text(c.path, "/y");
    assert_text(c.domain, "two.ORG");
    assert_true(c.secure);
    assert_true(c.http_only);
    assert_false(c.persistent);

    c = parsed("a=b; Path=/x; Path=relative; Domain=a.org; Domain");
    assert_text(c.path, "");
    assert_text(c.domain, "");
    assert_false(c.secure);
    assert_text(parsed("a=b; Domain=..a.org").domain, ".a.org");
}

static void a_value_of_more_than_1024_bytes_does_not_count(void **state)
{
    char field[1200];

    (void)state;
    snprintf(field, sizeof(field), "a=b; path=/y; path=/%01023d", 0);
    assert_int_equal(parsed(field).path.len, 1024);
    snprintf(field, sizeof(field), "a=b; path=/y; path=/%01024d", 0);
    assert_text(parsed(field).path, "/y");
}

static int64_t expires(const char *field)
{
    struct ed_set_cookie c = parsed(field);

    return c.persistent ? c.expires : -1;
}

static void max_age_is_stronger_than_expires(void **state)
{
    (void)state;
    assert_int_equal(expires("a=b"), -1);
    assert_int_equal(expires("a=b; Max-Age=10"), NOW + 10);
    assert_int_equal(
        expires("a=b; Max-Age=10; Expires=Sun, 06 Nov 1994 08:49:37 GMT"),
        NOW + 10);
    assert_int_equal(expires("a=b; Expires=Sun, 06 Nov 1994 08:49:37 GMT"),
                     784111777);
    assert_int_equal(expires("a=b; Expires=\"Sun, 06 Nov 1994 08:49:37 GMT\""),
                     784111777);
    assert_int_equal(expires("a=b; Max-Age=10; Max-Age=20"), NOW + 20);
}

static void malformed_lifetimes_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(expires("a=b; Max-Age="), -1);
    assert_int_equal(expires("a=b; Max-Age=+5"), -1);
    assert_int_equal(expires("a=b; Max-Age=5s"), -1);
    assert_int_equal(expires("a=b; Max-Age=-"), -1);
    assert_int_equal(expires("a=b; Max-Age=1.5"), -1);
    assert_int_equal(expires("a=b; Expires=never"), -1);
    assert_int_equal(expires("a=b; Max-Age=5; Max-Age=x"), NOW + 5);
}

static void no_cookie_lives_longer_than_400_days(void **state)
{
    int64_t latest = NOW + 400 * 86400;

    (void)state;
    assert_int_equal(expires("a=b; Max-Age=99999999999999999999999999"),
                     latest);
    assert_int_equal(expires("a=b; Max-Age=34560001"), latest);
    assert_int_equal(expires("a=b; Max-Age=34560000"), latest);
    assert_int_equal(expires("a=b; Expires=1 Jan 9999 00:00:00"), latest);
}

static void an_age_of_zero_or_less_is_past(void **state)
{
    (void)state;
    assert_true(expires("a=b; Max-Age=0") < NOW);
    assert_true(expires("a=b; Max-Age=-1") < NOW);
    assert_true(expires("a=b; Max-Age=-99999999999999999999") < NOW);
}

static void the_default_path_is_the_directory(void **state)
{
    (void)state;
    assert_text(ed_cookie_default_path(ed_bytes("")), "/");
    assert_text(ed_cookie_default_path(ed_bytes("a")), "/");
    assert_text(ed_cookie_default_path(ed_bytes("/")), "/");
    assert_text(ed_cookie_default_path(ed_bytes("/a")), "/");
    assert_text(ed_cookie_default_path(ed_bytes("/a/")), "/a");
    assert_text(ed_cookie_default_path(ed_bytes("/a/b")), "/a");
    assert_text(ed_cookie_default_path(ed_bytes("/a/b/c")), "/a/b");
}

static bool path(const char *request, const char *cookie)
{
    return ed_cookie_path_match(ed_bytes(request), ed_bytes(cookie));
}

static void paths_match_whole_segments(void **state)
{
    (void)state;
    assert_true(path("/", "/"));
    assert_true(path("", "/"));
    assert_true(path("/a", "/"));
    assert_true(path("/a", "/a"));
    assert_true(path("/a/", "/a"));
    assert_true(path("/a/b", "/a"));
    assert_true(path("/a/b", "/a/"));
    assert_false(path("/ab", "/a"));
    assert_false(path("/a", "/a/"));
    assert_false(path("/A", "/a"));
    assert_false(path("/", "/a"));
}

static bool domain(const char *host, const char *of)
{
    return ed_cookie_domain_match(ed_bytes(host), ed_bytes(of));
}

static void domains_match_whole_labels(void **state)
{
    (void)state;
    assert_true(domain("a.org", "a.org"));
    assert_true(domain("x.a.org", "a.org"));
    assert_true(domain("y.x.a.org", "a.org"));
    assert_false(domain("xa.org", "a.org"));
    assert_false(domain("org", "a.org"));
    assert_false(domain("a.org", "x.a.org"));
    assert_false(domain("a.org", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_and_value_stand_before_the_first_semicolon),
        cmocka_unit_test(a_piece_without_a_name_is_a_value),
        cmocka_unit_test(what_is_no_cookie_is_refused),
        cmocka_unit_test(attributes_have_any_case_and_the_last_one_counts),
        cmocka_unit_test(a_value_of_more_than_1024_bytes_does_not_count),
        cmocka_unit_test(max_age_is_stronger_than_expires),
        cmocka_unit_test(malformed_lifetimes_do_not_count),
        cmocka_unit_test(no_cookie_lives_longer_than_400_days),
        cmocka_unit_test(an_age_of_zero_or_less_is_past),
        cmocka_unit_test(the_default_path_is_the_directory),
        cmocka_unit_test(paths_match_whole_segments),
        cmocka_unit_test(domains_match_whole_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
