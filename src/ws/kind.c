/*
 * kind.c - what connections have in common.
 *
 * Kinds are few: one for each call of ed_ws_accept() and ed_ws_serve() in a
 * program, times what clients make the server agree to. A program that gives
 * each connection options of its own has one for each; then looking for another
 * like it ends soon, so that nobody pays for that but the memory.
 */
#include "ws/kind.h"
#include <stdlib.h>

enum {
    LOOKED_AT = 16,
    DEFAULT_LEVEL = 6,
    DEFAULT_THRESHOLD = 128,
    DEFAULT_FRAGMENTS = 65536,
    DEFAULT_MESSAGE = 1024 * 1024,
};

/* How long the peer may take to close after our last words. */
static const int64_t LINGER = 2 * ED_S;

/* ---- options ---- */

static int64_t or_default(int64_t value, int64_t normal)
{
    if (value < 0)
        return INT64_MAX;
    return value ? value : normal;
}

static bool is_bits(int bits)
{
    return !bits || (bits >= ED_WS_BITS_MIN && bits <= ED_WS_BITS_MAX);
}

static int read_deflate(struct ws_kind *kind, const struct ed_ws_deflate *d,
                        struct ed_ws_deflate_wish *wish)
{
    if (d->level < 0 || d->level > 9)
        return ed_fail(ED_EUSAGE, "deflate.level: %d is not in 1 to 9",
                       d->level);
    if (!is_bits(d->window_bits) || !is_bits(d->peer_window_bits))
        return ed_fail(ED_EUSAGE, "deflate: a window has 9 to 15 bits");
    kind->level = d->level ? d->level : DEFAULT_LEVEL;
    kind->threshold = d->threshold ? d->threshold : DEFAULT_THRESHOLD;
    *wish = (struct ed_ws_deflate_wish){
        .off = d->off,
        .takeover = d->takeover,
        .bits = (uint8_t)(d->window_bits ? d->window_bits : ED_WS_BITS_MAX),
        .peer_bits = (uint8_t)(d->peer_window_bits ? d->peer_window_bits
                                                   : ED_WS_BITS_MAX),
    };
    return 0;
}

int ws_kind_limits(struct ws_kind *kind, const struct ws_limits *limits,
                   struct ed_ws_deflate_wish *wish)
{
    kind->max_message =
        limits->max_message ? limits->max_message : DEFAULT_MESSAGE;
    kind->max_frame = limits->max_frame ? limits->max_frame : UINT64_MAX;
    kind->max_fragments =
        limits->max_fragments ? limits->max_fragments : DEFAULT_FRAGMENTS;
    int64_t *patience = kind->patience;
    patience[WS_WAIT_QUIET] = or_default(limits->ping_interval, 30 * ED_S);
    patience[WS_WAIT_PONG] = or_default(limits->ping_timeout, 15 * ED_S);
    patience[WS_WAIT_WRITE] = or_default(limits->write_timeout, 30 * ED_S);
    patience[WS_WAIT_CLOSE] = or_default(limits->close_timeout, 5 * ED_S);
    patience[WS_WAIT_LINGER] = LINGER;
    return read_deflate(kind, &limits->deflate, wish);
}

/* ---- life ---- */

static struct ws_kind *find(struct ws_local *local, const struct ws_kind *like)
{
    int looked_at = 0;

    ed_list_each (node, &local->kinds) {
        struct ws_kind *kind = ED_CONTAINER(node, struct ws_kind, node);
        if (!memcmp(kind, like, offsetof(struct ws_kind, refs)))
            return kind;
        if (++looked_at == LOOKED_AT)
            return NULL;
    }
    return NULL;
}

struct ws_kind *ws_kind_get(struct ws_local *local, const struct ws_kind *like)
{
    struct ws_kind *kind = find(local, like);

    if (!kind) {
        kind = calloc(1, sizeof(*kind));
        if (!kind)
            return NULL;
        memcpy(kind, like, offsetof(struct ws_kind, refs));
        kind->local = local;
        ed_list_init(&kind->node);
        for (int i = 0; i < WS_WAITS && kind->server; i++)
            kind->lines[i] =
                (uint8_t)ed_conn_line(kind->server, kind->patience[i]);
    }
    kind->refs++;
    ed_list_remove(&kind->node);
    ed_list_add_front(&local->kinds, &kind->node);
    return kind;
}

static void free_kind(struct ws_kind *kind)
{
    while (kind->deflate_count)
        ed_ws_deflate_free(kind->deflates[--kind->deflate_count]);
    ed_list_remove(&kind->node);
    free(kind);
}

/* The last of a kind takes it along: the server it is for may be next. */
void ws_kind_put(struct ws_kind *kind)
{
    if (!--kind->refs)
        free_kind(kind);
}

void ws_kinds_free(struct ws_local *local)
{
    while (!ed_list_empty(&local->kinds))
        free_kind(
            ED_CONTAINER(ed_list_first(&local->kinds), struct ws_kind, node));
}

/* ---- lending ---- */

ed_ws_deflate_ctx *ws_deflate_get(struct ws_kind *kind)
{
    if (kind->deflate_count)
        return kind->deflates[--kind->deflate_count];
    return ed_ws_deflate_new(ws_bits_out(kind), kind->level);
}

void ws_deflate_put(struct ws_kind *kind, ed_ws_deflate_ctx *z)
{
    if (!z)
        return;
    if (kind->deflate_count == WS_FREE_DEFLATES) {
        ed_ws_deflate_free(z);
        return;
    }
    ed_ws_deflate_reset(z);
    kind->deflates[kind->deflate_count++] = z;
}
