/*
 * slow_backend.c - a service that takes its time: the backend of `fanout`.
 *
 *     slow_backend --listen 127.0.0.1:9000
 *     curl '127.0.0.1:9000/?ms=10'        ok, ten milliseconds later
 *
 * Shares a core with the load generator, so it must be cheap with thousands
 * of answers pending. Answers with the same delay fall due in the order they
 * were asked for: each delay is a lane, first in, first out, and arming a
 * timer is appending to its lane. Only the heads of lanes are ever compared.
 */
#include "bench.h"
#include <sys/epoll.h>
#include <sys/prctl.h>

#define ANSWER                     \
    "HTTP/1.1 200 OK\r\n"          \
    "Content-Type: text/plain\r\n" \
    "Content-Length: 3\r\n"        \
    "\r\n"                         \
    "ok\n"

/* A minute is longer than any benchmark waits for one answer. */
#define DELAY_MAX_MS 60000
/* Distinct delays in one run; the heads of all of them are scanned. */
#define LANES_MAX 64

struct conn {
    struct conn *next; /* in its lane */
    int64_t due_ns;
    int fd;
    bool waiting; /* in a lane */
    bool gone;    /* closed by its client while waiting */
    size_t held;
    char input[1024]; /* a request, perhaps the start of the next */
};

static struct lane {
    long ms;
    struct conn *first, *last;
} lanes[LANES_MAX];
static int lanes_used;

static struct lane *lane_for(long ms)
{
    for (int i = 0; i < lanes_used; i++)
        if (lanes[i].ms == ms)
            return &lanes[i];
    errno = 0;
    if (lanes_used == LANES_MAX)
        die("more than %d distinct delays", LANES_MAX);
    lanes[lanes_used].ms = ms;
    return &lanes[lanes_used++];
}

static void answer_later(struct conn *c, long ms)
{
    struct lane *lane = lane_for(ms);

    c->due_ns = now_ns() + ms * 1000000;
    c->waiting = true;
    c->next = NULL;
    if (lane->first)
        lane->last->next = c;
    else
        lane->first = c;
    lane->last = c;
}

/* Starts on the next whole request, if one is held and none is under way. */
static void next_request(struct conn *c)
{
    size_t len = head_length(c->input, c->held);
    long ms;

    errno = 0;
    if (c->waiting || (!len && c->held < sizeof c->input))
        return;
    if (!len)
        die("a request longer than %zu bytes", sizeof c->input);
    ms = query_number(c->input, len, "ms=", 0);
    if (ms < 0 || ms > DELAY_MAX_MS)
        die("a delay of %ld ms", ms);
    c->held -= len;
    memmove(c->input, c->input + len, c->held);
    answer_later(c, ms);
}

static void answer_due(struct lane *lane, int64_t now)
{
    while (lane->first && lane->first->due_ns <= now) {
        struct conn *c = lane->first;

        lane->first = c->next;
        c->waiting = false;
        if (c->gone) {
            close(c->fd);
            free(c);
            continue;
        }
        send_whole(c->fd, ANSWER, sizeof ANSWER - 1);
        next_request(c);
    }
}

/* Answers what is due; nanoseconds until the next one is, or -1 for never. */
static int64_t answer_all_due(void)
{
    int64_t now = now_ns();
    int64_t next = INT64_MAX;

    for (int i = 0; i < lanes_used; i++) {
        answer_due(&lanes[i], now);
        if (lanes[i].first && lanes[i].first->due_ns < next)
            next = lanes[i].first->due_ns;
    }
    if (next == INT64_MAX)
        return -1;
    return next > now ? next - now : 0;
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);

        if (!c)
            die("calloc");
        c->fd = fd;
        set_nodelay(fd);
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
                       &(struct epoll_event){.events = EPOLLIN, .data.ptr = c}),
             "epoll_ctl");
    }
}

static void drop(struct conn *c, int epoll)
{
    if (c->waiting) {
        /* Still in its lane: silenced now, freed when it falls due. */
        c->gone = true;
        must(epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL), "epoll_ctl");
        return;
    }
    close(c->fd);
    free(c);
}

static void serve(struct conn *c, int epoll)
{
    ssize_t n = recv(c->fd, c->input + c->held, sizeof c->input - c->held, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        drop(c, epoll);
        return;
    }
    c->held += (size_t)n;
    next_request(c);
}

int main(int argc, char **argv)
{
    const char *address = option(argv, "--listen");
    int epoll, listener;

    if (argc != 3 || !address)
        die("usage: slow_backend --listen 127.0.0.1:9000");
    raise_descriptor_limit();
    /* The default slack of 50 us would be in every latency measured. */
    must(prctl(PR_SET_TIMERSLACK, 1), "prctl");

    listener = listen_on(address);
    epoll = must(epoll_create1(0), "epoll_create1");
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener,
                   &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL}),
         "epoll_ctl");
    for (;;) {
        struct epoll_event events[256];
        int64_t wait_ns = answer_all_due();
        struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};
        int n =
            epoll_pwait2(epoll, events, 256, wait_ns < 0 ? NULL : &wait, NULL);

        for (int i = 0; i < n; i++)
            if (events[i].data.ptr)
                serve(events[i].data.ptr, epoll);
            else
                accept_all(epoll, listener);
    }
}
