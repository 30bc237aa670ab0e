/*
 * viewers.c - sends the wall to those who look at it, each by its own words.
 *
 * The room does the work: a message is framed once for all, whoever is too slow
 * is sent away and comes back to where it was, and nobody waits for anybody.
 * What a viewer costs while nothing is said is its connection and its words.
 */
#include "feed.h"

#include <eddy/json.h>
#include <ctype.h>
#include <stdlib.h>

/* What late comers get and those who come back can go on behind: some minutes
 * of a calm source, some seconds of a busy one. */
#define HISTORY       1000
#define HISTORY_BYTES (1024 * 1024)

/* A viewer may be behind by all that is kept, and some more. */
#define MAX_BEHIND (2 * 1024 * 1024)

/* A page that is new shows so many; with words, all that are kept are looked
 * through. */
#define REPLAY 200

#define WORDS_BYTES 100
#define WORDS_MAX   8

/* Between two choices of words, each of which sends the kept messages anew. */
#define WORDS_PAUSE (200 * ED_MS)

/* ---- words ---- */

struct viewer {
    struct feed *feed;
    size_t count;
    /* As they stand in a message, which is JSON, and without spaces. */
    struct ed_bytes words[WORDS_MAX];
    char text[6 * WORDS_BYTES + 3]; /* escaped, a byte becomes six at most */
};

/* Sets the words by a text with spaces between them; NULL is none. What is too
 * long is cut. */
static void set_words(struct viewer *viewer, struct ed_bytes text)
{
    struct ed_json json, *j = &json;
    struct ed_buf escaped = {0};

    viewer->count = 0;
    if (text.len > WORDS_BYTES)
        text.len = WORDS_BYTES;
    ed_json_begin(j, &escaped);
    ed_json_bytes(j, text);
    if (!ed_json_finish(j) && escaped.len <= sizeof viewer->text) {
        /* Without its quotes. */
        memcpy(viewer->text, escaped.ptr + 1, escaped.len - 2);
        struct ed_bytes rest = ed_bytes_of(viewer->text, escaped.len - 2);
        while (rest.ptr && viewer->count < WORDS_MAX) {
            struct ed_bytes word = ed_bytes_cut(&rest, ' ');
            if (word.len)
                viewer->words[viewer->count++] = word;
        }
    }
    ed_buf_free(&escaped);
}

/* Whether a word may begin at a place of a text, for what stands before it.
 * The text has something there; "\\n" is a line end. */
static bool begins(const char *at)
{
    unsigned char before = (unsigned char)at[-1];
    return !(isalnum(before) || before >= 0x80) || at[-2] == '\\';
}

/* Words are found by their beginnings, "rain" in "rainbow" and not in "train".
 * Letters of either case are the same, as far as ASCII knows. */
static bool contains(struct ed_bytes text, struct ed_bytes word)
{
    for (; text.len >= word.len; text.ptr++, text.len--)
        if ((*text.ptr | 0x20) == (*word.ptr | 0x20) && begins(text.ptr) &&
            ed_bytes_equal_nocase(ed_bytes_of(text.ptr, word.len), word))
            return true;
    return false;
}

/* [wants] */
/* Whether a viewer gets a message: when all its words are in what is said. */
static bool wants(void *arg, struct ed_bytes message)
{
    const struct viewer *viewer = arg;
    struct ed_bytes say = ED_BYTES("\"say\":[");

    if (!viewer->count)
        return true;
    ssize_t at = ed_bytes_find(message, say);
    if (at < 0)
        return false;
    size_t skip = (size_t)at + say.len;
    message = ed_bytes_of(message.ptr + skip, message.len - skip);
    for (size_t i = 0; i < viewer->count; i++)
        if (!contains(message, viewer->words[i]))
            return false;
    return true;
}
/* [/wants] */

/* How many of the kept messages one gets that has seen none. */
static int replay(const struct viewer *viewer)
{
    return viewer->count ? 0 : REPLAY;
}

/* ---- by WebSocket ---- */

/* Whether a message is still here to go on behind. */
static bool is_kept(const struct feed *feed, const char *id)
{
    ed_history *history = ed_room_history(feed->room);
    struct ed_history_item item;

    for (size_t i = 0; ed_history_at(history, i, &item); i++)
        if (!strcmp(item.id, id))
            return true;
    return false;
}

/* What a page wants that opens a WebSocket. */
struct arrival {
    struct feed *feed;
    const char *words, *after;
};

/* Tells the page what comes next: what it has missed, or all anew. */
static int begin(ed_ws *ws, struct viewer *viewer, const char *after)
{
    bool resumes = after && is_kept(viewer->feed, after);
    int err = ed_ws_printf(ws, "{\"start\":\"%s\"}",
                           resumes ? "resumed"
                           : after ? "gap"
                                   : "new");
    if (err)
        return err;
    return ed_room_join(viewer->feed->room, ws, .user = viewer, .filter = wants,
                        .filter_arg = viewer, .after = resumes ? after : NULL,
                        .replay = replay(viewer));
}

static int on_open(ed_ws *ws)
{
    const struct arrival *arrival = ed_ws_user(ws);
    struct viewer *viewer = calloc(1, sizeof *viewer);

    ed_ws_set_user(ws, viewer);
    if (!viewer)
        return ED_ENOMEM;
    viewer->feed = arrival->feed;
    set_words(viewer, ed_bytes(arrival->words));
    return begin(ws, viewer, arrival->after);
}

/* [words] */
/* The one thing a page says: which words it wants from now on. */
static int on_message(ed_ws *ws, struct ed_bytes words)
{
    struct viewer *viewer = ed_ws_user(ws);

    ed_room_leave(viewer->feed->room, ws);
    set_words(viewer, words);
    int err = begin(ws, viewer, NULL);
    return err ? err : ed_sleep(WORDS_PAUSE); /* before the next is read */
}
/* [/words] */

static void on_close(ed_ws *ws)
{
    free(ed_ws_user(ws));
}

int view_by_websocket(ed_req *req)
{
    struct arrival arrival = {feed_of(req), ed_query(req, "word"),
                              ed_query(req, "after")};

    return ed_ws_serve(req, .user = &arrival, .on_open = on_open,
                       .on_message = on_message, .on_close = on_close,
                       .max_message = WORDS_BYTES);
}

/* ---- as server-sent events ---- */

static int inform(void *arg)
{
    ed_sse *sse = arg;
    const struct feed *feed = feed_of(ed_sse_req(sse));
    int err = 0;

    while (!err && !(err = ed_sleep(ED_S)))
        err = ed_sse_send(sse, .event = "status",
                          .data = ed_buf_bytes(&feed->status));
    return err;
}

/* [events] */
int view_by_events(ed_req *req)
{
    struct viewer viewer = {.feed = feed_of(req)};
    ed_sse *sse;

    set_words(&viewer, ed_bytes(ed_query(req, "word")));
    int err = ed_sse_begin(req, &sse, .retry = ED_S);
    if (err)
        return err;
    ed_scope(s);
    ed_go(s, inform, sse);
    return ed_room_join_sse(viewer.feed->room, sse, .filter = wants,
                            .filter_arg = &viewer, .replay = replay(&viewer));
}
/* [/events] */

/* ---- how things are ---- */

static const char *state_of(const struct source *source)
{
    if (source->connected)
        return "connected";
    if (source->ended)
        return "ended";
    return source->failure ? "failing" : "connecting";
}

static int write_status(struct feed *feed, uint64_t lately)
{
    struct ed_json json, *j = &json;

    ed_buf_drop(&feed->status, feed->status.len);
    ed_json_begin(j, &feed->status);
    ed_json_object(j);
    ed_json_key(j, "status");
    ed_json_object(j);
    ed_json_key(j, "source");
    ed_json_text(j, state_of(&feed->source));
    if (!feed->source.connected && feed->source.failure) {
        ed_json_key(j, "why");
        ed_json_text(j, ed_err_text(feed->source.failure));
    }
    ed_json_key(j, "rate");
    ed_json_uint(j, lately);
    ed_json_key(j, "viewers");
    ed_json_uint(j, ed_room_count(feed->room));
    ed_json_key(j, "last");
    ed_json_text(j, ed_history_last_id(ed_room_history(feed->room)));
    ed_json_end(j);
    ed_json_end(j);
    return ed_json_finish(j);
}

int viewers_inform(void *arg)
{
    struct feed *feed = arg;
    uint64_t before = feed->received;
    int err = 0;

    while (!err && !(err = ed_sleep(ED_S))) {
        err = write_status(feed, feed->received - before);
        before = feed->received;
        if (!err)
            ed_room_tell(feed->room, ed_buf_bytes(&feed->status));
    }
    return err;
}

ed_room *viewers_room(ed_app *app)
{
    return ed_room_new(app, "wall", .history = HISTORY,
                       .history_bytes = HISTORY_BYTES, .slow = ED_ROOM_CLOSE,
                       .max_behind = MAX_BEHIND);
}
