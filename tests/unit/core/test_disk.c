/*
 * test_disk.c - reading files that are in memory, and files that are not.
 */
#include "../../fiber_test.h"
#include "core/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 3000000 };

static char content[SIZE];

/* A file without a name, out of memory if the system lets go of it. */
static int make_file(void)
{
    char path[] = "/var/tmp/eddy-disk-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    uint32_t seed = 7;
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

FIBER_TEST(all_that_is_asked_for_is_read_cold_or_warm)
{
    static char buf[SIZE + 10];
    int fd = make_file();
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

FIBER_TEST(what_was_warmed_is_read_at_once)
{
    char buf[1000];
    int fd = make_file();
    make_cold(fd);
    check_int(ed_disk_warm(fd, 0, SIZE), 0);
    for (int at = 0; at + 1000 <= SIZE; at += 100000) {
        ssize_t n = ed_disk_read_at_once(fd, buf, sizeof buf, at);
        check(n == 1000 || n == -EOPNOTSUPP);
    }
    check_int(ed_disk_warm(fd, SIZE - 10, 1000), 0);
    check_int(ed_disk_warm(fd, 0, 0), 0);
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
        cmocka_unit_test(what_was_warmed_is_read_at_once),
        cmocka_unit_test(a_failing_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
