/*
 * test_admin_live.c - the admin process, by what it tells those who look at it
 * live.
 */
#include "admin_world.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/ws.h>
#include <signal.h>

/* Two requests, of 5 and 1 seconds. */
static int ps_of_first(ed_req *req)
{
    return ed_reply(req, 200, "%s",
                    "{\"requests\":[{\"id\":\"a\",\"age_s\":5},"
                    "{\"id\":\"b\",\"age_s\":1}],\"total\":2}");
}

static int stands_still(ed_req *req)
{
    int err = ed_sleep(60 * ED_S);
    return err ? err : ed_reply(req, 200, "{}");
}

static ed_ws *view(struct world *w, const char *path)
{
    ed_ws *ws = NULL;
    int err = ed_ws_connect(&ws, world_url(w, path), .client = w->client);
    check_(!err, "%s: %s", ed_err_name(err), ed_error());
    return ws;
}

static json_t *next_message(ed_ws *ws, struct ed_buf *text)
{
    struct ed_bytes message;
    int err = ed_ws_recv(ws, &message);

    check_int(err, 0);
    text->len = 0;
    if (err || ed_buf_add(text, message.ptr, message.len))
        return NULL;
    return json_loadb(message.ptr, message.len, 0, NULL);
}

ADMIN_TEST(who_looks_gets_the_figures_of_each_interval)
{
    struct ed_buf text = {0}, same = {0};

    world_worker(w, 0, 4101, world_app("GET /ps", ps_of_first));
    for (int i = 0; i < 1000; i++)
        ed_counters_request(&w->board->slots[0].counters, 200, ED_METHOD_GET,
                            ED_S, 0);
    ed_ws *one = view(w, "/v1/live"), *other = view(w, "/v1/live");
    /* What was before it began to look does not matter. */
    json_t *first = next_message(one, &text);
    check(json_number_value(json_object_get(first, "requests_per_s")) == 0);
    json_t *repeated = next_message(other, &same);
    check_text(text.ptr, same.ptr);

    ed_counters_request(&w->board->slots[0].counters, 200, ED_METHOD_GET,
                        5 * ED_MS, 0);
    json_t *second = next_message(one, &text);
    double rate = json_number_value(json_object_get(second, "requests_per_s"));
    double lasted = json_number_value(json_object_get(second, "interval_s"));
    check(rate * lasted > 0.99 && rate * lasted < 1.01);
    json_t *latency = json_object_get(second, "latency");
    check(json_number_value(json_object_get(latency, "p50_s")) == 0.005);
    json_t *worker = json_array_get(json_object_get(second, "workers"), 0);
    check_int(json_integer_value(json_object_get(worker, "pid")), 4101);
    check(json_number_value(json_object_get(worker, "requests_per_s")) > 0);
    json_t *slowest = json_array_get(json_object_get(second, "slowest"), 0);
    check_text(json_string_value(json_object_get(slowest, "id")), "a");

    json_decref(first);
    json_decref(repeated);
    json_decref(second);
    ed_buf_free(&text);
    ed_buf_free(&same);
    ed_ws_free(one);
    ed_ws_free(other);
}

ADMIN_TEST(a_worker_that_stands_still_does_not_hold_up_who_looks)
{
    struct ed_buf text = {0};

    world_worker(w, 0, 4101, world_app("GET /ps", stands_still));
    ed_ws *ws = view(w, "/v1/live");
    json_t *first = next_message(ws, &text);
    json_t *second = next_message(ws, &text);
    check_int(json_array_size(json_object_get(second, "slowest")), 0);
    json_decref(first);
    json_decref(second);
    ed_buf_free(&text);
    ed_ws_free(ws);
}

static void stands_in(struct world *w, uint64_t number, const char *names)
{
    const struct ed_block block = {
        .number = number,
        .lasted = 100 * ED_MS,
        .names = names,
        .fiber = "request",
        .place = "shop.c:12",
    };

    ed_standstill_write(w->board->slots[0].standstills, &block);
}

static void runs_again(struct world *w, uint64_t number, int64_t lasted)
{
    const struct ed_block block = {
        .number = number,
        .lasted = lasted,
        .over = true,
    };

    ed_standstill_write(w->board->slots[0].standstills, &block);
}

static const char *blocked_text(const json_t *message, size_t i,
                                const char *member)
{
    const json_t *blocked = json_object_get(message, "blocked");
    const char *text =
        json_string_value(json_object_get(json_array_get(blocked, i), member));

    return text ? text : "";
}

ADMIN_TEST(a_loop_that_stands_still_is_told_of_with_its_function)
{
    struct ed_buf text = {0};

    world_worker(w, 0, 4101, NULL);
    ed_ws *ws = view(w, "/v1/live");
    json_decref(next_message(ws, &text));

    stands_in(w, 1, "? < md5 < thumbnail < page");
    json_t *live = next_message(ws, &text);
    const json_t *event = json_array_get(json_object_get(live, "blocked"), 0);
    check_int(json_integer_value(json_object_get(event, "pid")), 4101);
    check_text(blocked_text(live, 0, "function"), "md5");
    check_text(blocked_text(live, 0, "names"), "? < md5 < thumbnail < page");
    check_text(blocked_text(live, 0, "fiber"), "request");
    check_text(blocked_text(live, 0, "place"), "shop.c:12");
    check(!json_is_true(json_object_get(event, "over")));
    check(strstr(blocked_text(live, 0, "text"), "stands still, for "));
    check(strstr(
        blocked_text(live, 0, "text"),
        " ms so far, in md5 < thumbnail < page, fiber 'request' (started at "
        "shop.c:12)"));
    json_decref(live);

    live = next_message(ws, &text); /* there is nothing new */
    check_int(json_array_size(json_object_get(live, "blocked")), 0);
    json_decref(live);

    runs_again(w, 1, 2345 * ED_MS);
    live = next_message(ws, &text);
    check_text(blocked_text(live, 0, "text"),
               "stood still for 2345 ms in md5 < thumbnail < page, "
               "fiber 'request' (started at shop.c:12)");
    json_decref(live);
    ed_buf_free(&text);
    ed_ws_free(ws);
}

ADMIN_TEST(of_a_long_chain_of_functions_whole_names_are_shown)
{
    char names[200] = "first";
    struct ed_buf text = {0};

    for (size_t len = 5; len < 180; len += 20)
        stpcpy(names + len, " < seventeen_letters");
    world_worker(w, 0, 4101, NULL);
    ed_ws *ws = view(w, "/v1/live");
    json_decref(next_message(ws, &text));
    stands_in(w, 1, names);
    runs_again(w, 1, ED_S);
    json_t *live = next_message(ws, &text);
    check_text(blocked_text(live, 0, "text"),
               "stood still for 1000 ms in first < seventeen_letters < "
               "seventeen_letters < seventeen_letters < seventeen_letters < "
               "seventeen_letters, fiber 'request' (started at shop.c:12)");
    json_decref(live);
    ed_buf_free(&text);
    ed_ws_free(ws);
}

ADMIN_TEST(loops_that_stand_still_too_often_are_told_of_by_their_number)
{
    struct ed_buf text = {0};

    world_worker(w, 0, 4101, NULL);
    ed_ws *ws = view(w, "/v1/live");
    json_decref(next_message(ws, &text));
    for (uint64_t i = 1; i <= ED_STANDSTILLS + 3; i++)
        stands_in(w, i, NULL);
    json_t *live = next_message(ws, &text);
    check_int(json_array_size(json_object_get(live, "blocked")),
              ED_STANDSTILLS + 1);
    check(strstr(blocked_text(live, 0, "text"), " ms so far, in the kernel"));
    check_text(blocked_text(live, ED_STANDSTILLS, "text"),
               "stood still 3 times more; the log says where");
    json_decref(live);
    ed_buf_free(&text);
    ed_ws_free(ws);
}

ADMIN_TEST(who_looks_does_not_keep_it_from_ending)
{
    struct ed_bytes message;

    ed_ws *ws = view(w, "/v1/live");
    check_int(kill(w->process, SIGTERM), 0);
    int err;
    while (!(err = ed_ws_recv(ws, &message)))
        ;
    check_int(err, ED_ECLOSED);
    check_int(ed_ws_close_code(ws), ED_WS_GOING_AWAY);
    ed_ws_free(ws);
    world_wait(w);
    check_int(w->status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_looks_gets_the_figures_of_each_interval),
        cmocka_unit_test(a_worker_that_stands_still_does_not_hold_up_who_looks),
        cmocka_unit_test(a_loop_that_stands_still_is_told_of_with_its_function),
        cmocka_unit_test(of_a_long_chain_of_functions_whole_names_are_shown),
        cmocka_unit_test(
            loops_that_stand_still_too_often_are_told_of_by_their_number),
        cmocka_unit_test(who_looks_does_not_keep_it_from_ending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
