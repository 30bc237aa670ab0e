/*
 * raw_epoll.c - the least a server on epoll can do: the limit for `pong`.
 *
 *     raw_epoll --listen 127.0.0.1:8080
 *
 * Reads, counts the empty lines that end a request without a body, and sends
 * that many copies of one answer in one call. It parses nothing, allocates
 * nothing per request and would not do as a server; what another server costs
 * above it is what its parsing, routing and bookkeeping cost.
 */
#include "raw.h"

#define ANSWER                                \
    "HTTP/1.1 200 OK\r\n"                     \
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" \
    "Content-Type: text/plain\r\n"            \
    "Content-Length: 14\r\n"                  \
    "\r\n"                                    \
    "Hello, world!\n"
#define ANSWER_LEN (sizeof ANSWER - 1)

/* One read answers at most this many requests in one send. The shortest
 * request a client can send, "GET / HTTP/1.1" and two line ends, is 18 bytes;
 * a read of 16 KiB holds fewer than 1,024 of them. */
#define ANSWERS_MAX 1024

/* The only state a connection has is how much of "\r\n\r\n" it has seen. */
static unsigned char *matched;
static char answers[ANSWERS_MAX * ANSWER_LEN];

static void open_conn(int fd)
{
    matched[fd] = 0;
}

/* Counts the requests that end in these bytes. Most reads end exactly with a
 * request, but one may be cut anywhere. */
static size_t count_requests(int fd, const char *p, size_t n)
{
    static const char end[] = "\r\n\r\n";
    unsigned at = matched[fd];
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (at == 0) {
            const char *next = memchr(p + i, '\r', n - i);

            if (!next)
                break;
            i = (size_t)(next - p);
        }
        at = p[i] == end[at] ? at + 1 : p[i] == '\r';
        if (at == 4) {
            at = 0;
            count++;
        }
    }
    matched[fd] = (unsigned char)at;
    return count;
}

static void serve(int fd)
{
    char input[16384];
    ssize_t n = recv(fd, input, sizeof input, 0);
    size_t count;

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            close(fd);
        return;
    }
    count = count_requests(fd, input, (size_t)n);
    if (count)
        send_whole(fd, answers, count * ANSWER_LEN);
}

int main(int argc, char **argv)
{
    const char *address = option(argv, "--listen");

    if (argc != 3 || !address)
        die("usage: raw_epoll --listen 127.0.0.1:8080");
    matched = raw_table(sizeof *matched);
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        memcpy(answers + i * ANSWER_LEN, ANSWER, ANSWER_LEN);
    raw_serve(address,
              &(struct raw_server){.opened = open_conn, .readable = serve});
}
