/*
 * test_json_reply.c - replies of JSON as it is written: whole while they fit,
 * in pieces when not, and never malformed.
 */
#include "site.h"

#include <eddy/log.h>
#include <jansson.h>
#include <stdlib.h>

/* Of the handler that ran last. */
static int result;
static size_t rows_written;

static void write_rows(ed_json *j, int rows)
{
    ed_json_array(j);
    for (int i = 0; i < rows && !ed_json_error(j); i++) {
        ed_json_object(j);
        ed_json_key(j, "n");
        ed_json_int(j, i);
        ed_json_key(j, "text");
        ed_json_text(j, "a \"row\"");
        ed_json_end(j);
        rows_written++;
    }
}

static int many(ed_req *req, int rows)
{
    ed_json *j = ed_reply_json_begin(req, 201);
    write_rows(j, rows);
    ed_json_end(j);
    return ed_json_finish(j);
}

/* Leaves the array open. */
static int misuse(ed_req *req, int rows)
{
    ed_json *j = ed_reply_json_begin(req, 200);
    write_rows(j, rows);
    return ed_json_finish(j);
}

/* Leaves it open, and says that all is well. */
static int forget(ed_req *req, int rows)
{
    write_rows(ed_reply_json_begin(req, 200), rows);
    return 0;
}

static int typed(ed_req *req, int rows)
{
    ed_reply_header_set(req, "Content-Type", "application/problem+json");
    ed_json *j = ed_reply_json_begin(req, 422);
    write_rows(j, rows);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int twice(ed_req *req)
{
    int err = ed_reply(req, 200, "first\n");
    return err ? err : many(req, 1);
}

static int by_path(ed_req *req)
{
    const char *path = ed_req_path(req);
    int rows = (int)strtol(ed_req_query(req), NULL, 10);
    rows_written = 0;
    if (!strcmp(path, "/many"))
        result = many(req, rows);
    else if (!strcmp(path, "/misuse"))
        result = misuse(req, rows);
    else if (!strcmp(path, "/forget"))
        result = forget(req, rows);
    else if (!strcmp(path, "/typed"))
        result = typed(req, rows);
    else if (!strcmp(path, "/status"))
        result = ed_json_finish(ed_reply_json_begin(req, 99));
    else
        result = twice(req);
    return result;
}

/* What every test begins and ends with. */
static struct site site;

static void open_site(void)
{
    ed_log_set_level(ED_LOG_OFF);
    site = (struct site){0};
    site_open(&site, by_path);
}

static ed_res *get(const char *path)
{
    ed_res *res = NULL;
    check_int(ed_get(&res, site_url(&site, path)), 0);
    return res;
}

static void check_header(const ed_res *res, const char *name,
                         const char *expected)
{
    const char *value = ed_res_header(res, name);
    if (!expected || !value)
        check(!expected && !value);
    else
        check(!strcmp(value, expected));
}

static void check_rows(struct ed_bytes body, size_t rows)
{
    json_t *read = json_loadb(body.ptr, body.len, 0, NULL);
    check(json_is_array(read));
    check_int(json_array_size(read), rows);
    for (size_t i = 0; i < rows; i++) {
        const json_t *row = json_array_get(read, i);
        check_int(json_integer_value(json_object_get(row, "n")), i);
        check(!strcmp(json_string_value(json_object_get(row, "text")),
                      "a \"row\""));
    }
    json_decref(read);
}

FIBER_TEST(a_reply_that_fits_has_a_length)
{
    open_site();
    ed_res *res = get("/many?2");
    check_int(ed_res_status(res), 201);
    check_header(res, "Content-Type", "application/json");
    check_header(res, "Content-Length", "55");
    check(!strcmp(ed_res_text(res), "[{\"n\":0,\"text\":\"a \\\"row\\\"\"},"
                                    "{\"n\":1,\"text\":\"a \\\"row\\\"\"}]"));
    ed_res_close(res);
    site_close(&site);
}

FIBER_TEST(a_reply_grows_to_its_room_before_it_is_sent)
{
    static const int rows[] = {30, 40, 150, 400};
    char path[32];

    open_site();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(path, sizeof path, "/many?%d", rows[i]);
        ed_res *res = get(path);
        check(ed_res_header(res, "Content-Length") != NULL);
        check_rows(ed_res_body(res), (size_t)rows[i]);
        ed_res_close(res);
    }
    site_close(&site);
}

FIBER_TEST(a_longer_reply_goes_out_in_pieces)
{
    open_site();
    ed_res *res = get("/many?5000");
    check_int(ed_res_status(res), 201);
    check_header(res, "Content-Type", "application/json");
    check_header(res, "Content-Length", NULL);
    check_rows(ed_res_body(res), 5000);
    ed_res_close(res);
    check_int(result, 0);
    site_close(&site);
}

FIBER_TEST(the_handler_waits_for_a_slow_client)
{
    enum { ROWS = 100000 };
    struct ed_buf body = {0};
    char piece[8192];
    ed_res *res;
    ssize_t n;

    open_site();
    check_int(ed_fetch(&res, site_url(&site, "/many?100000"), .stream = true),
              0);
    check_int(ed_sleep(10 * ED_MS), 0);
    check(rows_written < ROWS);
    while ((n = ed_res_read(res, piece, sizeof piece)) > 0)
        check_int(ed_buf_add(&body, piece, (size_t)n), 0);
    check_int(n, 0);
    check_rows(ed_buf_bytes(&body), ROWS);
    check_int(rows_written, ROWS);
    ed_buf_free(&body);
    ed_res_close(res);
    site_close(&site);
}

FIBER_TEST(misuse_becomes_an_error_reply)
{
    static const char *const paths[] = {"/misuse?3", "/forget?3", "/status"};

    open_site();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ed_res *res = get(paths[i]);
        check_int(ed_res_status(res), 500);
        check(!strchr(ed_res_text(res), '['));
        ed_res_close(res);
    }
    site_close(&site);
}

FIBER_TEST(misuse_after_a_piece_cuts_the_reply)
{
    static const char *const paths[] = {"/misuse?5000", "/forget?5000"};
    ed_res *res = NULL;

    open_site();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int err = ed_get(&res, site_url(&site, paths[i]));
        check_int(err, ED_ECONNLOST);
        check_int(result, i ? 0 : ED_EUSAGE);
    }
    site_close(&site);
}

FIBER_TEST(a_client_that_leaves_ends_the_loop)
{
    enum { ROWS = 100000 };
    ed_res *res;

    open_site();
    result = 0;
    check_int(ed_fetch(&res, site_url(&site, "/many?100000"), .stream = true),
              0);
    ed_res_close(res);
    check_int(ed_sleep(10 * ED_MS), 0);
    check(result < 0);
    check(rows_written < ROWS);
    site_close(&site);
}

FIBER_TEST(a_type_of_the_handlers_own_stays)
{
    static const char *const paths[] = {"/typed?1", "/typed?5000"};

    open_site();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ed_res *res = get(paths[i]);
        check_int(ed_res_status(res), 422);
        check_header(res, "Content-Type", "application/problem+json");
        check_rows(ed_res_body(res), i ? 5000 : 1);
        ed_res_close(res);
    }
    site_close(&site);
}

FIBER_TEST(a_second_reply_is_refused)
{
    open_site();
    ed_res *res = get("/twice");
    check_int(ed_res_status(res), 200);
    check(!strcmp(ed_res_text(res), "first\n"));
    check_int(result, ED_EUSAGE);
    ed_res_close(res);
    site_close(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_that_fits_has_a_length),
        cmocka_unit_test(a_reply_grows_to_its_room_before_it_is_sent),
        cmocka_unit_test(a_longer_reply_goes_out_in_pieces),
        cmocka_unit_test(the_handler_waits_for_a_slow_client),
        cmocka_unit_test(misuse_becomes_an_error_reply),
        cmocka_unit_test(misuse_after_a_piece_cuts_the_reply),
        cmocka_unit_test(a_client_that_leaves_ends_the_loop),
        cmocka_unit_test(a_type_of_the_handlers_own_stays),
        cmocka_unit_test(a_second_reply_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
