/*
 * Many fibers on few connections: no reply ever reaches another.
 */
#include "redis_test.h"

#define FIBERS     100
#define COMMANDS   1000 /* of each */
#define ROUNDS_MAX 20

struct member {
    ed_redis *db;
    uint32_t seed;
    unsigned number;
    unsigned left; /* calls it gave up */
};

/* What only this call can be answered with. */
struct token {
    char text[64];
    size_t len;
};

static void make_token(struct token *t, struct member *m, unsigned i)
{
    t->len = (size_t)snprintf(t->text, sizeof(t->text), "%u:%u:%u", m->number,
                              i, test_random(&m->seed, UINT32_MAX));
}

static bool is_token(const ed_redis_reply *r, const struct token *t)
{
    return ed_bytes_equal(ed_redis_bytes(r), ed_bytes_of(t->text, t->len));
}

static int echo(struct member *m, const struct token *t)
{
    ed_redis_reply *r;
    int err = ed_redis_cmd(m->db, &r, "ECHO %b", t->text, t->len);

    if (!err)
        check(is_token(r, t));
    return err;
}

static int echo_in_transaction(struct member *m, const struct token *t)
{
    ed_redis_reply *r;
    ed_redis_multi(tx, m->db);
    int err = ed_redis_cmd(tx, NULL, "ECHO %b", t->text, t->len);

    if (!err)
        err = ed_redis_cmd(tx, NULL, "INCR count");
    if (!err)
        err = ed_redis_exec(tx, &r);
    if (!err)
        check(is_token(ed_redis_at(r, 0), t) && ed_redis_count(r) == 2);
    return err;
}

static int echo_refused(struct member *m, const struct token *t)
{
    ed_redis_reply *r;
    int err =
        ed_redis_cmd(m->db, &r, "EVAL %s 0 %s",
                     "return redis.error_reply('OWN ' .. ARGV[1])", t->text);

    if (err != ED_EREDIS)
        return err;
    check(ed_redis_is_error(r, "OWN") && strstr(ed_redis_text(r), t->text));
    return 0;
}

static int echo_long(struct member *m, const struct token *t)
{
    ed_redis_reply *r;
    int err =
        ed_redis_cmd(m->db, &r, "EVAL %s 0 %s",
                     "return {ARGV[1], string.rep(ARGV[1], 200)}", t->text);

    if (err)
        return err;
    struct ed_bytes text = ed_redis_bytes(ed_redis_at(r, 1));
    check(is_token(ed_redis_at(r, 0), t));
    check_int(text.len, 200 * t->len);
    for (size_t i = 0; i + t->len <= text.len; i += t->len)
        check(!memcmp(text.ptr + i, t->text, t->len));
    return 0;
}

static int one(struct member *m, unsigned i)
{
    struct token token;

    make_token(&token, m, i);
    switch (test_random(&m->seed, 16)) {
    case 0:
        return echo_in_transaction(m, &token);
    case 1:
        return echo_refused(m, &token);
    case 2:
        return echo_long(m, &token);
    case 3:
        return ed_redis_cmd(m->db, NULL, "ECHO %s", token.text);
    default:
        return echo(m, &token);
    }
}

/* One in eight has a deadline that may come before its reply, or amid it. */
static int one_hasty(struct member *m, unsigned i)
{
    ed_scope(s, .within = 1 + test_random(&m->seed, 1000) * ED_US);
    (void)s;
    int err = one(m, i);

    m->left += err == ED_ETIMEOUT;
    return err == ED_ETIMEOUT ? 0 : err;
}

static int talk(void *arg)
{
    struct member *m = arg;
    ed_arena *arena = ed_arena_new(0);
    int err = 0;

    ed_fiber_use_arena(arena);
    for (unsigned i = 0; !err && i < COMMANDS; i++) {
        bool hasty = !test_random(&m->seed, 8);
        err = hasty ? one_hasty(m, i) : one(m, i);
        ed_arena_reset(arena);
    }
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return err;
}

/* How many calls were given up. */
static unsigned talk_all(ed_redis *db, unsigned round)
{
    static struct member members[FIBERS];
    unsigned left = 0;

    {
        ed_scope(s);
        for (unsigned i = 0; i < FIBERS; i++) {
            members[i] = (struct member){
                .db = db,
                .seed = round * FIBERS + i + 1,
                .number = i,
            };
            ed_go(s, talk, &members[i]);
        }
        check_int(ed_wait(s), 0);
    }
    for (unsigned i = 0; i < FIBERS; i++)
        left += members[i].left;
    return left;
}

/* On a busy machine replies may be there whenever a deadline is looked at: then
 * they all talk on. */
REDIS_TEST(no_reply_of_a_hundred_thousand_reaches_another_fiber)
{
    struct ed_redis_counts counts = {.dropped = 0};
    ed_redis *db = client();
    unsigned left = 0;

    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        left += talk_all(db, i);
        ed_redis_counts(db, &counts);
        if (left > 100 && counts.dropped > 100)
            break;
    }
    must(db, NULL, "PING");
    ed_redis_counts(db, &counts);
    check(left > 100);
    check(counts.dropped > 100);
    check_int(counts.lost, 0);
    check_int(counts.under_way, 0);
    ed_redis_free(db);
}

int main(void)
{
    return REDIS_TESTS(
        cmocka_unit_test(no_reply_of_a_hundred_thousand_reaches_another_fiber));
}
