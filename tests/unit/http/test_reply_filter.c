/*
 * test_reply_filter.c - what stands between a reply and the wire: in which
 * order, with which part of a reply, and until when.
 */
#include "site.h"

#include "base/list.h"
#include "http/reply_filter.h"
#include <eddy/log.h>

/* What has happened, in its order. */
static char trail[1000];

ED_PRINTF(1, 2) static void step(const char *fmt, ...)
{
    size_t len = strlen(trail);
    va_list args;
    va_start(args, fmt);
    vsnprintf(trail + len, sizeof trail - len, fmt, args);
    va_end(args);
    strncat(trail, " ", sizeof trail - strlen(trail) - 1);
}

/* Tells what it sees; `upper` makes the body of capitals. */
struct spy {
    struct ed_reply_filter filter;
    const char *name;
    bool upper;
    bool inside; /* a fiber is in send() */
};

static struct spy *spy_of(struct ed_reply_filter *f)
{
    return ED_CONTAINER(f, struct spy, filter);
}

static int spy_head(struct ed_reply_filter *f, ed_req *req,
                    struct ed_bytes *body, bool end)
{
    step("%s.head(%d,%zu%s)", spy_of(f)->name, ed_reply_status(req), body->len,
         end ? ",end" : "");
    return ed_reply_header(req, "X-Filter", spy_of(f)->name);
}

static int spy_send(struct ed_reply_filter *f, ed_req *req,
                    struct ed_bytes piece, bool end)
{
    struct spy *spy = spy_of(f);
    char copy[100];
    if (piece.len && piece.len < sizeof copy)
        step("%s.send(%.*s%s)", spy->name, (int)piece.len, piece.ptr,
             end ? ",end" : "");
    check(!spy->inside);
    spy->inside = true;
    for (size_t i = 0; spy->upper && i < piece.len; i++) {
        copy[i] = piece.ptr[i];
        if (copy[i] >= 'a' && copy[i] <= 'z')
            copy[i] = (char)(copy[i] - 'a' + 'A');
    }
    if (spy->upper)
        piece.ptr = copy;
    int err = ed_yield();
    if (!err)
        err = ed_reply_pass(f, req, piece, end);
    spy->inside = false;
    return err;
}

static int spy_flush(struct ed_reply_filter *f, ed_req *req)
{
    step("%s.flush", spy_of(f)->name);
    return ed_reply_pass_flush(f, req);
}

static void spy_over(struct ed_reply_filter *f, ed_req *req, int err)
{
    (void)req;
    step("%s.over(%s)", spy_of(f)->name, ed_err_name(err));
}

static int add_spy(ed_req *req, const char *name, bool upper)
{
    static const struct ed_reply_filter_ops ops = {
        .head = spy_head,
        .send = spy_send,
        .flush = spy_flush,
        .over = spy_over,
    };
    struct spy *spy = ed_arena_zalloc(ed_req_arena(req), sizeof *spy);
    if (!spy)
        return ED_ENOMEM;
    spy->filter.ops = &ops;
    spy->name = name;
    spy->upper = upper;
    return ed_reply_filter(req, &spy->filter);
}

static int whole(ed_req *req)
{
    return ed_reply(req, 201, "abc");
}

static int pieces(ed_req *req)
{
    int err = ed_write(req, "ab");
    if (!err)
        err = ed_flush(req);
    return err ? err : ed_write(req, "c");
}

static int flush_first(ed_req *req)
{
    int err = ed_reply_begin(req, 200, 3);
    if (!err)
        err = ed_flush(req);
    return err ? err : ed_write(req, "abc");
}

static int failing(ed_req *req)
{
    (void)req;
    return ED_ENOTFOUND;
}

static int cut(ed_req *req)
{
    int err = ed_write(req, "abc");
    return err ? err : ED_EDATABASE;
}

static int too_late(ed_req *req)
{
    int err = ed_write(req, "abc");
    check_int(add_spy(req, "late", false), ED_EUSAGE);
    return err;
}

static int write_much(void *arg)
{
    int err = 0;
    for (int i = 0; i < 20 && !err; i++)
        err = ed_write_bytes(arg, ED_BYTES("0123456789"));
    return err;
}

static int together(ed_req *req)
{
    int err = ed_reply_begin(req, 200, -1);
    ed_scope(s);
    for (int i = 0; i < 3 && !err; i++)
        err = ed_go(s, write_much, req);
    int waited = ed_wait(s);
    return waited ? waited : err;
}

static ed_handler *handler;

static int with_spies(ed_req *req)
{
    int err = add_spy(req, "outer", false);
    if (!err)
        err = add_spy(req, "inner", true);
    return err ? err : handler(req);
}

/* Has a handler reply through two filters, and returns the response. */
static ed_res *reply_by(ed_handler *h, const char *method)
{
    struct site s = {0};
    ed_res *res = NULL;
    ed_log_set_level(ED_LOG_OFF);
    *trail = '\0';
    handler = h;
    site_open(&s, with_spies);
    (void)!ed_fetch(&res, site_url(&s, "/"), .method = method);
    site_close(&s);
    return res;
}

FIBER_TEST(the_last_one_added_is_the_first_to_see_a_reply)
{
    ed_res *res = reply_by(whole, "GET");
    check_text(trail, "inner.head(201,3,end) inner.send(abc,end) "
                      "outer.head(201,3,end) outer.send(ABC,end) "
                      "inner.over(OK) outer.over(OK) ");
    check_text(ed_res_text(res), "ABC");
    check_text(ed_res_header(res, "X-Filter"), "inner");
}

FIBER_TEST(the_head_is_shown_once_and_each_piece)
{
    ed_res *res = reply_by(pieces, "GET");
    check_text(trail, "inner.head(200,2) inner.send(ab) outer.head(200,2) "
                      "outer.send(AB) inner.flush outer.flush inner.send(c) "
                      "outer.send(C) inner.over(OK) outer.over(OK) ");
    check_text(ed_res_text(res), "ABC");
}

FIBER_TEST(a_flush_sends_the_head_through_the_filters)
{
    ed_res *res = reply_by(flush_first, "GET");
    check_text(trail, "inner.head(200,0) outer.head(200,0) inner.flush "
                      "outer.flush inner.send(abc) outer.send(ABC) "
                      "inner.over(OK) outer.over(OK) ");
    check_text(ed_res_text(res), "ABC");
    check_text(ed_res_header(res, "Content-Length"), "3");
}

FIBER_TEST(a_reply_to_head_passes_as_well)
{
    ed_res *res = reply_by(whole, "HEAD");
    check(strstr(trail, "inner.head(201,3,end)") != NULL);
    check_text(ed_res_header(res, "Content-Length"), "3");
    check_int(ed_res_body(res).len, 0);
}

FIBER_TEST(an_error_reply_passes_as_well)
{
    ed_res *res = reply_by(failing, "GET");
    check_int(ed_res_status(res), 404);
    check_text(ed_res_text(res), "404 NOT FOUND\n");
    check(strstr(trail, "inner.over(OK)") != NULL);
}

FIBER_TEST(a_reply_that_is_cut_is_over_with_the_error)
{
    check(!reply_by(cut, "GET"));
    check(strstr(trail, "inner.over(ED_EDATABASE) "
                        "outer.over(ED_EDATABASE)") != NULL);
}

FIBER_TEST(none_can_be_added_behind_the_head)
{
    check_text(ed_res_text(reply_by(too_late, "GET")), "ABC");
    check(!strstr(trail, "late"));
}

FIBER_TEST(fibers_that_write_together_take_turns)
{
    ed_res *res = reply_by(together, "GET");
    check_int(ed_res_body(res).len, 600);
}

/* ---- going around ---- */

static int64_t went_around;

static void count_around(struct ed_reply_filter *f, ed_req *req, int64_t bytes)
{
    (void)f;
    (void)req;
    went_around += bytes;
}

static int see_head(struct ed_reply_filter *f, ed_req *req,
                    struct ed_bytes *body, bool end)
{
    (void)f;
    (void)body;
    check(!end);
    return ed_reply_header_set(req, "X-Seen", "yes");
}

static int recode(struct ed_reply_filter *f, ed_req *req, struct ed_bytes *body,
                  bool end)
{
    ed_reply_recode(req, -1);
    return see_head(f, req, body, end);
}

static int send_directly(ed_req *req, void *arg)
{
    req->reply.sent += 6;
    return req->ops->send(req, *(struct ed_bytes *)arg, false);
}

/* Sends a piece around a filter that only looks; or, if one changes the body,
 * through it. */
static int around(ed_req *req)
{
    static const struct ed_reply_filter_ops looks = {.head = see_head,
                                                     .around = count_around};
    static const struct ed_reply_filter_ops recodes = {.head = recode};
    struct ed_bytes piece = ED_BYTES("around");
    struct ed_reply_filter *f =
        ed_arena_zalloc(ed_req_arena(req), 2 * sizeof *f);
    bool changed = !strcmp(ed_req_query(req), "changed");
    f[0].ops = &looks;
    f[1].ops = &recodes;
    int err = ed_reply_filter(req, &f[0]);
    if (!err && changed)
        err = ed_reply_filter(req, &f[1]);
    if (!err)
        err = ed_reply_begin(req, 200, changed ? 7 : 6);
    if (!err)
        err = ed_filtered_around(req, 6, send_directly, &piece);
    check_int(err, changed);
    return err > 0 ? ed_write(req, "through") : err;
}

FIBER_TEST(a_piece_may_go_around_unless_the_body_is_changed)
{
    struct site s = {0};
    ed_res *res = NULL;
    site_open(&s, around);
    check_int(ed_fetch(&res, site_url(&s, "/")), 0);
    check_text(ed_res_text(res), "around");
    check_text(ed_res_header(res, "X-Seen"), "yes");
    check_text(ed_res_header(res, "Content-Length"), "6");
    check_int(went_around, 6);
    check_int(ed_fetch(&res, site_url(&s, "/?changed")), 0);
    check_text(ed_res_text(res), "through");
    check(!ed_res_header(res, "Content-Length"));
    check_int(went_around, 6);
    site_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_one_added_is_the_first_to_see_a_reply),
        cmocka_unit_test(the_head_is_shown_once_and_each_piece),
        cmocka_unit_test(a_flush_sends_the_head_through_the_filters),
        cmocka_unit_test(a_reply_to_head_passes_as_well),
        cmocka_unit_test(an_error_reply_passes_as_well),
        cmocka_unit_test(a_reply_that_is_cut_is_over_with_the_error),
        cmocka_unit_test(none_can_be_added_behind_the_head),
        cmocka_unit_test(fibers_that_write_together_take_turns),
        cmocka_unit_test(a_piece_may_go_around_unless_the_body_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
