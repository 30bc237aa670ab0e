/*
 * test_gate.c - a server that leaves connections to others for a while.
 */
#include "served.h"
#include "served_handlers.h"

#include "http/gate.h"

struct counted {
    struct ed_server_gate gate;
    unsigned came, gone, open;
    int64_t hold; /* after each that comes */
};

static void count(struct ed_server_gate *gate, ed_server *server, unsigned open,
                  bool came)
{
    struct counted *c = ED_CONTAINER(gate, struct counted, gate);

    *(came ? &c->came : &c->gone) += 1;
    c->open = open;
    if (came && c->hold)
        ed_server_hold(server, ed_now() + c->hold);
}

FIBER_TEST(its_gate_hears_of_connections_that_come_and_go)
{
    struct served s = {0};
    struct counted c = {.gate.changed = count};

    served_open(&s, served_by_path);
    ed_server_set_gate(s.server, &c.gate);
    ed_stream *one = served_connect(&s);
    ed_stream *two = served_connect(&s);
    settle();
    check_int(c.came, 2);
    check_int(c.open, 2);
    ed_stream_close(one);
    settle();
    check_int(c.gone, 1);
    check_int(c.open, 1);
    ed_server_set_gate(s.server, NULL);
    ed_stream_close(two);
    settle();
    check_int(c.gone, 1);
    served_close(&s);
}

FIBER_TEST(held_back_it_serves_what_it_has_and_accepts_later)
{
    struct served s = {0};
    struct counted c = {.gate.changed = count, .hold = 5 * ED_MS};

    served_open(&s, served_by_path);
    ed_server_set_gate(s.server, &c.gate);
    ed_stream *one = served_connect(&s);
    ed_stream *two = served_connect(&s);
    settle();
    check_int(served_counts(&s).accepted, 1);
    served_ask(one, "/");
    served_says(one, "Hello");
    check_int(ed_sleep(4 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 1);
    check_int(ed_sleep(1 * ED_MS), 0);
    settle();
    check_int(served_counts(&s).accepted, 2);
    served_ask(two, "/");
    served_says(two, "Hello");
    ed_stream_close(one);
    ed_stream_close(two);
    served_close(&s);
}

FIBER_TEST(a_later_hold_moves_the_time)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_server_hold(s.server, ed_now() + 5 * ED_MS);
    ed_server_hold(s.server, ed_now() + 20 * ED_MS);
    ed_stream *one = served_connect(&s);
    check_int(ed_sleep(19 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 0);
    check_int(ed_sleep(2 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 1);
    ed_stream_close(one);
    served_close(&s);
}

FIBER_TEST(the_end_of_a_hold_lets_no_more_in_than_allowed)
{
    struct served s = {0};
    struct counted c = {.gate.changed = count, .hold = 5 * ED_MS};

    served_open(&s, served_by_path, .max_connections = 1);
    ed_server_set_gate(s.server, &c.gate);
    ed_stream *one = served_connect(&s);
    ed_stream *two = served_connect(&s);
    check_int(ed_sleep(10 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 1);
    ed_stream_close(one);
    settle();
    check_int(served_counts(&s).accepted, 2);
    ed_stream_close(two);
    served_close(&s);
}

FIBER_TEST(a_place_that_becomes_free_does_not_end_a_hold)
{
    struct served s = {0};
    struct counted c = {.gate.changed = count, .hold = 5 * ED_MS};

    served_open(&s, served_by_path, .max_connections = 1);
    ed_server_set_gate(s.server, &c.gate);
    ed_stream *one = served_connect(&s);
    ed_stream *two = served_connect(&s);
    settle();
    ed_stream_close(one);
    check_int(ed_sleep(1 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 1);
    check_int(ed_sleep(5 * ED_MS), 0);
    check_int(served_counts(&s).accepted, 2);
    ed_stream_close(two);
    served_close(&s);
}

FIBER_TEST(it_can_be_stopped_while_it_holds_back)
{
    struct served s = {0};

    served_open(&s, served_by_path);
    ed_server_hold(s.server, ed_now() + 5 * ED_MS);
    ed_server_stop(s.server);
    ed_server_hold(s.server, ed_now() + 5 * ED_MS);
    served_join(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_gate_hears_of_connections_that_come_and_go),
        cmocka_unit_test(held_back_it_serves_what_it_has_and_accepts_later),
        cmocka_unit_test(a_later_hold_moves_the_time),
        cmocka_unit_test(the_end_of_a_hold_lets_no_more_in_than_allowed),
        cmocka_unit_test(a_place_that_becomes_free_does_not_end_a_hold),
        cmocka_unit_test(it_can_be_stopped_while_it_holds_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
