/*
 * test_admin.c - the admin process, by what it answers: to whom it listens,
 * what it tells of the board, the workers and the master, and when it ends.
 */
#include "admin_world.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- workers that are played ---- */

static char told_target[64]; /* of the question asked last */

/* Two requests, of 5 and 1 seconds. */
static int ps_of_first(ed_req *req)
{
    snprintf(told_target, sizeof told_target, "%s", ed_req_target(req));
    return ed_reply(req, 200, "%s",
                    "{\"requests\":[{\"id\":\"a\",\"age_s\":5},"
                    "{\"id\":\"b\",\"age_s\":1}],\"total\":2}");
}

static int ps_of_second(ed_req *req)
{
    return ed_reply(req, 200, "%s",
                    "{\"requests\":[{\"id\":\"c\",\"age_s\":2.5}],"
                    "\"total\":7}");
}

static int no_json(ed_req *req)
{
    return ed_reply(req, 200, "%s", "{\"requests\":");
}

static int stands_still(ed_req *req)
{
    int err = ed_sleep(60 * ED_S);
    return err ? err : ed_reply(req, 200, "{}");
}

static int stack_of_b(ed_req *req)
{
    return strcmp(ed_arg(req, "id"), "b /%")
               ? ed_reply_json(req, 404, "{s:s}", "error", "none")
               : ed_reply_json(req, 200, "{s:s, s:i}", "id", "b /%", "pid",
                               4102);
}

static int tree(ed_req *req)
{
    return ed_reply_json(req, 200, "{s:i, s:[s,s]}", "pid", 1, "lines",
                         "fibers: 1", "  main");
}

static int accept_level(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (err)
        return err;
    check(ed_bytes_equal(body, ED_BYTES("{\"level\":\"debug\"}")));
    return ed_reply(req, 200, "{\"ok\":true}");
}

/* ---- health ---- */

ADMIN_TEST(health_is_told_at_both_ways_in)
{
    check_text(world_text(world_get(w, "/healthz")), "ok\n");
    check_text(world_text(world_open(w, "GET", "/healthz", NULL)), "ok\n");
}

ADMIN_TEST(it_is_ready_when_a_worker_is_and_nobody_drains)
{
    ed_res *res = world_get(w, "/readyz");
    check_int(world_status(res), 503);
    check_text(world_text(res), "not ready: there are no workers\n");

    world_worker(w, 0, 4101, NULL);
    atomic_store(&w->board->slots[0].state, ED_SLOT_STARTING);
    check_text(world_text(world_get(w, "/readyz")),
               "not ready: the workers are starting\n");
    atomic_store(&w->board->slots[0].state, ED_SLOT_READY);
    res = world_open(w, "GET", "/readyz", NULL);
    check_int(world_status(res), 200);
    check_text(world_text(res), "ready\n");

    atomic_store(&w->board->ready, false);
    check_text(world_text(world_get(w, "/readyz")), "not ready: draining\n");
}

ADMIN_TEST(a_browser_is_led_to_the_console)
{
    ed_res *res = world_open(w, "GET", "/", NULL);
    check_int(world_status(res), 200);
    check(res && strstr(ed_res_url(res), "/console/") != NULL);
}

/* ---- the board ---- */

ADMIN_TEST(the_state_of_the_server_is_that_of_the_board)
{
    ed_res *res = world_get(w, "/v1/status");
    check_text(world_string(res, "state"), "down");
    check_text(world_string(res, "program"), "shop");
    check_text(world_string(res, "version"), ED_VERSION);
    check_text(world_string(res, "log_level"), "warn");
    check_text(world_string(res, "listen.0"), "http://127.0.0.1:43210");
    check_text(world_string(res, "listen.1"), "http://[::1]:443");
    check_text(world_string(res, "listen.2"), "http+unix:///run/a shop.sock");
    check_text(world_string(res, "admin.0"), w->open_url);
    check_int(world_number(res, "pid"), getpid());
    check_int(world_number(res, "workers_wanted"), 2);

    world_worker(w, 0, 4101, NULL);
    world_worker(w, 1, 4102, NULL);
    atomic_store(&w->board->log_level, 1);
    ed_count(&w->board->crashed, 3);
    res = world_get(w, "/v1/status");
    check_text(world_string(res, "state"), "ready");
    check_text(world_string(res, "log_level"), "debug");
    check_int(world_number(res, "crashed"), 3);
    check_int(world_number(res, "workers_ready"), 2);

    atomic_store(&w->board->slots[1].generation, 2);
    check_text(world_string(world_get(w, "/v1/status"), "state"), "reloading");
    atomic_store(&w->board->ready, false);
    check_text(world_string(world_get(w, "/v1/status"), "state"), "draining");
}

ADMIN_TEST(workers_are_told_with_what_they_have_counted)
{
    world_worker(w, 0, 4101, NULL);
    world_worker(w, 2, 4102, NULL);
    struct ed_slot *slot = &w->board->slots[2];
    ed_counters_request(&slot->counters, 200, ED_METHOD_GET, ED_MS, 10);
    ed_counters_request(&slot->counters, 502, ED_METHOD_GET, ED_MS, 10);
    slot->memory = 12345;
    slot->cpu = 1500 * ED_MS;
    slot->beat = 0;

    ed_res *res = world_get(w, "/v1/workers");
    check_int(world_number(res, "workers.0.pid"), 4101);
    check_int(world_number(res, "workers.1.slot"), 2);
    check_int(world_number(res, "workers.1.pid"), 4102);
    check_text(world_string(res, "workers.1.state"), "ready");
    check_int(world_number(res, "workers.1.requests"), 2);
    check_int(world_number(res, "workers.1.errors_5xx"), 1);
    check_int(world_number(res, "workers.1.memory_bytes"), 12345);
    check(world_number(res, "workers.1.cpu_s") == 1.5);
    check(strstr(world_text(res), "\"beat_age_s\":null") != NULL);
}

ADMIN_TEST(what_workers_that_are_gone_have_counted_stays)
{
    world_worker(w, 0, 4101, NULL);
    for (int i = 0; i < 3; i++)
        ed_counters_request(&w->board->slots[0].counters, 200, ED_METHOD_GET,
                            5 * ED_MS, 100);
    ed_board_give(w->board, &w->board->slots[0]);
    world_worker(w, 0, 4102, NULL);
    ed_counters_request(&w->board->slots[0].counters, 404, ED_METHOD_GET,
                        5 * ED_MS, 100);

    ed_res *res = world_get(w, "/v1/stats");
    check_int(world_number(res, "requests"), 4);
    check_int(world_number(res, "by_class.2xx"), 3);
    check_int(world_number(res, "by_class.4xx"), 1);
    check_int(world_number(res, "bytes_out"), 400);
    check_int(world_number(res, "latency.count"), 4);
    check(world_number(res, "latency.p99_s") == 0.005);
    check(world_number(res, "latency.sum_s") == 0.02);
    check_int(world_number(res, "workers.0.requests"), 1);
}

ADMIN_TEST(metrics_are_told_as_prometheus_reads_them)
{
    ed_count(&w->board->retired.statuses[200 - ED_STATUS_FIRST], 7);
    ed_res *res = world_open(w, "GET", "/metrics", NULL);
    check_text(ed_res_header(res, "Content-Type"),
               "text/plain; version=0.0.4; charset=utf-8");
    check(strstr(world_text(res),
                 "\neddy_http_requests_total{code=\"200\"} 7\n") != NULL);
    check(strstr(world_text(res), "program=\"shop\"") != NULL);
}

/* ---- what workers tell ---- */

ADMIN_TEST(requests_of_all_workers_come_oldest_first)
{
    world_worker(w, 0, 4101, world_app("GET /ps", ps_of_first));
    world_worker(w, 1, 4102, world_app("GET /ps", ps_of_second));
    ed_res *res = world_get(w, "/v1/ps?sort=age");
    check_text(world_string(res, "requests.0.id"), "a");
    check_text(world_string(res, "requests.1.id"), "c");
    check_text(world_string(res, "requests.2.id"), "b");
    check_int(world_number(res, "total"), 9);
    check(strstr(world_text(res), "\"unreachable\":[]") != NULL);
}

ADMIN_TEST(no_more_requests_are_asked_for_than_are_wanted)
{
    world_worker(w, 0, 4101, world_app("GET /ps", ps_of_first));
    ed_res *res = world_get(w, "/v1/ps?limit=1");
    check_text(told_target, "/ps?limit=1");
    check(strstr(world_text(res), "\"a\"") != NULL);
    check(strstr(world_text(res), "\"b\"") == NULL);
    check_int(world_number(res, "total"), 2);
}

ADMIN_TEST(a_question_that_makes_no_sense_is_refused)
{
    check_int(world_status(world_get(w, "/v1/ps?limit=x")), 400);
    check_int(world_status(world_get(w, "/v1/ps?limit=1001")), 400);
    check_int(world_status(world_get(w, "/v1/ps?sort=size")), 400);
    check_int(world_status(world_get(w, "/v1/tree?pid=-1")), 400);
    ed_res *res = world_get(w, "/v1/nothing");
    check_int(world_status(res), 404);
    check(*world_string(res, "error"));
    check_int(world_status(world_post(w, "/v1/status", "")), 405);
}

ADMIN_TEST(workers_that_do_not_answer_hide_none_of_the_others)
{
    world_worker(w, 0, 4101, world_app("GET /ps", stands_still));
    world_worker(w, 1, 4102, NULL);
    world_worker(w, 2, 4103, world_app("GET /ps", ps_of_first));
    ed_res *res = world_get(w, "/v1/ps");
    check_text(world_string(res, "requests.0.id"), "a");
    check(strstr(world_text(res), "\"unreachable\":[4101,4102]") != NULL);
}

ADMIN_TEST(a_worker_that_talks_nonsense_hides_none_of_the_others)
{
    world_worker(w, 0, 4101, world_app("GET /ps", no_json));
    world_worker(w, 1, 4102, world_app("GET /ps", ps_of_first));
    check_text(world_string(world_get(w, "/v1/ps"), "requests.0.id"), "a");
}

ADMIN_TEST(workers_that_only_start_are_not_asked)
{
    world_worker(w, 0, 4101, NULL);
    atomic_store(&w->board->slots[0].state, ED_SLOT_STARTING);
    check_text(world_text(world_get(w, "/v1/ps")),
               "{\"requests\":[],\"total\":0,\"unreachable\":[]}");
}

ADMIN_TEST(the_stack_of_a_request_is_that_of_the_worker_that_has_it)
{
    world_worker(w, 0, 4101, world_app("GET /none", tree));
    world_worker(w, 1, 4102, world_app("GET /stack/{id}", stack_of_b));
    ed_res *res = world_get(w, "/v1/stack/b%20%2F%25");
    check_int(world_status(res), 200);
    check_int(world_number(res, "pid"), 4102);
    res = world_get(w, "/v1/stack/unknown");
    check_int(world_status(res), 404);
    check(*world_string(res, "error"));
}

ADMIN_TEST(the_tree_of_one_worker_or_of_all)
{
    world_worker(w, 0, 4101, world_app("GET /tree", tree));
    world_worker(w, 1, 4102, world_app("GET /tree", tree));
    ed_res *res = world_get(w, "/v1/tree");
    check_int(world_number(res, "workers.1.pid"), 4102);
    check_text(world_string(res, "workers.1.lines.1"), "  main");
    res = world_get(w, "/v1/tree?pid=4102");
    check_int(world_number(res, "workers.0.pid"), 4102);
    check(strstr(world_text(res), "4101") == NULL);
    check_int(world_status(world_get(w, "/v1/tree?pid=99")), 404);
}

/* ---- what the master is told ---- */

ADMIN_TEST(each_change_is_a_line_to_the_master)
{
    static const struct {
        const char *path, *body, *line;
    } changes[] = {
        {"/v1/reload", "", "reload"},
        {"/v1/reload", "{\"chain\":true}", "chain-reload"},
        {"/v1/reload", "{\"chain\":false}", "reload"},
        {"/v1/drain", "{}", "drain"},
        {"/v1/resume", "", "resume"},
        {"/v1/reopen", "", "reopen"},
        {"/v1/stop", "", "stop"},
        {"/v1/stop", "{\"now\":true}", "quit"},
        {"/v1/upgrade", "", "upgrade"},
        {"/v1/scale", "{\"workers\":3}", "scale 3"},
        {"/v1/worker-stop", "{\"pid\":4101}", "worker-stop 4101"},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ed_res *res = world_post(w, changes[i].path, changes[i].body);
        check_int(world_status(res), 200);
        check(*world_string(res, "text"));
        check_int(w->heard_count, i + 1);
        check_text(w->heard[i % 8], changes[i].line);
    }
}

ADMIN_TEST(a_reload_has_a_number)
{
    w->answer = "ok 7";
    ed_res *res = world_post(w, "/v1/reload", "");
    check_text(world_string(res, "text"), "reloading");
    check_int((int64_t)world_number(res, "reload"), 7);
    check_int((int64_t)world_number(res, "pid"), getpid());
    w->answer = "error not reloaded: why";
    res = world_post(w, "/v1/reload", "");
    check_int(world_status(res), 409);
    check_text(world_string(res, "error"), "not reloaded: why");
}

ADMIN_TEST(what_is_told_of_the_last_reload_is_in_the_status)
{
    ed_res *res = world_get(w, "/v1/status");
    check(!strstr(world_text(res), "last_reload"));
    ed_board_end_reload(w->board, 3, ED_RELOAD_BAD_WORKER);
    res = world_get(w, "/v1/status");
    check_text(world_string(res, "last_reload_error"),
               ed_board_reload_text(ED_RELOAD_BAD_WORKER));
    ed_board_end_reload(w->board, 4, ED_RELOAD_DONE);
    res = world_get(w, "/v1/status");
    check(!strstr(world_text(res), "last_reload_error"));
    check_int((int64_t)world_number(res, "last_reload"), 4);
    check_int((int64_t)world_number(res, "reloads_failed"), 1);
}

ADMIN_TEST(what_the_master_says_of_it_is_passed_on)
{
    w->answer = "ok process 77";
    check_text(world_string(world_post(w, "/v1/upgrade", ""), "text"),
               "process 77");
    w->answer = "error not \"1\" to 128 workers";
    ed_res *res = world_post(w, "/v1/scale", "{\"workers\":500}");
    check_int(world_status(res), 409);
    check_text(world_string(res, "error"), "not \"1\" to 128 workers");
}

ADMIN_TEST(of_a_change_that_makes_no_sense_the_master_hears_nothing)
{
    static const char *const bodies[] = {"{\"workers\":0}",
                                         "{\"workers\":-1}",
                                         "{\"workers\":\"3\"}",
                                         "{\"workers\":1.5}",
                                         "{}",
                                         "[3]",
                                         "3",
                                         "{\"workers\":3"};

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        check_int(world_status(world_post(w, "/v1/scale", bodies[i])), 400);
    check_int(world_status(world_post(w, "/v1/log-level",
                                      "{\"level\":\"debug\\nquit\"}")),
              400);
    check_int(world_status(
                  world_post(w, "/v1/log-level", "{\"level\":\"info,json\"}")),
              400);
    check_int(w->heard_count, 0);
}

struct change {
    struct world *w;
    int workers;
    int status;
};

static int scale_to(void *arg)
{
    struct change *change = arg;
    char body[40];

    snprintf(body, sizeof body, "{\"workers\":%d}", change->workers);
    change->status = world_status(world_post(change->w, "/v1/scale", body));
    return 0;
}

ADMIN_TEST(changes_asked_for_at_once_are_made_one_by_one)
{
    struct change changes[6];

    ed_scope(s);
    for (int i = 0; i < 6; i++) {
        changes[i] = (struct change){w, i + 1, 0};
        ed_go(s, scale_to, &changes[i]);
    }
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 6; i++)
        check_int(changes[i].status, 200);
    check_int(w->heard_count, 6);
}

ADMIN_TEST(a_late_answer_is_not_taken_for_that_of_the_next_command)
{
    w->silent = true;
    ed_res *res = world_post(w, "/v1/reload", "");
    check_int(world_status(res), 504);
    check_text(world_string(res, "error"), "the master does not answer");

    w->silent = false;
    check_int(ed_stream_printf(w->line, "error too late\n"), 0);
    w->answer = "ok in time";
    res = world_post(w, "/v1/reopen", "");
    check_int(world_status(res), 200);
    check_text(world_string(res, "text"), "in time");
}

ADMIN_TEST(what_nobody_asked_for_is_no_answer)
{
    check_int(ed_stream_printf(w->line, "ok really\nnonsense\n"), 0);
    /* So that it has been heard. */
    check_int(world_status(world_get(w, "/healthz")), 200);
    w->answer = "error no";
    check_int(world_status(world_post(w, "/v1/reopen", "")), 409);
}

ADMIN_TEST(a_log_level_is_told_to_the_master_and_the_workers)
{
    world_worker(w, 0, 4101, world_app("POST /log-level", accept_level));
    ed_res *res = world_post(w, "/v1/log-level", "{\"level\":\"debug\"}");
    check_text(world_string(res, "text"), "the log level is debug");
    check_text(w->heard[0], "log-level debug");

    world_worker(w, 1, 4102, NULL);
    res = world_post(w, "/v1/log-level", "{\"level\":\"debug\"}");
    check_text(world_string(res, "text"),
               "the log level is debug, but in 1 workers that did not answer");
}

/* ---- who may do what ---- */

static char token_file[96];

static void write_token(const char *text)
{
    FILE *f = fopen(token_file, "we");

    if (!f)
        abort();
    fputs(text, f);
    fclose(f);
}

static void with_token(struct world *w)
{
    snprintf(token_file, sizeof token_file, "%s/token", w->directory);
    write_token("sesame\n");
    w->settings.admin_token = token_file;
}

ADMIN_TEST(without_a_token_nothing_can_be_changed_at_the_admin_address)
{
    ed_res *res = world_open(w, "POST", "/v1/stop", "sesame");
    check_int(world_status(res), 403);
    check(strstr(world_string(res, "error"), "--admin-token") != NULL);
    check_int(world_status(world_open(w, "PUT", "/v1/stop", NULL)), 403);
    check_int(world_status(world_open(w, "GET", "/v1/status", NULL)), 200);
    check_int(w->heard_count, 0);
}

ADMIN_TEST_WITH(with_the_token_things_can_be_changed_there, with_token)
{
    ed_res *res = world_open(w, "POST", "/v1/reload", NULL);
    check_int(world_status(res), 401);
    const char *scheme = ed_res_header(res, "WWW-Authenticate");
    check(scheme && !strcmp(scheme, "Bearer"));
    check_int(world_status(world_open(w, "POST", "/v1/reload", "sesam")), 401);
    check_int(world_status(world_open(w, "POST", "/v1/reload", "sesame2")),
              401);
    check_int(world_status(world_open(w, "DELETE", "/v1/reload", "x")), 401);
    check_int(w->heard_count, 0);
    check_int(world_status(world_open(w, "POST", "/v1/reload", "sesame")), 200);
    check_int(w->heard_count, 1);
    check_int(world_status(world_open(w, "GET", "/v1/status", NULL)), 200);
}

ADMIN_TEST_WITH(a_token_that_was_changed_holds_at_once, with_token)
{
    write_token("  open \r\n# second line\n");
    check_int(world_status(world_open(w, "POST", "/v1/reload", "sesame")), 401);
    check_int(world_status(world_open(w, "POST", "/v1/reload", "open")), 200);
}

ADMIN_TEST_WITH(an_empty_token_is_none, with_token)
{
    write_token("\n");
    check_int(world_status(world_open(w, "POST", "/v1/reload", NULL)), 403);
    check_int(unlink(token_file), 0);
    check_int(world_status(world_open(w, "POST", "/v1/reload", "sesame")), 403);
    check_int(world_status(world_post(w, "/v1/reload", "")), 200);
}

ADMIN_TEST(a_large_body_is_refused)
{
    char body[5001];

    memset(body, ' ', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    check_int(world_status(world_post(w, "/v1/reload", body)), 413);
}

/* ---- its end ---- */

ADMIN_TEST(it_ends_when_the_master_is_gone)
{
    check_int(world_status(world_get(w, "/healthz")), 200);
    ed_stream_close(w->line);
    w->line = NULL;
    world_wait(w);
    check_int(w->status, 0);
}

/* They are sent to all of a terminal's processes: the master tells it. */
ADMIN_TEST(signals_of_a_terminal_are_not_for_it)
{
    check_int(world_status(world_get(w, "/healthz")), 200);
    check_int(kill(w->process, SIGINT), 0);
    check_int(kill(w->process, SIGHUP), 0);
    check_int(world_status(world_get(w, "/healthz")), 200);
    check_int(world_status(world_open(w, "GET", "/healthz", NULL)), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_is_told_at_both_ways_in),
        cmocka_unit_test(it_is_ready_when_a_worker_is_and_nobody_drains),
        cmocka_unit_test(a_browser_is_led_to_the_console),
        cmocka_unit_test(the_state_of_the_server_is_that_of_the_board),
        cmocka_unit_test(workers_are_told_with_what_they_have_counted),
        cmocka_unit_test(what_workers_that_are_gone_have_counted_stays),
        cmocka_unit_test(metrics_are_told_as_prometheus_reads_them),
        cmocka_unit_test(requests_of_all_workers_come_oldest_first),
        cmocka_unit_test(no_more_requests_are_asked_for_than_are_wanted),
        cmocka_unit_test(a_question_that_makes_no_sense_is_refused),
        cmocka_unit_test(workers_that_do_not_answer_hide_none_of_the_others),
        cmocka_unit_test(a_worker_that_talks_nonsense_hides_none_of_the_others),
        cmocka_unit_test(workers_that_only_start_are_not_asked),
        cmocka_unit_test(
            the_stack_of_a_request_is_that_of_the_worker_that_has_it),
        cmocka_unit_test(the_tree_of_one_worker_or_of_all),
        cmocka_unit_test(each_change_is_a_line_to_the_master),
        cmocka_unit_test(a_reload_has_a_number),
        cmocka_unit_test(what_is_told_of_the_last_reload_is_in_the_status),
        cmocka_unit_test(what_the_master_says_of_it_is_passed_on),
        cmocka_unit_test(
            of_a_change_that_makes_no_sense_the_master_hears_nothing),
        cmocka_unit_test(changes_asked_for_at_once_are_made_one_by_one),
        cmocka_unit_test(
            a_late_answer_is_not_taken_for_that_of_the_next_command),
        cmocka_unit_test(what_nobody_asked_for_is_no_answer),
        cmocka_unit_test(a_log_level_is_told_to_the_master_and_the_workers),
        cmocka_unit_test(
            without_a_token_nothing_can_be_changed_at_the_admin_address),
        cmocka_unit_test(with_the_token_things_can_be_changed_there),
        cmocka_unit_test(a_token_that_was_changed_holds_at_once),
        cmocka_unit_test(an_empty_token_is_none),
        cmocka_unit_test(a_large_body_is_refused),
        cmocka_unit_test(it_ends_when_the_master_is_gone),
        cmocka_unit_test(signals_of_a_terminal_are_not_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
