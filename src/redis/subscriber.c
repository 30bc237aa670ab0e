/*
 * subscriber.c - channels that are subscribed to, whatever becomes of the
 * connection.
 *
 * Owns a link that carries nothing else, and a fiber in the background, the
 * keeper, which makes the link, and makes it again. Every SUBSCRIBE,
 * UNSUBSCRIBE and PING is answered once, in order: what was asked and is not
 * answered yet stands in `asks`. What else comes are messages.
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
    char words[REDIS_WORDS]; /* why it was refused */
    size_t len;
    char name[];
};

enum asked { SUBSCRIBE, UNSUBSCRIBE, PING };

struct ask {
    struct ed_list node;
    enum asked asked;
    struct channel *channel; /* NULL: it is gone, or there is none */
};

struct ed_redis_sub {
    ed_redis *db;
    struct redis_link *link; /* NULL: none */
    ed_fiber *keeper;        /* NULL: has not run yet, or has ended */
    bool kept;               /* the keeper is, or will be, running */
    bool closed;
    bool broken;    /* the link is lost */
    bool connected; /* it was up before: what comes anew has a gap */
    unsigned failures;
    unsigned attempts;
    char why[256]; /* the last attempt failed */

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
    a->channel = asked == SUBSCRIBE ? channel : NULL;
    int err = send_command(sub, commands[asked][channel && channel->pattern],
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

/* The oldest thing asked is answered; `words` unless it was agreed to. */
static void answered(ed_redis_sub *sub, const char *words)
{
    struct ed_list *node = ed_list_take(&sub->asks);
    if (!node)
        return;
    struct ask *a = ask_of(node);
    struct channel *c = a->channel;

    free(a);
    if (c) {
        c->state = words ? REFUSED : AGREED;
        c->agreed_before |= !words;
        snprintf(c->words, sizeof c->words, "%s", words ? words : "");
        ed_waitq_wake_all(&sub->askers, 0);
    }
    ed_waitq_wake_all(&sub->idle, 0);
}

/* ---- what comes ---- */

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
    if (!is_wanted(sub, pattern ? m.pattern : m.channel, pattern))
        return;
    redis_inbox_put(&sub->inbox, &m);
    wake_reader(sub);
}

static void push(struct redis_link *link, const ed_redis_reply *reply)
{
    ed_redis_sub *sub = redis_link_info(link)->user;
    const char *kind = ed_redis_text(ed_redis_at(reply, 0));

    sub->heard_at = ed_now();
    if (!reply)
        redis_inbox_gap(&sub->inbox); /* too long a message */
    else if (ed_redis_kind(reply) == ED_REDIS_ERROR)
        answered(sub, ed_redis_text(reply));
    else if (!strcmp(kind, "message"))
        message(sub, reply, false);
    else if (!strcmp(kind, "pmessage"))
        message(sub, reply, true);
    else
        answered(sub, NULL);
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
    if (!sub->broken)
        ed_log_warn("subscriber: %s", why);
    sub->broken = true;
    ed_waitq_wake_all(&sub->idle, 0);
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

    sub->attempts++;
    if (!err) {
        sub->link = link;
        sub->broken = false;
        sub->failures = 0;
        sub->heard_at = ed_now();
        return 0;
    }
    sub->failures++;
    snprintf(sub->why, sizeof sub->why, "%s", ed_error());
    ed_waitq_wake_all(&sub->askers, 0);
    return err;
}

static int resubscribe(ed_redis_sub *sub)
{
    ed_list_each (node, &sub->channels) {
        struct channel *c = channel_of(node);
        c->state = WANTED;
        int err = ask(sub, SUBSCRIBE, c);
        if (err)
            return err;
    }
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
        if (err) {
            sub->broken = true;
            ed_log_warn("subscriber: the server does not answer");
        }
    }
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
            sub->broken = true;
        wait_for_answers(sub);
    }
}

static void live_once(ed_redis_sub *sub)
{
    if (connect_once(sub)) {
        ed_sleep(ed_backoff(sub->failures, FIRST_PAUSE, LONGEST_PAUSE));
        return;
    }
    if (!resubscribe(sub))
        wait_for_answers(sub);
    if (sub->connected) {
        redis_inbox_gap(&sub->inbox);
        wake_reader(sub);
    }
    sub->connected = true;
    keep(sub);
    redis_link_close(sub->link, "subscriber closed");
    sub->link = NULL;
    forget_asks(sub);
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

    sub->keeper = ed_fiber_self();
    while (!sub->closed && !ed_cancelled())
        live_once(sub);
    sub->keeper = NULL;
    sub->kept = false;
    if (sub->closed)
        free_sub(sub);
    return 0;
}

/* ---- subscribing ---- */

static int refused(const struct channel *c)
{
    return ed_fail(ED_EREDIS, "subscribe to '%.60s': %.160s", c->name,
                   c->words);
}

static int add(ed_redis_sub *sub, const char *name, bool pattern)
{
    size_t len = strlen(name);
    struct channel *c = calloc(1, sizeof *c + len + 1);

    if (!c)
        return ED_ENOMEM;
    c->pattern = pattern;
    c->len = len;
    memcpy(c->name, name, len);
    ed_list_add_back(&sub->channels, &c->node);
    if (!sub->link || sub->broken)
        return 0; /* the keeper will ask */
    int err = ask(sub, SUBSCRIBE, c);
    if (err) {
        ed_list_remove(&c->node);
        free(c);
    }
    return err;
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
        ask(sub, UNSUBSCRIBE, c)) {
        sub->broken = true;
        ed_waitq_wake_all(&sub->idle, 0);
    }
    ed_list_remove(&c->node);
    free(c);
}

/* Waits until the server has agreed, or an attempt made since has failed. The
 * channel is looked up each time: another fiber may have left it meanwhile. */
static int wait_until_agreed(ed_redis_sub *sub, const char *name, bool pattern)
{
    unsigned attempts = sub->attempts;

    for (;;) {
        const struct channel *c = find(sub, ed_bytes(name), pattern);
        if (!c)
            return ed_fail(ED_ECLOSED, "'%.60s' was unsubscribed", name);
        if (c->state == REFUSED)
            return refused(c);
        if (c->state == AGREED)
            return 0;
        if (!sub->link && sub->failures && sub->attempts != attempts)
            return ed_fail(ED_EDATABASE, "subscribe to '%.60s': %.160s", name,
                           sub->why);
        int err = ed_waitq_wait(&sub->askers, "a channel", NULL);
        if (err)
            return err;
    }
}

static int subscribe(ed_redis_sub *sub, const char *name, bool pattern)
{
    struct channel *c = find(sub, ed_bytes(name), pattern);
    int err = c ? 0 : add(sub, name, pattern);

    if (err)
        return err;
    err = wait_until_agreed(sub, name, pattern);
    c = find(sub, ed_bytes(name), pattern);
    if (err && c)
        drop(sub, c);
    return err;
}

static int open_sub(ed_redis *db, ed_redis_sub **out, const char *name,
                    bool pattern)
{
    *out = NULL;
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
    int err = sub->arena ? ed_background(keeper, sub) : ED_ENOMEM;
    sub->kept = !err;
    if (!err)
        err = subscribe(sub, name, pattern);
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
