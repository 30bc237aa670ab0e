/*
 * test_telemetry_statsd.c - what a statsd is sent, and that nobody waits for
 * it. The statsd is a socket of ours.
 */
#include "observed.h"
#include "core/io.h"
#include "serve/statsd.h"

#include <eddy/dns.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a statsd ---- */

static int listener = -1;
static char where[ED_ADDR_TEXT];
static char socket_path[64];

static void listen_at(const char *address)
{
    struct ed_addr addr;
    socklen_t len = sizeof addr.v6;

    check_int(ed_addr_parse(&addr, ed_bytes(address)), 0);
    listener = socket(addr.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    check_int(bind(listener, &addr.any, addr.len), 0);
    if (addr.any.sa_family != AF_UNIX &&
        !getsockname(listener, &addr.any, &len))
        addr.len = len;
    ed_addr_text(&addr, where);
}

/* The next datagram; "" when there is none. Valid until the next call. */
static const char *hear(void)
{
    static char text[64 * 1024];
    ssize_t n = recv(listener, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void open_socket(void)
{
    static int count;

    snprintf(socket_path, sizeof socket_path, "/tmp/eddy-statsd-%d-%d",
             getpid(), ++count);
    char address[80];
    snprintf(address, sizeof address, "unix:%s", socket_path);
    listen_at(address);
}

static void close_socket(void)
{
    close(listener);
    unlink(socket_path);
}

/* ---- what is observed ---- */

static int hello(ed_req *req)
{
    return ed_reply(req, 200, "hello");
}

static int slowly(ed_req *req)
{
    int err = ed_sleep(12345 * ED_US);

    return err ? err : ed_reply(req, 200, "done");
}

static void open_observed(struct observed *o, const char *prefix)
{
    o->settings.statsd = where;
    o->settings.statsd_prefix = prefix;
    observed_open(o);
    ed_route(o->h.app, "GET /", hello);
    ed_route(o->h.app, "GET /slow", slowly);
}

FIBER_TEST(each_second_what_was_counted_is_sent)
{
    struct observed o = {0};

    open_socket();
    open_observed(&o, "shop.");
    hosted_get(&o.h, "/slow", "A: b");
    hosted_get(&o.h, "/", "A: b");
    hosted_get(&o.h, "/none", "A: b");
    check_text(hear(), "");
    check_int(ed_sleep(ED_S), 0);
    check_text(hear(), "shop.request.duration:12.345|ms\n"
                       "shop.request.duration:0.000|ms\n"
                       "shop.request.duration:0.000|ms\n"
                       "shop.requests:3|c\n"
                       "shop.request.status.200:2|c\n"
                       "shop.request.status.404:1|c");
    check_int(ed_sleep(5 * ED_S), 0);
    check_text(hear(), "");
    hosted_get(&o.h, "/", "A: b");
    observed_close(&o);
    check_text(hear(), "shop.request.duration:0.000|ms\n"
                       "shop.requests:1|c\n"
                       "shop.request.status.200:1|c");
    close_socket();
}

FIBER_TEST(it_is_sent_by_udp_as_well)
{
    struct observed o = {0};

    listen_at("127.0.0.1:0");
    open_observed(&o, "eddy.");
    hosted_get(&o.h, "/", "A: b");
    observed_close(&o);
    check(strstr(hear(), "eddy.requests:1|c") != NULL);
    close(listener);
}

FIBER_TEST(what_was_refused_is_counted_and_has_no_duration)
{
    struct observed o = {0};

    open_socket();
    open_observed(&o, "");
    hosted_raw(&o.h, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    check_int(ed_sleep(ED_S), 0);
    check_text(hear(), "requests:1|c\nrequest.status.400:1|c");
    observed_close(&o);
    close_socket();
}

/* Each is a whole number of lines. */
FIBER_TEST(datagrams_fit_into_every_path_and_lose_no_duration)
{
    struct ed_statsd *statsd = NULL;
    unsigned durations = 0, requests = 0, datagrams = 0;
    const char *text;

    open_socket();
    check_int(ed_statsd_open(&statsd, where, "eddy."), 0);
    for (int i = 0; i < 1000; i++) {
        ed_statsd_request(statsd, 200, i * ED_MS);
        /* A Unix socket holds few of them. */
        while (*(text = hear())) {
            datagrams++;
            check(strlen(text) <= ED_STATSD_DATAGRAM);
            check(!strncmp(text, "eddy.", 5));
            for (const char *at = text; (at = strstr(at, "|ms")); at++)
                durations++;
        }
    }
    check_int(ed_sleep(ED_S), 0);
    text = hear();
    for (const char *at = text; (at = strstr(at, "|ms")); at++)
        durations++;
    text = strstr(text, "eddy.requests:");
    requests =
        text ? (unsigned)strtoul(text + strlen("eddy.requests:"), NULL, 10) : 0;
    check_int(durations, 1000);
    check_int(requests, 1000);
    check(datagrams > 10);
    ed_statsd_close(statsd);
    close_socket();
}

FIBER_TEST(without_a_statsd_datagrams_are_dropped_and_the_next_one_gets_them)
{
    struct ed_statsd *statsd = NULL;

    ed_log_set_level(ED_LOG_OFF);
    open_socket();
    close_socket();
    check_int(ed_statsd_open(&statsd, where, "eddy."), 0);
    ed_statsd_request(statsd, 200, 0);
    check_int(ed_sleep(ED_S), 0);
    check_int((int)statsd->dropped, 1);
    listen_at(where);
    ed_statsd_request(statsd, 200, 0);
    check_int(ed_sleep(ED_S), 0);
    check_int((int)statsd->sent, 1);
    check(strstr(hear(), "eddy.requests:1|c") != NULL);
    ed_statsd_close(statsd);
    close_socket();
    ed_log_set_level(ED_LOG_INFO);
}

FIBER_TEST(a_statsd_that_does_not_read_makes_nobody_wait)
{
    struct ed_statsd *statsd = NULL;

    ed_log_set_level(ED_LOG_OFF);
    open_socket();
    check_int(ed_statsd_open(&statsd, where, "eddy."), 0);
    for (int i = 0; i < 100000; i++)
        ed_statsd_request(statsd, 200, 0);
    check(statsd->dropped > 0);
    ed_statsd_close(statsd);
    close_socket();
    ed_log_set_level(ED_LOG_INFO);
}

/* ---- names ---- */

static char hosts_file[] = "/tmp/eddy-statsd-hosts-XXXXXX";
static int name_server = -1;

/* Knows no name (RFC 1035, 4.1.1: RCODE 3). */
static int deny_names(void *arg)
{
    char packet[512];
    struct ed_addr from;
    int err;

    (void)arg;
    while (!(err = ed_io_wait_fd(name_server, false, "query"))) {
        from.len = sizeof from.v4;
        ssize_t n = recvfrom(name_server, packet, sizeof packet, MSG_DONTWAIT,
                             &from.any, &from.len);
        if (n < 12)
            continue;
        packet[2] |= (char)0x80;
        packet[3] = (char)0x83;
        sendto(name_server, packet, (size_t)n, MSG_DONTWAIT, &from.any,
               from.len);
    }
    return err;
}

/* Only what the file has is found. */
static void open_names(ed_scope *s)
{
    struct ed_addr addr;
    char servers[ED_ADDR_TEXT];
    int fd = mkstemp(hosts_file);

    check(fd >= 0);
    close(fd);
    check_int(ed_addr_parse(&addr, ED_BYTES("127.0.0.1:0")), 0);
    name_server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    check_int(bind(name_server, &addr.any, addr.len), 0);
    check_int(getsockname(name_server, &addr.any, &addr.len), 0);
    check_int(ed_dns_configure(.hosts_file = hosts_file,
                               .servers = ed_addr_text(&addr, servers)),
              0);
    ed_go(s, deny_names, NULL);
}

static void name_it(const char *line)
{
    FILE *file = fopen(hosts_file, "w");

    check(file && fputs(line, file) >= 0 && !fclose(file));
}

static void close_names(ed_scope *s)
{
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    close(name_server);
    unlink(hosts_file);
    strcpy(hosts_file, "/tmp/eddy-statsd-hosts-XXXXXX");
}

/* The statsd that listens, by its name. */
static const char *named(void)
{
    static char address[64];

    snprintf(address, sizeof address, "statsd.example%s", strchr(where, ':'));
    return address;
}

FIBER_TEST(a_statsd_is_found_by_its_name)
{
    struct ed_statsd *statsd = NULL;

    ed_scope(s, .independent = true);
    open_names(s);
    name_it("127.0.0.1 statsd.example\n");
    listen_at("127.0.0.1:0");
    check_int(ed_statsd_open(&statsd, named(), "eddy."), 0);
    ed_statsd_request(statsd, 200, 0);
    check_int(ed_sleep(ED_S), 0);
    check(strstr(hear(), "eddy.requests:1|c") != NULL);
    check_int((int)statsd->dropped, 0);
    ed_statsd_close(statsd);
    close(listener);
    close_names(s);
}

FIBER_TEST(a_name_that_is_not_found_is_looked_for_until_it_is)
{
    struct ed_statsd *statsd = NULL;

    ed_log_set_level(ED_LOG_OFF);
    ed_scope(s, .independent = true);
    open_names(s);
    listen_at("127.0.0.1:0");
    check_int(ed_statsd_open(&statsd, named(), "eddy."), 0);
    ed_statsd_request(statsd, 200, 0);
    check_int(ed_sleep(ED_MIN), 0);
    check_int((int)statsd->dropped, 1);
    check_int(statsd->why, ED_ERESOLVE);
    name_it("127.0.0.1 statsd.example\n");
    check_int(ed_sleep(ED_MIN), 0);
    ed_statsd_request(statsd, 404, 0);
    check_int(ed_sleep(ED_S), 0);
    check_text(hear(), "eddy.request.duration:0.000|ms\n"
                       "eddy.requests:1|c\n"
                       "eddy.request.status.404:1|c");
    check_int((int)statsd->dropped, 1);
    ed_statsd_close(statsd);
    close(listener);
    close_names(s);
    ed_log_set_level(ED_LOG_INFO);
}

/* Before the search has begun, and in the midst of it. */
FIBER_TEST(who_ends_does_not_wait_for_a_name)
{
    ed_log_set_level(ED_LOG_OFF);
    ed_scope(s, .independent = true);
    open_names(s);
    listen_at("127.0.0.1:0");
    for (int64_t after = 0; after <= ED_S; after += ED_S / 2) {
        struct ed_statsd *statsd = NULL;
        check_int(ed_statsd_open(&statsd, named(), "eddy."), 0);
        if (after)
            check_int(ed_sleep(after), 0);
        ed_statsd_request(statsd, 200, 0);
        int64_t began = ed_now();
        ed_statsd_close(statsd);
        check_int(ed_now() - began, 0);
        check_int(ed_yield(), 0);
    }
    close(listener);
    close_names(s);
    ed_log_set_level(ED_LOG_INFO);
}

FIBER_TEST(what_is_no_statsd_is_refused)
{
    static const struct {
        const char *address, *prefix;
    } rows[] = {
        {"", "a."},         {"127.0.0.1", "a."},      {":8125", "a."},
        {"a b:8125", "a."}, {"127.0.0.1:8125", "a:"}, {"127.0.0.1:8125", "a b"},
    };

    ed_log_set_level(ED_LOG_OFF);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ed_statsd *statsd = NULL;
        check_int(ed_statsd_open(&statsd, rows[i].address, rows[i].prefix),
                  ED_EUSAGE);
        check(!statsd);
    }
    ed_log_set_level(ED_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_second_what_was_counted_is_sent),
        cmocka_unit_test(it_is_sent_by_udp_as_well),
        cmocka_unit_test(what_was_refused_is_counted_and_has_no_duration),
        cmocka_unit_test(datagrams_fit_into_every_path_and_lose_no_duration),
        cmocka_unit_test(
            without_a_statsd_datagrams_are_dropped_and_the_next_one_gets_them),
        cmocka_unit_test(a_statsd_that_does_not_read_makes_nobody_wait),
        cmocka_unit_test(a_statsd_is_found_by_its_name),
        cmocka_unit_test(a_name_that_is_not_found_is_looked_for_until_it_is),
        cmocka_unit_test(who_ends_does_not_wait_for_a_name),
        cmocka_unit_test(what_is_no_statsd_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
