/*
 * fuzz_connect.c - a proxy that answers CONNECT with any bytes.
 *
 * The first byte says how they are cut into pieces. However they are cut, they
 * mean the same, and only an answer of 2xx that is whole, with nothing behind
 * it, is taken for a connection.
 */
#include "check.h"
#include "http/tunnel.h"
#include <eddy/fiber.h>
#include <unistd.h>

struct talk {
    const char *bytes;
    size_t len;
    size_t piece; /* sent at once */
    ed_stream *proxy;
    int err;
};

static int answer(void *arg)
{
    struct talk *t = arg;
    struct ed_bytes head;

    int err = ed_stream_read_until(t->proxy, ED_BYTES("\r\n\r\n"), 4096, &head);
    CHECK(err || ed_bytes_starts(head, ED_BYTES("CONNECT a.org:443 HTTP/1.1")));
    for (size_t at = 0; !err && at < t->len; at += t->piece) {
        size_t left = t->len - at;
        err = ed_stream_write(t->proxy, t->bytes + at,
                              left < t->piece ? left : t->piece);
        if (!err)
            err = ed_sleep(1);
    }
    ed_stream_close(t->proxy);
    return 0; /* the client may have hung up */
}

static int talk(void *arg)
{
    static const struct ed_proxy proxy = {.authorization = NULL};
    struct talk *t = arg;
    ed_stream *s;

    CHECK(ed_stream_pair(&s, &t->proxy) == 0);
    ed_scope(scope);
    ed_go(scope, answer, t);
    t->err = ed_tunnel_http(s, &proxy, ED_BYTES("a.org:443"),
                            ED_BYTES("Basic bWU="), ED_BYTES("eddy"));
    CHECK(t->err == 0 || (t->err == ED_EPROXY && *ed_error()));
    ed_stream_close(s);
    return ed_wait(scope);
}

static int play(const uint8_t *data, size_t size, size_t piece)
{
    struct talk t = {
        .bytes = (const char *)data + 1,
        .len = size - 1,
        .piece = piece,
    };

    CHECK(ed_run(talk, &t, .virtual_clock = true) == 0);
    return t.err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    int err = play(data, size, size);
    /* What is behind the answer may come when nobody looks any more. */
    int cut = play(data, size, 1 + data[0]);
    CHECK(err == cut || (err && !cut));
    if (!err)
        CHECK(!memcmp(data + 1, "HTTP/1.", 7));
    return 0;
}
