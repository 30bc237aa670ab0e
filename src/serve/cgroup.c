/*
 * cgroup.c - limits of control groups: /proc/self/cgroup says which groups,
 * files below /sys/fs/cgroup what they may have.
 */
#include "serve/cgroup.h"

#include <eddy/bytes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Version 1 writes "no limit" as the largest number of whole pages. */
#define MEMORY_NO_LIMIT (INT64_MAX / 2)

static void tighten(double *now, double other)
{
    if (other > 0 && (*now <= 0 || other < *now))
        *now = other;
}

/* The text of a small file, without its line end; empty when there is none. */
static struct ed_bytes read_text(const char *directory, const char *name,
                                 char *out, size_t size)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = len < (int)sizeof path ? fopen(path, "re") : NULL;
    bool got = f && fgets(out, (int)size, f);

    if (f)
        fclose(f);
    return got ? ed_bytes_of(out, strcspn(out, "\n")) : ED_BYTES("");
}

static double read_number(const char *directory, const char *name)
{
    char text[64];
    int64_t n = 0;

    if (ed_bytes_int(read_text(directory, name, text, sizeof text), &n))
        return 0; /* "max", or no such file */
    return n > 0 && n < MEMORY_NO_LIMIT ? (double)n : 0;
}

/* "QUOTA PERIOD", both in microseconds; QUOTA may be "max". */
static double read_cpu_max(const char *directory)
{
    char text[64];
    struct ed_bytes rest = read_text(directory, "cpu.max", text, sizeof text);
    struct ed_bytes word = ed_bytes_cut(&rest, ' ');
    int64_t quota, period;

    if (ed_bytes_int(word, &quota) || !rest.ptr ||
        ed_bytes_int(rest, &period) || quota <= 0 || period <= 0)
        return 0;
    return (double)quota / (double)period;
}

/* ---- one group ---- */

typedef void look_fn(const char *directory, struct ed_cgroup *out);

static void tighten_memory(struct ed_cgroup *out, double bytes)
{
    double memory = (double)out->memory;

    tighten(&memory, bytes);
    out->memory = (uint64_t)memory;
}

static void look_at_v2(const char *directory, struct ed_cgroup *out)
{
    tighten(&out->processors, read_cpu_max(directory));
    tighten_memory(out, read_number(directory, "memory.max"));
}

static void look_at_v1_cpu(const char *directory, struct ed_cgroup *out)
{
    double quota = read_number(directory, "cpu.cfs_quota_us");
    double period = read_number(directory, "cpu.cfs_period_us");

    if (period > 0)
        tighten(&out->processors, quota / period);
}

static void look_at_v1_memory(const char *directory, struct ed_cgroup *out)
{
    tighten_memory(out, read_number(directory, "memory.limit_in_bytes"));
}

/* ---- from the process's own to the topmost ---- */

/* A group may be seen at the mount itself, as a container sees its own. */
static void walk(const char *root, const char *mount, struct ed_bytes group,
                 look_fn *look, struct ed_cgroup *out)
{
    char path[PATH_MAX];

    for (;;) {
        int len = snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%.*s", root,
                           mount, (int)group.len, group.ptr);
        if (len < (int)sizeof path)
            look(path, out);
        if (!group.len)
            return;
        while (group.len && group.ptr[group.len - 1] != '/')
            group.len--;
        if (group.len)
            group.len--;
    }
}

static bool has_word(struct ed_bytes list, const char *word)
{
    while (list.ptr) {
        if (ed_bytes_equal(ed_bytes_cut(&list, ','), ed_bytes(word)))
            return true;
    }
    return false;
}

/* "NUMBER:CONTROLLERS:/GROUP"; version 2 names no controllers. */
static void take_line(const char *root, struct ed_bytes line,
                      struct ed_cgroup *out)
{
    ed_bytes_cut(&line, ':');
    struct ed_bytes controllers = ed_bytes_cut(&line, ':');

    if (!line.ptr)
        return;
    if (!controllers.len) {
        walk(root, "", line, look_at_v2, out);
        return;
    }
    if (has_word(controllers, "cpu"))
        walk(root, "/cpu", line, look_at_v1_cpu, out);
    if (has_word(controllers, "memory"))
        walk(root, "/memory", line, look_at_v1_memory, out);
}

struct ed_cgroup ed_cgroup_read(const char *root)
{
    struct ed_cgroup out = {0};
    char path[PATH_MAX], line[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = len < (int)sizeof path ? fopen(path, "re") : NULL;

    while (f && fgets(line, sizeof line, f))
        take_line(root, ed_bytes_of(line, strcspn(line, "\n")), &out);
    if (f)
        fclose(f);
    return out;
}
