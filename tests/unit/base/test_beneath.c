/*
 * test_beneath.c - opening below a directory: by the kernel, and by walking
 * where it has no call for that.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/beneath.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/eddy-beneath-XXXXXX";
static int root = -1;

static int put(const char *name, const char *text)
{
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    int outer = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(outer, "root", 0755), 0);
    root = outer;
    put("secret", "SECRET");
    root = openat(outer, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(outer);
    assert_int_equal(mkdirat(root, "sub", 0755), 0);
    put("a", "public");
    put("sub/b", "public");
    assert_int_equal(symlinkat("../secret", root, "up"), 0);
    assert_int_equal(symlinkat("..", root, "out"), 0);
    assert_int_equal(symlinkat("/etc", root, "absolute"), 0);
    assert_int_equal(symlinkat("a", root, "near"), 0);
    assert_int_equal(symlinkat("sub", root, "folder"), 0);
    return mkfifoat(root, "pipe", 0644);
}

static int tear_down(void **state)
{
    (void)state;
    close(root);
    return tree_remove(directory);
}

/* Opens in a way; what is opened is public. */
static int try_open(const char *path, bool walking, unsigned how)
{
    char text[10] = "";
    int fd = walking ? ed_open_beneath_walking(root, path)
                     : ed_open_beneath(root, path, how);
    if (fd < 0)
        return fd;
    if (read(fd, text, sizeof text - 1) > 0)
        assert_string_equal(text, "public");
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    return 0;
}

static void files_below_are_opened_either_way(void **state)
{
    static const char *const paths[] = {
        "a", "sub/b", "./a", "sub/./b", "sub//b", "sub", "sub/", ".", "pipe"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(try_open(paths[i], false, 0), 0);
        assert_int_equal(try_open(paths[i], true, 0), 0);
    }
}

static void nothing_else_is_opened_either_way(void **state)
{
    static const char *const paths[] = {"..",
                                        "../secret",
                                        "../root/../secret",
                                        "sub/../../secret",
                                        "up",
                                        "out",
                                        "out/secret",
                                        "/etc/passwd",
                                        "absolute/passwd",
                                        "/",
                                        "none",
                                        "a/",
                                        "a/b",
                                        "",
                                        "sub/none"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_true(try_open(paths[i], false, 0) < 0);
        assert_true(try_open(paths[i], true, 0) < 0);
    }
}

static void links_that_stay_below_are_followed_by_the_kernel_alone(void **state)
{
    (void)state;
    assert_int_equal(try_open("near", false, 0), 0);
    assert_int_equal(try_open("folder/b", false, 0), 0);
    assert_int_equal(try_open("near", false, ED_BENEATH_NO_LINKS), -ELOOP);
    assert_int_equal(try_open("folder/b", false, ED_BENEATH_NO_LINKS), -ELOOP);
    assert_int_equal(try_open("near", true, 0), -ELOOP);
    assert_true(try_open("folder/b", true, 0) < 0);
}

static void what_was_opened_before_is_opened_at_once(void **state)
{
    (void)state;
    assert_int_equal(try_open("sub/b", false, 0), 0);
    int result = try_open("sub/b", false, ED_BENEATH_AT_ONCE);
    assert_true(result == 0 || result == -EAGAIN); /* an older kernel */
}

static void names_too_long_are_no_names(void **state)
{
    char path[400];
    (void)state;
    memset(path, 'a', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(try_open(path, false, 0), -ENAMETOOLONG);
    assert_int_equal(try_open(path, true, 0), -ENAMETOOLONG);
}

static atomic_bool enough;

static void *rename_for_ever(void *arg)
{
    bool *done = arg;

    while (*done && !atomic_load(&enough))
        *done = !renameat(root, "moved", root, "moved-again") &&
                !renameat(root, "moved-again", root, "moved");
    return NULL;
}

static void a_way_back_up_is_found_while_others_rename(void **state)
{
    pthread_t thread;
    bool renamed = true;
    int failed = 0;

    (void)state;
    assert_int_equal(mkdirat(root, "moved", 0755), 0);
    assert_int_equal(pthread_create(&thread, NULL, rename_for_ever, &renamed),
                     0);
    for (int i = 0; i < 50000; i++)
        failed += try_open("sub/../a", false, 0) < 0;
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    assert_true(renamed);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_below_are_opened_either_way),
        cmocka_unit_test(nothing_else_is_opened_either_way),
        cmocka_unit_test(
            links_that_stay_below_are_followed_by_the_kernel_alone),
        cmocka_unit_test(what_was_opened_before_is_opened_at_once),
        cmocka_unit_test(a_way_back_up_is_found_while_others_rename),
        cmocka_unit_test(names_too_long_are_no_names),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
