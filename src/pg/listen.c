/*
 * listen.c - LISTEN and NOTIFY.
 *
 * A listener is a fiber of the loop's with a connection of its own. It owns the
 * connection and sees that what the server listens to is what the program
 * wants: channels say both, and whatever differs is asked for, be it since the
 * program changed its mind or since the connection is new. What comes is put
 * into a queue, from which the program's fiber takes it.
 *
 * Whatever may have been lost becomes a mark in the queue, in the place where
 * it is missing.
 */
#include "base/options.h"
#include "base/utf8.h"
#include "core/io.h"
#include "pg/error.h"
#include "pg/pool.h"
#include <eddy/log.h>
#include <eddy/pg_listen.h>
#include <eddy/queue.h>

#include <stdlib.h>
#include <string.h>

#define DEFAULT_CHECK_AFTER (30 * ED_S)
#define DEFAULT_PATIENCE    (10 * ED_S)
#define DEFAULT_QUEUE       10000

/* A server that does not answer LISTEN or nothing at all for so long is gone.
 */
#define ANSWER_TIME (10 * ED_S)

/* Channels asked for at once: so few that the text always fits into a socket's
 * buffer. */
#define CHANNELS_AT_ONCE 64

#define NAME_MAX_BYTES 63 /* NAMEDATALEN - 1 */

enum asking { ASKS_NOTHING, ASKS_LISTEN, ASKS_UNLISTEN };

struct channel {
    struct ed_list node;
    bool wanted;
    bool listened;      /* the server does, as far as we know */
    enum asking asking; /* it right now */
    unsigned users;     /* fibers that wait for the two to be the same */
    struct ed_waitq waiters;
    int err; /* the server's answer to them */
    char why[160];
    char name[NAME_MAX_BYTES + 1];
};

struct ed_pg_listener {
    ed_pg *pool;
    struct pg_target target; /* a copy, as the pool may go before the fiber */
    int64_t check_after, patience;
    size_t queue_max;

    PGconn *conn; /* NULL: there is none */
    struct ed_io io;
    struct ed_list channels;
    bool changed; /* there may be channels to ask for, or to forget */

    ed_queue *queue; /* of PGnotify, or &gap */
    bool lost;       /* a gap is to be put into it yet */
    PGnotify *given; /* to the program, last */
    bool reading;

    ed_scope *life; /* the fiber's; NULL: it has not begun, or has ended */
    ed_scope *idle; /* while it waits for something to do */
    bool ended;     /* the fiber has */
    bool closed;    /* the program has */
};

static PGnotify gap;

/* ---- the queue ---- */

static bool put(struct ed_pg_listener *l, PGnotify *n)
{
    return ed_queue_count(l->queue) < l->queue_max &&
           !ed_queue_try_put(l->queue, n);
}

static void mark_gap(struct ed_pg_listener *l)
{
    l->lost = !put(l, &gap);
}

static void offer(struct ed_pg_listener *l, PGnotify *n)
{
    if (l->lost)
        mark_gap(l);
    if (!l->lost && put(l, n))
        return;
    l->lost = true;
    PQfreemem(n);
}

static void drop_queue(struct ed_pg_listener *l)
{
    void *n;
    while (!ed_queue_try_get(l->queue, &n)) {
        if (n != &gap)
            PQfreemem(n);
    }
    ed_queue_free(l->queue);
}

int ed_pg_next_notification(ed_pg_listener *l, struct ed_pg_notification *out)
{
    static const struct ed_pg_notification mark = {
        .gap = true, .channel = {"", 0}, .payload = {"", 0}};
    if (l->reading)
        return ed_fail(ED_EUSAGE, "another fiber waits for notifications");
    PQfreemem(l->given);
    l->given = NULL;
    *out = mark;
    if (l->lost && !ed_queue_count(l->queue)) {
        l->lost = false;
        return ed_cancelled();
    }
    void *n;
    l->reading = true;
    int err = ed_queue_get(l->queue, &n);
    l->reading = false;
    if (err || n == &gap)
        return err;
    l->given = n;
    *out = (struct ed_pg_notification){
        .sender = l->given->be_pid,
        .channel = ed_bytes(l->given->relname),
        .payload = ed_bytes(l->given->extra),
    };
    return 0;
}

/* ---- the connection ---- */

static bool over(const struct ed_pg_listener *l)
{
    return l->closed || ed_cancelled();
}

static void disconnect(struct ed_pg_listener *l)
{
    if (!l->conn)
        return;
    ed_io_release(&l->io);
    PQfinish(l->conn);
    l->conn = NULL;
    l->changed = true;
    ed_list_each (node, &l->channels)
        ED_CONTAINER(node, struct channel, node)->listened = false;
}

static int connect_to(struct ed_pg_listener *l)
{
    PGconn *conn;
    int err = pg_connect(&conn, &l->target);
    if (!err)
        err = ed_io_open(ed_loop_current(), &l->io, PQsocket(conn));
    else
        return err;
    if (err)
        PQfinish(conn);
    else
        l->conn = conn;
    return err;
}

static int broken(const struct ed_pg_listener *l)
{
    const char *why = PQerrorMessage(l->conn);
    return ed_fail(ED_EDATABASE, "%.*s", (int)strcspn(why, "\n"), why);
}

/* Waits for one direction. 0, ED_ECANCELED, ED_ETIMEOUT, -errno. */
static int wait_for(struct ed_pg_listener *l, enum ed_op_kind kind)
{
    struct ed_op op = {.kind = (uint8_t)kind};
    ssize_t n = ed_io_await(&l->io, &op, "notifications");
    return n < 0 ? (int)n : 0;
}

static int take_in(struct ed_pg_listener *l)
{
    return pg_consume(l->conn) ? 0 : broken(l);
}

static void take_notifications(struct ed_pg_listener *l)
{
    PGnotify *n;
    while ((n = PQnotifies(l->conn)))
        offer(l, n);
}

static int send_text(struct ed_pg_listener *l, const char *sql)
{
    int left = 0, err = PQsendQuery(l->conn, sql) ? 0 : broken(l);
    while (!err && (left = PQflush(l->conn)) > 0)
        err = wait_for(l, ED_OP_WRITABLE);
    return !err && left ? broken(l) : err;
}

static int refusal(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *why = PQresultErrorMessage(result);
    return ed_fail(state ? pg_error_code(state) : ED_EDATABASE, "%.*s",
                   (int)strcspn(why, "\n"), why);
}

/* Runs a text. 0; or an error, the connection then being good still if the
 * server only refused it (*refused). */
static int ask(struct ed_pg_listener *l, const char *sql, bool *refused)
{
    ed_scope(patience, .within = l->patience);
    (void)patience;
    *refused = false;
    int first = 0, err = send_text(l, sql);
    while (!err) {
        while (!err && PQisBusy(l->conn)) {
            err = wait_for(l, ED_OP_READABLE);
            if (!err)
                err = take_in(l);
        }
        PGresult *result = err ? NULL : PQgetResult(l->conn);
        if (!result)
            break;
        if (!first && PQresultStatus(result) == PGRES_FATAL_ERROR)
            first = refusal(result);
        PQclear(result);
    }
    *refused = !err && first && PQstatus(l->conn) == CONNECTION_OK;
    return first ? first : err;
}

/* ---- channels ---- */

static bool differs(const struct channel *c)
{
    return c->wanted != c->listened;
}

/* Adds what is to be asked for a channel. */
static int add_request(struct ed_pg_listener *l, struct channel *c,
                       struct ed_buf *text)
{
    char *quoted = PQescapeIdentifier(l->conn, c->name, strlen(c->name));
    if (!quoted)
        return ED_ENOMEM;
    c->asking = c->wanted ? ASKS_LISTEN : ASKS_UNLISTEN;
    int err =
        ed_buf_addf(text, "%s %s;", c->wanted ? "listen" : "unlisten", quoted);
    PQfreemem(quoted);
    return err;
}

static int add_requests(struct ed_pg_listener *l, struct ed_buf *text)
{
    unsigned count = 0;
    int err = 0;
    ed_list_each (node, &l->channels) {
        struct channel *c = ED_CONTAINER(node, struct channel, node);
        if (!differs(c))
            continue;
        l->changed = count == CHANNELS_AT_ONCE;
        if (err || l->changed)
            break;
        err = add_request(l, c, text);
        count++;
    }
    return err;
}

/* Tells who waits for the channel that the server does not want to. Whether
 * there is anybody. */
static bool tell_refusal(struct channel *c, int err)
{
    if (!c->users)
        return false;
    c->err = err;
    snprintf(c->why, sizeof c->why, "%s", ed_error_of(err));
    c->wanted = c->listened;
    return true;
}

/* Notes what came of the requests. Whether somebody was told of a refusal. */
static bool note_answer(struct ed_pg_listener *l, int err, bool refused)
{
    bool told = false;
    ed_list_each_safe (node, &l->channels) {
        struct channel *c = ED_CONTAINER(node, struct channel, node);
        if (c->asking && !err)
            c->listened = c->asking == ASKS_LISTEN;
        if (c->asking && refused)
            told |= tell_refusal(c, err);
        c->asking = ASKS_NOTHING;
        if (c->err || !differs(c))
            ed_waitq_wake_all(&c->waiters, 0);
        if (c->wanted || c->listened || c->users)
            continue;
        ed_list_remove(&c->node);
        free(c);
    }
    return told;
}

/* Has the server listen to what is wanted. 0, or an error when the connection
 * is broken or of no use: when nobody is there who could be told that the
 * server does not want to, it has to be another one. */
static int agree(struct ed_pg_listener *l)
{
    while (l->changed) {
        struct ed_buf text = {0};
        bool refused = false;
        l->changed = false;
        int err = add_requests(l, &text);
        if (!err && text.len)
            err = ask(l, text.ptr, &refused);
        ed_buf_free(&text);
        bool told = note_answer(l, err, refused);
        if (err && !told)
            return err;
        l->changed |= told;
    }
    return 0;
}

static struct channel *find(struct ed_pg_listener *l, const char *name)
{
    ed_list_each (node, &l->channels) {
        struct channel *c = ED_CONTAINER(node, struct channel, node);
        if (!strcmp(c->name, name))
            return c;
    }
    return NULL;
}

static struct channel *find_or_add(struct ed_pg_listener *l, const char *name)
{
    struct channel *c = find(l, name);
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    memcpy(c->name, name, strlen(name) + 1);
    ed_list_add_back(&l->channels, &c->node);
    return c;
}

/* Has the fiber look at the channels. */
static void call_attention(struct ed_pg_listener *l)
{
    l->changed = true;
    if (l->idle)
        ed_cancel(l->idle);
}

/* Waits until the server does as is wanted. */
static int await_agreement(struct ed_pg_listener *l, struct channel *c)
{
    int err = 0;
    c->err = 0;
    c->users++;
    call_attention(l);
    while (!err && !c->err && !l->ended && differs(c))
        err = ed_waitq_wait(&c->waiters, "the server to listen", NULL);
    c->users--;
    if (!err && c->err)
        err = ed_fail(c->err, "%s", c->why);
    else if (!err && differs(c))
        err = ED_ECLOSED;
    /* Who gave up does not want what it asked for. */
    if (err && !c->users && !c->listened)
        c->wanted = false;
    call_attention(l);
    return err;
}

static int check_name(const char *name)
{
    size_t len = strlen(name);
    if (len < 1 || len > NAME_MAX_BYTES)
        return ed_fail(ED_EUSAGE,
                       "a channel's name has 1 to %d bytes, and this %zu",
                       NAME_MAX_BYTES, len);
    for (size_t at = 0, step; at < len; at += step) {
        step = ed_utf8_len(name + at, len - at);
        if (!step)
            return ed_fail(ED_EUSAGE, "a channel's name is UTF-8");
    }
    return 0;
}

int ed_pg_listen_also(ed_pg_listener *l, const char *name)
{
    int err = check_name(name);
    if (err)
        return err;
    struct channel *c = l->ended ? NULL : find_or_add(l, name);
    if (!c)
        return l->ended ? ED_ECLOSED : ED_ENOMEM;
    c->wanted = true;
    return await_agreement(l, c);
}

int ed_pg_unlisten(ed_pg_listener *l, const char *name)
{
    struct channel *c = find(l, name);
    if (!c)
        return check_name(name);
    c->wanted = false;
    return await_agreement(l, c);
}

/* ---- the fiber ---- */

/* Waits for something to come. ED_ECANCELED: there is something to do;
 * ED_ETIMEOUT: nothing has come for long. */
static int wait_for_news(struct ed_pg_listener *l)
{
    ed_scope(s, .within = l->check_after > 0 ? l->check_after : 0);
    l->idle = s;
    int err = wait_for(l, ED_OP_READABLE);
    l->idle = NULL;
    return err;
}

static int ask_for_life(struct ed_pg_listener *l)
{
    bool refused;
    return ask(l, "", &refused);
}

/* Does what is to be done on a good connection, until it breaks. */
static int attend(struct ed_pg_listener *l)
{
    int err = 0;
    while (!err && !over(l)) {
        err = wait_for_news(l);
        if (over(l))
            break;
        if (!err)
            err = take_in(l);
        else if (err == ED_ETIMEOUT)
            err = ask_for_life(l);
        else if (err == ED_ECANCELED)
            err = 0;
        if (!err)
            err = agree(l);
        take_notifications(l);
    }
    return err;
}

static void end(struct ed_pg_listener *l)
{
    disconnect(l);
    l->life = NULL;
    l->ended = true;
    ed_queue_close(l->queue);
    ed_list_each (node, &l->channels)
        ed_waitq_wake_all(&ED_CONTAINER(node, struct channel, node)->waiters,
                          0);
}

static void free_listener(struct ed_pg_listener *l)
{
    struct ed_list *node;
    disconnect(l);
    drop_queue(l);
    PQfreemem(l->given);
    while ((node = ed_list_take(&l->channels)))
        free(ED_CONTAINER(node, struct channel, node));
    free(l->target.dsn);
    free(l);
}

/* One connection's life, the first being made already. Says in *worked whether
 * the server listened. */
static int serve(struct ed_pg_listener *l, bool *worked)
{
    bool first = l->conn != NULL;
    int err = first ? 0 : connect_to(l);
    if (!err)
        err = agree(l);
    *worked = !err;
    if (err)
        return err;
    if (!first)
        mark_gap(l);
    take_notifications(l);
    return attend(l);
}

static int live(void *arg)
{
    struct ed_pg_listener *l = arg;
    {
        unsigned failures = 0;
        ed_scope(life);
        l->life = life;
        while (!over(l)) {
            bool worked;
            int err = serve(l, &worked);
            if (over(l))
                break;
            failures = worked ? 1 : failures + 1;
            ed_log_warn("listening to PostgreSQL: %s",
                        *ed_error_of(err) ? ed_error() : ed_err_text(err));
            disconnect(l);
            (void)ed_sleep(pg_pool_backoff(l->pool, failures)); /* over() */
        }
        end(l);
    }
    if (l->closed)
        free_listener(l);
    return 0;
}

/* ---- the program's side ---- */

static struct ed_pg_listener *new_listener(
    ed_pg *pool, const struct ed_pg_listen_options *given)
{
    ED_OPTIONS_TAKE(struct ed_pg_listen_options, o, given);
    struct ed_pg_listener *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->pool = pool;
    l->target = *pg_pool_target(pool);
    l->target.dsn = strdup(l->target.dsn);
    l->check_after = o.check_after ? o.check_after : DEFAULT_CHECK_AFTER;
    l->patience = o.check_patience ? o.check_patience : DEFAULT_PATIENCE;
    l->queue_max = o.queue ? o.queue : DEFAULT_QUEUE;
    l->queue = ed_queue_new();
    ed_list_init(&l->channels);
    if (l->target.dsn && l->queue)
        return l;
    free(l->target.dsn);
    ed_queue_free(l->queue);
    free(l);
    return NULL;
}

/* Connects here, so that the caller is told why it does not work. */
static int start(struct ed_pg_listener *l)
{
    int err = connect_to(l);
    if (!err)
        err = ed_background(live, l);
    if (err)
        l->ended = true;
    return err;
}

int ed_pg_listen_with(ed_pg *db, ed_pg_listener **out, const char *channel,
                      const struct ed_pg_listen_options *options)
{
    *out = NULL;
    if (pg_pool_of(db) != db)
        return ed_fail(ED_EUSAGE, "listening is for a pool, not for a "
                                  "transaction or session");
    int err = check_name(channel);
    if (err)
        return err;
    struct ed_pg_listener *l = new_listener(db, options);
    if (!l)
        return ED_ENOMEM;
    err = start(l);
    if (!err)
        err = ed_pg_listen_also(l, channel);
    if (err)
        ed_pg_listener_close(l);
    else
        *out = l;
    return err;
}

void ed_pg_listener_close(ed_pg_listener *l)
{
    if (!l)
        return;
    l->closed = true;
    if (l->ended)
        free_listener(l);
    else if (l->life)
        ed_cancel(l->life);
}

int ed_pg_notify(ed_pg *db, const char *channel, const char *payload)
{
    int n = ed_pg_exec(db, "select pg_notify(:channel, :payload)",
                       ed_p(channel, channel),
                       ed_p(payload, payload ? payload : ""));
    return n < 0 ? n : 0;
}
