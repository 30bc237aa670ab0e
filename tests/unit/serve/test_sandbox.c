/*
 * test_sandbox.c - what a process in a sandbox can and cannot do: each case is
 * a child of its own that enters it and tries.
 */
#include "serve/sandbox.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tree.h"

static char home[] = "/tmp/eddy-sandbox-XXXXXX";
static char inside[64], outside[64];

/* What the last child logged. */
static char said[4096];

static int make_directories(void **state)
{
    (void)state;
    if (!mkdtemp(home) || chmod(home, 0755))
        return -1;
    snprintf(inside, sizeof inside, "%s/inside", home);
    snprintf(outside, sizeof outside, "%s/outside", home);
    return mkdir(inside, 0755) || mkdir(outside, 0755) ? -1 : 0;
}

static int remove_directories(void **state)
{
    (void)state;
    return tree_remove(home);
}

static bool has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0,
                   LANDLOCK_CREATE_RULESET_VERSION) >= 3;
}

#define NEEDS_LANDLOCK()                                   \
    do {                                                   \
        if (!has_landlock()) {                             \
            print_message("no Landlock in this kernel\n"); \
            skip();                                        \
        }                                                  \
    } while (0)

static const char *writable[] = {inside, NULL};

static struct ed_settings boxed(void)
{
    return (struct ed_settings){
        .umask = -1, .sandbox = true, .sandbox_write = {writable, 1}};
}

/* Runs it in a child that entered the sandbox; the number it returns, 0 being
 * "all as it should be". */
static int within(int (*check)(void), const struct ed_settings *s)
{
    int log = memfd_create("log", 0), status = 0;
    pid_t pid = fork();

    if (!pid) {
        ed_log_set_fd(log);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(ed_sandbox_enter(s) ? 100 : check());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = pread(log, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(log);
    if (!WIFEXITED(status))
        return 1000 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

#define REFUSED(call) ((call) == -1 && errno == EPERM)

/* ---- calls ---- */

static int execute(void)
{
    char *argv[] = {"true", NULL}, *env[] = {NULL};

    if (!REFUSED(execve("/bin/true", argv, env)))
        return 1;
    if (!REFUSED(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, env, 0)))
        return 2;
    return 0;
}

static void no_program_is_executed(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(execute, &s), 0);
}

static int start_processes(void)
{
    if (!REFUSED(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0)))
        return 1;
    if (!REFUSED(
            syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0)))
        return 2;
    if (!REFUSED(unshare(CLONE_NEWUSER)))
        return 3;
    return fork() == -1 ? 0 : 4;
}

static void no_process_and_no_namespace_is_made(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(start_processes, &s), 0);
}

static int ask_the_kernel(void)
{
    char text[256] = ""; /* what io_uring_setup() would write to */
    const struct {
        long number;
        long a, b, c;
    } forbidden[] = {
        {SYS_ptrace, PTRACE_TRACEME, 0, 0},
        {SYS_mount, 0, 0, 0},
        {SYS_umount2, (long)"/", 0, 0},
        {SYS_init_module, 0, 0, 0},
        {SYS_finit_module, -1, 0, 0},
        {SYS_kexec_load, 0, 0, 0},
        {SYS_bpf, 0, (long)text, sizeof text},
        {SYS_userfaultfd, 0, 0, 0},
        {SYS_keyctl, 0, 0, 0},
        {SYS_add_key, 0, 0, 0},
        {SYS_perf_event_open, 0, 0, 0},
        {SYS_io_uring_setup, 8, (long)text, 0},
        {SYS_process_vm_readv, 1, 0, 0},
        {SYS_pidfd_open, 1, 0, 0},
        {SYS_setns, 0, 0, 0},
        {SYS_chroot, (long)"/", 0, 0},
        {SYS_setresuid, 0, 0, 0},
        {SYS_reboot, 0, 0, 0},
        {SYS_open_by_handle_at, 0, 0, 0},
        {SYS_mknodat, AT_FDCWD, 0, 0},
    };

    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        if (!REFUSED(syscall(forbidden[i].number, forbidden[i].a,
                             forbidden[i].b, forbidden[i].c, 0, 0)))
            return (int)i + 1;
    }
    return 0;
}

static void what_is_forbidden_fails_and_does_not_kill(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(ask_the_kernel, &s), 0);
}

/* An old one that nobody uses, a number that none has, and what an argument
 * makes unknown. */
static int ask_for_the_unknown(void)
{
    const char byte = 'x';

    if (syscall(SYS_sysfs, 3, 0, 0) != -1 || errno != ENOSYS)
        return 1;
    if (syscall(5000) != -1 || errno != ENOSYS)
        return 2;
    if (socket(AF_PACKET, SOCK_RAW, 0) != -1 || errno != ENOSYS)
        return 3;
    if (ioctl(0, TIOCSTI, &byte) != -1 || errno != ENOSYS)
        return 4;
    return prctl(PR_SET_SECCOMP, 2, 0, 0, 0) == -1 && errno == ENOSYS ? 0 : 5;
}

static void what_is_in_no_table_is_not_there(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(ask_for_the_unknown, &s), 0);
}

static void *add_one(void *arg)
{
    ++*(int *)arg;
    return NULL;
}

static int do_what_servers_do(void)
{
    pthread_t thread;
    int n = 0, pair[2];

    if (pthread_create(&thread, NULL, add_one, &n) ||
        pthread_join(thread, NULL) || n != 1)
        return 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
        write(pair[0], "x", 1) != 1 || ioctl(pair[1], FIONREAD, &n) || n != 1)
        return 2;
    if (socket(AF_INET6, SOCK_STREAM, 0) < 0)
        return 3;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || mprotect(code, 4096, PROT_READ | PROT_EXEC))
        return 4;
    if (memfd_create("x", MFD_CLOEXEC) < 0 || open("/etc/passwd", O_RDONLY) < 0)
        return 5;
    return prctl(PR_SET_NAME, "boxed") ? 6 : 0;
}

static void threads_sockets_files_and_compiled_code_go_on(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(do_what_servers_do, &s), 0);
}

static int signal_others(void)
{
    if (!REFUSED(kill(getppid(), 0)))
        return 1;
    if (syscall(SYS_tgkill, getppid(), getppid(), 0) != -1)
        return 2;
    return kill(getpid(), 0) ? 3 : 0;
}

static void only_itself_gets_its_signals(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(signal_others, &s), 0);
}

static int die_by_abort(void)
{
    signal(SIGABRT, SIG_DFL);
    abort();
}

static void an_abort_still_is_one(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    assert_int_equal(within(die_by_abort, &s), 1000 + SIGABRT);
}

/* ---- files ---- */

static int make(const char *directory, const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? -errno : 0;
}

static int write_around(void)
{
    char from[200], to[200];

    if (make(inside, "new"))
        return 1;
    if (make(outside, "new") != -EACCES)
        return 2;
    if (open("/etc/passwd", O_WRONLY) != -1 || errno != EACCES)
        return 3;
    if (open("/proc/self/mem", O_WRONLY) != -1 || errno != EACCES)
        return 4;
    snprintf(from, sizeof from, "%s/new", inside);
    snprintf(to, sizeof to, "%s/moved", outside);
    if (!rename(from, to) || !symlink("/", to) || !mkdir(to, 0700))
        return 5;
    if (truncate("/etc/hostname", 0) != -1 || errno != EACCES)
        return 6;
    if (open("/dev/null", O_WRONLY) < 0)
        return 7;
    return unlink(from) ? 8 : 0;
}

static void files_are_written_only_where_the_settings_say(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    NEEDS_LANDLOCK();
    assert_int_equal(within(write_around, &s), 0);
}

static int make_logs(void)
{
    if (make(outside, "access.log.new"))
        return 1;
    return make(inside, "new") == -EACCES ? 0 : 2;
}

static void a_log_can_be_opened_anew_beside_the_old_one(void **state)
{
    struct ed_settings s = boxed();
    char path[100];

    (void)state;
    NEEDS_LANDLOCK();
    snprintf(path, sizeof path, "%s/access.log", outside);
    s.access_log = path;
    s.sandbox_write.count = 0;
    assert_int_equal(within(make_logs, &s), 0);
}

static int make_state(void)
{
    return make(outside, "state") ? 1 : make(home, "new") == -EACCES ? 0 : 2;
}

static void directories_of_a_unit_may_be_written(void **state)
{
    struct ed_settings s = boxed();
    char path[140];

    (void)state;
    NEEDS_LANDLOCK();
    snprintf(path, sizeof path, "/nowhere:%s", outside);
    setenv("STATE_DIRECTORY", path, 1);
    assert_int_equal(within(make_state, &s), 0);
    unsetenv("STATE_DIRECTORY");
}

static int read_around(void)
{
    if (open("/etc/passwd", O_RDONLY) < 0)
        return 1;
    if (open(inside, O_RDONLY | O_DIRECTORY) < 0)
        return 2;
    return open(outside, O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES ? 0
                                                                          : 3;
}

static void files_are_read_only_where_the_settings_say(void **state)
{
    struct ed_settings s = boxed();

    (void)state;
    NEEDS_LANDLOCK();
    s.sandbox_write.count = 0;
    s.sandbox_read = (struct ed_texts){writable, 1};
    assert_int_equal(within(read_around, &s), 0);
}

/* ---- entering ---- */

static int never(void)
{
    return 0;
}

static void a_path_that_is_not_there_is_told_by_its_setting(void **state)
{
    static const char *nowhere[] = {"/nowhere/at/all", NULL};
    struct ed_settings s = boxed();

    (void)state;
    NEEDS_LANDLOCK();
    s.sandbox_write.each = nowhere;
    assert_int_equal(within(never, &s), 100);
    assert_non_null(strstr(said, "sandbox-write '/nowhere/at/all'"));
}

static int fork_freely(void)
{
    int status;
    pid_t pid = fork();

    if (!pid)
        _exit(0);
    return pid > 0 && waitpid(pid, &status, 0) == pid ? 0 : 1;
}

static void who_does_not_ask_is_not_boxed(void **state)
{
    struct ed_settings s = {.umask = -1};

    (void)state;
    assert_int_equal(within(fork_freely, &s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_program_is_executed),
        cmocka_unit_test(no_process_and_no_namespace_is_made),
        cmocka_unit_test(what_is_forbidden_fails_and_does_not_kill),
        cmocka_unit_test(what_is_in_no_table_is_not_there),
        cmocka_unit_test(threads_sockets_files_and_compiled_code_go_on),
        cmocka_unit_test(only_itself_gets_its_signals),
        cmocka_unit_test(an_abort_still_is_one),
        cmocka_unit_test(files_are_written_only_where_the_settings_say),
        cmocka_unit_test(a_log_can_be_opened_anew_beside_the_old_one),
        cmocka_unit_test(directories_of_a_unit_may_be_written),
        cmocka_unit_test(files_are_read_only_where_the_settings_say),
        cmocka_unit_test(a_path_that_is_not_there_is_told_by_its_setting),
        cmocka_unit_test(who_does_not_ask_is_not_boxed),
    };
    return cmocka_run_group_tests(tests, make_directories, remove_directories);
}
