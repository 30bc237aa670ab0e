/*
 * scenarios_core.c - fibers, streams, names, processes, files.
 *
 * What outlives a scope's fibers is declared before the scope, so that it is
 * cleaned up after them whatever happened.
 */
#include "scenarios_run.h"

#include <eddy/blocking.h>
#include <eddy/chan.h>
#include <eddy/dns.h>
#include <eddy/file.h>
#include <eddy/future.h>
#include <eddy/process.h>
#include <eddy/queue.h>
#include <eddy/stream.h>
#include <eddy/sync.h>
#include <eddy/tls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "certs.h"
#include "core/io.h"
#include "net/resolve.h"

/* ---- fibers that hand things to each other ---- */

static int nap(void *arg)
{
    return ed_sleep(*(int64_t *)arg);
}

int run_scopes(void *arg)
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

int run_channels(void *arg)
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

int run_futures(void *arg)
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

int run_locks(void *arg)
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

int run_streams(void *arg)
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

int run_names(void *arg)
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

int run_processes(void *arg)
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

int run_blocking(void *arg)
{
    (void)arg;
    int counts[3] = {0};
    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, call_blocking, &counts[i]);
    int err = ed_wait(s);
    return err ? err : expect(counts[0] + counts[1] + counts[2] == 3);
}

int run_files(void *arg)
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

/* ---- streams over TLS ---- */

struct secured secured;

int make_secured(void)
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

static int serve_tls(void *arg)
{
    ed_stream *s ED_STREAM_AUTO = NULL;
    int err = ed_accept(arg, &s);
    if (!err)
        err = ed_start_tls(&s, secured.server);
    return err ? err : talk(s, NULL);
}

int run_tls(void *arg)
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
