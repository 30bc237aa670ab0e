/*
 * reader.c - replies, taken apart by hiredis and built in arenas.
 *
 * Owns hiredis' reader. Its functions that make objects never fail, which would
 * end the connection: a reply that is unwanted, too long, or for which there is
 * no memory becomes `nothing`, and the rest of it is read and dropped.
 *
 * A string that is not complete in the reader's buffer and long is taken out of
 * its hands: we read it to its end, into the arena, and give the reader an
 * empty one in its place. So its buffer stays small, and a string that may not
 * be kept costs no memory.
 */
#include "redis/reader.h"
#include "base/size.h"
#include <eddy/error.h>
#include <stdio.h>

/* What the reader is given at once: after each reply it moves what is left of
 * its buffer to the front. */
#define PIECE 4096
/* A string worth being read past it. */
#define LONG_TEXT 2048
/* A status, error or number without an end is no reply. */
#define LINE_MAX_BYTES ((size_t)64 * 1024)
/* Arrays in arrays. */
#define DEPTH_MAX 8

static struct ed_redis_reply nothing;

/* ---- what differs between hiredis 0.14 and 1 ---- */

#ifdef REDIS_REPLY_MAP
typedef size_t element_count;
#else
typedef int element_count;
#endif

static const redisReadTask *task_at(const redisReader *h, int index)
{
#ifdef REDIS_REPLY_MAP
    return h->task[index];
#else
    return &h->rstack[index];
#endif
}

/* ---- making objects ---- */

static bool dropped(const struct redis_reader *r)
{
    return !r->arena || r->err;
}

/* Counts memory for the reply: whether there may be so much. */
static bool may_use(struct redis_reader *r, size_t bytes)
{
    if (!ed_size_add(r->used, bytes, &r->used) || r->used > r->max_reply)
        r->err = ED_ELIMIT;
    return !r->err;
}

static void *alloc(struct redis_reader *r, size_t bytes)
{
    void *ptr = may_use(r, bytes) ? ed_arena_alloc(r->arena, bytes) : NULL;

    if (!ptr && !r->err)
        r->err = ED_ENOMEM;
    return ptr;
}

/* Where the object of a task lies, with `extra` bytes more of memory behind it
 * if it is the reply itself; NULL when it cannot be made. */
static struct ed_redis_reply *place(struct redis_reader *r,
                                    const redisReadTask *task, size_t extra)
{
    if (!task->parent)
        return alloc(r, sizeof(struct ed_redis_reply) + extra);
    struct ed_redis_reply *array = task->parent->obj;
    return &array->elements[task->idx];
}

static void refuse(struct redis_reader *r, const char *why)
{
    r->err = ED_EPROTO;
    r->why = why;
}

/* Of RESP3, which hiredis 1 reads and we have not asked for: as little a reply
 * as anything else that is none. The nil of RESP2 is a string or an array. */
static bool is_foreign(struct redis_reader *r, const redisReadTask *task)
{
    if (task->type <= REDIS_REPLY_ERROR && task->type != REDIS_REPLY_NIL)
        return false;
    refuse(r, "Protocol error, a type of reply that was not asked for");
    return true;
}

/* hiredis 0.14 says so itself, and 1 would go on for as long as memory lasts.
 */
static bool is_too_deep(struct redis_reader *r)
{
    if (r->hiredis->ridx < DEPTH_MAX)
        return false;
    refuse(r, "arrays nested too deep");
    return true;
}

static void note_error(struct redis_reader *r, const char *text, size_t len)
{
    r->refused = true;
    snprintf(r->words, sizeof(r->words), "%.*s", (int)len, text);
}

static char *copy_text(struct redis_reader *r, const char *text, size_t len)
{
    char *copy = may_use(r, len + 1)
                     ? ed_arena_copy(r->arena, ed_bytes_of(text, len))
                     : NULL;

    if (!copy && !r->err)
        r->err = ED_ENOMEM;
    return copy;
}

static void *short_text(struct redis_reader *r, const redisReadTask *task,
                        const char *text, size_t len)
{
    struct ed_redis_reply *reply = place(r, task, len + 1);
    char *copy;

    if (!reply)
        return &nothing;
    if (task->parent) {
        copy = copy_text(r, text, len);
        if (!copy)
            return &nothing;
    } else {
        copy = memcpy(reply + 1, text, len);
        copy[len] = '\0';
    }
    reply->text = ed_bytes_of(copy, len);
    return reply;
}

static void *long_text(struct redis_reader *r, const redisReadTask *task)
{
    struct ed_redis_reply *reply = place(r, task, 0);

    r->has_text = false;
    if (!reply)
        return &nothing;
    r->text[r->len] = '\0';
    reply->text = ed_bytes_of(r->text, r->len);
    return reply;
}

static void *create_string(const redisReadTask *task, char *text, size_t len)
{
    static const enum ed_redis_kind kinds[] = {
        [REDIS_REPLY_STRING] = ED_REDIS_STRING,
        [REDIS_REPLY_STATUS] = ED_REDIS_STATUS,
        [REDIS_REPLY_ERROR] = ED_REDIS_ERROR,
    };
    struct redis_reader *r = task->privdata;

    if (task->type == REDIS_REPLY_ERROR && !task->parent)
        note_error(r, text, len);
    if (is_foreign(r, task) || dropped(r))
        return &nothing;
    struct ed_redis_reply *reply =
        r->has_text ? long_text(r, task) : short_text(r, task, text, len);
    if (reply != &nothing)
        reply->kind = kinds[task->type];
    return reply;
}

static void *create_array(const redisReadTask *task, element_count count)
{
    struct redis_reader *r = task->privdata;
    size_t bytes;

    if (is_foreign(r, task) || is_too_deep(r) || dropped(r))
        return &nothing;
    struct ed_redis_reply *reply = place(r, task, 0);
    if (!reply)
        return &nothing;
    *reply = (struct ed_redis_reply){.kind = ED_REDIS_ARRAY};
    if (!count)
        return reply;
    if (!ed_size_mul((size_t)count, sizeof(*reply), &bytes))
        bytes = SIZE_MAX;
    reply->elements = alloc(r, bytes);
    if (!reply->elements)
        return &nothing;
    reply->count = (size_t)count;
    return reply;
}

static void *create_scalar(const redisReadTask *task, struct ed_redis_reply is)
{
    struct redis_reader *r = task->privdata;
    struct ed_redis_reply *reply = dropped(r) ? NULL : place(r, task, 0);

    if (!reply)
        return &nothing;
    *reply = is;
    return reply;
}

static void *create_integer(const redisReadTask *task, long long value)
{
    return create_scalar(task, (struct ed_redis_reply){
                                   .kind = ED_REDIS_INTEGER,
                                   .integer = value,
                               });
}

static void *create_nil(const redisReadTask *task)
{
    if (is_foreign(task->privdata, task))
        return &nothing;
    return create_scalar(task, (struct ed_redis_reply){.kind = ED_REDIS_NIL});
}

#ifdef REDIS_REPLY_MAP
static void *create_double(const redisReadTask *task, double value, char *text,
                           size_t len)
{
    (void)value, (void)text, (void)len;
    (void)is_foreign(task->privdata, task);
    return &nothing;
}

static void *create_bool(const redisReadTask *task, int value)
{
    (void)value;
    (void)is_foreign(task->privdata, task);
    return &nothing;
}
#endif

static void free_object(void *object)
{
    (void)object; /* the arena's */
}

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#ifdef REDIS_REPLY_MAP
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_object,
};

/* ---- long strings ---- */

/* How long the string is that the reader waits for, and what of it (and of its
 * CR LF) is there; false: it waits for something else, or for that length. */
static bool awaited_text(const redisReader *h, int64_t *len,
                         struct ed_bytes *have)
{
    if (h->ridx < 0 || task_at(h, h->ridx)->type != REDIS_REPLY_STRING)
        return false;
    *have = ed_bytes_of(h->buf + h->pos, h->len - h->pos);
    struct ed_bytes digits = ed_bytes_cut(have, '\r');
    if (!have->len || *have->ptr != '\n')
        return false;
    have->ptr++;
    have->len--;
    /* What else might be a number is hiredis' to judge. */
    return digits.len && *digits.ptr > '0' && *digits.ptr <= '9' &&
           !ed_bytes_int(digits, len);
}

static void read_text(struct redis_reader *r, struct ed_bytes *bytes)
{
    size_t n = bytes->len < r->left ? bytes->len : r->left;

    /* Whoever wanted it may have gone meanwhile, and the arena with him. */
    if (r->text && !dropped(r))
        memcpy(r->text + r->len + 2 - r->left, bytes->ptr, n);
    bytes->ptr += n;
    bytes->len -= n;
    r->left -= n;
}

/* Takes over the long string that the reader waits for, if it does. Its CR LF
 * is read along with it, and gives way to the NUL. */
static bool begin_text(struct redis_reader *r)
{
    struct ed_bytes have;
    int64_t len;

    if (!awaited_text(r->hiredis, &len, &have) || len < LONG_TEXT)
        return false;
    r->len = (size_t)len;
    r->left = (size_t)len + 2;
    r->text = dropped(r) ? NULL : alloc(r, r->left);
    read_text(r, &have);
    r->hiredis->pos = r->hiredis->len;
    return true;
}

/* The reader gets an empty string for the one we have read. */
static int end_text(struct redis_reader *r)
{
    r->has_text = true;
    return redisReaderFeed(r->hiredis, "0\r\n\r\n", 5) == REDIS_OK ? 0
                                                                   : ED_ENOMEM;
}

/* ---- reading ---- */

static void begin_reply(struct redis_reader *r)
{
    r->ended = false;
    r->err = 0;
    r->reply = NULL;
    r->refused = false;
    r->used = 0;
    r->has_text = false;
}

static int failure(const struct redis_reader *r)
{
    return r->hiredis->err == REDIS_ERR_OOM ? ED_ENOMEM : ED_EPROTO;
}

/* Gives the reader the next of the bytes. */
static int feed(struct redis_reader *r, struct ed_bytes *bytes)
{
    redisReader *h = r->hiredis;
    size_t n = bytes->len < PIECE ? bytes->len : PIECE;

    if (h->len - h->pos > LINE_MAX_BYTES)
        return ED_EPROTO;
    if (redisReaderFeed(h, bytes->ptr, n) != REDIS_OK)
        return failure(r);
    bytes->ptr += n;
    bytes->len -= n;
    return 0;
}

/* Goes on with what the reader has: 1 with a reply, 0, or an error. */
static int read_on(struct redis_reader *r)
{
    void *object = NULL;

    if (redisReaderGetReply(r->hiredis, &object) != REDIS_OK)
        return failure(r);
    if (r->err == ED_EPROTO)
        return ED_EPROTO;
    if (!object)
        return 0;
    r->ended = true;
    r->reply = dropped(r) ? NULL : object;
    return 1;
}

int redis_reader_next(struct redis_reader *r, struct ed_bytes *bytes)
{
    if (r->ended)
        begin_reply(r);
    for (;;) {
        if (r->left) {
            read_text(r, bytes);
            if (r->left)
                return 0;
            int err = end_text(r);
            if (err)
                return err;
        }
        int got = read_on(r);
        if (got)
            return got;
        if (begin_text(r))
            continue;
        if (!bytes->len)
            return 0;
        int err = feed(r, bytes);
        if (err)
            return err;
    }
}

bool redis_reader_between(const struct redis_reader *r)
{
    const redisReader *h = r->hiredis;

    /* A task may lie ready of which no byte has come. */
    return h->ridx < 0 || (!h->ridx && task_at(h, 0)->type < 0);
}

const char *redis_reader_why(const struct redis_reader *r)
{
    if (r->err == ED_EPROTO)
        return r->why;
    return r->hiredis->err ? r->hiredis->errstr : "a line without an end";
}

int redis_reader_open(struct redis_reader *r, size_t max_reply)
{
    *r = (struct redis_reader){.max_reply = max_reply};
    r->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!r->hiredis)
        return ED_ENOMEM;
    r->hiredis->privdata = r;
    return 0;
}

void redis_reader_close(struct redis_reader *r)
{
    if (r->hiredis)
        redisReaderFree(r->hiredis);
    r->hiredis = NULL;
}
