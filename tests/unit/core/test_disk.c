/*
 * test_disk.c - reading files that are in memory, and files that are not.
 */
#include "../../fiber_test.h"
#include "core/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SIZE = 3000000 };

static char content[SIZE];

/* Whether the file system says when a read would have to wait. */
static bool can_tell(int fd)
{
    char byte;
    struct iovec iov = {&byte, 1};
    return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

/* A file without a name, out of memory if the system lets go of it. */
static int make_file(const char *folder)
{
    char path[60];
    uint32_t seed = 7;
    snprintf(path, sizeof path, "%s/eddy-disk-XXXXXX", folder);
    int fd = mkostemp(path, O_CLOEXEC);
    for (int i = 0; i < SIZE; i++)
        content[i] = (char)test_random(&seed, 256);
    check(fd >= 0);
    check_int(unlink(path), 0);
    check_int(write(fd, content, SIZE), SIZE);
    check_int(fdatasync(fd), 0);
    return fd;
}

static void make_cold(int fd)
{
    check_int(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void read_cold_and_warm(const char *folder)
{
    static char buf[SIZE + 10];
    int fd = make_file(folder);
    for (int cold = 0; cold < 2; cold++) {
        if (cold)
            make_cold(fd);
        check_int(ed_disk_read(fd, buf, SIZE + 10, 0), SIZE);
        check(!memcmp(buf, content, SIZE));
        if (cold)
            make_cold(fd);
        check_int(ed_disk_read(fd, buf, 1000, SIZE - 400), 400);
        check(!memcmp(buf, content + SIZE - 400, 400));
        check_int(ed_disk_read(fd, buf, 1000, SIZE), 0);
        check_int(ed_disk_read(fd, buf, 1000, SIZE + 1000), 0);
    }
    close(fd);
}

FIBER_TEST(all_that_is_asked_for_is_read_cold_or_warm)
{
    read_cold_and_warm("/var/tmp");
}

/* Where no read says that it would have to wait. */
FIBER_TEST(files_that_lie_in_memory_are_read_as_well)
{
    char byte;
    read_cold_and_warm("/dev/shm");
    int fd = make_file("/dev/shm");
    ssize_t n = ed_disk_read_at_once(fd, &byte, 1, 1000);
    check(n == 1 || n == -EAGAIN); /* nobody can tell: an older system */
    check_int(ed_disk_warm(fd, 0, SIZE), 0);
    close(fd);
}

FIBER_TEST(what_was_warmed_is_read_at_once)
{
    char buf[1000];
    int fd = make_file("/var/tmp");
    make_cold(fd);
    check_int(ed_disk_warm(fd, 0, SIZE), 0);
    for (int at = 0; at + 1000 <= SIZE; at += 100000) {
        ssize_t n = ed_disk_read_at_once(fd, buf, sizeof buf, at);
        check(n == 1000 || (n == -EAGAIN && !can_tell(fd)));
    }
    check(!can_tell(fd) || ed_disk_is_warm(fd, 0, SIZE));
    check_int(ed_disk_warm(fd, SIZE - 10, 1000), 0);
    check(ed_disk_is_warm(fd, 0, 0));
    close(fd);
}

FIBER_TEST(a_failing_read_says_why)
{
    char buf[10];
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_int(ed_disk_read(fd, buf, sizeof buf, 0), -EISDIR);
    check_int(ed_disk_warm(fd, 0, 10), -EISDIR);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_asked_for_is_read_cold_or_warm),
        cmocka_unit_test(files_that_lie_in_memory_are_read_as_well),
        cmocka_unit_test(what_was_warmed_is_read_at_once),
        cmocka_unit_test(a_failing_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
