/*
 * dialogue_hold.c - holds a dialogue with a server over a real socket.
 *
 * Client and server are fibers of one loop with a virtual clock, which moves
 * only when nothing is left to do: so "nothing comes for 10 s" is certain and
 * takes no time.
 */
#include "dialogue.h"

#include "../fiber_test.h"
#include "../support/http_handlers.h"
#include "wire/http1.h"

#include <eddy/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a server that answers at all needs less than; well below any of its
 * time-outs. */
static const int64_t PROMPT = 1 * ED_S;

/* Until everything that can happen has happened. */
static const int64_t A_MOMENT = 1 * ED_US;

enum {
    MAX_FIELDS = 100,
    /* Byte by byte costs a turn of the loop each: the middle of a long text
     * is sent in larger pieces. */
    EDGE = 600,
    MIDDLE = 997,
};

struct client {
    const struct dialogue *dialogue;
    const struct step *step;
    ed_stream *stream;
    int cut;
    uint32_t seed;
    struct ed_buf *heard; /* all the server sent */
    size_t at;            /* how much of it the script has met */
    bool ended;
};

static bool wrong(const struct client *c, const char *what)
{
    struct ed_bytes rest =
        ed_bytes_of(c->heard->ptr + c->at, c->heard->len - c->at);
    fprintf(stderr, "%s:%d: %s: %s%s\n", c->dialogue->file, c->step->line,
            c->dialogue->name, what,
            c->cut == CUT_NOT     ? ""
            : c->cut == CUT_BYTES ? " (byte by byte)"
                                  : " (in random pieces)");
    fprintf(stderr, "--- the server sent%s\n%.*s---\n",
            c->ended ? ", and closed," : "",
            (int)(rest.len < 2000 ? rest.len : 2000), rest.ptr);
    return false;
}

static size_t unmet(const struct client *c)
{
    return c->heard->len - c->at;
}

/* ---- reading ---- */

static int read_some(void *arg)
{
    struct client *c = arg;
    int err = ed_buf_reserve(c->heard, 4096);
    if (err)
        return err;
    ssize_t n = ed_stream_read(c->stream, c->heard->ptr + c->heard->len, 4096);
    if (n == ED_ETIMEOUT)
        return ED_ETIMEOUT;
    if (n <= 0)
        c->ended = true;
    else
        c->heard->len += (size_t)n;
    return 0;
}

/* Waits for more; false when none comes in that time, or ever. */
static bool hear(struct client *c, int64_t within)
{
    size_t before = c->heard->len;
    if (!c->ended && c->stream)
        (void)ed_with_timeout(within, read_some, c);
    return c->heard->len > before;
}

static bool hear_at_least(struct client *c, size_t len)
{
    while (unmet(c) < len) {
        if (!hear(c, PROMPT))
            return false;
    }
    return true;
}

/* ---- what the server has to say ---- */

static bool meet_text(struct client *c, struct ed_bytes text)
{
    if (!hear_at_least(c, text.len) ||
        memcmp(c->heard->ptr + c->at, text.ptr, text.len) != 0)
        return wrong(c, "other bytes were expected");
    c->at += text.len;
    return true;
}

struct answer {
    struct ed_http1_head head;
    struct ed_http1_field fields[MAX_FIELDS];
    struct ed_buf raw; /* the head */
    struct ed_buf body;
    struct ed_buf trailers;
    bool cut;
};

static bool read_head(struct client *c, struct answer *a)
{
    static const struct ed_http1_limits limits = {8192, MAX_FIELDS, 65536};
    ssize_t n;
    ed_http1_begin(&a->head, a->fields);
    while ((n = ed_http1_response(&a->head, c->heard->ptr + c->at, unmet(c),
                                  &limits, c->step->to_head, false)) == 0) {
        if (!hear(c, PROMPT))
            return wrong(c, "an answer was expected");
    }
    if (n < 0)
        return wrong(c, "the answer is malformed");
    if (ed_buf_add(&a->raw, c->heard->ptr + c->at, (size_t)n))
        return false;
    c->at += (size_t)n;
    return true;
}

static bool take_body(struct client *c, struct answer *a, size_t len)
{
    if (ed_buf_add(&a->body, c->heard->ptr + c->at, len))
        return false;
    c->at += len;
    return true;
}

/* Steps of a chunked body; false with a->cut when it does not end. */
static bool read_chunked(struct client *c, struct answer *a)
{
    struct ed_http1_chunked chunked = {0};
    for (;;) {
        struct ed_bytes in = ed_bytes_of(c->heard->ptr + c->at, unmet(c));
        struct ed_bytes out;
        int event = ed_http1_chunked(&chunked, &in, &out, 8192);
        c->at = c->heard->len - in.len;
        if (event < 0)
            return wrong(c, "the answer's chunks are malformed");
        if (event == ED_CHUNK_END)
            return true;
        if (event != ED_CHUNK_MORE) {
            struct ed_buf *to =
                event == ED_CHUNK_DATA ? &a->body : &a->trailers;
            if (ed_buf_add(to, out.ptr, out.len))
                return false;
        } else if (!hear(c, PROMPT)) {
            a->cut = true;
            return true;
        }
    }
}

static bool read_body(struct client *c, struct answer *a)
{
    size_t length = (size_t)a->head.content_length;
    switch (a->head.body) {
    case ED_BODY_CHUNKED:
        return read_chunked(c, a);
    case ED_BODY_LENGTH:
        a->cut = !hear_at_least(c, length);
        return take_body(c, a, a->cut ? unmet(c) : length);
    case ED_BODY_UNTIL_CLOSE:
        while (hear(c, PROMPT))
            ;
        if (!c->ended)
            return wrong(c, "the connection's end was to end the body");
        return take_body(c, a, unmet(c));
    default:
        return true;
    }
}

/* Whether lines hold this "Name: value", or a field of this name. */
static bool has_field(const struct ed_buf *lines, struct ed_bytes wanted)
{
    struct ed_bytes rest = ed_buf_bytes(lines);
    bool by_name = !memchr(wanted.ptr, ':', wanted.len);
    while (rest.ptr) {
        struct ed_bytes line = ed_bytes_cut(&rest, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        struct ed_bytes value = line;
        struct ed_bytes name = ed_bytes_cut(&value, ':');
        if (ed_bytes_equal_nocase(by_name ? name : line, wanted))
            return true;
    }
    return false;
}

static bool check_clause(const struct client *c, const struct answer *a,
                         const struct clause *clause)
{
    struct ed_bytes text = ed_buf_bytes(&clause->text);
    char what[200];
    bool wanted = clause->kind != WITHOUT_FIELD;
    const struct ed_buf *lines =
        clause->kind == WITH_TRAILER ? &a->trailers : &a->raw;
    if (has_field(lines, text) == wanted)
        return true;
    snprintf(what, sizeof what, "the answer %s '%.*s'",
             wanted ? "lacks" : "should not have", (int)text.len, text.ptr);
    return wrong(c, what);
}

static bool check_answer(const struct client *c, const struct answer *a)
{
    const struct step *step = c->step;
    char what[80];
    if (a->head.status != step->status) {
        snprintf(what, sizeof what, "the status is %d, not %d", a->head.status,
                 step->status);
        return wrong(c, what);
    }
    if (a->cut != step->cut)
        return wrong(c, a->cut ? "the body is cut" : "the body is not cut");
    if (step->has_body &&
        !ed_bytes_equal(ed_buf_bytes(&a->body), ed_buf_bytes(&step->text))) {
        fprintf(stderr, "--- the body\n%.*s\n", (int)a->body.len, a->body.ptr);
        return wrong(c, "the body is another");
    }
    for (const struct clause *k = step->clauses; k; k = k->next) {
        if (!check_clause(c, a, k))
            return false;
    }
    return true;
}

static bool meet_answer(struct client *c)
{
    struct answer a = {0};
    bool well = read_head(c, &a) && read_body(c, &a) && check_answer(c, &a);
    ed_buf_free(&a.raw);
    ed_buf_free(&a.body);
    ed_buf_free(&a.trailers);
    return well;
}

static bool meet_close(struct client *c)
{
    if (hear(c, PROMPT) || unmet(c))
        return wrong(c, "nothing more was expected");
    return c->ended || wrong(c, "the server was to close");
}

static bool meet_close_after(struct client *c)
{
    struct ed_bytes text = ed_buf_bytes(&c->step->text);
    while (hear(c, PROMPT))
        ;
    if (!ed_bytes_starts(ed_bytes_of(c->heard->ptr + c->at, unmet(c)), text))
        return wrong(c, "other bytes were expected before the close");
    if (!c->ended)
        return wrong(c, "the server was to close");
    c->at = c->heard->len;
    return true;
}

static bool meet_silence(struct client *c)
{
    if (unmet(c) || hear(c, c->step->duration))
        return wrong(c, "silence was expected");
    return !c->ended || wrong(c, "the server closed");
}

/* ---- what the client does ---- */

static size_t piece_length(struct client *c, size_t at, size_t len)
{
    size_t left = len - at;
    size_t n = left;
    if (c->cut == CUT_BYTES)
        n = at >= EDGE && left > EDGE ? MIDDLE : 1;
    else if (c->cut > 0)
        n = 1 + test_random(&c->seed, left < 64 ? (uint32_t)left : 64) *
                    (at >= EDGE ? 50 : 1);
    return n < left ? n : left;
}

/* A server that has closed already is no failure: what it said before is what
 * the script judges. */
static int say(void *arg)
{
    struct client *c = arg;
    struct ed_bytes text = ed_buf_bytes(&c->step->text);
    for (size_t at = 0; at < text.len;) {
        size_t n = piece_length(c, at, text.len);
        int err = ed_stream_write(c->stream, text.ptr + at, n);
        if (err)
            return err;
        at += n;
        if (c->cut != CUT_NOT && (err = ed_sleep(A_MOMENT)))
            return err;
    }
    return 0;
}

static bool take_step(struct client *c)
{
    switch (c->step->kind) {
    case CLIENT_SENDS:
        if (ed_with_timeout(PROMPT, say, c) == ED_ETIMEOUT)
            return wrong(c, "the server does not read");
        return true;
    case CLIENT_WAITS:
        return !ed_sleep(c->step->duration);
    case CLIENT_HALF_CLOSES:
        return !ed_stream_shutdown(c->stream);
    case CLIENT_CLOSES:
        ed_stream_close(c->stream);
        c->stream = NULL;
        return !ed_sleep(A_MOMENT);
    case SERVER_SENDS:
        return meet_text(c, ed_buf_bytes(&c->step->text));
    case SERVER_SENDS_NOTHING:
        return meet_silence(c);
    case SERVER_ANSWERS:
        return meet_answer(c);
    case SERVER_CLOSES:
        return meet_close(c);
    case SERVER_CLOSES_AFTER:
        return meet_close_after(c);
    }
    return false;
}

/* After the last step nothing may be left over. */
static bool follow(struct client *c)
{
    for (c->step = c->dialogue->steps; c->step; c->step = c->step->next) {
        if (!take_step(c))
            return false;
        if (!c->step->next && c->stream && (unmet(c) || hear(c, A_MOMENT)))
            return wrong(c, "more came than the script has");
    }
    return true;
}

/* ---- around it ---- */

static void make_dates_equal(struct ed_buf *heard)
{
    static const struct ed_bytes name = ED_BYTES("\r\nDate: ");
    struct ed_bytes rest = ed_buf_bytes(heard);
    ssize_t found;
    while ((found = ed_bytes_find(rest, name)) >= 0) {
        size_t skip = (size_t)found + name.len;
        if (rest.len - skip < ED_HTTP_DATE_LEN)
            return;
        memset((char *)rest.ptr + skip, 'D', ED_HTTP_DATE_LEN);
        rest.ptr += skip;
        rest.len -= skip;
    }
}

static int serve(void *server)
{
    return ed_server_run(server);
}

/* The connection must be gone from the server soon after the client is. */
static bool all_is_gone(struct client *c, ed_server *server)
{
    struct ed_server_counts counts;
    ed_stream_close(c->stream);
    c->stream = NULL;
    if (ed_sleep(3 * ED_S))
        return false;
    ed_server_counts(server, &counts);
    if (!counts.open && !counts.in_flight)
        return true;
    fprintf(stderr, "%s: %s: %u connections are left, %u requests\n",
            c->dialogue->file, c->dialogue->name, counts.open,
            counts.in_flight);
    return false;
}

static bool hold(struct client *c, ed_server *server)
{
    char address[64];
    snprintf(address, sizeof address, "unix:@eddy-dialogue-%d", getpid());
    if (ed_server_listen(server, address)) {
        fprintf(stderr, "%s\n", ed_error());
        return false;
    }
    ed_scope(s, .name = "server");
    ed_go(s, serve, server);
    bool well = !ed_connect(&c->stream, address) && follow(c);
    well = all_is_gone(c, server) && well;
    ed_server_stop(server);
    int err = ed_wait(s);
    return well && !err;
}

bool dialogue_hold(const struct dialogue *d, int cut, struct ed_buf *heard)
{
    struct client client = {
        .dialogue = d,
        .step = d->steps,
        .cut = cut,
        .seed = (uint32_t)(cut > 0 ? cut * 7919 : 1),
        .heard = heard,
    };
    ed_server *server = ed_server_new_with(test_handler, &d->options);
    if (!server || ed_buf_reserve(heard, 1))
        return false;
    bool well = hold(&client, server);
    ed_server_free(server);
    make_dates_equal(heard);
    return well;
}
