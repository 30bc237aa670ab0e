/*
 * fuzz_client_response.c - a server that answers a client with any bytes.
 *
 * The first byte chooses the request and how the answer is cut into pieces;
 * the rest is the answer, after which the connection ends. However it is cut,
 * the client must come to the same result, and nothing may stay open.
 */
#include "check.h"
#include "http/exchange.h"
#include <eddy/stream.h>
#include <string.h>
#include <unistd.h>

/* Of this process alone: fuzzers run side by side. */
static char address[64], url[80];

struct answer {
    const char *bytes;
    size_t len;
    size_t piece; /* sent at once */
    const char *method;
    bool stream;
    ed_listener *listener;

    int err;
    int status;
    uint64_t hash; /* of the body */
};

static int run_server(void *arg)
{
    struct answer *a = arg;
    struct ed_bytes head;
    ed_stream *s ED_STREAM_AUTO = NULL;

    int err = ed_accept(a->listener, &s);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 4096, &head);
    for (size_t at = 0; !err && at < a->len; at += a->piece) {
        size_t left = a->len - at;
        err = ed_stream_write(s, a->bytes + at,
                              left < a->piece ? left : a->piece);
        if (!err)
            err = ed_sleep(1);
    }
    return 0; /* the client may have hung up */
}

static void add(struct answer *a, const char *ptr, size_t len)
{
    for (size_t i = 0; i < len; i++)
        a->hash = (a->hash ^ (uint8_t)ptr[i]) * 0x100000001b3;
}

static int fetch(struct answer *a, ed_client *client)
{
    char piece[100];
    ssize_t n;
    ed_res *res;

    int err = ed_fetch(&res, url, .client = client, .method = a->method,
                       .stream = a->stream);
    if (err)
        return err;
    a->status = ed_res_status(res);
    add(a, ed_res_body(res).ptr, ed_res_body(res).len);
    if (!a->stream)
        return 0;
    while ((n = ed_res_read(res, piece, sizeof piece)) > 0)
        add(a, piece, (size_t)n);
    ed_res_close(res);
    return (int)n;
}

static int run_client(void *arg)
{
    struct answer *a = arg;
    struct ed_client_counts counts;
    ed_arena *arena = ed_arena_new(0);
    ed_client *client = ed_client_new(.max_body = 100000);

    CHECK(arena && client);
    ed_fiber_use_arena(arena);
    CHECK(ed_listen(&a->listener, address) == 0);
    {
        ed_scope(s);
        ed_go(s, run_server, a);
        a->err = fetch(a, client);
        ed_client_counts(client, &counts);
        CHECK(counts.open == counts.idle && counts.waiting == 0);
    }
    ed_listener_close(a->listener);
    ed_client_free(client);
    ed_fiber_use_arena(NULL);
    ed_arena_free(arena);
    return 0;
}

static void play(struct answer *a, size_t piece)
{
    a->piece = piece;
    a->hash = 0;
    a->status = 0;
    CHECK(ed_run(run_client, a, .virtual_clock = true) == 0);
}

/* What is wrong with a streamed body's coding is seen before or behind what is
 * wrong with its framing. */
static bool same_end(const struct answer *a, const struct answer *b)
{
    bool coding = a->err == ED_ECODING || b->err == ED_ECODING;

    return a->err == b->err || (a->stream && coding && a->err && b->err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    snprintf(address, sizeof address, "unix:/tmp/eddy-fuzz-%d", getpid());
    snprintf(url, sizeof url, "http+unix://%%2Ftmp%%2Feddy-fuzz-%d/", getpid());
    struct answer a = {
        .bytes = (const char *)data + 1,
        .len = size - 1,
        .method = data[0] & 1 ? "HEAD" : "GET",
        .stream = data[0] & 2,
    };
    struct answer b = a;
    play(&a, size);
    play(&b, 1 + (data[0] >> 2));
    CHECK(same_end(&a, &b));
    if (!a.err) {
        CHECK(a.status == b.status);
        CHECK(a.hash == b.hash);
    }
    return 0;
}
