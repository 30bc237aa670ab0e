/*
 * raw_front.c - the least a fan-out page can do: the limit for `fanout`.
 *
 *     raw_front --listen 127.0.0.1:8080 --backend http://127.0.0.1:9000/?ms=10
 *     curl 127.0.0.1:8080/fanout?n=20
 *
 * Fetches the backend n times at once and answers with the bodies joined, on
 * bare epoll: kept-alive backend connections on a last-in first-out stack, the
 * backend's request a constant, a client's request looked at only for `n`. It
 * trusts both sides and stops at the first surprise.
 */
#include "bench.h"
#include <sys/epoll.h>

#define FETCHES_MAX 1000
#define BODY_MAX    64

/* Either side of the front. The kind comes first: epoll gives back a pointer
 * to any of them. */
enum kind { LISTENER, CLIENT, BACKEND };

struct client {
    enum kind kind;
    int fd;
    bool gone;   /* hung up; freed when its last fetch is in */
    int pending; /* fetches not answered yet */
    size_t held;
    size_t body_len;
    char input[1024];
    char body[FETCHES_MAX * BODY_MAX];
};

struct backend {
    enum kind kind;
    int fd;
    struct client *client; /* whom it fetches for */
    struct backend *next;  /* in the stack of idle ones */
    size_t held;
    char input[1024];
};

static struct backend *idle;
static struct sockaddr_in backend_address;
static char fetch[512];
static size_t fetch_len;
static int epoll;

static void watch(int fd, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* A backend on loopback accepts at once: connecting may as well block. */
static struct backend *connect_backend(void)
{
    struct backend *b = calloc(1, sizeof *b);

    if (!b)
        die("calloc");
    b->kind = BACKEND;
    b->fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(connect(b->fd, (struct sockaddr *)&backend_address,
                 sizeof backend_address),
         "connect to the backend");
    set_nodelay(b->fd);
    watch(b->fd, b);
    return b;
}

static void start_fetch(struct client *c)
{
    struct backend *b = idle;

    if (b)
        idle = b->next;
    else
        b = connect_backend();
    b->client = c;
    b->held = 0;
    send_whole(b->fd, fetch, fetch_len);
}

static void free_client(struct client *c)
{
    close(c->fd);
    free(c);
}

static void answer(struct client *c)
{
    char out[256 + sizeof c->body];
    int head = snprintf(out, 256,
                        "HTTP/1.1 200 OK\r\n"
                        "Content-Type: text/plain\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        c->body_len);

    memcpy(out + head, c->body, c->body_len);
    send_whole(c->fd, out, (size_t)head + c->body_len);
}

/* Starts the fetches of the request held, if it is whole. A client here waits
 * for its answer before it asks again. */
static void start_request(struct client *c)
{
    size_t len = head_length(c->input, c->held);
    long n;

    if (!len)
        return;
    errno = 0;
    n = query_number(c->input, len, "n=", 1);
    if (n < 1 || n > FETCHES_MAX || c->pending || len != c->held)
        die("a request this front does not serve: %.*s", (int)len, c->input);
    c->held = 0;
    c->body_len = 0;
    c->pending = (int)n;
    while (n--)
        start_fetch(c);
}

static void read_client(struct client *c)
{
    ssize_t n = recv(c->fd, c->input + c->held, sizeof c->input - c->held, 0);

    if (n > 0) {
        c->held += (size_t)n;
        start_request(c);
    } else if (!c->pending) {
        free_client(c);
    } else {
        c->gone = true;
        must(epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL), "epoll_ctl");
    }
}

static void finish_fetch(struct backend *b, const char *body, size_t len)
{
    struct client *c = b->client;

    memcpy(c->body + c->body_len, body, len);
    c->body_len += len;
    b->client = NULL;
    b->next = idle;
    idle = b;
    if (--c->pending)
        return;
    if (c->gone)
        free_client(c);
    else
        answer(c);
}

static void read_backend(struct backend *b)
{
    ssize_t n = recv(b->fd, b->input + b->held, sizeof b->input - b->held, 0);
    size_t head;
    int64_t len;

    if (n <= 0 || !b->client)
        die("the backend hung up, or spoke unasked");
    b->held += (size_t)n;
    head = head_length(b->input, b->held);
    if (!head)
        return;
    len = content_length(b->input, head);
    errno = 0;
    if (len < 0 || len > BODY_MAX)
        die("a backend body of %lld bytes", (long long)len);
    if (b->held == head + (size_t)len)
        finish_fetch(b, b->input + head, (size_t)len);
}

static void accept_all(int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, 0)) >= 0) {
        /* Not cleared: most of a client is room for bodies it may not need. */
        struct client *c = malloc(sizeof *c);

        if (!c)
            die("malloc");
        c->kind = CLIENT;
        c->fd = fd;
        c->gone = false;
        c->pending = 0;
        c->held = 0;
        set_nodelay(fd);
        watch(fd, c);
    }
}

static void use_backend(const char *url)
{
    char host[64], path[256] = "/";

    errno = 0;
    if (sscanf(url, "http://%63[^/]%255s", host, path) < 1)
        die("'%s' is not a URL like http://127.0.0.1:9000/?ms=10", url);
    backend_address = parse_address(host);
    fetch_len = (size_t)snprintf(
        fetch, sizeof fetch, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host);
}

int main(int argc, char **argv)
{
    const char *address = option(argv, "--listen");
    const char *url = option(argv, "--backend");
    enum kind listener_kind = LISTENER;
    int listener;

    if (argc != 5 || !address || !url)
        die("usage: raw_front --listen ADDRESS --backend URL");
    raise_descriptor_limit();
    use_backend(url);
    listener = listen_on(address);
    epoll = must(epoll_create1(0), "epoll_create1");
    watch(listener, &listener_kind);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++) {
            enum kind *who = events[i].data.ptr;

            if (*who == BACKEND)
                read_backend((struct backend *)who);
            else if (*who == CLIENT)
                read_client((struct client *)who);
            else
                accept_all(listener);
        }
    }
}
