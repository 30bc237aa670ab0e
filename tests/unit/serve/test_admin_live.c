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
    ed_count(&w->board->slots[0].counters.blocked, 1);
    json_t *second = next_message(ws, &text);
    json_t *blocked = json_array_get(json_object_get(second, "blocked"), 0);
    check_int(json_integer_value(json_object_get(blocked, "pid")), 4101);
    check_int(json_array_size(json_object_get(second, "slowest")), 0);
    json_decref(first);
    json_decref(second);
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
        cmocka_unit_test(who_looks_does_not_keep_it_from_ending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
