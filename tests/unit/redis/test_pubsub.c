/*
 * Messages of channels, whatever becomes of the connection.
 */
#include "redis_test.h"
#include <eddy/future.h>
#include <eddy/redis_pubsub.h>
#include <stdlib.h>

#define check_message(sub, in_channel, with_payload)     \
    do {                                                 \
        struct ed_redis_message m_;                      \
        check_int(ed_redis_next_message((sub), &m_), 0); \
        check(!m_.gap);                                  \
        check_text(m_.channel.ptr, (in_channel));        \
        check_text(m_.payload.ptr, (with_payload));      \
    } while (0)

/* Publishes until somebody is there to hear. */
static void publish(const char *what)
{
    char command[200];

    snprintf(command, sizeof command, "PUBLISH %s", what);
    while ((int)strtol(redis_server_ask(server, command), NULL, 10) == 0)
        ed_sleep(10 * ED_MS);
}

REDIS_TEST(what_is_published_is_heard_in_order)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    for (int i = 0; i < 100; i++)
        must(db, NULL, "PUBLISH news %d", i);
    for (int i = 0; i < 100; i++) {
        char text[12];
        snprintf(text, sizeof text, "%d", i);
        check_message(sub, "news", text);
    }
    must(db, NULL, "PUBLISH news %b", "a\0b", (size_t)3);
    struct ed_redis_message m;
    check_int(ed_redis_next_message(sub, &m), 0);
    check_int((long long)m.payload.len, 3);
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

REDIS_TEST(channels_and_patterns_can_be_joined_and_left)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;
    struct ed_redis_message m;

    if (!check_int(ed_redis_psubscribe(db, &sub, "news.*"), 0))
        return;
    check_int(ed_redis_subscribe_also(sub, "weather"), 0);
    check_int(ed_redis_subscribe_also(sub, "weather"), 0);
    must(db, NULL, "PUBLISH news.sport goal");
    check_int(ed_redis_next_message(sub, &m), 0);
    check_text(m.channel.ptr, "news.sport");
    check_text(m.pattern.ptr, "news.*");
    must(db, NULL, "PUBLISH weather rain");
    check_message(sub, "weather", "rain");

    check_int(ed_redis_punsubscribe(sub, "news.*"), 0);
    check_int(ed_redis_punsubscribe(sub, "news.*"), ED_ENOTFOUND);
    must(db, NULL, "PUBLISH news.sport unheard");
    must(db, NULL, "PUBLISH weather sun");
    check_message(sub, "weather", "sun");
    check_int(ed_redis_unsubscribe(sub, "weather"), 0);
    check_int(ed_redis_subscribe_also(sub, "other"), 0);
    must(db, NULL, "PUBLISH weather unheard");
    must(db, NULL, "PUBLISH other heard");
    check_message(sub, "other", "heard");
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

REDIS_TEST(a_lost_connection_is_made_again_and_marked)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;
    struct ed_redis_message m;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    check_int(ed_redis_psubscribe_also(sub, "w*"), 0);
    publish("news before");
    check_message(sub, "news", "before");
    redis_server_ask(server, "CLIENT KILL TYPE pubsub");
    check_int(ed_redis_next_message(sub, &m), 0);
    check(m.gap);
    publish("news after");
    check_message(sub, "news", "after");
    publish("weather sun");
    check_message(sub, "weather", "sun");

    redis_server_kill(server);
    ed_sleep(100 * ED_MS);
    redis_server_restart(server);
    check_int(ed_redis_next_message(sub, &m), 0);
    check(m.gap);
    publish("news at_last");
    check_message(sub, "news", "at_last");
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

REDIS_TEST(a_server_that_is_not_there_is_told_at_once)
{
    ed_redis *db = ed_redis_new(.url = "unix:///nowhere/redis.sock");
    ed_redis_sub *sub = NULL;

    check_int(ed_redis_subscribe(db, &sub, "news"), ED_EDATABASE);
    check_error("/nowhere/redis.sock");
    check(!sub);
    ed_sleep(10 * ED_MS);
    ed_redis_free(db);
}

REDIS_TEST(a_channel_beyond_the_users_rights_is_refused)
{
    redis_server_ask(server, "ACL SETUSER listener on >tell resetchannels "
                             "&open* +@all ~*");
    ed_redis *db = client(.user = "listener", .password = "tell");
    ed_redis_sub *sub = NULL;

    check_int(ed_redis_subscribe(db, &sub, "secret"), ED_EREDIS);
    check_error("secret");
    check(!sub);
    if (check_int(ed_redis_subscribe(db, &sub, "open1"), 0)) {
        check_int(ed_redis_subscribe_also(sub, "secret"), ED_EREDIS);
        must(db, NULL, "PUBLISH open1 still");
        check_message(sub, "open1", "still");
    }
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

static int read_one(void *arg)
{
    struct ed_redis_message m;

    return ed_redis_next_message(arg, &m);
}

REDIS_TEST(waiting_is_cancelled_and_loses_nothing)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    check_int(ed_with_timeout(20 * ED_MS, read_one, sub), ED_ETIMEOUT);
    must(db, NULL, "PUBLISH news one");
    check_message(sub, "news", "one");
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

static int subscribe_late(void *arg)
{
    ed_redis_sub *sub = NULL;
    int err = ed_redis_subscribe(arg, &sub, "news");

    ed_redis_sub_close(sub);
    return err;
}

REDIS_TEST(a_deadline_ends_subscribing)
{
    ed_redis *db = client();

    hold_server();
    check_int(ed_with_timeout(50 * ED_MS, subscribe_late, db), ED_ETIMEOUT);
    let_server_go();
    check_int(subscribe_late(db), 0);
    ed_redis_free(db);
}

REDIS_TEST(a_client_can_go_right_after_its_subscriber)
{
    ed_redis *db = client();

    /* The subscriber is introducing itself. */
    hold_server();
    check_int(ed_with_timeout(20 * ED_MS, subscribe_late, db), ED_ETIMEOUT);
    ed_redis_free(db);
    ed_sleep(10 * ED_MS);
    let_server_go();
}

static int join_weather(void *sub)
{
    return ed_redis_subscribe_also(sub, "weather");
}

REDIS_TEST(who_gives_up_waiting_leaves_the_channel_to_others)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    hold_server();
    ed_future patient = {0};
    ed_scope(s);
    ed_go_future(s, &patient, join_weather, sub);
    check_int(ed_with_timeout(50 * ED_MS, join_weather, sub), ED_ETIMEOUT);
    let_server_go();
    check_int(ed_future_wait(&patient, NULL), 0);
    must(db, NULL, "PUBLISH weather sun");
    check_message(sub, "weather", "sun");
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

REDIS_TEST(a_channel_left_while_another_waits_for_it_is_told)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    hold_server();
    ed_future waiting = {0};
    ed_scope(s);
    ed_go_future(s, &waiting, join_weather, sub);
    ed_sleep(20 * ED_MS);
    check_int(ed_redis_unsubscribe(sub, "weather"), 0);
    check_int(ed_future_wait(&waiting, NULL), ED_ECLOSED);
    let_server_go(); /* not before: nothing of this needs its word */
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

static int join_news(void *sub)
{
    return ed_redis_subscribe_also(sub, "news");
}

REDIS_TEST(asking_for_a_channel_one_has_never_loses_it)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;
    struct ed_redis_message m;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    redis_server_kill(server);
    ed_sleep(150 * ED_MS);
    check_int(ed_with_timeout(ED_S, join_news, sub), 0);
    redis_server_restart(server);
    check_int(ed_redis_next_message(sub, &m), 0);
    check(m.gap);
    publish("news after");
    check_message(sub, "news", "after");
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

enum { KILLS = 200 };

struct news {
    ed_redis *db;
    int sent;
    int marks; /* seen by the reader */
    bool over;
};

static int tell_news(void *arg)
{
    struct news *news = arg;

    while (!news->over) {
        must(news->db, NULL, "PUBLISH news %d", ++news->sent);
        ed_sleep(ED_MS / 4);
    }
    return 0;
}

static int kill_subscriber(void *arg)
{
    struct news *news = arg;
    uint32_t seed = 1;

    for (int kills = 1; kills <= KILLS && !ed_cancelled(); kills++) {
        must(news->db, NULL, "CLIENT KILL TYPE pubsub");
        while (news->marks < kills && !ed_cancelled())
            ed_sleep(ED_MS / 4);
        ed_sleep(test_random(&seed, 4000) * ED_US);
    }
    news->over = true;
    return 0;
}

/* What comes behind a mark is without a hole up to the next one. */
REDIS_TEST(between_two_marks_of_200_kills_nothing_is_missing)
{
    ed_redis *db = client();
    ed_redis_sub *sub = NULL;
    struct news news = {.db = db};
    struct ed_redis_message m;
    int last = 0, heard = 0;
    bool after_mark = true;

    if (!check_int(ed_redis_subscribe(db, &sub, "news"), 0))
        return;
    ed_scope(s);
    ed_go(s, tell_news, &news);
    ed_go(s, kill_subscriber, &news);
    while (last < news.sent || !news.over) {
        ed_scope(patience, .within = 2 * ED_S);
        if (ed_redis_next_message(sub, &m))
            break;
        if (m.gap) {
            after_mark = true;
            news.marks++;
            continue;
        }
        int n = (int)strtol(m.payload.ptr, NULL, 10);
        check_(n == last + 1 || (after_mark && n > last),
               "%d follows %d, %s a mark", n, last,
               after_mark ? "behind" : "without");
        last = n;
        after_mark = false;
        heard++;
    }
    check_int(ed_wait(s), 0);
    check_int(news.marks, KILLS);
    check(heard > KILLS);
    must(db, NULL, "PUBLISH news 1000000");
    while (!ed_redis_next_message(sub, &m) &&
           (int)strtol(m.payload.ptr, NULL, 10) != 1000000)
        continue;
    ed_redis_sub_close(sub);
    ed_redis_free(db);
}

static int subscribe_from_outside(void)
{
    ed_redis_sub *sub;

    return ed_redis_subscribe(NULL, &sub, "news");
}

static void a_subscriber_needs_a_fiber(void **state)
{
    (void)state;
    assert_int_equal(subscribe_from_outside(), ED_EUSAGE);
}

static ed_redis_sub *kept_sub;
static ed_redis *kept_db;

static int begin_to_listen(void *arg)
{
    (void)arg;
    kept_db = client();
    return ed_redis_subscribe(kept_db, &kept_sub, "news");
}

static int go_on_listening(void *arg)
{
    struct ed_redis_message m;

    (void)arg;
    ed_scope(s, .within = 5 * ED_S);
    int err = ed_redis_next_message(kept_sub, &m);
    check(!err && m.gap);
    publish("news again");
    check_message(kept_sub, "news", "again");
    return err;
}

static void a_subscriber_goes_on_in_another_loop(void **state)
{
    (void)state;
    fiber_test_failures = 0;
    assert_int_equal(ed_run(begin_to_listen, NULL), 0);
    assert_int_equal(ed_run(go_on_listening, NULL), 0);
    assert_int_equal(fiber_test_failures, 0);
    ed_redis_sub_close(kept_sub);
    ed_redis_free(kept_db);
}

REDIS_TEST(only_clients_have_subscribers)
{
    ed_redis *db = client();
    ed_redis_sub *sub;

    {
        ed_redis_session(s, db);
        check_int(ed_redis_subscribe(s, &sub, "news"), ED_EUSAGE);
    }
    ed_redis_free(db);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(what_is_published_is_heard_in_order),
        cmocka_unit_test(channels_and_patterns_can_be_joined_and_left),
        cmocka_unit_test(a_lost_connection_is_made_again_and_marked),
        cmocka_unit_test(a_server_that_is_not_there_is_told_at_once),
        cmocka_unit_test(a_channel_beyond_the_users_rights_is_refused),
        cmocka_unit_test(waiting_is_cancelled_and_loses_nothing),
        cmocka_unit_test(a_deadline_ends_subscribing),
        cmocka_unit_test(a_client_can_go_right_after_its_subscriber),
        cmocka_unit_test(who_gives_up_waiting_leaves_the_channel_to_others),
        cmocka_unit_test(a_channel_left_while_another_waits_for_it_is_told),
        cmocka_unit_test(asking_for_a_channel_one_has_never_loses_it),
        cmocka_unit_test(between_two_marks_of_200_kills_nothing_is_missing),
        cmocka_unit_test(a_subscriber_needs_a_fiber),
        cmocka_unit_test(a_subscriber_goes_on_in_another_loop),
        cmocka_unit_test(only_clients_have_subscribers));
}
