/*
 * test_bind.c - opening sockets that listen without a loop, and who removes the
 * file of a Unix socket.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/error.h>
#include "net/bind.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define listen_at(out, address, ...) \
    ed_listen_fd((out), (address),   \
                 ED_OPTIONS(struct ed_listen_options, __VA_ARGS__))

static char folder[] = "/tmp/eddy-bind-XXXXXX";

static const char *address_of(const char *name)
{
    static char address[96];

    snprintf(address, sizeof(address), "unix:%s/%s", folder, name);
    return address;
}

static bool is_there(const char *name)
{
    return access(address_of(name) + strlen("unix:"), F_OK) == 0;
}

static struct ed_bound open_at(const char *name)
{
    struct ed_bound bound;

    assert_int_equal(listen_at(&bound, address_of(name)), 0);
    return bound;
}

/* Runs it in another process. */
static void elsewhere(void (*fn)(struct ed_bound *), struct ed_bound *bound)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        fn(bound);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void connects(const struct ed_bound *bound)
{
    struct ed_addr addr = {.len = sizeof(addr.un)};

    assert_int_equal(getsockname(bound->fd, &addr.any, &addr.len), 0);
    int fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, &addr.any, addr.len), 0);
    close(fd);
}

static void a_socket_listens_without_a_loop(void **state)
{
    struct ed_bound bound;

    (void)state;
    assert_int_equal(listen_at(&bound, "127.0.0.1:0"), 0);
    connects(&bound);
    assert_true(fcntl(bound.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(bound.fd, F_GETFL) & O_NONBLOCK);
    assert_null(bound.file.path);
    ed_bound_close(&bound);
    assert_int_equal(bound.fd, -1);
}

static void what_is_wrong_is_said_in_words(void **state)
{
    struct ed_bound first, bound;
    struct ed_addr addr = {.len = sizeof(addr.un)};
    char taken[ED_ADDR_TEXT], expected[256];

    (void)state;
    assert_int_equal(listen_at(&first, "127.0.0.1:0"), 0);
    getsockname(first.fd, &addr.any, &addr.len);
    ed_addr_text(&addr, taken);
    assert_int_equal(listen_at(&bound, taken), -EADDRINUSE);
    snprintf(expected, sizeof(expected), "listen on %s: %s", taken,
             ed_err_text(-EADDRINUSE));
    assert_string_equal(bound.why, expected);
    ed_bound_close(&first);
    assert_int_equal(listen_at(&bound, "name.example:80"), ED_EADDR);
    assert_string_equal(bound.why,
                        "listen on name.example:80: no address such as "
                        "127.0.0.1:80, [::]:80 or unix:/run/x.sock");
    assert_non_null(strstr(bound.why, "name.example:80"));
}

/* ---- inherited descriptors ---- */

static void an_inherited_socket_is_taken_by_its_number(void **state)
{
    char address[32];
    struct ed_bound bound;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(listen(fd, 8), 0);
    snprintf(address, sizeof(address), "fd:%d", fd);
    assert_int_equal(listen_at(&bound, address), 0);
    assert_int_equal(bound.fd, fd);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    connects(&bound);
    ed_bound_close(&bound);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void refused(int fd, int err, const char *why)
{
    char address[32];
    struct ed_bound bound;

    snprintf(address, sizeof(address), "fd:%d", fd);
    assert_int_equal(listen_at(&bound, address), err);
    assert_non_null(strstr(bound.why, address));
    assert_non_null(strstr(bound.why, why));
}

static void what_does_not_listen_is_refused_and_left_alone(void **state)
{
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int idle = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un unnamed = {.sun_family = AF_UNIX};

    (void)state;
    assert_int_equal(bind(packets, (struct sockaddr *)&unnamed, 2), 0);
    assert_int_equal(listen(packets, 8), 0);
    refused(file, -EINVAL, "not a stream socket that listens");
    refused(idle, -EINVAL, "not a stream socket that listens");
    refused(packets, -EINVAL, "not a stream socket that listens");
    assert_int_not_equal(fcntl(idle, F_GETFD), -1);
    close(file);
    close(idle);
    close(packets);
    refused(idle, -EBADF, ed_err_text(-EBADF));
}

static void a_number_is_digits_alone(void **state)
{
    static const char *const rows[] = {
        "fd:", "fd:-1", "fd:+3", "fd:3x", "fd: 3", "fd://3", "fd:4294967299"};
    struct ed_bound bound;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(listen_at(&bound, rows[i]), ED_EADDR);
}

/* ---- the file of a Unix socket ---- */

static void who_made_the_file_removes_it(void **state)
{
    struct ed_bound bound = open_at("made");

    (void)state;
    connects(&bound);
    assert_true(is_there("made"));
    ed_bound_close(&bound);
    assert_false(is_there("made"));
}

static void a_forked_process_does_not_remove_it(void **state)
{
    struct ed_bound bound = open_at("forked");

    (void)state;
    elsewhere(ed_bound_close, &bound);
    assert_true(is_there("forked"));
    ed_bound_close(&bound);
    assert_false(is_there("forked"));
}

static void another_file_in_its_place_stays(void **state)
{
    struct ed_bound bound = open_at("replaced");
    struct ed_bound other;
    char moved[96];

    (void)state;
    snprintf(moved, sizeof(moved), "%s/moved", folder);
    /* Moved, so that its inode is not used again. */
    assert_int_equal(rename(bound.file.path, moved), 0);
    other = open_at("replaced");
    ed_bound_close(&bound);
    assert_true(is_there("replaced"));
    ed_bound_close(&other);
    unlink(moved);
}

static char handed[1024];

static void take_and_remove(struct ed_bound *bound)
{
    struct ed_bound taken = {.fd = bound->fd};

    if (ed_socket_file_take(&taken.file, handed))
        _exit(1);
    ed_bound_close(&taken);
}

static void hand_on(struct ed_bound *bound)
{
    struct ed_buf text = {0};

    assert_int_equal(ed_socket_file_text(&bound->file, &text), 0);
    snprintf(handed, sizeof(handed), "%.*s", (int)text.len, text.ptr);
    ed_buf_free(&text);
}

static void the_duty_can_be_handed_to_another_process(void **state)
{
    struct ed_bound bound = open_at("handed; on,=");

    (void)state;
    hand_on(&bound);
    assert_null(strpbrk(handed, ";,= "));
    ed_socket_file_leave(&bound.file);
    connects(&bound);
    elsewhere(take_and_remove, &bound);
    assert_false(is_there("handed; on,="));
    ed_bound_close(&bound);
}

static void who_has_left_the_file_does_not_remove_it(void **state)
{
    struct ed_bound bound = open_at("left");
    struct ed_bound next = {.fd = -1};

    (void)state;
    hand_on(&bound);
    ed_socket_file_leave(&bound.file);
    ed_bound_close(&bound);
    assert_true(is_there("left"));
    assert_int_equal(ed_socket_file_take(&next.file, handed), 0);
    ed_bound_close(&next);
    assert_false(is_there("left"));
}

static void who_takes_over_removes_only_that_file(void **state)
{
    struct ed_bound bound = open_at("again");
    struct ed_bound next = {.fd = -1}, other;
    char moved[96];

    (void)state;
    snprintf(moved, sizeof(moved), "%s/moved", folder);
    hand_on(&bound);
    assert_int_equal(rename(bound.file.path, moved), 0);
    ed_bound_close(&bound);
    other = open_at("again");
    assert_int_equal(ed_socket_file_take(&next.file, handed), 0);
    ed_bound_close(&next);
    assert_true(is_there("again"));
    ed_bound_close(&other);
    unlink(moved);
}

static void a_path_means_the_same_after_chdir(void **state)
{
    struct ed_bound bound;

    (void)state;
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(listen_at(&bound, "unix:relative"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_true(is_there("relative"));
    ed_bound_close(&bound);
    assert_false(is_there("relative"));
}

static void only_its_own_text_is_read(void **state)
{
    static const char *const rows[] = {
        "1",      "1:2",   "1:2:",    ":2:/a",    "1::/a",
        "g:2:/a", "1:2:a", "1:2:/%0", "1:2:/%00", "11111111111111111:2:/a",
    };
    struct ed_socket_file file;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(ed_socket_file_take(&file, rows[i]), -EINVAL);
    assert_int_equal(ed_socket_file_take(&file, ""), 0);
    assert_null(file.path);
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
        cmocka_unit_test(a_socket_listens_without_a_loop),
        cmocka_unit_test(what_is_wrong_is_said_in_words),
        cmocka_unit_test(an_inherited_socket_is_taken_by_its_number),
        cmocka_unit_test(what_does_not_listen_is_refused_and_left_alone),
        cmocka_unit_test(a_number_is_digits_alone),
        cmocka_unit_test(who_made_the_file_removes_it),
        cmocka_unit_test(a_forked_process_does_not_remove_it),
        cmocka_unit_test(another_file_in_its_place_stays),
        cmocka_unit_test(the_duty_can_be_handed_to_another_process),
        cmocka_unit_test(who_has_left_the_file_does_not_remove_it),
        cmocka_unit_test(who_takes_over_removes_only_that_file),
        cmocka_unit_test(a_path_means_the_same_after_chdir),
        cmocka_unit_test(only_its_own_text_is_read),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
