/*
 * test_addr.c - the text of addresses, both ways.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include "net/addr.h"

/* Fails with the row of the table that was not as it should be. */
static void expect(bool ok, const char *row)
{
    if (!ok)
        fail_msg("wrong for \"%s\"", row);
}

static void valid_text_is_read_and_written_back(void **state)
{
    static const struct {
        const char *text, *back;
        int family;
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:80", NULL, AF_INET, 80},
        {"0.0.0.0:0", NULL, AF_INET, 0},
        {"255.255.255.255:65535", NULL, AF_INET, 65535},
        {"[::1]:8080", NULL, AF_INET6, 8080},
        {"[::]:1", NULL, AF_INET6, 1},
        {"[2001:DB8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", AF_INET6, 443},
        {"[::ffff:10.0.0.1]:5", NULL, AF_INET6, 5},
        {"[fe80::1%lo]:22", NULL, AF_INET6, 22},
        {"[fe80::1%1]:22", "[fe80::1%lo]:22", AF_INET6, 22},
        {"[fe80::1%4000000000]:22", NULL, AF_INET6, 22},
        {"unix:/run/x.sock", NULL, AF_UNIX, 0},
        {"unix:x", NULL, AF_UNIX, 0},
        {"unix:@name", NULL, AF_UNIX, 0},
        {"unix:/a b:80", NULL, AF_UNIX, 0},
        {"unix:/\xff", "unix:/?", AF_UNIX, 0},
    };
    struct ed_addr addr, again;
    char text[ED_ADDR_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *row = rows[i].text;
        const char *back = rows[i].back ? rows[i].back : row;
        expect(!ed_addr_parse(&addr, ed_bytes(row)), row);
        expect(addr.any.sa_family == rows[i].family, row);
        expect(ed_addr_port(&addr) == rows[i].port, row);
        expect(!strcmp(ed_addr_text(&addr, text), back), row);
        expect(!ed_addr_parse(&again, ed_bytes(row)), row);
        expect(ed_addr_equal(&addr, &again), row);
    }
}

static void malformed_text_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:99999999999999999999",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:080",
        "127.0.0.1:0x50",
        "127.1:80",
        "127.0.0.256:80",
        "127.0.0.01:80",
        "0x7f.0.0.1:80",
        "1.2.3.4.5:80",
        "::1:80",
        "[::1]",
        "[::1]:",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:80",
        "[::1]x:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[::1::2]:80",
        "[fe80::1%]:80",
        "[fe80::1%0]:80",
        "[fe80::1%nosuchif]:80",
        "[fe80::1%4294967296]:80",
        "unix:",
        "a..b:80",
        ".a:80",
        "a b:80",
        "a/b:80",
        "http://a:80",
    };
    struct ed_endpoint endpoint;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int err = ed_endpoint_parse(&endpoint, ed_bytes(rows[i]));
        expect(err == ED_EADDR, rows[i]);
    }
}

static void names_and_wildcards_are_endpoints_but_no_addresses(void **state)
{
    static const struct {
        const char *text, *host;
        bool any;
        uint16_t port;
    } rows[] = {
        {"name:80", "name", false, 80},
        {"a.b-c_d.example.:1", "a.b-c_d.example.", false, 1},
        {"1and1.com:443", "1and1.com", false, 443},
        {":80", "", true, 80},
        {"*:0", "", true, 0},
    };
    struct ed_endpoint endpoint;
    struct ed_addr addr;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *row = rows[i].text;
        expect(!ed_endpoint_parse(&endpoint, ed_bytes(row)), row);
        expect(!strcmp(endpoint.host, rows[i].host), row);
        expect(endpoint.any == rows[i].any, row);
        expect(endpoint.port == rows[i].port, row);
        expect(!endpoint.addr.len, row);
        expect(ed_addr_parse(&addr, ed_bytes(row)) == ED_EADDR, row);
    }
}

static void lengths_are_bounded(void **state)
{
    char text[400];
    struct ed_endpoint endpoint;
    char out[ED_ADDR_TEXT];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_true(ed_host_is_name(ed_bytes_of(text, 63)));
    assert_false(ed_host_is_name(ed_bytes_of(text, 64)));
    for (size_t i = 50; i < sizeof(text); i += 50)
        text[i] = '.';
    assert_true(ed_host_is_name(ed_bytes_of(text, 253)));
    assert_false(ed_host_is_name(ed_bytes_of(text, 254)));

    memcpy(text, "unix:", 5);
    assert_int_equal(ed_endpoint_parse(&endpoint, ed_bytes_of(text, 5 + 107)),
                     0);
    assert_int_equal(strlen(ed_addr_text(&endpoint.addr, out)), 5 + 107);
    assert_int_equal(ed_endpoint_parse(&endpoint, ed_bytes_of(text, 5 + 108)),
                     ED_EADDR);
    text[8] = '\0';
    assert_int_equal(ed_endpoint_parse(&endpoint, ed_bytes_of(text, 20)),
                     ED_EADDR);
}

static void a_host_and_a_port_may_stand_apart(void **state)
{
    struct ed_endpoint endpoint;
    char text[ED_ADDR_TEXT];

    (void)state;
    assert_int_equal(ed_endpoint_of(&endpoint, ED_BYTES("[::1]"), 80), 0);
    assert_string_equal(ed_addr_text(&endpoint.addr, text), "[::1]:80");
    assert_int_equal(ed_endpoint_of(&endpoint, ED_BYTES("::1"), 80), 0);
    assert_string_equal(ed_addr_ip_text(&endpoint.addr, text), "::1");
    assert_int_equal(ed_endpoint_of(&endpoint, ED_BYTES("a.b"), 80), 0);
    assert_string_equal(endpoint.host, "a.b");
    assert_int_equal(ed_endpoint_of(&endpoint, ED_BYTES("10.0.0"), 80),
                     ED_EADDR);
    assert_int_equal(ed_endpoint_of(&endpoint, ED_BYTES(""), 80), ED_EADDR);
}

static void addresses_differ_by_port_and_kind(void **state)
{
    struct ed_addr a, b, none = {0};
    char text[ED_ADDR_TEXT];

    (void)state;
    assert_int_equal(ed_addr_parse(&a, ED_BYTES("10.0.0.1:80")), 0);
    b = a;
    assert_true(ed_addr_equal(&a, &b));
    ed_addr_set_port(&b, 81);
    assert_false(ed_addr_equal(&a, &b));
    assert_int_equal(ed_addr_port(&b), 81);
    assert_int_equal(ed_addr_parse(&b, ED_BYTES("unix:@x")), 0);
    ed_addr_set_port(&b, 81);
    assert_int_equal(ed_addr_port(&b), 0);
    assert_false(ed_addr_equal(&a, &b));
    assert_true(ed_addr_equal(&none, &none));
    assert_string_equal(ed_addr_text(&none, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_text_is_read_and_written_back),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(names_and_wildcards_are_endpoints_but_no_addresses),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(a_host_and_a_port_may_stand_apart),
        cmocka_unit_test(addresses_differ_by_port_and_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
