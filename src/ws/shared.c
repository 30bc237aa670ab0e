/*
 * shared.c - messages that many connections get, and who belongs to what.
 *
 * A message keeps the bytes of its frame, and of its frame compressed for each
 * window that was asked for. It is sent from there: a connection whose socket
 * takes all of it at once holds nothing.
 */
#include "ws/conn.h"
#include <errno.h>
#include <stdlib.h>

/* A frame as it goes out. */
struct variant {
    struct variant *next;
    uint8_t bits, level; /* 0: not compressed */
    size_t len;
    char bytes[];
};

struct ws_shared {
    unsigned refs;
    bool text;
    size_t head_len;
    struct variant *compressed;
    size_t len;   /* of the payload */
    char frame[]; /* head and payload */
};

/* One that waits. */
struct waiting {
    struct ed_list node;
    struct ws_shared *shared;
    struct ed_bytes frame;
};

struct ws_queue {
    struct ed_list waiting; /* oldest first */
    size_t bytes;           /* of their payloads */
    size_t sent;            /* of the first one's frame */
    unsigned count;
    bool begun; /* the first was offered to the socket */
};

/* ---- messages ---- */

struct ws_shared *ws_shared_new(bool text, struct ed_bytes payload)
{
    struct ed_ws_head head = {
        .opcode = text ? ED_WS_TEXT : ED_WS_BINARY,
        .fin = true,
        .len = payload.len,
    };
    char bytes[ED_WS_HEAD_MAX];
    size_t head_len = ed_ws_head_write(bytes, &head);
    struct ws_shared *shared = malloc(sizeof(*shared) + head_len + payload.len);

    if (!shared)
        return NULL;
    *shared = (struct ws_shared){
        .refs = 1, .text = text, .head_len = head_len, .len = payload.len};
    memcpy(shared->frame, bytes, head_len);
    if (payload.len)
        memcpy(shared->frame + head_len, payload.ptr, payload.len);
    return shared;
}

struct ws_shared *ws_shared_ref(struct ws_shared *shared)
{
    shared->refs++;
    return shared;
}

void ws_shared_unref(struct ws_shared *shared)
{
    if (!shared || --shared->refs)
        return;
    while (shared->compressed) {
        struct variant *v = shared->compressed;
        shared->compressed = v->next;
        free(v);
    }
    free(shared);
}

struct ed_bytes ws_shared_payload(const struct ws_shared *shared)
{
    return ed_bytes_of(shared->frame + shared->head_len, shared->len);
}

/* ---- compressing ---- */

static int compress(const struct ws_shared *shared, ed_ws_deflate_ctx *z,
                    struct ed_buf *out)
{
    struct ed_bytes in = ws_shared_payload(shared);
    bool whole = false;

    while (!whole) {
        size_t more = in.len / 2 + 2 * ED_WS_DEFLATE_ROOM;
        if (ed_buf_reserve(out, more))
            return ED_ENOMEM;
        out->len += ed_ws_deflate_write(z, &in, true, out->ptr + out->len, more,
                                        &whole);
    }
    return 0;
}

static struct variant *add_variant(struct ws_shared *shared,
                                   const struct ws_kind *kind,
                                   struct ed_bytes payload)
{
    struct ed_ws_head head = {
        .opcode = shared->text ? ED_WS_TEXT : ED_WS_BINARY,
        .fin = true,
        .compressed = true,
        .len = payload.len,
    };
    struct variant *v = malloc(sizeof(*v) + ED_WS_HEAD_MAX + payload.len);

    if (!v)
        return NULL;
    v->bits = (uint8_t)ws_bits_out(kind);
    v->level = (uint8_t)kind->level;
    size_t head_len = ed_ws_head_write(v->bytes, &head);
    memcpy(v->bytes + head_len, payload.ptr, payload.len);
    v->len = head_len + payload.len;
    v->next = shared->compressed;
    shared->compressed = v;
    return v;
}

static struct variant *make_variant(struct ws_shared *shared,
                                    struct ws_kind *kind)
{
    struct ed_buf out = {0};
    struct variant *v = NULL;
    ed_ws_deflate_ctx *z = ws_deflate_get(kind);

    if (z && !compress(shared, z, &out))
        v = add_variant(shared, kind, ed_buf_bytes(&out));
    ed_buf_free(&out);
    ws_deflate_put(kind, z);
    return v;
}

/* Whether a context that lasts is at work on a message, which it could not be
 * made to forget. */
static bool is_compressing(const ed_ws *ws)
{
    return ws->sending && ws_keeps_out(ws->kind);
}

/* The frame as that connection is to get it. Without memory to compress it goes
 * out as it is, which is always allowed. */
static struct ed_bytes frame_for(const ed_ws *ws, struct ws_shared *shared)
{
    struct ws_kind *kind = ws->kind;
    struct variant *v = shared->compressed;
    struct ed_bytes plain =
        ed_bytes_of(shared->frame, shared->head_len + shared->len);

    if (!kind->terms.on || shared->len < kind->threshold || is_compressing(ws))
        return plain;
    while (v && (v->bits != ws_bits_out(kind) || v->level != kind->level))
        v = v->next;
    if (!v)
        v = make_variant(shared, kind);
    return v ? ed_bytes_of(v->bytes, v->len) : plain;
}

/* What such a message holds was not seen by the context of this connection:
 * what that says next may not refer to what is before it. */
static void forget_context(ed_ws *ws, struct ed_bytes frame,
                           const struct ws_shared *shared)
{
    if (frame.ptr != shared->frame && ws->zip && ws->zip->out)
        ed_ws_deflate_reset(ws->zip->out);
}

/* ---- the queue ---- */

bool ws_queue_is_next(const ed_ws *ws)
{
    return ws->queue && (ws->queue->begun || !ws->inside);
}

bool ws_queue_is_inside(const ed_ws *ws)
{
    return ws->queue && ws->queue->begun;
}

size_t ws_queued_bytes(const ed_ws *ws)
{
    return ws->queue ? ws->queue->bytes : 0;
}

unsigned ws_queued_messages(const ed_ws *ws)
{
    return ws->queue ? ws->queue->count : 0;
}

static void drop(ed_ws *ws, struct waiting *w)
{
    struct ws_queue *q = ws->queue;

    q->bytes -= w->shared->len;
    q->count--;
    ed_list_remove(&w->node);
    ws_shared_unref(w->shared);
    free(w);
    if (q->count)
        return;
    ws->queue = NULL;
    free(q);
}

static int append(ed_ws *ws, struct ws_shared *shared, struct ed_bytes frame)
{
    struct waiting *w = malloc(sizeof(*w));

    if (w && !ws->queue) {
        ws->queue = calloc(1, sizeof(*ws->queue));
        if (ws->queue)
            ed_list_init(&ws->queue->waiting);
    }
    if (!w || !ws->queue) {
        free(w);
        return ED_ENOMEM;
    }
    w->shared = ws_shared_ref(shared);
    w->frame = frame;
    ed_list_add_back(&ws->queue->waiting, &w->node);
    ws->queue->bytes += shared->len;
    ws->queue->count++;
    return 0;
}

static struct waiting *first_of(const struct ws_queue *q)
{
    return ED_CONTAINER(ed_list_first(&q->waiting), struct waiting, node);
}

int ws_queue_push(ed_ws *ws)
{
    struct ws_queue *q = ws->queue;
    struct waiting *w = first_of(q);
    struct iovec iov = {(char *)w->frame.ptr + q->sent, w->frame.len - q->sent};
    ssize_t n = ws_try_writev(ws, &iov, 1);

    if (n < 0 && n != -EAGAIN)
        return (int)n;
    q->begun = true;
    q->sent += n > 0 ? (size_t)n : 0;
    if (q->sent < w->frame.len) {
        ws_block(ws);
        return ws->broken ? ws->broken : -EAGAIN;
    }
    q->begun = false;
    q->sent = 0;
    drop(ws, w);
    return 0;
}

/* The oldest of which nothing has been sent, or NULL. */
static struct waiting *oldest(const ed_ws *ws)
{
    const struct ws_queue *q = ws->queue;

    if (!q || (q->begun && q->count == 1))
        return NULL;
    struct ed_list *node = q->waiting.next;
    return ED_CONTAINER(q->begun ? node->next : node, struct waiting, node);
}

bool ws_drop_oldest(ed_ws *ws)
{
    struct waiting *w = oldest(ws);

    if (w)
        drop(ws, w);
    return w != NULL;
}

void ws_queue_drop(ed_ws *ws, bool all)
{
    while (ws_drop_oldest(ws))
        ;
    if (all && ws->queue)
        drop(ws, first_of(ws->queue));
}

/* Whether one of `len` bytes more is more than may wait. What each costs beside
 * its bytes counts as well, and by itself: nobody may have many waiting that
 * are empty. */
static bool is_too_much(const struct ws_queue *q, size_t len, size_t most)
{
    return len > most || q->bytes > most - len ||
           q->count >= most / sizeof(struct waiting);
}

/* ---- sending ---- */

/* Writes what goes at once of a frame that nothing is before. Returns the bytes
 * written, or an error. */
static ssize_t try_frame(ed_ws *ws, struct ed_bytes frame)
{
    struct iovec iov = {(char *)frame.ptr, frame.len};
    ssize_t n = ws->blocked ? -EAGAIN : ws_try_writev(ws, &iov, 1);

    return n == -EAGAIN ? 0 : n;
}

static int post(ed_ws *ws, struct ws_shared *shared, struct ed_bytes frame)
{
    bool first = !ws->out && !ws->queue && !ws->large && !ws->sending;
    bool offered = first && !ws->blocked;
    ssize_t n = first ? try_frame(ws, frame) : 0;

    if (n < 0)
        return 0; /* it is told of as others that break */
    if ((size_t)n == frame.len)
        return 0;
    int err = append(ws, shared, frame);
    if (err) {
        if (offered) /* a part of it may be out */
            ws_break(ws, -ENOMEM);
        else
            ws_soon(ws);
        return err;
    }
    if (offered) {
        ws->queue->begun = true;
        ws->queue->sent = (size_t)n;
        ws_block(ws);
    } else {
        ws_soon(ws);
    }
    return 0;
}

int ws_post_shared(ed_ws *ws, struct ws_shared *shared, size_t max_queued)
{
    if (ws->phase != WS_OPEN || ws->broken)
        return ED_ECLOSED;
    if (ws_is_client(ws->kind))
        return ED_EUSAGE;
    if (ws->queue && is_too_much(ws->queue, shared->len, max_queued))
        return -EAGAIN;
    struct ed_bytes frame = frame_for(ws, shared);
    int err = post(ws, shared, frame);
    if (!err)
        forget_context(ws, frame, shared);
    return err;
}

/* ---- membership ---- */

int ws_join(ed_ws *ws, struct ws_member *member)
{
    if (ws->phase != WS_OPEN || ws->broken)
        return ED_ECLOSED;
    member->ws = ws;
    member->link = &ws->members;
    member->next = ws->members;
    if (member->next)
        member->next->link = &member->next;
    ws->members = member;
    return 0;
}

void ws_leave(struct ws_member *member)
{
    if (!member->ws)
        return;
    *member->link = member->next;
    if (member->next)
        member->next->link = member->link;
    member->ws = NULL;
    member->next = NULL;
    member->link = NULL;
}

void ws_members_leave(ed_ws *ws)
{
    while (ws->members) {
        struct ws_member *member = ws->members;
        ws_leave(member);
        member->left(member);
    }
}

static struct ws_member *find_from(struct ws_member *member,
                                   void (*left)(struct ws_member *member))
{
    while (member && member->left != left)
        member = member->next;
    return member;
}

struct ws_member *ws_member_find(const ed_ws *ws,
                                 void (*left)(struct ws_member *member))
{
    return find_from(ws->members, left);
}

struct ws_member *ws_member_next(const struct ws_member *member)
{
    return find_from(member->next, member->left);
}
