/*
 * test_url.c - URLs taken apart, resolved (with the examples of RFC 3986, 5.4)
 * and escaped.
 */
#include "wire/url.h"

#include <eddy/error.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

static void assert_bytes(struct ed_bytes actual, const char *expected)
{
    if (!expected) {
        assert_null(actual.ptr);
        return;
    }
    if (!ed_bytes_equal(actual, ed_bytes(expected)))
        print_error("'%.*s' is not '%s'\n", (int)actual.len, actual.ptr,
                    expected);
    assert_true(ed_bytes_equal(actual, ed_bytes(expected)));
}

static void parse(struct ed_url *url, const char *text)
{
    const char *why;
    int err = ed_url_parse(url, ed_bytes(text), &why);

    if (err)
        print_error("%s: %s\n", text, why);
    assert_int_equal(err, 0);
    assert_null(why);
}

static void a_url_is_taken_apart(void **state)
{
    struct ed_url url;

    (void)state;
    parse(&url, "https://me:pw@www.example.com:8443/a/b?c=d?#e?f#g");
    assert_bytes(url.scheme, "https");
    assert_true(url.secure);
    assert_bytes(url.userinfo, "me:pw");
    assert_bytes(url.host, "www.example.com");
    assert_false(url.ipv6);
    assert_int_equal(url.port, 8443);
    assert_true(url.port_given);
    assert_bytes(url.path, "/a/b");
    assert_bytes(url.query, "c=d?");
    assert_bytes(url.fragment, "e?f#g");
    assert_bytes(url.target, "/a/b?c=d?");
    assert_bytes(url.origin, "https://me:pw@www.example.com:8443");
}

static void parts_may_be_missing(void **state)
{
    struct ed_url url;

    (void)state;
    parse(&url, "http://a");
    assert_false(url.secure);
    assert_bytes(url.userinfo, NULL);
    assert_int_equal(url.port, 80);
    assert_false(url.port_given);
    assert_bytes(url.path, "");
    assert_bytes(url.query, NULL);
    assert_bytes(url.fragment, NULL);
    assert_bytes(url.target, "");
    parse(&url, "HTTPS://a:?#");
    assert_true(url.secure);
    assert_int_equal(url.port, 443);
    assert_bytes(url.query, "");
    assert_bytes(url.fragment, "");
    assert_bytes(url.target, "?");
}

static void an_ipv6_address_loses_its_brackets(void **state)
{
    struct ed_url url;

    (void)state;
    parse(&url, "http://[2001:db8::1]:8080/x");
    assert_bytes(url.host, "2001:db8::1");
    assert_true(url.ipv6);
    assert_int_equal(url.port, 8080);
    parse(&url, "http://[::1]");
    assert_bytes(url.host, "::1");
    assert_int_equal(url.port, 80);
}

static void a_unix_socket_has_a_path_of_its_own(void **state)
{
    struct ed_url url;

    (void)state;
    parse(&url, "http+unix://%2Frun%2Fx.sock/a?b");
    assert_bytes(url.socket, "%2Frun%2Fx.sock");
    assert_bytes(url.host, "");
    assert_bytes(url.target, "/a?b");
}

static void what_is_no_url_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "a",
        "/a",
        "//a",
        "http:",
        "http:/a",
        "http:a",
        "http://",
        "http:///a",
        "http://?a",
        "http://:80",
        "http://u@",
        "http://u@:80/",
        "ftp://a",
        "file:///etc/passwd",
        "javascript://a",
        "xhttp://a",
        " http://a",
        "http://a ",
        "http://a b/",
        "http://a/b c",
        "http://a\t/",
        "http://a/\r\nHost: b",
        "http://a/\x7f",
        "http://a\\b",
        "http://a/b\\c",
        "http://\xc3\xa4/",
        "http://a/\xc3\xa4",
        "http://a:b/",
        "http://a:-1/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:80:80/",
        "http://a@b@c/",
        "http://a[@b/",
        "http://[::1/",
        "http://::1/",
        "http://[::g]/",
        "http://[::1]x/",
        "http://[a]/",
        "http://a%/",
        "http://a%2/",
        "http://<a>/",
        "http://a|b/",
        "http+unix:///x",
        "http+unix://run/x",
        "http+unix://%2",
        "http+unix://%2Fx:80/",
        "http+unix://u@%2Fx/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ed_url url;
        const char *why;
        int err = ed_url_parse(&url, ed_bytes(texts[i]), &why);

        if (!err)
            print_error("%s\n", texts[i]);
        assert_int_equal(err, ED_EURL);
        assert_non_null(why);
    }
}

static void a_nul_is_refused(void **state)
{
    struct ed_url url;
    const char *why;

    (void)state;
    assert_int_equal(ed_url_parse(&url, ED_BYTES("http://a\0b/"), &why),
                     ED_EURL);
    assert_int_equal(ed_url_parse(&url, ED_BYTES("http://a/\0"), &why),
                     ED_EURL);
}

static void references_are_resolved(void **state)
{
    static const struct {
        const char *base, *reference, *expected;
    } cases[] = {
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "/g", "http://a/g"},
        {"http://a/b/c/d;p?q", "//g", "http://g"},
        {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
        {"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
        {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q#s"},
        {"http://a/b/c/d;p?q", "g#s", "http://a/b/c/g#s"},
        {"http://a/b/c/d;p?q", "g?y#s", "http://a/b/c/g?y#s"},
        {"http://a/b/c/d;p?q", ";x", "http://a/b/c/;x"},
        {"http://a/b/c/d;p?q", "g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"},
        {"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
        {"http://a/b/c/d;p?q", "./", "http://a/b/c/"},
        {"http://a/b/c/d;p?q", "..", "http://a/b/"},
        {"http://a/b/c/d;p?q", "../", "http://a/b/"},
        {"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
        {"http://a/b/c/d;p?q", "../..", "http://a/"},
        {"http://a/b/c/d;p?q", "../../", "http://a/"},
        {"http://a/b/c/d;p?q", "../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "../../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "../../../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/./g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "g.", "http://a/b/c/g."},
        {"http://a/b/c/d;p?q", ".g", "http://a/b/c/.g"},
        {"http://a/b/c/d;p?q", "g..", "http://a/b/c/g.."},
        {"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g"},
        {"http://a/b/c/d;p?q", "./../g", "http://a/b/g"},
        {"http://a/b/c/d;p?q", "./g/.", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "g/./h", "http://a/b/c/g/h"},
        {"http://a/b/c/d;p?q", "g/../h", "http://a/b/c/h"},
        {"http://a/b/c/d;p?q", "g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"http://a/b/c/d;p?q", "g;x=1/../y", "http://a/b/c/y"},
        {"http://a/b/c/d;p?q", "g?y/./x", "http://a/b/c/g?y/./x"},
        {"http://a/b/c/d;p?q", "g?y/../x", "http://a/b/c/g?y/../x"},
        {"http://a/b/c/d;p?q", "g#s/./x", "http://a/b/c/g#s/./x"},
        {"http://a/b/c/d;p?q", "g#s/../x", "http://a/b/c/g#s/../x"},
        {"http://a", "b", "http://a/b"},
        {"http://a", "?b", "http://a?b"},
        {"http://a?b", "", "http://a?b"},
        {"http://a/b#c", "d", "http://a/d"},
        {"https://u@a:1/b", "/c", "https://u@a:1/c"},
        {"https://a/b", "//c:2/../d", "https://c:2/d"},
        {"http://a/b", "https://c/d/../e?f/../g", "https://c/e?f/../g"},
        {"http+unix://%2Fx/a/b", "../c", "http+unix://%2Fx/c"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ed_buf out = {0};

        assert_int_equal(ed_url_resolve(&out, ed_bytes(cases[i].base),
                                        ed_bytes(cases[i].reference)),
                         0);
        assert_bytes(ed_buf_bytes(&out), cases[i].expected);
        ed_buf_free(&out);
    }
}

static void a_bad_reference_leaves_the_buffer_alone(void **state)
{
    static const char *const references[] = {
        "ftp://a/", "mailto:a", "//",  "//a:x/",  "a b",
        "a\r\nb",   "\\\\a",    "g:h", "//a@b@c",
    };
    struct ed_buf out = {0};

    (void)state;
    assert_int_equal(ed_buf_add(&out, "kept", 4), 0);
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        assert_int_equal(ed_url_resolve(&out, ED_BYTES("http://a/b"),
                                        ed_bytes(references[i])),
                         ED_EURL);
        assert_string_equal(out.ptr, "kept");
        assert_int_equal(out.len, 4);
    }
    assert_int_equal(ed_url_resolve(&out, ED_BYTES("/b"), ED_BYTES("c")),
                     ED_EURL);
    assert_int_equal(
        ed_url_resolve(&out, ED_BYTES("http://a/b"), ED_BYTES("c\0d")),
        ED_EURL);
    assert_string_equal(out.ptr, "kept");
    ed_buf_free(&out);
}

static void escapes_are_decoded(void **state)
{
    static const struct {
        const char *in, *out;
        bool plus;
    } cases[] = {
        {"", "", false},
        {"abc", "abc", false},
        {"a%20b", "a b", false},
        {"%2F%2f", "//", false},
        {"a+b", "a+b", false},
        {"a+b%2B", "a b+", true},
        {"%ff%C3%A4", "\xff\xc3\xa4", false},
    };
    static const char *const bad[] = {"%",    "%1",  "%1g", "%g1", "a%",
                                      "%%41", "%00", "%+1", "% 1"};
    char out[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ssize_t len = ed_url_decode(out, ed_bytes(cases[i].in), cases[i].plus);

        assert_int_equal(len, strlen(cases[i].out));
        assert_memory_equal(out, cases[i].out, (size_t)len);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(ed_url_decode(out, ed_bytes(bad[i]), true), ED_EURL);
}

static void decoding_works_in_place(void **state)
{
    char text[] = "%41%42c";

    (void)state;
    assert_int_equal(ed_url_decode(text, ed_bytes(text), false), 3);
    assert_memory_equal(text, "ABc", 3);
}

static void all_but_unreserved_bytes_are_escaped(void **state)
{
    struct ed_buf out = {0};

    (void)state;
    assert_int_equal(ed_url_encode(&out, ED_BYTES("aZ09-._~"), false), 0);
    assert_int_equal(ed_url_encode(&out, ED_BYTES("/ %\xff\0+"), false), 0);
    assert_string_equal(out.ptr, "aZ09-._~%2F%20%25%FF%00%2B");
    out.len = 0;
    assert_int_equal(ed_url_encode(&out, ED_BYTES("/a b/"), true), 0);
    assert_string_equal(out.ptr, "/a%20b/");
    ed_buf_free(&out);
}

static void a_query_is_read_pair_by_pair(void **state)
{
    struct ed_bytes rest = ED_BYTES("a=1&&b&c=&=d&e=f=g&"), name, value;
    static const char *const expected[][2] = {
        {"a", "1"}, {"b", NULL}, {"c", ""}, {"", "d"}, {"e", "f=g"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(ed_query_next(&rest, &name, &value));
        assert_bytes(name, expected[i][0]);
        assert_bytes(value, expected[i][1]);
    }
    assert_false(ed_query_next(&rest, &name, &value));
    assert_false(ed_query_next(&rest, &name, &value));
}

static void dot_segments_are_removed(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"/a/./b/../c", "/a/c"},
        {"/a/..", "/"},
        {"/a/.", "/a/"},
        {"/..", "/"},
        {"/.", "/"},
        {"/../../a", "/a"},
        {"/a/../../b", "/b"},
        {"/a//../b", "/a/b"},
        {"//", "//"},
        {"/...", "/..."},
        {"/.a/..b", "/.a/..b"},
        {"/a/%2e%2e/b", "/a/%2e%2e/b"},
        {"/a/b/../../..", "/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[32];
        size_t len = strlen(cases[i][0]);

        memcpy(path, cases[i][0], len);
        assert_bytes(ed_bytes_of(path, ed_path_normalize(path, len)),
                     cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(parts_may_be_missing),
        cmocka_unit_test(an_ipv6_address_loses_its_brackets),
        cmocka_unit_test(a_unix_socket_has_a_path_of_its_own),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(a_nul_is_refused),
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(a_bad_reference_leaves_the_buffer_alone),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(decoding_works_in_place),
        cmocka_unit_test(all_but_unreserved_bytes_are_escaped),
        cmocka_unit_test(a_query_is_read_pair_by_pair),
        cmocka_unit_test(dot_segments_are_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
