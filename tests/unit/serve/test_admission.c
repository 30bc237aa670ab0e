/*
 * test_admission.c - how many requests are handled at once, who waits and for
 * how long, and whom nobody works for any more.
 */
#include "../app/hosted.h"
#include "app/access_format.h"
#include "http/observer.h"
#include "serve/admission.h"

#include <eddy/history.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 10, CROWD = 500 };

/* One at a time: the server's handler knows no other way to it. */
static struct house {
    struct hosted h;
    struct ed_settings settings;
    struct ed_slot slot;
    struct ed_admission admission;
    ed_client *client;
    int64_t stay;      /* of a guest */
    unsigned capacity; /* beyond that many at once all take longer; 0: none */
    bool varied;       /* stays are of half to one and a half of it */
    unsigned ran, inside, most;
    unsigned prompt; /* ran with next to no time in line */
    ed_history *history;
} house;

static int admit(ed_req *req)
{
    return ed_admission_run(&house.admission, req, ed_app_handle);
}

static int64_t stay_now(void)
{
    if (house.varied)
        return house.stay * (50 + house.ran * 37 % 101) / 100;
    unsigned n = house.capacity && house.inside > house.capacity
                     ? house.inside
                     : house.capacity;

    return house.capacity ? house.stay * n / house.capacity : house.stay;
}

static int guest(ed_req *req)
{
    house.ran++;
    house.prompt += req->waited <= 200 * ED_MS;
    house.inside++;
    if (house.inside > house.most)
        house.most = house.inside;
    int err = ed_sleep(stay_now());
    house.inside--;
    return err ? err : ed_reply(req, 200, "done\n");
}

static int stream(ed_req *req)
{
    int err = ed_write(req, "first\n");

    if (!err)
        err = ed_flush(req);
    while (!err)
        err = ed_sleep(ED_S);
    return err;
}

static int upgrade(ed_req *req)
{
    ed_stream *stream;
    int err = ed_req_upgrade(req, "echo", &stream);

    if (err)
        return err;
    char byte;
    ssize_t n = ed_stream_read(stream, &byte, 1);
    ed_stream_close(stream);
    return n < 0 ? (int)n : 0;
}

static int poll_news(ed_req *req)
{
    return ed_long_poll(req, house.history, .within = ED_MIN);
}

static int health(ed_req *req)
{
    return ed_reply(req, 200, "ok\n");
}

/* With a limit unless said otherwise; nobody is sent away soon. */
#define open_house(...) open_house_((struct ed_settings){__VA_ARGS__})

static void open_house_(struct ed_settings settings)
{
    static const char *const vital[] = {"/healthz", "/readyz"};

    memset(&house, 0, sizeof house);
    house.settings = settings;
    if (!settings.queue_limit)
        house.settings.queue_limit = 1000;
    if (!settings.queue_timeout)
        house.settings.queue_timeout = 100 * ED_S;
    house.settings.vital.each = (void *)vital;
    house.settings.vital.count = 2;
    house.stay = ED_S;
    hosted_open(&house.h);
    house.history = ed_history_new();
    house.client =
        ed_client_new(.no_propagation = true, .max_per_origin = CROWD);
    ed_admission_open(&house.admission, &house.settings, &house.slot);
    house.h.server->handler = admit;
    ed_route(house.h.app, "GET /", guest);
    ed_route(house.h.app, "GET /stream", stream);
    ed_route(house.h.app, "GET /upgrade", upgrade);
    ed_route(house.h.app, "GET /poll", poll_news);
    ed_route(house.h.app, "GET /healthz", health);
}

static void close_house(void)
{
    check_int(house.admission.limiter.in_flight, 0);
    check_int(house.slot.queued, 0);
    ed_client_free(house.client);
    hosted_close(&house.h);
    ed_history_free(house.history);
}

struct asker {
    const char *path;
    const char *field; /* of the request; NULL: none */
    int status;
    int64_t took;
    int64_t retry_after;
};

static int ask(void *arg)
{
    struct asker *a = arg;
    const char *fields[] = {a->field, NULL};
    char url[300];
    ed_res *res = NULL;
    int64_t began = ed_now();

    snprintf(url, sizeof url, "%s", hosted_url(&house.h, a->path));
    int err = ed_fetch(&res, url, .client = house.client, .headers = fields);
    if (err)
        return err;
    a->took = ed_now() - began;
    a->status = ed_res_status(res);
    a->retry_after = strtoll(hosted_field(res, "Retry-After"), NULL, 10);
    return 0;
}

/* A client whose connection is all there is to it: it can leave. */
static ed_stream *call(const char *path)
{
    ed_stream *s = NULL;
    char text[200];

    check_int(ed_connect(&s, house.h.address), 0);
    int len = snprintf(text, sizeof text,
                       "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                       "Upgrade: echo\r\n\r\n",
                       path);
    check_int(ed_stream_write(s, text, (size_t)len), 0);
    return s;
}

static void settle(void)
{
    check_int(ed_sleep(ED_MS), 0);
}

/* ---- the line ---- */

FIBER_TEST(a_burst_is_served_whole_and_never_more_than_the_limit_at_once)
{
    static struct asker askers[CROWD];
    ed_scope(s);

    open_house(.max_in_flight = PLACES, .queue_timeout = 10 * ED_MIN);
    for (int i = 0; i < CROWD; i++) {
        askers[i] = (struct asker){.path = "/"};
        ed_go(s, ask, &askers[i]);
    }
    settle();
    check_int(house.slot.queued, CROWD - PLACES);
    check_int(house.slot.limit, PLACES);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < CROWD; i++) {
        check_int(askers[i].status, 200);
        /* Each in its turn. */
        check_int((askers[i].took + 100 * ED_MS) / ED_S, i / PLACES + 1);
    }
    check_int(house.most, PLACES);
    check_int(house.ran, CROWD);
    check_int(ed_counted(&house.slot.counters.shed), 0);
    check_int(ed_times_count(house.slot.counters.waits), CROWD - PLACES);
    close_house();
}

/* It takes 50 s, and the line is said to stand after 12. */
FIBER_TEST(what_a_long_burst_has_left_keeps_its_time)
{
    static struct asker askers[CROWD];
    ed_scope(s);

    open_house(.max_in_flight = PLACES, .queue_timeout = ED_MIN);
    for (int i = 0; i < CROWD; i++) {
        askers[i] = (struct asker){.path = "/"};
        ed_go(s, ask, &askers[i]);
    }
    check_int(ed_wait(s), 0);
    for (int i = 0; i < CROWD; i++)
        check_int(askers[i].status, 200);
    close_house();
}

FIBER_TEST(nothing_runs_for_clients_that_have_left_the_line)
{
    static ed_stream *clients[CROWD];

    open_house(.max_in_flight = PLACES);
    for (int i = 0; i < CROWD; i++)
        clients[i] = call("/");
    settle();
    check_int(house.ran, PLACES);
    for (int i = PLACES; i < CROWD; i += 2)
        ed_stream_close(clients[i]);
    settle();
    check_int(house.slot.queued, (CROWD - PLACES) / 2);
    check_int(ed_sleep(60 * ED_S), 0);
    check_int(house.ran, PLACES + (CROWD - PLACES) / 2);
    check_int(house.most, PLACES);
    for (int i = 0; i < CROWD; i++) {
        if (i < PLACES || (i - PLACES) % 2)
            ed_stream_close(clients[i]);
    }
    close_house();
}

static bool cancel_it(ed_req *req, const ed_fiber *fiber, void *arg)
{
    (void)req;
    (void)arg;
    ed_fiber_cancel((ed_fiber *)fiber, ED_ECANCELED);
    return false;
}

FIBER_TEST(a_client_that_leaves_as_it_is_called_is_not_run)
{
    struct ed_limiter *limiter = &house.admission.limiter;

    open_house(.max_in_flight = 1);
    check_int(ed_limiter_take(limiter), 0);
    ed_stream *next = call("/");
    settle();
    check_int(house.slot.queued, 1);
    ed_limiter_give(limiter);
    check_int(limiter->in_flight, 1); /* it is called */
    ed_server_each_request(house.h.server, cancel_it, NULL);
    settle();
    check_int(house.ran, 0);
    ed_stream_close(next);
    close_house();
}

FIBER_TEST(who_waits_too_long_is_sent_away_and_never_run)
{
    struct asker first = {.path = "/"}, second = {.path = "/"};
    ed_scope(s);

    open_house(.max_in_flight = 1, .queue_timeout = 300 * ED_MS);
    ed_go(s, ask, &first);
    settle();
    ed_go(s, ask, &second);
    check_int(ed_wait(s), 0);
    check_int(first.status, 200);
    check_int(second.status, 503);
    check_int(second.took, 300 * ED_MS);
    check(second.retry_after >= 1 && second.retry_after <= 2);
    check_int(house.ran, 1);
    check_int(ed_counted(&house.slot.counters.shed), 1);
    close_house();
}

FIBER_TEST(a_line_that_is_full_sends_away_at_once)
{
    static struct asker askers[120];
    ed_scope(s);

    open_house(.max_in_flight = PLACES, .queue_limit = 100);
    for (int i = 0; i < 120; i++) {
        askers[i] = (struct asker){.path = "/"};
        ed_go(s, ask, &askers[i]);
    }
    check_int(ed_wait(s), 0);
    int shed = 0;
    for (int i = 0; i < 120; i++)
        shed += askers[i].status == 503 && askers[i].took < ED_MS;
    check_int(shed, 120 - 100 - PLACES);
    check_int(house.ran, 100 + PLACES);
    close_house();
}

FIBER_TEST(the_pause_asked_for_is_what_the_line_takes)
{
    static struct asker askers[PLACES + 100];
    struct asker late = {.path = "/"};
    ed_scope(s);

    open_house(.max_in_flight = PLACES, .queue_limit = 100);
    house.admission.stay = 2 * ED_S; /* as lately */
    for (int i = 0; i < PLACES + 100; i++) {
        askers[i] = (struct asker){.path = "/"};
        ed_go(s, ask, &askers[i]);
    }
    settle();
    check_int(ask(&late), 0);
    check_int(late.status, 503);
    /* 101 of 2 s at 10 places, and up to as much again. */
    check(late.retry_after >= 20 && late.retry_after <= 41);
    check_int(ed_wait(s), 0);
    close_house();
}

/* Twice of what can be done, for a minute. */
FIBER_TEST(under_lasting_overload_those_served_are_served_soon)
{
    enum { OFFERED = 60 * 20 };
    static struct asker askers[OFFERED];
    int served = 0;
    int64_t longest = 0;
    int late = 0;
    ed_scope(s);

    open_house(.max_in_flight = PLACES, .queue_timeout = 5 * ED_S);
    house.varied = true;
    for (int i = 0; i < OFFERED; i++) {
        askers[i] = (struct asker){.path = "/"};
        ed_go(s, ask, &askers[i]);
        check_int(ed_sleep(50 * ED_MS), 0);
    }
    check_int(ed_wait(s), 0);
    for (int i = 0; i < OFFERED; i++) {
        if (askers[i].status != 200) {
            check_int(askers[i].status, 503);
            late += askers[i].took > 500 * ED_MS;
            if (askers[i].took > longest)
                longest = askers[i].took;
            continue;
        }
        served++;
    }
    /* The places are never empty, nearly all are let in as if there were no
     * line, and nobody waits beyond the patience for nothing. */
    check(served >= OFFERED / 2 - PLACES);
    check(house.prompt >= house.ran * 90 / 100);
    check(longest <= 5 * ED_S);
    /* Only who came before it was known waits so long in vain. */
    check(late <= 3 * PLACES);
    close_house();
}

/* ---- deadlines ---- */

FIBER_TEST(waiting_counts_for_the_deadline)
{
    struct asker first = {.path = "/"};
    struct asker second = {.path = "/", .field = "X-Request-Timeout-Ms: 1500"};
    struct asker third = {.path = "/", .field = "X-Request-Timeout-Ms: 300"};
    ed_scope(s);

    open_house(.max_in_flight = 1);
    ed_go(s, ask, &first);
    settle();
    ed_go(s, ask, &second);
    ed_go(s, ask, &third);
    check_int(ed_wait(s), 0);
    check_int(second.status, 504); /* half of its time went in line */
    check_int(second.took, 1500 * ED_MS);
    check_int(third.status, 503);
    check_int(third.took, 300 * ED_MS);
    check_int(house.ran, 2);
    close_house();
}

/* ---- who is not held back, and who does not hold back ---- */

FIBER_TEST(what_watches_the_app_is_never_held_back)
{
    struct asker inside = {.path = "/"};
    struct asker vital = {.path = "/healthz?from=probe"};
    ed_scope(s);

    open_house(.max_in_flight = 1);
    ed_go(s, ask, &inside);
    settle();
    check_int(ask(&vital), 0);
    check_int(vital.status, 200);
    check_int(vital.took, 0);
    check_int(ed_wait(s), 0);
    close_house();
}

static void gives_its_place(const char *path)
{
    open_house(.max_in_flight = 1);
    ed_stream *lasting = call(path);
    settle();
    struct asker other = {.path = "/"};
    check_int(ask(&other), 0);
    check_int(other.status, 200);
    check_int(other.took, ED_S);
    ed_stream_close(lasting);
    settle();
    close_house();
}

FIBER_TEST(a_stream_gives_its_place_when_it_begins)
{
    gives_its_place("/stream");
}

FIBER_TEST(a_connection_taken_over_gives_its_place)
{
    gives_its_place("/upgrade");
}

FIBER_TEST(a_long_poll_gives_its_place)
{
    gives_its_place("/poll");
}

FIBER_TEST(without_a_limit_nobody_waits)
{
    struct asker a = {.path = "/"}, b = {.path = "/"};
    ed_scope(s);

    open_house(.queue_timeout = ED_S);
    ed_go(s, ask, &a);
    ed_go(s, ask, &b);
    check_int(ed_wait(s), 0);
    check_int(a.took, ED_S);
    check_int(b.took, ED_S);
    check_int(house.slot.limit, 0);
    close_house();
}

/* ---- an adaptive limit ---- */

enum { LOAD = 100 };

static bool load_is_over;

static int keep_asking(void *arg)
{
    struct asker *a = arg;

    while (!load_is_over) {
        int err = ask(a);
        if (err)
            return err;
        if (a->status == 504)
            err = ed_sleep(10 * ED_MS);
        if (err)
            return err;
    }
    return 0;
}

static unsigned limit_under(struct asker asker, int64_t time)
{
    static struct asker askers[LOAD];
    ed_scope(s);

    load_is_over = false;
    for (int i = 0; i < LOAD; i++) {
        askers[i] = asker;
        ed_go(s, keep_asking, &askers[i]);
    }
    check_int(ed_sleep(time), 0);
    unsigned limit = house.slot.limit;
    load_is_over = true;
    check_int(ed_wait(s), 0);
    return limit;
}

FIBER_TEST(an_adaptive_limit_settles_near_what_can_be_done_at_once)
{
    open_house(.adaptive = true);
    house.capacity = 16;
    house.stay = 20 * ED_MS;
    unsigned before = house.ran;
    unsigned limit = limit_under((struct asker){.path = "/"}, 60 * ED_S);
    /* 100 clients would be there at once without. 16 is the best; the queue
     * that is welcome comes on top. */
    check(limit >= 14 && limit <= 40);
    /* 16 of 20 ms: 800 a second. */
    check(house.ran - before > 60 * 800 * 93 / 100);
    close_house();
}

FIBER_TEST(clients_in_a_hurry_do_not_talk_the_limit_down)
{
    open_house(.adaptive = true);
    house.stay = 20 * ED_MS;
    ed_log_set_level(ED_LOG_OFF); /* each of thousands would be a line */
    unsigned limit = limit_under(
        (struct asker){.path = "/", .field = "X-Request-Timeout-Ms: 5"},
        20 * ED_S);
    ed_log_set_level(ED_LOG_WARN);
    check_int(limit, 20);
    close_house();
}

FIBER_TEST(handlers_that_run_out_of_the_servers_time_do)
{
    open_house(.adaptive = true, .request_timeout = 20 * ED_MS);
    house.h.server->options.request_timeout = 20 * ED_MS;
    house.stay = 30 * ED_MS;
    unsigned limit = limit_under((struct asker){.path = "/"}, 20 * ED_S);
    check(limit <= 5);
    close_house();
}

/* ---- what the access log says ---- */

static int log_itself(ed_req *req)
{
    struct ed_access access = {.req = req, .status = 200};
    struct ed_access_format *format;
    struct ed_buf line = {0};
    const char *why;

    check_int(
        ed_access_format_read(&format, ed_req_arena(req), "%{queue}x %s", &why),
        0);
    check_int(ed_access_format_add(format, &access, &line), 0);
    int err = ed_reply(req, 200, "%s", line.ptr);
    ed_buf_free(&line);
    return err;
}

FIBER_TEST(the_access_log_has_the_time_in_line)
{
    struct asker inside = {.path = "/"};
    ed_scope(s);

    open_house(.max_in_flight = 1);
    ed_route(house.h.app, "GET /log", log_itself);
    ed_go(s, ask, &inside);
    check_int(ed_sleep(250 * ED_MS), 0);
    ed_res *res = hosted_get(&house.h, "/log", NULL);
    check_text(ed_res_body(res).ptr, "0.750000 200\n");
    res = hosted_get(&house.h, "/log", NULL);
    check_text(ed_res_body(res).ptr, "0.000000 200\n");
    check_int(ed_wait(s), 0);
    close_house();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_burst_is_served_whole_and_never_more_than_the_limit_at_once),
        cmocka_unit_test(what_a_long_burst_has_left_keeps_its_time),
        cmocka_unit_test(nothing_runs_for_clients_that_have_left_the_line),
        cmocka_unit_test(a_client_that_leaves_as_it_is_called_is_not_run),
        cmocka_unit_test(who_waits_too_long_is_sent_away_and_never_run),
        cmocka_unit_test(a_line_that_is_full_sends_away_at_once),
        cmocka_unit_test(the_pause_asked_for_is_what_the_line_takes),
        cmocka_unit_test(under_lasting_overload_those_served_are_served_soon),
        cmocka_unit_test(waiting_counts_for_the_deadline),
        cmocka_unit_test(what_watches_the_app_is_never_held_back),
        cmocka_unit_test(a_stream_gives_its_place_when_it_begins),
        cmocka_unit_test(a_connection_taken_over_gives_its_place),
        cmocka_unit_test(a_long_poll_gives_its_place),
        cmocka_unit_test(without_a_limit_nobody_waits),
        cmocka_unit_test(
            an_adaptive_limit_settles_near_what_can_be_done_at_once),
        cmocka_unit_test(clients_in_a_hurry_do_not_talk_the_limit_down),
        cmocka_unit_test(handlers_that_run_out_of_the_servers_time_do),
        cmocka_unit_test(the_access_log_has_the_time_in_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
