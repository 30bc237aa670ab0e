/*
 * test_http1_request.c - which requests are read, as what, and which are
 * refused with which status. Every one is read in every way it can arrive.
 */
#include "heads.h"

#include <stdio.h>

struct refused {
    const char *text;
    int status;
    size_t len; /* of texts with a NUL in them */
};

static void refuse(const struct refused *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
        struct heads_result r;

        heads_read_every_way(&r, ed_bytes_of(cases[i].text, len),
                             HEADS_REQUEST);
        if (r.result >= 0 || r.head.error_status != cases[i].status)
            print_error("case %zu: %s\n", i, cases[i].text);
        assert_true(r.result < 0);
        assert_non_null(r.head.error);
        assert_int_equal(r.head.error_status, cases[i].status);
        assert_int_equal(r.result, cases[i].status == 414   ? ED_EURILIMIT
                                   : cases[i].status == 431 ? ED_EHEADLIMIT
                                                            : ED_EPROTO);
    }
}

#define REFUSE(cases) refuse(cases, sizeof(cases) / sizeof((cases)[0]))
#define NUL(text, status)              \
    {                                  \
        text, status, sizeof(text) - 1 \
    }

/* Reads a request that must be whole. */
static struct ed_bytes accept(struct heads_result *r, const char *text)
{
    struct ed_bytes bytes = ed_bytes(text);

    heads_read_every_way(r, bytes, HEADS_REQUEST);
    if (r->head.error)
        print_error("%s: %s\n", text, r->head.error);
    assert_int_equal(r->result, bytes.len);
    assert_null(r->head.error);
    return bytes;
}

/* A request with one more field line. */
static const char *with_field(const char *field)
{
    static char text[256];

    snprintf(text, sizeof(text), "POST /x HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n",
             field);
    return text;
}

static void refuse_fields(const char *const *fields, size_t count, int status)
{
    for (size_t i = 0; i < count; i++) {
        struct refused one = {with_field(fields[i]), status};

        refuse(&one, 1);
    }
}

#define REFUSE_FIELDS(fields, status) \
    refuse_fields(fields, sizeof(fields) / sizeof((fields)[0]), status)

static void a_request_is_taken_apart(void **state)
{
    struct heads_result r;
    struct ed_bytes b = accept(&r, "GET /a/b?c=d?e HTTP/1.1\r\n"
                                   "Host: www.example.com:8080\r\n"
                                   "X-Empty:\r\n"
                                   "x-Odd: \t two words \t \r\n"
                                   "ACCEPT:*/*\r\n"
                                   "\r\n");

    (void)state;
    heads_assert_span(b, r.head.method, "GET");
    heads_assert_span(b, r.head.target, "/a/b?c=d?e");
    heads_assert_span(b, r.head.path, "/a/b");
    heads_assert_span(b, r.head.query, "c=d?e");
    heads_assert_span(b, r.head.host, "www.example.com:8080");
    assert_int_equal(r.head.minor, 1);
    assert_int_equal(r.head.body, ED_BODY_NONE);
    assert_true(r.head.keep_alive);
    assert_true(r.head.has_host);
    assert_false(r.head.upgrade);
    assert_int_equal(r.head.field_count, 4);
    heads_assert_span(b, r.fields[1].name, "X-Empty");
    heads_assert_span(b, r.fields[1].value, "");
    heads_assert_span(b, r.fields[2].value, "two words");
    assert_int_equal(r.fields[0].known, ED_FIELD_HOST);
    assert_int_equal(r.fields[2].known, ED_FIELD_OTHER);
    assert_int_equal(r.fields[3].known, ED_FIELD_ACCEPT);
}

static void what_is_behind_a_head_is_left(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00\r\nGET";
    struct heads_result r;

    (void)state;
    heads_read_every_way(&r, ed_bytes_of(text, sizeof(text) - 1),
                         HEADS_REQUEST);
    assert_int_equal(r.result, 27);
}

static void an_unfinished_head_needs_more(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r";
    struct heads_result r;

    (void)state;
    heads_read_every_way(&r, ed_bytes(text), HEADS_REQUEST);
    assert_int_equal(r.result, 0);
    assert_null(r.head.error);
}

static void known_fields_are_recognised_in_any_case(void **state)
{
    static const struct {
        const char *line;
        int known;
    } cases[] = {
        {"Content-Length: 1", ED_FIELD_CONTENT_LENGTH},
        {"tRANSFER-eNCODING: chunked", ED_FIELD_TRANSFER_ENCODING},
        {"CONNECTION: close", ED_FIELD_CONNECTION},
        {"expect: 100-continue", ED_FIELD_EXPECT},
        {"Upgrade: x", ED_FIELD_UPGRADE},
        {"Content-Type: a/b", ED_FIELD_CONTENT_TYPE},
        {"cookie: a=b", ED_FIELD_COOKIE},
        {"Accept: a", ED_FIELD_ACCEPT},
        {"DATE: x", ED_FIELD_DATE},
        {"Server: x", ED_FIELD_SERVER},
        {"Serves: x", ED_FIELD_OTHER},
        {"Hos: x", ED_FIELD_OTHER},
        {"Hosts: x", ED_FIELD_OTHER},
        {"Content_Length: x", ED_FIELD_OTHER},
        {"Transfer-Encodinh: x", ED_FIELD_OTHER},
        {"Transfer-Encoding2: x", ED_FIELD_OTHER},
    };
    struct heads_result r;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        accept(&r, with_field(cases[i].line));
        assert_int_equal(r.fields[1].known, cases[i].known);
    }
}

static void every_token_is_a_name_and_nothing_else(void **state)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    char text[64];

    (void)state;
    for (int c = 1; c < 256; c++) {
        bool token = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                     (c >= 'a' && c <= 'z') || strchr(others, c);
        char byte = (char)c;
        struct heads_result r;

        assert_int_equal(ed_http1_is_token(ed_bytes_of(&byte, 1)), token);
        if (c == ':') /* ends a name */
            continue;
        snprintf(text, sizeof(text),
                 "GET / HTTP/1.1\r\nHost: a\r\na%cb: c\r\n\r\n", c);
        heads_read_every_way(&r, ed_bytes(text), HEADS_REQUEST);
        assert_int_equal(r.result > 0, token);
    }
}

static void controls_but_tab_are_no_part_of_a_value(void **state)
{
    char text[] = "GET / HTTP/1.1\r\nHost: a\r\nb: c?d\r\n\r\n";
    char *byte = strchr(text, '?');

    (void)state;
    for (int c = 0; c < 256; c++) {
        bool valid = c == '\t' || (c >= ' ' && c != 0x7f);
        struct heads_result r;

        *byte = (char)c;
        heads_read_every_way(&r, ed_bytes_of(text, sizeof(text) - 1),
                             HEADS_REQUEST);
        assert_int_equal(r.result > 0, valid);
        assert_int_equal(ed_http1_is_value(ed_bytes_of(byte - 1, 3)), valid);
    }
}

static void a_target_is_visible_ascii_without_a_hash(void **state)
{
    char text[] = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";

    (void)state;
    for (int c = 0; c < 256; c++) {
        bool valid = c > ' ' && c < 0x7f && c != '#';
        struct heads_result r;

        text[6] = (char)c;
        heads_read_every_way(&r, ed_bytes_of(text, sizeof(text) - 1),
                             HEADS_REQUEST);
        assert_int_equal(r.result > 0, valid);
        if (!valid)
            assert_int_equal(r.head.error_status, 400);
    }
}

static void two_lengths_are_refused(void **state)
{
    static const char *const fields[] = {
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 3",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    };

    (void)state;
    REFUSE_FIELDS(fields, 400);
}

static void odd_lengths_are_refused(void **state)
{
    static const char *const fields[] = {
        "Content-Length:",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length: 3a",
        "Content-Length: 3 3",
        "Content-Length: 3;",
        "Content-Length: \"3\"",
        "Content-Length: 9223372036854775808",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999",
    };

    (void)state;
    REFUSE_FIELDS(fields, 400);
}

static void a_length_is_read(void **state)
{
    struct heads_result r;

    (void)state;
    accept(&r, with_field("Content-Length: 9223372036854775807"));
    assert_int_equal(r.head.body, ED_BODY_LENGTH);
    assert_true(r.head.content_length == INT64_MAX);
    accept(&r, with_field("Content-Length: 0"));
    assert_int_equal(r.head.body, ED_BODY_LENGTH);
    assert_true(r.head.content_length == 0);
    accept(&r, with_field("Content-Length: 0012"));
    assert_true(r.head.content_length == 12);
}

static void only_chunked_is_a_transfer_encoding(void **state)
{
    static const char *const fields[] = {
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
    };
    static const struct refused old[] = {
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    };
    struct heads_result r;

    (void)state;
    REFUSE_FIELDS(fields, 501);
    REFUSE(old);
    accept(&r, with_field("Transfer-Encoding: CHUNKED"));
    assert_int_equal(r.head.body, ED_BODY_CHUNKED);
}

static void lines_end_with_crlf_only(void **state)
{
    static const struct refused cases[] = {
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400},
        {"GET / HTTP/1.1\rX\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\rD: e\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\nD: e\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\r\n\r\n", 400},
        {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        NUL("GET / HTTP/1.1\r\nHost: a\r\nB: \0\r\n\r\n", 400),
        NUL("GET / HTTP/1.1\r\nHost: a\r\n\0: b\r\n\r\n", 400),
        NUL("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        NUL("G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    };

    (void)state;
    REFUSE(cases);
}

static void white_space_stands_only_around_values(void **state)
{
    static const struct refused cases[] = {
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\td\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };

    (void)state;
    REFUSE(cases);
}

static void exactly_one_valid_host_is_asked_for(void **state)
{
    static const struct refused cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\n\r\n", 400},
        {"CONNECT a:80 HTTP/1.1\r\n\r\n", 400},
    };
    static const char *const hosts[] = {
        "u@a",     "a/b",      "a b",     "a,b:x",     "a:b",
        "a:65536", ":80",      "a:80:80", "[::1",      "[::1]x",
        "[::1]:x", "[]",       "[::g]",   "[1.2.3.4]", "[fe80::1%25eth0]",
        "a%",      "a%2",      "a%2x",    "a?b",       "a#b",
        "a\\b",    "http://a", "\"a\"",   "a\xc3\xa9", "::1",
        "[v1.x]",  "<a>",      "a:+80",   "[::1]]",    "a]",
    };
    static const char *const valid[] = {
        "",
        "a",
        "a.b-c_d~e",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:443",
        "a:",
        "a:65535",
        "%41b%20",
        "a%41:80",
        "!$&'()*+,;=",
        "[::ffff:1.2.3.4]",
        "a-name-that-is-longer-than-one-vector.example.com:80",
    };
    char text[200];

    (void)state;
    REFUSE(cases);
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct refused one = {text, 400};

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
                 hosts[i]);
        refuse(&one, 1);
    }
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        struct heads_result r;

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
                 valid[i]);
        heads_assert_span(accept(&r, text), r.head.host, valid[i]);
    }
}

static void http_1_0_may_do_without_a_host(void **state)
{
    struct heads_result r;

    (void)state;
    accept(&r, "GET / HTTP/1.0\r\n\r\n");
    assert_false(r.head.has_host);
    assert_false(r.head.keep_alive);
    assert_int_equal(r.head.minor, 0);
}

static void each_target_form_has_its_place(void **state)
{
    static const struct refused cases[] = {
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"OPTIONS *?a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http: HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://?x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://a:x/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET httpx://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET ht?p://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT :80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT [::1] HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a:80?b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };
    static const struct {
        const char *line, *path, *query, *host;
    } valid[] = {
        {"GET / HTTP/1.1", "/", "", "h"},
        {"GET //a HTTP/1.1", "//a", "", "h"},
        {"GET /? HTTP/1.1", "/", "", "h"},
        {"GET /a??b HTTP/1.1", "/a", "?b", "h"},
        {"OPTIONS * HTTP/1.1", "*", "", "h"},
        {"OPTIONS /a HTTP/1.1", "/a", "", "h"},
        {"GET http://a/b?c HTTP/1.1", "/b", "c", "a"},
        {"GET HTTPS://a:8/b HTTP/1.1", "/b", "", "a:8"},
        {"GET http://a HTTP/1.1", "/", "", "a"},
        {"GET http://[::1]:80?q=/ HTTP/1.1", "/", "q=/", "[::1]:80"},
        {"CONNECT a:443 HTTP/1.1", "", "", "a:443"},
        {"CONNECT [::1]:443 HTTP/1.1", "", "", "[::1]:443"},
    };
    char text[200];

    (void)state;
    REFUSE(cases);
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        struct heads_result r;

        snprintf(text, sizeof(text), "%s\r\nHost: h\r\n\r\n", valid[i].line);
        struct ed_bytes b = accept(&r, text);
        heads_assert_span(b, r.head.path, valid[i].path);
        heads_assert_span(b, r.head.query, valid[i].query);
        heads_assert_span(b, r.head.host, valid[i].host);
        assert_true(r.head.has_host);
    }
}

static void versions_are_1_0_and_1_1(void **state)
{
    static const struct refused cases[] = {
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/3\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / FOO\r\nHost: a\r\n\r\n", 400},
        {"GET / \r\nHost: a\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"\x16\x03\x01\x02", 400}, /* a TLS handshake */
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET:/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };

    (void)state;
    REFUSE(cases);
}

static void a_few_empty_lines_may_come_first(void **state)
{
    static const struct refused cases[] = {
        {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    };
    struct heads_result r;
    struct ed_bytes b =
        accept(&r, "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");

    (void)state;
    heads_assert_span(b, r.head.method, "GET");
    REFUSE(cases);
}

static void connection_options_are_a_list(void **state)
{
    static const struct {
        const char *fields;
        bool keep_alive, upgrade;
    } cases[] = {
        {"A: b", true, false},
        {"Connection: close", false, false},
        {"Connection: CLOSE", false, false},
        {"Connection: keep-alive , Close", false, false},
        {"Connection: ,\t, close ,", false, false},
        {"Connection: closed", true, false},
        {"Connection: foo\r\nConnection: close", false, false},
        {"Connection: Upgrade\r\nUpgrade: websocket", true, true},
        {"Upgrade: websocket\r\nConnection: x, upgrade", true, true},
        {"Upgrade: websocket", true, false},
        {"Connection: upgrade", true, false},
    };
    struct heads_result r;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        accept(&r, with_field(cases[i].fields));
        assert_int_equal(r.head.keep_alive, cases[i].keep_alive);
        assert_int_equal(r.head.upgrade, cases[i].upgrade);
    }
    accept(&r, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_true(r.head.keep_alive);
    accept(&r, "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_false(r.head.upgrade);
}

static void only_100_continue_can_be_expected(void **state)
{
    static const char *const fields[] = {
        "Expect: 200-ok",
        "Expect:",
        "Expect: 100-continue, x",
    };
    struct heads_result r;

    (void)state;
    REFUSE_FIELDS(fields, 417);
    accept(&r, with_field("Expect: 100-Continue"));
    assert_true(r.head.expect_continue);
    accept(&r, "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert_false(r.head.expect_continue);
}

/* A request with a target, a value and a number of fields of these sizes. */
static struct ed_bytes sized(size_t target, size_t value, int fields)
{
    static char text[1024];
    int len = snprintf(text, sizeof(text),
                       "GET /%0*d HTTP/1.1\r\nHost: a\r\nB: %0*d\r\n",
                       (int)target - 1, 0, (int)value, 0);

    for (int i = 2; i < fields; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "C:\r\n");
    len += snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
    return ed_bytes_of(text, (size_t)len);
}

static void assert_limit(struct ed_bytes bytes, int status)
{
    struct heads_result r;

    heads_read_every_way(&r, bytes, HEADS_REQUEST);
    assert_int_equal(r.head.error_status, status);
    assert_int_equal(r.result > 0, status == 0);
}

static void limits_hold_to_the_byte(void **state)
{
    static const struct refused methods[] = {
        {"ABCDEFGHABCDEFGHABCDEFGHABCDEFGHI / HTTP/1.1\r\n", 501},
    };
    struct heads_result r;

    (void)state;
    assert_limit(sized(87, 97, HEADS_MAX_FIELDS), 0);
    assert_limit(sized(88, 97, HEADS_MAX_FIELDS), 414);
    assert_limit(sized(87, 98, HEADS_MAX_FIELDS), 431);
    assert_limit(sized(87, 97, HEADS_MAX_FIELDS + 1), 431);
    REFUSE(methods);
    accept(&r,
           "ABCDEFGHABCDEFGHABCDEFGHABCDEFGH / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void a_head_too_large_is_refused_at_its_limit(void **state)
{
    char text[512];
    struct heads_result r;
    int len = snprintf(text, sizeof(text),
                       "GET / HTTP/1.1\r\nHost: a\r\nA: %090d\r\nB: %090d\r\n"
                       "C: %0*d\r\n\r\n",
                       0, 0, 78, 0);

    (void)state;
    assert_int_equal(len, 300);
    heads_read_every_way(&r, ed_bytes(text), HEADS_REQUEST);
    assert_int_equal(r.result, 300);
    snprintf(text + len - 4, sizeof(text) - (size_t)len, "0\r\n\r\n");
    heads_read_every_way(&r, ed_bytes(text), HEADS_REQUEST);
    assert_int_equal(r.result, ED_EHEADLIMIT);
    assert_int_equal(r.head.error_status, 431);
}

static void reasons_belong_to_statuses(void **state)
{
    (void)state;
    assert_string_equal(ed_http_reason(200), "OK");
    assert_string_equal(ed_http_reason(404), "Not Found");
    assert_string_equal(ed_http_reason(511), "Network Authentication Required");
    assert_string_equal(ed_http_reason(299), "");
    assert_string_equal(ed_http_reason(-1), "");
}

static void a_value_that_could_split_a_reply_is_told(void **state)
{
    (void)state;
    assert_true(ed_http1_is_value(ED_BYTES("")));
    assert_true(ed_http1_is_value(ED_BYTES("a b\tc\xff")));
    assert_false(ed_http1_is_value(ED_BYTES("a\r\nSet-Cookie: b")));
    assert_false(ed_http1_is_value(ED_BYTES(" a")));
    assert_false(ed_http1_is_value(ED_BYTES("a\t")));
    assert_false(ed_http1_is_token(ED_BYTES("")));
    assert_false(ed_http1_is_token(ED_BYTES("a b")));
    assert_true(ed_http1_is_token(ED_BYTES("X-Long-Name-Of-More-Than-A-Word")));
}

static void a_token_of_a_list_is_found_whole_in_any_case(void **state)
{
    struct ed_bytes list = ED_BYTES("keep-alive,, \tClose ,x");

    (void)state;
    assert_true(ed_http1_lists(list, ED_BYTES("keep-alive")));
    assert_true(ed_http1_lists(list, ED_BYTES("close")));
    assert_true(ed_http1_lists(list, ED_BYTES("X")));
    assert_false(ed_http1_lists(list, ED_BYTES("keep")));
    assert_false(ed_http1_lists(list, ED_BYTES("closed")));
    assert_false(ed_http1_lists(ED_BYTES(""), ED_BYTES("close")));
    assert_false(ed_http1_lists(ed_bytes(NULL), ED_BYTES("close")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(what_is_behind_a_head_is_left),
        cmocka_unit_test(an_unfinished_head_needs_more),
        cmocka_unit_test(known_fields_are_recognised_in_any_case),
        cmocka_unit_test(every_token_is_a_name_and_nothing_else),
        cmocka_unit_test(controls_but_tab_are_no_part_of_a_value),
        cmocka_unit_test(a_target_is_visible_ascii_without_a_hash),
        cmocka_unit_test(two_lengths_are_refused),
        cmocka_unit_test(odd_lengths_are_refused),
        cmocka_unit_test(a_length_is_read),
        cmocka_unit_test(only_chunked_is_a_transfer_encoding),
        cmocka_unit_test(lines_end_with_crlf_only),
        cmocka_unit_test(white_space_stands_only_around_values),
        cmocka_unit_test(exactly_one_valid_host_is_asked_for),
        cmocka_unit_test(http_1_0_may_do_without_a_host),
        cmocka_unit_test(each_target_form_has_its_place),
        cmocka_unit_test(versions_are_1_0_and_1_1),
        cmocka_unit_test(a_few_empty_lines_may_come_first),
        cmocka_unit_test(connection_options_are_a_list),
        cmocka_unit_test(only_100_continue_can_be_expected),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(a_head_too_large_is_refused_at_its_limit),
        cmocka_unit_test(reasons_belong_to_statuses),
        cmocka_unit_test(a_value_that_could_split_a_reply_is_told),
        cmocka_unit_test(a_token_of_a_list_is_found_whole_in_any_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
