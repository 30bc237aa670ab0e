/*
 * test_connect.c - connecting, every address in turn, and what is said when
 * it fails.
 */
#include "net_test.h"
#include "net/connect.h"
#include "net/stream.h"
#include <arpa/inet.h>
#include <eddy/dns.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Not one of ours: TEST-NET-1, RFC 5737. */
#define NOWHERE "192.0.2.1"

static char hosts_file[] = "/tmp/eddy-connect-XXXXXX";

static void write_hosts(const char *text)
{
    FILE *file = fopen(hosts_file, "w");

    fputs(text, file);
    fclose(file);
    check_int(
        ed_dns_configure(.hosts_file = hosts_file, .servers = "127.0.0.1:1"),
        0);
}

static ed_listener *listen_somewhere(const char *at, uint16_t *port)
{
    ed_listener *l = NULL;
    char address[ED_ADDR_TEXT];
    struct ed_addr addr = {0};

    check_int(ed_listen(&l, at), 0);
    ed_listener_local(l, address);
    check_int(ed_addr_parse(&addr, ed_bytes(address)), 0);
    *port = ed_addr_port(&addr);
    return l;
}

/* A port nobody listens on, at any address here: it is taken, to the end, by a
 * socket that does not listen. */
static uint16_t refusing_port(void)
{
    static int held = -1;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);

    if (held < 0) {
        held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check_int(bind(held, (struct sockaddr *)&at, len), 0);
    }
    check_int(getsockname(held, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

NET_TEST(a_refusal_names_address_and_reason)
{
    char address[64];
    ed_stream *s = NULL;

    snprintf(address, sizeof(address), "127.0.0.1:%u", refusing_port());
    check_int(ed_connect(&s, address), ED_ECONNECT);
    check(strstr(ed_error(), address) != NULL);
    check(strstr(ed_error(), "refused") != NULL);
    return 0;
}

NET_TEST(malformed_addresses_are_named)
{
    ed_stream *s = NULL;

    check_int(ed_connect(&s, "127.0.0.1"), ED_EADDR);
    check(strstr(ed_error(), "127.0.0.1") != NULL);
    check_int(ed_connect(&s, ":80"), ED_EADDR);
    check_int(ed_connect(&s, "a..b:80"), ED_EADDR);
    check_int(ed_connect(&s, "127.0.0.1:80", .local = "x"), ED_EADDR);
    return 0;
}

NET_TEST(the_next_address_is_tried)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.2:0", &port);
    char address[64], peer[ED_ADDR_TEXT];
    ed_stream *s ED_STREAM_AUTO = NULL;

    write_hosts("127.0.0.1 Pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", port);
    check_int(ed_connect(&s, address), 0);
    ed_stream_peer(s, peer);
    check(!strncmp(peer, "127.0.0.2:", 10));
    ed_listener_close(l);
    return 0;
}

NET_TEST(every_refusal_is_told)
{
    char address[64];
    ed_stream *s = NULL;

    write_hosts("127.0.0.1 pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", refusing_port());
    check_int(ed_connect(&s, address), ED_ECONNECT);
    check(strstr(ed_error(), address) != NULL);
    check(strstr(ed_error(), "127.0.0.1:") != NULL);
    check(strstr(ed_error(), "127.0.0.2:") != NULL);
    return 0;
}

/* A listener whose queue is full: what connects to it hears nothing. */
struct silent {
    int fd;
    uint16_t port;
    char address[64];
    ed_stream *queued[8];
};

static int connect_to(void *arg)
{
    ed_stream *s = NULL;
    int err = ed_connect(&s, arg);

    ed_stream_close(s);
    return err;
}

static void open_silent(struct silent *silent)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(at);

    memset(silent, 0, sizeof(*silent));
    silent->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(bind(silent->fd, (struct sockaddr *)&at, len), 0);
    check_int(listen(silent->fd, 0), 0);
    check_int(getsockname(silent->fd, (struct sockaddr *)&at, &len), 0);
    silent->port = ntohs(at.sin_port);
    snprintf(silent->address, sizeof(silent->address), "127.0.0.1:%u",
             silent->port);
    for (int i = 0; i < 8; i++) {
        ed_scope(short_time, .within = 10 * ED_MS);
        if (ed_connect(&silent->queued[i], silent->address))
            return;
    }
    check(!"the queue fills");
}

static void close_silent(struct silent *silent)
{
    for (int i = 0; i < 8; i++)
        ed_stream_close(silent->queued[i]);
    close(silent->fd);
}

NET_TEST(a_silent_address_leaves_time_for_the_next)
{
    struct silent silent;
    char address[64], peer[ED_ADDR_TEXT] = "";
    ed_listener *l = NULL;
    ed_stream *s ED_STREAM_AUTO = NULL;

    open_silent(&silent);
    snprintf(address, sizeof(address), "127.0.0.2:%u", silent.port);
    check_int(ed_listen(&l, address), 0);
    write_hosts("127.0.0.1 pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", silent.port);
    {
        ed_scope(within, .within = 10 * ED_S);
        if (check_int(ed_connect(&s, address), 0))
            ed_stream_peer(s, peer);
    }
    check(!strncmp(peer, "127.0.0.2:", 10));
    ed_listener_close(l);
    close_silent(&silent);
    return 0;
}

NET_TEST(connecting_can_be_cancelled_and_timed_out)
{
    struct silent silent;

    open_silent(&silent);
    check_int(ed_with_timeout(5 * ED_MS, connect_to, silent.address),
              ED_ETIMEOUT);
    check(strstr(ed_error(), silent.address) != NULL);
    ed_scope(s);
    ed_go(s, connect_to, silent.address);
    settle();
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    close_silent(&silent);
    return 0;
}

NET_TEST(a_connection_may_come_from_a_chosen_address)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.1:0", &port);
    char address[64], local[ED_ADDR_TEXT];
    ed_stream *s ED_STREAM_AUTO = NULL;

    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    check_int(ed_connect(&s, address, .local = "127.0.0.3"), 0);
    ed_stream_local(s, local);
    check(!strncmp(local, "127.0.0.3:", 10));
    ed_stream_close(s);
    s = NULL;
    check_int(ed_connect(&s, address, .local = NOWHERE), ED_ECONNECT);
    ed_listener_close(l);
    return 0;
}

NET_TEST(the_phases_of_a_connection_can_be_seen)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.1:0", &port);
    struct ed_connecting c = {0};

    check_int(ed_endpoint_of(&c.to, ED_BYTES("localhost"), port), 0);
    check_int(ed_net_connect(&c), 0);
    check(c.resolved_at > 0 && c.connected_at >= c.resolved_at);
    check_int(ed_addr_port(&c.peer), port);
    ed_stream_close(c.stream);
    ed_listener_close(l);

    check_int(ed_net_connect(&c), ED_ECONNECT);
    check(c.resolved_at > 0 && c.connected_at == 0);
    return 0;
}

NET_TEST(out_of_descriptors_is_said_plainly)
{
    struct rlimit before, none;
    ed_stream *s = NULL;
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    check_int(setrlimit(RLIMIT_NOFILE, &none), 0);
    check_int(ed_connect(&s, "127.0.0.1:9"), -EMFILE);
    check_int(setrlimit(RLIMIT_NOFILE, &before), 0);
    return 0;
}

NET_TEST(a_full_unix_queue_is_waited_for)
{
    char address[64];
    ed_listener *l = NULL;
    ed_stream *s = NULL;

    snprintf(address, sizeof(address), "unix:@eddy-full-%d", getpid());
    check_int(ed_listen(&l, address, .backlog = 1), 0);
    while (!ed_with_timeout(3 * ED_MS, connect_to, address))
        ;
    ed_scope(scope);
    ed_go(scope, connect_to, address);
    check_int(ed_accept(l, &s), 0);
    ed_stream_close(s);
    check_int(ed_wait(scope), 0);
    ed_listener_close(l);
    return 0;
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

static void nothing_is_connected_outside_of_a_fiber(void **state)
{
    ed_stream *s;
    struct ed_addrs found;

    (void)state;
    assert_int_equal(ed_connect(&s, "127.0.0.1:1"), ED_EUSAGE);
    assert_int_equal(ed_resolve("name.example", AF_UNSPEC, &found), ED_EUSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_connected_outside_of_a_fiber),
        cmocka_unit_test(a_refusal_names_address_and_reason),
        cmocka_unit_test(malformed_addresses_are_named),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(every_refusal_is_told),
        cmocka_unit_test(a_silent_address_leaves_time_for_the_next),
        cmocka_unit_test(connecting_can_be_cancelled_and_timed_out),
        cmocka_unit_test(a_connection_may_come_from_a_chosen_address),
        cmocka_unit_test(the_phases_of_a_connection_can_be_seen),
        cmocka_unit_test(out_of_descriptors_is_said_plainly),
        cmocka_unit_test(a_full_unix_queue_is_waited_for),
    };

    refusing_port(); /* taken before descriptors are counted */
    return cmocka_run_group_tests(tests, make_hosts, remove_hosts);
}
