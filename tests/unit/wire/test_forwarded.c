/*
 * test_forwarded.c - reading what proxies tell.
 */
#include "wire/forwarded.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/error.h>
#include <stdio.h>
#include <string.h>

static void add(char *out, size_t size, const char *name, struct ed_bytes value)
{
    size_t len = strlen(out);
    if (value.ptr)
        snprintf(out + len, size - len, "%s=%.*s;", name, (int)value.len,
                 value.ptr);
}

static void end(char *out, size_t size, const char *mark)
{
    size_t len = strlen(out);
    snprintf(out + len, size - len, "%s", mark);
}

/* All elements, one behind the other; "!" where it is malformed. */
static const char *elements(const char *field)
{
    static char out[1000];
    struct ed_bytes rest = ed_bytes(field);
    struct ed_forwarded f;
    int got;
    *out = '\0';
    while ((got = ed_forwarded_next(&rest, &f)) > 0) {
        add(out, sizeof out, "for", f.node);
        add(out, sizeof out, "by", f.by);
        add(out, sizeof out, "proto", f.proto);
        add(out, sizeof out, "host", f.host);
        end(out, sizeof out, "|");
    }
    if (got == ED_EPARSE)
        end(out, sizeof out, "!");
    return out;
}

static void what_proxies_tell_is_read(void **state)
{
    static const struct {
        const char *field, *wanted;
    } rows[] = {
        {"", ""},
        {"for=192.0.2.43", "for=192.0.2.43;|"},
        {"For=\"[2001:db8:cafe::17]:4711\"", "for=[2001:db8:cafe::17]:4711;|"},
        {"for=192.0.2.60;proto=http;by=203.0.113.43",
         "for=192.0.2.60;by=203.0.113.43;proto=http;|"},
        {"for=192.0.2.43, for=198.51.100.17",
         "for=192.0.2.43;|for=198.51.100.17;|"},
        {"for=_hidden, for=unknown", "for=_hidden;|for=unknown;|"},
        {"for=\"a\\\"b\"", "for=a\\\"b;|"},
        {"for=\"\"", "for=;|"},
        {"host=\"a:80\" ; PROTO=https\t,  ,for=b",
         "proto=https;host=a:80;|for=b;|"},
        {", ,", ""},
        {"for=a;", "for=a;|"},
        {";;for=a", "for=a;|"},
        {"secret=x;for=a", "for=a;|"},
        {"secret=x", "|"},
        {"for=\"a,b\", for=c", "for=a,b;|for=c;|"},
        {"for", "!"},
        {"for=", "!"},
        {"=a", "!"},
        {"for =a", "!"},
        {"for= a", "!"},
        {"for=a b", "!"},
        {"for=a;for=b", "!"},
        {"for=a, for=\"b", "for=a;|!"},
        {"for=\"b\\", "!"},
        {"for=\"b\\\"", "!"},
        {"for=[2001:db8::1]", "!"},
        {"for=a\"b\"", "!"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(elements(rows[i].field), rows[i].wanted);
}

static void an_address_is_found_in_a_node(void **state)
{
    static const struct {
        const char *node, *ip;
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "[2001:db8::1]"},
        {"[2001:db8::1]:80", "[2001:db8::1]"},
        {"[2001:db8::1", ""},
        {"[2001:db8::1]x", ""},
        {"192.0.2.1:", "192.0.2.1"},
        {"192.0.2.1:8x", ""},
        {"192.0.2.1:_port", ""},
        {"192.0.2.1:65536", ""},
        {"unknown", "unknown"},
        {"", ""},
        {"::", "::"},
        {":", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ed_bytes ip = ed_forwarded_ip(ed_bytes(rows[i].node));
        if (!ed_bytes_equal(ip, ed_bytes(rows[i].ip)))
            print_error("%s: '%.*s'\n", rows[i].node, (int)ip.len, ip.ptr);
        assert_true(ed_bytes_equal(ip, ed_bytes(rows[i].ip)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_proxies_tell_is_read),
        cmocka_unit_test(an_address_is_found_in_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
