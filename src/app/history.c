/*
 * history.c - the last messages of something: a log with three bounds.
 *
 * Owns the messages until nobody needs them: those who come later, as far as
 * the limits go, and followers that are behind, as far as `behind` goes.
 */
#include "app/history.h"
#include "base/options.h"
#include "wire/sse.h"

#include <eddy/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    USUAL_COUNT = 100,
    USUAL_BYTES = 1024 * 1024,
    FIRST_ROOM = 16,
    /* What a message costs besides its bytes, about. */
    ENTRY_COST = sizeof(struct ed_entry),
};

/* ---- messages ---- */

void ed_entry_unref(struct ed_entry *entry)
{
    if (--entry->refs)
        return;
    ws_shared_unref(entry->shared);
    ed_buf_free(&entry->text);
    free(entry);
}

struct ed_bytes ed_entry_text(struct ed_entry *entry)
{
    if (!entry->text.len &&
        ed_sse_write(&entry->text,
                     &(const struct ed_sse_text){
                         .type = ed_bytes_of(entry->event, entry->event_len),
                         .id = ed_bytes(ed_entry_id(entry)),
                         .data = entry->data,
                         .retry_ms = -1,
                     }))
        return (struct ed_bytes){0};
    return ed_buf_bytes(&entry->text);
}

static char *add(char *at, struct ed_bytes text)
{
    if (text.len)
        memcpy(at, text.ptr, text.len);
    at[text.len] = '\0';
    return at + text.len + 1;
}

static size_t entry_bytes(const struct ed_entry *entry)
{
    return ENTRY_COST + strlen(entry->bytes) + entry->event_len +
           entry->data.len;
}

/* Takes over `shared`, also when there is no memory. */
static struct ed_entry *entry_new(struct ed_bytes id, struct ed_bytes event,
                                  struct ed_bytes data,
                                  struct ws_shared *shared)
{
    size_t own = shared ? 0 : data.len;
    struct ed_entry *entry =
        malloc(sizeof(*entry) + id.len + event.len + own + 3);

    if (!entry) {
        ws_shared_unref(shared);
        return NULL;
    }
    *entry = (struct ed_entry){
        .refs = 1, .at = ed_now(), .shared = shared, .event_len = event.len};
    char *at = add(entry->bytes, id);
    entry->event = at;
    at = add(at, event);
    entry->data = shared ? ws_shared_payload(shared) : ed_bytes_of(at, own);
    add(at, shared ? ED_BYTES("") : data);
    return entry;
}

/* ---- the log ---- */

static int make_epoch(char out[16])
{
    uint64_t number;

    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
        number = (uint64_t)ed_clock_realtime();
    return snprintf(out, 16, "%010llx",
                    (unsigned long long)(number & 0xffffffffff));
}

ed_history *ed_history_new_with(const struct ed_history_options *given)
{
    ed_history *h = calloc(1, sizeof(*h));

    if (!h)
        return NULL;
    ED_MAGIC_SET(h, ED_HISTORY_MAGIC);
    ed_options_take(&h->limits, sizeof(h->limits), given);
    if (!h->limits.count)
        h->limits.count = USUAL_COUNT;
    if (!h->limits.bytes)
        h->limits.bytes = USUAL_BYTES;
    if (!h->limits.behind)
        h->limits.behind = USUAL_BYTES;
    make_epoch(h->epoch);
    return h;
}

/* What stands in its memory is let be: where an id ends is all that counts. */
static int set_text(struct ed_buf *buf, const char *text)
{
    buf->len = 0;
    return ed_buf_add(buf, text, strlen(text));
}

static void drop_first(ed_history *h)
{
    struct ed_entry *entry = ed_history_entry(h, h->first);

    /* Without memory for its id who has seen it is told of a gap. */
    if (set_text(&h->gone_id, ed_entry_id(entry)))
        h->gone_id.len = 0;
    h->first++;
    ed_entry_unref(entry);
}

void ed_history_free(ed_history *h)
{
    if (!h)
        return;
    ED_MAGIC_CHECK(h, ED_HISTORY_MAGIC);
    while (h->first < h->next)
        drop_first(h);
    ED_MAGIC_CLEAR(h);
    ed_buf_free(&h->last_id);
    ed_buf_free(&h->gone_id);
    free(h->ring);
    free(h);
}

/* Whether a message is among those for who comes later. */
static bool is_kept(const ed_history *h, const struct ed_entry *entry)
{
    const struct ed_history_options *limits = &h->limits;

    return h->next - entry->number <= limits->count &&
           h->offset - entry->offset <= limits->bytes &&
           (!limits->age || ed_now() - entry->at < limits->age);
}

static bool is_needed(const ed_history *h, const struct ed_entry *entry)
{
    return is_kept(h, entry) ||
           (h->lagging && h->offset - entry->offset <= h->limits.behind);
}

static void trim(ed_history *h)
{
    while (h->first < h->next && !is_needed(h, ed_history_entry(h, h->first)))
        drop_first(h);
}

static int grow(ed_history *h)
{
    size_t room = h->room ? 2 * h->room : FIRST_ROOM;
    struct ed_entry **ring = malloc(room * sizeof(*ring));

    if (!ring)
        return ED_ENOMEM;
    for (uint64_t i = h->first; i < h->next; i++)
        ring[i & (room - 1)] = ed_history_entry(h, i);
    free(h->ring);
    h->ring = ring;
    h->room = room;
    return 0;
}

static void wake_followers(ed_history *h)
{
    struct ed_waiter *waiter;

    while ((waiter = ed_waitq_wake(&h->waiting, 0))) {
        struct ed_follower *f = waiter->data;
        f->waiting = false;
        h->lagging++;
    }
}

/* Takes over the entry, also when it fails. */
static int append(ed_history *h, struct ed_entry *entry)
{
    int err = h->next - h->first == h->room ? grow(h) : 0;

    if (!err)
        err = set_text(&h->last_id, ed_entry_id(entry));
    if (err) {
        ed_entry_unref(entry);
        return err;
    }
    entry->number = h->next;
    entry->offset = h->offset;
    h->ring[h->next++ & (h->room - 1)] = entry;
    h->offset += entry_bytes(entry);
    wake_followers(h);
    trim(h);
    return 0;
}

static bool is_one_line(struct ed_bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\r' || text.ptr[i] == '\n')
            return false;
    return true;
}

static int check_message(const ed_history *h,
                         const struct ed_history_message *m, size_t len)
{
    size_t most =
        h->limits.bytes > h->limits.behind ? h->limits.bytes : h->limits.behind;
    size_t bytes = ENTRY_COST + ed_bytes(m->event).len + ed_bytes(m->id).len;

    if ((m->id && !*m->id) || !is_one_line(ed_bytes(m->id)) ||
        !is_one_line(ed_bytes(m->event)))
        return ed_fail(ED_EUSAGE, "a malformed type or id of a message");
    if (bytes > most || len > most - bytes)
        return ed_fail(ED_ELIMIT, "a message of %zu bytes in a history of %zu",
                       len, most);
    return 0;
}

int ed_history_put(ed_history *h, const struct ed_history_message *m,
                   struct ws_shared *shared, struct ed_entry **out)
{
    char made[48];
    struct ed_bytes data = shared ? ws_shared_payload(shared) : m->data;
    int err = check_message(h, m, data.len);

    ED_MAGIC_CHECK(h, ED_HISTORY_MAGIC);
    if (err) {
        ws_shared_unref(shared);
        return err;
    }
    snprintf(made, sizeof(made), "%s-%llu", h->epoch,
             (unsigned long long)h->next);
    struct ed_entry *entry = entry_new(ed_bytes(m->id ? m->id : made),
                                       ed_bytes(m->event), data, shared);
    if (!entry)
        return ED_ENOMEM;
    if (out)
        *out = ed_entry_ref(entry);
    err = append(h, entry);
    if (err && out)
        ed_entry_unref(*out);
    return err;
}

int ed_history_add_with(ed_history *h, const struct ed_history_message *given)
{
    ED_OPTIONS_TAKE(struct ed_history_message, message, given);
    return ed_history_put(h, &message, NULL, NULL);
}

int ed_history_gap(ed_history *h)
{
    char made[48];

    snprintf(made, sizeof(made), "%s-%llu", h->epoch,
             (unsigned long long)h->next);
    struct ed_entry *entry =
        entry_new(ed_bytes(made), ED_BYTES(""), ED_BYTES(""), NULL);
    if (!entry)
        return ED_ENOMEM;
    entry->gap = true;
    return append(h, entry);
}

/* ---- looking in ---- */

uint64_t ed_history_oldest(ed_history *h)
{
    trim(h);
    uint64_t oldest = h->first;
    while (oldest < h->next && !is_kept(h, ed_history_entry(h, oldest)))
        oldest++;
    return oldest;
}

size_t ed_history_count(ed_history *h)
{
    size_t count = 0;

    for (uint64_t i = ed_history_oldest(h); i < h->next; i++)
        count += !ed_history_entry(h, i)->gap;
    return count;
}

const char *ed_history_last_id(const ed_history *h)
{
    return h->last_id.ptr ? h->last_id.ptr : "";
}

bool ed_history_at(ed_history *h, size_t i, struct ed_history_item *out)
{
    uint64_t number = ed_history_oldest(h);

    for (; number < h->next; number++) {
        const struct ed_entry *entry = ed_history_entry(h, number);
        if (entry->gap || i--)
            continue;
        *out = (struct ed_history_item){ed_entry_id(entry), entry->event,
                                        entry->data, entry->at};
        return true;
    }
    return false;
}

/* The number in an id that was made here; false if it was not. */
static bool made_number(const ed_history *h, const char *id, uint64_t *number)
{
    size_t len = strlen(h->epoch);
    int64_t n;

    if (strncmp(id, h->epoch, len) != 0 || id[len] != '-' ||
        ed_bytes_int(ed_bytes(id + len + 1), &n) || n < 0)
        return false;
    *number = (uint64_t)n;
    return *number < h->next;
}

static bool has_id(const ed_history *h, uint64_t number, const char *id)
{
    return !strcmp(ed_entry_id(ed_history_entry(h, number)), id);
}

bool ed_history_find(ed_history *h, const char *id, uint64_t *next)
{
    uint64_t number;

    trim(h);
    if (h->gone_id.len && !strcmp(h->gone_id.ptr, id)) {
        *next = h->first;
        return true;
    }
    if (made_number(h, id, &number) && number >= h->first &&
        has_id(h, number, id)) {
        *next = number + 1;
        return true;
    }
    /* The latest first: who comes back was there a moment ago. */
    for (number = h->next; number > h->first; number--) {
        if (has_id(h, number - 1, id)) {
            *next = number;
            return true;
        }
    }
    *next = ed_history_oldest(h);
    return false;
}

/* ---- followers ---- */

void ed_history_enter(ed_history *h, struct ed_follower *f, uint64_t next)
{
    ED_MAGIC_CHECK(h, ED_HISTORY_MAGIC);
    *f = (struct ed_follower){.next = next};
    h->lagging++;
}

/* One fewer holds messages. */
static void release(ed_history *h)
{
    if (!--h->lagging)
        trim(h);
}

void ed_history_leave(ed_history *h, struct ed_follower *f)
{
    if (!f->waiting)
        release(h);
}

int ed_history_wait(ed_history *h, struct ed_follower *f)
{
    if (f->next < h->next)
        return 0;
    f->waiting = true;
    release(h);
    int err = ed_waitq_wait(&h->waiting, "the next message", f);
    if (f->waiting) { /* not woken by a message */
        f->waiting = false;
        h->lagging++;
    }
    return err;
}

uint64_t ed_history_catch_up(const ed_history *h, struct ed_follower *f)
{
    if (f->next >= h->first)
        return 0;
    uint64_t lost = h->first - f->next;
    f->next = h->first;
    return lost;
}
