/*
 * tunnel.c - asking a proxy for a connection to somewhere else.
 *
 * Every failure has a text that says what became of it; whoever asked adds
 * which proxy that was.
 */
#include "http/tunnel.h"
#include "wire/http1.h"
#include "wire/socks5.h"
#include <eddy/fiber.h>
#include <stdio.h>

/* A head of this many fields is sent by no proxy. */
enum { MAX_FIELDS = 64 };

static const struct ed_http1_limits LIMITS = {
    .max_line = ED_TUNNEL_HEAD_MAX,
    .max_fields = MAX_FIELDS,
    .max_head = ED_TUNNEL_HEAD_MAX,
};

/* The stream failed or ended: `err` may be 0. */
static int broke(int err)
{
    if (err == ED_ECANCELED || err == ED_ETIMEOUT)
        return err;
    if (!err || err == ED_EEOF)
        return ed_fail(ED_EPROXY, "the proxy closed the connection");
    return ed_fail(ED_EPROXY, "the connection to the proxy broke (%s)",
                   ed_err_text(err));
}

/* ---- HTTP ---- */

static int ask_http(ed_stream *s, struct ed_bytes authority,
                    struct ed_bytes authorization, struct ed_bytes user_agent)
{
    struct ed_buf head = {0};
    int err = ed_buf_addf(&head, "CONNECT %.*s HTTP/1.1\r\nHost: %.*s\r\n",
                          (int)authority.len, authority.ptr, (int)authority.len,
                          authority.ptr);

    if (!err && user_agent.len)
        err = ed_buf_addf(&head, "User-Agent: %.*s\r\n", (int)user_agent.len,
                          user_agent.ptr);
    if (!err && authorization.len)
        err = ed_buf_addf(&head, "Proxy-Authorization: %.*s\r\n",
                          (int)authorization.len, authorization.ptr);
    if (!err)
        err = ed_buf_addf(&head, "\r\n");
    if (!err)
        err = ed_stream_write(s, head.ptr, head.len);
    ed_buf_free(&head);
    return err;
}

static int judge(const struct ed_http1_head *head, const char *bytes,
                 const struct ed_proxy *proxy)
{
    struct ed_bytes reason = ed_http1_bytes(bytes, head->reason);

    if (head->status >= 200 && head->status < 300)
        return 0;
    if (head->status == 407)
        return ed_fail(ED_EPROXY, proxy->user
                                      ? "the proxy refused user name and "
                                        "password (407)"
                                      : "the proxy wants to know who asks "
                                        "(407)");
    if (head->status == 403)
        return ed_fail(ED_EPROXY,
                       "the proxy does not allow the connection (403)");
    return ed_fail(ED_EPROXY, "the proxy answered CONNECT with %u %.*s",
                   head->status, (int)(reason.len < 60 ? reason.len : 60),
                   reason.ptr);
}

/* An answer being read. */
struct answer {
    struct ed_http1_head head;
    struct ed_http1_field fields[MAX_FIELDS];
    size_t begin, end; /* what came of the head that is next */
    char bytes[ED_TUNNEL_HEAD_MAX];
};

/* Reads on in what came. 1 when the final head is whole, 0 when more is needed,
 * or ED_EPROXY. */
static int read_heads(struct answer *a, const struct ed_proxy *proxy)
{
    for (;;) {
        const char *bytes = a->bytes + a->begin;
        ssize_t n = ed_http1_response(&a->head, bytes, a->end - a->begin,
                                      &LIMITS, false, true);
        if (n == 0)
            return 0;
        if (n < 0)
            return ed_fail(ED_EPROXY, "the proxy does not speak HTTP: %s",
                           a->head.error);
        a->begin += (size_t)n;
        if (a->head.status < 200) {
            ed_http1_begin(&a->head, a->fields);
            continue;
        }
        int err = judge(&a->head, bytes, proxy);
        /* What came in the clear would be taken for protected bytes. */
        if (!err && a->begin < a->end)
            err = ed_fail(ED_EPROXY, "the proxy sent more than its answer");
        return err ? err : 1;
    }
}

static int read_answer(ed_stream *s, const struct ed_proxy *proxy)
{
    struct answer a;
    int got = 0;

    ed_http1_begin(&a.head, a.fields);
    a.begin = a.end = 0;
    while (!got) {
        if (a.end == sizeof(a.bytes))
            return ed_fail(ED_EPROXY, "the proxy's answer is too long");
        ssize_t n = ed_stream_read(s, a.bytes + a.end, sizeof(a.bytes) - a.end);
        if (n <= 0)
            return broke((int)n);
        a.end += (size_t)n;
        got = read_heads(&a, proxy);
    }
    return got > 0 ? 0 : got;
}

int ed_tunnel_http(ed_stream *s, const struct ed_proxy *proxy,
                   struct ed_bytes authority, struct ed_bytes authorization,
                   struct ed_bytes user_agent)
{
    int err = ask_http(s, authority, authorization, user_agent);

    if (err == ED_ENOMEM)
        return ed_fail(err, "no memory to ask the proxy");
    return err ? broke(err) : read_answer(s, proxy);
}

/* ---- SOCKS5 ---- */

/* The parts of an address as the codec wants them. */
static struct ed_bytes bytes_of(const struct ed_addr *address)
{
    if (address->any.sa_family == AF_INET)
        return ed_bytes_of(&address->v4.sin_addr, 4);
    return ed_bytes_of(&address->v6.sin6_addr, 16);
}

/* Receives until the codec has a step to take. A byte at a time, since what is
 * behind the last answer is for others: all of it is a dozen bytes. */
static int await_step(ed_stream *s, struct ed_socks5 *socks)
{
    int step = ED_SOCKS5_MORE;

    while (step == ED_SOCKS5_MORE) {
        char byte;
        struct ed_bytes in = {&byte, 1};
        ssize_t n = ed_stream_read(s, &byte, 1);
        if (n <= 0)
            return broke((int)n);
        step = ed_socks5_read(socks, &in);
    }
    return step < 0 ? ed_fail(step, "%s", socks->error) : step;
}

int ed_tunnel_socks5(ed_stream *s, const struct ed_proxy *proxy,
                     struct ed_bytes host, uint16_t port,
                     const struct ed_addr *address)
{
    struct ed_socks5 socks;
    int step;

    socks.user = ed_bytes(proxy->user);
    socks.password = ed_bytes(proxy->password);
    socks.is_address = address->len != 0;
    socks.host = address->len ? bytes_of(address) : host;
    socks.port = port;
    ed_socks5_begin(&socks);
    do {
        int err = ed_stream_write(s, socks.out, socks.out_len);
        if (err)
            return broke(err);
        step = await_step(s, &socks);
    } while (step == ED_SOCKS5_SEND);
    return step < 0 ? step : 0;
}
