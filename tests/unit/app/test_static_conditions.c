/*
 * test_static_conditions.c - what a request's fields make of the answer:
 * conditions, in their order of precedence, and ranges.
 */
#include "static_site.h"

#include <eddy/log.h>

#define CONTENT "0123456789"
#define BEFORE  "Tue, 14 Nov 2023 22:13:19 GMT"
#define AFTER   "Tue, 14 Nov 2023 22:13:21 GMT"

/* A row: fields, in which $ stands for the file's tag, and what comes. */
struct row {
    const char *fields;
    int status;
    const char *body; /* NULL: any */
};

/* The fields of a row with the tag filled in; to be freed. */
static char *filled_in(const char *fields, const char *tag)
{
    struct ed_buf text = {0};
    int err = 0;
    for (; *fields && !err; fields++)
        err = *fields == '$' ? ed_buf_add(&text, tag, strlen(tag))
                             : ed_buf_add(&text, fields, 1);
    check_int(err, 0);
    return text.ptr;
}

/* Asks for a file of CONTENT by each row. */
static void try_rows(struct site *s, const struct row *rows, size_t count)
{
    char tag[100];
    site_file(s, "a.txt", CONTENT);
    site_get(s, "/static/a.txt");
    snprintf(tag, sizeof tag, "%s", site_field(s, "etag"));
    for (size_t i = 0; i < count; i++) {
        char *fields = filled_in(rows[i].fields, tag);
        site_ask(s, "GET", "/static/a.txt", fields);
        check_(s->status == rows[i].status, "%s: %d, not %d", rows[i].fields,
               s->status, rows[i].status);
        check_(!rows[i].body || !strcmp(s->body, rows[i].body), "%s: '%s'",
               rows[i].fields, s->body);
        if (s->status != 412 && s->status != 416)
            check_text(site_field(s, "etag"), tag);
        free(fields);
    }
}

#define TRY(...)                                        \
    do {                                                \
        static const struct row rows[] = __VA_ARGS__;   \
        struct site s;                                  \
        site_open(&s);                                  \
        try_rows(&s, rows, sizeof rows / sizeof *rows); \
        site_close(&s);                                 \
    } while (0)

FIBER_TEST(one_condition_is_judged_by_itself)
{
    TRY({
        {"", 200, CONTENT},
        {"If-Match: $\r\n", 200, CONTENT},
        {"If-Match: \"x\", $\r\n", 200, CONTENT},
        {"If-Match: \"x\"\r\nIf-Match: $\r\n", 200, CONTENT},
        {"If-Match: *\r\n", 200, CONTENT},
        {"If-Match: \"x\"\r\n", 412, NULL},
        {"If-Match: W/$\r\n", 412, NULL},
        {"If-None-Match: $\r\n", 304, ""},
        {"If-None-Match: W/$\r\n", 304, ""},
        {"If-None-Match: \"x\", $\r\n", 304, ""},
        {"If-None-Match: \"x\"\r\nIf-None-Match: $\r\n", 304, ""},
        {"If-None-Match: *\r\n", 304, ""},
        {"If-None-Match: \"x\"\r\n", 200, CONTENT},
        {"If-None-Match: x\r\n", 200, CONTENT},
        {"If-Modified-Since: " FILES_DATE "\r\n", 304, ""},
        {"If-Modified-Since: " AFTER "\r\n", 304, ""},
        {"If-Modified-Since: " BEFORE "\r\n", 200, CONTENT},
        {"If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT\r\n", 304, ""},
        {"If-Modified-Since: yesterday\r\n", 200, CONTENT},
        {"If-Unmodified-Since: " FILES_DATE "\r\n", 200, CONTENT},
        {"If-Unmodified-Since: " AFTER "\r\n", 200, CONTENT},
        {"If-Unmodified-Since: " BEFORE "\r\n", 412, NULL},
        {"If-Unmodified-Since: yesterday\r\n", 200, CONTENT},
    });
}

FIBER_TEST(tags_go_before_dates_and_failure_before_not_modified)
{
    TRY({
        {"If-Match: $\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200, CONTENT},
        {"If-Match: \"x\"\r\nIf-Unmodified-Since: " AFTER "\r\n", 412, NULL},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " AFTER "\r\n", 200,
         CONTENT},
        {"If-None-Match: $\r\nIf-Modified-Since: " BEFORE "\r\n", 304, ""},
        {"If-Match: $\r\nIf-None-Match: $\r\n", 304, ""},
        {"If-Match: \"x\"\r\nIf-None-Match: $\r\n", 412, NULL},
        {"If-Unmodified-Since: " BEFORE "\r\nIf-None-Match: $\r\n", 412, NULL},
        {"If-Unmodified-Since: " AFTER "\r\nIf-Modified-Since: " AFTER "\r\n",
         304, ""},
        {"If-None-Match: $\r\nRange: bytes=0-1\r\n", 304, ""},
        {"If-Match: \"x\"\r\nRange: bytes=0-1\r\n", 412, NULL},
        {"If-Match: $\r\nRange: bytes=0-1\r\n", 206, "01"},
    });
}

FIBER_TEST(a_range_counts_if_what_the_client_has_is_current)
{
    TRY({
        {"Range: bytes=2-4\r\nIf-Range: $\r\n", 206, "234"},
        {"Range: bytes=2-4\r\nIf-Range: \"x\"\r\n", 200, CONTENT},
        {"Range: bytes=2-4\r\nIf-Range: W/$\r\n", 200, CONTENT},
        {"Range: bytes=2-4\r\nIf-Range: " FILES_DATE "\r\n", 206, "234"},
        {"Range: bytes=2-4\r\nIf-Range: " BEFORE "\r\n", 200, CONTENT},
        {"Range: bytes=2-4\r\nIf-Range: " AFTER "\r\n", 200, CONTENT},
        {"Range: bytes=2-4\r\nIf-Range: soon\r\n", 200, CONTENT},
        {"Range: bytes=20-\r\nIf-Range: \"x\"\r\n", 200, CONTENT},
        {"If-Range: $\r\n", 200, CONTENT},
    });
}

FIBER_TEST(a_range_is_a_part_or_ignored_or_unsatisfiable)
{
    TRY({
        {"Range: bytes=0-0\r\n", 206, "0"},
        {"Range: bytes=4-99\r\n", 206, "456789"},
        {"Range: bytes=-3\r\n", 206, "789"},
        {"Range: bytes=0-\r\n", 206, CONTENT},
        {"Range: bytes=10-\r\n", 416, NULL},
        {"Range: bytes=-0\r\n", 416, NULL},
        {"Range: bytes=5-4\r\n", 200, CONTENT},
        {"Range: lines=1-2\r\n", 200, CONTENT},
        {"Range: bytes=0-3,2-5\r\n", 206, "012345"},
    });
}

FIBER_TEST(a_date_of_this_second_says_nothing_of_a_part)
{
    struct site s;
    char fields[200], date[ED_HTTP_DATE_LEN + 1];
    site_open(&s);
    site_file(&s, "a.txt", CONTENT);
    int64_t now = ed_clock_realtime() / ED_S + 1; /* still now when it asks */
    site_age(&s, "a.txt", now);
    ed_http_date(date, now);
    snprintf(fields, sizeof fields, "Range: bytes=2-4\r\nIf-Range: %s\r\n",
             date);
    site_ask(&s, "GET", "/static/a.txt", fields);
    check_int(s.status, 200);
    site_close(&s);
}

FIBER_TEST(a_part_says_which_it_is)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.txt", CONTENT);
    site_ask(&s, "GET", "/static/a.txt", "Range: bytes=4-99\r\n");
    check_text(site_field(&s, "content-range"), "bytes 4-9/10");
    check_text(site_field(&s, "content-length"), "6");
    check_text(site_field(&s, "content-type"), "text/plain; charset=utf-8");
    site_ask(&s, "GET", "/static/a.txt", "Range: bytes=99-\r\n");
    check_text(site_field(&s, "content-range"), "bytes */10");
    check(strcmp(site_field(&s, "content-length"), "10") != 0);
    site_close(&s);
}

FIBER_TEST(what_has_not_changed_comes_with_fields_but_no_body)
{
    struct site s;
    site_open(&s);
    site_file(&s, "a.css", CONTENT);
    site_ask(&s, "GET", "/static/a.css",
             "If-Modified-Since: " FILES_DATE "\r\n");
    check_int(s.status, 304);
    check_text(site_field(&s, "cache-control"), "no-cache");
    check_text(site_field(&s, "vary"), "Accept-Encoding");
    check_text(site_field(&s, "content-length"), "");
    check_text(site_field(&s, "content-type"), "");
    check_int((long long)s.body_len, 0);
    site_close(&s);
}

/* Takes a part off a body of several, and compares it. */
static bool take_part(const char **rest, const char *boundary,
                      const char *where, const char *bytes)
{
    char head[400];
    int len = snprintf(head, sizeof head,
                       "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8"
                       "\r\nContent-Range: bytes %s/1000\r\n\r\n%s",
                       boundary, where, bytes);
    if (!check_(!strncmp(*rest, head, (size_t)len), "not '%s' but '%s'", head,
                *rest))
        return false;
    *rest += len;
    return true;
}

FIBER_TEST(several_ranges_come_in_parts)
{
    struct site s;
    char content[1001], end[100];
    for (int i = 0; i < 1000; i++)
        content[i] = (char)('a' + i % 26);
    content[1000] = '\0';
    site_open(&s);
    site_file(&s, "a.txt", content);
    site_ask(&s, "GET", "/static/a.txt", "Range: bytes=500-504,0-2,-1\r\n");
    check_int(s.status, 206);
    check_text(site_field(&s, "content-range"), "");
    const char *type = site_field(&s, "content-type");
    const char *start = "multipart/byteranges; boundary=";
    check(!strncmp(type, start, strlen(start)));
    const char *boundary = type + strlen(start);
    check_int(strtol(site_field(&s, "content-length"), NULL, 10),
              (long long)s.body_len);
    const char *rest = s.body;
    if (take_part(&rest, boundary, "500-504", "ghijk") &&
        take_part(&rest, boundary, "0-2", "abc") &&
        take_part(&rest, boundary, "999-999", "l")) {
        snprintf(end, sizeof end, "\r\n--%s--\r\n", boundary);
        check_text(rest, end);
    }
    site_close(&s);
}

/* A request of 200 bytes must not become an answer of many times the file. */
FIBER_TEST(ranges_never_come_to_more_than_the_file_and_their_heads)
{
    struct site s;
    char *noise = site_noise(100000);
    char fields[1000] = "Range: bytes=0-";
    size_t len = strlen(fields);
    site_open(&s);
    site_bytes(&s, "a", noise, 100000);
    for (int i = 0; i < 100; i++)
        len +=
            (size_t)snprintf(fields + len, sizeof fields - len, ",%d-", i % 3);
    snprintf(fields + len, sizeof fields - len, "\r\n");
    site_ask(&s, "GET", "/static/a", fields);
    check(s.body_len <= 100000);
    site_ask(&s, "GET", "/static/a", "Range: bytes=0-,0-,0-,0-,0-,0-,0-\r\n");
    check_int(s.status, 206);
    check_int((long long)s.body_len, 100000);
    site_close(&s);
    free(noise);
}

FIBER_TEST(a_changed_file_has_another_tag)
{
    struct site s;
    char tags[4][100];
    site_open(&s);
    site_file(&s, "a.txt", "one");
    site_get(&s, "/static/a.txt");
    snprintf(tags[0], 100, "%s", site_field(&s, "etag"));
    site_age(&s, "a.txt", FILES_TIME + 1);
    site_get(&s, "/static/a.txt");
    snprintf(tags[1], 100, "%s", site_field(&s, "etag"));
    site_file(&s, "a.txt", "longer");
    site_get(&s, "/static/a.txt");
    snprintf(tags[2], 100, "%s", site_field(&s, "etag"));
    site_file(&s, "b.txt", "longer");
    site_get(&s, "/static/b.txt");
    snprintf(tags[3], 100, "%s", site_field(&s, "etag"));
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++)
            check(strcmp(tags[i], tags[j]) != 0);
    }
    site_close(&s);
}

static int quiet(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_condition_is_judged_by_itself),
        cmocka_unit_test(tags_go_before_dates_and_failure_before_not_modified),
        cmocka_unit_test(a_range_counts_if_what_the_client_has_is_current),
        cmocka_unit_test(a_range_is_a_part_or_ignored_or_unsatisfiable),
        cmocka_unit_test(a_date_of_this_second_says_nothing_of_a_part),
        cmocka_unit_test(a_part_says_which_it_is),
        cmocka_unit_test(what_has_not_changed_comes_with_fields_but_no_body),
        cmocka_unit_test(several_ranges_come_in_parts),
        cmocka_unit_test(
            ranges_never_come_to_more_than_the_file_and_their_heads),
        cmocka_unit_test(a_changed_file_has_another_tag),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
