/*
 * stream.c - reading streams.
 *
 * Owns the position in a stream and the batch of entries that was fetched last.
 * It speaks to the server by ordinary commands only, so that it works wherever
 * these do. The position moves when an entry is given to the caller, not when
 * it is fetched: a batch that was lost on the way is fetched again.
 */
#include <eddy/redis_stream.h>
#include "base/backoff.h"
#include "base/moment.h"
#include "base/options.h"
#include <eddy/clock.h>
#include <eddy/log.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DEFAULT_BATCH = 100,
    ID_ROOM = 48, /* two numbers of 64 bits, and what is between them */
};

/* The server is asked to answer after so long even if nothing came: a
 * connection that is dead without saying so is found out that way. */
static const int64_t BLOCK_TIME = 10 * ED_S;
static const int64_t PATIENCE = 15 * ED_S;

static const int64_t FIRST_PAUSE = 50 * ED_MS;
static const int64_t LONGEST_PAUSE = 5 * ED_S;

/* Where entries come from. */
enum source {
    OWN,     /* given to this consumer before, and not acknowledged */
    CLAIMED, /* taken over from others */
    NEW,
};

struct ed_redis_stream {
    ed_redis *db;
    char *key;
    char *group; /* NULL: none */
    char *consumer;
    unsigned batch;
    int64_t claim_after;
    int64_t claim_at; /* when to look for such next */

    enum source source;
    char last[ID_ROOM];  /* of the new entries given, or of OWN ones */
    char claim[ID_ROOM]; /* where claiming goes on */

    ed_arena *arena; /* of the batch */
    const ed_redis_reply *entries;
    size_t next;
    bool reading;
    unsigned failures; /* in a row */
};

/* ---- opening ---- */

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int check(const struct ed_redis_stream_options *o, const char *key)
{
    if (!key || !*key)
        return ed_fail(ED_EUSAGE, "a stream needs a key");
    if (!o->group != !o->consumer)
        return ed_fail(ED_EUSAGE, "stream '%.100s': %s without a %s", key,
                       o->group ? "a group" : "a consumer",
                       o->group ? "consumer" : "group");
    if (o->from && strlen(o->from) >= ID_ROOM)
        return ed_fail(ED_EUSAGE, "stream '%.100s': '%.60s' is no id", key,
                       o->from);
    return 0;
}

/* Runs a command whose reply lies in the stream's arena. */
static int run(ed_redis_stream *s, ed_redis_reply **reply, size_t argc,
               const struct ed_bytes *argv)
{
    ed_arena *before = ed_fiber_use_arena(s->arena);
    int err = ed_redis_argv(s->db, reply, argc, argv);

    ed_fiber_use_arena(before);
    return err;
}

/* "From now on" is a place in the stream, or what comes between two reads
 * would be lost. */
static int find_end(ed_redis_stream *s)
{
    ed_redis_reply *reply;
    const struct ed_bytes argv[] = {ED_BYTES("XREVRANGE"), ed_bytes(s->key),
                                    ED_BYTES("+"),         ED_BYTES("-"),
                                    ED_BYTES("COUNT"),     ED_BYTES("1")};
    int err = run(s, &reply, 6, argv);

    if (err)
        return err;
    const char *id = ed_redis_text(ed_redis_at(ed_redis_at(reply, 0), 0));
    snprintf(s->last, sizeof s->last, "%s", *id ? id : "0-0");
    return 0;
}

static int make_group(ed_redis_stream *s, const char *from)
{
    ed_redis_reply *reply;
    const struct ed_bytes argv[] = {
        ED_BYTES("XGROUP"), ED_BYTES("CREATE"),          ed_bytes(s->key),
        ed_bytes(s->group), ed_bytes(from ? from : "$"), ED_BYTES("MKSTREAM")};
    int err = run(s, &reply, 6, argv);

    if (err == ED_EREDIS && ed_redis_is_error(reply, "BUSYGROUP"))
        err = 0; /* it is there already */
    s->source = OWN;
    strcpy(s->last, "0-0");
    return err;
}

static int begin(ed_redis_stream *s, const char *from)
{
    if (s->group)
        return make_group(s, from);
    s->source = NEW;
    if (!from)
        return find_end(s);
    snprintf(s->last, sizeof s->last, "%s", from);
    return 0;
}

int ed_redis_stream_open_with(ed_redis *db, ed_redis_stream **out,
                              const char *key,
                              const struct ed_redis_stream_options *options)
{
    ED_OPTIONS_TAKE(struct ed_redis_stream_options, o, options);
    *out = NULL;
    int err = check(&o, key);
    if (err)
        return err;
    ed_redis_stream *s = calloc(1, sizeof *s);
    if (!s)
        return ED_ENOMEM;
    s->db = db;
    s->batch = o.batch ? o.batch : DEFAULT_BATCH;
    s->claim_after = o.group && o.claim_after > 0 ? o.claim_after : 0;
    s->claim_at = ed_now();
    strcpy(s->claim, "0-0");
    s->key = copy(key);
    s->group = copy(o.group);
    s->consumer = copy(o.consumer);
    s->arena = ed_arena_new(0);
    if (!s->key || !s->arena || (o.group && !(s->group && s->consumer)))
        err = ED_ENOMEM;
    if (!err)
        err = begin(s, o.from);
    if (err)
        ed_redis_stream_close(s);
    else
        *out = s;
    return err;
}

void ed_redis_stream_close(ed_redis_stream *s)
{
    if (!s)
        return;
    free(s->key);
    free(s->group);
    free(s->consumer);
    ed_arena_free(s->arena);
    free(s);
}

/* ---- fetching ---- */

/* Entries that are there already, or come soon. */
static int read_alone(ed_redis_stream *s, ed_redis_reply **reply,
                      struct ed_bytes count, struct ed_bytes block)
{
    const struct ed_bytes argv[] = {
        ED_BYTES("XREAD"),
        ED_BYTES("COUNT"),
        count,
        ED_BYTES("BLOCK"),
        block,
        ED_BYTES("STREAMS"),
        ed_bytes(s->key),
        ed_bytes(s->last),
    };
    return run(s, reply, 8, argv);
}

static int read_in_group(ed_redis_stream *s, ed_redis_reply **reply,
                         struct ed_bytes count, struct ed_bytes block)
{
    struct ed_bytes argv[11];
    size_t n = 0;

    argv[n++] = ED_BYTES("XREADGROUP");
    argv[n++] = ED_BYTES("GROUP");
    argv[n++] = ed_bytes(s->group);
    argv[n++] = ed_bytes(s->consumer);
    argv[n++] = ED_BYTES("COUNT");
    argv[n++] = count;
    if (s->source == NEW) {
        argv[n++] = ED_BYTES("BLOCK");
        argv[n++] = block;
    }
    argv[n++] = ED_BYTES("STREAMS");
    argv[n++] = ed_bytes(s->key);
    argv[n++] = s->source == NEW ? ED_BYTES(">") : ed_bytes(s->last);
    return run(s, reply, n, argv);
}

static int claim(ed_redis_stream *s, ed_redis_reply **reply,
                 struct ed_bytes count)
{
    char idle[24];
    int64_t ms = s->claim_after / ED_MS + (s->claim_after % ED_MS > 0);
    snprintf(idle, sizeof idle, "%" PRId64, ms);
    const struct ed_bytes argv[] = {
        ED_BYTES("XAUTOCLAIM"), ed_bytes(s->key),
        ed_bytes(s->group),     ed_bytes(s->consumer),
        ed_bytes(idle),         ed_bytes(s->claim),
        ED_BYTES("COUNT"),      count,
    };
    return run(s, reply, 8, argv);
}

/* How long the server may let us wait: no longer than until it is time to look
 * for entries that others have kept too long. */
static int64_t block_time(const ed_redis_stream *s)
{
    int64_t time = BLOCK_TIME;

    if (s->claim_after && s->claim_at - ed_now() < time)
        time = s->claim_at - ed_now();
    return time > ED_MS ? time : ED_MS;
}

/* Asks once; s->entries is what came, NULL: nothing. */
static int ask(ed_redis_stream *s)
{
    char count_text[16], block_text[24];
    struct ed_bytes count =
        ed_bytes_of(count_text, (size_t)snprintf(count_text, sizeof count_text,
                                                 "%u", s->batch));
    struct ed_bytes block = ed_bytes_of(
        block_text, (size_t)snprintf(block_text, sizeof block_text, "%lld",
                                     (long long)(block_time(s) / ED_MS)));
    ed_redis_reply *reply;
    int err;

    ed_scope(patience, .within = PATIENCE, .name = "stream");
    if (s->source == CLAIMED)
        err = claim(s, &reply, count);
    else if (s->group)
        err = read_in_group(s, &reply, count, block);
    else
        err = read_alone(s, &reply, count, block);
    if (err)
        return err;
    if (s->source == CLAIMED) {
        snprintf(s->claim, sizeof s->claim, "%s",
                 ed_redis_text(ed_redis_at(reply, 0)));
        s->entries = ed_redis_at(reply, 1);
    } else {
        s->entries = ed_redis_at(ed_redis_at(reply, 0), 1);
    }
    return 0;
}

/* Nothing more from there: where to look next. */
static void move_on(ed_redis_stream *s)
{
    switch (s->source) {
    case OWN:
        s->source = s->claim_after ? CLAIMED : NEW;
        break;
    case CLAIMED:
        if (strcmp(s->claim, "0-0") != 0)
            break; /* the list is not at its end */
        s->claim_at = ed_moment_after(ed_now(), s->claim_after / 2);
        s->source = NEW;
        break;
    case NEW:
        break;
    }
}

static bool is_time_to_claim(const ed_redis_stream *s)
{
    return s->source == NEW && s->claim_after && ed_now() >= s->claim_at;
}

/* The server is not there. */
static int pause_and_go_on(ed_redis_stream *s, int why)
{
    if (!s->failures++)
        ed_log_warn("stream '%.100s' waits for its server: %s", s->key,
                    why == ED_ETIMEOUT ? "it does not answer" : ed_error());
    return ed_sleep(ed_backoff(s->failures, FIRST_PAUSE, LONGEST_PAUSE));
}

static bool worth_waiting(int err)
{
    return err == ED_EDATABASE || err == ED_EUNCERTAIN || err == ED_ETIMEOUT ||
           err == ED_EOVERLOAD;
}

/* What to do about an attempt that failed: 0 when the next can be made. */
static int recover(ed_redis_stream *s, int err)
{
    /* What the server gave us in an answer that was lost is ours, and is asked
     * for before what is new. */
    if (s->group)
        s->source = OWN;
    if (ed_cancelled())
        return ed_cancelled();
    if (err == ED_ELIMIT && s->batch > 1) {
        s->batch /= 2;
        return 0;
    }
    return worth_waiting(err) ? pause_and_go_on(s, err) : err;
}

static int fetch(ed_redis_stream *s)
{
    for (;;) {
        s->entries = NULL;
        s->next = 0;
        ed_arena_reset(s->arena);
        if (is_time_to_claim(s))
            s->source = CLAIMED;
        int err = ask(s);
        if (err) {
            err = recover(s, err);
            if (err)
                return err;
            continue;
        }
        s->failures = 0;
        if (ed_redis_count(s->entries) > 0)
            return 0;
        move_on(s);
    }
}

/* ---- entries ---- */

/* One that was deleted while a consumer had it is not whole: only a name, or,
 * of older servers, nothing at all. */
static int take(ed_redis_stream *s, struct ed_redis_entry *entry, bool *whole)
{
    const ed_redis_reply *reply = ed_redis_at(s->entries, s->next);
    const ed_redis_reply *fields = ed_redis_at(reply, 1);
    size_t count = ed_redis_count(fields) / 2;
    struct ed_redis_field *list =
        ed_arena_alloc(s->arena, (count ? count : 1) * sizeof *list);

    if (!list)
        return ED_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        list[i].name = ed_redis_bytes(ed_redis_at(fields, 2 * i));
        list[i].value = ed_redis_bytes(ed_redis_at(fields, 2 * i + 1));
    }
    *entry = (struct ed_redis_entry){
        .id = ed_redis_text(ed_redis_at(reply, 0)),
        .fields = list,
        .count = count,
        .again = s->source != NEW,
    };
    *whole = fields && ed_redis_kind(fields) == ED_REDIS_ARRAY;
    s->next++;
    if (s->source != CLAIMED && *entry->id)
        snprintf(s->last, sizeof s->last, "%s", entry->id);
    return 0;
}

static int next_entry(ed_redis_stream *s, struct ed_redis_entry *entry)
{
    for (;;) {
        bool whole = false;
        int err = 0;

        if (s->next >= ed_redis_count(s->entries)) {
            /* Behind a whole batch that was claimed there may be more. */
            if (s->entries && s->source == CLAIMED)
                move_on(s);
            err = fetch(s);
        }
        if (!err)
            err = take(s, entry, &whole);
        if (err || whole)
            return err;
        /* Nothing is left to be done with it; if that cannot be told now, it
         * comes, and is passed over, once more. */
        err = s->group && *entry->id ? ed_redis_stream_ack(s, entry->id) : 0;
        if (err && (ed_cancelled() || !worth_waiting(err)))
            return err;
    }
}

int ed_redis_stream_next(ed_redis_stream *s, struct ed_redis_entry *entry)
{
    int err = ed_cancelled();

    if (err)
        return err;
    if (s->reading)
        return ed_fail(ED_EUSAGE, "stream '%.100s' has a reader already",
                       s->key);
    s->reading = true;
    err = next_entry(s, entry);
    s->reading = false;
    return err;
}

struct ed_bytes ed_redis_entry_field(const struct ed_redis_entry *entry,
                                     const char *name)
{
    struct ed_bytes wanted = ed_bytes(name);

    for (size_t i = 0; i < entry->count; i++) {
        if (ed_bytes_equal(entry->fields[i].name, wanted))
            return entry->fields[i].value;
    }
    return ed_bytes(NULL);
}

int ed_redis_stream_ack(ed_redis_stream *s, const char *id)
{
    if (!s->group)
        return ed_fail(ED_EUSAGE, "stream '%.100s' is read without a group",
                       s->key);
    /* Acknowledging twice does no harm. */
    return ed_redis_cmd_with(s->db, NULL, ED_REDIS_CALL(.idempotent = true),
                             "XACK %s %s %s", s->key, s->group, id);
}
