/*
 * peer.h - a scripted server in the loop of the test.
 *
 *     struct peer p = {.scripts = {SCRIPT("<", ">HTTP/1.1 204 No\r\n\r\n")}};
 *     peer_open(&p);
 *     ... requests to p.url ...
 *     peer_close(&p);
 *
 * The n-th connection plays the n-th script, those after the last one the last
 * one again. A script's lines:
 *
 *     <       reads a request head, which is added to p.seen
 *     <N      reads N bytes, which are added to p.seen as well
 *     >TEXT   sends the text
 *     *TEXT   sends the text byte by byte, each with a turn for the client
 *     ~MS     sleeps
 *     xHEX    sends the bytes
 *     T       begins TLS, as a server with p.tls; again for TLS within TLS
 *     |       ends the sending side
 *     c       ends the connection's sending side, TLS or not: a cut
 *     !       closes the connection with a reset
 *     r       resets it at once, TLS or not
 *
 * At its end the connection is closed, unless the last line is "=": then it
 * stays until the client closes it.
 */
#ifndef EDDY_TESTS_HTTP_PEER_H
#define EDDY_TESTS_HTTP_PEER_H

#include "../../fiber_test.h"
#include "held.h"
#include "net/stream.h"
#include <eddy/stream.h>
#include <eddy/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})

enum { PEER_SCRIPTS = 8 };

struct peer {
    const char *const *scripts[PEER_SCRIPTS];
    /* Listens on a Unix socket, which the kernel moves bytes through at once:
     * a virtual clock does not wait for TCP's own timers. */
    bool large;
    ed_tls *tls;    /* of 'T' */
    bool https;     /* the URL is */
    int tls_result; /* of the last 'T' */
    unsigned accepted;
    unsigned open;
    struct ed_buf seen;
    ed_listener *listener;
    char host[ED_ADDR_TEXT];
    char url[ED_ADDR_TEXT + 32];
    struct ed_scope_store store;
    ed_scope *scope;
};

static inline const char *const *peer_script(struct peer *p)
{
    unsigned n = p->accepted++;

    while (n >= PEER_SCRIPTS || (n && !p->scripts[n]))
        n--;
    return p->scripts[n];
}

static inline int peer_see(struct peer *p, ed_stream *s, const char *count)
{
    char bytes[4096];
    struct ed_bytes head;

    if (!*count) {
        int err = ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 65536, &head);
        return err ? err : ed_buf_add(&p->seen, head.ptr, head.len);
    }
    for (size_t left = (size_t)strtoul(count, NULL, 10); left;) {
        size_t n = left < sizeof(bytes) ? left : sizeof(bytes);
        int err = ed_stream_read_exactly(s, bytes, n);
        if (!err)
            err = ed_buf_add(&p->seen, bytes, n);
        if (err)
            return err;
        left -= n;
    }
    return 0;
}

static inline int peer_dribble(ed_stream *s, const char *text)
{
    int err = 0;

    for (; *text && !err; text++) {
        err = ed_stream_write(s, text, 1);
        if (!err)
            err = ed_sleep(1);
    }
    return err;
}

static inline int peer_reset(ed_stream *s)
{
    struct linger at_once = {.l_onoff = 1};

    return setsockopt(s->ops->fd(s), SOL_SOCKET, SO_LINGER, &at_once,
                      sizeof(at_once));
}

static inline int peer_send_hex(ed_stream *s, const char *hex)
{
    char bytes[256];
    size_t len = 0;

    for (; hex[0] && hex[1] && len < sizeof(bytes); hex += 2) {
        char byte[] = {hex[0], hex[1], '\0'};
        bytes[len++] = (char)strtoul(byte, NULL, 16);
    }
    return ed_stream_write(s, bytes, len);
}

static inline int peer_line(struct peer *p, ed_stream **stream,
                            const char *line)
{
    ed_stream *s = *stream;
    char byte;

    switch (*line) {
    case 'x':
        return peer_send_hex(s, line + 1);
    case 'T':
        return p->tls_result = ed_start_tls(stream, p->tls);
    case 'r':
        return connect(s->ops->fd(s),
                       &(struct sockaddr){.sa_family = AF_UNSPEC},
                       sizeof(struct sockaddr));
    case 'c':
        return shutdown(s->ops->fd(s), SHUT_WR);
    case '<':
        return peer_see(p, s, line + 1);
    case '>':
        return ed_stream_write(s, line + 1, strlen(line + 1));
    case '*':
        return peer_dribble(s, line + 1);
    case '~':
        return ed_sleep(strtol(line + 1, NULL, 10) * ED_MS);
    case '|':
        return ed_stream_shutdown(s);
    case '!':
        return peer_reset(s);
    case '=':
        while (ed_stream_read(s, &byte, 1) > 0)
            ;
    }
    return 0;
}

struct peer_conn {
    struct peer *peer;
    ed_stream *stream;
};

static inline int peer_serve(void *arg)
{
    struct peer_conn *conn = arg;
    struct peer *p = conn->peer;
    const char *const *line = peer_script(p);
    int err = 0;

    p->open++;
    while (*line && !err)
        err = peer_line(p, &conn->stream, *line++);
    ed_stream_close(conn->stream);
    p->open--;
    return 0;
}

/* ed_accept_each() would close the stream that TLS has taken over. */
static inline int peer_run(void *arg)
{
    struct peer_conn conn = {.peer = arg};
    int err;

    ed_scope(s, .independent = true);
    while (!(err = ed_accept(conn.peer->listener, &conn.stream))) {
        err = ed_go_copy(s, peer_serve, &conn, sizeof(conn));
        if (err) {
            ed_stream_close(conn.stream);
            break;
        }
    }
    return err;
}

/* The address of a Unix socket of this process, and its URL. */
struct unix_name {
    char address[64];
    char url[80];
};

static inline struct unix_name unix_name(void)
{
    struct unix_name name;
    static int count;

    snprintf(name.address, sizeof(name.address), "unix:/tmp/eddy-test-%d-%d",
             getpid(), ++count);
    snprintf(name.url, sizeof(name.url), "http+unix://%%2Ftmp%%2F%s/",
             strrchr(name.address, '/') + 1);
    return name;
}

static inline void peer_open(struct peer *p)
{
    struct unix_name name = unix_name();

    check_int(ed_listen(&p->listener, p->large ? name.address : "127.0.0.1:0"),
              0);
    ed_listener_local(p->listener, p->host);
    snprintf(p->url, sizeof(p->url), "http%s://%s/", p->https ? "s" : "",
             p->host);
    if (p->large)
        snprintf(p->url, sizeof(p->url), "%s", name.url);
    p->scope = ed_scope_enter_(&p->store,
                               ED_OPTIONS(struct ed_scope_options,
                                          .name = "peer", .independent = true));
    ed_go(p->scope, peer_run, p);
}

static inline void peer_close(struct peer *p)
{
    ed_cancel(p->scope);
    ed_scope_leave_(&p->scope);
    ed_listener_close(p->listener);
    ed_buf_free(&p->seen);
}

static inline const char *peer_seen(const struct peer *p)
{
    return p->seen.ptr ? p->seen.ptr : "";
}

/* Lets everything happen that can happen at once. */
static inline void settle(void)
{
    check_int(ed_sleep(1), 0);
}

#endif
