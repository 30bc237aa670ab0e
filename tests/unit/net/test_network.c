/*
 * test_network.c - which addresses are in a network.
 */
#include "net/network.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>

static struct ed_addr address(const char *text)
{
    struct ed_addr addr = {.len = 0};
    if (!strncmp(text, "unix:", 5))
        assert_int_equal(ed_addr_parse(&addr, ed_bytes(text)), 0);
    else if (*text)
        assert_int_equal(ed_addr_parse_ip(&addr, ed_bytes(text), 80), 0);
    return addr;
}

static void addresses_within_are_in_it(void **state)
{
    static const struct {
        const char *network, *addr;
        bool in;
    } rows[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"2001:db8::1", "2001:db8::1", true},
        {"::ffff:0.0.0.0/96", "1.2.3.4", true},
        {"fd00::/8", "fe00::1", false},
        {"unix", "unix:/run/x.sock", true},
        {"unix", "127.0.0.1", false},
        {"::/0", "unix:/run/x.sock", false},
        {"::/0", "", false},
        {"unix", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ed_network n;
        struct ed_addr addr = address(rows[i].addr);
        assert_int_equal(ed_network_parse(&n, ed_bytes(rows[i].network)), 0);
        if (ed_networks_have(&n, 1, &addr) != rows[i].in)
            print_error("%s in %s\n", rows[i].addr, rows[i].network);
        assert_int_equal(ed_networks_have(&n, 1, &addr), rows[i].in);
    }
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const texts[] = {
        "",           "/",           "10.0.0.0/",    "10.0.0.0/33",
        "10.0.0.1/8", "10.0.0.0/-1", "10.0.0.0/+8",  "10.0.0.0/8 ",
        "10.0.0/8",   "::/129",      "2001:db8::/8", "localhost",
        "unix:",      "unix/8",      "10.0.0.0/8/8", "10.0.0.0:80",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ed_network n;
        if (!ed_network_parse(&n, ed_bytes(texts[i])))
            print_error("'%s' was taken\n", texts[i]);
        assert_int_equal(ed_network_parse(&n, ed_bytes(texts[i])), ED_EADDR);
    }
}

static void one_of_several_is_enough(void **state)
{
    (void)state;
    struct ed_network n[2];
    struct ed_addr addr = address("192.0.2.1");
    assert_int_equal(ed_network_parse(&n[0], ED_BYTES("10.0.0.0/8")), 0);
    assert_int_equal(ed_network_parse(&n[1], ED_BYTES("192.0.2.0/24")), 0);
    assert_true(ed_networks_have(n, 2, &addr));
    assert_false(ed_networks_have(n, 1, &addr));
    assert_false(ed_networks_have(NULL, 0, &addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_within_are_in_it),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(one_of_several_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
