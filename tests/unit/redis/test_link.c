/*
 * One connection, whose other end is the test.
 */
#include "../../fiber_test.h"
#include "redis/link.h"

static ed_stream *peer;
static struct redis_link *link_;
static ed_arena *push_memory;
static char pushed[256];
static unsigned lost;
static char why_lost[REDIS_WORDS];

/* To a list of 256 bytes. */
static void append(char *list, const char *text)
{
    size_t len = strlen(list);

    snprintf(list + len, 256 - len, "%s;", text);
}

static void note_push(struct redis_link *link, const ed_redis_reply *reply)
{
    (void)link;
    append(pushed, ed_redis_text(ed_redis_at(reply, 0)));
}

static ed_arena *give_arena(struct redis_link *link)
{
    (void)link;
    return push_memory;
}

static void note_lost(struct redis_link *link, int err, const char *why)
{
    check(err < 0);
    lost++;
    snprintf(why_lost, sizeof(why_lost), "%s", why);
    redis_link_close(link, "");
    link_ = NULL;
}

static void open_link(bool pushes)
{
    static const struct redis_link_owner plain = {.lost = note_lost};
    static const struct redis_link_owner pushing = {
        .lost = note_lost,
        .push = note_push,
        .push_arena = give_arena,
    };
    ed_stream *s;

    lost = 0;
    *pushed = '\0';
    push_memory = ed_arena_new(0);
    check_int(ed_stream_pair(&s, &peer), 0);
    check_int(redis_link_new(&link_, s, 1000,
                             &(struct redis_link_options){
                                 .owner = pushes ? &pushing : &plain}),
              0);
    redis_link_own(link_);
}

static void close_link(void)
{
    if (link_)
        redis_link_close(link_, "closed by the test");
    ed_stream_close(peer);
    ed_arena_free(push_memory);
}

/* Whether the link has sent exactly that. */
static void check_sent(const char *expected)
{
    char seen[256] = "";
    size_t len = strlen(expected);

    check_int(ed_stream_read_exactly(peer, seen, len), 0);
    check_text(seen, expected);
}

static void say(const char *text)
{
    check_int(ed_stream_write(peer, text, strlen(text)), 0);
    ed_sleep(1);
    ed_sleep(1);
}

static unsigned done_calls;

static void note_done(struct redis_call *call)
{
    (void)call;
    done_calls++;
}

static void init(struct redis_call *call)
{
    redis_call_init(call, ed_fiber_arena());
    call->done = note_done;
    done_calls = 0;
}

static void send_text(struct redis_call *call, const char *text)
{
    check_int(redis_link_send(link_, call, ed_bytes(text)), 0);
}

FIBER_TEST(replies_go_to_calls_in_their_order)
{
    struct redis_call a, b;

    open_link(false);
    init(&a);
    init(&b);
    send_text(&a, "A");
    check_int(redis_link_post(link_, 2, ED_BYTES("XX")), 0);
    send_text(&b, "B");
    check_int(redis_link_load(link_), 3);
    check_sent("AXXB");
    say("+a\r\n+x\r\n-x\r\n:");
    check_int(done_calls, 1);
    check_text(ed_redis_text(a.reply), "a");
    check_int(b.fate, REDIS_PENDING);
    check(redis_link_clogged(link_));
    say("7\r\n");
    check_int(b.fate, REDIS_ANSWERED);
    check_int(ed_redis_kind(b.reply), ED_REDIS_INTEGER);
    check_int(redis_link_load(link_), 0);
    check(!redis_link_clogged(link_));
    close_link();
}

static void note_each(struct redis_call *call, const char *refused)
{
    append(call->context, refused ? refused : "+");
}

FIBER_TEST(a_call_for_several_replies_is_given_the_last)
{
    struct redis_call call;
    char each[256] = "";

    open_link(false);
    init(&call);
    call.replies = 3;
    call.each = note_each;
    call.context = each;
    send_text(&call, "ABC");
    say("+OK\r\n-ERR no\r\n");
    check_int(done_calls, 0);
    check_text(each, "+;ERR no;");
    say("*1\r\n+end\r\n");
    check_int(done_calls, 1);
    check_int(ed_redis_count(call.reply), 1);
    check_int(call.err, 0);
    close_link();
}

FIBER_TEST(replies_of_an_abandoned_call_are_dropped)
{
    struct redis_call a, b;

    open_link(false);
    init(&a);
    init(&b);
    a.replies = 2;
    send_text(&a, "A");
    send_text(&b, "B");
    redis_call_abandon(&a);
    redis_call_abandon(&a);
    say("+a\r\n*2\r\n+a\r\n+a\r\n+b\r\n");
    check_int(done_calls, 1);
    check_text(ed_redis_text(b.reply), "b");
    close_link();
}

FIBER_TEST(a_call_abandoned_amid_its_reply_has_its_arena_left_alone)
{
    ed_arena *own = ed_arena_new(0);
    struct redis_call call;

    open_link(false);
    init(&call);
    call.arena = own;
    send_text(&call, "A");
    say("*2\r\n+a\r\n");
    size_t used = ed_arena_used(own);
    check(used > 0);
    redis_call_abandon(&call);
    say("+b\r\n");
    check_int(ed_arena_used(own), used);
    check_int(redis_link_load(link_), 0);
    ed_arena_free(own);
    close_link();
}

FIBER_TEST(what_was_not_handed_over_was_never_sent)
{
    struct redis_call sent, unsent;

    open_link(false);
    init(&sent);
    init(&unsent);
    send_text(&sent, "A");
    check_sent("A");
    send_text(&unsent, "B");
    redis_link_close(link_, "for the test");
    link_ = NULL;
    check_int(sent.fate, REDIS_UNCERTAIN);
    check_int(unsent.fate, REDIS_NEVER_SENT);
    check_text(unsent.words, "for the test");
    check_int(done_calls, 2);
    check_int(lost, 0);
    close_link();
}

/* Of a command that is longer than what the system takes at once. */
FIBER_TEST(what_was_handed_over_in_part_was_never_sent)
{
    static char big[8 * 1024 * 1024];
    struct redis_call call;

    open_link(false);
    init(&call);
    check_int(redis_link_send(link_, &call, ed_bytes_of(big, sizeof(big))), 0);
    ed_sleep(1);
    check(redis_link_clogged(link_));
    check(redis_link_unsent(link_) < sizeof(big));
    ed_stream_close(peer);
    peer = NULL;
    ed_sleep(1);
    ed_sleep(1);
    check_int(call.fate, REDIS_NEVER_SENT);
    check_int(lost, 1);
    close_link();
}

FIBER_TEST(last_words_of_a_server_are_heard)
{
    struct redis_call call;

    open_link(false);
    init(&call);
    check_int(ed_stream_write(peer, "-ERR too many\r\n", 15), 0);
    ed_stream_close(peer);
    peer = NULL;
    send_text(&call, "A");
    ed_sleep(1);
    ed_sleep(1);
    check_int(call.fate, REDIS_ANSWERED);
    check_int(call.err, ED_EREDIS);
    check_text(call.words, "ERR too many");
    check_int(lost, 1);
    close_link();
}

FIBER_TEST(messages_go_to_the_owner)
{
    struct redis_call call;

    open_link(true);
    init(&call);
    say("*2\r\n+one\r\n:1\r\n*1\r\n+tw");
    check_text(pushed, "one;");
    say("o\r\n");
    check_text(pushed, "one;two;");
    check_int(redis_link_send(link_, NULL, ED_BYTES("SUBSCRIBE")), 0);
    check_sent("SUBSCRIBE");
    check_int(redis_link_load(link_), 0);
    say("*1\r\n+subscribed\r\n");
    check_text(pushed, "one;two;subscribed;");
    send_text(&call, "A");
    say("+a\r\n*1\r\n+three\r\n");
    check_text(ed_redis_text(call.reply), "a");
    check_text(pushed, "one;two;subscribed;three;");
    check_int(lost, 0);
    close_link();
}

FIBER_TEST(a_reply_nobody_waits_for_breaks_a_link_without_an_owner_for_it)
{
    open_link(false);
    say("-ERR good-bye\r\n");
    check_int(lost, 1);
    check_text(why_lost, "ERR good-bye");
    close_link();
}

static void close_in_done(struct redis_call *call)
{
    (void)call;
    done_calls++;
    redis_link_close(link_, "in done");
    link_ = NULL;
}

FIBER_TEST(a_link_may_be_closed_by_a_call_that_is_answered)
{
    struct redis_call a, b;

    open_link(false);
    init(&a);
    init(&b);
    a.done = close_in_done;
    send_text(&a, "A");
    send_text(&b, "B");
    check_sent("AB");
    say("+a\r\n+b\r\n");
    check_int(done_calls, 2);
    check_int(a.fate, REDIS_ANSWERED);
    check_int(b.fate, REDIS_UNCERTAIN);
    check_text(b.words, "in done");
    close_link();
}

FIBER_TEST(the_line_grows_and_wraps_around)
{
    static struct redis_call calls[1000];
    unsigned answered = 0;

    open_link(false);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            redis_call_init(&calls[i], ed_fiber_arena());
            send_text(&calls[i], "x");
            if (i % 3 == 0)
                redis_call_abandon(&calls[i]);
        }
        for (unsigned i = 0; i < 1000; i += 10)
            say(":0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n");
        for (unsigned i = 0; i < 1000; i++) {
            int64_t n = -1;

            if (i % 3 == 0)
                continue;
            check_int(ed_redis_int(calls[i].reply, &n), 0);
            check_int(n, i % 10);
            answered++;
        }
    }
    check_int(answered, 6660);
    close_link();
}

FIBER_TEST(a_server_that_does_not_answer_in_time_is_lost)
{
    static const struct redis_link_owner owner = {.lost = note_lost};
    struct redis_call call;
    ed_stream *s;

    open_link(false);
    redis_link_close(link_, "");
    ed_stream_close(peer);
    check_int(ed_stream_pair(&s, &peer), 0);
    check_int(redis_link_new(&link_, s, 1000,
                             &(struct redis_link_options){
                                 .owner = &owner, .reply_timeout = ED_S}),
              0);
    redis_link_own(link_);
    ed_sleep(10 * ED_S); /* nobody waits */
    check_int(lost, 0);
    init(&call);
    send_text(&call, "A");
    ed_sleep(900 * ED_MS);
    say("*2\r\n"); /* that is something */
    ed_sleep(900 * ED_MS);
    check_int(lost, 0);
    ed_sleep(200 * ED_MS);
    check_int(lost, 1);
    check_int(call.fate, REDIS_UNCERTAIN);
    close_link();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_go_to_calls_in_their_order),
        cmocka_unit_test(a_call_for_several_replies_is_given_the_last),
        cmocka_unit_test(replies_of_an_abandoned_call_are_dropped),
        cmocka_unit_test(
            a_call_abandoned_amid_its_reply_has_its_arena_left_alone),
        cmocka_unit_test(what_was_not_handed_over_was_never_sent),
        cmocka_unit_test(what_was_handed_over_in_part_was_never_sent),
        cmocka_unit_test(last_words_of_a_server_are_heard),
        cmocka_unit_test(messages_go_to_the_owner),
        cmocka_unit_test(
            a_reply_nobody_waits_for_breaks_a_link_without_an_owner_for_it),
        cmocka_unit_test(a_link_may_be_closed_by_a_call_that_is_answered),
        cmocka_unit_test(the_line_grows_and_wraps_around),
        cmocka_unit_test(a_server_that_does_not_answer_in_time_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
