/*
 * Reading streams: every entry in order, whatever becomes of connections.
 */
#include "redis_test.h"
#include <eddy/redis_stream.h>
#include <stdlib.h>

static const char *field(const struct ed_redis_entry *entry, const char *name)
{
    struct ed_bytes value = ed_redis_entry_field(entry, name);

    return value.ptr ? value.ptr : "none";
}

static void add(ed_redis *db, int n)
{
    must(db, NULL, "XADD orders * n %d", n);
}

#define check_entry(stream, number)                                      \
    do {                                                                 \
        struct ed_redis_entry e_;                                        \
        if (check_int(ed_redis_stream_next((stream), &e_), 0))           \
            check_int((int)strtol(field(&e_, "n"), NULL, 10), (number)); \
    } while (0)

REDIS_TEST(entries_come_in_order_from_where_one_begins)
{
    ed_redis *db = client();
    ed_redis_stream *all = NULL, *new = NULL;

    for (int i = 0; i < 250; i++) /* more than one batch */
        add(db, i);
    check_int(ed_redis_stream_open(db, &all, "orders", .from = "0"), 0);
    check_int(ed_redis_stream_open(db, &new, "orders"), 0);
    for (int i = 0; i < 250; i++)
        check_entry(all, i);
    add(db, 250);
    check_entry(all, 250);
    check_entry(new, 250);
    ed_redis_stream_close(all);
    ed_redis_stream_close(new);
    ed_redis_free(db);
}

REDIS_TEST(an_entry_has_its_fields)
{
    ed_redis *db = client();
    ed_redis_stream *s = NULL;
    struct ed_redis_entry e;

    check_int(ed_redis_stream_open(db, &s, "orders"), 0);
    must(db, NULL, "XADD orders 5-1 name %s empty %s", "a b", "");
    if (check_int(ed_redis_stream_next(s, &e), 0)) {
        check_text(e.id, "5-1");
        check_int((long long)e.count, 2);
        check_text(field(&e, "name"), "a b");
        check_text(field(&e, "empty"), "");
        check_text(field(&e, "other"), "none");
        check(!e.again);
    }
    check_int(ed_redis_stream_ack(s, e.id), ED_EUSAGE);
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

REDIS_TEST(a_reader_goes_on_when_the_server_is_back)
{
    ed_redis *db = client();
    ed_redis_stream *s = NULL;

    add(db, 1);
    check_int(ed_redis_stream_open(db, &s, "orders", .from = "0"), 0);
    check_entry(s, 1);
    redis_server_ask(server, "CLIENT KILL TYPE normal");
    ed_sleep(20 * ED_MS);
    add(db, 2);
    check_entry(s, 2);
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

static int read_one(void *arg)
{
    struct ed_redis_entry e;

    return ed_redis_stream_next(arg, &e);
}

REDIS_TEST(a_cancelled_wait_loses_nothing)
{
    ed_redis *db = client();
    ed_redis_stream *s = NULL;

    check_int(ed_redis_stream_open(db, &s, "orders"), 0);
    check_int(ed_with_timeout(30 * ED_MS, read_one, s), ED_ETIMEOUT);
    add(db, 1);
    check_entry(s, 1);
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

REDIS_TEST(a_group_shares_out_and_gives_again_what_was_not_acknowledged)
{
    ed_redis *db = client();
    ed_redis_stream *a = NULL, *b = NULL;
    struct ed_redis_entry e;

    check_int(ed_redis_stream_open(db, &a, "orders", .group = "g",
                                   .consumer = "a", .batch = 1),
              0);
    check_int(ed_redis_stream_open(db, &b, "orders", .group = "g",
                                   .consumer = "b", .batch = 1),
              0);
    add(db, 1);
    add(db, 2);
    check_entry(a, 1);
    if (check_int(ed_redis_stream_next(b, &e), 0)) {
        check_text(field(&e, "n"), "2");
        check_int(ed_redis_stream_ack(b, e.id), 0);
    }
    ed_redis_stream_close(a);
    ed_redis_stream_close(b);

    check_int(
        ed_redis_stream_open(db, &a, "orders", .group = "g", .consumer = "a"),
        0);
    add(db, 3);
    if (check_int(ed_redis_stream_next(a, &e), 0)) {
        check_text(field(&e, "n"), "1");
        check(e.again);
    }
    if (check_int(ed_redis_stream_next(a, &e), 0)) {
        check_text(field(&e, "n"), "3");
        check(!e.again);
    }
    ed_redis_stream_close(a);
    ed_redis_free(db);
}

REDIS_TEST(what_a_consumer_keeps_too_long_is_claimed)
{
    ed_redis *db = client();
    ed_redis_stream *gone = NULL, *heir = NULL;
    struct ed_redis_entry e;

    check_int(ed_redis_stream_open(db, &gone, "orders", .group = "g",
                                   .consumer = "gone"),
              0);
    for (int i = 0; i < 5; i++)
        add(db, i);
    check_entry(gone, 0);
    ed_redis_stream_close(gone);
    ed_sleep(60 * ED_MS);
    check_int(ed_redis_stream_open(db, &heir, "orders", .group = "g",
                                   .consumer = "heir", .batch = 2,
                                   .claim_after = 50 * ED_MS),
              0);
    for (int i = 0; i < 5; i++) {
        if (check_int(ed_redis_stream_next(heir, &e), 0)) {
            check_int((int)strtol(field(&e, "n"), NULL, 10), i);
            check(e.again);
            check_int(ed_redis_stream_ack(heir, e.id), 0);
        }
    }
    add(db, 5);
    check_entry(heir, 5);
    ed_redis_stream_close(heir);
    ed_redis_free(db);
}

REDIS_TEST(an_entry_deleted_meanwhile_is_passed_over)
{
    ed_redis *db = client();
    ed_redis_stream *s = NULL;
    struct ed_redis_entry e;

    check_int(
        ed_redis_stream_open(db, &s, "orders", .group = "g", .consumer = "c"),
        0);
    add(db, 1);
    if (check_int(ed_redis_stream_next(s, &e), 0))
        must(db, NULL, "XDEL orders %s", e.id);
    ed_redis_stream_close(s);
    add(db, 2);
    check_int(
        ed_redis_stream_open(db, &s, "orders", .group = "g", .consumer = "c"),
        0);
    check_entry(s, 2);
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

/* 20 entries of 1 KB, for a client that takes 5 KB at once. */
REDIS_TEST(a_batch_too_long_for_the_client_is_taken_in_parts)
{
    ed_redis *db = client(.max_reply = 5000);
    ed_redis_stream *alone = NULL, *shared = NULL;

    check_int(ed_redis_stream_open(db, &alone, "orders", .from = "0"), 0);
    check_int(ed_redis_stream_open(db, &shared, "orders", .group = "g",
                                   .consumer = "c"),
              0);
    for (int i = 0; i < 20; i++)
        must(db, NULL, "XADD orders * n %d padding %01000d", i, i);
    for (int i = 0; i < 20; i++) {
        check_entry(alone, i);
        check_entry(shared, i);
    }
    ed_redis_stream_close(alone);
    ed_redis_stream_close(shared);

    check_int(ed_redis_stream_open(db, &alone, "orders"), 0);
    must(db, NULL, "XADD orders * n 20 padding %06000d", 0);
    check_int(read_one(alone), ED_ELIMIT);
    ed_redis_stream_close(alone);
    ed_redis_free(db);
}

REDIS_TEST(a_busy_stream_does_not_keep_from_claiming)
{
    ed_redis *db = client();
    ed_redis_stream *gone = NULL, *heir = NULL;
    struct ed_redis_entry e;
    bool claimed = false;

    check_int(ed_redis_stream_open(db, &gone, "orders", .group = "g",
                                   .consumer = "gone"),
              0);
    check_int(ed_redis_stream_open(db, &heir, "orders", .group = "g",
                                   .consumer = "heir",
                                   .claim_after = 50 * ED_MS),
              0);
    add(db, 0);
    check_entry(gone, 0);
    ed_redis_stream_close(gone);
    for (int i = 1; i < 300 && !claimed; i++) {
        add(db, i);
        if (!check_int(ed_redis_stream_next(heir, &e), 0))
            break;
        claimed = e.again && (int)strtol(field(&e, "n"), NULL, 10) == 0;
        check_int(ed_redis_stream_ack(heir, e.id), 0);
        ed_sleep(ED_MS);
    }
    check(claimed);
    ed_redis_stream_close(heir);
    ed_redis_free(db);
}

REDIS_TEST(claiming_without_a_group_is_nothing)
{
    ed_redis *db = client();
    ed_redis_stream *s = NULL;
    struct ed_redis_counts counts;

    check_int(ed_redis_stream_open(db, &s, "orders", .claim_after = ED_MS), 0);
    check_int(ed_with_timeout(100 * ED_MS, read_one, s), ED_ETIMEOUT);
    ed_redis_counts(db, &counts);
    check(counts.commands < 10);
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

enum { ORDERS = 1500, KILLS = 200 };

/* Commands of its own connections, which nobody kills. */
static int add_and_kill(void *arg)
{
    char command[64];
    uint32_t seed = 1;

    (void)arg;
    for (int i = 0; i < ORDERS; i++) {
        snprintf(command, sizeof command, "XADD orders * n %d", i);
        redis_server_ask(server, command);
        if (test_random(&seed, ORDERS) < KILLS)
            redis_server_ask(server, "CLIENT KILL TYPE normal");
        ed_sleep(test_random(&seed, 2000) * ED_US);
    }
    return 0;
}

struct reading {
    ed_redis_stream *stream;
    bool shared;
};

static int read_all(void *arg)
{
    struct reading *r = arg;
    struct ed_redis_entry e;

    for (int i = 0; i < ORDERS; i++) {
        int err = ed_redis_stream_next(r->stream, &e);
        if (err)
            return err;
        check_int((int)strtol(field(&e, "n"), NULL, 10), i);
        if (!r->shared)
            continue;
        do
            err = ed_redis_stream_ack(r->stream, e.id);
        while (err == ED_EDATABASE || err == ED_EUNCERTAIN);
        check_int(err, 0);
    }
    return 0;
}

REDIS_TEST(after_200_kills_every_entry_was_given_once)
{
    ed_redis *db = client(.max_backoff = 10 * ED_MS);
    struct reading alone = {0}, shared = {.shared = true};

    check_int(ed_redis_stream_open(db, &alone.stream, "orders", .from = "0"),
              0);
    check_int(ed_redis_stream_open(db, &shared.stream, "orders", .group = "g",
                                   .consumer = "c", .batch = 3),
              0);
    {
        ed_scope(s);
        ed_go(s, read_all, &alone);
        ed_go(s, read_all, &shared);
        ed_go(s, add_and_kill, NULL);
        check_int(ed_wait(s), 0);
    }
    check_text(redis_server_ask(server, "XPENDING orders g"), "0\n\n\n");
    ed_redis_stream_close(alone.stream);
    ed_redis_stream_close(shared.stream);
    ed_redis_free(db);
}

REDIS_TEST(mistakes_are_told)
{
    ed_redis *db = client();
    ed_redis_stream *s;

    check_int(ed_redis_stream_open(db, &s, "orders", .group = "g"), ED_EUSAGE);
    check_int(ed_redis_stream_open(db, &s, ""), ED_EUSAGE);
    must(db, NULL, "SET orders text");
    check_int(ed_redis_stream_open(db, &s, "orders"), ED_EREDIS);
    check_error("WRONGTYPE");
    check(!s);
    must(db, NULL, "DEL orders");
    check_int(
        ed_redis_stream_open(db, &s, "orders", .group = "g", .consumer = "c"),
        0);
    must(db, NULL, "DEL orders");
    check_int(read_one(s), ED_EREDIS);
    check_error("NOGROUP");
    ed_redis_stream_close(s);
    ed_redis_free(db);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(entries_come_in_order_from_where_one_begins),
        cmocka_unit_test(an_entry_has_its_fields),
        cmocka_unit_test(a_reader_goes_on_when_the_server_is_back),
        cmocka_unit_test(a_cancelled_wait_loses_nothing),
        cmocka_unit_test(
            a_group_shares_out_and_gives_again_what_was_not_acknowledged),
        cmocka_unit_test(what_a_consumer_keeps_too_long_is_claimed),
        cmocka_unit_test(an_entry_deleted_meanwhile_is_passed_over),
        cmocka_unit_test(a_batch_too_long_for_the_client_is_taken_in_parts),
        cmocka_unit_test(a_busy_stream_does_not_keep_from_claiming),
        cmocka_unit_test(claiming_without_a_group_is_nothing),
        cmocka_unit_test(after_200_kills_every_entry_was_given_once),
        cmocka_unit_test(mistakes_are_told));
}
