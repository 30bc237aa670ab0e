/*
 * test_watch.c - changes of real files, in a directory of the test's own.
 */
#include "serve/watch.h"

#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tree.h"

static struct {
    char directory[64];
    struct ed_watch *watch;
} t;

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void watch(const char *path)
{
    static const char *patterns[] = {"*.o", "build"};
    const struct ed_texts ignore = {patterns, 2};
    const struct ed_texts paths = {&path, 1};

    assert_int_equal(ed_watch_open(&t.watch, &paths, &ignore), 0);
}

static void changed(const char *path)
{
    const char *next = ed_watch_next(t.watch);

    assert_non_null(next);
    assert_string_equal(next, path);
}

static void nothing_changed(void)
{
    assert_null(ed_watch_next(t.watch));
}

static int begin(void **state)
{
    (void)state;
    snprintf(t.directory, sizeof t.directory, "/tmp/eddy-watch-XXXXXX");
    return !mkdtemp(t.directory) || chdir(t.directory);
}

static int end(void **state)
{
    (void)state;
    ed_watch_close(t.watch);
    t.watch = NULL;
    return chdir("/") || tree_remove(t.directory);
}

static void a_file_counts_when_it_has_been_written(void **state)
{
    (void)state;
    watch(".");
    nothing_changed();
    int fd = open("a.c", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    nothing_changed();
    close(fd);
    changed("a.c");
    nothing_changed();
}

static void so_do_files_that_come_and_go(void **state)
{
    (void)state;
    write_file("a.c");
    watch(".");
    assert_int_equal(rename("a.c", "b.c"), 0);
    changed("a.c");
    changed("b.c");
    assert_int_equal(unlink("b.c"), 0);
    changed("b.c");
    nothing_changed();
}

static void reading_changes_nothing(void **state)
{
    (void)state;
    write_file("a.c");
    watch(".");
    int fd = open("a.c", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    nothing_changed();
}

static void what_is_ignored_does_not_count(void **state)
{
    (void)state;
    make_directory("build");
    make_directory(".git");
    make_directory("src");
    watch(".");
    write_file("a.o");
    write_file(".a.swp");
    write_file("build/a.c");
    write_file(".git/index");
    write_file("src/a.o");
    nothing_changed();
    write_file("src/a.c");
    changed("src/a.c");
}

static void directories_made_later_count(void **state)
{
    (void)state;
    watch(".");
    make_directory("new");
    make_directory("new/deep");
    changed("new");
    write_file("new/deep/a.c");
    /* Seen as it was made, or found when the first was looked through. */
    const char *next = ed_watch_next(t.watch);
    if (next && !strcmp(next, "new/deep"))
        next = ed_watch_next(t.watch);
    assert_non_null(next);
    assert_string_equal(next, "new/deep/a.c");
}

static void directories_that_went_are_forgotten(void **state)
{
    (void)state;
    make_directory("gone");
    watch(".");
    assert_int_equal(rmdir("gone"), 0);
    changed("gone");
    nothing_changed();
    make_directory("gone");
    changed("gone");
    write_file("gone/a.c");
    changed("gone/a.c");
}

static void of_one_file_only_that_counts(void **state)
{
    (void)state;
    write_file("a.so");
    watch("a.so");
    write_file("b.so");
    nothing_changed();
    write_file("fresh.o");
    assert_int_equal(rename("fresh.o", "a.so"), 0);
    changed("a.so");
    nothing_changed();
}

static void links_lead_to_no_circles(void **state)
{
    (void)state;
    make_directory("a");
    assert_int_equal(symlink("..", "a/up"), 0);
    watch(".");
    write_file("a/b.c");
    changed("a/b.c");
    nothing_changed();
}

static void what_is_not_there_cannot_be_watched(void **state)
{
    static const char *none = "none";
    const struct ed_texts paths = {&none, 1}, nothing = {0};

    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    assert_int_equal(ed_watch_open(&t.watch, &paths, &nothing), -ENOENT);
    assert_null(t.watch);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_counts_when_it_has_been_written),
        TEST(so_do_files_that_come_and_go),
        TEST(reading_changes_nothing),
        TEST(what_is_ignored_does_not_count),
        TEST(directories_made_later_count),
        TEST(directories_that_went_are_forgotten),
        TEST(of_one_file_only_that_counts),
        TEST(links_lead_to_no_circles),
        TEST(what_is_not_there_cannot_be_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
