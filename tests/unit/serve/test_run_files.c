/*
 * test_run_files.c - the files by which a running server is found, and what
 * servers that are dead have left of theirs.
 */
#include "serve/run_files.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/log.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/eddy-run-XXXXXX";
static char path[8][128];

/* Of a file there; good for eight at a time. */
static const char *in_folder(const char *fmt, int pid)
{
    static unsigned n;
    char name[64];
    char *out = path[n++ % 8];

    snprintf(name, sizeof name, fmt, pid);
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static void put(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool is_there(const char *file)
{
    return !access(file, F_OK);
}

static int pid_in(const char *file)
{
    char text[32] = "";
    int fd = open(file, O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        *text = '\0';
    close(fd);
    return (int)strtol(text, NULL, 10);
}

/* Of a process that is no more. */
static int dead_pid(void)
{
    pid_t pid = fork();

    if (!pid)
        _exit(0);
    waitpid(pid, NULL, 0);
    return (int)pid;
}

static int open_folder(void **state)
{
    (void)state;
    ed_log_set_level(ED_LOG_OFF);
    return mkdtemp(folder) && !setenv("RUNTIME_DIRECTORY", folder, 1) ? 0 : -1;
}

static int close_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* nothing may be in it */
}

/* ---- what the dead have left ---- */

/* In a container that begins anew each server is, say, process 7. */
static void files_of_a_server_with_our_process_id_are_removed(void **state)
{
    struct ed_run_files files = {0};

    (void)state;
    assert_int_equal(mkdir(in_folder("eddy-x-%d.run", getpid()), 0700), 0);
    put(in_folder("eddy-x-%d.run/worker-3.sock", getpid()), "");
    put(in_folder("eddy-y-%d.ctl", getpid()), "");
    assert_int_equal(ed_run_files_open(&files, "x", NULL), 0);
    assert_true(is_there(in_folder("eddy-x-%d.run", getpid())));
    assert_false(is_there(in_folder("eddy-x-%d.run/worker-3.sock", getpid())));
    assert_false(is_there(in_folder("eddy-y-%d.ctl", getpid())));
    ed_run_files_close(&files);
}

static void files_of_the_dead_are_removed_and_those_of_others_stay(void **state)
{
    struct ed_run_files files = {0};
    int dead = dead_pid();

    (void)state;
    put(in_folder("eddy-x-%d.ctl", dead), "");
    put(in_folder("eddy-x-%d.ctl", getppid()), "");
    put(in_folder("eddy-x-%d.log", dead), "");
    put(in_folder("other-x-%d.ctl", dead), "");
    put(in_folder("eddy-.ctl", 0), "");
    assert_int_equal(ed_run_files_open(&files, "x", "none"), 0);
    assert_null(files.ctl);
    ed_run_files_close(&files);
    assert_true(is_there(in_folder("eddy-x-%d.ctl", getppid())));
    assert_int_equal(unlink(in_folder("eddy-x-%d.ctl", getppid())), 0);
    assert_int_equal(unlink(in_folder("eddy-x-%d.log", dead)), 0);
    assert_int_equal(unlink(in_folder("other-x-%d.ctl", dead)), 0);
    assert_int_equal(unlink(in_folder("eddy-.ctl", 0)), 0);
}

/* ---- the pid file ---- */

static void the_file_of_a_dead_server_is_not_restored(void **state)
{
    struct ed_run_files files = {0};
    const char *pid = in_folder("pid", 0), *old = in_folder("pid.old", 0);

    (void)state;
    put(pid, "4194300\n");
    assert_int_equal(ed_run_files_write_pid(&files, pid, 0), 0);
    assert_int_equal(pid_in(pid), getpid());
    assert_false(is_there(old));
    put(old, "4194300\n");
    ed_run_files_restore_pid(&files); /* the heir has not come so far */
    assert_int_equal(pid_in(pid), getpid());
    unlink(old);
    ed_run_files_close(&files);
    assert_false(is_there(pid));
}

static void that_of_the_former_master_comes_back(void **state)
{
    struct ed_run_files files = {0};
    const char *pid = in_folder("pid", 0), *old = in_folder("pid.old", 0);
    char text[16];

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)getppid());
    put(pid, text);
    assert_int_equal(ed_run_files_write_pid(&files, pid, getppid()), 0);
    assert_int_equal(pid_in(old), getppid());
    unlink(old);
    rename(pid, old); /* by an heir of ours, which has been killed */
    put(pid, "4194300\n");
    ed_run_files_restore_pid(&files);
    assert_int_equal(pid_in(pid), getpid());
    assert_false(is_there(old));
    ed_run_files_close(&files);
}

struct reader {
    const char *file;
    atomic_bool enough;
    int missed;
};

static void *look_for_it(void *arg)
{
    struct reader *reader = arg;

    while (!atomic_load(&reader->enough))
        reader->missed += access(reader->file, F_OK) != 0;
    return NULL;
}

static void there_is_a_file_at_any_moment(void **state)
{
    const char *old = in_folder("pid.old", 0);
    struct reader reader = {.file = in_folder("pid", 0)};
    pthread_t thread;
    char text[16];
    int failed = 0;

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)getppid());
    put(reader.file, text);
    assert_int_equal(pthread_create(&thread, NULL, look_for_it, &reader), 0);
    for (int i = 0; i < 2000; i++) {
        struct ed_run_files files = {0};
        put(reader.file, text);
        failed += ed_run_files_write_pid(&files, reader.file, getppid()) != 0;
        free(files.pidfile);
    }
    atomic_store(&reader.enough, true);
    pthread_join(thread, NULL);
    assert_int_equal(failed, 0);
    assert_int_equal(reader.missed, 0);
    assert_int_equal(pid_in(old), getppid());
    assert_int_equal(pid_in(reader.file), getpid());
    unlink(old);
    unlink(reader.file);
}

static void a_full_disk_leaves_the_file_as_it_was(void **state)
{
    struct ed_run_files files = {0};
    const char *pid = in_folder("pid", 0);
    struct rlimit before, none = {2, RLIM_INFINITY}; /* bytes of a file */
    char text[16];

    (void)state;
    snprintf(text, sizeof text, "%d\n", (int)getppid());
    put(pid, text);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int err = ed_run_files_write_pid(&files, pid, getppid());
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(err < 0);
    assert_int_equal(pid_in(pid), getppid());
    assert_false(is_there(in_folder("pid.old", 0)));
    assert_false(is_there(in_folder("pid.new", 0)));
    unlink(pid);
    ed_run_files_close(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_a_server_with_our_process_id_are_removed),
        cmocka_unit_test(
            files_of_the_dead_are_removed_and_those_of_others_stay),
        cmocka_unit_test(the_file_of_a_dead_server_is_not_restored),
        cmocka_unit_test(that_of_the_former_master_comes_back),
        cmocka_unit_test(there_is_a_file_at_any_moment),
        cmocka_unit_test(a_full_disk_leaves_the_file_as_it_was),
    };

    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
