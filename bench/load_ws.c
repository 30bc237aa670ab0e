/*
 * load_ws.c - the load generator for WebSockets.
 *
 *     load_ws [-c CONNECTIONS] [-m BYTES] [-d DEPTH] [-t SECONDS]
 *             [-w WARM-UP SECONDS] [--broadcast] [--watch PID,PID...]
 *             ws://127.0.0.1:8080/path
 *     load_ws --idle [--deflate] [-c CONNECTIONS] [-m BYTES] URL
 *
 * Closed loop: each connection sends a text message, or DEPTH of them together,
 * when all it has sent have come back, and every message is another. With
 * --broadcast the first connection sends, and sends again when all of them have
 * been sent what it said: an answer is a message at one of them, and the time
 * measured begins and ends between two messages, when the server has nothing
 * left to do.
 *
 * Prints one JSON object; load.h says what is in it and how it is measured.
 *
 * --idle opens the connections, has one message answered on each, prints
 * {"connections": N} and holds them until its standard input ends; --deflate
 * offers compression for it, as browsers do, and insists on it.
 */
#include "frames.h"
#include "load.h"
#include <zlib.h>

#define MESSAGE_MIN 16 /* the digits of its number */
#define MESSAGE_MAX 1024
#define FRAME_MAX   (WS_HEAD_MAX + MESSAGE_MAX)
#define DEPTH_MAX   64

static struct {
    size_t message_len;
    int depth;
    bool broadcast;
    bool deflate;
    char request[1024];
    size_t request_len;
} options = {.message_len = 32, .depth = 1};

static struct conn {
    int fd;
    uint64_t message; /* the number of the last one that it got */
    uint64_t sent;    /* and of that it sent */
    int64_t sent_ns;
    size_t held; /* bytes that came */
    size_t used; /* of them */
    uint8_t *input;
} * conns;

static size_t input_bytes(void)
{
    return (size_t)options.depth * FRAME_MAX;
}

/* ---- messages ---- */

static uint64_t messages; /* sent so far */

/* Message number so-and-so: the number, and text. */
static void write_message(uint8_t *out, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = MESSAGE_MIN; i--; number >>= 4)
        out[i] = (uint8_t)digits[number & 15];
    memset(out + MESSAGE_MIN, 'x', options.message_len - MESSAGE_MIN);
}

/* A message is compressed as if it were the first, which is right whatever
 * the other side remembers. Returns the length. */
static size_t compress_message(uint8_t *out, const uint8_t *message)
{
    z_stream z = {.next_in = (uint8_t *)message,
                  .avail_in = (unsigned)options.message_len,
                  .next_out = out,
                  .avail_out = MESSAGE_MAX};

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) ||
        deflate(&z, Z_SYNC_FLUSH) || z.avail_in || !z.avail_out)
        die("deflate");
    deflateEnd(&z);
    return MESSAGE_MAX - z.avail_out - 4; /* RFC 7692, 7.2.1 */
}

/* As above, but a message that may be the first only: one for a connection. */
static size_t decompress_message(uint8_t *out, uint8_t *p, size_t n)
{
    z_stream z = {.next_out = out, .avail_out = MESSAGE_MAX};
    uint8_t in[MESSAGE_MAX + 4];

    memcpy(in, p, n);
    memcpy(in + n, "\x00\x00\xff\xff", 4);
    z.next_in = in;
    z.avail_in = (unsigned)n + 4;
    if (inflateInit2(&z, -MAX_WBITS) || inflate(&z, Z_SYNC_FLUSH) < 0)
        die("inflate");
    inflateEnd(&z);
    return MESSAGE_MAX - z.avail_out;
}

/* Ends the program unless the frame holds that message. */
static void check_message(uint8_t *p, const struct ws_frame *f, uint64_t number)
{
    uint8_t right[MESSAGE_MAX], inflated[MESSAGE_MAX];
    uint8_t *payload = p + f->head;
    size_t len = f->payload;
    uint8_t first = WS_FIN | WS_TEXT;

    if (options.deflate) {
        first |= WS_COMPRESSED;
        len = decompress_message(inflated, payload, len);
        payload = inflated;
    }
    write_message(right, number);
    errno = 0;
    if (f->first != first || f->masked || len != options.message_len ||
        memcmp(payload, right, len))
        die("a frame (%02x) that is not message %016llx: %.*s", f->first,
            (unsigned long long)number, (int)len, payload);
}

/* Writes the frame of a message, and returns its length. */
static size_t write_frame(uint8_t *frame, uint64_t number)
{
    uint8_t message[MESSAGE_MAX], compressed[MESSAGE_MAX];
    uint8_t mask[WS_MASK_LEN], *payload = message;
    size_t len = options.message_len, head;
    uint8_t first = WS_FIN | WS_TEXT;
    uint32_t random;

    write_message(message, number);
    if (options.deflate) {
        first |= WS_COMPRESSED;
        len = compress_message(compressed, message);
        payload = compressed;
    }
    random = (uint32_t)number * 2654435761U;
    memcpy(mask, &random, sizeof mask);
    head = ws_write_head(frame, first, len);
    frame[1] |= WS_MASKED;
    memcpy(frame + head, mask, sizeof mask);
    head += sizeof mask;
    ws_mask(frame + head, payload, len, mask);
    return head + len;
}

/* Sends the next messages. */
static void say(struct conn *c)
{
    static uint8_t frames[DEPTH_MAX * FRAME_MAX];
    size_t len = 0;

    c->message = messages;
    for (int i = 0; i < options.depth; i++)
        len += write_frame(frames + len, ++messages);
    c->sent = messages;
    c->sent_ns = now_ns();
    send_whole(c->fd, (char *)frames, len);
}

/* Reads of what has come. */
static void receive(struct conn *c)
{
    ssize_t n = recv(c->fd, c->input + c->held, input_bytes() - c->held, 0);

    if (n <= 0)
        die("the server hung up");
    counts.bytes += (uint64_t)n;
    c->held += (size_t)n;
}

/* Checks the next message, if all of it is there. */
static bool take_message(struct conn *c)
{
    struct ws_frame f;

    if (!ws_read_frame(&f, c->input + c->used, c->held - c->used)) {
        c->held -= c->used;
        memmove(c->input, c->input + c->used, c->held);
        c->used = 0;
        return false;
    }
    check_message(c->input + c->used, &f, ++c->message);
    c->used += f.head + f.payload;
    return true;
}

/* ---- echo ---- */

static void echoed(int index)
{
    struct conn *c = &conns[index];

    receive(c);
    while (take_message(c)) {
        latency_add(now_ns() - c->sent_ns);
        counts.answers++;
    }
    errno = 0;
    if (c->message > c->sent || (c->message == c->sent && c->held))
        die("a message nobody asked for");
    if (c->message == c->sent)
        say(c);
}

/* ---- broadcast ---- */

static void broadcast(void)
{
    say(&conns[0]);
    load.unfinished = load.connections;
}

static void delivered(int index)
{
    struct conn *c = &conns[index];

    receive(c);
    if (!take_message(c))
        return;
    latency_add(now_ns() - conns[0].sent_ns);
    counts.answers++;
    load.unfinished--;
}

/* ---- opening ---- */

static void check_answer(const char *p, size_t n)
{
    const char *key = head_field(p, n, "Sec-WebSocket-Accept:");
    const char *extension = head_field(p, n, "Sec-WebSocket-Extensions:");

    errno = 0;
    if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) || !key ||
        strncmp(key, WS_ACCEPT "\r", sizeof WS_ACCEPT))
        die("a handshake answered by %.*s", (int)n, p);
    if (options.deflate != (extension != NULL))
        die("compression was %s", options.deflate ? "refused" : "not offered");
}

static void open_conn(int index)
{
    struct conn *c = &conns[index];
    char head[HEAD_MAX];
    size_t n = 0;

    c->input = malloc(input_bytes());
    if (!c->input)
        die("malloc");
    c->fd = load_connect(index);
    send_whole(c->fd, options.request, options.request_len);
    while (!head_length(head, n)) {
        ssize_t got = recv(c->fd, head + n, HEAD_MAX - n, 0);

        if (got <= 0)
            die("connection %d ended in its handshake", index);
        n += (size_t)got;
    }
    check_answer(head, head_length(head, n));
    if (head_length(head, n) != n)
        die("a server that speaks first");
}

static void wait_for_echo(struct conn *c)
{
    say(c);
    do
        receive(c);
    while (!take_message(c));
}

static void open_all(void)
{
    for (int i = 0; i < load.connections; i++) {
        open_conn(i);
        if (load.idle)
            wait_for_echo(&conns[i]);
        else
            load_await(conns[i].fd, i);
    }
}

/* ---- command line ---- */

static void parse_url(const char *url)
{
    char host[64], path[256];

    load_url(url, "ws", host, path);
    options.request_len = (size_t)snprintf(
        options.request, sizeof options.request,
        "GET %s HTTP/1.1\r\n"
        "Host: %s\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: " WS_KEY "\r\n"
        "%s\r\n",
        path, host,
        options.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                          "client_max_window_bits\r\n"
                        : "");
}

static void parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {LOAD_WATCH},
        {LOAD_IDLE},
        {"broadcast", no_argument, NULL, 'b'},
        {"deflate", no_argument, NULL, 'z'},
        {0},
    };
    int flag;

    while ((flag = getopt_long(argc, argv, LOAD_FLAGS "m:d:", names, NULL)) !=
           -1) {
        if (flag == 'm')
            options.message_len =
                (size_t)number(optarg, MESSAGE_MIN, MESSAGE_MAX);
        else if (flag == 'd')
            options.depth = (int)number(optarg, 1, DEPTH_MAX);
        else if (flag == 'b')
            options.broadcast = true;
        else if (flag == 'z')
            options.deflate = true;
        else
            load_option(flag, optarg);
    }
    errno = 0;
    /* A connection's second message may refer to its first. */
    if (optind != argc - 1 || (options.deflate && !load.idle) ||
        (options.depth > 1 && (options.broadcast || load.idle)))
        die("usage: load_ws " LOAD_USAGE
            " [-m BYTES] [-d DEPTH | --broadcast] URL, or "
            "load_ws --idle [--deflate] [-c CONNECTIONS] [-m BYTES] URL");
    parse_url(argv[optind]);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    load_begin();
    conns = calloc((size_t)load.connections, sizeof *conns);
    if (!conns)
        die("calloc");
    open_all();
    if (load.idle) {
        load_hold();
    } else if (options.broadcast) {
        load_run(delivered, broadcast);
    } else {
        for (int i = 0; i < load.connections; i++)
            say(&conns[i]);
        load_run(echoed, NULL);
    }
    return 0;
}
