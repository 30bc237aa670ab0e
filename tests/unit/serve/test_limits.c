/*
 * test_limits.c - limits of control groups as the kernel writes them, and what
 * is said of limits that are too low.
 */
#include "serve/limits.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <eddy/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tree.h"

/* ---- control groups ---- */

static char root[] = "/tmp/eddy-cgroup-XXXXXX";

/* A file below the root, with its directories. */
static void write_file(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        assert_true(!mkdir(path, 0755) || errno == EEXIST);
        *at = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/eddy-cgroup-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return tree_remove(root);
}

static void the_tightest_group_counts(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/a.slice/b.service\n");
    write_file("sys/fs/cgroup/a.slice/b.service/cpu.max", "400000 100000\n");
    write_file("sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
    write_file("sys/fs/cgroup/a.slice/b.service/memory.max", "1073741824\n");
    write_file("sys/fs/cgroup/a.slice/memory.max", "max\n");
    struct ed_cgroup got = ed_cgroup_read(root);
    assert_int_equal((int)(got.processors * 10), 15);
    assert_int_equal(got.memory, 1073741824);
}

/* A container sees its own group as the topmost. */
static void a_group_at_the_mount_itself_is_seen(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "0::/\n");
    write_file("sys/fs/cgroup/cpu.max", "50000 100000\n");
    write_file("sys/fs/cgroup/memory.max", "268435456\n");
    struct ed_cgroup got = ed_cgroup_read(root);
    assert_int_equal((int)(got.processors * 10), 5);
    assert_int_equal(got.memory, 268435456);
}

static void version_1_is_understood(void **state)
{
    (void)state;
    write_file("proc/self/cgroup", "4:memory:/job\n2:cpu,cpuacct:/job\n0::/\n");
    write_file("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n");
    write_file("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    write_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    write_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    write_file("sys/fs/cgroup/memory/job/memory.limit_in_bytes",
               "9223372036854771712\n");
    write_file("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
    struct ed_cgroup got = ed_cgroup_read(root);
    assert_int_equal((int)got.processors, 3);
    assert_int_equal(got.memory, 536870912);
}

static void what_cannot_be_read_is_no_limit(void **state)
{
    (void)state;
    struct ed_cgroup got = ed_cgroup_read(root);
    assert_true(got.processors <= 0 && got.memory == 0);
    write_file("proc/self/cgroup", "nonsense\n0::/x\n");
    write_file("sys/fs/cgroup/x/cpu.max", "max 100000\n");
    write_file("sys/fs/cgroup/cpu.max", "7");
    write_file("sys/fs/cgroup/x/memory.max", "-3\n");
    got = ed_cgroup_read(root);
    assert_true(got.processors <= 0 && got.memory == 0);
}

static void workers_are_as_many_as_the_group_has_time_for(void **state)
{
    static const struct {
        unsigned affinity;
        double time;
        unsigned expected;
    } rows[] = {
        {8, 0, 8},   {8, 2, 2}, {8, 1.5, 2}, {8, 0.2, 1},
        {2, 7.5, 2}, {0, 0, 1}, {4, 4, 4},   {4, 3.01, 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ed_cgroup group = {.processors = rows[i].time};
        assert_int_equal(ed_processors_of(rows[i].affinity, &group),
                         rows[i].expected);
    }
    assert_true(ed_processors() >= 1);
}

/* ---- what is said ---- */

static char said[4096];

static void keep(const char *text, void *arg)
{
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", text);
}

static const char *judged(const struct ed_system_limits *have,
                          const struct ed_settings *s)
{
    said[0] = '\0';
    ed_limits_judge(have, s, keep, NULL);
    return said;
}

static const struct ed_system_limits plenty = {
    .open_files = 1 << 20,
    .accept_queue = 4096,
    .maps = 65530,
    .processors = 4,
};

static void nothing_is_said_of_what_suffices(void **state)
{
    struct ed_settings s = {.backlog = 4096, .max_connections = 100000};
    struct ed_system_limits unknown = {.processors = 2};

    (void)state;
    assert_string_equal(judged(&plenty, &s), "");
    assert_string_equal(judged(&unknown, &s), "");
}

static void too_few_files_are_told_with_what_to_do(void **state)
{
    struct ed_system_limits have = plenty;
    struct ed_settings s = {.max_connections = 10000};

    (void)state;
    have.open_files = 1024;
    assert_non_null(strstr(judged(&have, &s),
                           "a worker may open 1024 files, and 10000 "
                           "connections need 10064: raise LimitNOFILE="));
    assert_non_null(strstr(said, "or lower --max-connections"));
    s.max_connections = 0;
    assert_non_null(strstr(judged(&have, &s), "4096 connections need"));
    assert_null(strstr(said, "--max-connections"));
    s.max_connections = 900;
    assert_string_equal(judged(&have, &s), "");
}

static void a_short_accept_queue_is_told(void **state)
{
    struct ed_system_limits have = plenty;
    struct ed_settings s = {.backlog = 4096};

    (void)state;
    have.accept_queue = 128;
    assert_non_null(
        strstr(judged(&have, &s), "sysctl net.core.somaxconn=4096"));
}

static void maps_matter_where_guards_take_them(void **state)
{
    struct ed_system_limits have = plenty;
    struct ed_settings s = {.max_in_flight = 50000};

    (void)state;
    assert_string_equal(judged(&have, &s), "");
    have.guards_are_maps = true;
    assert_non_null(
        strstr(judged(&have, &s), "sysctl vm.max_map_count=101000"));
    s.max_in_flight = 1000;
    assert_string_equal(judged(&have, &s), "");
    have.strict_memory = true;
    assert_non_null(strstr(judged(&have, &s), "sysctl vm.overcommit_memory=0"));
}

static void workers_that_do_not_fit_into_the_memory_are_told(void **state)
{
    struct ed_system_limits have = plenty;
    struct ed_settings s = {.max_memory = 256 << 20};

    (void)state;
    have.group.memory = 512 << 20;
    assert_non_null(strstr(judged(&have, &s),
                           "4 workers of up to 256 MiB do not fit into the "
                           "512 MiB"));
    s.workers = 2;
    assert_string_equal(judged(&have, &s), "");
}

/* In a child: the limit is the process's. */
static void the_soft_limit_of_files_is_raised(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (!pid) {
        struct ed_settings s = {.max_connections = 100000};
        struct rlimit limit = {200, 300};
        int log = memfd_create("log", 0);
        char text[1024] = "";
        ed_log_set_fd(log);
        if (setrlimit(RLIMIT_NOFILE, &limit))
            _exit(1);
        ed_limits_prepare(&s);
        if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur != 300)
            _exit(2);
        if (pread(log, text, sizeof text - 1, 0) <= 0 ||
            !strstr(text, "may open 300 files"))
            _exit(3);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

#define GROUP_TEST(name) \
    cmocka_unit_test_setup_teardown(name, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GROUP_TEST(the_tightest_group_counts),
        GROUP_TEST(a_group_at_the_mount_itself_is_seen),
        GROUP_TEST(version_1_is_understood),
        GROUP_TEST(what_cannot_be_read_is_no_limit),
        cmocka_unit_test(workers_are_as_many_as_the_group_has_time_for),
        cmocka_unit_test(nothing_is_said_of_what_suffices),
        cmocka_unit_test(too_few_files_are_told_with_what_to_do),
        cmocka_unit_test(a_short_accept_queue_is_told),
        cmocka_unit_test(maps_matter_where_guards_take_them),
        cmocka_unit_test(workers_that_do_not_fit_into_the_memory_are_told),
        cmocka_unit_test(the_soft_limit_of_files_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
