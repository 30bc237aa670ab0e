/*
 * sentinel.c - asking Redis Sentinels which server is the master.
 */
#include "redis/sentinel.h"
#include "redis/connect.h"
#include "redis/redirect.h"
#include <stdlib.h>

/* One that does not answer costs so much; there are others. */
static const int64_t PATIENCE = ED_S;

struct redis_sentinel {
    char *master;
    char **addresses;
    size_t count;
    struct redis_target asked;  /* how to speak to a Sentinel */
    struct redis_target server; /* how to speak to a master */
};

/* ---- making ---- */

/* Sentinels have users of their own, and no databases. */
static int set_asked(struct redis_sentinel *s,
                     const struct ed_redis_options *options)
{
    struct redis_target *t = &s->asked;
    int err = redis_target_at(t, &s->server, s->addresses[0]);

    if (!err)
        err = redis_target_identify(t, options->sentinel_user,
                                    options->sentinel_password);
    t->password_hook = NULL;
    t->db = 0;
    if (t->connect_timeout > PATIENCE)
        t->connect_timeout = PATIENCE;
    return err;
}

struct redis_sentinel *redis_sentinel_new(
    struct redis_topology *topology, const struct ed_redis_options *options)
{
    struct redis_sentinel *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->master = topology->master;
    s->addresses = topology->addresses;
    s->count = topology->count;
    topology->master = NULL;
    topology->addresses = NULL;
    topology->count = 0;
    int err = redis_target_at(&s->server, &topology->server,
                              topology->server.address);
    if (!err)
        err = set_asked(s, options);
    if (!err)
        return s;
    redis_sentinel_free(s);
    return NULL;
}

void redis_sentinel_free(void *sentinel)
{
    struct redis_sentinel *s = sentinel;

    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->addresses[i]);
    free(s->addresses);
    free(s->master);
    redis_target_free(&s->asked);
    redis_target_free(&s->server);
    free(s);
}

/* ---- asking ---- */

/* One command on a connection of its own. *reply lies in the fiber's arena. */
static int ask(const struct redis_target *target, ed_redis_reply **reply,
               size_t argc, const struct ed_bytes *argv)
{
    static const struct redis_link_owner nobody;
    const struct redis_link_options options = {.owner = &nobody,
                                               .reply_timeout = PATIENCE};
    struct redis_request request;
    struct redis_call call;
    struct redis_link *link;
    int err = redis_link_open(&link, target, &options);

    if (err)
        return err;
    redis_request_init(&request);
    redis_call_init(&call, ed_fiber_arena());
    err = redis_request_argv(&request, argc, argv);
    if (!err)
        err = redis_link_call(link, &call, redis_request_bytes(&request));
    if (!err && call.fate != REDIS_ANSWERED)
        err = redis_call_lost(&request, &call);
    if (!err)
        err = redis_call_result(&request, &call);
    *reply = call.reply;
    redis_request_free(&request);
    redis_link_close(link, "");
    return err;
}

static int set_found(const struct redis_sentinel *s,
                     const ed_redis_reply *reply, const char *asked,
                     struct redis_target *found)
{
    struct ed_buf address = {0};
    int64_t port = 0;
    int err = ed_redis_int(ed_redis_at(reply, 1), &port);

    if (!err)
        err = redis_node_address(
            &address, ed_redis_bytes(ed_redis_at(reply, 0)), port, asked);
    if (!err)
        err = redis_target_at(found, &s->server, address.ptr);
    ed_buf_free(&address);
    if (!err || err == ED_ENOMEM)
        return err;
    return ed_fail(ED_EDATABASE, "Sentinel at %s has no address of '%.80s'",
                   asked, s->master);
}

static int ask_where(const struct redis_sentinel *s, const char *address,
                     struct redis_target *found)
{
    const struct ed_bytes argv[] = {ED_BYTES("SENTINEL"),
                                    ED_BYTES("GET-MASTER-ADDR-BY-NAME"),
                                    ed_bytes(s->master)};
    struct redis_target target;
    ed_redis_reply *reply;
    int err = redis_target_at(&target, &s->asked, address);

    if (err)
        return err;
    err = ask(&target, &reply, 3, argv);
    redis_target_free(&target);
    if (err)
        return err;
    if (ed_redis_count(reply) != 2)
        return ed_fail(ED_EDATABASE, "Sentinel at %s knows no master '%.80s'",
                       address, s->master);
    return set_found(s, reply, address, found);
}

static int ask_whether(const struct redis_sentinel *s,
                       const struct redis_target *found)
{
    const struct ed_bytes role = ED_BYTES("ROLE");
    ed_redis_reply *reply;
    int err = ask(found, &reply, 1, &role);

    if (err)
        return err;
    const char *answer = ed_redis_text(ed_redis_at(reply, 0));
    if (!strcmp(answer, "master"))
        return 0;
    return ed_fail(ED_EDATABASE, "Redis at %s, said to be '%.80s', is a %.20s",
                   found->address, s->master, answer);
}

static int ask_one(const struct redis_sentinel *s, const char *address,
                   struct redis_target *found)
{
    int err = ask_where(s, address, found);

    if (err)
        return err;
    err = ask_whether(s, found);
    if (err)
        redis_target_free(found);
    return err;
}

static int find(struct redis_sentinel *s, struct redis_target *found)
{
    int err = 0;

    for (size_t i = 0; i < s->count; i++) {
        err = ask_one(s, s->addresses[i], found);
        if (ed_cancelled())
            return ed_cancelled();
        if (err)
            continue;
        char *first = s->addresses[i];
        s->addresses[i] = s->addresses[0];
        s->addresses[0] = first;
        return 0;
    }
    return err == ED_ENOMEM ? err : ed_fail(ED_EDATABASE, "%s", ed_error());
}

int redis_sentinel_find(void *arg, struct redis_target *out)
{
    struct redis_sentinel *s = arg;
    ed_arena *arena = ed_arena_new(0);
    ed_arena *before = ed_fiber_use_arena(arena);
    int err = arena ? find(s, out) : ED_ENOMEM;

    ed_fiber_use_arena(before);
    ed_arena_free(arena);
    return err;
}
