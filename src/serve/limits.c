/*
 * limits.c - what the system lets a server have, and what of it is too little.
 *
 * What is found is a plain structure, and what is said of it a function of
 * that and the settings.
 */
#include "serve/limits.h"

#include <eddy/bytes.h>
#include <eddy/log.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum {
    /* Of a worker: the log, the loop, listeners, libraries, a few files. */
    OTHER_FILES = 64,
    /* A server is expected to bear so many connections when nothing is said:
     * what a soft limit of 1024, the default of most systems, does not. */
    LIKELY_CONNECTIONS = 4096,
    /* Of the program and its libraries. */
    OTHER_MAPS = 1000,
    /* A fiber's stack and its guard. */
    MAPS_A_FIBER = 2,
};

struct listener {
    void (*warn)(const char *text, void *arg);
    void *arg;
};

ED_PRINTF(2, 3)
static void say(const struct listener *to, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    to->warn(text, to->arg);
}

/* ---- judging ---- */

/* A proxy has as many connections to others again, so this is the least. */
static void judge_files(const struct ed_system_limits *have,
                        const struct ed_settings *s, const struct listener *to)
{
    uint64_t connections =
        s->max_connections ? s->max_connections : LIKELY_CONNECTIONS;
    uint64_t needed = connections + OTHER_FILES;

    if (!have->open_files || have->open_files >= needed)
        return;
    say(to,
        "a worker may open %llu files, and %llu connections need %llu: raise "
        "LimitNOFILE= of the unit, or ulimit -Hn%s",
        (unsigned long long)have->open_files, (unsigned long long)connections,
        (unsigned long long)needed,
        s->max_connections ? ", or lower --max-connections" : "");
}

static void judge_queue(const struct ed_system_limits *have,
                        const struct ed_settings *s, const struct listener *to)
{
    if (have->accept_queue && have->accept_queue < s->backlog)
        say(to,
            "the kernel holds %llu connections for us and not the %u of "
            "--backlog: sysctl net.core.somaxconn=%u",
            (unsigned long long)have->accept_queue, s->backlog, s->backlog);
}

/* Each request in flight has a fiber, and often several. */
static void judge_maps(const struct ed_system_limits *have,
                       const struct ed_settings *s, const struct listener *to)
{
    uint64_t fibers = s->max_in_flight;
    uint64_t needed = fibers * MAPS_A_FIBER + OTHER_MAPS;

    if (have->guards_are_maps && have->maps && have->maps < needed)
        say(to,
            "a process may have %llu memory maps, and %llu requests at once "
            "need %llu: sysctl vm.max_map_count=%llu",
            (unsigned long long)have->maps, (unsigned long long)fibers,
            (unsigned long long)needed, (unsigned long long)needed);
    if (have->strict_memory)
        say(to, "all memory that is reserved counts as used, the whole stack "
                "of each fiber too: sysctl vm.overcommit_memory=0");
}

static void judge_memory(const struct ed_system_limits *have,
                         const struct ed_settings *s, const struct listener *to)
{
    uint64_t workers = s->workers ? s->workers : have->processors;
    uint64_t memory = have->group.memory >> 20;
    uint64_t each = s->max_memory >> 20;

    if (memory && each && workers * each > memory)
        say(to,
            "%llu workers of up to %llu MiB do not fit into the %llu MiB of "
            "the control group: lower --max-memory or --workers, or raise "
            "MemoryMax= of the unit or the container's limit",
            (unsigned long long)workers, (unsigned long long)each,
            (unsigned long long)memory);
}

void ed_limits_judge(const struct ed_system_limits *have,
                     const struct ed_settings *settings,
                     void (*warn)(const char *text, void *arg), void *arg)
{
    const struct listener to = {warn, arg};

    judge_files(have, settings, &to);
    judge_queue(have, settings, &to);
    judge_maps(have, settings, &to);
    judge_memory(have, settings, &to);
}

/* ---- finding ---- */

static uint64_t read_number(const char *path)
{
    char text[32];
    int64_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
    struct ed_bytes rest = ed_bytes_of(text, len > 0 ? (size_t)len : 0);

    if (fd >= 0)
        close(fd);
    return ed_bytes_int(ed_bytes_cut(&rest, '\n'), &n) || n < 0 ? 0
                                                                : (uint64_t)n;
}

/* The soft limit is what programs get that use select(), which cannot bear
 * more; ours do not. */
static uint64_t raise_open_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit))
            limit.rlim_cur = before;
    }
    return limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
}

static bool guards_are_maps(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return true;
    bool maps = madvise(at, page, MADV_GUARD_INSTALL) != 0;
    munmap(at, page);
    return maps;
}

/* More processors than a cpu_set_t has room for make the call fail. */
static unsigned may_run_on(void)
{
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof set, &set))
        return (unsigned)CPU_COUNT(&set);
    return online > 0 ? (unsigned)online : 1;
}

unsigned ed_processors_of(unsigned affinity, const struct ed_cgroup *group)
{
    double time = group->processors;
    unsigned whole = (unsigned)time;

    if (time <= 0 || time > affinity)
        return affinity ? affinity : 1;
    if (time > whole)
        whole++;
    return whole < affinity ? whole : affinity;
}

unsigned ed_processors(void)
{
    struct ed_cgroup group = ed_cgroup_read("");

    return ed_processors_of(may_run_on(), &group);
}

static void to_log(const char *text, void *arg)
{
    (void)arg;
    ed_log_warn("%s", text);
}

void ed_limits_prepare(const struct ed_settings *settings)
{
    const struct ed_system_limits have = {
        .open_files = raise_open_files(),
        .accept_queue = read_number("/proc/sys/net/core/somaxconn"),
        .maps = read_number("/proc/sys/vm/max_map_count"),
        .strict_memory = read_number("/proc/sys/vm/overcommit_memory") == 2,
        .guards_are_maps = guards_are_maps(),
        .processors = ed_processors(),
        .group = ed_cgroup_read(""),
    };

    ed_limits_judge(&have, settings, to_log, NULL);
}
