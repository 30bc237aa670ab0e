/*
 * chan.c - channels, and select over several.
 *
 * A channel owns its ring of values and the two lines of those who wait.
 * Every operation either is done completely in one step, including for the
 * other side that waited for it, or leaves no trace. So at any time:
 *   - receivers stand in line only while no value is there for them
 *   - senders stand in line only while there is no room
 *   - nobody stands in line at a closed channel
 * A plain send or receive that must wait is a select with one case.
 */
#include <eddy/chan.h>
#include "base/size.h"
#include "core/places.h"

#include <stdlib.h>
#include <string.h>

struct ed_chan {
    size_t element_bytes;
    size_t capacity;
    size_t count;
    size_t head; /* index of the oldest value */
    bool closed;
    uint32_t draw;          /* the last one; see drawn_case() */
    struct ed_list senders; /* ed_place.node; data is the select case */
    struct ed_list receivers;
    char ring[];
};

static const uint32_t FIRST_DRAW = 2463534242; /* anything but 0 */

ed_chan *ed_chan_new(size_t element_bytes, size_t capacity)
{
    size_t bytes;
    if (!ed_size_mul(element_bytes, capacity, &bytes) ||
        !ed_size_add(bytes, sizeof(ed_chan), &bytes))
        return NULL;
    ed_chan *ch = malloc(bytes);
    if (!ch)
        return NULL;
    *ch = (ed_chan){.element_bytes = element_bytes,
                    .capacity = capacity,
                    .draw = FIRST_DRAW};
    ed_list_init(&ch->senders);
    ed_list_init(&ch->receivers);
    return ch;
}

void ed_chan_free(ed_chan *ch)
{
    if (!ch)
        return;
    ed_chan_close(ch);
    free(ch);
}

size_t ed_chan_count(const ed_chan *ch)
{
    return ch->count;
}

/* ---- values ---- */

static void copy(const ed_chan *ch, void *to, const void *from)
{
    /* Channels of empty elements are given NULL, which memcpy() is not. */
    if (ch->element_bytes)
        memcpy(to, from, ch->element_bytes);
}

static char *slot(ed_chan *ch, size_t nth)
{
    size_t i = ch->head + nth;
    if (i >= ch->capacity)
        i -= ch->capacity;
    return ch->ring + i * ch->element_bytes;
}

static void ring_put(ed_chan *ch, const void *value)
{
    copy(ch, slot(ch, ch->count), value);
    ch->count++;
}

static void ring_take(ed_chan *ch, void *value)
{
    copy(ch, value, slot(ch, 0));
    ch->head = ch->head + 1 < ch->capacity ? ch->head + 1 : 0;
    ch->count--;
}

/* ---- who waits ---- */

static struct ed_select_case *first_case(const struct ed_list *line)
{
    struct ed_list *node = ed_list_first(line);
    return node ? ED_CONTAINER(node, struct ed_place, node)->data : NULL;
}

/* Ends the wait of the first in line, whose case is done or has failed. */
static void serve_first(struct ed_list *line, int err)
{
    struct ed_place *place =
        ED_CONTAINER(ed_list_first(line), struct ed_place, node);
    struct ed_select_case *served = place->data;
    served->err = err;
    ed_places_serve(place->all, (int)(place - place->all->place));
}

void ed_chan_close(ed_chan *ch)
{
    ch->closed = true;
    while (!ed_list_empty(&ch->senders))
        serve_first(&ch->senders, ED_ECLOSED);
    while (!ed_list_empty(&ch->receivers))
        serve_first(&ch->receivers, ED_ECLOSED);
}

/* ---- one at a time ---- */

int ed_chan_try_send(ed_chan *ch, const void *value)
{
    if (ch->closed)
        return ED_ECLOSED;
    struct ed_select_case *receiver = first_case(&ch->receivers);
    if (receiver) {
        copy(ch, receiver->recv, value);
        serve_first(&ch->receivers, 0);
        return 0;
    }
    if (ch->count == ch->capacity)
        return ED_EWOULDBLOCK;
    ring_put(ch, value);
    return 0;
}

int ed_chan_try_recv(ed_chan *ch, void *value)
{
    struct ed_select_case *sender = first_case(&ch->senders);
    if (ch->count) {
        ring_take(ch, value);
        if (sender)
            ring_put(ch, sender->send);
    } else if (sender) {
        copy(ch, value, sender->send);
    } else {
        return ch->closed ? ED_ECLOSED : ED_EWOULDBLOCK;
    }
    if (sender)
        serve_first(&ch->senders, 0);
    return 0;
}

int ed_chan_send(ed_chan *ch, const void *value)
{
    struct ed_select_case one = ED_SEND(ch, value);
    int chosen = ed_select(&one, 1);
    return chosen < 0 ? chosen : one.err;
}

int ed_chan_recv(ed_chan *ch, void *value)
{
    struct ed_select_case one = ED_RECV(ch, value);
    int chosen = ed_select(&one, 1);
    return chosen < 0 ? chosen : one.err;
}

/* ---- several at once ---- */

static bool can_be_done(const struct ed_select_case *c)
{
    const ed_chan *ch = c->chan;
    if (!ch)
        return false;
    if (ch->closed)
        return true;
    if (c->sends)
        return ch->count < ch->capacity || !ed_list_empty(&ch->receivers);
    return ch->count || !ed_list_empty(&ch->senders);
}

/* The next of a fixed sequence that looks random (Marsaglia's xorshift). */
static uint32_t draw(ed_chan *ch)
{
    ch->draw ^= ch->draw << 13;
    ch->draw ^= ch->draw >> 17;
    ch->draw ^= ch->draw << 5;
    return ch->draw;
}

static struct ed_select_case *nth_ready(struct ed_select_case *cases, size_t n)
{
    for (;; cases++) {
        if (can_be_done(cases) && n-- == 0)
            return cases;
    }
}

/*
 * Draws one of the cases that can be done; NULL when there is none. Taking
 * them in turn instead would starve a case whenever two selects take turns
 * themselves. The draws are the first channel's own, so that a program does
 * the same each time it runs.
 */
static struct ed_select_case *drawn_case(struct ed_select_case *cases,
                                         size_t count)
{
    size_t ready = 0;
    for (size_t i = 0; i < count; i++)
        ready += can_be_done(&cases[i]);
    if (!ready)
        return NULL;
    struct ed_select_case *first = nth_ready(cases, 0);
    return ready == 1 ? first : nth_ready(first, draw(first->chan) % ready);
}

int ed_try_select(struct ed_select_case *cases, size_t count)
{
    struct ed_select_case *c = drawn_case(cases, count);
    if (!c)
        return ED_EWOULDBLOCK;
    c->err = c->sends ? ed_chan_try_send(c->chan, c->send)
                      : ed_chan_try_recv(c->chan, c->recv);
    return (int)(c - cases);
}

static void stand_in_line(struct ed_place *place, struct ed_select_case *c)
{
    ed_chan *ch = c->chan;
    place->data = c;
    if (ch)
        ed_list_add_back(c->sends ? &ch->senders : &ch->receivers,
                         &place->node);
}

static const char *what_for(const struct ed_select_case *cases, size_t count)
{
    if (count != 1)
        return "select";
    return cases->sends ? "channel send" : "channel receive";
}

int ed_select(struct ed_select_case *cases, size_t count)
{
    int err = ed_checkpoint();
    if (err)
        return err;
    int chosen = ed_try_select(cases, count);
    if (chosen != ED_EWOULDBLOCK)
        return chosen;

    struct ed_places all;
    err = ed_places_init(&all, count);
    if (err)
        return err;
    for (size_t i = 0; i < count; i++)
        stand_in_line(&all.place[i], &cases[i]);
    chosen = ed_places_wait(&all, what_for(cases, count));
    ed_places_free(&all);
    return chosen;
}
