/*
 * test_client_forms.c - forms and files that a client sends.
 */
#include "held.h"
#include "site.h"
#include <errno.h>
#include <eddy/file.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What the server of a test has got. */
static struct {
    char type[200];
    char length[24];
    struct ed_buf body;
    unsigned requests;
    int64_t pause; /* before it reads */
} got;

static void note(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "none");
}

static int take(ed_req *req)
{
    struct ed_bytes body;

    got.requests++;
    if (!strcmp(ed_req_path(req), "/moved")) {
        int read = ed_body(req, &body);
        return read ? read : ed_redirect(req, 307, "/");
    }
    note(got.type, sizeof(got.type), ed_header(req, "Content-Type"));
    note(got.length, sizeof(got.length), ed_header(req, "Content-Length"));
    ed_body_limit(req, 64 * 1024 * 1024);
    int err = ed_sleep(got.pause);
    if (!err)
        err = ed_body(req, &body);
    if (err)
        return err;
    got.body.len = 0;
    err = ed_buf_add(&got.body, body.ptr, body.len);
    return err ? err : ed_reply(req, 200, "%s", ed_req_method(req));
}

static struct site site;

static void begin(void)
{
    memset(&site, 0, sizeof(site));
    memset(&got, 0, sizeof(got));
    site_open(&site, take);
}

static void end(void)
{
    site_close(&site);
    ed_buf_free(&got.body);
}

/* A file with that content, and its path. */
static const char *file_with(struct ed_bytes content)
{
    static char path[100];

    snprintf(path, sizeof(path), "/tmp/eddy-forms-%d", getpid());
    check_int(ed_file_write(path, content), 0);
    return path;
}

static bool got_body(const char *text)
{
    return check_text(got.body.ptr ? got.body.ptr : "", text);
}

/* ---- forms ---- */

FIBER_TEST(fields_alone_are_sent_urlencoded)
{
    ed_form *form = ed_form_new();
    ed_res *res;

    begin();
    ed_form_add(form, "a b", "c&d=e");
    ed_form_add(form, "\xc3\xa4", "1+1\r\n~");
    ed_form_add(form, "a b", "");
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), 0);
    check_text(ed_res_text(res), "POST");
    check_text(got.type, "application/x-www-form-urlencoded");
    check_text(got.length, "42");
    got_body("a%20b=c%26d%3De&%C3%A4=1%2B1%0D%0A~&a%20b=");
    end();
}

FIBER_TEST(an_empty_form_is_a_body_too)
{
    ed_res *res;

    begin();
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = ed_form_new(),
                       .method = "PUT"),
              0);
    check_text(ed_res_text(res), "PUT");
    check_text(got.length, "0");
    end();
}

FIBER_TEST(files_make_a_form_multipart)
{
    ed_form *form = ed_form_new();
    char want[1000], boundary[80];
    ed_res *res;

    begin();
    ed_form_add(form, "title", "A \"report\"");
    ed_form_file(form, "scan", file_with(ED_BYTES("file\n")), .type = "a/b");
    ed_form_bytes(form, "data", ED_BYTES("\0bytes"), .filename = "d\"");
    ed_form_bytes(form, "none", ED_BYTES(""));
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), 0);
    check_int(sscanf(got.type, "multipart/form-data; boundary=%79s", boundary),
              1);
    int len =
        snprintf(want, sizeof(want),
                 "--%s\r\n"
                 "Content-Disposition: form-data; name=\"title\"\r\n\r\n"
                 "A \"report\"\r\n--%s\r\n"
                 "Content-Disposition: form-data; name=\"scan\"; "
                 "filename=\"eddy-forms-%d\"\r\n"
                 "Content-Type: a/b\r\n\r\nfile\n\r\n--%s\r\n"
                 "Content-Disposition: form-data; name=\"data\"; "
                 "filename=\"d%%22\"\r\n"
                 "Content-Type: application/octet-stream\r\n\r\n"
                 "%cbytes\r\n--%s\r\n"
                 "Content-Disposition: form-data; name=\"none\"\r\n"
                 "Content-Type: application/octet-stream\r\n\r\n"
                 "\r\n--%s--\r\n",
                 boundary, boundary, getpid(), boundary, 0, boundary, boundary);
    check(ed_bytes_equal(ed_buf_bytes(&got.body),
                         ed_bytes_of(want, (size_t)len)));
    check_int(strtol(got.length, NULL, 10), len);
    end();
}

FIBER_TEST(a_form_can_be_sent_again_with_another_boundary)
{
    ed_form *form = ed_form_new();
    char type[200];
    ed_res *res;

    begin();
    ed_form_bytes(form, "a", ED_BYTES("b"));
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), 0);
    snprintf(type, sizeof(type), "%s", got.type);
    size_t len = got.body.len;
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), 0);
    check(strcmp(type, got.type) != 0);
    check_int(got.body.len, len);
    end();
}

FIBER_TEST(a_redirect_is_sent_all_of_it_again)
{
    ed_form *form = ed_form_new();
    ed_res *res;

    begin();
    ed_form_file(form, "a", file_with(ED_BYTES("content")));
    check_int(ed_fetch(&res, site_url(&site, "/moved"), .form = form), 0);
    check_int(got.requests, 2);
    check_int(got.body.len, strtol(got.length, NULL, 10));
    check(ed_bytes_find(ed_buf_bytes(&got.body), ED_BYTES("content\r\n--")) >
          0);
    check_int(ed_fetch(&res, site_url(&site, "/moved"),
                       .file = file_with(ED_BYTES("again")), .stream = true),
              0);
    ed_res_close(res);
    got_body("again");
    end();
}

FIBER_TEST(a_form_that_is_not_well_filled_in_fails_the_fetch)
{
    ed_form *form = ed_form_new();
    ed_res *res;

    begin();
    check_int(ed_form_bytes(form, "a", ED_BYTES("b"), .type = "a\r\nX: y"),
              ED_EUSAGE);
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), ED_EUSAGE);
    check(strstr(ed_error(), "form: the type of a part is none") != NULL);
    check_int(got.requests, 0);
    check_int(ed_form_add(NULL, "a", "b"), ED_ENOMEM);
    end();
}

FIBER_TEST(two_bodies_are_refused)
{
    ed_res *res;

    begin();
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = ed_form_new(),
                       .body = ED_BYTES("")),
              ED_EUSAGE);
    check(strstr(ed_error(), "there are two of them") != NULL);
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = ed_form_new(),
                       .file = "/etc/hosts"),
              ED_EUSAGE);
    check_int(got.requests, 0);
    end();
}

/* ---- files ---- */

FIBER_TEST(a_file_is_sent_with_its_length)
{
    ed_res *res;

    begin();
    check_int(ed_fetch(&res, site_url(&site, "/"),
                       .file = file_with(ED_BYTES("content")), .method = "PUT",
                       .content_type = "text/x"),
              0);
    check_text(got.type, "text/x");
    check_text(got.length, "7");
    got_body("content");
    check_int(
        ed_fetch(&res, site_url(&site, "/"), .file = file_with(ED_BYTES(""))),
        0);
    check_text(got.type, "application/octet-stream");
    check_text(got.length, "0");
    end();
}

FIBER_TEST(a_large_file_arrives_whole_and_is_closed)
{
    enum { LARGE = 5 * 1000 * 1000 + 7 };
    char *content = malloc(LARGE);
    ed_res *res;

    begin();
    for (size_t i = 0; i < LARGE; i++)
        content[i] = (char)(i * 7919 >> 5);
    const char *path = file_with(ed_bytes_of(content, LARGE));
    /* A first one, for what the pool of threads opens. */
    check_int(ed_fetch(&res, site_url(&site, "/"), .file = path), 0);
    int before = held_descriptors();
    check_int(ed_fetch(&res, site_url(&site, "/"), .file = path), 0);
    check_int(held_descriptors(), before);
    check(ed_bytes_equal(ed_buf_bytes(&got.body), ed_bytes_of(content, LARGE)));
    check_int(
        ed_fetch(&res, site_url(&site, "/"), .file = path, .stream = true), 0);
    ed_res_close(res);
    check_int(held_descriptors(), before);
    free(content);
    end();
}

/* Grows or shrinks while the server does not read. */
static int resize(void *path)
{
    struct stat st;
    int err = ed_sleep(5 * ED_S);

    if (!err && !stat(path, &st))
        err = truncate(path, st.st_size + (got.requests > 1 ? -1 : 1));
    return err;
}

static void send_resized(const char *path, const char *how)
{
    char text[300];
    ed_res *res;

    ed_scope(s);
    ed_go(s, resize, (void *)(uintptr_t)path);
    got.pause = 10 * ED_S;
    check_int(ed_fetch(&res, site_url(&site, "/"), .file = path), ED_EUSAGE);
    snprintf(text, sizeof(text), "body to send: %s: became %s while", path,
             how);
    check_(strstr(ed_error(), text) != NULL, "%s", ed_error());
    check_int(ed_wait(s), 0);
}

FIBER_TEST(a_file_that_changes_while_it_is_sent_fails_the_fetch)
{
    enum { LARGE = 8 * 1024 * 1024 };
    char *content = calloc(1, LARGE);

    begin();
    const char *path = file_with(ed_bytes_of(content, LARGE));
    send_resized(path, "larger");
    send_resized(path, "smaller");
    check_int(got.body.len, 0);
    free(content);
    end();
}

FIBER_TEST(what_cannot_be_opened_says_why)
{
    static const struct {
        const char *path;
        int err;
        const char *why;
    } cases[] = {{"/no/such", -ENOENT, "POST http+unix:"},
                 {"/no/such", -ENOENT, ": /no/such: No such file or directory"},
                 {"/tmp", -EISDIR, ": /tmp: Is a directory"},
                 {"/dev/null", ED_EUSAGE, ": /dev/null: is no regular file"}};
    ed_form *form = ed_form_new();
    ed_res *res;

    begin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        check_int(ed_fetch(&res, site_url(&site, "/"), .file = cases[i].path),
                  cases[i].err);
        check(strstr(ed_error(), cases[i].why) != NULL);
    }
    ed_form_file(form, "x", file_with(ED_BYTES("there")));
    ed_form_file(form, "y", "/no/such");
    int before = held_descriptors();
    check_int(ed_fetch(&res, site_url(&site, "/"), .form = form), -ENOENT);
    check_int(held_descriptors(), before);
    check_int(got.requests, 0);
    end();
}

int main(void)
{
    char path[100];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_alone_are_sent_urlencoded),
        cmocka_unit_test(an_empty_form_is_a_body_too),
        cmocka_unit_test(files_make_a_form_multipart),
        cmocka_unit_test(a_form_can_be_sent_again_with_another_boundary),
        cmocka_unit_test(a_redirect_is_sent_all_of_it_again),
        cmocka_unit_test(a_form_that_is_not_well_filled_in_fails_the_fetch),
        cmocka_unit_test(two_bodies_are_refused),
        cmocka_unit_test(a_file_is_sent_with_its_length),
        cmocka_unit_test(a_large_file_arrives_whole_and_is_closed),
        cmocka_unit_test(a_file_that_changes_while_it_is_sent_fails_the_fetch),
        cmocka_unit_test(what_cannot_be_opened_says_why),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(path, sizeof(path), "/tmp/eddy-forms-%d", getpid());
    unlink(path);
    return failed;
}
