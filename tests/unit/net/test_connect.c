/*
 * test_connect.c - connecting, every address in turn, and what is said when
 * it fails.
 */
#include "net_test.h"
#include "net/connect.h"
#include "net/stream.h"
#include <eddy/dns.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Nobody answers there: TEST-NET-1, RFC 5737. */
#define NOWHERE "192.0.2.1"

static char hosts_file[] = "/tmp/eddy-connect-XXXXXX";

static void write_hosts(const char *text)
{
    FILE *file = fopen(hosts_file, "w");

    fputs(text, file);
    fclose(file);
    CHECK_INT(
        ed_dns_configure(.hosts_file = hosts_file, .servers = "127.0.0.1:1"),
        0);
}

static ed_listener *listen_somewhere(const char *at, uint16_t *port)
{
    ed_listener *l = NULL;
    char address[ED_ADDR_TEXT];
    struct ed_addr addr = {0};

    CHECK_INT(ed_listen(&l, at), 0);
    ed_listener_local(l, address);
    CHECK_INT(ed_addr_parse(&addr, ed_bytes(address)), 0);
    *port = ed_addr_port(&addr);
    return l;
}

/* A port nobody listens on. */
static uint16_t free_port(void)
{
    uint16_t port;

    ed_listener_close(listen_somewhere("127.0.0.1:0", &port));
    return port;
}

IN_FIBER(a_refusal_names_address_and_reason)
{
    char address[64];
    ed_stream *s = NULL;

    snprintf(address, sizeof(address), "127.0.0.1:%u", free_port());
    CHECK_INT(ed_connect(&s, address), ED_ECONNECT);
    CHECK(strstr(ed_error(), address) != NULL);
    CHECK(strstr(ed_error(), "refused") != NULL);
    return 0;
}

IN_FIBER(malformed_addresses_are_named)
{
    ed_stream *s = NULL;

    CHECK_INT(ed_connect(&s, "127.0.0.1"), ED_EADDR);
    CHECK(strstr(ed_error(), "127.0.0.1") != NULL);
    CHECK_INT(ed_connect(&s, ":80"), ED_EADDR);
    CHECK_INT(ed_connect(&s, "a..b:80"), ED_EADDR);
    CHECK_INT(ed_connect(&s, "127.0.0.1:80", .local = "x"), ED_EADDR);
    return 0;
}

IN_FIBER(the_next_address_is_tried)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.2:0", &port);
    char address[64], peer[ED_ADDR_TEXT];
    ed_stream *s ED_STREAM_AUTO = NULL;

    write_hosts("127.0.0.1 Pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", port);
    CHECK_INT(ed_connect(&s, address), 0);
    ed_stream_peer(s, peer);
    CHECK(!strncmp(peer, "127.0.0.2:", 10));
    ed_listener_close(l);
    return 0;
}

IN_FIBER(every_refusal_is_told)
{
    char address[64];
    ed_stream *s = NULL;

    write_hosts("127.0.0.1 pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", free_port());
    CHECK_INT(ed_connect(&s, address), ED_ECONNECT);
    CHECK(strstr(ed_error(), address) != NULL);
    CHECK(strstr(ed_error(), "127.0.0.1:") != NULL);
    CHECK(strstr(ed_error(), "127.0.0.2:") != NULL);
    return 0;
}

/* Whether the network lets packets to NOWHERE vanish, as it should. */
static bool nowhere_is_silent(void)
{
    struct ed_addr to = {0};
    ed_stream *s = NULL;

    CHECK_INT(ed_addr_parse(&to, ED_BYTES(NOWHERE ":9")), 0);
    ed_scope(short_time, .within = 10 * ED_MS);
    return ed_connect_addr(&s, &to, NULL) == ED_ETIMEOUT;
}

IN_FIBER(a_silent_address_leaves_time_for_the_next)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.2:0", &port);
    char address[64];
    ed_stream *s ED_STREAM_AUTO = NULL;

    write_hosts(NOWHERE " pair\n127.0.0.2 pair\n");
    snprintf(address, sizeof(address), "pair:%u", port);
    if (nowhere_is_silent()) {
        ed_scope(within, .within = 100 * ED_MS);
        CHECK_INT(ed_connect(&s, address), 0);
    }
    ed_listener_close(l);
    return 0;
}

static int connect_nowhere(void *arg)
{
    ed_stream *s = NULL;

    (void)arg;
    return ed_connect(&s, NOWHERE ":9");
}

IN_FIBER(connecting_can_be_cancelled_and_timed_out)
{
    if (!nowhere_is_silent())
        return 0;
    CHECK_INT(ed_with_timeout(5 * ED_MS, connect_nowhere, NULL), ED_ETIMEOUT);
    CHECK(strstr(ed_error(), NOWHERE) != NULL);
    ed_scope(s);
    ed_go(s, connect_nowhere, NULL);
    settle();
    ed_cancel(s);
    CHECK_INT(ed_wait(s), ED_ECANCELED);
    return 0;
}

IN_FIBER(a_connection_may_come_from_a_chosen_address)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.1:0", &port);
    char address[64], local[ED_ADDR_TEXT];
    ed_stream *s ED_STREAM_AUTO = NULL;

    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    CHECK_INT(ed_connect(&s, address, .local = "127.0.0.3"), 0);
    ed_stream_local(s, local);
    CHECK(!strncmp(local, "127.0.0.3:", 10));
    ed_stream_close(s);
    s = NULL;
    CHECK_INT(ed_connect(&s, address, .local = NOWHERE), ED_ECONNECT);
    ed_listener_close(l);
    return 0;
}

IN_FIBER(the_phases_of_a_connection_can_be_seen)
{
    uint16_t port;
    ed_listener *l = listen_somewhere("127.0.0.1:0", &port);
    struct ed_connecting c = {0};

    CHECK_INT(ed_endpoint_of(&c.to, ED_BYTES("localhost"), port), 0);
    CHECK_INT(ed_net_connect(&c), 0);
    CHECK(c.resolved_at > 0 && c.connected_at >= c.resolved_at);
    CHECK_INT(ed_addr_port(&c.peer), port);
    ed_stream_close(c.stream);
    ed_listener_close(l);

    CHECK_INT(ed_net_connect(&c), ED_ECONNECT);
    CHECK(c.resolved_at > 0 && c.connected_at == 0);
    return 0;
}

IN_FIBER(out_of_descriptors_is_said_plainly)
{
    struct rlimit before, none;
    ed_stream *s = NULL;
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(ed_connect(&s, "127.0.0.1:9"), -EMFILE);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    return 0;
}

static int connect_unix(void *arg)
{
    ed_stream *s = NULL;
    int err = ed_connect(&s, arg);

    ed_stream_close(s);
    return err;
}

IN_FIBER(a_full_unix_queue_is_waited_for)
{
    char address[64];
    ed_listener *l = NULL;
    ed_stream *s = NULL;

    snprintf(address, sizeof(address), "unix:@eddy-full-%d", getpid());
    CHECK_INT(ed_listen(&l, address, .backlog = 1), 0);
    while (!ed_with_timeout(3 * ED_MS, connect_unix, address))
        ;
    ed_scope(scope);
    ed_go(scope, connect_unix, address);
    CHECK_INT(ed_accept(l, &s), 0);
    ed_stream_close(s);
    CHECK_INT(ed_wait(scope), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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

    return cmocka_run_group_tests(tests, make_hosts, remove_hosts);
}
