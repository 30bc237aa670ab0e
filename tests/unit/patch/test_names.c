/* Addresses of names, found on the loop. */
#include "patch_test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <eddy/dns.h>

static char hosts_name[] = "/tmp/eddy-hosts-XXXXXX";

/* Answers no question; who asks it waits. */
static int silent;

static const char hosts[] = "10.0.0.1 one.test\n"
                            "10.0.0.2 two.test\n"
                            "fd00::2 two.test\n";

static int make_hosts(void **state)
{
    int fd = mkstemp(hosts_name);
    struct sockaddr_in at = {.sin_family = AF_INET};

    (void)state;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(silent, (struct sockaddr *)&at, sizeof at) ||
        write(fd, hosts, sizeof hosts - 1) != sizeof hosts - 1)
        return -1;
    return close(fd);
}

static int remove_hosts(void **state)
{
    (void)state;
    close(silent);
    return unlink(hosts_name);
}

/* Of this test's loop. Nobody listens at the discard port. */
static void use_hosts(void)
{
    check_int(ed_dns_configure(.servers = "127.0.0.1:9",
                               .hosts_file = hosts_name, .tries = 1),
              0);
}

static void use_silence(void)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    char server[32];

    check_int(getsockname(silent, (struct sockaddr *)&at, &len), 0);
    snprintf(server, sizeof server, "127.0.0.1:%d", ntohs(at.sin_port));
    check_int(ed_dns_configure(.servers = server, .hosts_file = hosts_name,
                               .try_time = 10 * ED_S, .tries = 1),
              0);
}

static const char *text_of(const struct addrinfo *info, char text[64])
{
    char ip[INET6_ADDRSTRLEN] = "", port[8] = "";

    check_int(getnameinfo(info->ai_addr, info->ai_addrlen, ip, sizeof ip, port,
                          sizeof port, NI_NUMERICHOST | NI_NUMERICSERV),
              0);
    snprintf(text, 64, "%s %s", ip, port);
    return text;
}

FIBER_TEST(a_name_is_found_with_its_port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char text[64];

    use_hosts();
    check_int(getaddrinfo("one.test", "https", &hints, &found), 0);
    check_text(text_of(found, text), "10.0.0.1 443");
    check_int(found->ai_socktype, SOCK_STREAM);
    check(!found->ai_next);
    check(!found->ai_canonname);
    freeaddrinfo(found);
    check_int(getaddrinfo("one.test", "8080", NULL, &found), 0);
    check_text(text_of(found, text), "10.0.0.1 8080");
    /* One for each kind of socket. */
    check(found->ai_next && found->ai_next->ai_next);
    freeaddrinfo(found);
}

FIBER_TEST(all_addresses_of_a_name_are_found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char text[64];
    int families = 0;

    use_hosts();
    check_int(getaddrinfo("two.test", NULL, &hints, &found), 0);
    for (struct addrinfo *i = found; i; i = i->ai_next)
        families += i->ai_family;
    check_int(families, AF_INET + AF_INET6);
    freeaddrinfo(found);
    hints.ai_family = AF_INET6;
    check_int(getaddrinfo("two.test", NULL, &hints, &found), 0);
    check_text(text_of(found, text), "fd00::2 0");
    check(!found->ai_next);
    freeaddrinfo(found);
    hints.ai_flags = AI_V4MAPPED;
    check_int(getaddrinfo("one.test", NULL, &hints, &found), 0);
    check_text(text_of(found, text), "::ffff:10.0.0.1 0");
    freeaddrinfo(found);
}

static int plain_lookup(const char *name, const struct addrinfo *hints,
                        struct addrinfo **found)
{
    ed_patch_fiber(false);
    int err = getaddrinfo(name, NULL, hints, found);
    ed_patch_fiber(true);
    return err;
}

/* Names that may have others in /etc/hosts. */
FIBER_TEST(more_than_addresses_is_as_libc_says)
{
    static const char *const names[] = {"localhost", "ip6-localhost"};
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_CANONNAME};
    struct addrinfo *found, *plain;

    for (int i = 0; i < 2; i++) {
        int err = plain_lookup(names[i], &hints, &plain);
        if (err)
            continue;
        check_int(getaddrinfo(names[i], NULL, &hints, &found), 0);
        check_text(found->ai_canonname, plain->ai_canonname);
        freeaddrinfo(found);
        freeaddrinfo(plain);
    }
    const struct addrinfo all = {.ai_socktype = SOCK_STREAM,
                                 .ai_family = AF_INET6,
                                 .ai_flags = AI_ALL | AI_V4MAPPED};
    char text[64];
    bool mapped = false;
    check_int(getaddrinfo("localhost", NULL, &all, &found), 0);
    for (struct addrinfo *i = found; i; i = i->ai_next)
        mapped |= !strcmp(text_of(i, text), "::ffff:127.0.0.1 0");
    check(mapped);
    freeaddrinfo(found);
}

/* A name server that says the same to every question. */
struct server {
    int fd;
    char verdict; /* RFC 1035, 4.1.1: RCODE */
};

static int answer_all(void *arg)
{
    const struct server *server = arg;
    struct sockaddr_in from;
    char buf[512];

    for (;;) {
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(server->fd, buf, sizeof buf, 0,
                             (struct sockaddr *)&from, &len);
        if (n < 12)
            return 0;
        buf[2] = (char)0x81;
        buf[3] = (char)(0x80 | server->verdict);
        check_int(sendto(server->fd, buf, (size_t)n, 0,
                         (struct sockaddr *)&from, len),
                  n);
    }
}

static void is_told(char verdict, int result, int failure)
{
    struct server server = {socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                            verdict};
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    struct addrinfo *found;
    struct hostent host, *entry;
    char text[32], buf[512];
    int why = 0;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(bind(server.fd, (struct sockaddr *)&at, sizeof at), 0);
    check_int(getsockname(server.fd, (struct sockaddr *)&at, &len), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(at.sin_port));
    check_int(
        ed_dns_configure(.servers = text, .hosts_file = hosts_name, .tries = 1),
        0);
    ed_scope(s);
    ed_go(s, answer_all, &server);
    check_int(getaddrinfo("some.test", NULL, NULL, &found), result);
    check(!gethostbyname("some.test"));
    check_int(h_errno, failure);
    check_int(
        gethostbyname_r("some.test", &host, buf, sizeof buf, &entry, &why),
        failure == TRY_AGAIN ? EAGAIN : 0);
    check(!entry);
    check_int(why, failure);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    close(server.fd);
}

/* Who is told that there is no such name believes it: a mail goes back. */
FIBER_TEST(a_failing_server_is_no_missing_name)
{
    enum { NO_ERROR = 0, SERVER_FAILURE = 2, NO_SUCH_NAME = 3 };

    is_told(NO_SUCH_NAME, EAI_NONAME, HOST_NOT_FOUND);
    is_told(NO_ERROR, EAI_NODATA, NO_DATA);
    is_told(SERVER_FAILURE, EAI_AGAIN, TRY_AGAIN);
}

FIBER_TEST(what_is_wrong_is_told_as_ever)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct addrinfo number = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;

    use_hosts();
    check_int(getaddrinfo("one.test", "no-such-service", &hints, &found),
              EAI_SERVICE);
    check_int(getaddrinfo("one.test", NULL, &number, &found), EAI_NONAME);
    check_int(getaddrinfo("not a name", NULL, NULL, &found), EAI_NONAME);
    check_int(getaddrinfo(NULL, NULL, NULL, &found), EAI_NONAME);
}

FIBER_TEST(addresses_and_no_name_at_all_ask_nobody)
{
    const struct addrinfo passive = {.ai_flags = AI_PASSIVE,
                                     .ai_family = AF_INET,
                                     .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char text[64];

    check_int(getaddrinfo("127.0.0.1", "80", &passive, &found), 0);
    check_text(text_of(found, text), "127.0.0.1 80");
    freeaddrinfo(found);
    check_int(getaddrinfo(NULL, "80", &passive, &found), 0);
    check_text(text_of(found, text), "0.0.0.0 80");
    freeaddrinfo(found);
    check_int(getaddrinfo("::1", NULL, NULL, &found), 0);
    check_text(text_of(found, text), "::1 0");
    freeaddrinfo(found);
}

static void look_up_in_vain(void *arg)
{
    struct addrinfo *found;

    errno = 0;
    check_int(getaddrinfo("slow.test", NULL, NULL, &found), EAI_SYSTEM);
    check_int(errno, *(int *)arg);
}

static void look_up_old_in_vain(void *arg)
{
    check(!gethostbyname("slow.test"));
    check_int(h_errno, NETDB_INTERNAL);
    check_int(errno, *(int *)arg);
}

FIBER_TEST(a_deadline_and_a_cancellation_end_looking_up)
{
    use_silence();
    in_a_second(look_up_in_vain, &(int){ETIMEDOUT});
    cancelled(look_up_in_vain, &(int){ECANCELED});
    in_a_second(look_up_old_in_vain, &(int){ETIMEDOUT});
    cancelled(look_up_old_in_vain, &(int){ECANCELED});
}

static int look_up_slowly(void *arg)
{
    (void)arg;
    look_up_in_vain(&(int){ECANCELED});
    return 0;
}

FIBER_TEST(others_run_while_a_name_is_looked_up)
{
    int64_t began = ed_now();

    use_silence();
    ed_scope(s);
    ed_go(s, look_up_slowly, NULL);
    check_int(usleep(5), 0);
    check_int(ed_now() - began, 5 * ED_US);
    ed_cancel(s);
}

/* ---- older calls ---- */

static int look_up_other(void *arg)
{
    const struct hostent *host = gethostbyname("two.test");

    (void)arg;
    check(host && *(uint8_t *)host->h_addr_list[0] == 10);
    return 0;
}

FIBER_TEST(the_static_result_is_a_fiber_s_own)
{
    char text[INET6_ADDRSTRLEN];

    use_hosts();
    const struct hostent *host = gethostbyname("one.test");
    if (!check(host != NULL))
        return;
    ed_scope(s);
    ed_go(s, look_up_other, NULL);
    check_int(ed_wait(s), 0);
    check_text(host->h_name, "one.test");
    check_int(host->h_addrtype, AF_INET);
    check_int(host->h_length, 4);
    check(!host->h_aliases[0]);
    check_text(inet_ntop(AF_INET, host->h_addr_list[0], text, sizeof text),
               "10.0.0.1");
    check(!host->h_addr_list[1]);
    host = gethostbyname2("two.test", AF_INET6);
    check_int(host->h_length, 16);
    check_text(inet_ntop(AF_INET6, host->h_addr_list[0], text, sizeof text),
               "fd00::2");
    check(!gethostbyname("not a name"));
    check_int(h_errno, HOST_NOT_FOUND);
    host = gethostbyname("127.0.0.1");
    check(host && !host->h_addr_list[1]);
}

FIBER_TEST(a_result_goes_where_the_caller_has_room)
{
    struct hostent host, *found;
    char buf[512];
    int failure = 0;

    use_hosts();
    check_int(
        gethostbyname_r("one.test", &host, buf, sizeof buf, &found, &failure),
        0);
    check(found == &host);
    check(host.h_name > buf && host.h_name < buf + sizeof buf);
    size_t room = 0;
    while (gethostbyname2_r("one.test", AF_INET, &host, buf, room, &found,
                            &failure) == ERANGE) {
        check(!found);
        check_int(failure, NETDB_INTERNAL);
        if (!check(++room < 64))
            return;
    }
    check(found == &host);
    check(room > sizeof "one.test");
    check_int(
        gethostbyname_r("not a name", &host, buf, sizeof buf, &found, &failure),
        0);
    check(!found);
    check_int(failure, HOST_NOT_FOUND);
}

static int address_of_other(void *arg)
{
    const uint8_t other[4] = {127, 0, 0, 2};

    (void)arg;
    (void)gethostbyaddr(other, sizeof other, AF_INET);
    return 0;
}

FIBER_TEST(the_host_of_an_address_is_asked_for_on_a_thread)
{
    const uint8_t local[4] = {127, 0, 0, 1};
    struct hostent host, *found = NULL;
    char buf[1024];
    int failure = 0;

    check_int(gethostbyaddr_r(local, sizeof local, AF_INET, &host, buf,
                              sizeof buf, &found, &failure),
              0);
    if (!check(found == &host))
        return;
    const struct hostent *fixed = gethostbyaddr(local, sizeof local, AF_INET);
    ed_scope(s);
    ed_go(s, address_of_other, NULL);
    check_int(ed_wait(s), 0);
    check_text(fixed->h_name, host.h_name);
    check(!memcmp(fixed->h_addr_list[0], local, sizeof local));
    check_int(gethostbyaddr_r(local, 3, AF_INET, &host, buf, sizeof buf, &found,
                              &failure) == 0 &&
                  found,
              false);
}

FIBER_TEST(the_name_of_an_address_is_asked_for_on_a_thread)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(80)};
    char host[256] = "", service[32] = "";

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check_int(getnameinfo((struct sockaddr *)&at, sizeof at, host, sizeof host,
                          service, sizeof service, 0),
              0);
    check(*host);
    check_text(service, "http");
    check_int(
        getnameinfo((struct sockaddr *)&at, 1, host, sizeof host, NULL, 0, 0),
        EAI_FAMILY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_found_with_its_port),
        cmocka_unit_test(all_addresses_of_a_name_are_found),
        cmocka_unit_test(more_than_addresses_is_as_libc_says),
        cmocka_unit_test(a_failing_server_is_no_missing_name),
        cmocka_unit_test(the_host_of_an_address_is_asked_for_on_a_thread),
        cmocka_unit_test(what_is_wrong_is_told_as_ever),
        cmocka_unit_test(addresses_and_no_name_at_all_ask_nobody),
        cmocka_unit_test(a_deadline_and_a_cancellation_end_looking_up),
        cmocka_unit_test(others_run_while_a_name_is_looked_up),
        cmocka_unit_test(the_static_result_is_a_fiber_s_own),
        cmocka_unit_test(a_result_goes_where_the_caller_has_room),
        cmocka_unit_test(the_name_of_an_address_is_asked_for_on_a_thread),
    };

    return cmocka_run_group_tests(tests, make_hosts, remove_hosts);
}
