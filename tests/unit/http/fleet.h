/*
 * fleet.h - servers on several addresses and one port, and a name for them.
 *
 *     struct fleet f = {.count = 3};
 *     fleet_open(&f);
 *     f.members[1].status = 503;
 *     ... requests to f.url ...
 *     fleet_close(&f);
 *
 * A member answers each request with its status, after its delay; one that is
 * silent never does. A stopped one refuses connections; one that is a hole
 * never takes them. All of it may be changed while requests are under way.
 */
#ifndef EDDY_TESTS_HTTP_FLEET_H
#define EDDY_TESTS_HTTP_FLEET_H

#include "../../fiber_test.h"
#include "http/policy.h"
#include <eddy/dns.h>
#include <eddy/file.h>
#include <eddy/stream.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLEET_MAX = 4 };

struct member {
    int status;         /* 0: 200 */
    int64_t delay;      /* before it answers */
    const char *fields; /* of its answer, each with its line end */
    bool silent;
    bool early;     /* sends an interim response before the delay */
    bool breaks;    /* closes the connection instead of an answer */
    bool saturable; /* the delay is that of one; all share the machine */

    unsigned requests;
    unsigned connections;
    unsigned open; /* connections now */
    unsigned busy; /* requests now */
    unsigned peak;
    char heard[512]; /* the last request's head, as text */
    ed_listener *listener;
    struct ed_scope_store store;
    ed_scope *scope;
    int hole[3]; /* the socket that does not accept, and what fills it */
};

struct fleet {
    unsigned count;
    struct member members[FLEET_MAX];
    unsigned port;
    char hosts[64];
    char url[64];
};

static inline void member_address(char *out, size_t size, unsigned i,
                                  unsigned port)
{
    snprintf(out, size, "127.0.0.%u:%u", i + 1, port);
}

static inline int member_answer(struct member *m, ed_stream *s)
{
    int64_t delay = m->saturable ? m->delay * m->busy : m->delay;
    char byte;
    int err = 0;

    if (m->silent)
        return ed_stream_read(s, &byte, 1) ? 0 : ED_ECLOSED;
    if (m->early)
        err = ed_stream_printf(s, "HTTP/1.1 100 Wait\r\n\r\n");
    if (!err)
        err = ed_sleep(delay);
    if (err || m->breaks)
        return ED_ECLOSED;
    return ed_stream_printf(s, "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nok",
                            m->status ? m->status : 200,
                            m->fields ? m->fields : "");
}

static inline int member_serve(ed_stream *s, void *arg)
{
    struct member *m = arg;
    struct ed_bytes head;

    m->connections++;
    m->open++;
    while (!ed_stream_read_until(s, ED_BYTES("\r\n\r\n"), 65536, &head)) {
        m->requests++;
        snprintf(m->heard, sizeof(m->heard), "%.*s", (int)head.len, head.ptr);
        if (++m->busy > m->peak)
            m->peak = m->busy;
        int err = member_answer(m, s);
        m->busy--;
        if (err)
            break;
    }
    m->open--;
    return 0;
}

static inline int member_run(void *arg)
{
    struct member *m = arg;

    return ed_accept_each(m->listener, member_serve, m, 0);
}

static inline void member_start(struct fleet *f, unsigned i)
{
    struct member *m = &f->members[i];
    char address[ED_ADDR_TEXT];

    member_address(address, sizeof(address), i, f->port);
    check_int(ed_listen(&m->listener, address), 0);
    ed_listener_local(m->listener, address);
    f->port = (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
    m->scope = ed_scope_enter_(&m->store, ED_OPTIONS(struct ed_scope_options,
                                                     .name = "member",
                                                     .independent = true));
    ed_go(m->scope, member_run, m);
}

/* Only the one that was started last. */
static inline void member_stop(struct member *m)
{
    if (!m->listener)
        return;
    ed_cancel(m->scope);
    ed_scope_leave_(&m->scope);
    ed_listener_close(m->listener);
    m->listener = NULL;
}

/* A full queue of connections: the kernel drops what else comes. */
static inline void member_make_hole(struct fleet *f, unsigned i)
{
    struct member *m = &f->members[i];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)};
    int on = 1;

    for (int j = 0; j < 3; j++)
        m->hole[j] =
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(m->hole[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    check_int(bind(m->hole[0], (struct sockaddr *)&at, sizeof(at)), 0);
    check_int(listen(m->hole[0], 0), 0);
    for (int j = 1; j < 3; j++)
        (void)!connect(m->hole[j], (struct sockaddr *)&at, sizeof(at));
}

static inline void fleet_name(struct fleet *f, unsigned first, unsigned count)
{
    char text[FLEET_MAX * 32] = "";

    for (unsigned i = first; i < first + count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "127.0.0.%u fleet.test\n", i + 1);
    check_int(ed_file_write(f->hosts, ed_bytes(text)), 0);
    check_int(ed_dns_configure(.hosts_file = f->hosts), 0);
}

static inline void fleet_open(struct fleet *f)
{
    f->port = 0;
    snprintf(f->hosts, sizeof(f->hosts), "/tmp/eddy-fleet-%d", getpid());
    for (unsigned i = 0; i < f->count; i++)
        member_start(f, i);
    fleet_name(f, 0, f->count);
    snprintf(f->url, sizeof(f->url), "http://fleet.test:%u/", f->port);
}

static inline void fleet_close(struct fleet *f)
{
    for (unsigned i = f->count; i-- > 0;) {
        struct member *m = &f->members[i];
        member_stop(m);
        for (int j = 0; j < 3; j++) {
            if (m->hole[j])
                close(m->hole[j]);
        }
    }
    unlink(f->hosts);
}

/* ---- what a client says and does ---- */

/* A client whose dice fall the same in each run of the test. */
#define fleet_client(...) fleet_load_dice(ed_client_new(__VA_ARGS__))

static inline ed_client *fleet_load_dice(ed_client *client)
{
    static uint64_t seed;

    if (check(client != NULL) && client->policies)
        client->policies->random = ++seed;
    return client;
}

static inline struct ed_client_counts counts_of(const ed_client *client)
{
    struct ed_client_counts counts;

    ed_client_counts(client, &counts);
    return counts;
}

/* Status of a plain GET, or its error. */
static inline int get(ed_client *client, const char *url)
{
    ed_res *res;
    int err = ed_fetch(&res, url, .client = client);

    return err ? err : ed_res_status(res);
}

/* The same within a time. */
static inline int get_within(ed_client *client, const char *url, int64_t time)
{
    ed_scope(s, .within = time);
    (void)s;
    return get(client, url);
}

/* Many at once. */
struct burst {
    ed_client *client;
    const char *url;
    unsigned well;
    unsigned failed;
};

static inline int burst_one(void *arg)
{
    struct burst *b = arg;

    if (get(b->client, b->url) == 200)
        b->well++;
    else
        b->failed++;
    return 0;
}

static inline void burst(struct burst *b, unsigned count)
{
    ed_scope(s);

    for (unsigned i = 0; i < count; i++)
        ed_go(s, burst_one, b);
    check_int(ed_wait(s), 0);
}

#endif
