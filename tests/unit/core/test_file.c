/* Files through the pool. */
#include "outside.h"

#include <eddy/arena.h>
#include <eddy/file.h>
#include <fcntl.h>
#include <stdio.h>

static char directory[] = "/tmp/eddy-file-XXXXXX";

/* A path in the test's directory; valid until the next call but one. */
static const char *in_directory(const char *name)
{
    static char paths[2][64];
    static int turn;
    char *path = paths[turn ^= 1];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory); /* fails when a test left a file */
}

FIBER_TEST(what_was_written_is_read)
{
    const char *path = in_directory("a");
    struct ed_bytes got;

    check_int(ed_file_write(path, ED_BYTES("hello")), 0);
    check_int(ed_file_read(&got, path, 100), 0);
    check_text(got.ptr, "hello");
    check_int((long long)got.len, 5);
    unlink(path);
}

FIBER_TEST(an_empty_file_is_read_as_empty_text)
{
    const char *path = in_directory("empty");
    struct ed_bytes got;

    check_int(ed_file_write(path, ED_BYTES("")), 0);
    check_int(ed_file_read(&got, path, 0), 0);
    check_int((long long)got.len, 0);
    check_text(got.ptr, "");
    unlink(path);
}

FIBER_TEST(a_file_as_large_as_the_limit_is_read_and_a_larger_is_not)
{
    const char *path = in_directory("limit");
    struct ed_bytes got;

    check_int(ed_file_write(path, ED_BYTES("12345")), 0);
    check_int(ed_file_read(&got, path, 5), 0);
    check_int(ed_file_read(&got, path, 4), ED_ELIMIT);
    says(ed_error(), path);
    unlink(path);
}

FIBER_TEST(files_without_a_size_are_read_to_their_end)
{
    struct ed_bytes got;

    check_int(ed_file_read(&got, "/proc/self/status", 1 << 20), 0);
    check(got.len > 100);
    check_int(ed_file_read(&got, "/proc/self/status", 10), ED_ELIMIT);
    check_int(ed_file_read(&got, "/dev/zero", 100000), ED_ELIMIT);
}

FIBER_TEST(a_full_arena_is_an_error)
{
    ed_arena *arena = ed_arena_new(16);
    ed_arena *before = ed_fiber_use_arena(arena);
    struct ed_bytes got;

    check_int(ed_file_read(&got, "/proc/self/status", 1 << 20), ED_ENOMEM);
    ed_fiber_use_arena(before);
    ed_arena_free(arena);
}

FIBER_TEST(a_missing_file_is_named)
{
    struct ed_bytes got;

    check_int(ed_file_read(&got, "/no/such/file", 10), -ENOENT);
    check_text(ed_error(), "/no/such/file: No such file or directory");
    check_int(ed_file_write("/no/such/file", ED_BYTES("x")), -ENOENT);
    check_int(ed_file_read(&got, directory, 10), -EISDIR);
}

FIBER_TEST(writing_replaces_and_leaves_no_other_file)
{
    const char *path = in_directory("b");
    struct ed_bytes got;
    int before = held_entries(directory);

    check_int(ed_file_write(path, ED_BYTES("old and long")), 0);
    check_int(ed_file_write(path, ED_BYTES("new"), .sync = true), 0);
    check_int(ed_file_read(&got, path, 100), 0);
    check_text(got.ptr, "new");
    unlink(path);
    check_int(held_entries(directory), before);
}

FIBER_TEST(a_failed_write_leaves_the_old_and_no_temporary_file)
{
    const char *path = in_directory("directory");
    int before;

    mkdir(path, 0700);
    before = held_entries(directory);
    check_int(ed_file_write(path, ED_BYTES("x")), -EISDIR);
    check_int(held_entries(directory), before);
    rmdir(path);
}

FIBER_TEST(the_mode_is_as_asked)
{
    const char *path = in_directory("secret");
    struct stat st;

    check_int(ed_file_write(path, ED_BYTES("x"), .mode = 0600), 0);
    check_int(stat(path, &st), 0);
    check_int(st.st_mode & 0777, 0600);
    unlink(path);
}

FIBER_TEST(appending_creates_and_adds)
{
    const char *path = in_directory("log");
    struct ed_bytes got;

    check_int(ed_file_append(path, ED_BYTES("a\n")), 0);
    check_int(ed_file_append(path, ED_BYTES("b\n")), 0);
    check_int(ed_file_read(&got, path, 100), 0);
    check_text(got.ptr, "a\nb\n");
    unlink(path);
}

FIBER_TEST(an_open_file_is_read_and_written_anywhere)
{
    const char *path = in_directory("c");
    char buf[8] = "";
    struct stat st;
    ed_file *f;

    check_int(ed_file_open(&f, path, O_RDWR | O_CREAT, 0644), 0);
    check_int(ed_file_pwrite(f, "world", 5, 6), 0);
    check_int(ed_file_pwrite(f, "hello ", 6, 0), 0);
    check_int(ed_file_sync(f), 0);
    check_int(ed_file_stat(f, &st), 0);
    check_int(st.st_size, 11);
    check_int(ed_file_pread(f, buf, 5, 6), 5);
    check_text(buf, "world");
    check_int(ed_file_pread(f, buf, 8, 8), 3);
    check_int(ed_file_pread(f, buf, 8, 100), 0);
    check_int(ed_file_close(f), 0);
    unlink(path);
}

FIBER_TEST(a_read_from_a_file_opened_for_writing_is_refused_by_name)
{
    const char *path = in_directory("w");
    char c;
    ed_file *f;

    check_int(ed_file_open(&f, path, O_WRONLY | O_CREAT, 0644), 0);
    check_int(ed_file_pread(f, &c, 1, 0), -EBADF);
    says(ed_error(), path);
    check_int(ed_file_close(f), 0);
    unlink(path);
}

FIBER_TEST(a_cancelled_fiber_still_closes)
{
    int before = held_descriptors();
    ed_scope(s);
    {
        ed_file *f ED_FILE_AUTO = NULL;
        check_int(ed_file_open(&f, "/dev/null", O_RDONLY, 0), 0);
        ed_cancel(s);
        check_int(ed_file_sync(f), ED_ECANCELED);
    }
    check_int(held_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(an_empty_file_is_read_as_empty_text),
        cmocka_unit_test(
            a_file_as_large_as_the_limit_is_read_and_a_larger_is_not),
        cmocka_unit_test(files_without_a_size_are_read_to_their_end),
        cmocka_unit_test(a_full_arena_is_an_error),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(writing_replaces_and_leaves_no_other_file),
        cmocka_unit_test(a_failed_write_leaves_the_old_and_no_temporary_file),
        cmocka_unit_test(the_mode_is_as_asked),
        cmocka_unit_test(appending_creates_and_adds),
        cmocka_unit_test(an_open_file_is_read_and_written_anywhere),
        cmocka_unit_test(
            a_read_from_a_file_opened_for_writing_is_refused_by_name),
        cmocka_unit_test(a_cancelled_fiber_still_closes),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
