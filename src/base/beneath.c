/*
 * beneath.c - opening below a directory, by the kernel or by walking.
 */
#include "base/beneath.h"

#include <eddy/bytes.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED /* Linux 5.12 */
#define RESOLVE_CACHED 0x20
#endif

/* A pipe without a writer, and a device that is not ready, keep nobody. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Any rename in the system makes the kernel unsure of a ".." it meets just
 * then: one in a hundred while directories are renamed all the time. */
enum { ATTEMPTS = 16 };

/* ---- by walking ---- */

/* The next part of a path into `part`: 0, or why it cannot be one. */
static int next_part(struct ed_bytes *rest, char part[NAME_MAX + 1])
{
    struct ed_bytes name = {0};
    while (rest->ptr && !name.len)
        name = ed_bytes_cut(rest, '/');
    if (name.len > NAME_MAX)
        return -ENAMETOOLONG;
    if (ed_bytes_equal(name, ED_BYTES("..")))
        return -EXDEV;
    if (!name.len)
        name = ED_BYTES(".");
    memcpy(part, name.ptr, name.len);
    part[name.len] = '\0';
    return 0;
}

int ed_open_beneath_walking(int dir, const char *path)
{
    struct ed_bytes rest = ed_bytes(path);
    char part[NAME_MAX + 1];
    int at = dir;
    if (!rest.len)
        return -ENOENT;
    if (path[0] == '/')
        return -EXDEV;
    for (;;) {
        int fd = next_part(&rest, part);
        int flags = rest.ptr ? O_PATH | O_DIRECTORY | O_CLOEXEC : OPEN_FLAGS;
        if (!fd) {
            fd = openat(at, part, flags | O_NOFOLLOW);
            fd = fd < 0 ? -errno : fd;
        }
        if (at != dir)
            close(at);
        if (fd < 0 || !rest.ptr)
            return fd;
        at = fd;
    }
}

/* ---- by the kernel ---- */

static int open_by_kernel(int dir, const char *path, unsigned how)
{
    struct open_how open_how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (how & ED_BENEATH_NO_LINKS)
        open_how.resolve |= RESOLVE_NO_SYMLINKS;
    if (how & ED_BENEATH_AT_ONCE)
        open_how.resolve |= RESOLVE_CACHED;
    long fd = syscall(SYS_openat2, dir, path, &open_how, sizeof open_how);
    return fd < 0 ? -errno : (int)fd;
}

/* Whether the kernel has the call: not before it was asked, and old filters of
 * system calls answer EPERM for those they do not know. "." can be opened by
 * whoever holds the directory, if by anybody. */
static bool kernel_can(int dir)
{
    enum { UNKNOWN, YES, NO };
    static _Atomic int known = UNKNOWN;
    int can = atomic_load_explicit(&known, memory_order_relaxed);
    if (can != UNKNOWN)
        return can == YES;
    int fd = open_by_kernel(dir, ".", 0);
    if (fd >= 0)
        close(fd);
    can = fd == -ENOSYS || fd == -EPERM ? NO : YES;
    atomic_store_explicit(&known, can, memory_order_relaxed);
    return can == YES;
}

int ed_open_beneath(int dir, const char *path, unsigned how)
{
    if (!kernel_can(dir))
        return how & ED_BENEATH_AT_ONCE ? -EAGAIN
                                        : ed_open_beneath_walking(dir, path);
    int fd = open_by_kernel(dir, path, how);
    /* Kernels before 5.12 do not know what ED_BENEATH_AT_ONCE asks for. */
    if (how & ED_BENEATH_AT_ONCE)
        return fd == -EINVAL ? -EAGAIN : fd;
    for (int i = 1; fd == -EAGAIN && i < ATTEMPTS; i++)
        fd = open_by_kernel(dir, path, how);
    return fd;
}
