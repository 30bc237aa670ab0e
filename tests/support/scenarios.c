/*
 * scenarios.c - the scenarios.
 *
 * What outlives a scope's fibers is declared before the scope, so that it is
 * cleaned up after them whatever happened.
 */
#include "scenarios.h"

#include <eddy/blocking.h>
#include <eddy/chan.h>
#include <eddy/client.h>
#include <eddy/dns.h>
#include <eddy/event_source.h>
#include <eddy/file.h>
#include <eddy/future.h>
#include <eddy/process.h>
#include <eddy/queue.h>
#include <eddy/server.h>
#include <eddy/stream.h>
#include <eddy/sync.h>
#include <eddy/tls.h>
#include <eddy/trace.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "certs.h"
#include "core/io.h"
#include "net/resolve.h"

static int expect(bool holds)
{
    return holds ? 0 : SCENARIO_CORRUPT;
}

/* ---- fibers that hand things to each other ---- */

static int nap(void *arg)
{
    return ed_sleep(*(int64_t *)arg);
}

static int run_scopes(void *arg)
{
    (void)arg;
    int64_t short_time = ED_S, long_time = 2 * ED_S;
    ed_scope(s, .within = ED_MIN);
    ed_go(s, nap, &short_time);
    ed_go_copy(s, nap, &long_time, sizeof long_time);
    int err = ed_with_timeout(10 * ED_S, nap, &short_time);
    if (err)
        return err;
    err = ed_wait(s);
    if (err)
        return err;
    ed_shield(calm, ED_S);
    return ed_yield();
}

struct handover {
    ed_chan *numbers;
    ed_chan *sums;
};

static int send_numbers(void *arg)
{
    struct handover *h = arg;
    int err = 0;
    for (int i = 1; i <= 5 && !err; i++)
        err = ed_chan_send(h->numbers, &i);
    ed_chan_close(h->numbers);
    return err;
}

static int add_up(void *arg)
{
    struct handover *h = arg;
    int sum = 0, n, err;
    while (!(err = ed_chan_recv(h->numbers, &n)))
        sum += n;
    return err == ED_ECLOSED ? ed_chan_send(h->sums, &sum) : err;
}

static int run_channels(void *arg)
{
    (void)arg;
    int sum = 0, other;
    ed_chan *numbers ED_CHAN_AUTO = ed_chan_new(sizeof(int), 2);
    ed_chan *sums ED_CHAN_AUTO = ed_chan_new(sizeof(int), 0);
    ed_chan *never ED_CHAN_AUTO = ed_chan_new(sizeof(int), 1);
    if (!numbers || !sums || !never)
        return ED_ENOMEM;
    struct handover handover = {numbers, sums};
    ed_scope(s);
    ed_go(s, send_numbers, &handover);
    ed_go(s, add_up, &handover);
    struct ed_select_case cases[] = {ED_RECV(never, &other),
                                     ED_RECV(sums, &sum)};
    int which = ed_select(cases, 2);
    int err = ed_wait(s);
    if (which < 0 || err)
        return err ? err : which;
    return expect(which == 1 && sum == 15);
}

static int give_seven(void *arg)
{
    *(int *)arg = 7;
    return ed_sleep(ED_S);
}

static int run_futures(void *arg)
{
    (void)arg;
    int values[3] = {0};
    ed_future futures[3] = {0};
    ed_future *all[3] = {&futures[0], &futures[1], &futures[2]};
    ed_scope(s);
    for (int i = 0; i < 3; i++) {
        int err = ed_go_future(s, &futures[i], give_seven, &values[i]);
        if (err)
            return err;
    }
    int err = ed_first_of(all, 3);
    if (err < 0)
        return err;
    err = ed_gather(all, 3);
    if (err)
        return err;
    err = ed_wait(s);
    return err ? err : expect(values[0] + values[1] + values[2] == 21);
}

struct shared {
    ed_mutex mutex;
    ed_cond changed;
    ed_semaphore permits;
    ed_event go;
    ed_queue *queue;
    int done;
};

static int take_turns(void *arg)
{
    struct shared *shared = arg;
    void *item;
    int err = ed_event_wait(&shared->go);
    if (err)
        return err;
    err = ed_semaphore_acquire(&shared->permits);
    if (err)
        return err;
    err = ed_queue_get(shared->queue, &item);
    ed_semaphore_release(&shared->permits);
    if (err)
        return err;
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    err = ed_mutex_hold(&shared->mutex, &held);
    if (err)
        return err;
    err = ed_sleep(ED_MS);
    shared->done++;
    ed_cond_notify(&shared->changed);
    return err;
}

static int wait_for_all(struct shared *shared)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&shared->mutex, &held);
    while (!err && shared->done < 3)
        err = ed_cond_wait(&shared->changed, &shared->mutex);
    return err;
}

static int run_locks(void *arg)
{
    (void)arg;
    ed_queue *queue ED_QUEUE_AUTO = ed_queue_new(.max = 1);
    if (!queue)
        return ED_ENOMEM;
    struct shared shared = {.permits = ED_SEMAPHORE(1), .queue = queue};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, take_turns, &shared);
    int err = ed_yield();
    ed_event_set(&shared.go);
    for (int i = 0; i < 3 && !err; i++)
        err = ed_queue_put(queue, &shared);
    if (!err)
        err = wait_for_all(&shared);
    if (err)
        ed_cancel(s);
    int waited = ed_wait(s);
    return waited ? waited : err;
}

/* ---- streams ---- */

static void close_listener(ed_listener **l)
{
    ed_listener_close(*l);
}
#define LISTENER_AUTO __attribute__((cleanup(close_listener)))

/* Echoes a line, then takes much and tells how much it was. */
static int talk(ed_stream *s, void *arg)
{
    static char block[64 * 1024];
    struct ed_bytes line;
    size_t total = 0;
    ssize_t n;

    (void)arg;
    int err = ed_stream_read_until(s, ED_BYTES("\n"), 100, &line);
    if (!err)
        err = ed_stream_write(s, line.ptr, line.len);
    if (!err)
        err = ed_sleep(ED_S); /* what the client writes piles up */
    while (!err && (n = ed_stream_read(s, block, sizeof block)) != 0) {
        err = n < 0 ? (int)n : 0;
        total += n > 0 ? (size_t)n : 0;
    }
    return err ? err : ed_stream_printf(s, "%zu\n", total);
}

static int serve_streams(void *arg)
{
    return ed_accept_each(arg, talk, NULL, 1);
}

enum { MUCH = 3 * 1000 * 1000 };

static int converse_over(ed_stream *s)
{
    static const char much[MUCH];
    struct ed_bytes line;
    int err = ed_stream_printf(s, "hello %d\n", 1);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\n"), 100, &line);
    if (!err)
        err = expect(ed_bytes_equal(line, ED_BYTES("hello 1\n")));
    if (!err)
        err = ed_stream_write(s, much, sizeof much);
    if (!err)
        err = ed_stream_shutdown(s);
    if (!err)
        err = ed_stream_read_until(s, ED_BYTES("\n"), 100, &line);
    return err ? err : expect(ed_bytes_equal(line, ED_BYTES("3000000\n")));
}

static int converse(const char *address)
{
    ed_stream *s ED_STREAM_AUTO = NULL;
    int err = ed_connect(&s, address);
    return err ? err : converse_over(s);
}

static int run_streams(void *arg)
{
    (void)arg;
    char address[ED_ADDR_TEXT];
    ed_listener *l LISTENER_AUTO = NULL;
    int err = ed_listen(&l, "127.0.0.1:0");
    if (err)
        return err;
    ed_listener_local(l, address);
    ed_scope(s);
    ed_go(s, serve_streams, l);
    return converse(address);
}

/* ---- names ---- */

/* Answers every question about an A record with 10.1.2.3 (RFC 1035, 4.1). */
static int serve_names(void *arg)
{
    static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x0a\1\2\3";
    int fd = *(int *)arg;
    int err;
    while (!(err = ed_io_wait_fd(fd, false, "query"))) {
        char packet[600];
        struct sockaddr_in from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(fd, packet, 512, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &from_len);
        if (n < 17)
            continue;
        size_t end = 12;
        while (packet[end])
            end += (size_t)packet[end] + 1;
        end += 5;
        memcpy(packet + end, record, sizeof record - 1);
        packet[2] = packet[3] = (char)0x80;
        memcpy(packet + 6, "\0\1\0\0\0\0", 6);
        sendto(fd, packet, end + sizeof record - 1, MSG_DONTWAIT,
               (struct sockaddr *)&from, from_len);
    }
    return err;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define FD_AUTO __attribute__((cleanup(close_fd)))

static int bind_names(int fd, char *servers, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    if (bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        return ED_EADDR;
    snprintf(servers, size, "127.0.0.1:%u", ntohs(at.sin_port));
    return 0;
}

struct lookup {
    const char *name;
    struct ed_addrs addrs;
};

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    return ed_resolve(lookup->name, AF_INET, &lookup->addrs);
}

static int run_names(void *arg)
{
    (void)arg;
    char servers[32];
    struct lookup lookups[3] = {{.name = "one.example"},
                                {.name = "one.example"},
                                {.name = "two.example"}};
    int fd FD_AUTO =
        socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ED_EADDR;
    int err = bind_names(fd, servers, sizeof servers);
    if (!err)
        /* c-ares has a clock of its own, which is not virtual. */
        err = ed_dns_configure(.servers = servers, .hosts_file = "/dev/null",
                               .try_time = 20 * ED_MS, .tries = 2);
    if (err)
        return err;
    ed_scope(server);
    ed_go(server, serve_names, &fd);
    {
        ed_scope(s);
        for (int i = 0; i < 3; i++)
            ed_go(s, look_up, &lookups[i]);
        err = ed_wait(s);
    }
    if (!err)
        err = expect(lookups[1].addrs.count == 1);
    struct ed_addrs addrs;
    if (!err)
        err = ed_resolve_soon("three.example", &addrs);
    /* The server knows nothing of types. */
    return err ? err : expect(addrs.count > 0);
}

/* ---- other processes, other threads ---- */

static int run_processes(void *arg)
{
    (void)arg;
    struct ed_output out;
    int err = ed_command(&out, ED_ARGV("/bin/cat"), .input = ED_BYTES("purr"));
    if (err)
        return err;
    return expect(ed_bytes_equal(out.out, ED_BYTES("purr")));
}

static int count_for_a_while(void *arg)
{
    usleep(200);
    ++*(int *)arg;
    return 0;
}

static int call_blocking(void *arg)
{
    return ed_blocking(count_for_a_while, arg);
}

static int run_blocking(void *arg)
{
    (void)arg;
    int counts[3] = {0};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, call_blocking, &counts[i]);
    int err = ed_wait(s);
    return err ? err : expect(counts[0] + counts[1] + counts[2] == 3);
}

static int run_files(void *arg)
{
    (void)arg;
    char path[64];
    struct ed_bytes content;
    snprintf(path, sizeof path, "/tmp/eddy-scenario-%d", (int)getpid());
    int err = ed_file_write(path, ED_BYTES("written"));
    if (!err)
        err = ed_file_append(path, ED_BYTES(" and more"));
    if (!err)
        err = ed_file_read(&content, path, 1000);
    if (!err)
        err = expect(ed_bytes_equal(content, ED_BYTES("written and more")));
    unlink(path);
    return err;
}

/* ---- HTTP ---- */

static int hello(ed_req *req)
{
    int err = ed_sleep(10 * ED_MS);
    return err ? err : ed_reply(req, 200, "hello from %s", ed_req_path(req));
}

/* Sends each piece of the body back as it comes. */
static int mirror(ed_req *req)
{
    char buf[10 * 1000];
    ssize_t n;
    int err = ed_reply_begin(req, 200, -1);
    while (!err && (n = ed_body_read(req, buf, sizeof buf)) != 0)
        err = n < 0 ? (int)n
                    : ed_write_bytes(req, (struct ed_bytes){buf, (size_t)n});
    return err;
}

static void free_server(ed_server **server)
{
    if (*server)
        ed_server_free(*server);
}
#define SERVER_AUTO __attribute__((cleanup(free_server)))

static void free_client(ed_client **client)
{
    if (*client)
        ed_client_free(*client);
}
#define CLIENT_AUTO __attribute__((cleanup(free_client)))

static int serve(void *arg)
{
    return ed_server_run(arg);
}

typedef int session(ed_client *client, const char *address);

/* A server, a client, and what the client does. */
static int with_client(ed_handler *handler, ed_client *made, session *use)
{
    char address[ED_ADDR_TEXT];
    ed_client *client CLIENT_AUTO = made;
    ed_server *server SERVER_AUTO = ed_server_new(handler);
    if (!server || !client)
        return ED_ENOMEM;
    int err = ed_server_listen(server, "127.0.0.1:0");
    if (err)
        return err;
    ed_server_address(server, 0, address);
    ed_scope(s);
    ed_go(s, serve, server);
    err = use(client, address);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}

static int with_server(ed_handler *handler, session *use)
{
    return with_client(handler, ed_client_new(.max_per_origin = 3), use);
}

static int fetch_five(ed_client *client, const char *address)
{
    ed_res *res[5] = {NULL};
    char url[100];
    struct ed_fetch_options options = {.size = sizeof options,
                                       .client = client};
    ed_scope(s, .within = ED_MIN);
    for (int i = 0; i < 5; i++) {
        snprintf(url, sizeof url, "http://%s/%d", address, i);
        ed_go_fetch(s, &res[i], url, &options);
    }
    int err = ed_wait(s);
    if (err)
        return err;
    for (int i = 0; i < 5 && !err; i++) {
        snprintf(url, sizeof url, "hello from /%d", i);
        if (!res[i]) /* its fiber alone was cancelled */
            return SCENARIO_CORRUPT;
        err = ed_res_status(res[i]) == 200
                  ? expect(!strcmp(ed_res_text(res[i]), url))
                  : ED_EPROTO;
    }
    return err;
}

static int fetch_twice(ed_client *client, const char *address)
{
    int err = fetch_five(client, address);
    return err ? err : fetch_five(client, address);
}

static int run_http(void *arg)
{
    (void)arg;
    return with_server(hello, fetch_twice);
}

enum { BODY = 300 * 1000 };

static ssize_t give_body(void *arg, void *buf, size_t len)
{
    size_t *left = arg;
    size_t n = *left < len ? *left : len;
    memset(buf, 'x', n);
    *left -= n;
    int err = ed_yield();
    return err ? err : (ssize_t)n;
}

static int stream_both_ways(ed_client *client, const char *address)
{
    char url[100], buf[10 * 1000];
    size_t left = BODY, got = 0;
    ssize_t n;
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/", address);
    int err = ed_fetch(&res, url, .client = client, .method = "POST",
                       .send = give_body, .send_arg = &left, .stream = true);
    if (err)
        return err;
    while ((n = ed_res_read(res, buf, sizeof buf)) > 0)
        got += (size_t)n;
    int status = ed_res_status(res);
    ed_res_close(res);
    if (n < 0)
        return (int)n;
    return status == 200 ? expect(got == BODY) : ED_EPROTO;
}

static int run_http_stream(void *arg)
{
    (void)arg;
    return with_server(mirror, stream_both_ways);
}

/* ---- policies of a client ---- */

static unsigned asked;

static int busy_at_first(ed_req *req)
{
    return asked++ < 5 ? ed_reply(req, 503, "busy") : hello(req);
}

static int run_retries(void *arg)
{
    (void)arg;
    asked = 0;
    /* The shortest of pauses, so that each run has the same order. */
    ed_client *client = ed_client_new(.retry = {.attempts = 3, .backoff = 1},
                                      .balance = {.on = true});
    return with_client(busy_at_first, client, fetch_five);
}

static int slow_at_first(ed_req *req)
{
    int err = asked++ < 2 ? ed_sleep(ED_S) : 0;
    return err ? err : hello(req);
}

/* Streamed, so that it is the loser's head alone that is too late. */
static int stream_hedged(ed_client *client, const char *address)
{
    char url[100], buf[100];
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/hedged", address);
    int err = ed_fetch(&res, url, .client = client, .stream = true);
    if (err)
        return err;
    ssize_t n = ed_res_read(res, buf, sizeof buf);
    ed_res_close(res);
    return n < 0 ? (int)n : expect(n > 0);
}

static int fetch_hedged(ed_client *client, const char *address)
{
    int err = fetch_five(client, address);
    asked = 0;
    return err ? err : stream_hedged(client, address);
}

static int run_hedges(void *arg)
{
    (void)arg;
    asked = 0;
    ed_client *client =
        ed_client_new(.hedge = {.after = 50 * ED_MS}, .eject = {.failures = 2},
                      .limit = {.adaptive = true});
    return with_client(slow_at_first, client, fetch_hedged);
}

static int run_limit(void *arg)
{
    (void)arg;
    ed_client *client = ed_client_new(.limit = {.max = 2, .queue = 3});
    return with_client(hello, client, fetch_twice);
}

/* ---- bodies ---- */

/* A gzip member that holds 25 letters x, sent in two halves. */
static int send_encoded(ed_req *req)
{
    static const char coded[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\xa8\xc0\x01\x00\xc1\x8f"
        "\x7a\x92\x19\x00\x00\x00";
    struct ed_bytes whole = {coded, sizeof coded - 1};
    int err = ed_reply_header(req, "Content-Encoding", "gzip");
    if (!err)
        err = ed_reply_begin(req, 200, -1);
    for (size_t half = 0; half < 2 && !err; half++) {
        size_t from = half * 12;
        err = ed_write_bytes(
            req, ed_bytes_of(whole.ptr + from, half ? whole.len - from : 12));
        if (!err)
            err = ed_flush(req);
        if (!err)
            err = ed_sleep(ED_MS);
    }
    return err;
}

static int read_decoded(ed_client *client, const char *address)
{
    char url[100], text[100];
    size_t got = 0;
    ssize_t n;
    ed_res *res;
    snprintf(url, sizeof url, "http://%s/", address);
    int err = ed_fetch(&res, url, .client = client);
    if (err)
        return err;
    err = ed_res_status(res) == 200
              ? expect(!strcmp(ed_res_text(res), "xxxxxxxxxxxxxxxxxxxxxxxxx"))
              : ED_EPROTO;
    if (!err)
        err = ed_fetch(&res, url, .client = client, .stream = true);
    if (err)
        return err;
    while ((n = ed_res_read(res, text + got, sizeof text - got)) > 0)
        got += (size_t)n;
    int status = ed_res_status(res);
    ed_res_close(res);
    if (n < 0)
        return (int)n;
    return status == 200 ? expect(got == 25 && text[24] == 'x') : ED_EPROTO;
}

static int run_http_decoding(void *arg)
{
    (void)arg;
    return with_server(send_encoded, read_decoded);
}

static int count_body(ed_req *req)
{
    struct ed_bytes body;
    int err = ed_body(req, &body);
    return err ? err : ed_reply(req, 200, "%zu", body.len);
}

static int fill_in(ed_form *form, const char *path)
{
    int err = ed_form_add(form, "name", "value");
    if (!err)
        err = ed_form_bytes(form, "bytes", ED_BYTES("some"));
    return err ? err : ed_form_file(form, "file", path);
}

static int send_form(ed_client *client, const char *address)
{
    char url[100], path[64];
    ed_res *res;
    ed_form *form = ed_form_new();
    snprintf(url, sizeof url, "http://%s/", address);
    snprintf(path, sizeof path, "/tmp/eddy-scenario-form-%d", (int)getpid());
    int err = form ? fill_in(form, path) : ED_ENOMEM;
    if (!err)
        err = ed_file_write(path, ED_BYTES("content of a file"));
    if (!err)
        err = ed_fetch(&res, url, .client = client, .form = form,
                       .expect_continue = true);
    unlink(path);
    if (err)
        return err;
    return ed_res_status(res) == 200
               ? expect(strtol(ed_res_text(res), NULL, 10) > 300)
               : ED_EPROTO;
}

static int run_http_form(void *arg)
{
    (void)arg;
    return with_server(count_body, send_form);
}

/* Leads on, sets a cookie, and asks who that is. */
static int door(ed_req *req)
{
    int err;
    if (!strcmp(ed_req_path(req), "/")) {
        err = ed_reply_header(req, "Set-Cookie", "a=b; Path=/");
        return err ? err : ed_redirect(req, 307, "/in?now");
    }
    if (ed_header(req, "Authorization"))
        return ed_reply(req, 200, "come in");
    err = ed_reply_header(req, "WWW-Authenticate",
                          "Basic realm=x, Digest realm=\"x\", nonce=\"y\","
                          " qop=\"auth\", algorithm=SHA-256");
    return err ? err : ed_reply(req, 401, "who is it?");
}

static int go_in(ed_client *client, const char *address)
{
    char url[120];
    ed_res *res;
    snprintf(url, sizeof url, "http://me:word@%s/", address);
    int err = ed_trace_begin(true);
    if (!err)
        err = ed_fetch(&res, url, .client = client, .auth = ED_AUTH_ANY,
                       .body = ED_BYTES("knock"), .etag = "\"x\"");
    if (err)
        return err;
    if (ed_res_status(res) != 200)
        return ED_EUNAUTHORIZED;
    return expect(!strcmp(ed_res_text(res), "come in") &&
                  ed_res_redirects(res) == 1);
}

static void free_jar(ed_jar **jar)
{
    ed_jar_free(*jar);
}

static int run_journey(void *arg)
{
    (void)arg;
    ed_jar *jar __attribute__((cleanup(free_jar))) = ed_jar_new();
    ed_client *client = jar ? ed_client_new(.jar = jar) : NULL;
    return with_client(door, client, go_in);
}

/* One event for each connection, which tells where it went on. */
static int send_event(ed_req *req)
{
    const char *last = ed_header(req, "Last-Event-ID");
    int err = ed_reply_header_set(req, "Content-Type", "text/event-stream");
    if (!err)
        err = ed_reply_begin(req, 200, -1);
    return err ? err
               : ed_write(req, "id: %sx\ndata: event\n\n", last ? last : "");
}

static void close_source(ed_event_source **source)
{
    ed_event_source_close(*source);
}

static int hear_events(ed_client *client, const char *address)
{
    char url[100];
    struct ed_sse_event event = {0};
    ed_event_source *source __attribute__((cleanup(close_source))) = NULL;
    snprintf(url, sizeof url, "http://%s/", address);
    int err =
        ed_event_source_open(&source, url, .client = client, .max_failures = 3);
    for (int i = 0; i < 3 && !err; i++)
        err = ed_event_source_next(source, &event);
    return err ? err : expect(!strcmp(event.id, "xxx"));
}

static int run_events(void *arg)
{
    (void)arg;
    return with_server(send_event, hear_events);
}

/* ---- https through a proxy ---- */

/* Made once, before anything is disturbed: keys take their time. */
static struct {
    ed_tls *server, *client;
} secured;

static int make_secured(void)
{
    if (secured.client)
        return 0;
    certs_open();
    certs_make(.file = "site", .names = "127.0.0.1");
    int err =
        ed_tls_server(&secured.server, .certificate = certs_path("site.pem"),
                      .key = certs_path("site.key"));
    if (!err)
        err = ed_tls_client(&secured.client, .ca = certs_path("ca.pem"),
                            .no_resumption = true);
    certs_close();
    return err;
}

struct relay {
    ed_stream *from, *to;
};

static int relay(void *arg)
{
    struct relay *r = arg;
    char buf[4096];
    ssize_t n;

    while ((n = ed_stream_read(r->from, buf, sizeof buf)) > 0) {
        int err = ed_stream_write(r->to, buf, (size_t)n);
        if (err)
            return err;
    }
    int err = ed_stream_shutdown(r->to);
    return n ? (int)n : err;
}

/* A proxy for one connection at a time, as far as it is asked nicely. */
static int connect_through(ed_stream *client, void *arg)
{
    static const struct ed_bytes connect = {"CONNECT ", 8};
    ed_stream *server ED_STREAM_AUTO = NULL;
    struct ed_bytes head;
    char address[ED_ADDR_TEXT];

    (void)arg;
    int err = ed_stream_read_until(client, ED_BYTES("\r\n\r\n"), 4096, &head);
    if (err)
        return err;
    if (!ed_bytes_starts(head, connect))
        return ED_EPROTO;
    head.ptr += connect.len;
    head.len -= connect.len;
    struct ed_bytes to = ed_bytes_cut(&head, ' ');
    snprintf(address, sizeof address, "%.*s", (int)to.len, to.ptr);
    err = ed_connect(&server, address);
    if (!err)
        err = ed_stream_printf(client, "HTTP/1.1 200 Connected\r\n\r\n");
    if (err)
        return err;
    struct relay there = {client, server}, back = {server, client};
    ed_scope(s);
    ed_go(s, relay, &there);
    ed_go(s, relay, &back);
    return ed_wait(s);
}

static int run_proxy(void *listener)
{
    return ed_accept_each(listener, connect_through, NULL, 0);
}

/* Connections go on behind the response: the proxy is simply cancelled. */
static int fetch_by_proxy(const char *address)
{
    char url[ED_ADDR_TEXT + 16];
    ed_listener *l;
    ed_res *res = NULL;
    int err = ed_listen(&l, "127.0.0.1:0");

    if (err)
        return err;
    ed_listener_local(l, url);
    ed_client *client =
        ed_client_new(.proxy = url, .no_proxy = "", .tls = secured.client);
    snprintf(url, sizeof url, "https://%s/5", address);
    err = client ? 0 : ED_ENOMEM;
    {
        ed_scope(s, .within = ED_MIN);
        ed_go(s, run_proxy, l);
        for (int i = 0; i < 2 && !err; i++)
            err = ed_fetch(&res, url, .client = client);
        ed_cancel(s);
    }
    if (!err)
        err = expect(!strcmp(ed_res_text(res), "hello from /5"));
    if (client)
        ed_client_free(client);
    ed_listener_close(l);
    return err;
}

static int run_https_by_proxy(void *arg)
{
    char address[ED_ADDR_TEXT];
    int err = make_secured();
    ed_server *server SERVER_AUTO = ed_server_new(hello);

    (void)arg;
    if (!server)
        return ED_ENOMEM;
    if (!err)
        err = ed_server_listen(server, "127.0.0.1:0", .tls = secured.server);
    if (err)
        return err;
    ed_server_address(server, 0, address);
    ed_scope(s);
    ed_go(s, serve, server);
    err = fetch_by_proxy(address);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}

/* ---- streams over TLS ---- */

static int serve_tls(void *arg)
{
    ed_stream *s ED_STREAM_AUTO = NULL;
    int err = ed_accept(arg, &s);
    if (!err)
        err = ed_start_tls(&s, secured.server);
    return err ? err : talk(s, NULL);
}

static int run_tls(void *arg)
{
    (void)arg;
    char address[ED_ADDR_TEXT];
    ed_listener *l LISTENER_AUTO = NULL;
    ed_stream *stream ED_STREAM_AUTO = NULL;
    int err = make_secured();
    if (!err)
        err = ed_listen(&l, "127.0.0.1:0");
    if (err)
        return err;
    ed_listener_local(l, address);
    ed_scope(s);
    ed_go(s, serve_tls, l);
    err = ed_connect(&stream, address);
    if (!err)
        err = ed_start_tls(&stream, secured.client, .server_name = "127.0.0.1");
    if (!err)
        err = converse_over(stream);
    return err ? err : ed_wait(s);
}

const struct scenario scenarios[] = {
    {"scopes", run_scopes},
    {"channels", run_channels},
    {"futures", run_futures},
    {"locks", run_locks},
    {"streams", run_streams},
    {"tls", run_tls},
    {"names", run_names},
    {"processes", run_processes},
    {"blocking", run_blocking},
    {"files", run_files},
    {"http", run_http},
    {"http_stream", run_http_stream},
    {"retries", run_retries},
    {"hedges", run_hedges},
    {"limit", run_limit},
    {"http_decoding", run_http_decoding},
    {"http_form", run_http_form},
    {"journey", run_journey},
    {"events", run_events},
    {"https_by_proxy", run_https_by_proxy},
    {NULL, NULL},
};
