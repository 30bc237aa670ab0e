/*
 * raw_ws.c - the least a WebSocket server on epoll can do: the limit for `ws`.
 *
 *     raw_ws --listen 127.0.0.1:8080
 *
 * On every path but one it sends back what it is sent, unmasked: what has come
 * in one read is answered by one send. On /broadcast it sends each message to
 * all who are connected there, one send after the other. It expects whole
 * frames and the one key the load generator has, looks neither at UTF-8 nor at
 * the rules of the protocol, and stops at the first surprise.
 */
#include "frames.h"
#include "raw.h"

#define ANSWER                                \
    "HTTP/1.1 101 Switching Protocols\r\n"    \
    "Upgrade: websocket\r\n"                  \
    "Connection: Upgrade\r\n"                 \
    "Sec-WebSocket-Accept: " WS_ACCEPT "\r\n" \
    "\r\n"
#define BROADCAST "GET /broadcast "

#define INPUT_MAX 16384

enum kind { NEW, ECHO, LISTENER };

/* By descriptor. */
static struct conn {
    enum kind kind;
    size_t at; /* in `listeners` */
} * conns;

static int *listeners; /* descriptors */
static size_t listener_count;

static void open_conn(int fd)
{
    conns[fd].kind = NEW;
}

static void close_conn(int fd)
{
    if (conns[fd].kind == LISTENER) {
        int last = listeners[--listener_count];

        listeners[conns[fd].at] = last;
        conns[last].at = conns[fd].at;
    }
    close(fd);
}

static void shake_hands(int fd, const uint8_t *p, size_t n)
{
    errno = 0;
    if (head_length((const char *)p, n) != n || !memmem(p, n, WS_KEY, 24))
        die("a handshake this server does not know: %.*s", (int)n, p);
    conns[fd].kind = ECHO;
    if (!memcmp(p, BROADCAST, sizeof BROADCAST - 1)) {
        conns[fd].kind = LISTENER;
        conns[fd].at = listener_count;
        listeners[listener_count++] = fd;
    }
    send_whole(fd, ANSWER, sizeof ANSWER - 1);
}

/* Makes of a client's frame the server's with the same message; returns its
 * length. */
static size_t reframe(uint8_t *out, const uint8_t *p, const struct ws_frame *f)
{
    size_t head = ws_write_head(out, f->first, f->payload);

    ws_mask(out + head, p + f->head, f->payload, p + f->head - WS_MASK_LEN);
    return head + f->payload;
}

static void broadcast(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < listener_count; i++)
        send_whole(listeners[i], (const char *)p, n);
}

/* Answers all frames of one read; false when one of them is the end. */
static bool answer(int fd, const uint8_t *p, size_t n)
{
    uint8_t out[INPUT_MAX];
    size_t at = 0, len = 0;

    while (at < n) {
        struct ws_frame f;

        errno = 0;
        if (!ws_read_frame(&f, p + at, n - at) || !f.masked)
            die("a frame that is not whole or not masked");
        if ((f.first & WS_OPCODE) == WS_CLOSE)
            return false;
        len += reframe(out + len, p + at, &f);
        at += f.head + f.payload;
    }
    if (conns[fd].kind == LISTENER)
        broadcast(out, len);
    else
        send_whole(fd, (const char *)out, len);
    return true;
}

static void serve(int fd)
{
    uint8_t input[INPUT_MAX];
    ssize_t n = recv(fd, input, sizeof input, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0 && conns[fd].kind == NEW)
        shake_hands(fd, input, (size_t)n);
    else if (n <= 0 || !answer(fd, input, (size_t)n))
        close_conn(fd);
}

int main(int argc, char **argv)
{
    const char *address = option(argv, "--listen");

    if (argc != 3 || !address)
        die("usage: raw_ws --listen 127.0.0.1:8080");
    conns = raw_table(sizeof *conns);
    listeners = raw_table(sizeof *listeners);
    raw_serve(address,
              &(struct raw_server){.opened = open_conn, .readable = serve});
}
