/*
 * test_inspect.c - looking into a worker, with requests under way.
 */
#include "../app/hosted.h"
#include "http/server_internal.h"
#include "serve/inspect.h"

#include <eddy/log.h>
#include <jansson.h>
#include <stdlib.h>

/* The server that is looked into and the one that looks. */
struct looked {
    struct hosted main;
    struct hosted inspect;
    ed_scope *clients;
    struct ed_scope_store store;
};

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello");
}

__attribute__((noinline)) static int think(int64_t how_long)
{
    int err = ed_sleep(how_long);
    __asm__ volatile("" ::: "memory"); /* no call may be a jump */
    return err;
}

static int slow(ed_req *req)
{
    ed_scope(s, .within = 20 * ED_S, .name = "thought");
    (void)s;
    int err = think(10 * ED_S);
    return err ? err : ed_reply(req, 200, "slow");
}

static int load(void *arg)
{
    (void)arg;
    return think(10 * ED_S);
}

static int fan_out(ed_req *req)
{
    ed_scope(s, .name = "fan");
    ed_go_at_(s, load, NULL, "load", "page.c:7");
    ed_go_at_(s, load, NULL, "load", "page.c:8");
    int err = ed_wait(s);
    return err ? err : ed_reply(req, 200, "both");
}

/* Sends no deadline of its own. */
static ed_client *asks_with;

/* A client that waits for its answer. */
static int ask(void *arg)
{
    ed_res *res = NULL;
    const char *url = arg;
    int err = ed_fetch(&res, url, .client = asks_with);
    free(arg);
    return err == ED_ECANCELED ? 0 : err;
}

static void ask_for(struct looked *l, const char *path)
{
    ed_go(l->clients, ask, strdup(hosted_url(&l->main, path)));
    check_int(ed_sleep(ED_MS), 0);
}

static void looked_open(struct looked *l)
{
    ed_log_set_level(ED_LOG_OFF);
    hosted_open(&l->main);
    ed_route(l->main.app, "GET /hello", hello);
    ed_route(l->main.app, "GET /slow/{name}", slow);
    ed_route(l->main.app, "GET /fan", fan_out);
    hosted_open(&l->inspect);
    ed_app_free(l->inspect.app);
    l->inspect.app = ed_inspect_app(l->main.server, 3);
    l->inspect.server->options.user = l->inspect.app;
    asks_with = l->main.client;
    l->clients = ed_scope_enter_(
        &l->store, ED_OPTIONS(struct ed_scope_options, .name = "clients"));
}

static void looked_close(struct looked *l)
{
    ed_cancel(l->clients);
    ed_scope_leave_(&l->clients);
    hosted_close(&l->inspect);
    hosted_close(&l->main);
    ed_log_set_level(ED_LOG_INFO);
}

/* What it says, to be released; NULL when that is no 200 with JSON. */
static json_t *look(struct looked *l, const char *path)
{
    ed_res *res = hosted_get(&l->inspect, path, "X-Nothing: asked");
    json_t *said = json_loads(ed_res_text(res), 0, NULL);
    check_int(ed_res_status(res), 200);
    check_(said != NULL, "%s: not JSON: %s", path, ed_res_text(res));
    return said;
}

static json_t *row(json_t *said, const char *list, size_t i)
{
    return json_array_get(json_object_get(said, list), i);
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "(none)";
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* ---- ps ---- */

FIBER_TEST(ps_lists_requests_under_way_the_oldest_first)
{
    struct looked l = {0};
    looked_open(&l);
    ask_for(&l, "/hello");
    ask_for(&l, "/slow/one?a=b");
    check_int(ed_sleep(2 * ED_S), 0);
    ask_for(&l, "/fan");
    json_t *said = look(&l, "/ps");
    check_int(json_array_size(json_object_get(said, "requests")), 2);
    check_int(json_integer_value(json_object_get(said, "total")), 2);
    json_t *one = row(said, "requests", 0);
    check_text(text(one, "method"), "GET");
    check_text(text(one, "target"), "/slow/one?a=b");
    check_text(text(one, "route"), "/slow/{name}");
    check_text(text(one, "state"), "waiting");
    check_text(text(one, "waits_for"), "sleep");
    check_int(json_integer_value(json_object_get(one, "pid")), getpid());
    check_int(json_integer_value(json_object_get(one, "slot")), 3);
    check(number(one, "age_s") > 1.9 && number(one, "age_s") < 2.5);
    check(number(one, "deadline_s") > 17 && number(one, "deadline_s") < 18.1);
    check(strlen(text(one, "id")) > 7);
    json_t *fan = row(said, "requests", 1);
    check_text(text(fan, "target"), "/fan");
    /* That of the test itself. */
    check(number(fan, "deadline_s") > 3600);
    json_decref(said);
    looked_close(&l);
}

FIBER_TEST(a_request_that_waits_for_its_fibers_says_where_they_wait)
{
    struct looked l = {0};
    looked_open(&l);
    ask_for(&l, "/fan");
    json_t *said = look(&l, "/ps");
    json_t *fan = row(said, "requests", 0);
    check_text(text(fan, "waits_for"), "sleep");
    check_text(text(fan, "fiber"), "load");
    json_decref(said);
    looked_close(&l);
}

FIBER_TEST(rows_are_as_many_as_asked_for)
{
    struct looked l = {0};
    looked_open(&l);
    for (int i = 0; i < 3; i++)
        ask_for(&l, "/fan");
    json_t *said = look(&l, "/ps?limit=2");
    check_int(json_array_size(json_object_get(said, "requests")), 2);
    check_int(json_integer_value(json_object_get(said, "total")), 3);
    json_decref(said);
    said = look(&l, "/conns?limit=1");
    check_int(json_array_size(json_object_get(said, "connections")), 1);
    check_int(json_integer_value(json_object_get(said, "total")), 3);
    json_decref(said);
    ed_res *res = hosted_get(&l.inspect, "/ps?limit=many", "X-Nothing: asked");
    check_int(ed_res_status(res), 400);
    check(strstr(ed_res_text(res), "{\"error\":"));
    looked_close(&l);
}

/* ---- stack ---- */

static bool in_frames(const json_t *of, const char *function)
{
    const json_t *frames = json_object_get(of, "frames");
    for (size_t i = 0; i < json_array_size(frames); i++) {
        if (!strcmp(text(json_array_get(frames, i), "function"), function))
            return true;
    }
    return false;
}

static json_t *stack_of_first(struct looked *l)
{
    char path[200];
    json_t *said = look(l, "/ps");
    snprintf(path, sizeof path, "/stack/%s",
             text(row(said, "requests", 0), "id"));
    json_decref(said);
    return look(l, path);
}

FIBER_TEST(a_stack_has_the_functions_a_request_waits_in)
{
    struct looked l = {0};
    looked_open(&l);
    ask_for(&l, "/slow/one");
    json_t *said = stack_of_first(&l);
    check_text(text(said, "fiber"), "request");
    check_text(text(said, "waits_for"), "sleep");
#ifndef EDDY_UCONTEXT
    check(in_frames(said, "ed_sleep"));
    check(in_frames(said, "think"));
    check(in_frames(said, "slow"));
    check(in_frames(said, "ed_app_handle"));
    check(!in_frames(said, "ed_switch_look"));
#endif
    json_t *scope = row(said, "scopes", 0);
    check_text(text(scope, "name"), "thought");
    check(number(scope, "left_s") > 19);
    check(json_is_false(json_object_get(scope, "cancelled")));
    check_int(json_array_size(json_object_get(said, "children")), 0);
    json_decref(said);
    looked_close(&l);
}

FIBER_TEST(it_has_those_of_the_fibers_that_work_for_it)
{
    struct looked l = {0};
    looked_open(&l);
    ask_for(&l, "/fan");
    json_t *said = stack_of_first(&l);
    check_text(text(said, "waits_for"), "children");
    check_int(json_array_size(json_object_get(said, "children")), 2);
    json_t *child = row(said, "children", 1);
    check_text(text(child, "fiber"), "load");
    check_text(text(child, "place"), "page.c:8");
#ifndef EDDY_UCONTEXT
    check(in_frames(said, "fan_out"));
    check(in_frames(child, "think"));
    check(in_frames(child, "load"));
    check(!in_frames(child, "fan_out"));
#endif
    json_decref(said);
    looked_close(&l);
}

static int looks; /* of the test below */

static int be_looked_at(void *arg)
{
    struct looked *l = arg;
    json_decref(stack_of_first(l));
    looks++;
    return 0;
}

FIBER_TEST(being_looked_at_disturbs_nobody)
{
    struct looked l = {0};
    struct ed_res *res = NULL;
    looked_open(&l);
    looks = 0;
    int64_t began = ed_now();
    {
        ed_scope(s, .name = "test");
        ed_go(s, be_looked_at, &l);
        check_int(ed_fetch(&res, hosted_url(&l.main, "/fan")), 0);
        check_int(ed_wait(s), 0);
        check_text(ed_res_text(res), "both");
        check_int(looks, 1);
        check(ed_now() - began >= 10 * ED_S && ed_now() - began < 11 * ED_S);
    }
    looked_close(&l);
}

FIBER_TEST(a_request_that_is_over_has_no_stack)
{
    struct looked l = {0};
    looked_open(&l);
    ed_res *res = hosted_get(&l.inspect, "/stack/nobody", "X-Nothing: asked");
    check_int(ed_res_status(res), 404);
    check(strstr(ed_res_text(res), "{\"error\":"));
    looked_close(&l);
}

/* ---- the others ---- */

FIBER_TEST(the_tree_is_told_in_lines)
{
    struct looked l = {0};
    bool found = false;
    looked_open(&l);
    ask_for(&l, "/fan");
    json_t *said = look(&l, "/tree");
    const json_t *lines = json_object_get(said, "lines");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        found |= strstr(line, "load (page.c:7) waits for sleep") != NULL;
    }
    check(found);
    json_decref(said);
    looked_close(&l);
}

FIBER_TEST(connections_are_told_with_their_state)
{
    struct looked l = {0};
    looked_open(&l);
    ask_for(&l, "/slow/one");
    json_t *said = look(&l, "/conns");
    json_t *conn = row(said, "connections", 0);
    check_text(text(conn, "state"), "handler");
    check_int(json_integer_value(json_object_get(conn, "requests")), 1);
    check(strstr(text(conn, "local"), "eddy-hosted"));
    json_decref(said);
    looked_close(&l);
}

static int set_level(struct looked *l, const char *body)
{
    ed_res *res = NULL;
    int err =
        ed_fetch(&res, hosted_url(&l->inspect, "/log-level"), .method = "POST",
                 .body = ed_bytes(body), .client = l->inspect.client);
    return err ? err : ed_res_status(res);
}

FIBER_TEST(the_level_of_the_log_can_be_set)
{
    struct looked l = {0};
    looked_open(&l);
    check_int(set_level(&l, "{\"level\":\"error\"}"), 200);
    check(ed_log_enabled(ED_LOG_ERROR) && !ed_log_enabled(ED_LOG_WARN));
    check_int(set_level(&l, "{\"level\":\"loud\"}"), 400);
    check_int(set_level(&l, "{\"level\":\"info,json\"}"), 400);
    check_int(set_level(&l, "{\"level\":7}"), 400);
    check_int(set_level(&l, "level"), 400);
    check(!ed_log_enabled(ED_LOG_WARN));
    looked_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ps_lists_requests_under_way_the_oldest_first),
        cmocka_unit_test(
            a_request_that_waits_for_its_fibers_says_where_they_wait),
        cmocka_unit_test(rows_are_as_many_as_asked_for),
        cmocka_unit_test(a_stack_has_the_functions_a_request_waits_in),
        cmocka_unit_test(it_has_those_of_the_fibers_that_work_for_it),
        cmocka_unit_test(being_looked_at_disturbs_nobody),
        cmocka_unit_test(a_request_that_is_over_has_no_stack),
        cmocka_unit_test(the_tree_is_told_in_lines),
        cmocka_unit_test(connections_are_told_with_their_state),
        cmocka_unit_test(the_level_of_the_log_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
