/*
 * test_no_proxy.c - which hosts a list names.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/no_proxy.h"

static bool names(const char *list, const char *host, uint16_t port)
{
    return ed_no_proxy_names(ed_bytes(list), ed_bytes(host), port);
}

static void an_empty_list_names_nobody(void **state)
{
    (void)state;
    assert_false(names("", "a.org", 80));
    assert_false(names(" , ,", "a.org", 80));
    assert_false(names(",", "", 80));
}

static void a_star_names_everybody(void **state)
{
    (void)state;
    assert_true(names("*", "a.org", 80));
    assert_true(names("b.org, *", "10.0.0.1", 80));
    assert_true(names("*", "::1", 80));
    assert_false(names("*x", "a.org", 80));
}

static void a_name_names_itself_and_what_is_below(void **state)
{
    (void)state;
    assert_true(names("a.org", "a.org", 80));
    assert_true(names("a.org", "b.a.org", 80));
    assert_true(names(".a.org", "a.org", 80));
    assert_true(names(".a.org", "b.a.org", 80));
    assert_true(names("*.a.org", "b.a.org", 80));
    assert_false(names("a.org", "ba.org", 80));
    assert_false(names("b.a.org", "a.org", 80));
    assert_false(names(".", "a.org", 80));
    assert_false(names("org.", "a.com", 80));
}

static void case_and_a_final_dot_do_not_matter(void **state)
{
    (void)state;
    assert_true(names("A.Org", "a.oRG", 80));
    assert_true(names("a.org.", "a.org", 80));
    assert_true(names("a.org", "a.org.", 80));
}

static void entries_stand_between_commas_or_spaces(void **state)
{
    (void)state;
    assert_true(names("x.org,a.org", "a.org", 80));
    assert_true(names("x.org, a.org ,y", "a.org", 80));
    assert_true(names("x.org a.org", "a.org", 80));
    assert_true(names("x.org\ta.org", "a.org", 80));
}

static void localhost_is_a_name_as_any_other(void **state)
{
    (void)state;
    assert_false(names("127.0.0.1", "localhost", 80));
    assert_false(names("a.org", "localhost", 80));
    assert_true(names("localhost", "localhost", 80));
}

static void an_address_names_itself(void **state)
{
    (void)state;
    assert_true(names("10.0.0.1", "10.0.0.1", 80));
    assert_false(names("10.0.0.1", "10.0.0.11", 80));
    assert_false(names("0.0.1", "10.0.0.1", 80));
    assert_true(names("::1", "::1", 80));
    assert_true(names("[::1]", "::1", 80));
    assert_true(names("0:0:0:0:0:0:0:1", "::1", 80));
    assert_false(names("::1", "::2", 80));
    assert_false(names("::ffff:10.0.0.1", "10.0.0.1", 80));
}

static void a_prefix_names_the_addresses_that_begin_so(void **state)
{
    (void)state;
    assert_true(names("10.0.0.0/8", "10.1.2.3", 80));
    assert_false(names("10.0.0.0/8", "11.1.2.3", 80));
    assert_true(names("10.0.0.128/25", "10.0.0.129", 80));
    assert_false(names("10.0.0.128/25", "10.0.0.127", 80));
    assert_true(names("10.0.0.1/32", "10.0.0.1", 80));
    assert_false(names("10.0.0.1/32", "10.0.0.2", 80));
    assert_true(names("0.0.0.0/0", "10.0.0.1", 80));
    assert_true(names("fd00::/8", "fd12::1", 80));
    assert_false(names("fd00::/8", "fe80::1", 80));
    assert_true(names("[fd00::/8]", "fd12::1", 80));
    assert_false(names("0.0.0.0/0", "::1", 80));
}

static void a_prefix_that_is_none_names_nobody(void **state)
{
    (void)state;
    assert_false(names("10.0.0.0/33", "10.0.0.0", 80));
    assert_false(names("10.0.0.0/", "10.0.0.0", 80));
    assert_false(names("10.0.0.0/-1", "10.0.0.0", 80));
    assert_false(names("10.0.0.0/8x", "10.0.0.0", 80));
    assert_false(names("::/129", "::", 80));
    assert_false(names("a.org/8", "a.org", 80));
    assert_false(names("10.0.0.0/8", "10.a.org", 80));
}

static void a_port_bounds_an_entry(void **state)
{
    (void)state;
    assert_true(names("a.org:8080", "a.org", 8080));
    assert_false(names("a.org:8080", "a.org", 80));
    assert_true(names("10.0.0.1:80", "10.0.0.1", 80));
    assert_true(names("10.0.0.0/8:80", "10.0.0.1", 80));
    assert_false(names("10.0.0.0/8:80", "10.0.0.1", 81));
    assert_true(names("[::1]:80", "::1", 80));
    assert_false(names("[::1]:80", "::1", 81));
    assert_true(names("*:80", "a.org", 80));
    assert_false(names("*:80", "a.org", 81));
}

static void entries_that_are_none_name_nobody(void **state)
{
    (void)state;
    assert_false(names("a.org:", "a.org", 80));
    assert_false(names("a.org:x", "a.org", 80));
    assert_false(names("a.org:65616", "a.org", 80));
    assert_false(names("[::1", "::1", 80));
    assert_false(names("[::1]80", "::1", 80));
    assert_false(names("[]", "a.org", 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_names_nobody),
        cmocka_unit_test(a_star_names_everybody),
        cmocka_unit_test(a_name_names_itself_and_what_is_below),
        cmocka_unit_test(case_and_a_final_dot_do_not_matter),
        cmocka_unit_test(entries_stand_between_commas_or_spaces),
        cmocka_unit_test(localhost_is_a_name_as_any_other),
        cmocka_unit_test(an_address_names_itself),
        cmocka_unit_test(a_prefix_names_the_addresses_that_begin_so),
        cmocka_unit_test(a_prefix_that_is_none_names_nobody),
        cmocka_unit_test(a_port_bounds_an_entry),
        cmocka_unit_test(entries_that_are_none_name_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
