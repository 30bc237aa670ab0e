/*
 * load.c - the load generator: keep-alive clients that ask as fast as they
 * are answered, and what that cost the server.
 *
 *     load [-c CONNECTIONS] [-p DEPTH] [-t SECONDS] [-w WARM-UP SECONDS]
 *          [--fresh] [--watch PID,PID...] http://127.0.0.1:8080/path
 *     load --idle [-c CONNECTIONS] URL
 *
 * Closed loop: each connection asks DEPTH requests in one write, and again as
 * soon as all of them are answered (as wrk does), so a server is asked as much
 * as it can take and latency includes its queue. Answers are framed properly
 * (Content-Length or chunked) and counted only when whole.
 *
 * Prints one JSON object; load.h says what is in it and how it is measured.
 *
 * https:// is TLS, whatever certificate the server shows. With --fresh every
 * request says "Connection: close", and the next one opens a connection of its
 * own when the server has closed: ports of connections that the client closes
 * first are not free for a minute, and finding others would cost the generator
 * more than what it measures.
 *
 * --idle opens the connections, has one request answered on each, prints
 * {"connections": N} and holds them until its standard input ends.
 */
#include "load.h"
#include "load_tls.h"

#define DEPTH_MAX 64

static struct {
    int depth;
    bool fresh;
    bool tls;
    char batch[DEPTH_MAX * 512];
    size_t batch_len;
} options = {.depth = 1};

/* ---- one connection ---- */

enum phase { IN_HEAD, IN_BODY, IN_CHUNK_SIZE, IN_CHUNK, IN_TRAILER };

struct conn {
    int fd;
    SSL *ssl;     /* NULL: in the clear */
    bool shaking; /* hands */
    enum phase phase;
    uint64_t left;  /* of the body or chunk being skipped */
    unsigned asked; /* requests of this batch */
    unsigned done;  /* those of them answered */
    int64_t sent_ns;
    size_t held; /* bytes of a line or head not complete yet */
    char *carry; /* and those bytes, HEAD_MAX; NULL until needed */
};

/* A server's heads are alike but for the second in their Date. Remembering the
 * last one makes framing the next a comparison, which keeps this program out
 * of the way of servers that take 0.4 us a request. */
static struct {
    char bytes[HEAD_MAX];
    size_t len;
    enum phase next;
    uint64_t body;
    bool ok;
} known_head;

static bool is_chunked(const char *p, size_t n)
{
    const char *value = head_field(p, n, "Transfer-Encoding:");

    return value && !strncasecmp(value, "chunked", 7);
}

static void learn_head(const char *p, size_t len)
{
    int64_t body = content_length(p, len);

    errno = 0;
    if (len > HEAD_MAX)
        die("an answer's head of %zu bytes", len);
    if (body < 0 && !is_chunked(p, len))
        die("an answer without a length: %.*s", (int)len, p);
    memcpy(known_head.bytes, p, len);
    known_head.len = len;
    known_head.ok = len > 12 && p[9] == '2';
    known_head.next = body < 0 ? IN_CHUNK_SIZE : IN_BODY;
    known_head.body = body < 0 ? 0 : (uint64_t)body;
}

static void answer_done(struct conn *c, int64_t now)
{
    latency_add(now - c->sent_ns);
    errno = 0;
    if (c->done++ == c->asked)
        die("an answer nobody asked for");
    counts.answers++;
    c->phase = IN_HEAD;
}

/* Each take_ function uses bytes from the front and returns how many; 0 if it
 * needs more to go on. */
static size_t take_head(struct conn *c, const char *p, size_t n, int64_t now)
{
    if (n < known_head.len || !known_head.len ||
        memcmp(p, known_head.bytes, known_head.len)) {
        size_t len = head_length(p, n);

        if (!len)
            return 0;
        learn_head(p, len);
    }
    if (!known_head.ok)
        counts.not_2xx++;
    c->phase = known_head.next;
    c->left = known_head.body;
    if (c->phase == IN_BODY && !c->left)
        answer_done(c, now);
    return known_head.len;
}

static size_t take_data(struct conn *c, size_t n, int64_t now)
{
    size_t used = n < c->left ? n : (size_t)c->left;

    c->left -= used;
    if (c->left)
        return used;
    if (c->phase == IN_BODY)
        answer_done(c, now);
    else
        c->phase = IN_CHUNK_SIZE;
    return used;
}

/* A chunk's size line, or a line of the trailer, which an empty one ends. */
static size_t take_line(struct conn *c, const char *p, size_t n, int64_t now)
{
    const char *end = memchr(p, '\n', n);

    if (!end)
        return 0;
    if (c->phase == IN_TRAILER) {
        if (end - p <= 1)
            answer_done(c, now);
        return (size_t)(end - p) + 1;
    }
    c->left = strtoull(p, NULL, 16);
    c->phase = c->left ? IN_CHUNK : IN_TRAILER;
    if (c->left)
        c->left += 2; /* the line end after the data */
    return (size_t)(end - p) + 1;
}

static size_t take(struct conn *c, const char *p, size_t n, int64_t now)
{
    switch (c->phase) {
    case IN_HEAD:
        return take_head(c, p, n, now);
    case IN_BODY:
    case IN_CHUNK:
        return take_data(c, n, now);
    default:
        return take_line(c, p, n, now);
    }
}

static void ask(struct conn *c)
{
    c->asked = (unsigned)options.depth;
    c->done = 0;
    c->sent_ns = now_ns();
    if (c->ssl)
        tls_send(c->ssl, options.batch, options.batch_len);
    else
        send_whole(c->fd, options.batch, options.batch_len);
}

/* Goes on with the handshake, and asks when it is done. */
static void shake_hands(struct conn *c)
{
    c->shaking = !tls_shake(c->ssl);
    if (!c->shaking)
        ask(c);
}

static void keep_rest(struct conn *c, const char *p, size_t n)
{
    errno = 0;
    if (n > HEAD_MAX)
        die("a head or line of more than %d bytes", HEAD_MAX);
    if (n && !c->carry && !(c->carry = malloc(HEAD_MAX)))
        die("malloc");
    if (n)
        memcpy(c->carry, p, n);
    c->held = n;
}

/* Reads of what has come and counts the answers in it; false at the end. */
static bool receive_once(struct conn *c)
{
    static char input[HEAD_MAX + 65536];
    size_t at = 0, have = c->held, used;
    ssize_t n;
    int64_t now;

    if (have)
        memcpy(input, c->carry, have);
    n = c->ssl ? tls_receive(c->ssl, input + have, sizeof input - have)
               : recv(c->fd, input + have, sizeof input - have, 0);
    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    now = now_ns();
    counts.bytes += (uint64_t)n;
    have += (size_t)n;
    while (at < have && (used = take(c, input + at, have - at, now)))
        at += used;
    keep_rest(c, input + at, have - at);
    return true;
}

/* Reads what has come. What TLS has decrypted already no event would tell. */
static bool receive(struct conn *c)
{
    do {
        if (!receive_once(c))
            return false;
    } while (c->ssl && SSL_pending(c->ssl));
    return true;
}

static void open_conn(struct conn *c, int index)
{
    c->fd = load_connect(index);
    c->ssl = options.tls ? tls_begin(c->fd) : NULL;
    c->phase = IN_HEAD;
    c->held = 0;
    c->asked = c->done = 0;
}

/* ---- load ---- */

static struct conn *conns;

static void reopen(int index)
{
    struct conn *c = &conns[index];

    if (c->fd >= 0) {
        SSL_free(c->ssl);
        close(c->fd);
        counts.reconnects++;
    }
    open_conn(c, index);
    load_await(c->fd, index);
    if (c->ssl)
        shake_hands(c);
    else
        ask(c);
}

/* What an event means for its connection. */
static void go_on(int index)
{
    struct conn *c = &conns[index];

    if (c->shaking)
        shake_hands(c);
    else if (!receive(c))
        reopen(index);
    else if (c->done == c->asked && !options.fresh)
        ask(c);
}

/* ---- idle ---- */

static void open_answered(int index)
{
    struct conn *c = &conns[index];

    open_conn(c, index);
    while (c->ssl && !tls_shake(c->ssl))
        load_wait(c->fd);
    ask(c);
    while (c->done < c->asked) {
        load_wait(c->fd);
        if (!receive(c))
            die("connection %d was closed unanswered", index);
    }
}

/* ---- command line ---- */

static void parse_url(const char *url)
{
    char host[64], path[256], request[512];
    size_t len;

    options.tls = !strncmp(url, "https:", 6);
    load_url(url, options.tls ? "https" : "http", host, path);
    len = (size_t)snprintf(request, sizeof request,
                           "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host,
                           options.fresh ? "Connection: close\r\n" : "");
    for (int i = 0; i < options.depth; i++)
        memcpy(options.batch + (size_t)i * len, request, len);
    options.batch_len = (size_t)options.depth * len;
}

static void parse_options(int argc, char **argv)
{
    static const struct option names[] = {
        {LOAD_WATCH},
        {LOAD_IDLE},
        {"fresh", no_argument, NULL, 'f'},
        {0},
    };
    int flag;

    while ((flag = getopt_long(argc, argv, LOAD_FLAGS "p:", names, NULL)) !=
           -1) {
        if (flag == 'p')
            options.depth = (int)number(optarg, 1, DEPTH_MAX);
        else if (flag == 'f')
            options.fresh = true;
        else
            load_option(flag, optarg);
    }
    errno = 0;
    if (optind != argc - 1)
        die("usage: load " LOAD_USAGE " [-p DEPTH] [--fresh] URL");
    if (options.fresh && options.depth > 1)
        die("--fresh: only one request goes over a connection");
    parse_url(argv[optind]);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    load_begin();
    conns = calloc((size_t)load.connections, sizeof *conns);
    if (!conns)
        die("calloc");
    for (int i = 0; i < load.connections; i++) {
        conns[i].fd = -1;
        if (load.idle)
            open_answered(i);
        else
            reopen(i);
    }
    if (load.idle)
        load_hold();
    else
        load_run(go_on, NULL);
    return 0;
}
