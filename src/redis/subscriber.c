/*
 * subscriber.c - channels that are subscribed to, whatever becomes of the
 * connection.
 *
 * Owns a link that carries nothing else, and a fiber in the background, the
 * keeper, which makes the link, and makes it again. Every SUBSCRIBE,
 * UNSUBSCRIBE and PING is answered once, in order: what was asked and is not
 * answered yet stands in `asks`. What else comes are messages.
 *
 * A link that was made again is settled when all channels are agreed to anew.
 * Messages that come before belong to the gap: its mark is put then, and from
 * there on nothing is missing.
 */
#include <eddy/redis_pubsub.h>
#include "base/backoff.h"
#include "redis/inbox.h"
#include "redis/place.h"
#include "redis/request.h"
#include <eddy/log.h>
#include <stdlib.h>

static const int64_t FIRST_PAUSE = 50 * ED_MS;
static const int64_t LONGEST_PAUSE = 5 * ED_S;

/* A link on which nothing came for the first is asked for a sign of life, and
 * has the second to give it. */
static const int64_t SILENCE = 30 * ED_S;
static const int64_t PATIENCE = 10 * ED_S;

enum state {
    WANTED, /* not yet asked for, or asked */
    AGREED,
    REFUSED,
};

struct channel {
    struct ed_list node;
    enum state state;
    bool agreed_before;
    bool pattern;
    bool gone;               /* it was left; those who wait for it free it */
    unsigned waiters;        /* for it to be agreed to */
    char words[REDIS_WORDS]; /* why it was refused */
    size_t len;
    char name[];
};

enum asked { SUBSCRIBE, UNSUBSCRIBE, PING };

struct ask {
    struct ed_list node;
    enum asked asked;
    bool pattern;
    struct channel *channel; /* NULL: it is gone, or there is none */
};

struct ed_redis_sub {
    ed_redis *db;
    struct redis_link *link; /* NULL: none */
    ed_fiber *keeper;        /* NULL: has not run yet, or has ended */
    bool kept;               /* the keeper is, or will be, running */
    bool closed;
    bool broken;       /* the link is lost */
    bool settled;      /* it is what it was before, or shall be */
    bool listened;     /* to a channel: what another link brings has a gap */
    unsigned failures; /* of attempts, one after the other */
    unsigned failed;   /* of all attempts */
    char why[256];     /* the last one failed, or the link was lost */

    struct ed_list channels;
    struct ed_list asks;
    struct ed_waitq askers; /* wait for the state of a channel to change */
    struct ed_waitq idle;   /* the keeper: something broke, or was answered */

    ed_arena *arena; /* of the reply that is coming in */
    struct redis_inbox inbox;
    struct ed_waitq reader;
    bool reading;
    int64_t heard_at;
};

static struct channel *channel_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct channel, node);
}

static struct ask *ask_of(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ask, node);
}

static struct channel *find(const ed_redis_sub *sub, struct ed_bytes name,
                            bool pattern)
{
    ed_list_each (node, &sub->channels) {
        struct channel *c = channel_of(node);
        if (c->pattern == pattern &&
            ed_bytes_equal(ed_bytes_of(c->name, c->len), name))
            return c;
    }
    return NULL;
}

/* ---- asking ---- */

static int send_command(ed_redis_sub *sub, const char *command,
                        struct ed_bytes name)
{
    const struct ed_bytes argv[] = {ed_bytes(command), name};
    struct redis_request request;

    redis_request_init(&request);
    int err = redis_request_argv(&request, name.ptr ? 2 : 1, argv);
    if (!err)
        err = redis_link_send(sub->link, NULL, redis_request_bytes(&request));
    redis_request_free(&request);
    return err;
}

static int ask(ed_redis_sub *sub, enum asked asked, struct channel *channel)
{
    static const char *const commands[][2] = {
        [SUBSCRIBE] = {"SUBSCRIBE", "PSUBSCRIBE"},
        [UNSUBSCRIBE] = {"UNSUBSCRIBE", "PUNSUBSCRIBE"},
        [PING] = {"PING", "PING"},
    };
    struct ask *a = malloc(sizeof *a);
    if (!a)
        return ED_ENOMEM;
    a->asked = asked;
    a->pattern = channel && channel->pattern;
    a->channel = asked == SUBSCRIBE ? channel : NULL;
    int err = send_command(sub, commands[asked][a->pattern],
                           channel ? ed_bytes_of(channel->name, channel->len)
                                   : ed_bytes(NULL));
    if (err)
        free(a);
    else
        ed_list_add_back(&sub->asks, &a->node);
    return err;
}

static void forget_asks(ed_redis_sub *sub)
{
    struct ed_list *node;

    while ((node = ed_list_take(&sub->asks)))
        free(ask_of(node));
}

/* ---- what comes ---- */

/* The link is of no use any more; the keeper makes another. */
static void give_up_link(ed_redis_sub *sub, const char *why)
{
    struct ed_list *first = ed_list_first(&sub->channels);

    if (sub->broken)
        return;
    sub->broken = true;
    snprintf(sub->why, sizeof sub->why, "connection lost: %s", why);
    ed_log_warn("subscriber of '%.60s': %s",
                first ? channel_of(first)->name : "", sub->why);
    ed_waitq_wake_all(&sub->idle, 0);
}

static void settle_channel(ed_redis_sub *sub, struct channel *c,
                           const char *refused)
{
    c->state = refused ? REFUSED : AGREED;
    c->agreed_before |= !refused;
    sub->listened |= !refused;
    snprintf(c->words, sizeof c->words, "%s", refused ? refused : "");
    ed_waitq_wake_all(&sub->askers, 0);
}

/* Whether a reply is the answer to what was asked. */
static bool fits(const struct ask *a, const ed_redis_reply *reply)
{
    static const char *const kinds[][2] = {
        [SUBSCRIBE] = {"subscribe", "psubscribe"},
        [UNSUBSCRIBE] = {"unsubscribe", "punsubscribe"},
        [PING] = {"pong", "pong"},
    };
    const struct channel *c = a->channel;

    if (ed_redis_kind(reply) == ED_REDIS_ERROR)
        return true;
    /* Of a link without channels. */
    if (ed_redis_kind(reply) == ED_REDIS_STATUS)
        return a->asked == PING;
    return !strcmp(ed_redis_text(ed_redis_at(reply, 0)),
                   kinds[a->asked][a->pattern]) &&
           (!c || ed_bytes_equal(ed_redis_bytes(ed_redis_at(reply, 1)),
                                 ed_bytes_of(c->name, c->len)));
}

/* The oldest thing asked is answered. */
static void answered(ed_redis_sub *sub, const ed_redis_reply *reply)
{
    struct ed_list *node = ed_list_first(&sub->asks);
    bool refused = ed_redis_kind(reply) == ED_REDIS_ERROR;

    if (!node || !fits(ask_of(node), reply)) {
        give_up_link(sub, refused ? ed_redis_text(reply)
                                  : "a reply to something else");
        return;
    }
    ed_list_remove(node);
    if (ask_of(node)->channel)
        settle_channel(sub, ask_of(node)->channel,
                       refused ? ed_redis_text(reply) : NULL);
    free(ask_of(node));
    ed_waitq_wake_all(&sub->idle, 0);
}

static void wake_reader(ed_redis_sub *sub)
{
    ed_waitq_wake(&sub->reader, 0);
}

/* A channel just left may still have messages on their way. */
static bool is_wanted(const ed_redis_sub *sub, struct ed_bytes name,
                      bool pattern)
{
    return ed_list_empty(&sub->asks) || find(sub, name, pattern);
}

static void message(ed_redis_sub *sub, const ed_redis_reply *reply,
                    bool pattern)
{
    size_t i = 1;
    struct ed_redis_message m = {0};

    if (pattern)
        m.pattern = ed_redis_bytes(ed_redis_at(reply, i++));
    m.channel = ed_redis_bytes(ed_redis_at(reply, i++));
    m.payload = ed_redis_bytes(ed_redis_at(reply, i));
    if (!sub->settled ||
        !is_wanted(sub, pattern ? m.pattern : m.channel, pattern))
        return;
    redis_inbox_put(&sub->inbox, &m);
    wake_reader(sub);
}

/* One that was too long, or that there was no memory for. */
static void missed(ed_redis_sub *sub)
{
    if (!ed_list_empty(&sub->asks)) {
        give_up_link(sub, "a reply that could not be read");
        return;
    }
    redis_inbox_gap(&sub->inbox);
    wake_reader(sub);
}

static void push(struct redis_link *link, const ed_redis_reply *reply)
{
    ed_redis_sub *sub = redis_link_info(link)->user;
    const char *kind = ed_redis_text(ed_redis_at(reply, 0));

    sub->heard_at = ed_now();
    if (!reply)
        missed(sub);
    else if (!strcmp(kind, "message"))
        message(sub, reply, false);
    else if (!strcmp(kind, "pmessage"))
        message(sub, reply, true);
    else
        answered(sub, reply);
    ed_arena_reset(sub->arena);
}

static ed_arena *push_arena(struct redis_link *link)
{
    ed_redis_sub *sub = redis_link_info(link)->user;

    return sub->arena;
}

static void lost(struct redis_link *link, int err, const char *why)
{
    ed_redis_sub *sub = redis_link_info(link)->user;

    (void)err;
    give_up_link(sub, why);
}

static const struct redis_link_owner owner = {
    .lost = lost,
    .push = push,
    .push_arena = push_arena,
};

/* ---- the keeper ---- */

static int connect_once(ed_redis_sub *sub)
{
    const struct redis_link_options options = {.owner = &owner, .user = sub};
    struct redis_link *link;
    int err = sub->db->ops->open(sub->db, &link, &options);

    if (err) {
        snprintf(sub->why, sizeof sub->why, "%s", ed_error());
        return err;
    }
    sub->link = link;
    sub->broken = false;
    sub->settled = !sub->listened;
    sub->heard_at = ed_now();
    return 0;
}

/* Waits until something happens, at most so long. 0, or ED_ETIMEOUT. */
static int wait_at_most(ed_redis_sub *sub, int64_t time)
{
    ed_scope(s, .within = time, .name = "subscriber");
    return ed_waitq_wait(&sub->idle, "what a subscriber's link brings", NULL);
}

static void wait_for_answers(ed_redis_sub *sub)
{
    int64_t until = ed_now() + PATIENCE;

    while (!sub->broken && !sub->closed && !ed_list_empty(&sub->asks)) {
        int err = wait_at_most(sub, until - ed_now());
        if (ed_cancelled())
            return;
        if (err)
            give_up_link(sub, "the server does not answer");
    }
}

/* Subscribes to all there are. */
static void settle(ed_redis_sub *sub)
{
    ed_list_each (node, &sub->channels) {
        channel_of(node)->state = WANTED;
        if (ask(sub, SUBSCRIBE, channel_of(node)))
            give_up_link(sub, "no memory");
    }
    wait_for_answers(sub);
    if (sub->broken || ed_cancelled())
        return;
    if (!sub->settled) {
        redis_inbox_gap(&sub->inbox);
        wake_reader(sub);
    }
    sub->settled = true;
    sub->failures = 0;
}

/* Until the link breaks. */
static void keep(ed_redis_sub *sub)
{
    while (!sub->broken && !sub->closed && !ed_cancelled()) {
        int64_t quiet = ed_now() - sub->heard_at;
        if (quiet < SILENCE) {
            (void)wait_at_most(sub, SILENCE - quiet);
            continue;
        }
        if (ask(sub, PING, NULL))
            give_up_link(sub, "no memory");
        wait_for_answers(sub);
    }
}

/* Those who wait need not wait for the next attempt. */
static void note_failure(ed_redis_sub *sub)
{
    sub->failures++;
    sub->failed++;
    ed_waitq_wake_all(&sub->askers, 0);
    ed_sleep(ed_backoff(sub->failures, FIRST_PAUSE, LONGEST_PAUSE));
}

static void live_once(ed_redis_sub *sub)
{
    bool well = false;

    if (!connect_once(sub)) {
        settle(sub);
        well = !sub->broken;
        keep(sub);
        redis_link_close(sub->link, "subscriber closed");
        sub->link = NULL;
        forget_asks(sub);
    }
    if (!well && !ed_cancelled())
        note_failure(sub);
}

static void free_sub(ed_redis_sub *sub)
{
    struct ed_list *node;

    forget_asks(sub);
    while ((node = ed_list_take(&sub->channels)))
        free(channel_of(node));
    redis_inbox_free(&sub->inbox);
    ed_arena_free(sub->arena);
    free(sub);
}

static int keeper(void *arg)
{
    ed_redis_sub *sub = arg;
    ed_redis *db = sub->db;
    /* For hooks: the loop's own arena would grow with each attempt. */
    ed_arena *arena = ed_arena_new(0);

    ed_fiber_use_arena(arena);
    sub->keeper = ed_fiber_self();
    while (!sub->closed && !ed_cancelled())
        live_once(sub);
    sub->keeper = NULL;
    sub->kept = false;
    if (sub->closed)
        free_sub(sub);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    redis_place_leave(db);
    return 0;
}

/* It ends with its loop; there may be another. The client stays until it has
 * ended, which is later than ed_redis_sub_close(). */
static int start_keeper(ed_redis_sub *sub)
{
    if (sub->kept)
        return 0;
    int err = ed_background(keeper, sub);
    if (err)
        return err;
    sub->kept = true;
    redis_place_use(sub->db);
    return 0;
}

/* ---- subscribing ---- */

static int refused(const struct channel *c)
{
    return ed_fail(ED_EREDIS, "subscribe to '%.60s': %.160s", c->name,
                   c->words);
}

static int add(ed_redis_sub *sub, const char *name, bool pattern,
               struct channel **out)
{
    size_t len = strlen(name);
    struct channel *c = calloc(1, sizeof *c + len + 1);

    if (!c)
        return ED_ENOMEM;
    c->pattern = pattern;
    c->len = len;
    memcpy(c->name, name, len);
    /* Without a link the keeper will ask. */
    int err = sub->link && !sub->broken ? ask(sub, SUBSCRIBE, c) : 0;
    if (err) {
        free(c);
        return err;
    }
    ed_list_add_back(&sub->channels, &c->node);
    *out = c;
    return 0;
}

static void drop(ed_redis_sub *sub, struct channel *c)
{
    ed_list_each (node, &sub->asks) {
        if (ask_of(node)->channel == c)
            ask_of(node)->channel = NULL;
    }
    /* Without memory for that its messages keep coming, and are dropped only
     * while something else is asked: the link is made anew instead. */
    if (sub->link && !sub->broken && c->state != REFUSED &&
        ask(sub, UNSUBSCRIBE, c))
        give_up_link(sub, "no memory");
    ed_list_remove(&c->node);
    c->gone = true;
    if (c->waiters)
        ed_waitq_wake_all(&sub->askers, 0);
    else
        free(c);
}

/* Waits until the server has agreed, or an attempt made since has failed. */
static int wait_until_agreed(ed_redis_sub *sub, const struct channel *c)
{
    unsigned failed = sub->failed;

    for (;;) {
        if (c->gone)
            return ed_fail(ED_ECLOSED, "'%.60s' was unsubscribed", c->name);
        if (c->state == REFUSED)
            return refused(c);
        if (c->state == AGREED || c->agreed_before)
            return 0;
        if (!sub->link && sub->failed != failed)
            return ed_fail(ED_EDATABASE, "subscribe to '%.60s': %.160s",
                           c->name, sub->why);
        int err = ed_waitq_wait(&sub->askers, "a channel", NULL);
        if (err)
            return err;
    }
}

static int subscribe(ed_redis_sub *sub, const char *name, bool pattern)
{
    struct channel *c = find(sub, ed_bytes(name), pattern);
    int err = start_keeper(sub);

    if (!err && !c)
        err = add(sub, name, pattern, &c);
    if (err)
        return err;
    c->waiters++;
    err = wait_until_agreed(sub, c);
    c->waiters--;
    /* Others may wait for it, too, or have it already. */
    if (c->waiters)
        return err;
    if (c->gone)
        free(c);
    else if (err && !c->agreed_before)
        drop(sub, c);
    return err;
}

static int open_sub(ed_redis *db, ed_redis_sub **out, const char *name,
                    bool pattern)
{
    *out = NULL;
    if (!ed_in_fiber())
        return ED_EUSAGE;
    if (!db->ops->open)
        return ed_fail(ED_EUSAGE, "only a client can have subscribers");
    ed_redis_sub *sub = calloc(1, sizeof *sub);
    if (!sub)
        return ED_ENOMEM;
    sub->db = db;
    ed_list_init(&sub->channels);
    ed_list_init(&sub->asks);
    redis_inbox_init(&sub->inbox);
    sub->arena = ed_arena_new(0);
    int err = sub->arena ? subscribe(sub, name, pattern) : ED_ENOMEM;
    if (err)
        ed_redis_sub_close(sub);
    else
        *out = sub;
    return err;
}

int ed_redis_subscribe(ed_redis *db, ed_redis_sub **out, const char *channel)
{
    return open_sub(db, out, channel, false);
}

int ed_redis_psubscribe(ed_redis *db, ed_redis_sub **out, const char *pattern)
{
    return open_sub(db, out, pattern, true);
}

int ed_redis_subscribe_also(ed_redis_sub *sub, const char *channel)
{
    return subscribe(sub, channel, false);
}

int ed_redis_psubscribe_also(ed_redis_sub *sub, const char *pattern)
{
    return subscribe(sub, pattern, true);
}

static int unsubscribe(ed_redis_sub *sub, const char *name, bool pattern)
{
    struct channel *c = find(sub, ed_bytes(name), pattern);

    if (!c)
        return ED_ENOTFOUND;
    drop(sub, c);
    return 0;
}

int ed_redis_unsubscribe(ed_redis_sub *sub, const char *channel)
{
    return unsubscribe(sub, channel, false);
}

int ed_redis_punsubscribe(ed_redis_sub *sub, const char *pattern)
{
    return unsubscribe(sub, pattern, true);
}

/* ---- reading ---- */

/* A channel that was agreed to once and is refused now. */
static int refused_since(ed_redis_sub *sub)
{
    ed_list_each (node, &sub->channels) {
        struct channel *c = channel_of(node);
        if (c->state == REFUSED && c->agreed_before)
            return refused(c);
    }
    return 0;
}

static int take(ed_redis_sub *sub, struct ed_redis_message *out)
{
    for (;;) {
        if (redis_inbox_take(&sub->inbox, out))
            return 0;
        int err = refused_since(sub);
        if (!err)
            err = ed_waitq_wait(&sub->reader, "a message", NULL);
        if (err)
            return err;
    }
}

int ed_redis_next_message(ed_redis_sub *sub, struct ed_redis_message *out)
{
    int err = ed_checkpoint();

    if (!err)
        err = start_keeper(sub);
    if (err)
        return err;
    if (sub->reading)
        return ed_fail(ED_EUSAGE, "the subscriber has a reader already");
    sub->reading = true;
    err = take(sub, out);
    sub->reading = false;
    return err;
}

void ed_redis_sub_close(ed_redis_sub *sub)
{
    if (!sub)
        return;
    if (!sub->kept) {
        free_sub(sub);
        return;
    }
    sub->closed = true; /* the keeper frees it */
    if (sub->keeper)
        ed_fiber_cancel(sub->keeper, ED_ECANCELED);
}
