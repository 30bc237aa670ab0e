/*
 * fuzz_server.c - arbitrary bytes from a client to a whole HTTP/1 server.
 *
 * The first byte says how the others are cut, and how slowly replies are
 * taken; the rest goes to a server with a handler of every kind, over a stream
 * in memory and under a virtual clock. Whatever comes:
 *
 * - the server's side reads as a sequence of well-formed replies, of which
 *   only the last may be cut;
 * - sent in one piece or in many, the replies are the same;
 * - the connection ends, and nothing is left of it.
 */
#include "check.h"

#include "core/loop_internal.h"
#include "http/h1.h"
#include "../tests/support/http_handlers.h"
#include "../tests/support/memory_stream.h"

#include <eddy/log.h>

enum {
    MAX_REQUESTS = 4096,
    MAX_FIELDS = 100,
    /* Virtual seconds until a connection must have ended: each request may
     * take the minute of the slowest handler. */
    PATIENCE = 100,
};

/* What the handlers were asked, in order: how a reply is framed depends on
 * the method. */
static struct {
    bool head, connect;
} asked[MAX_REQUESTS];
static unsigned asked_count;

static int handler(ed_req *req)
{
    const char *method = ed_req_method(req);
    if (asked_count < MAX_REQUESTS) {
        asked[asked_count].head = !strcmp(method, "HEAD");
        asked[asked_count].connect = !strcmp(method, "CONNECT");
    }
    asked_count++;
    return test_handler(req);
}

/* ---- one connection ---- */

struct run {
    struct ed_bytes input;
    uint32_t seed; /* 0: all at once */
    ed_server *server;
    struct memory_peer *peer;
    struct ed_timer timer;
    bool delivered;
    struct ed_buf *heard;
};

/* A number from 1 to `most` that depends on the seed alone. */
static size_t choose(struct run *r, size_t most)
{
    r->seed = r->seed * 1664525 + 1013904223;
    return 1 + (r->seed >> 8) % most;
}

static void deliver(struct ed_timer *timer)
{
    struct run *r = ED_CONTAINER(timer, struct run, timer);
    size_t most = ED_SCRATCH_BYTES;
    if (r->seed) {
        most = choose(r, choose(r, 4) == 1 ? 1000 : 8);
        if (r->peer->room < SIZE_MAX / 2)
            r->peer->room += choose(r, 5000);
    }
    r->delivered = memory_peer_deliver(r->peer, most);
}

/* Lets the client's side happen for as long as there is anything to do. */
static void play(struct run *r)
{
    do {
        CHECK(!ed_timer_start(ed_loop_current(), &r->timer, ed_now()));
        CHECK(!ed_sleep(1));
    } while (r->delivered);
}

static int serve(void *server)
{
    return ed_server_run(server);
}

static void converse(struct run *r)
{
    ed_h1_open(r->server, r->peer->stream);
    if (r->seed)
        r->peer->room = 0;
    memory_peer_say(r->peer, r->input);
    unsigned before = asked_count;
    play(r);
    for (unsigned s = 0; r->peer->stream; s++) {
        CHECK(s < PATIENCE * (2 + asked_count - before));
        CHECK(!ed_sleep(ED_S));
        play(r);
    }
    CHECK(r->peer->ended);
}

static int run_body(void *arg)
{
    struct run *r = arg;
    struct ed_server_counts counts;
    size_t fibers = ed_loop_current()->fiber_count;
    r->server = ed_server_new(handler, .max_head = 4096, .max_line = 1024,
                              .max_body = 10000);
    r->peer = memory_peer_new();
    r->timer.fire = deliver;
    CHECK(r->server && r->peer);
    ed_scope(s);
    ed_go(s, serve, r->server);
    CHECK(!ed_yield());
    converse(r);
    ed_server_counts(r->server, &counts);
    CHECK(!counts.open && !counts.in_flight);
    ed_server_stop(r->server);
    CHECK(!ed_wait(s));
    CHECK(ed_loop_current()->fiber_count == fibers);
    ed_server_free(r->server);
    *r->heard = r->peer->heard;
    r->peer->heard = (struct ed_buf){0};
    memory_peer_free(r->peer);
    return 0;
}

static void run(struct ed_bytes input, uint32_t seed, struct ed_buf *heard)
{
    struct run r = {.input = input, .seed = seed, .heard = heard};
    asked_count = 0;
    CHECK(!ed_run(run_body, &r, .virtual_clock = true, .blocked_after = -1));
}

/* ---- what was heard ---- */

static void make_dates_equal(struct ed_buf *heard)
{
    static const struct ed_bytes name = ED_BYTES("\r\nDate: ");
    struct ed_bytes rest = ed_buf_bytes(heard);
    ssize_t at;
    while (rest.len && (at = ed_bytes_find(rest, name)) >= 0) {
        size_t skip = (size_t)at + name.len;
        if (rest.len - skip < ED_HTTP_DATE_LEN)
            return; /* the client's own words, sent back */
        memset((char *)rest.ptr + skip, 'D', ED_HTTP_DATE_LEN);
        rest.ptr += skip;
        rest.len -= skip;
    }
}

/* Goes behind a body; false when that takes all there is. */
static bool skip_body(struct ed_bytes *rest, const struct ed_http1_head *head)
{
    struct ed_http1_chunked chunked = {0};
    struct ed_bytes piece;
    int event;
    switch (head->body) {
    case ED_BODY_NONE:
        return true;
    case ED_BODY_LENGTH:
        if (rest->len < head->content_length)
            return false;
        rest->ptr += head->content_length;
        rest->len -= head->content_length;
        return true;
    case ED_BODY_CHUNKED:
        do
            event = ed_http1_chunked(&chunked, rest, &piece, 4096);
        while (event == ED_CHUNK_DATA || event == ED_CHUNK_TRAILER);
        CHECK(event >= 0);
        return event == ED_CHUNK_END;
    default:
        return false;
    }
}

static void check_replies(struct ed_bytes rest)
{
    static const struct ed_http1_limits limits = {8192, MAX_FIELDS, 65536};
    struct ed_http1_field fields[MAX_FIELDS];
    struct ed_http1_head head;
    unsigned n = 0;
    while (rest.len) {
        bool known = n < asked_count && n < MAX_REQUESTS;
        bool to_head = known && asked[n].head;
        bool to_connect = known && asked[n].connect;
        ed_http1_begin(&head, fields);
        ssize_t len = ed_http1_response(&head, rest.ptr, rest.len, &limits,
                                        to_head, to_connect);
        CHECK(len > 0);
        rest.ptr += len;
        rest.len -= (size_t)len;
        if (head.status == 101 || (to_connect && head.status < 300))
            return; /* another protocol */
        if (head.status < 200)
            continue;
        n++;
        if (!skip_body(&rest, &head))
            return;
        CHECK(head.keep_alive || !rest.len);
    }
    CHECK(n <= asked_count + 1); /* and at most one refusal */
}

static bool tells_secret(struct ed_bytes text)
{
    return text.len && ed_bytes_find(text, ed_bytes(TEST_SECRET)) >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ed_buf whole = {0};
    struct ed_buf cut = {0};
    if (!len)
        return 0;
    ed_log_set_level(ED_LOG_OFF);
    struct ed_bytes input = ed_bytes_of((const char *)data + 1, len - 1);
    run(input, 0, &whole);
    check_replies(ed_buf_bytes(&whole));
    make_dates_equal(&whole);
    /* Unless the client itself has said it. */
    CHECK(tells_secret(input) || !tells_secret(ed_buf_bytes(&whole)));
    run(input, 1u + data[0], &cut);
    make_dates_equal(&cut);
    CHECK(ed_bytes_equal(ed_buf_bytes(&whole), ed_buf_bytes(&cut)));
    ed_buf_free(&whole);
    ed_buf_free(&cut);
    return 0;
}
