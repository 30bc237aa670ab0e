/*
 * test_dns.c - names to addresses: a server of our own that misbehaves on
 * request, and a real dnsmasq.
 */
#include "net_test.h"
#include <arpa/inet.h>
#include <eddy/dns.h>
#include <eddy/stream.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/io.h"
#include "net/resolve.h"
#include "server_process.h"

static char hosts_file[] = "/tmp/eddy-dns-XXXXXX";

static void write_hosts(const char *text)
{
    FILE *file = fopen(hosts_file, "w");

    fputs(text, file);
    fclose(file);
}

static bool is_ip(const struct ed_addrs *addrs, unsigned i, const char *ip)
{
    char text[ED_ADDR_TEXT];

    return i < addrs->count &&
           !strcmp(ed_addr_ip_text(&addrs->list[i], text), ip);
}

static bool has_ip(const struct ed_addrs *addrs, const char *ip)
{
    for (unsigned i = 0; i < addrs->count; i++)
        if (is_ip(addrs, i, ip))
            return true;
    return false;
}

/* ---- a name server that does what the first label says ---- */

struct fake {
    int fd;
    ed_listener *tcp;
    unsigned asked, asked_v4, asked_v6, asked_by_tcp;
    char servers[32];
};

static struct fake fake;

enum { TYPE_A = 1, TYPE_AAAA = 28, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

static bool starts(const char *query, const char *label)
{
    return (size_t)query[12] == strlen(label) &&
           !memcmp(query + 13, label, strlen(label));
}

/* Length of header and question (RFC 1035, 4.1), and the type asked for. */
static size_t question_end(const char *query, int *type)
{
    size_t at = 12;

    while (query[at])
        at += (size_t)query[at] + 1;
    *type = (unsigned char)query[at + 2];
    return at + 5;
}

static void add_record(char *reply, size_t *len, int type)
{
    static const char v4[] = "\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x0a\1\2\3";
    static const char v6[] = "\xc0\x0c\0\x1c\0\1\0\0\0\1\0\x10"
                             "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7";
    size_t size = type == TYPE_A ? sizeof(v4) - 1 : sizeof(v6) - 1;

    memcpy(reply + *len, type == TYPE_A ? v4 : v6, size);
    *len += size;
    reply[7]++; /* ANCOUNT */
}

/* Makes the reply, which starts as a copy of the query. 0: none. */
static size_t make_reply(char *reply, bool tcp)
{
    int type;
    size_t len = question_end(reply, &type);

    fake.asked++;
    fake.asked_by_tcp += tcp;
    fake.asked_v4 += type == TYPE_A;
    fake.asked_v6 += type == TYPE_AAAA;
    reply[2] = (char)0x81; /* a response, recursion desired */
    reply[3] = (char)0x80; /* and available */
    reply[10] = reply[11] = 0;
    if (starts(reply, "silent") || (starts(reply, "half") && type != TYPE_A))
        return 0;
    if (starts(reply, "nx"))
        reply[3] |= RCODE_NXDOMAIN;
    else if (starts(reply, "broken"))
        reply[3] |= RCODE_SERVFAIL;
    else if (starts(reply, "garbage"))
        memset(reply + 12, 0xff, len - 12);
    else if (starts(reply, "long") && !tcp)
        reply[2] |= 2; /* TC */
    else if (!starts(reply, "nodata"))
        add_record(reply, &len, type);
    return len;
}

static int serve_udp(void *arg)
{
    char packet[1024];
    struct sockaddr_in from;
    int err;

    (void)arg;
    while (!(err = ed_io_wait_fd(fake.fd, false, "query"))) {
        socklen_t from_len = sizeof(from);
        while (recvfrom(fake.fd, packet, sizeof(packet), MSG_DONTWAIT,
                        (struct sockaddr *)&from, &from_len) > 12) {
            size_t len = make_reply(packet, false);
            if (len)
                sendto(fake.fd, packet, len, 0, (struct sockaddr *)&from,
                       from_len);
        }
    }
    return err;
}

static int serve_tcp(ed_stream *s, void *arg)
{
    char packet[1024];

    (void)arg;
    for (;;) {
        unsigned char size[2];
        int err = ed_stream_read_exactly(s, size, 2);
        if (!err)
            err = ed_stream_read_exactly(s, packet, size[1]);
        if (err)
            return err == ED_EEOF ? 0 : err;
        size_t len = make_reply(packet, true);
        size[0] = 0;
        size[1] = (unsigned char)len;
        err = ed_stream_write(s, size, 2);
        if (!err)
            err = ed_stream_write(s, packet, len);
        if (err)
            return err;
    }
}

static int accept_tcp(void *arg)
{
    (void)arg;
    return ed_accept_each(fake.tcp, serve_tcp, NULL, 0);
}

/* A UDP socket on that port of loopback, 0 being any free one; or -1. */
static int bind_udp(uint16_t *port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(*port),
    };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (bind(fd, (struct sockaddr *)&at, len)) {
        close(fd);
        return -1;
    }
    check_int(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Takes a port that is free for both, UDP and TCP. */
static void bind_fake(void)
{
    char address[ED_ADDR_TEXT];
    struct ed_addr addr;

    for (;;) {
        check_int(ed_listen(&fake.tcp, "127.0.0.1:0"), 0);
        ed_listener_local(fake.tcp, address);
        check_int(ed_addr_parse(&addr, ed_bytes(address)), 0);
        uint16_t port = ed_addr_port(&addr);
        fake.fd = bind_udp(&port);
        snprintf(fake.servers, sizeof(fake.servers), "127.0.0.1:%u", port);
        if (fake.fd >= 0)
            return;
        ed_listener_close(fake.tcp);
    }
}

static void start_fake(ed_scope *s)
{
    fake = (struct fake){0};
    bind_fake();
    ed_go(s, serve_udp, NULL);
    ed_go(s, accept_tcp, NULL);
    check_int(
        ed_dns_configure(.servers = fake.servers, .hosts_file = hosts_file), 0);
}

/* For tests of servers that say nothing: two tries, of 20 and 40 ms. */
static void be_impatient(void)
{
    check_int(ed_dns_configure(.servers = fake.servers,
                               .hosts_file = hosts_file, .try_time = 20 * ED_MS,
                               .tries = 2),
              0);
}

static void stop_fake(ed_scope *s)
{
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    ed_listener_close(fake.tcp);
    close(fake.fd);
}

/* Runs a test with the fake server there. */
#define WITH_SERVER(name)               \
    static void name##_asking(void);    \
    NET_TEST(name)                      \
    {                                   \
        ed_scope(s);                    \
        start_fake(s);                  \
        {                               \
            ed_shield(calm, 10 * ED_S); \
            name##_asking();            \
        }                               \
        stop_fake(s);                   \
        return 0;                       \
    }                                   \
    static void name##_asking(void)

WITH_SERVER(both_kinds_of_address_are_found)
{
    struct ed_addrs addrs;

    check_int(ed_resolve("Good.Example", AF_UNSPEC, &addrs), 0);
    check_int(addrs.count, 2);
    check(has_ip(&addrs, "10.1.2.3") && has_ip(&addrs, "fd00::7"));
    check_int(ed_resolve("good.example", AF_INET, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.1.2.3"));
    check_int(ed_resolve("good.example.", AF_INET6, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "fd00::7"));
    check_int(fake.asked_v4, 2);
    check_int(fake.asked_v6, 2);
}

WITH_SERVER(an_answer_is_remembered_for_its_time)
{
    struct ed_addrs addrs;

    check_int(ed_dns_configure(.servers = fake.servers,
                               .hosts_file = hosts_file, .min_ttl = ED_MS,
                               .max_ttl = 200 * ED_MS),
              0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), 0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), 0);
    check_int(ed_resolve("GOOD.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 1);
    check_int(addrs.count, 1);
    check_int(ed_sleep(205 * ED_MS), 0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 2);
}

WITH_SERVER(no_more_names_are_remembered_than_allowed)
{
    struct ed_addrs addrs;

    check_int(ed_dns_configure(.servers = fake.servers,
                               .hosts_file = hosts_file, .cache_entries = 2),
              0);
    check_int(ed_resolve("a.example", AF_INET, &addrs), 0);
    check_int(ed_resolve("b.example", AF_INET, &addrs), 0);
    check_int(ed_resolve("a.example", AF_INET, &addrs), 0);
    check_int(ed_resolve("c.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 3);
    check_int(ed_resolve("a.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 3);
    check_int(ed_resolve("b.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 4);
}

WITH_SERVER(a_missing_name_is_remembered_briefly)
{
    struct ed_addrs addrs;

    check_int(ed_dns_configure(.servers = fake.servers,
                               .hosts_file = hosts_file,
                               .negative_ttl = 200 * ED_MS),
              0);
    check_int(ed_resolve("nx.example", AF_INET, &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "nx.example: no such name") != NULL);
    check_int(addrs.count, 0);
    check_int(ed_resolve("nx.example", AF_INET, &addrs), ED_ERESOLVE);
    check_int(fake.asked, 1);
    check_int(ed_sleep(205 * ED_MS), 0);
    check_int(ed_resolve("nx.example", AF_INET, &addrs), ED_ERESOLVE);
    check_int(fake.asked, 2);
    check_int(ed_resolve("nodata.example", AF_INET, &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "no such address") != NULL);
}

WITH_SERVER(a_failing_server_is_asked_anew)
{
    struct ed_addrs addrs;

    check_int(ed_resolve("broken.example", AF_INET, &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "broken.example") != NULL);
    unsigned asked = fake.asked;
    check_int(ed_resolve("broken.example", AF_INET, &addrs), ED_ERESOLVE);
    check(fake.asked > asked);
}

WITH_SERVER(a_silent_server_is_given_up)
{
    struct ed_addrs addrs;

    be_impatient();
    check_int(ed_resolve("silent.example", AF_INET, &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "no name server answered") != NULL);
    check_int(fake.asked, 2);
}

WITH_SERVER(half_an_answer_is_better_than_none)
{
    struct ed_addrs addrs;

    be_impatient();
    check_int(ed_resolve("half.example", AF_UNSPEC, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.1.2.3"));
}

WITH_SERVER(a_truncated_answer_is_fetched_by_tcp)
{
    struct ed_addrs addrs;

    check_int(ed_resolve("long.example", AF_INET, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.1.2.3"));
    check_int(fake.asked_by_tcp, 1);
}

WITH_SERVER(garbage_is_no_answer)
{
    struct ed_addrs addrs;

    be_impatient();
    check_int(ed_resolve("garbage.example", AF_INET, &addrs), ED_ERESOLVE);
}

/* ---- several who ask ---- */

struct asker {
    const char *name;
    int want;
    int64_t within;
};

static int ask(void *arg)
{
    struct asker *asker = arg;
    struct ed_addrs addrs;

    ed_scope(s, .within = asker->within);
    check_int(ed_resolve(asker->name, AF_INET, &addrs), asker->want);
    return 0;
}

WITH_SERVER(many_lookups_of_a_name_share_a_query)
{
    struct asker asker = {"good.example", 0, 0};

    ed_scope(s);
    for (int i = 0; i < 100; i++)
        ed_go(s, ask, &asker);
    check_int(ed_wait(s), 0);
    check_int(fake.asked, 1);
}

WITH_SERVER(many_names_are_asked_for_at_once)
{
    enum { NAMES = 200 };
    static struct asker askers[NAMES];
    static char names[NAMES][32];

    ed_scope(s);
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof(names[i]), "n%d.example", i);
        askers[i] = (struct asker){names[i], 0, 0};
        ed_go(s, ask, &askers[i]);
    }
    check_int(ed_wait(s), 0);
    check(fake.asked >= NAMES);
}

WITH_SERVER(one_who_leaves_does_not_disturb_the_others)
{
    struct asker patient = {"half.example", 0, 0};
    struct asker hasty = {"silent.example", ED_ETIMEOUT, 5 * ED_MS};
    struct asker waits = {"silent.example", ED_ERESOLVE, 0};

    be_impatient();
    ed_scope(s);
    ed_go(s, ask, &hasty);
    ed_go(s, ask, &waits);
    ed_go(s, ask, &patient);
    check_int(ed_wait(s), 0);
}

WITH_SERVER(a_query_nobody_waits_for_is_ended)
{
    struct asker hasty = {"silent.example", ED_ETIMEOUT, 5 * ED_MS};
    int before = held_descriptors();

    be_impatient();
    check_int(ask(&hasty), 0);
    check_int(held_descriptors(), before);
    unsigned asked = fake.asked;
    check_int(ed_sleep(60 * ED_MS), 0);
    check_int(fake.asked, asked);
    hasty.want = ED_ETIMEOUT;
    check_int(ask(&hasty), 0);
    check(fake.asked > asked);
}

WITH_SERVER(a_lookup_under_way_keeps_its_settings)
{
    struct asker asker = {"silent.example", ED_ERESOLVE, 0};

    be_impatient();
    ed_scope(s);
    ed_go(s, ask, &asker);
    settle();
    check_int(ed_dns_configure(.servers = fake.servers), ED_EUSAGE);
    check_int(ed_wait(s), 0);
    check_int(ed_dns_configure(.servers = "nonsense:"), ED_EADDR);
}

/* ---- without asking ---- */

WITH_SERVER(addresses_are_their_own_answer)
{
    struct ed_addrs addrs;

    check_int(ed_resolve("10.0.0.1", AF_UNSPEC, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.0.0.1"));
    check_int(ed_resolve("::1", AF_INET6, &addrs), 0);
    check_int(ed_resolve("[::1]", AF_UNSPEC, &addrs), 0);
    check(is_ip(&addrs, 0, "::1"));
    check_int(ed_resolve("::1", AF_INET, &addrs), ED_ERESOLVE);
    check_int(ed_resolve("10.0.0.256", AF_UNSPEC, &addrs), ED_EADDR);
    check_int(ed_resolve("", AF_UNSPEC, &addrs), ED_EADDR);
    check_int(ed_resolve("a b", AF_UNSPEC, &addrs), ED_EADDR);
    check_int(ed_resolve("good.example", 99, &addrs), ED_EUSAGE);
    check_int(fake.asked, 0);
}

WITH_SERVER(localhost_is_loopback_and_never_asked_for)
{
    const char *names[] = {"localhost", "LocalHost.", "a.b.localhost"};
    struct ed_addrs addrs;

    write_hosts("10.9.9.9 localhost\n");
    for (size_t i = 0; i < 3; i++) {
        check_int(ed_resolve(names[i], AF_UNSPEC, &addrs), 0);
        check(addrs.count == 2 && is_ip(&addrs, 0, "127.0.0.1") &&
              is_ip(&addrs, 1, "::1"));
    }
    check_int(ed_resolve("localhost", AF_INET6, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "::1"));
    check_int(fake.asked, 0);
    check_int(ed_resolve("notlocalhost", AF_INET, &addrs), 0);
    check_int(fake.asked, 1);
    write_hosts("");
}

WITH_SERVER(the_hosts_file_comes_first)
{
    struct ed_addrs addrs;

    write_hosts("# a comment\n\n"
                "10.0.0.1\tone One.alias # two names\r\n"
                "nonsense good.example\n"
                "10.0.0.2 one\n  fd00::1 one\n"
                "10.0.0.1 one");
    check_int(ed_resolve("ONE", AF_UNSPEC, &addrs), 0);
    check_int(addrs.count, 3);
    check(is_ip(&addrs, 0, "10.0.0.1") && is_ip(&addrs, 1, "10.0.0.2") &&
          is_ip(&addrs, 2, "fd00::1"));
    check_int(ed_resolve("one.alias.", AF_INET, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.0.0.1"));
    check_int(fake.asked, 0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), 0);
    check_int(fake.asked, 1);
    write_hosts("");
}

WITH_SERVER(a_changed_hosts_file_is_read_again)
{
    struct ed_addrs addrs;

    write_hosts("10.0.0.1 one\n");
    check_int(ed_resolve("one", AF_INET, &addrs), 0);
    write_hosts("10.0.0.22 one\n");
    check_int(ed_sleep(1005 * ED_MS), 0);
    check_int(ed_resolve("one", AF_INET, &addrs), 0);
    check(is_ip(&addrs, 0, "10.0.0.22"));
    check_int(fake.asked, 0);
    write_hosts("");
}

WITH_SERVER(no_thread_is_started)
{
    struct ed_addrs addrs;
    int before = held_threads();

    check_int(ed_resolve("good.example", AF_UNSPEC, &addrs), 0);
    check_int(ed_resolve("nx.example", AF_UNSPEC, &addrs), ED_ERESOLVE);
    check_int(held_threads(), before);
}

/* ---- no server at all ---- */

NET_TEST(an_unreachable_server_is_no_long_wait)
{
    char servers[32];
    struct ed_addrs addrs;

    snprintf(servers, sizeof(servers), "127.0.0.1:%u",
             (unsigned)server_process_free_port());
    check_int(ed_dns_configure(.servers = servers, .hosts_file = hosts_file),
              0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), ED_ERESOLVE);
    check_int(ed_dns_configure(.servers = servers,
                               .hosts_file = "/nonexistent/hosts"),
              0);
    check_int(ed_resolve("good.example", AF_INET, &addrs), ED_ERESOLVE);
    return 0;
}

/* ---- dnsmasq ---- */

static pid_t start_dnsmasq(uint16_t port)
{
    char port_option[32];

    snprintf(port_option, sizeof(port_option), "--port=%u", port);
    pid_t pid = fork();
    if (pid)
        return pid;
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--no-resolv",
           "--no-hosts", "--conf-file=/dev/null", "--pid-file=", port_option,
           "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root",
           "--local-ttl=60", "--local=/test/",
           "--host-record=both.test,10.0.0.1,fd00::1",
           "--host-record=many.test,10.0.1.1",
           "--host-record=many.test,10.0.1.2", "--cname=alias.test,both.test",
           (char *)NULL);
    _exit(127);
}

static bool is_installed(const char *program)
{
    const char *folders[] = {"/usr/sbin", "/usr/bin", "/usr/local/sbin"};
    char path[64];

    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], program);
        if (!access(path, X_OK))
            return true;
    }
    return false;
}

static void ask_dnsmasq(void)
{
    struct ed_addrs addrs;
    int err;

    for (int i = 0; i < 1000; i++) {
        err = ed_resolve("many.test", AF_INET, &addrs); /* is it up? */
        if (!err)
            break;
        check_int(ed_sleep(10 * ED_MS), 0);
    }
    check_int(err, 0);
    check_int(ed_resolve("both.test", AF_UNSPEC, &addrs), 0);
    check(addrs.count == 2 && has_ip(&addrs, "10.0.0.1") &&
          has_ip(&addrs, "fd00::1"));
    check_int(ed_resolve("alias.test", AF_INET, &addrs), 0);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.0.0.1"));
    check_int(ed_resolve("many.test", AF_UNSPEC, &addrs), 0);
    check(has_ip(&addrs, "10.0.1.1"));
    check_int(ed_resolve("missing.test", AF_UNSPEC, &addrs), ED_ERESOLVE);
    check_int(ed_resolve("many.test", AF_INET6, &addrs), ED_ERESOLVE);
    check_int(ed_resolve("elsewhere.example", AF_INET, &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "elsewhere.example") != NULL);
}

NET_TEST(a_real_server_answers)
{
    uint16_t port = (uint16_t)server_process_free_port();
    char servers[32];

    snprintf(servers, sizeof(servers), "127.0.0.1:%u", port);
    check_int(ed_dns_configure(.servers = servers, .hosts_file = hosts_file),
              0);
    pid_t pid = start_dnsmasq(port);
    ask_dnsmasq();
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return 0;
}

/* ---- addresses to connect to ---- */

WITH_SERVER(both_answers_are_taken_when_they_come_together)
{
    struct ed_addrs addrs;

    check_int(ed_resolve_soon("good.example", &addrs), 0);
    /* Unique local addresses are behind IPv4 (RFC 6724, 2.1). */
    check(is_ip(&addrs, 0, "10.1.2.3") && is_ip(&addrs, 1, "fd00::7"));
    check_int(addrs.count, 2);
    check_int(ed_resolve_soon("good.example", &addrs), 0);
    check_int(fake.asked, 2);
}

WITH_SERVER(a_second_answer_is_not_awaited_for_long)
{
    struct ed_addrs addrs;

    check_int(
        ed_dns_configure(.servers = fake.servers, .hosts_file = hosts_file), 0);
    int64_t began = ed_now();
    check_int(ed_resolve_soon("half.example", &addrs), 0);
    check(ed_now() - began >= 50 * ED_MS);
    check(ed_now() - began < 900 * ED_MS);
    check(addrs.count == 1 && is_ip(&addrs, 0, "10.1.2.3"));
}

WITH_SERVER(a_name_without_any_address_is_told_of)
{
    struct ed_addrs addrs;

    check_int(ed_resolve_soon("nx.example", &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "nx.example: no such name") != NULL);
    check_int(ed_resolve_soon("silent.example", &addrs), ED_ERESOLVE);
    check(strstr(ed_error(), "no name server answered") != NULL);
    check_int(ed_resolve_soon("a..b", &addrs), ED_EADDR);
}

static int resolve_silent_soon(void *arg)
{
    struct ed_addrs addrs;

    return ed_resolve_soon(arg, &addrs);
}

WITH_SERVER(waiting_for_both_answers_can_be_cancelled)
{
    static char name[] = "silent.example";

    check_int(
        ed_dns_configure(.servers = fake.servers, .hosts_file = hosts_file), 0);
    check_int(ed_with_timeout(5 * ED_MS, resolve_silent_soon, name),
              ED_ETIMEOUT);
    ed_scope(s);
    ed_go(s, resolve_silent_soon, name);
    settle();
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
}

WITH_SERVER(what_is_known_here_is_not_asked_for)
{
    struct ed_addrs addrs;

    check_int(ed_resolve_soon("localhost", &addrs), 0);
    check(is_ip(&addrs, 0, "127.0.0.1") && is_ip(&addrs, 1, "::1"));
    check_int(ed_resolve_soon("10.0.0.1", &addrs), 0);
    check_int(fake.asked, 0);
}

static void a_real_server_answers_if_there_is_one(void **state)
{
    if (!is_installed("dnsmasq"))
        skip();
    a_real_server_answers(state);
}

static int make_hosts(void **state)
{
    (void)state;
    int fd = mkstemp(hosts_file);
    return fd < 0 ? -1 : close(fd);
}

static int remove_hosts(void **state)
{
    (void)state;
    return unlink(hosts_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_of_address_are_found),
        cmocka_unit_test(an_answer_is_remembered_for_its_time),
        cmocka_unit_test(no_more_names_are_remembered_than_allowed),
        cmocka_unit_test(a_missing_name_is_remembered_briefly),
        cmocka_unit_test(a_failing_server_is_asked_anew),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(half_an_answer_is_better_than_none),
        cmocka_unit_test(a_truncated_answer_is_fetched_by_tcp),
        cmocka_unit_test(garbage_is_no_answer),
        cmocka_unit_test(many_lookups_of_a_name_share_a_query),
        cmocka_unit_test(many_names_are_asked_for_at_once),
        cmocka_unit_test(one_who_leaves_does_not_disturb_the_others),
        cmocka_unit_test(a_query_nobody_waits_for_is_ended),
        cmocka_unit_test(a_lookup_under_way_keeps_its_settings),
        cmocka_unit_test(addresses_are_their_own_answer),
        cmocka_unit_test(localhost_is_loopback_and_never_asked_for),
        cmocka_unit_test(the_hosts_file_comes_first),
        cmocka_unit_test(a_changed_hosts_file_is_read_again),
        cmocka_unit_test(no_thread_is_started),
        cmocka_unit_test(an_unreachable_server_is_no_long_wait),
        cmocka_unit_test(both_answers_are_taken_when_they_come_together),
        cmocka_unit_test(a_second_answer_is_not_awaited_for_long),
        cmocka_unit_test(a_name_without_any_address_is_told_of),
        cmocka_unit_test(waiting_for_both_answers_can_be_cancelled),
        cmocka_unit_test(what_is_known_here_is_not_asked_for),
        cmocka_unit_test(a_real_server_answers_if_there_is_one),
    };

    return cmocka_run_group_tests(tests, make_hosts, remove_hosts);
}
