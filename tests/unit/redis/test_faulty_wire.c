/*
 * test_faulty_wire.c - a client whose connections are cut and stalled at every
 * byte of what they say: commands end in time, with their own reply or a clear
 * error, and the client recovers.
 */
#include "redis_test.h"

#include "asked.h"
#include "fault_proxy.h"
#include "held.h"

static struct fault_proxy *proxy;

/* Both find the key's value. The first might change something, so it is not
 * sent again. */
static const char add[] = "INCRBY %d 0";
static const char get[] = "GET %d";

static void open_proxy(void)
{
    char front[160], back[160];

    snprintf(front, sizeof(front), "unix:%s/front",
             redis_server_folder(server));
    snprintf(back, sizeof(back), "unix:%s", redis_server_socket(server));
    proxy = fault_proxy_start(front, back);
}

static ed_redis *front_client(void)
{
    char url[160];

    snprintf(url, sizeof(url), "unix://%s/front", redis_server_folder(server));
    return ed_redis_new(.url = url, .connections = 2,
                        .max_backoff = 20 * ED_MS);
}

enum { KEYS = 100 };

/* Each key's value is itself. */
static void fill(ed_redis *db)
{
    for (int i = 0; i < KEYS; i++)
        must(db, NULL, "SET %d %d", i, i);
}

/* `how` is the command. */
static int ask_for(const struct asked *asked, long long number,
                   long long *answer)
{
    const char *command = asked->how;
    ed_redis_reply *reply;
    int64_t value = -1;
    int err = ed_redis_cmd(asked->db, &reply, command, (int)number);

    if (!err)
        err = ed_redis_int(reply, &value);
    *answer = value;
    return err;
}

static struct asked asked_of(ed_redis *db, const char *command, int64_t within)
{
    return (struct asked){.ask = ask_for,
                          .numbers = KEYS,
                          .db = db,
                          .how = command,
                          .within = within};
}

static void recovers(ed_redis *db, const char *words, unsigned at)
{
    ed_redis_reply *reply;
    int err;

    fault_proxy_set(proxy, .action = FAULT_NONE);
    fault_proxy_release(proxy);
    int64_t until = ed_now() + 5 * ED_S;
    while ((err = ed_redis_cmd(db, &reply, "GET 7")) && ed_now() < until)
        ed_sleep(5 * ED_MS);
    check_(!err && !strcmp(ed_redis_text(reply), "7"),
           "%s at byte %u: the client does not recover: %s", words, at,
           ed_error());
}

static unsigned size_of_all(ed_redis *db, enum fault_side side,
                            const char *command)
{
    struct asked o = asked_of(db, command, 5 * ED_S);

    asked_together(&o, "warming up", 0);
    fault_proxy_set(proxy, .action = FAULT_NONE);
    o.right = 0;
    asked_together(&o, "counting", 0);
    check_int(o.right, ASKED);
    return (unsigned)fault_proxy_count(proxy, side);
}

/* The fault at every `step`th byte of what goes that way. */
static void try_all(enum fault_action action, enum fault_side side,
                    unsigned step, const char *command, const char *words)
{
    int descriptors = held_descriptors();
    open_proxy();
    ed_redis *db = front_client();
    fill(db);
    unsigned size = size_of_all(db, side, command), at = 0;
    bool happened = true;
    int failures = 0;

    /* Until it is beyond their last byte: the length of numbers varies. */
    for (; happened; at += step) {
        struct asked o = asked_of(
            db, command, action == FAULT_STALL ? 30 * ED_MS : 5 * ED_S);
        fault_proxy_set(proxy, .action = action, .side = side, .after = at);
        asked_together(&o, words, at);
        happened = fault_proxy_happened(proxy);
        if (command == get && action == FAULT_CUT)
            check_(o.right == ASKED, "%s at byte %u: %s", words, at, o.text);
        failures += o.uncertain + o.late;
        recovers(db, words, at);
    }
    check(command == get || failures > 0);
    check_(at > size / 2, "%s: of %u bytes not even at %u", words, size, at);
    ed_redis_free(db);
    fault_proxy_stop(proxy);
    check_int(held_descriptors(), descriptors);
}

REDIS_TEST(a_command_cut_at_any_byte_ends_clearly)
{
    try_all(FAULT_CUT, FAULT_REQUEST, 3, add, "a command cut");
}

REDIS_TEST(a_reply_cut_at_any_byte_ends_clearly)
{
    try_all(FAULT_CUT, FAULT_ANSWER, 1, add, "a reply cut");
}

REDIS_TEST(a_command_that_changes_nothing_and_is_cut_is_sent_again)
{
    try_all(FAULT_CUT, FAULT_ANSWER, 1, get, "a reading command cut");
}

REDIS_TEST(a_command_stalled_at_any_byte_ends_by_its_deadline)
{
    try_all(FAULT_STALL, FAULT_REQUEST, 37, add, "a command stalled");
}

REDIS_TEST(a_reply_stalled_at_any_byte_ends_by_its_deadline)
{
    try_all(FAULT_STALL, FAULT_ANSWER, 11, add, "a reply stalled");
}

REDIS_TEST(a_server_that_refuses_connections_is_an_error_and_then_comes_back)
{
    open_proxy();
    struct asked o = asked_of(front_client(), add, 5 * ED_S);

    fill(o.db);
    fault_proxy_refuse(proxy, true);
    fault_proxy_now(proxy, FAULT_CUT, FAULT_REQUEST);
    asked_together(&o, "refused", 0);
    check_(o.down > 0, "%s", o.text);
    fault_proxy_refuse(proxy, false);
    recovers(o.db, "refused", 0);
    ed_redis_free(o.db);
    fault_proxy_stop(proxy);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(a_command_cut_at_any_byte_ends_clearly),
        cmocka_unit_test(a_reply_cut_at_any_byte_ends_clearly),
        cmocka_unit_test(
            a_command_that_changes_nothing_and_is_cut_is_sent_again),
        cmocka_unit_test(a_command_stalled_at_any_byte_ends_by_its_deadline),
        cmocka_unit_test(a_reply_stalled_at_any_byte_ends_by_its_deadline),
        cmocka_unit_test(
            a_server_that_refuses_connections_is_an_error_and_then_comes_back));
}
