/*
 * test_room.c - rooms: who hears what, and who is in.
 */
#include "app/app_internal.h"
#include "room_test.h"

#include <eddy/log.h>
#include <stdlib.h>

static ed_room *room, *second;
static struct ed_join_options joining; /* what the next to come joins with */
static int join_result, handler_result;
static char told[400]; /* by the hooks */

static void tell(const char *what, const char *name)
{
    size_t len = strlen(told);

    snprintf(told + len, sizeof(told) - len, "%s%s %s", len ? "," : "", what,
             name);
}

static void on_join(ed_room *in, const struct ed_room_member *member, void *arg)
{
    (void)in;
    (void)arg;
    tell("in", member->name);
}

static void on_leave(ed_room *in, const struct ed_room_member *member,
                     void *arg)
{
    (void)in;
    (void)arg;
    tell("out", member->name);
}

/* Everything said in the room is heard in the room. */
static int chat(ed_req *req)
{
    ed_ws *ws;
    struct ed_bytes msg;
    const char *name = ed_query(req, "name");
    struct ed_join_options options = joining;
    int err = ed_ws_accept(req, &ws);

    options.size = sizeof(options);
    options.name = name;
    if (!err)
        err = join_result = ed_room_join_with(room, ws, &options);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        ed_room_send(room, msg);
    handler_result = err;
    return err == ED_ECLOSED ? 0 : err;
}

static int by_event(ed_ws *ws)
{
    return ed_room_join(room, ws, .name = "event");
}

static int said(ed_ws *ws, struct ed_bytes msg)
{
    (void)ws;
    return ed_room_send(room, msg);
}

static int follow(ed_req *req)
{
    ed_sse *sse;
    int err = ed_sse_begin(req, &sse);

    return err ? err : ed_room_join_sse(room, sse, .name = "stream");
}

static int by_path(ed_req *req)
{
    const char *path = ed_req_path(req);

    if (!strcmp(path, "/events"))
        return follow(req);
    if (!strcmp(path, "/poll"))
        return ed_long_poll(req, ed_room_history(room));
    if (!strcmp(path, "/served"))
        return ed_ws_serve(req, .on_open = by_event, .on_message = said);
    return chat(req);
}

#define open_room(s, ...)                                         \
    open_with((s), ed_room_new(NULL, "lobby", .on_join = on_join, \
                               .on_leave = on_leave, ##__VA_ARGS__))

static void open_with(struct served *s, ed_room *made)
{
    room = made;
    joining = (struct ed_join_options){0};
    told[0] = '\0';
    join_result = 1;
    served_open(s, by_path);
}

static void close_room(struct served *s)
{
    served_close(s);
    check_int(ed_room_count(room), 0);
    check(ed_list_empty(&room->sockets));
    check(ed_list_empty(&room->streams));
    check_int(room->gone, 0);
    ed_room_free(room);
}

static void say(const char *text)
{
    check_int(ed_room_send(room, ed_bytes(text)), 0);
}

/* ---- hearing ---- */

FIBER_TEST(what_one_says_is_heard_by_all)
{
    struct served s = {0};

    open_room(&s);
    ed_stream *a = ws_client(&s, "/?name=a"), *b = ws_client(&s, "/?name=b");
    ws_say(a, "hello");
    check_text(ws_heard(a), "hello");
    check_text(ws_heard(b), "hello");
    ws_say(b, "one");
    ws_say(b, "two");
    check_text(ws_heard(a), "one,two");
    check_int(ed_room_count(room), 2);
    ws_go(a);
    check_int(ed_room_count(room), 1);
    ws_say(b, "alone");
    check_text(ws_heard(b), "one,two,alone");
    ws_close_with(b, 1000);
    check_text(ws_heard(b), "close 1000,end");
    check_text(told, "in a,in b,out a,out b");
    ws_go(b);
    close_room(&s);
}

FIBER_TEST(those_who_come_late_hear_what_is_kept)
{
    struct served s = {0};

    open_room(&s, .history = 3);
    say("1");
    say("2");
    say("3");
    say("4");
    ed_stream *a = ws_client(&s, "/?name=a");
    check_text(ws_heard(a), "2,3,4");
    joining.replay = 1;
    ed_stream *b = ws_client(&s, "/?name=b");
    check_text(ws_heard(b), "4");
    joining.replay = -1;
    ed_stream *c = ws_client(&s, "/?name=c");
    say("5");
    check_text(ws_heard(a), "5");
    check_text(ws_heard(b), "5");
    check_text(ws_heard(c), "5");
    ws_go(a);
    ws_go(b);
    ws_go(c);
    close_room(&s);
}

FIBER_TEST(those_who_come_back_go_on_where_they_were)
{
    struct served s = {0};

    open_room(&s, .history = 3);
    for (char id[2] = "1"; *id <= '5'; (*id)++)
        check_int(ed_room_publish(room, .id = id, .data = ed_bytes(id)), 0);
    joining.after = "4";
    ed_stream *a = ws_client(&s, "/?name=a");
    check_text(ws_heard(a), "5");
    joining.after = "1"; /* it is not known what came next */
    ed_stream *b = ws_client(&s, "/?name=b");
    check_text(ws_heard(b), "3,4,5");
    ws_go(a);
    ws_go(b);
    close_room(&s);
}

static bool has_word(void *arg, struct ed_bytes data)
{
    return ed_bytes_find(data, ed_bytes(arg)) >= 0;
}

FIBER_TEST(a_filter_chooses_for_one)
{
    struct served s = {0};

    open_room(&s, .history = 10);
    say("a cat");
    say("a dog");
    joining.filter = has_word;
    joining.filter_arg = "cat";
    ed_stream *a = ws_client(&s, "/?name=a");
    joining.filter = NULL;
    ed_stream *b = ws_client(&s, "/?name=b");
    say("two cats");
    say("two dogs");
    check_text(ws_heard(a), "a cat,two cats");
    check_text(ws_heard(b), "a cat,a dog,two cats,two dogs");
    ws_go(a);
    ws_go(b);
    close_room(&s);
}

FIBER_TEST(what_is_told_is_not_kept)
{
    struct served s = {0};

    open_room(&s, .history = 10);
    ed_stream *a = ws_client(&s, "/?name=a");
    check_int(ed_room_tell(room, ED_BYTES("typing")), 0);
    check_text(ws_heard(a), "typing");
    check_int(ed_history_count(ed_room_history(room)), 0);
    ws_go(a);
    close_room(&s);
}

FIBER_TEST(what_cannot_be_said_is_refused)
{
    struct served s = {0};
    size_t len = 2 * 1024 * 1024;
    char *large = calloc(1, len);

    memset(large, 'x', len);
    open_room(&s, .history = 10);
    ed_stream *a = ws_client(&s, "/?name=a");
    check_int(ed_room_send(room, ED_BYTES("\xff")), ED_EUSAGE);
    check_int(ed_room_tell(room, ED_BYTES("\xff")), ED_EUSAGE);
    check_int(ed_room_send(room, ed_bytes_of(large, len)), ED_ELIMIT);
    check_int(ed_room_publish(room, .id = "a\nb", .data = ED_BYTES("x")),
              ED_EUSAGE);
    check_text(ws_heard(a), "");
    free(large);
    ws_go(a);
    close_room(&s);
}

FIBER_TEST(one_feed_can_be_had_in_three_ways)
{
    struct served s = {0};

    open_room(&s, .history = 10);
    ed_stream *ws = ws_client(&s, "/?name=a");
    ed_stream *sse = served_connect(&s);
    served_ask(sse, "/events");
    settle();
    served_drain(sse);
    ed_stream *poll = served_connect(&s);
    served_ask(poll, "/poll");
    settle();
    check_int(ed_room_count(room), 2);
    check_int(ed_room_publish(room, .event = "add", .id = "7",
                              .data = ED_BYTES("hello")),
              0);
    settle();
    check_text(ws_heard(ws), "hello");
    served_says(sse, "event: add\nid: 7\ndata: hello\n\n");
    served_says(poll, "\"messages\":[{\"id\":\"7\",\"event\":\"add\",\"data\":"
                      "\"hello\"}]");
    ws_go(sse);
    ws_go(poll);
    ws_go(ws);
    check_text(told, "in a,in stream,out stream,out a");
    close_room(&s);
}

FIBER_TEST(members_served_by_events_hold_no_fiber)
{
    struct served s = {0};

    open_room(&s);
    size_t before = served_fibers();
    ed_stream *a = ws_client(&s, "/served"), *b = ws_client(&s, "/served");
    check_int(served_fibers(), before);
    ws_say(a, "hello");
    check_text(ws_heard(a), "hello");
    check_text(ws_heard(b), "hello");
    ws_go(a);
    ws_go(b);
    close_room(&s);
}

/* ---- slow readers ---- */

enum { LINE = 10 * 1000, BEHIND = 100 * 1000, LINES = 300 };

/* Says much, numbered, and looks that those who listen hear each at once. */
static void flood(ed_stream *quick)
{
    static char line[LINE + 1];
    char heard[64];

    memset(line, '.', LINE);
    for (int i = 0; i < LINES; i++) {
        memcpy(line, heard, (size_t)snprintf(heard, sizeof(heard), "%03d", i));
        check_int(ed_room_send(room, ed_bytes_of(line, LINE)), 0);
        ed_scope(soon, .within = 100 * ED_US);
        (void)soon;
        if (!check_int(ws_read_text(quick, heard), 0) ||
            !check_int(strtol(heard, NULL, 10), i))
            return;
    }
}

FIBER_TEST(a_slow_member_is_sent_away_and_delays_nobody)
{
    struct served s = {0};

    open_room(&s, .max_behind = BEHIND);
    ed_stream *slow = ws_client(&s, "/?name=slow");
    ed_stream *quick = ws_client(&s, "/?name=quick");
    flood(quick);
    check_text(told, "in slow,in quick,out slow");
    check_int(ed_room_count(room), 1);
    char heard[64];
    int last = 0;
    {
        ed_scope(soon, .within = 10 * ED_S);
        (void)soon;
        while (!ws_read_text(slow, heard) && strncmp(heard, "close", 5) != 0)
            check_int(strtol(heard, NULL, 10), last++);
        check_text(heard, "close 1013");
        check(last > 5 && last < LINES);
    }
    ws_go(slow);
    ws_go(quick);
    close_room(&s);
}

static uint64_t lost_in_all;

static void count_lost(ed_room *in, const struct ed_room_member *member,
                       uint64_t lost, void *arg)
{
    (void)arg;
    (void)in;
    check_text(member->name, "slow");
    lost_in_all += lost;
}

FIBER_TEST(a_slow_member_may_miss_the_oldest_instead)
{
    struct served s = {0};
    char heard[64];
    int count = 0, last = -1;

    lost_in_all = 0;
    open_room(&s, .max_behind = BEHIND, .slow = ED_ROOM_DROP_OLDEST,
              .on_gap = count_lost);
    ed_stream *slow = ws_client(&s, "/?name=slow");
    ed_stream *quick = ws_client(&s, "/?name=quick");
    flood(quick);
    check_int(ed_room_count(room), 2);
    struct ed_member *m =
        ED_CONTAINER(room->sockets.next, struct ed_member, node);
    check(ws_queued_bytes(m->ws) <= BEHIND);
    {
        ed_scope(soon, .within = ED_S);
        (void)soon;
        while (!ws_read_text(slow, heard)) {
            check(strtol(heard, NULL, 10) > last);
            last = (int)strtol(heard, NULL, 10);
            count++;
        }
    }
    check_int(last, LINES - 1);
    check(lost_in_all > 0);
    check_int(count + (int)lost_in_all, LINES);
    ws_go(slow);
    ws_go(quick);
    close_room(&s);
}

/* ---- coming and going ---- */

static char much[LINE];
static int depth, deepest;

/* Tells all of it, also the one that is slow. */
static void tell_of_lost(ed_room *in, const struct ed_room_member *member,
                         uint64_t lost, void *arg)
{
    (void)arg;
    check_text(member->name, "slow");
    lost_in_all += lost;
    if (++depth > deepest)
        deepest = depth;
    if (depth < 10)
        check_int(ed_room_tell(in, ed_bytes_of(much, LINE)), 0);
    depth--;
}

FIBER_TEST(what_is_said_of_a_slow_member_need_not_end_in_more_of_it)
{
    struct served s = {0};

    lost_in_all = 0;
    depth = deepest = 0;
    memset(much, '.', LINE);
    open_room(&s, .max_behind = BEHIND, .slow = ED_ROOM_DROP_OLDEST,
              .on_gap = tell_of_lost);
    ed_stream *slow = ws_client(&s, "/?name=slow");
    for (int i = 0; i < LINES; i++)
        check_int(ed_room_send(room, ed_bytes_of(much, LINE)), 0);
    check(lost_in_all > 0);
    check_int(deepest, 1);
    ws_go(slow);
    close_room(&s);
}

FIBER_TEST(a_member_is_in_once_and_may_be_in_many)
{
    struct served s = {0};

    open_room(&s);
    second = ed_room_new(NULL, "second");
    ed_stream *a = ws_client(&s, "/?name=a");
    struct ed_member *m =
        ED_CONTAINER(room->sockets.next, struct ed_member, node);
    ed_ws *ws = m->ws;
    check_int(ed_room_join(room, ws), ED_EUSAGE);
    check_int(ed_room_join(second, ws, .name = "other"), 0);
    struct ed_room_member found;
    check(ed_room_find(room, ws, &found));
    check_text(found.name, "a");
    check(ed_room_find(second, ws, &found));
    check_text(found.name, "other");
    check_int(ed_room_send(second, ED_BYTES("there")), 0);
    say("here");
    check_text(ws_heard(a), "there,here");
    ed_room_leave(room, ws);
    ed_room_leave(room, ws);
    check(!ed_room_find(room, ws, &found));
    say("nobody");
    check_int(ed_room_send(second, ED_BYTES("still")), 0);
    check_text(ws_heard(a), "still");
    check_text(told, "in a,out a");
    ws_go(a);
    check_int(ed_room_count(second), 0);
    ed_room_free(second);
    close_room(&s);
}

FIBER_TEST(a_room_may_be_full)
{
    struct served s = {0};

    open_room(&s, .max_members = 1);
    ed_stream *a = ws_client(&s, "/?name=a"), *b = ws_client(&s, "/?name=b");
    check_int(join_result, ED_ELIMIT);
    check_text(ws_heard(b), "close 1011");
    ws_go(a);
    ws_go(b);
    close_room(&s);
}

/* Closes the next member, too, each time one goes, and says so. */
static void pull_along(ed_room *in, const struct ed_room_member *member,
                       void *arg)
{
    struct ed_room_iter it = {0};

    (void)arg;
    tell("out", member->name);
    check_int(ed_room_send(in, ED_BYTES("one has left")), 0);
    if (!strcmp(member->name, "slow") && ed_room_next(in, &it))
        ws_close_soon(it.member.ws, 1000, "you too");
}

FIBER_TEST(members_may_go_while_something_is_said)
{
    struct served s = {0};

    open_with(&s, ed_room_new(NULL, "lobby", .max_behind = BEHIND,
                              .on_leave = pull_along));
    ed_stream *slow = ws_client(&s, "/?name=slow");
    ed_stream *next = ws_client(&s, "/?name=next");
    ed_stream *quick = ws_client(&s, "/?name=quick");
    static char line[LINE];
    memset(line, '.', sizeof(line));
    for (int i = 0; i < LINES && ed_room_count(room) == 3; i++) {
        check_int(ed_room_send(room, ed_bytes_of(line, LINE)), 0);
        ws_heard(next);
        ws_heard(quick);
    }
    settle();
    check_text(told, "out slow,out next");
    check_int(ed_room_count(room), 1);
    say("last");
    check(strstr(ws_heard(quick), "last") != NULL);
    ws_go(slow);
    ws_go(next);
    ws_go(quick);
    close_room(&s);
}

static void refuse_bad(ed_room *in, const struct ed_room_member *member,
                       void *arg)
{
    (void)arg;
    if (!strcmp(member->name, "bad"))
        ws_close_soon(member->ws, 1008, "no");
    else if (!strcmp(member->name, "shy"))
        ed_room_leave(in, member->ws);
}

FIBER_TEST(a_member_may_be_sent_away_as_it_comes)
{
    struct served s = {0};

    open_with(&s, ed_room_new(NULL, "lobby", .on_join = refuse_bad,
                              .on_leave = on_leave));
    ed_stream *bad = ws_client(&s, "/?name=bad");
    check_int(join_result, ED_ECLOSED);
    ed_stream *shy = ws_client(&s, "/?name=shy");
    check_int(join_result, ED_ECLOSED);
    check_text(told, "out bad,out shy");
    check(strstr(ws_heard(bad), "close 1008") != NULL);
    ws_go(bad);
    ws_go(shy);
    close_room(&s);
}

static ed_room *waiting;

/* Those who wait come into the room when somebody leaves the second one. */
static void bring_others(ed_room *in, const struct ed_room_member *member,
                         void *arg)
{
    struct ed_room_iter it = {0};

    (void)arg;
    (void)in;
    (void)member;
    check(room->busy > 0);
    while (ed_room_next(waiting, &it))
        check_int(ed_room_join(room, it.member.ws), 0);
}

FIBER_TEST(who_comes_while_something_is_said_hears_it_once)
{
    struct served s = {0};
    static char line[LINE];

    memset(line, '.', sizeof(line));
    second = ed_room_new(NULL, "second", .on_leave = bring_others);
    waiting = ed_room_new(NULL, "waiting");
    open_with(&s, waiting);
    ed_stream *late = ws_client(&s, "/?name=late");
    room = ed_room_new(NULL, "lobby", .max_behind = BEHIND, .history = 1);
    ed_stream *slow = ws_client(&s, "/?name=slow");
    struct ed_member *m =
        ED_CONTAINER(room->sockets.next, struct ed_member, node);
    check_int(ed_room_join(second, m->ws), 0);
    const char *heard = "";
    for (int i = 0; i < LINES && !*heard; i++) {
        line[0] = (char)('a' + i % 26);
        check_int(ed_room_send(room, ed_bytes_of(line, LINE)), 0);
        heard = ws_heard(late);
    }
    check(strlen(heard) > 1 && !strchr(heard, ',')); /* one message */
    check_int(ed_room_count(room), 1); /* the slow one is out, the other in */
    ws_go(slow);
    ws_go(late);
    ed_room_free(second);
    ed_room_free(waiting);
    close_room(&s);
}

FIBER_TEST(a_room_that_is_freed_lets_its_members_go_on)
{
    struct served s = {0};

    open_room(&s);
    second = ed_room_new(NULL, "second");
    ed_stream *a = ws_client(&s, "/?name=a");
    struct ed_member *m =
        ED_CONTAINER(room->sockets.next, struct ed_member, node);
    check_int(ed_room_join(second, m->ws), 0);
    ed_room_free(second);
    say("here");
    check_text(ws_heard(a), "here");
    ws_go(a);
    close_room(&s);
}

FIBER_TEST(a_stop_of_the_server_empties_its_rooms)
{
    struct served s = {.clients_left = 3};

    open_room(&s);
    ed_stream *a = ws_client(&s, "/?name=a");
    ed_stream *b = ws_client(&s, "/served");
    ed_stream *c = served_connect(&s);
    served_ask(c, "/events");
    settle();
    check_int(ed_room_count(room), 3);
    ed_server_stop(s.server);
    settle();
    check(strstr(ws_heard(a), "close 1001") != NULL);
    check(strstr(ws_heard(b), "close 1001") != NULL);
    ws_close_with(a, 1001);
    ws_close_with(b, 1001);
    settle();
    check_int(ed_room_count(room), 0);
    served_join(&s);
    check_int(s.result, 0);
    ed_stream_close(a);
    ed_stream_close(b);
    ed_stream_close(c);
    ed_room_free(room);
}

static unsigned presence_changes;

static void count_presence(ed_room *in, void *arg)
{
    (void)in;
    (void)arg;
    presence_changes++;
}

FIBER_TEST(who_is_here_can_be_asked)
{
    struct served s = {0};
    struct ed_room_iter it = {0};
    struct ed_buf names = {0};

    presence_changes = 0;
    open_with(&s, ed_room_new(NULL, "lobby", .on_presence = count_presence));
    ed_stream *a = ws_client(&s, "/?name=a"), *b = ws_client(&s, "/?name=b");
    ed_stream *c = served_connect(&s);
    served_ask(c, "/events");
    settle();
    while (ed_room_next(room, &it)) {
        check_int(ed_buf_addf(&names, "%s", it.member.name), 0);
        check(!it.member.ws == !!it.member.sse);
        check(!it.member.elsewhere);
    }
    check_text(names.ptr, "abstream");
    ed_buf_free(&names);
    check(!ed_room_next(room, &it));
    check_int(ed_room_count_all(room), 3);
    check_int(presence_changes, 3);
    ws_go(a);
    ws_go(b);
    ws_go(c);
    check_int(presence_changes, 6);
    close_room(&s);
}

FIBER_TEST(an_app_frees_its_rooms)
{
    ed_app *app = ed_app_new();
    ed_room *lobby = ed_room_new(app, "lobby", .history = 3);

    check_text(ed_room_name(lobby), "lobby");
    check_int(ed_room_send(lobby, ED_BYTES("x")), 0);
    check(ed_room_new(app, "other") != NULL);
    ed_app_free(app);
}

static int silence(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return 0;
}

static void a_room_that_is_joined_with_none_is_found(void **state)
{
    (void)state;
    ed_app *app = ed_app_new(), *mounted = ed_app_new();

    assert_int_equal(ed_mount(app, "/in", mounted), 0);
    assert_null(ed_app_lone_room(app));
    assert_non_null(ed_room_new(mounted, "within"));
    assert_string_equal(ed_app_lone_room(app), "within");
    assert_non_null(ed_room_new(app, "without"));
    assert_string_equal(ed_app_lone_room(app), "without");
    ed_app_free(app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_says_is_heard_by_all),
        cmocka_unit_test(those_who_come_late_hear_what_is_kept),
        cmocka_unit_test(those_who_come_back_go_on_where_they_were),
        cmocka_unit_test(a_filter_chooses_for_one),
        cmocka_unit_test(what_is_told_is_not_kept),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(one_feed_can_be_had_in_three_ways),
        cmocka_unit_test(members_served_by_events_hold_no_fiber),
        cmocka_unit_test(a_slow_member_is_sent_away_and_delays_nobody),
        cmocka_unit_test(a_slow_member_may_miss_the_oldest_instead),
        cmocka_unit_test(
            what_is_said_of_a_slow_member_need_not_end_in_more_of_it),
        cmocka_unit_test(a_member_is_in_once_and_may_be_in_many),
        cmocka_unit_test(a_room_may_be_full),
        cmocka_unit_test(members_may_go_while_something_is_said),
        cmocka_unit_test(a_member_may_be_sent_away_as_it_comes),
        cmocka_unit_test(who_comes_while_something_is_said_hears_it_once),
        cmocka_unit_test(a_room_that_is_freed_lets_its_members_go_on),
        cmocka_unit_test(a_stop_of_the_server_empties_its_rooms),
        cmocka_unit_test(who_is_here_can_be_asked),
        cmocka_unit_test(an_app_frees_its_rooms),
        cmocka_unit_test(a_room_that_is_joined_with_none_is_found),
    };

    return cmocka_run_group_tests(tests, silence, NULL);
}
