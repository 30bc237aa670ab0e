/*
 * broadcast.c - what it costs to say something to 10,000 WebSockets.
 *
 *     broadcast [--json]
 *
 * Beside it a loop of send() with the same bytes to the very same sockets: the
 * least that telling so many can cost. Both take turns, so what else the
 * machine does is the same for both; each figure is the least of several
 * rounds. What is measured is the time of this process on the processor; the
 * clients are in another.
 */
#include "bench.h"
#include "app/room.h"
#include "ws/conn.h"

#include <eddy/eddy.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

enum {
    CLIENTS = 10 * 1000,
    ROUNDS = 30,
    MESSAGE = 125, /* a line of a chat */
    LONG_MESSAGE = 2000,
};

#define KEY                                                        \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nHost: bench\r\n" \
    "Sec-WebSocket-Version: 13\r\n"                                \
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

static const char plain[] = "GET / HTTP/1.1\r\n" KEY "\r\n";
static const char deflated[] =
    "GET / HTTP/1.1\r\n" KEY "Sec-WebSocket-Extensions: permessage-deflate; "
    "server_no_context_takeover; client_no_context_takeover\r\n\r\n";

/* ---- the clients, in a process of their own ---- */

static int come(struct sockaddr_in *address, const char *request)
{
    char head[HEAD_MAX];
    size_t len = 0;
    int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

    must(connect(fd, (struct sockaddr *)address, sizeof(*address)), "connect");
    if (send(fd, request, strlen(request), 0) < 0)
        die("send");
    do {
        ssize_t n = recv(fd, head + len, sizeof(head) - 1 - len, 0);
        if (n <= 0)
            die("no handshake");
        len += (size_t)n;
        head[len] = '\0';
    } while (!strstr(head, "\r\n\r\n"));
    if (strncmp(head, "HTTP/1.1 101", 12) != 0)
        die("not accepted: %.40s", head);
    return fd;
}

/* Reads what comes, for ever, and keeps nothing of it. */
__attribute__((noreturn)) static void read_all(int epoll)
{
    static char bytes[64 * 1024];
    struct epoll_event events[256];

    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            ssize_t n = recv(events[i].data.fd, bytes, sizeof(bytes), 0);
            if (n == 0)
                exit(0);
        }
    }
}

__attribute__((noreturn)) static void be_clients(int port, const char *request)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int epoll = must(epoll_create1(0), "epoll_create1");

    for (int i = 0; i < CLIENTS; i++) {
        int fd = come(&address, request);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    read_all(epoll);
}

/* ---- measuring ---- */

static ed_room *room;

static int enter(ed_ws *ws)
{
    return ed_room_join(room, ws);
}

static int visit(ed_req *req)
{
    return ed_ws_serve(req, .on_open = enter);
}

static int64_t processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int sockets[CLIENTS];

static void find_sockets(void)
{
    int count = 0;

    ed_list_each (node, &room->sockets) {
        ed_stream *s = ED_CONTAINER(node, struct ed_member, node)->ws->stream;
        sockets[count++] = s->ops->fd(s);
    }
}

/* Until the clients have read all there is. */
static int settle(void)
{
    return ed_sleep(150 * ED_MS);
}

static int raw(struct ed_bytes frame, double *ns)
{
    int64_t began = processor_ns();

    for (int i = 0; i < CLIENTS; i++)
        if (send(sockets[i], frame.ptr, frame.len, MSG_NOSIGNAL) !=
            (ssize_t)frame.len)
            die("a client does not keep up");
    *ns = (double)(processor_ns() - began) / CLIENTS;
    return settle();
}

/* With what is put off to the end of the loop's turn. */
static int by_room(struct ed_bytes message, double *ns)
{
    int64_t began = processor_ns();
    int err = ed_room_send(room, message);

    if (!err)
        err = ed_yield();
    *ns = (double)(processor_ns() - began) / CLIENTS;
    return err ? err : settle();
}

static double least(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

struct costs {
    double raw, room;
};

/* `frame` is what goes over the wire for the message. */
static int compare(struct ed_bytes message, struct ed_bytes frame,
                   struct costs *out)
{
    double ns;
    int err = 0;

    *out = (struct costs){0};
    for (int i = 0; i < ROUNDS && !err; i++) {
        err = raw(frame, &ns);
        out->raw = least(out->raw, ns);
        if (!err)
            err = by_room(message, &ns);
        out->room = least(out->room, ns);
    }
    return err;
}

/* Text that compresses about as well as JSON does. */
static void fill(char *text, size_t len)
{
    static const char words[] = "{\"name\":\"Ada\",\"text\":\"hello there\"},";
    uint32_t seed = 1;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = i % 5 ? words[i % (sizeof(words) - 1)]
                        : (char)('a' + (seed >> 24) % 26);
    }
}

static struct costs short_costs, long_costs;

static int measure_short(void)
{
    char message[MESSAGE], frame[2 + MESSAGE] = {(char)0x81, (char)MESSAGE};

    fill(message, MESSAGE);
    memcpy(frame + 2, message, MESSAGE);
    return compare(ed_bytes_of(message, MESSAGE),
                   ed_bytes_of(frame, sizeof(frame)), &short_costs);
}

/* The raw loop sends what the room's compression makes of it. */
static int measure_long(void)
{
    char message[LONG_MESSAGE];
    static char frame[LONG_MESSAGE];

    fill(message, LONG_MESSAGE);
    /* About as long; what is in it does not matter to a client that reads
     * all. */
    size_t len = LONG_MESSAGE / 3;
    frame[0] = (char)0x82;
    frame[1] = 126;
    frame[2] = (char)((len - 4) >> 8);
    frame[3] = (char)(len - 4);
    return compare(ed_bytes_of(message, LONG_MESSAGE), ed_bytes_of(frame, len),
                   &long_costs);
}

static int serve(void *arg)
{
    return ed_server_run(arg);
}

static int with_clients(const char *request, int (*measure)(void))
{
    char address[ED_ADDR_TEXT];
    ed_server *server = ed_server_new(visit);

    room = ed_room_new(NULL, "bench");
    if (!server || !room)
        return ED_ENOMEM;
    int err = ed_server_listen(server, "127.0.0.1:0");
    if (err)
        return err;
    ed_server_address(server, 0, address);
    pid_t pid = must(fork(), "fork");
    if (!pid)
        be_clients((int)number(strrchr(address, ':') + 1, 1, 65535), request);
    {
        ed_scope(s, .name = "server");
        ed_go(s, serve, server);
        while (!err && ed_room_count(room) < CLIENTS)
            err = ed_sleep(10 * ED_MS);
        if (!err)
            err = settle();
        find_sockets();
        if (!err)
            err = measure();
        kill(pid, SIGKILL);
        ed_cancel(s);
    }
    ed_room_free(room);
    ed_server_free(server);
    return err;
}

static int measure(void *arg)
{
    (void)arg;
    int err = with_clients(plain, measure_short);

    return err ? err : with_clients(deflated, measure_long);
}

/* ---- telling ---- */

static void print_json(void)
{
    printf("{\"results\": ["
           "{\"name\": \"send() loop, 125 bytes\", \"value\": %.0f, \"unit\": "
           "\"ns\"}, "
           "{\"name\": \"room, 125 bytes\", \"value\": %.0f, \"unit\": "
           "\"ns\"}, "
           "{\"name\": \"a room's delivery to a send()\", \"value\": %.3f, "
           "\"unit\": \"x\", \"bar\": 1.3}, "
           "{\"name\": \"send() loop, 666 bytes\", \"value\": %.0f, \"unit\": "
           "\"ns\"}, "
           "{\"name\": \"room, 2,000 bytes, compressed once\", \"value\": "
           "%.0f, \"unit\": \"ns\"}]}\n",
           short_costs.raw, short_costs.room,
           short_costs.room / short_costs.raw, long_costs.raw, long_costs.room);
}

static void print_table(void)
{
    printf("processor time of one delivery, %d clients\n", CLIENTS);
    printf("%-40s %10.0f ns\n", "send() loop, 125 bytes", short_costs.raw);
    printf("%-40s %10.0f ns\n", "room, 125 bytes", short_costs.room);
    printf("%-40s %10.3f x  (at most 1.3)\n", "of it",
           short_costs.room / short_costs.raw);
    printf("%-40s %10.0f ns\n", "send() loop, 666 bytes", long_costs.raw);
    printf("%-40s %10.0f ns\n", "room, 2,000 bytes, compressed once",
           long_costs.room);
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");

    if (argc > 1 && !json) {
        fprintf(stderr, "usage: broadcast [--json]\n");
        return 2;
    }
    raise_descriptor_limit();
    ed_log_set_level(ED_LOG_ERROR);
    int err = ed_run(measure, NULL, .blocked_after = -1);
    if (err) {
        fprintf(stderr, "broadcast: %s\n", ed_err_text(err));
        return 1;
    }
    if (json)
        print_json();
    else
        print_table();
    return 0;
}
