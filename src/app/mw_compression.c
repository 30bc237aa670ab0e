/*
 * mw_compression.c - compresses bodies as they are sent.
 *
 * Owns the encoders of a loop: of those that run, there are at most as many as
 * the options say, and a few idle ones are kept, since setting up the tables of
 * one costs more than compressing a small body. An encoder belongs to a reply
 * from its head to its end.
 *
 * What comes of the first piece is gathered before the head goes out: a body
 * that was given whole, and is no more than a buffer when compressed, keeps a
 * length.
 */
#include "app/mw.h"
#include "base/options.h"
#include "wire/accept_coding.h"
#include "wire/coding_choice.h"
#include "wire/encoder.h"

#include <stdlib.h>

enum {
    MIN_BYTES = 1024, /* below that it saves no packet */
    MAX_STREAMS = 128,
    MAX_TYPES = 64,
    OUT_BYTES = 16 * 1024,
    /* Given to an encoder at once: less than a millisecond's work at the
     * levels of the defaults. */
    PIECE = 32 * 1024,
    KEPT = 4, /* idle encoders of a coding */
    CODINGS = ED_CODING_ZSTD + 1,
};

/* zstd takes a third of br's time and comes to the same size. */
static const char DEFAULT_CODINGS[] = "zstd, br, gzip";

static const char DEFAULT_TYPES[] =
    "text/*, application/json, +json, application/xml, +xml, "
    "application/javascript, application/x-javascript, application/x-ndjson, "
    "application/wasm, application/rtf, application/vnd.ms-fontobject, "
    "font/ttf, font/otf, font/collection, image/bmp, image/x-icon, "
    "image/vnd.microsoft.icon";

struct compression {
    uint8_t codings[CODINGS]; /* offered */
    size_t coding_count;
    int levels[CODINGS];
    struct ed_bytes types[MAX_TYPES];
    size_t type_count;
    int64_t min_bytes;
    unsigned max_streams;
    bool event_streams;
};

/* An encoder with room for what it gives. */
struct press {
    struct press *next; /* among the idle */
    ed_encoder *encoder;
    enum ed_coding coding;
    int level;
    char out[OUT_BYTES];
};

/* Of a loop. */
struct presses {
    unsigned busy;
    unsigned idle_count[CODINGS];
    struct press *idle[CODINGS];
};

/* A reply that may be compressed. */
struct compressing {
    struct ed_reply_filter filter;
    const struct compression *how;
    struct presses *presses;
    struct press *press; /* NULL: what is sent is not encoded here */
    bool coded;          /* the head says so, all the same with HEAD */
};

/* ---- the encoders of a loop ---- */

static void free_press(struct press *p)
{
    ed_encoder_free(p->encoder);
    free(p);
}

static void close_presses(void *arg)
{
    struct presses *all = arg;

    for (int i = 0; i < CODINGS; i++) {
        while (all->idle[i]) {
            struct press *p = all->idle[i];
            all->idle[i] = p->next;
            free_press(p);
        }
    }
    free(all);
}

/* NULL without memory, or a loop. */
static struct presses *presses_of_loop(void)
{
    static const char key;
    ed_loop *loop = ed_loop_current();
    struct presses *all = loop ? ed_loop_get(loop, &key) : NULL;

    if (all || !loop)
        return all;
    all = calloc(1, sizeof *all);
    if (all && ed_loop_set(loop, &key, all, close_presses)) {
        free(all);
        all = NULL;
    }
    return all;
}

static struct press *take_idle(struct presses *all, enum ed_coding coding,
                               int level)
{
    struct press **at = &all->idle[coding];

    while (*at && (*at)->level != level)
        at = &(*at)->next;
    struct press *p = *at;
    if (p) {
        *at = p->next;
        all->idle_count[coding]--;
    }
    return p;
}

static struct press *new_press(enum ed_coding coding, int level)
{
    struct press *p = malloc(sizeof *p);

    if (!p)
        return NULL;
    p->coding = coding;
    p->level = level;
    p->encoder = ed_encoder_new(coding, level);
    if (!p->encoder) {
        free(p);
        return NULL;
    }
    return p;
}

static void take_press(struct compressing *c, enum ed_coding coding)
{
    int level = c->how->levels[coding];

    if (!c->presses || c->presses->busy >= c->how->max_streams)
        return;
    c->press = take_idle(c->presses, coding, level);
    if (!c->press)
        c->press = new_press(coding, level);
    if (c->press)
        c->presses->busy++;
}

static void give_press_back(struct compressing *c)
{
    struct press *p = c->press;
    struct presses *all = c->presses;

    if (!p)
        return;
    c->press = NULL;
    all->busy--;
    if (all->idle_count[p->coding] == KEPT || !ed_encoder_reset(p->encoder)) {
        free_press(p);
        return;
    }
    p->next = all->idle[p->coding];
    all->idle[p->coding] = p;
    all->idle_count[p->coding]++;
}

/* ---- whether to ---- */

static bool ends_with(struct ed_bytes text, struct ed_bytes end)
{
    return text.len > end.len &&
           ed_bytes_equal_nocase(
               ed_bytes_of(text.ptr + text.len - end.len, end.len), end);
}

static bool fits(struct ed_bytes type, struct ed_bytes pattern)
{
    if (pattern.ptr[0] == '+')
        return ends_with(type, pattern);
    if (pattern.ptr[pattern.len - 1] == '*') {
        pattern.len--;
        if (type.len > pattern.len)
            type.len = pattern.len;
    }
    return ed_bytes_equal_nocase(type, pattern);
}

static bool is_worth_it(const struct compression *how, struct ed_bytes type)
{
    for (size_t i = 0; i < how->type_count; i++) {
        if (fits(type, how->types[i]))
            return true;
    }
    return false;
}

/* A list may be in several fields. */
static bool must_stay(const ed_req *req)
{
    const struct ed_reply_field *f = req->reply.fields;

    for (; f; f = f->next) {
        if (ed_bytes_equal_nocase(f->name, ED_BYTES("cache-control")) &&
            ed_http1_lists(f->value, ED_BYTES("no-transform")))
            return true;
    }
    return false;
}

static bool is_forbidden(const ed_req *req)
{
    return req->reply.status == 206 ||
           ed_reply_field_find(req, "Content-Encoding") ||
           ed_reply_field_find(req, "Content-Range") || must_stay(req);
}

static bool is_wanted(const struct compression *how, const ed_req *req,
                      bool needed, int64_t length)
{
    struct ed_bytes type = req->reply.content_type;

    type = ed_bytes_trim(ed_bytes_cut(&type, ';'));
    bool events = ed_bytes_equal_nocase(type, ED_BYTES("text/event-stream"));
    if (length == 0 || (events && !how->event_streams))
        return false;
    if (needed)
        return true;
    if (!events && !is_worth_it(how, type))
        return false;
    return length < 0 || length >= how->min_bytes;
}

/* The value of all Accept-Encoding fields, "" without one. In the arena, where
 * there are several; NULL without memory. */
static const char *read_accepted(const ed_req *req)
{
    const char *all = "";
    struct ed_bytes name, value;

    for (size_t i = 0; all && ed_header_at(req, i, &name, &value); i++) {
        if (ed_bytes_equal_nocase(name, ED_BYTES("accept-encoding")))
            all = ed_arena_printf(req->arena, "%s%s%.*s", all, *all ? "," : "",
                                  (int)value.len, value.ptr);
    }
    return all;
}

/* ---- the head ---- */

/* Two bodies that are not the same byte for byte cannot have the same strong
 * ETag (RFC 9110, 8.8.3.3). */
static int weaken_etag(ed_req *req)
{
    struct ed_reply_field *etag = ed_reply_field_find(req, "ETag");

    if (!etag || !etag->value.len || etag->value.ptr[0] != '"')
        return 0;
    const char *weak = ed_arena_printf(req->arena, "W/%.*s",
                                       (int)etag->value.len, etag->value.ptr);
    if (!weak)
        return ED_ENOMEM;
    etag->value = ed_bytes(weak);
    return 0;
}

/* Nothing may be left of a reply that did not get out. */
static void start_afresh(struct compressing *c, ed_req *req)
{
    give_press_back(c);
    if (c->coded)
        ed_reply_field_drop(req, "Content-Encoding");
    c->coded = false;
}

static int begin_coded(struct compressing *c, ed_req *req,
                       enum ed_coding coding)
{
    if (!req->is_head) {
        take_press(c, coding);
        if (!c->press)
            return 0;
    }
    int err = ed_reply_header(req, "Content-Encoding", ed_coding_name(coding));
    if (err)
        return err;
    c->coded = true;
    ed_reply_field_drop(req, "Accept-Ranges");
    ed_reply_recode(req, -1);
    return weaken_etag(req);
}

static int compression_head(struct ed_reply_filter *f, ed_req *req,
                            struct ed_bytes *body, bool end)
{
    struct compressing *c = ED_CONTAINER(f, struct compressing, filter);
    int64_t length = end ? (int64_t)body->len : req->reply.length;

    start_afresh(c, req);
    int err = ed_reply_vary(req, "Accept-Encoding");
    if (err || is_forbidden(req) || req->reply.status == 204)
        return err;
    const char *accepted = read_accepted(req);
    if (!accepted)
        return ED_ENOMEM;
    int coding = ed_coding_choose(ed_bytes(accepted), c->how->codings,
                                  c->how->coding_count);
    if (coding == ED_CODING_IDENTITY)
        return 0;
    /* The reply this one stands for had a weak one. */
    if (req->reply.status == 304)
        return weaken_etag(req);
    bool needed = !ed_accept_coding(ed_bytes(accepted), ED_BYTES("identity"));
    if (!is_wanted(c->how, req, needed, length))
        return 0;
    return begin_coded(c, req, (enum ed_coding)coding);
}

/* ---- the body ---- */

/* Encodes *in until the buffer is full, *full then being true, or the purpose
 * is fulfilled; a piece at a time, so that others run. Suspends. */
static int fill(struct press *p, struct ed_bytes *in, enum ed_encode purpose,
                size_t *len, bool *full)
{
    *len = 0;
    *full = false;
    for (;;) {
        bool last = in->len <= PIECE;
        struct ed_bytes piece = ed_bytes_of(in->ptr, last ? in->len : PIECE);
        ssize_t n =
            ed_encoder_write(p->encoder, &piece, last ? purpose : ED_ENCODE,
                             p->out + *len, OUT_BYTES - *len);
        if (n < 0)
            return (int)n;
        in->len -= (size_t)(piece.ptr - in->ptr);
        in->ptr = piece.ptr;
        *len += (size_t)n;
        *full = OUT_BYTES - *len < ED_ENCODER_ROOM;
        if (*full || (!n && !in->len))
            return 0;
        int err = ed_checkpoint();
        if (err)
            return err;
    }
}

static int pass_coded(struct compressing *c, ed_req *req, struct ed_bytes in,
                      enum ed_encode purpose)
{
    bool full = true;

    while (full) {
        size_t len;
        int err = fill(c->press, &in, purpose, &len, &full);
        if (err)
            return err;
        bool end = purpose == ED_ENCODE_END && !full;
        if (end && !req->reply.began)
            ed_reply_recode(req, (int64_t)len);
        /* The head goes out with the first piece, as it always does. */
        if (!len && !end && req->reply.began)
            return 0;
        err = ed_reply_pass(&c->filter, req, ed_bytes_of(c->press->out, len),
                            end);
        if (err)
            return err;
    }
    return 0;
}

static int compression_send(struct ed_reply_filter *f, ed_req *req,
                            struct ed_bytes piece, bool end)
{
    struct compressing *c = ED_CONTAINER(f, struct compressing, filter);

    if (!c->press)
        return ed_reply_pass(f, req, piece, end);
    int err = pass_coded(c, req, piece, end ? ED_ENCODE_END : ED_ENCODE);
    if (!err && end)
        give_press_back(c);
    return err;
}

static int compression_flush(struct ed_reply_filter *f, ed_req *req)
{
    struct compressing *c = ED_CONTAINER(f, struct compressing, filter);
    struct ed_bytes nothing = {0};
    int err = 0;

    if (c->press)
        err = pass_coded(c, req, nothing, ED_ENCODE_FLUSH);
    return err ? err : ed_reply_pass_flush(f, req);
}

static void compression_over(struct ed_reply_filter *f, ed_req *req, int err)
{
    (void)req;
    (void)err;
    give_press_back(ED_CONTAINER(f, struct compressing, filter));
}

static int compression_before(ed_req *req, void *arg)
{
    static const struct ed_reply_filter_ops ops = {
        .head = compression_head,
        .send = compression_send,
        .flush = compression_flush,
        .over = compression_over,
    };
    struct compressing *c = ed_arena_alloc(req->arena, sizeof *c);

    if (!c)
        return ED_ENOMEM;
    *c = (struct compressing){
        .filter.ops = &ops,
        .how = arg,
        .presses = presses_of_loop(),
    };
    return ed_reply_filter(req, &c->filter);
}

/* ---- options ---- */

static int take_codings(struct ed_where where, struct compression *how,
                        const char *list)
{
    struct ed_bytes rest = ed_bytes(list), word;

    while (mw_word(&rest, &word)) {
        int coding = ed_coding_named(word);
        if (coding < 0 || !ed_encoder_has((enum ed_coding)coding))
            return mw_refuse(where,
                             "compression: '%.*s' is none of br, zstd "
                             "and gzip",
                             (int)word.len, word.ptr);
        if (how->coding_count < CODINGS)
            how->codings[how->coding_count++] = (uint8_t)coding;
    }
    return 0;
}

static int take_types(struct ed_where where, struct compression *how,
                      const char *list)
{
    struct ed_bytes rest = ed_bytes(mw_copy(where, list)), word;

    while (mw_word(&rest, &word)) {
        if (how->type_count == MAX_TYPES)
            return mw_refuse(where, "compression: more than %d types",
                             MAX_TYPES);
        how->types[how->type_count++] = word;
    }
    return 0;
}

static int take_level(struct ed_where where, struct compression *how,
                      enum ed_coding coding, int level)
{
    if (level < 0 || level > ed_encoder_level_max(coding))
        return mw_refuse(where, "compression: %s has levels 1 to %d, not %d",
                         ed_coding_name(coding), ed_encoder_level_max(coding),
                         level);
    how->levels[coding] = level ? level : ed_encoder_level(coding);
    return 0;
}

static int take_options(struct ed_where where, struct compression *how,
                        const struct ed_compression_options *o)
{
    int err =
        take_codings(where, how, o->codings ? o->codings : DEFAULT_CODINGS);

    if (!err)
        err = take_types(where, how, o->types ? o->types : DEFAULT_TYPES);
    if (!err)
        err = take_level(where, how, ED_CODING_GZIP, o->gzip_level);
    if (!err)
        err = take_level(where, how, ED_CODING_BR, o->br_level);
    if (!err)
        err = take_level(where, how, ED_CODING_ZSTD, o->zstd_level);
    how->min_bytes = o->min_bytes ? o->min_bytes : MIN_BYTES;
    how->max_streams = o->max_streams ? o->max_streams : MAX_STREAMS;
    how->event_streams = o->event_streams;
    return err;
}

int ed_use_compression_with(struct ed_where where,
                            const struct ed_compression_options *options)
{
    ED_OPTIONS_TAKE(struct ed_compression_options, o, options);
    struct compression *how = MW_NEW(where, struct compression);
    int err = take_options(where, how, &o);

    return err ? err : mw_before(where, compression_before, how);
}
