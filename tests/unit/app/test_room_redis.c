/*
 * test_room_redis.c - one room in several processes, by a real Redis.
 *
 * A room does not know whether the other ends of its channel are in its own
 * process, so here they are.
 */
#include "../redis/redis_test.h"
#include "app/room_link.h"

#include <eddy/log.h>
#include <eddy/room.h>
#include <stdlib.h>

enum { KEPT = 100 * 1000 };

static unsigned gaps;

static void count_gap(ed_room *room, const struct ed_room_member *member,
                      uint64_t lost, void *arg)
{
    (void)room;
    (void)arg;
    check(!member && !lost);
    gaps++;
}

/* A room, and the client it is joined by. */
struct side {
    ed_redis *redis;
    ed_room *room;
};

static struct side open_side(const char *channel)
{
    struct side side = {
        .redis = client(),
        .room = ed_room_new(
            NULL, "lobby", .history = KEPT, .history_bytes = 64 * 1024 * 1024,
            .max_behind = 64 * 1024 * 1024, .on_gap = count_gap),
    };

    gaps = 0;
    check_int(ed_room_join_redis(side.room, side.redis, channel), 0);
    return side;
}

static void close_side(struct side *side)
{
    ed_room_free(side->room);
    ed_redis_free(side->redis);
}

/* Until that many listen to the channel. */
static void await_listeners(const char *channel, int count)
{
    char command[100], expected[100];

    snprintf(command, sizeof(command), "PUBSUB NUMSUB %s", channel);
    snprintf(expected, sizeof(expected), "%s\n%d", channel, count);
    while (strncmp(redis_server_ask(server, command), expected,
                   strlen(expected)) != 0 &&
           !ed_sleep(10 * ED_MS))
        ;
}

static size_t count(const struct side *side)
{
    return ed_history_count(ed_room_history(side->room));
}

static bool await_count(const struct side *side, size_t wanted)
{
    while (count(side) < wanted && !ed_sleep(ED_MS))
        ;
    return check_int(count(side), wanted);
}

/* Valid until the next call. */
static const char *text_at(const struct side *side, size_t i)
{
    static char text[64];
    struct ed_history_item item = {.data = ED_BYTES("(none)")};

    ed_history_at(ed_room_history(side->room), i, &item);
    snprintf(text, sizeof(text), "%.*s", (int)item.data.len, item.data.ptr);
    return text;
}

static const char *id_at(const struct side *side, size_t i)
{
    struct ed_history_item item;

    return ed_history_at(ed_room_history(side->room), i, &item) ? item.id
                                                                : "(none)";
}

static void say(const struct side *side, const char *text)
{
    check_int(ed_room_send(side->room, ed_bytes(text)), 0);
}

static void say_number(const struct side *side, int n)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", n);
    say(side, text);
}

REDIS_TEST(what_is_said_in_one_is_heard_in_all_once_and_in_order)
{
    struct side a = open_side("c"), b = open_side("c"), other = open_side("d");
    char text[16];

    await_listeners("c", 2);
    await_listeners("d", 1);
    for (int i = 0; i < 5000; i++) {
        say_number(&a, i);
        if (i % 100 == 0)
            check_int(ed_yield(), 0);
    }
    check_int(count(&a), 5000);
    await_count(&b, 5000);
    for (int i = 0; i < 5000; i += 7) {
        snprintf(text, sizeof(text), "%d", i);
        check_text(text_at(&b, (size_t)i), text);
    }
    check_int(ed_room_publish(b.room, .event = "add", .data = ED_BYTES("x")),
              0);
    await_count(&a, 5001);
    check_text(id_at(&a, 5000), id_at(&b, 5000));
    check_text(id_at(&a, 17), id_at(&b, 17));
    struct ed_history_item item;
    check(ed_history_at(ed_room_history(a.room), 5000, &item));
    check_text(item.event, "add");
    check_int(ed_sleep(20 * ED_MS), 0);
    check_int(count(&a), 5001);
    check_int(count(&b), 5001);
    check_int(count(&other), 0);
    check_int(gaps, 0);
    close_side(&a);
    close_side(&b);
    close_side(&other);
}

REDIS_TEST(each_side_is_heard_in_its_order_when_all_speak)
{
    struct side a = open_side(NULL), b = open_side(NULL);
    int next_a = 0, next_b = 100 * 1000;

    await_listeners("eddy:room:lobby", 2);
    for (int i = 0; i < 1000; i++) {
        say_number(&a, i);
        say_number(&b, 100 * 1000 + i);
        check_int(ed_yield(), 0);
    }
    await_count(&a, 2000);
    await_count(&b, 2000);
    for (size_t i = 0; i < 2000; i++) {
        int n = (int)strtol(text_at(&a, i), NULL, 10);
        int *next = n < 100 * 1000 ? &next_a : &next_b;
        check_int(n, (*next)++);
    }
    check_int(next_a, 1000);
    check_int(gaps, 0);
    close_side(&a);
    close_side(&b);
}

REDIS_TEST(a_lost_connection_is_a_gap_and_speaking_goes_on)
{
    struct side a = open_side("c"), b = open_side("c");

    await_listeners("c", 2);
    say(&a, "one");
    await_count(&b, 1);
    redis_server_ask(server, "CLIENT KILL TYPE pubsub");
    while (gaps < 2 && !ed_sleep(ED_MS))
        ;
    await_listeners("c", 2);
    say(&a, "two");
    await_count(&b, 2);
    check_text(text_at(&b, 1), "two");
    check_int(gaps, 2);
    close_side(&a);
    close_side(&b);
}

REDIS_TEST(what_is_said_while_redis_is_down_is_heard_later)
{
    struct side a = open_side("c"), b = open_side("c");

    await_listeners("c", 2);
    say(&a, "0");
    await_count(&b, 1);
    redis_server_kill(server);
    for (int i = 1; i < 300; i++) {
        say_number(&a, i);
        check_int(ed_yield(), 0);
    }
    check_int(ed_sleep(100 * ED_MS), 0);
    redis_server_restart(server);
    /* The listener may come back after the publisher: what it has missed it is
     * told of. */
    while (!gaps && !ed_sleep(ED_MS))
        ;
    await_listeners("c", 2);
    say(&a, "last");
    while (strcmp(text_at(&b, count(&b) - 1), "last") && !ed_sleep(ED_MS))
        ;
    check(gaps > 0);
    close_side(&a);
    close_side(&b);
}

REDIS_TEST(what_waits_for_redis_is_bounded_and_what_is_dropped_is_a_gap)
{
    struct side a = open_side("c");

    await_listeners("c", 1);
    redis_server_kill(server);
    for (int i = 0; i < 30 * 1000; i++)
        say_number(&a, i);
    check(a.room->link->packet_messages <= 20 * 1000);
    check(a.room->link->packet_messages >= 5 * 1000);
    check_int(count(&a), 30 * 1000);
    close_side(&a);
}

REDIS_TEST(many_rooms_take_one_connection_more)
{
    enum { ROOMS = 50 };
    ed_redis *redis = client();
    ed_room *rooms[ROOMS], *others[ROOMS];
    char name[24];

    for (int i = 0; i < ROOMS; i++) {
        snprintf(name, sizeof(name), "room-%d", i);
        rooms[i] = ed_room_new(NULL, name, .history = 10);
        check_int(ed_room_join_redis(rooms[i], redis, NULL), 0);
    }
    struct side b = open_side("eddy:room:room-49");
    await_listeners("eddy:room:room-49", 2);
    const char *list = redis_server_ask(server, "CLIENT LIST TYPE pubsub");
    int lines = 0;
    for (; *list; list++)
        lines += *list == '\n';
    check_(lines <= 2, "%d connections listen", lines);
    say(&b, "hello");
    while (!ed_history_count(ed_room_history(rooms[49])) && !ed_sleep(ED_MS))
        ;
    check_int(ed_history_count(ed_room_history(rooms[48])), 0);
    others[0] = ed_room_new(NULL, "room-7");
    check_int(ed_room_join_redis(others[0], redis, NULL), ED_EUSAGE);
    ed_room_free(others[0]);
    for (int i = 0; i < ROOMS; i++)
        ed_room_free(rooms[i]);
    ed_redis_free(redis);
    close_side(&b);
}

/* Two rooms of a user whose rights a test changes. */
struct pair {
    ed_redis *redis;
    ed_room *good, *bad; /* by the channels c and d */
};

static struct pair open_pair(const char *channels)
{
    char command[100];
    struct pair pair;

    snprintf(command, sizeof(command),
             "ACL SETUSER half on nopass ~* +@all resetchannels %s", channels);
    redis_server_ask(server, command);
    pair.redis = client(.user = "half", .password = "x");
    pair.good = ed_room_new(NULL, "good", .history = 1000, .on_gap = count_gap);
    pair.bad = ed_room_new(NULL, "bad", .history = 10);
    check_int(ed_room_join_redis(pair.bad, pair.redis, "d"), 0);
    check_int(ed_room_join_redis(pair.good, pair.redis, "c"), 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    ed_room_free(pair->good);
    ed_room_free(pair->bad);
    ed_redis_free(pair->redis);
}

REDIS_TEST(a_room_whose_channel_is_forbidden_holds_up_no_other)
{
    struct pair pair = open_pair("&c");
    struct side b = open_side("c");

    await_listeners("c", 2);
    int64_t took = INT64_MAX;
    /* A pause for each of the refusals would be 25 ms at the least. On a busy
     * machine, once more. */
    for (size_t i = 0; i < 900 && took >= 2 * ED_S;) {
        int64_t began = ed_now();
        for (size_t end = i + 100; i < end;) {
            check_int(ed_room_send(pair.bad, ED_BYTES("x")), 0);
            check_int(ed_room_send(pair.good, ED_BYTES("x")), 0);
            await_count(&b, ++i);
        }
        took = ed_now() - began;
    }
    check(took < 2 * ED_S);
    close_pair(&pair);
    close_side(&b);
}

REDIS_TEST(a_room_whose_channel_becomes_forbidden_harms_no_other)
{
    struct pair pair = open_pair("&c &d");
    struct side b = open_side("c");

    await_listeners("c", 2);
    await_listeners("d", 1);
    redis_server_ask(server, "ACL SETUSER half resetchannels &c");
    while (!gaps && !ed_sleep(ED_MS))
        ;
    await_listeners("c", 2);
    say(&b, "hello");
    while (!ed_history_count(ed_room_history(pair.good)) && !ed_sleep(ED_MS))
        ;
    check_int(ed_room_send(pair.good, ED_BYTES("x")), 0);
    await_count(&b, 2);
    check(pair.good->link->subscribed);
    check(!pair.bad->link->subscribed);
    close_pair(&pair);
    close_side(&b);
}

static struct ed_buf packet(uint64_t seq, const char *id)
{
    struct ed_buf out = {0};
    struct ed_room_said said = {.id = id, .event = "", .data = ed_bytes(id)};

    check_int(ed_room_packet_begin(&out, ED_ROOM_MESSAGES, 77, seq), 0);
    check_int(ed_room_packet_add(&out, &said), 0);
    ed_room_packet_count(&out, 1, 0);
    return out;
}

static void hear(const struct side *side, uint64_t seq, const char *id)
{
    struct ed_buf bytes = packet(seq, id);

    ed_room_heard(side->room->link, ed_buf_bytes(&bytes));
    ed_buf_free(&bytes);
}

REDIS_TEST(what_comes_twice_is_dropped_and_what_is_missing_is_a_gap)
{
    struct side a = open_side("c");

    hear(&a, 5, "five");
    hear(&a, 5, "five");
    hear(&a, 6, "six");
    check_int(gaps, 0);
    check_int(count(&a), 2);
    hear(&a, 9, "nine");
    check_int(gaps, 1);
    check_int(count(&a), 3);
    hear(&a, 6, "six");
    check_int(count(&a), 3);
    close_side(&a);
}

REDIS_TEST(what_others_put_into_the_channel_is_no_message)
{
    struct side a = open_side("c");

    await_listeners("c", 1);
    redis_server_ask(server, "PUBLISH c hello");
    struct ed_buf bytes = packet(1, "\xff");
    ed_room_heard(a.room->link, ed_buf_bytes(&bytes)); /* not UTF-8 */
    check_int(ed_sleep(20 * ED_MS), 0);
    check_int(count(&a), 0);
    ed_buf_free(&bytes);
    close_side(&a);
}

REDIS_TEST(a_room_can_be_joined_once)
{
    struct side a = open_side("c");

    check_int(ed_room_join_redis(a.room, a.redis, "d"), ED_EUSAGE);
    close_side(&a);
}

static ed_room *joined(ed_redis *redis, const char *channel)
{
    ed_room *room = ed_room_new(NULL, channel);

    check_int(ed_room_join_redis(room, redis, channel), 0);
    await_listeners(channel, 1);
    return room;
}

REDIS_TEST(rooms_may_go_while_the_program_says_goodbye_for_them)
{
    ed_redis *redis = client();
    ed_room *a = joined(redis, "c"), *b = joined(redis, "d");
    struct ed_room_hub *hub = a->link->hub;

    check(b->link->hub == hub);
    ed_fiber_cancel(hub->publisher, ED_ECANCELED);
    while (!hub->over && !ed_yield())
        ;
    /* It is in the middle of the first goodbye. */
    check(hub->publisher != NULL);
    ed_room_free(a);
    ed_room_free(b);
    ed_redis_free(redis);
}

static int silence(void **state)
{
    ed_log_set_level(ED_LOG_OFF);
    return start_server(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_in_one_is_heard_in_all_once_and_in_order),
        cmocka_unit_test(each_side_is_heard_in_its_order_when_all_speak),
        cmocka_unit_test(a_lost_connection_is_a_gap_and_speaking_goes_on),
        cmocka_unit_test(what_is_said_while_redis_is_down_is_heard_later),
        cmocka_unit_test(
            what_waits_for_redis_is_bounded_and_what_is_dropped_is_a_gap),
        cmocka_unit_test(many_rooms_take_one_connection_more),
        cmocka_unit_test(a_room_whose_channel_is_forbidden_holds_up_no_other),
        cmocka_unit_test(a_room_whose_channel_becomes_forbidden_harms_no_other),
        cmocka_unit_test(
            what_comes_twice_is_dropped_and_what_is_missing_is_a_gap),
        cmocka_unit_test(what_others_put_into_the_channel_is_no_message),
        cmocka_unit_test(a_room_can_be_joined_once),
        cmocka_unit_test(rooms_may_go_while_the_program_says_goodbye_for_them),
    };

    return cmocka_run_group_tests(tests, silence, stop_server);
}
