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
#include "talk.h"

#include "../tests/support/http_handlers.h"

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

static ed_server *make_server(void)
{
    return ed_server_new(handler, .max_head = 4096, .max_line = 1024,
                         .max_body = 10000);
}

static void converse(struct talk *t)
{
    if (t->seed)
        t->peer->room = 0;
    memory_peer_say(t->peer, t->input);
    unsigned before = asked_count;
    talk_play(t);
    for (unsigned s = 0; t->peer->stream; s++) {
        CHECK(s < PATIENCE * (2 + asked_count - before));
        CHECK(!ed_sleep(ED_S));
        talk_play(t);
    }
    CHECK(t->peer->ended);
}

static void run(struct ed_bytes input, uint32_t seed, struct ed_buf *heard)
{
    struct talk t = {.input = input,
                     .seed = seed,
                     .make = make_server,
                     .converse = converse,
                     .heard = heard};
    asked_count = 0;
    talk(&t);
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
