/*
 * test_handed.c - memory that is handed to processes that are started.
 */
#include "serve/handed.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void all_of_it_is_read_however_much(void **state)
{
    char content[10000];
    struct ed_buf out = {0};

    (void)state;
    memset(content, 'x', sizeof content);
    int fd = ed_handed_new("test", ed_bytes_of(content, sizeof content));
    assert_true(fd >= 0);
    for (int i = 0; i < 2; i++) { /* by whoever has it */
        out.len = 0;
        assert_int_equal(ed_handed_read(fd, &out), 0);
        assert_int_equal(out.len, sizeof content);
        assert_memory_equal(out.ptr, content, sizeof content);
    }
    ed_buf_free(&out);
    close(fd);
}

static void nothing_may_be_in_it(void **state)
{
    struct ed_buf out = {0};

    (void)state;
    int fd = ed_handed_new("test", ed_bytes(""));
    assert_true(fd >= 0);
    assert_int_equal(ed_handed_read(fd, &out), 0);
    assert_int_equal(out.len, 0);
    ed_buf_free(&out);
    close(fd);
}

static void nobody_can_change_it(void **state)
{
    (void)state;
    int fd = ed_handed_new("test", ed_bytes("a secret"));
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    close(fd);
}

static void only_whom_it_belongs_to_may_open_it(void **state)
{
    struct stat st;

    (void)state;
    int fd = ed_handed_new("test", ed_bytes("a secret"));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
}

static void what_is_none_is_not_read(void **state)
{
    struct ed_buf out = {0};

    (void)state;
    assert_int_equal(ed_handed_read(-1, &out), -EBADF);
    ed_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_is_read_however_much),
        cmocka_unit_test(nothing_may_be_in_it),
        cmocka_unit_test(nobody_can_change_it),
        cmocka_unit_test(only_whom_it_belongs_to_may_open_it),
        cmocka_unit_test(what_is_none_is_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
