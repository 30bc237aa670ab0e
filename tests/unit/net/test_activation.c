/*
 * test_activation.c - sockets handed over by a service manager. Each row runs
 * in a process of its own, whose descriptors from 3 on are what the manager
 * would have opened.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <eddy/error.h>
#include "net/activation.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* LISTEN_PID: the process's own. */
#define OWN "own"

struct row {
    const char *pid, *fds, *names; /* NULL: not set */
    int want;
    int count;
    const char *first, *second; /* names of descriptors */
    const char *why;            /* part of it */
};

/* 3 and 4 listen, 5 is a socket for packets, 6 is not open. */
static void open_descriptors(void)
{
    int fds[3];

    for (int i = 0; i < 3; i++) {
        int fd =
            socket(AF_INET, i < 2 ? SOCK_STREAM : SOCK_DGRAM | SOCK_CLOEXEC, 0);
        fds[i] = fcntl(fd, F_DUPFD, 20);
        if (i < 2 && listen(fds[i], 8))
            _exit(9);
    }
    for (int i = 0; i < 3; i++)
        dup2(fds[i], 3 + i);
    close(6);
}

static void set(const char *name, const char *value)
{
    char own[16];

    snprintf(own, sizeof(own), "%d", (int)getpid());
    unsetenv(name);
    if (value)
        setenv(name, strcmp(value, OWN) ? value : own, 1);
}

static bool is_free_of_them(void)
{
    return !getenv("LISTEN_PID") && !getenv("LISTEN_FDS") &&
           !getenv("LISTEN_FDNAMES") && !getenv("LISTEN_PIDFDID");
}

static bool is_as_wanted(const struct row *row, const struct ed_activation *got,
                         int result)
{
    if (result != row->want || got->count != row->count)
        return false;
    if (row->why && !strstr(got->why, row->why))
        return false;
    const char *names[] = {row->first, row->second};
    for (int i = 0; i < got->count && i < 2; i++) {
        if (got->sockets[i].fd != 3 + i ||
            strcmp(got->sockets[i].name, names[i]) ||
            !(fcntl(3 + i, F_GETFD) & FD_CLOEXEC) ||
            !(fcntl(3 + i, F_GETFL) & O_NONBLOCK))
            return false;
    }
    return is_free_of_them();
}

static void expect(const struct row *row)
{
    int status = -1;
    pid_t pid = fork();

    if (!pid) {
        struct ed_activation got;
        open_descriptors();
        set("LISTEN_PID", row->pid);
        set("LISTEN_FDS", row->fds);
        set("LISTEN_FDNAMES", row->names);
        set("LISTEN_PIDFDID", "77");
        int result = ed_activation_take(&got);
        if (is_as_wanted(row, &got, result))
            _exit(0);
        fprintf(stderr, "got %d, %d sockets, \"%s\"\n", result, got.count,
                got.why);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    if (status)
        fail_msg("wrong for %s,%s,%s", row->pid, row->fds, row->names);
}

#define EXPECT(rows)                                              \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++) \
    expect(&(rows)[i])

static void sockets_are_taken_with_their_names(void **state)
{
    static const struct row rows[] = {
        {OWN, "1", NULL, 0, 1, "unknown"},
        {OWN, "2", NULL, 0, 2, "unknown", "unknown"},
        {OWN, "2", "web:admin", 0, 2, "web", "admin"},
        {OWN, "1", "my web.socket", 0, 1, "my web.socket"},
    };

    (void)state;
    EXPECT(rows);
}

static void what_is_meant_for_nobody_or_others_is_not_taken(void **state)
{
    static const struct row rows[] = {
        {NULL, NULL, NULL, 0, 0},
        {"1", "2", "a:b", 0, 0},
        {NULL, "2", "a:b", 0, 0},
        {OWN, NULL, "a:b", 0, 0},
    };

    (void)state;
    EXPECT(rows);
}

static void contradictions_are_refused(void **state)
{
    static const struct row rows[] = {
        {"x", "1", NULL, -EINVAL, .why = "LISTEN_PID=x"},
        {"", "1", NULL, -EINVAL, .why = "LISTEN_PID="},
        {"-4", "1", NULL, -EINVAL, .why = "LISTEN_PID=-4"},
        {OWN, "", NULL, -EINVAL, .why = "LISTEN_FDS="},
        {OWN, "0", NULL, -EINVAL, .why = "LISTEN_FDS=0"},
        {OWN, "-1", NULL, -EINVAL, .why = "LISTEN_FDS=-1"},
        {OWN, "2 ", NULL, -EINVAL, .why = "LISTEN_FDS=2 "},
        {OWN, "65", NULL, ED_ELIMIT, .why = "more than 64"},
        {OWN, "99999999999999999999", NULL, -EINVAL, .why = "not a count"},
        {OWN, "2", "one", -EINVAL, .why = "no name for descriptor 4"},
        {OWN, "2", "one:", -EINVAL, .why = "no name for descriptor 4"},
        {OWN, "1", "one:two", -EINVAL, .why = "more names"},
        {OWN, "1", "a\nb", -EINVAL, .why = "no name for descriptor 3"},
    };

    (void)state;
    EXPECT(rows);
}

static void what_does_not_listen_is_refused(void **state)
{
    static const struct row rows[] = {
        {OWN, "3", NULL, -EINVAL, .why = "descriptor 5: not a stream socket"},
    };

    (void)state;
    EXPECT(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_taken_with_their_names),
        cmocka_unit_test(what_is_meant_for_nobody_or_others_is_not_taken),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(what_does_not_listen_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
