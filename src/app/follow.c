/*
 * follow.c - a history, sent to a client as it grows: by server-sent events, or
 * by one long poll after the other.
 *
 * A client is a place in the log. It reads on while there is something, and
 * waits at the end; what it does not take in time the log does not keep for it.
 */
#include "app/history.h"
#include "base/options.h"
#include "http/sse.h"

#include <eddy/json.h>
#include <stdio.h>

/* Messages a filter has held back before the client is told where it is: few
 * enough that it finds its place in any history worth the name, and so that
 * telling costs little. */
enum { UNTOLD = 50 };

static const int64_t POLL_TIME = 25 * ED_S;

enum { POLL_MESSAGES = 100 };

/* ---- where to begin ---- */

/* The first message of one that has seen none. */
static uint64_t latest(ed_history *h, int replay)
{
    uint64_t oldest = ed_history_oldest(h);

    if (replay < 0)
        return h->next;
    if (replay && h->next - oldest > (uint64_t)replay)
        return h->next - (uint64_t)replay;
    return oldest;
}

/* ---- server-sent events ---- */

struct follow {
    struct ed_follow_options options;
    ed_history *history;
    ed_sse *sse;
    struct ed_follower at;
    uint64_t fresh;  /* gaps before this one are no news to it */
    unsigned untold; /* messages held back since it was sent an id */
};

static int tell_gap(const struct follow *f, uint64_t lost)
{
    const char *type = f->options.gap_event;
    char count[24] = "";

    if (lost)
        snprintf(count, sizeof(count), "%llu", (unsigned long long)lost);
    return ed_sse_send(f->sse, .event = type ? type : "gap",
                       .data = ed_bytes(count));
}

static bool passes(ed_filter_fn *filter, void *arg,
                   const struct ed_entry *entry)
{
    return !filter || filter(arg, entry->data);
}

static int send_entry(struct follow *f, struct ed_entry *entry)
{
    struct ed_bytes text = {0};

    if (entry->gap)
        return entry->number < f->fresh ? 0 : tell_gap(f, 0);
    if (passes(f->options.filter, f->options.arg, entry)) {
        f->untold = 0;
        text = ed_entry_text(entry);
        return text.len ? ed_sse_put(f->sse, text) : ED_ENOMEM;
    }
    if (++f->untold < UNTOLD)
        return 0;
    f->untold = 0;
    return ed_sse_send(f->sse, .id = ed_entry_id(entry));
}

/* Sends what there is; the message at hand is held, since the log need not keep
 * it while the client is slow to take it. */
static int send_log(struct follow *f)
{
    ed_history *h = f->history;
    int err = 0;

    while (!err && f->at.next < h->next) {
        uint64_t lost = ed_history_catch_up(h, &f->at);
        if (lost && f->options.close_slow)
            return ed_fail(ED_ELIMIT, "a client is %llu messages behind",
                           (unsigned long long)lost);
        if (lost) {
            err = tell_gap(f, lost);
            continue; /* sending may have taken long again */
        }
        struct ed_entry *entry =
            ed_entry_ref(ed_history_entry(h, f->at.next++));
        err = send_entry(f, entry);
        ed_entry_unref(entry);
    }
    return err;
}

/* Finds where the client stands; tells it of a gap if that is not known. */
static int begin(struct follow *f)
{
    const char *after = f->options.after;
    uint64_t next;

    if (!after)
        after = ed_sse_last_id(ed_sse_req(f->sse));
    if (!after || !*after) {
        f->fresh = f->history->next;
        ed_history_enter(f->history, &f->at,
                         latest(f->history, f->options.replay));
        return 0;
    }
    bool found = ed_history_find(f->history, after, &next);
    ed_history_enter(f->history, &f->at, next);
    return found ? 0 : tell_gap(f, 0);
}

int ed_sse_follow_with(ed_sse *sse, ed_history *history,
                       const struct ed_follow_options *given)
{
    struct follow f = {.history = history, .sse = sse};

    ed_options_take(&f.options, sizeof(f.options), given);
    int err = begin(&f);
    while (!err) {
        err = send_log(&f);
        if (!err)
            err = ed_history_wait(history, &f.at);
    }
    ed_history_leave(history, &f.at);
    return err;
}

/* ---- long polling ---- */

struct poll {
    struct ed_poll_options options;
    ed_history *history;
    struct ed_follower at;
    uint64_t fresh; /* gaps before this one are no news to it */
    bool gap;
    unsigned found; /* messages for the client, at most `max` */
    uint64_t end;   /* the reply holds what is before this */
    uint64_t from;  /* and from this on */
};

/* What the client has not seen and is to be sent now. */
static bool has_news(struct poll *p)
{
    const ed_history *h = p->history;

    p->gap |= ed_history_catch_up(h, &p->at) > 0;
    for (; p->at.next < h->next && p->found < p->options.max; p->at.next++) {
        const struct ed_entry *entry = ed_history_entry(h, p->at.next);
        p->gap |= entry->gap && entry->number >= p->fresh;
        p->found +=
            !entry->gap && passes(p->options.filter, p->options.arg, entry);
    }
    p->end = p->at.next;
    return p->found || p->gap;
}

static int wait_for_news(void *arg)
{
    struct poll *p = arg;
    int err = 0;

    while (!err && !has_news(p)) {
        p->from = p->at.next; /* what was looked at is for others */
        err = ed_history_wait(p->history, &p->at);
    }
    return err;
}

static void write_message(ed_json *j, const struct ed_entry *entry)
{
    ed_json_object(j);
    ed_json_key(j, "id");
    ed_json_text(j, ed_entry_id(entry));
    if (entry->event_len) {
        ed_json_key(j, "event");
        ed_json_text(j, entry->event);
    }
    ed_json_key(j, "data");
    ed_json_bytes(j, entry->data);
    ed_json_end(j);
}

/* Into a buffer: the log may change while a reply is written. */
static int render(const struct poll *p, struct ed_buf *text)
{
    const ed_history *h = p->history;
    uint64_t from = p->from > h->first ? p->from : h->first;
    struct ed_json json, *j = &json;

    ed_json_begin(j, text);
    ed_json_object(j);
    ed_json_key(j, "last");
    ed_json_text(j, p->end > h->first
                        ? ed_entry_id(ed_history_entry(h, p->end - 1))
                        : ed_history_last_id(h));
    ed_json_key(j, "gap");
    ed_json_bool(j, p->gap);
    ed_json_key(j, "messages");
    ed_json_array(j);
    for (uint64_t i = from; i < p->end; i++) {
        const struct ed_entry *entry = ed_history_entry(h, i);
        if (!entry->gap && passes(p->options.filter, p->options.arg, entry))
            write_message(j, entry);
    }
    ed_json_end(j);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int reply_news(ed_req *req, const struct poll *p)
{
    struct ed_buf text = {0};
    int err = render(p, &text);

    if (!err)
        err = ed_reply_bytes(req, 200, "application/json", ed_buf_bytes(&text));
    ed_buf_free(&text);
    return err;
}

/* The time is up. A client whose messages were all held back is led on all the
 * same, so that its place stays known. */
static int reply_nothing(ed_req *req, struct poll *p, uint64_t began_at)
{
    if (p->at.next > began_at)
        return reply_news(req, p);
    return ed_reply_bytes(req, 204, NULL, ED_BYTES(""));
}

static void begin_poll(ed_req *req, struct poll *p)
{
    const char *after = p->options.after;
    uint64_t next;

    if (!after)
        after = ed_query(req, "after");
    if (!after || !*after)
        after = ed_sse_last_id(req);
    if (after && *after)
        p->gap = !ed_history_find(p->history, after, &next);
    else
        next = latest(p->history,
                      p->options.max > INT32_MAX ? 0 : (int)p->options.max);
    p->from = next;
    ed_history_enter(p->history, &p->at, next);
}

int ed_long_poll_with(ed_req *req, ed_history *history,
                      const struct ed_poll_options *given)
{
    struct poll p = {.history = history};
    int err = ed_reply_header_set(req, "Cache-Control", "no-store");

    if (err)
        return err;
    ed_options_take(&p.options, sizeof(p.options), given);
    if (!p.options.max || p.options.max > INT32_MAX)
        p.options.max = POLL_MESSAGES;
    if (p.options.within <= 0)
        p.options.within = POLL_TIME;
    begin_poll(req, &p);
    uint64_t began_at = p.at.next;
    ed_req_give_place(req);
    err = ed_with_timeout(p.options.within, wait_for_news, &p);
    bool timed_out = err == ED_ETIMEOUT && !ed_cancelled();
    if (!err)
        err = reply_news(req, &p);
    else if (timed_out)
        err = reply_nothing(req, &p, began_at);
    ed_history_leave(history, &p.at);
    return err;
}
