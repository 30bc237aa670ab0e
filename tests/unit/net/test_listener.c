/*
 * test_listener.c - listening, accepting, and running out of descriptors.
 */
#include "net_test.h"
#include "core/loop_internal.h"
#include "net/stream.h"
#include <eddy/log.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Listens on a free port of loopback and tells the address. */
static ed_listener *listen_somewhere(char address[ED_ADDR_TEXT])
{
    ed_listener *l = NULL;

    check_int(ed_listen(&l, "127.0.0.1:0"), 0);
    ed_listener_local(l, address);
    return l;
}

NET_TEST(a_connection_is_accepted)
{
    char address[ED_ADDR_TEXT], ours[ED_ADDR_TEXT], theirs[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *client ED_STREAM_AUTO = NULL;
    ed_stream *server ED_STREAM_AUTO = NULL;
    int on = 0;
    socklen_t len = sizeof(on);
    char c;

    check_int(ed_connect(&client, address), 0);
    check_int(ed_accept(l, &server), 0);
    check_int(ed_stream_write(client, "x", 1), 0);
    check_int(ed_stream_read(server, &c, 1), 1);
    ed_stream_local(client, ours);
    ed_stream_peer(server, theirs);
    check(!strcmp(ours, theirs) && *ours);
    getsockopt(server->ops->fd(server), IPPROTO_TCP, TCP_NODELAY, &on, &len);
    check_int(on, 1);
    ed_listener_close(l);
    return 0;
}

static int accept_and_drop(void *arg)
{
    ed_stream *s = NULL;
    int err = ed_accept(arg, &s);

    ed_stream_close(s);
    return err;
}

static int accept_until_cancelled(void *arg)
{
    check_int(accept_and_drop(arg), ED_ECANCELED);
    return 0;
}

static int accept_until_closed(void *arg)
{
    check_int(accept_and_drop(arg), ED_ECLOSED);
    return 0;
}

NET_TEST(several_fibers_may_accept)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *clients[3];

    ed_scope(s);
    for (int i = 0; i < 3; i++)
        ed_go(s, accept_and_drop, l);
    settle();
    for (int i = 0; i < 3; i++)
        check_int(ed_connect(&clients[i], address), 0);
    check_int(ed_wait(s), 0);
    for (int i = 0; i < 3; i++)
        ed_stream_close(clients[i]);
    ed_listener_close(l);
    return 0;
}

NET_TEST(accepting_can_be_cancelled_and_begun_again)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *client ED_STREAM_AUTO = NULL;

    check_int(ed_with_timeout(5 * ED_MS, accept_and_drop, l), ED_ETIMEOUT);
    check_int(ed_connect(&client, address), 0);
    check_int(accept_and_drop(l), 0);
    ed_listener_close(l);
    return 0;
}

static void cancel_on_data(ed_stream *s, char *data, ssize_t len)
{
    (void)data;
    (void)len;
    ed_cancel(s->user);
}

/* The connection arrives when the fiber is cancelled but has not run since:
 * both in one turn of the loop. */
NET_TEST(a_connection_nobody_took_is_kept_for_the_next)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *a ED_STREAM_AUTO = NULL;
    ed_stream *b ED_STREAM_AUTO = NULL;
    struct ed_addr to;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check_int(ed_addr_parse(&to, ed_bytes(address)), 0);
    check_int(ed_stream_pair(&a, &b), 0);
    ed_scope(s);
    a->user = s;
    a->on_data = cancel_on_data;
    check_int(ed_stream_receive(a, true), 0);
    ed_go(s, accept_until_cancelled, l);
    settle();
    check_int(ed_stream_write(b, "x", 1), 0);
    check_int(connect(client, &to.any, to.len), 0);
    check_int(ed_wait(s), ED_ECANCELED);
    check_int(ed_stream_receive(a, false), 0);
    check_int(ed_with_timeout(5 * ED_S, accept_and_drop, l), 0);
    close(client);
    ed_listener_close(l);
    return 0;
}

NET_TEST(closing_wakes_who_accepts)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);

    ed_scope(s);
    ed_go(s, accept_until_closed, l);
    ed_go(s, accept_until_closed, l);
    settle();
    ed_listener_close(l);
    return ed_wait(s);
}

/* ---- many connections ---- */

static int echo(ed_stream *s, void *arg)
{
    char buf[64];
    ssize_t n;

    (void)arg;
    while ((n = ed_stream_read(s, buf, sizeof(buf))) > 0) {
        int err = ed_stream_write(s, buf, (size_t)n);
        if (err)
            return err;
    }
    return (int)n;
}

struct service {
    ed_listener *l;
    unsigned max;
    int want;
};

static int serve(void *arg)
{
    struct service *service = arg;

    check_int(ed_accept_each(service->l, echo, NULL, service->max),
              service->want);
    return 0;
}

static bool is_answered_within(ed_stream *s, int64_t time)
{
    char c = 0;

    ed_scope(patience, .within = time);
    if (ed_stream_write(s, "e", 1) || ed_stream_read(s, &c, 1) != 1)
        return false;
    return c == 'e';
}

static bool is_answered(ed_stream *s)
{
    return is_answered_within(s, 5 * ED_S);
}

NET_TEST(each_connection_has_its_fiber)
{
    char address[ED_ADDR_TEXT];
    struct service service = {listen_somewhere(address), 0, ED_ECANCELED};
    ed_stream *clients[10];

    ed_scope(s);
    ed_go(s, serve, &service);
    for (int i = 0; i < 10; i++)
        check_int(ed_connect(&clients[i], address), 0);
    for (int i = 9; i >= 0; i--)
        check(is_answered(clients[i]));
    for (int i = 0; i < 10; i++)
        ed_stream_close(clients[i]);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    ed_listener_close(service.l);
    return 0;
}

NET_TEST(no_more_run_at_once_than_allowed)
{
    char address[ED_ADDR_TEXT];
    struct service service = {listen_somewhere(address), 2, ED_ECANCELED};
    ed_stream *clients[3];

    ed_scope(s);
    ed_go(s, serve, &service);
    for (int i = 0; i < 3; i++)
        check_int(ed_connect(&clients[i], address), 0);
    check(is_answered(clients[0]));
    check(is_answered(clients[1]));
    check(!is_answered_within(clients[2], 20 * ED_MS));
    ed_stream_close(clients[0]);
    settle();
    check(is_answered(clients[2]));
    ed_stream_close(clients[1]);
    ed_stream_close(clients[2]);
    ed_cancel(s);
    check_int(ed_wait(s), ED_ECANCELED);
    ed_listener_close(service.l);
    return 0;
}

NET_TEST(closing_the_listener_lets_connections_finish)
{
    char address[ED_ADDR_TEXT];
    struct service service = {listen_somewhere(address), 1, ED_ECLOSED};
    ed_stream *client;

    ed_scope(s);
    ed_go(s, serve, &service);
    check_int(ed_connect(&client, address), 0);
    check(is_answered(client));
    ed_listener_close(service.l);
    settle();
    check(is_answered(client));
    ed_stream_close(client);
    return ed_wait(s);
}

/* ---- state machines ---- */

static unsigned accepted_count;

static void take(ed_stream *s, void *arg)
{
    ed_stream **kept = arg;

    kept[accepted_count++] = s;
}

NET_TEST(a_paused_listener_lets_connections_wait)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *clients[3], *servers[3];

    accepted_count = 0;
    ed_listener_start(l, take, servers);
    check_int(ed_connect(&clients[0], address), 0);
    settle();
    check_int(accepted_count, 1);
    ed_listener_pause(l, true);
    check_int(ed_connect(&clients[1], address), 0);
    check_int(ed_connect(&clients[2], address), 0);
    settle();
    check_int(accepted_count, 1);
    ed_listener_pause(l, false);
    settle();
    check_int(accepted_count, 3);
    for (int i = 0; i < 3; i++) {
        ed_stream_close(clients[i]);
        ed_stream_close(servers[i]);
    }
    ed_listener_close(l);
    return 0;
}

static void take_and_close(ed_stream *s, void *arg)
{
    ed_stream_close(s);
    ed_listener_close(arg);
    accepted_count++;
}

NET_TEST(a_listener_may_be_closed_while_it_accepts)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *clients[2];

    accepted_count = 0;
    check_int(ed_connect(&clients[0], address), 0);
    check_int(ed_connect(&clients[1], address), 0);
    ed_listener_start(l, take_and_close, l);
    settle();
    check_int(accepted_count, 1);
    ed_stream_close(clients[0]);
    ed_stream_close(clients[1]);
    return 0;
}

NET_TEST(an_inherited_socket_listens)
{
    char address[ED_ADDR_TEXT];
    ed_listener *first = listen_somewhere(address);
    ed_listener *l = NULL;
    ed_stream *client ED_STREAM_AUTO = NULL;
    ed_stream *pair[2];

    /* The first listener owns the first descriptor. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(listen(fd, 8), 0);
    check_int(ed_listener_of_fd(&l, fd), 0);
    ed_listener_local(l, address);
    char *port = strrchr(address, ':');
    char loopback[ED_ADDR_TEXT];
    snprintf(loopback, sizeof(loopback), "127.0.0.1%.10s", port);
    check_int(ed_connect(&client, loopback), 0);
    check_int(accept_and_drop(l), 0);
    ed_listener_close(l);
    ed_listener_close(first);
    check_int(ed_stream_pair(&pair[0], &pair[1]), 0);
    check_int(ed_listener_of_fd(&l, pair[0]->ops->fd(pair[0])), -EINVAL);
    ed_stream_close(pair[0]);
    ed_stream_close(pair[1]);
    return 0;
}

/* What the kernel knows of the loop's interest in a descriptor. */
static unsigned long watched_events(int fd)
{
    char path[64], line[256];
    unsigned long events = 0;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
             ed_loop_current()->poll_fd);
    FILE *info = fopen(path, "re");
    while (info && fgets(line, sizeof(line), info)) {
        const char *of = strstr(line, "tfd:");
        const char *found = strstr(line, "events:");
        if (of && found && strtol(of + strlen("tfd:"), NULL, 10) == fd)
            events = strtoul(found + strlen("events:"), NULL, 16);
    }
    if (info)
        fclose(info);
    return events;
}

/* EPOLLEXCLUSIVE, of <sys/epoll.h>. */
static const unsigned long EXCLUSIVE = 1UL << 28;

NET_TEST(an_exclusive_listener_can_pause_as_often_as_it_likes)
{
    char address[ED_ADDR_TEXT], loopback[ED_ADDR_TEXT];
    ed_listener *l = NULL;
    ed_stream *client, *servers[3];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    check_int(listen(fd, 8), 0);
    check_int(ed_listener_of_fd(&l, fd, .exclusive = true), 0);
    ed_listener_local(l, address);
    snprintf(loopback, sizeof(loopback), "127.0.0.1%.10s",
             strrchr(address, ':'));
    accepted_count = 0;
    ed_listener_start(l, take, servers);
    for (unsigned i = 0; i < 3; i++) {
        check((watched_events(fd) & EXCLUSIVE) != 0);
        ed_listener_pause(l, true);
        check_int(watched_events(fd), 0);
        check_int(ed_connect(&client, loopback), 0);
        settle();
        check_int(accepted_count, i);
        ed_listener_pause(l, false);
        settle();
        check_int(accepted_count, i + 1);
        ed_stream_close(client);
        ed_stream_close(servers[i]);
    }
    ed_listener_close(l);
    return 0;
}

/* ---- descriptors ---- */

static rlim_t set_descriptor_limit(rlim_t limit)
{
    struct rlimit now, then;

    getrlimit(RLIMIT_NOFILE, &now);
    then = (struct rlimit){limit, now.rlim_max};
    check_int(setrlimit(RLIMIT_NOFILE, &then), 0);
    return now.rlim_cur;
}

/* The lowest descriptor that is free. */
static rlim_t next_descriptor(void)
{
    int fd = dup(0);

    close(fd);
    return (rlim_t)fd;
}

NET_TEST(out_of_descriptors_connections_wait_until_one_closes)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *clients[2], *servers[2], *a, *b;

    accepted_count = 0;
    check_int(ed_stream_pair(&a, &b), 0);
    for (int i = 0; i < 2; i++)
        check_int(ed_connect(&clients[i], address), 0);
    rlim_t before = set_descriptor_limit(next_descriptor());
    ed_log_set_level(ED_LOG_OFF);
    ed_listener_start(l, take, servers);
    settle();
    check_int(accepted_count, 0);
    ed_stream_close(a);
    settle();
    check_int(accepted_count, 1);
    ed_stream_close(b);
    settle();
    check_int(accepted_count, 2);
    set_descriptor_limit(before);
    ed_log_set_level(ED_LOG_INFO);
    for (int i = 0; i < 2; i++) {
        ed_stream_close(clients[i]);
        ed_stream_close(servers[i]);
    }
    ed_listener_close(l);
    return 0;
}

NET_TEST(out_of_descriptors_accepting_is_tried_again)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_stream *client ED_STREAM_AUTO = NULL;

    check_int(ed_connect(&client, address), 0);
    rlim_t before = set_descriptor_limit(next_descriptor());
    ed_log_set_level(ED_LOG_OFF);
    check_int(ed_with_timeout(20 * ED_MS, accept_and_drop, l), ED_ETIMEOUT);
    set_descriptor_limit(before);
    check_int(ed_with_timeout(5 * ED_S, accept_and_drop, l), 0);
    ed_log_set_level(ED_LOG_INFO);
    ed_listener_close(l);
    return 0;
}

/* ---- addresses ---- */

NET_TEST(every_interface_takes_both_kinds_of_address)
{
    ed_listener *l = NULL;
    char address[ED_ADDR_TEXT], loopback[ED_ADDR_TEXT];
    ed_stream *client ED_STREAM_AUTO = NULL;

    check_int(ed_listen(&l, "*:0"), 0);
    ed_listener_local(l, address);
    snprintf(loopback, sizeof(loopback), "127.0.0.1%.10s",
             strrchr(address, ':'));
    check_int(ed_connect(&client, loopback), 0);
    check_int(accept_and_drop(l), 0);
    ed_listener_close(l);
    return 0;
}

NET_TEST(what_cannot_be_listened_on_is_named)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = listen_somewhere(address);
    ed_listener *other = NULL;

    check_int(ed_listen(&other, address), -EADDRINUSE);
    check(strstr(ed_error(), address) != NULL);
    check_int(ed_listen(&other, "name.example:80"), ED_EADDR);
    check_int(ed_listen(&other, "127.0.0.1"), ED_EADDR);
    check(strstr(ed_error(), "127.0.0.1") != NULL);
    check_int(ed_listen(&other, "unix:/nonexistent/x"), -ENOENT);
    check_int(ed_listen(&other, "localhost:0"), 0);
    ed_listener_close(other);
    ed_listener_close(l);
    return 0;
}

NET_TEST(a_port_may_be_shared)
{
    char address[ED_ADDR_TEXT];
    ed_listener *l = NULL;
    ed_listener *other = NULL;

    check_int(ed_listen(&l, "127.0.0.1:0", .reuse_port = true), 0);
    ed_listener_local(l, address);
    check_int(ed_listen(&other, address, .reuse_port = true), 0);
    ed_listener_close(other);
    ed_listener_close(l);
    return 0;
}

/* ---- Unix sockets ---- */

static char folder[] = "/tmp/eddy-listener-XXXXXX";

static void path_of(const char *name, char path[64], char address[72])
{
    snprintf(path, 64, "%s/%s", folder, name);
    snprintf(address, 72, "unix:%s", path);
}

NET_TEST(a_unix_socket_has_its_permissions_and_goes_with_its_listener)
{
    char path[64], address[72], text[ED_ADDR_TEXT];
    struct stat st;
    ed_listener *l = NULL;
    ed_stream *client ED_STREAM_AUTO = NULL;

    path_of("modes", path, address);
    check_int(ed_listen(&l, address, .unix_mode = 0622), 0);
    check_int(stat(path, &st), 0);
    check_int(st.st_mode & 0777, 0622);
    ed_listener_local(l, text);
    check(!strcmp(text, address));
    check_int(ed_connect(&client, address), 0);
    check_int(accept_and_drop(l), 0);
    ed_listener_close(l);
    check_int(stat(path, &st), -1);
    return 0;
}

static void leave_stale_socket(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    check_int(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    close(fd);
}

NET_TEST(only_a_stale_unix_socket_is_replaced)
{
    char path[64], address[72];
    struct stat st;
    ed_listener *l = NULL;
    ed_listener *other = NULL;

    path_of("stale", path, address);
    leave_stale_socket(path);
    check_int(ed_listen(&l, address), 0);
    check_int(ed_listen(&other, address), -EADDRINUSE);
    ed_listener_close(l);

    FILE *file = fopen(path, "w");
    fclose(file);
    check_int(ed_listen(&l, address), -EADDRINUSE);
    check(!stat(path, &st) && S_ISREG(st.st_mode));
    unlink(path);
    return 0;
}

NET_TEST(the_socket_of_somebody_else_is_left_alone)
{
    char path[64], address[72];
    struct stat st;
    ed_listener *l = NULL;

    path_of("other", path, address);
    check_int(ed_listen(&l, address), 0);
    char moved[72];
    snprintf(moved, sizeof(moved), "%s.moved", path);
    check_int(rename(path, moved), 0); /* keeps its inode from being reused */
    leave_stale_socket(path);
    ed_listener_close(l);
    check_int(stat(path, &st), 0);
    unlink(path);
    unlink(moved);
    return 0;
}

NET_TEST(abstract_names_leave_nothing_behind)
{
    char address[64];
    ed_listener *l = NULL;
    ed_stream *client ED_STREAM_AUTO = NULL;

    snprintf(address, sizeof(address), "unix:@eddy-test-%d", getpid());
    check_int(ed_listen(&l, address), 0);
    check_int(ed_connect(&client, address), 0);
    check_int(accept_and_drop(l), 0);
    ed_listener_close(l);
    check_int(ed_listen(&l, address), 0);
    ed_listener_close(l);
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_accepted),
        cmocka_unit_test(several_fibers_may_accept),
        cmocka_unit_test(accepting_can_be_cancelled_and_begun_again),
        cmocka_unit_test(a_connection_nobody_took_is_kept_for_the_next),
        cmocka_unit_test(closing_wakes_who_accepts),
        cmocka_unit_test(each_connection_has_its_fiber),
        cmocka_unit_test(no_more_run_at_once_than_allowed),
        cmocka_unit_test(closing_the_listener_lets_connections_finish),
        cmocka_unit_test(a_paused_listener_lets_connections_wait),
        cmocka_unit_test(a_listener_may_be_closed_while_it_accepts),
        cmocka_unit_test(an_inherited_socket_listens),
        cmocka_unit_test(an_exclusive_listener_can_pause_as_often_as_it_likes),
        cmocka_unit_test(out_of_descriptors_connections_wait_until_one_closes),
        cmocka_unit_test(out_of_descriptors_accepting_is_tried_again),
        cmocka_unit_test(every_interface_takes_both_kinds_of_address),
        cmocka_unit_test(what_cannot_be_listened_on_is_named),
        cmocka_unit_test(a_port_may_be_shared),
        cmocka_unit_test(
            a_unix_socket_has_its_permissions_and_goes_with_its_listener),
        cmocka_unit_test(only_a_stale_unix_socket_is_replaced),
        cmocka_unit_test(the_socket_of_somebody_else_is_left_alone),
        cmocka_unit_test(abstract_names_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
