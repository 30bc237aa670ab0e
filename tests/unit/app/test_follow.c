/*
 * test_follow.c - clients that follow a history: by server-sent events and by
 * long polling.
 */
#include "../http/served.h"
#include "app/history.h"

#include <eddy/log.h>

static ed_history *history;
static ed_filter_fn *filter;
static bool close_slow;
static int replay;
static int last_result;

static int follow(ed_req *req)
{
    ed_sse *sse;
    int err = ed_sse_begin(req, &sse);

    if (!err)
        err = ed_sse_follow(sse, history, .filter = filter, .arg = "cat",
                            .close_slow = close_slow, .replay = replay);
    last_result = err;
    return err;
}

static int poll_once(ed_req *req)
{
    int err =
        ed_long_poll(req, history, .max = 3, .filter = filter, .arg = "cat");

    last_result = err;
    return err;
}

static int by_path(ed_req *req)
{
    return strcmp(ed_req_path(req), "/poll") ? follow(req) : poll_once(req);
}

static bool has_word(void *arg, struct ed_bytes data)
{
    return ed_bytes_find(data, ed_bytes(arg)) >= 0;
}

static void open_served(struct served *s)
{
    history = ed_history_new(.count = 4, .behind = 20 * 1000);
    filter = NULL;
    close_slow = false;
    replay = 0;
    last_result = 1;
    served_open(s, by_path);
}

static void close_served(struct served *s)
{
    served_close(s);
    check_int(history->lagging, 0);
    ed_history_free(history);
}

/* A message whose id is its text. */
static void say(const char *text)
{
    check_int(ed_history_add(history, .id = text, .data = ed_bytes(text)), 0);
}

static ed_stream *ask(const struct served *s, const char *path,
                      const char *last_id)
{
    ed_stream *client = served_connect(s);

    check_int(ed_stream_printf(client,
                               "GET %s HTTP/1.1\r\nHost: a\r\n"
                               "%s%s%s\r\n",
                               path, last_id ? "Last-Event-ID: " : "",
                               last_id ? last_id : "", last_id ? "\r\n" : ""),
              0);
    settle();
    return client;
}

/* The data of the events that have come, each as " data;". */
static const char *events(ed_stream *client)
{
    static char out[1000];
    size_t len = 0;
    const char *at = served_heard(client);

    out[0] = '\0';
    while ((at = strstr(at, "data:"))) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s;",
                                (int)strcspn(at + 5, "\n"), at + 5);
        at += 5;
    }
    return out;
}

FIBER_TEST(a_follower_gets_what_is_kept_and_then_what_comes)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    say("2");
    ed_stream *client = ask(&s, "/", NULL);
    check_text(events(client), " 1; 2;");
    say("3");
    settle();
    served_says(client, "id: 3\ndata: 3\n\n");
    say("4");
    say("5");
    settle();
    check_text(events(client), " 4; 5;");
    ed_stream_close(client);
    settle();
    check_int(last_result, ED_ECANCELED);
    close_served(&s);
}

FIBER_TEST(one_that_names_none_gets_as_many_as_it_may)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    say("2");
    say("3");
    replay = 2;
    ed_stream *client = ask(&s, "/", NULL);
    check_text(events(client), " 2; 3;");
    ed_stream_close(client);
    replay = -1;
    client = ask(&s, "/", NULL);
    check_text(events(client), "");
    say("4");
    settle();
    check_text(events(client), " 4;");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(one_that_comes_back_goes_on_where_it_was)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    say("2");
    say("3");
    replay = -1;
    ed_stream *client = ask(&s, "/", "1");
    check_text(events(client), " 2; 3;");
    ed_stream_close(client);
    client = ask(&s, "/?lastEventId=2", NULL);
    check_text(events(client), " 3;");
    ed_stream_close(client);
    client = ask(&s, "/", "3");
    check_text(events(client), "");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(one_that_was_away_too_long_is_told_of_a_gap)
{
    struct served s = {0};
    char id[2] = "1";

    open_served(&s);
    for (; id[0] <= '6'; id[0]++)
        say(id);
    ed_stream *client = ask(&s, "/", "1");
    check_text(events(client), "; 3; 4; 5; 6;");
    ed_stream_close(client);
    client = ask(&s, "/", "2"); /* of whose followers none is gone */
    check_text(events(client), " 3; 4; 5; 6;");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_gap_on_the_way_here_is_told_to_all_but_those_who_come_later)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    ed_stream *client = ask(&s, "/", NULL);
    check_text(events(client), " 1;");
    check_int(ed_history_gap(history), 0);
    say("2");
    settle();
    served_says(client, "\nevent: gap\ndata:\n\n");
    ed_stream_close(client);
    client = ask(&s, "/", "1");
    check_text(events(client), "; 2;");
    ed_stream_close(client);
    client = ask(&s, "/", NULL);
    check_text(events(client), " 1; 2;");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_filter_holds_back_messages_but_not_the_place)
{
    struct served s = {0};
    char text[32];

    open_served(&s);
    filter = has_word;
    ed_stream *client = ask(&s, "/", NULL);
    served_drain(client);
    say("a dog");
    say("a cat");
    settle();
    check_text(events(client), " a cat;");
    for (int i = 0; i < 49; i++) {
        snprintf(text, sizeof(text), "dog %d", i);
        say(text);
    }
    settle();
    check_text(served_heard(client), "");
    say("dog 49");
    settle();
    served_says(client, "id: dog 49\n\n");
    ed_stream_close(client);
    close_served(&s);
}

static void flood(void)
{
    char line[1000];

    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 2000; i++) {
        check_int(
            ed_history_add(history, .data = ed_bytes_of(line, sizeof(line))),
            0);
        settle();
    }
}

FIBER_TEST(a_slow_follower_misses_messages_and_is_told_how_many)
{
    struct served s = {0};
    char text[4096];
    ssize_t n;
    bool told = false;

    open_served(&s);
    ed_stream *slow = ask(&s, "/", NULL);
    ed_stream *quick = ask(&s, "/", NULL);
    served_drain(quick);
    flood();
    check(history->next - history->first < 30);
    say("last");
    settle();
    check(served_drain(quick) > 0);
    {
        ed_scope(soon, .within = ED_MS);
        (void)soon;
        while ((n = ed_stream_read(slow, text, sizeof(text) - 1)) > 0) {
            text[n] = '\0';
            told |= strstr(text, "event: gap\ndata: 1") != NULL;
        }
        check(told);
    }
    ed_stream_close(slow);
    ed_stream_close(quick);
    close_served(&s);
}

FIBER_TEST(a_slow_follower_can_be_sent_away)
{
    struct served s = {0};

    open_served(&s);
    close_slow = true;
    ed_stream *slow = ask(&s, "/", NULL);
    flood();
    check_int(last_result, 1);
    served_drain(slow);
    settle();
    check_int(last_result, ED_ELIMIT);
    ed_stream_close(slow);
    close_served(&s);
}

/* ---- long polling ---- */

FIBER_TEST(a_poll_is_answered_at_once_when_there_is_something)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    check_int(ed_history_add(history, .id = "2", .event = "add",
                             .data = ED_BYTES("\"x\"\n")),
              0);
    ed_stream *client = ask(&s, "/poll", NULL);
    const char *text = served_heard(client);
    check(strstr(text, "Content-Type: application/json\r\n"));
    check(strstr(text, "Cache-Control: no-store\r\n"));
    check(strstr(text, "{\"last\":\"2\",\"gap\":false,\"messages\":["
                       "{\"id\":\"1\",\"data\":\"1\"},"
                       "{\"id\":\"2\",\"event\":\"add\","
                       "\"data\":\"\\\"x\\\"\\n\"}]}"));
    ed_stream_close(client);
    client = ask(&s, "/poll?after=1", NULL);
    served_says(client, "\"messages\":[{\"id\":\"2\",");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_poll_waits_for_something)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    ed_stream *client = ask(&s, "/poll?after=1", NULL);
    check_int(ed_sleep(24 * ED_S), 0);
    check_text(served_heard(client), "");
    say("2");
    settle();
    served_says(client, "{\"last\":\"2\",\"gap\":false,\"messages\":[{\"id\":"
                        "\"2\",\"data\":\"2\"}]}");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_poll_ends_without_a_message_in_time)
{
    struct served s = {0};

    open_served(&s);
    ed_stream *client = ask(&s, "/poll", NULL);
    check_int(ed_sleep(26 * ED_S), 0);
    const char *text = served_heard(client);
    check(strstr(text, "HTTP/1.1 204 No Content\r\n"));
    check_int(last_result, 0);
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_poll_takes_a_number_of_messages_and_the_next_goes_on)
{
    struct served s = {0};
    char id[2] = "1";

    open_served(&s);
    say("0");
    for (; id[0] <= '4'; id[0]++)
        say(id);
    ed_stream *client = ask(&s, "/poll?after=0", NULL);
    served_says(client, "{\"last\":\"3\"");
    ed_stream_close(client);
    client = ask(&s, "/poll?after=3", NULL);
    served_says(client, "{\"last\":\"4\",\"gap\":false,\"messages\":[{\"id\":"
                        "\"4\"");
    ed_stream_close(client);
    client = ask(&s, "/poll", NULL); /* the latest */
    served_says(client, "\"messages\":[{\"id\":\"2\"");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_poll_is_told_of_a_gap)
{
    struct served s = {0};

    open_served(&s);
    ed_stream *client = ask(&s, "/poll?after=none", NULL);
    served_says(client, "{\"last\":\"\",\"gap\":true,\"messages\":[]}");
    ed_stream_close(client);
    say("1");
    client = ask(&s, "/poll?after=1", NULL);
    check_int(ed_history_gap(history), 0);
    settle();
    served_says(client, "\"gap\":true,\"messages\":[]}");
    ed_stream_close(client);
    close_served(&s);
}

FIBER_TEST(a_poll_whose_messages_are_held_back_is_led_on)
{
    struct served s = {0};

    open_served(&s);
    say("1");
    filter = has_word;
    ed_stream *client = ask(&s, "/poll?after=1", NULL);
    say("dog");
    check_int(ed_sleep(26 * ED_S), 0);
    served_says(client, "{\"last\":\"dog\",\"gap\":false,\"messages\":[]}");
    ed_stream_close(client);
    close_served(&s);
}

static int silence(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_gets_what_is_kept_and_then_what_comes),
        cmocka_unit_test(one_that_names_none_gets_as_many_as_it_may),
        cmocka_unit_test(one_that_comes_back_goes_on_where_it_was),
        cmocka_unit_test(one_that_was_away_too_long_is_told_of_a_gap),
        cmocka_unit_test(
            a_gap_on_the_way_here_is_told_to_all_but_those_who_come_later),
        cmocka_unit_test(a_filter_holds_back_messages_but_not_the_place),
        cmocka_unit_test(a_slow_follower_misses_messages_and_is_told_how_many),
        cmocka_unit_test(a_slow_follower_can_be_sent_away),
        cmocka_unit_test(a_poll_is_answered_at_once_when_there_is_something),
        cmocka_unit_test(a_poll_waits_for_something),
        cmocka_unit_test(a_poll_ends_without_a_message_in_time),
        cmocka_unit_test(
            a_poll_takes_a_number_of_messages_and_the_next_goes_on),
        cmocka_unit_test(a_poll_is_told_of_a_gap),
        cmocka_unit_test(a_poll_whose_messages_are_held_back_is_led_on),
    };

    return cmocka_run_group_tests(tests, silence, NULL);
}
