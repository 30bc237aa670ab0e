/*
 * disk.c - reading files: at once out of the page cache, else by a thread.
 *
 * sendfile(2) has no way to say "only if it need not wait", so what is to be
 * sent is looked at first. Two questions are asked, as neither is enough:
 * cachestat(2) counts the pages that are there, but also those still being
 * read; a read that may not wait (RWF_NOWAIT) says whether one page is ready.
 * Pages are read in order, so the last one tells of those before it.
 */
#include "core/disk.h"

#include <eddy/blocking.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Newer than the C library (Linux 6.5); the number is the same everywhere. */
#define CACHESTAT_CALL 451

/* What a thread reads at once, only so that it is in memory. */
#define WARM_STEP (64 * 1024)

/* ---- the page cache ---- */

/* -EOPNOTSUPP: the file system cannot say. */
static ssize_t read_without_waiting(int fd, void *buf, size_t len,
                                    int64_t offset)
{
    struct iovec iov = {buf, len};
    ssize_t n;
    do {
        n = preadv2(fd, &iov, 1, offset, RWF_NOWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* 1 yes, 0 no, -1: the system cannot tell. */
static int all_pages_there(int fd, int64_t offset, size_t len)
{
    struct {
        uint64_t offset, len;
    } range = {(uint64_t)offset, len};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } found = {0};
    if (syscall(CACHESTAT_CALL, fd, &range, &found, 0) < 0)
        return -1;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = range.offset / page;
    uint64_t last = (range.offset + len - 1) / page;
    return found.cached > last - first;
}

static int byte_ready(int fd, int64_t offset)
{
    char byte = 0;
    ssize_t n = read_without_waiting(fd, &byte, 1, offset);
    if (n >= 0)
        return 1;
    return n == -EAGAIN ? 0 : -1;
}

bool ed_disk_is_warm(int fd, int64_t offset, size_t len)
{
    if (!len)
        return true;
    int ready = byte_ready(fd, offset + (int64_t)len - 1);
    if (!ready)
        return false;
    int there = all_pages_there(fd, offset, len);
    if (there < 0)
        return ready > 0 && byte_ready(fd, offset) > 0;
    return there > 0;
}

/* Some file systems, those in memory and those that lie over others among
 * them, know only which pages are there. */
ssize_t ed_disk_read_at_once(int fd, void *buf, size_t len, int64_t offset)
{
    ssize_t n = read_without_waiting(fd, buf, len, offset);
    if (n != -EOPNOTSUPP)
        return n;
    if (all_pages_there(fd, offset, len) <= 0)
        return -EAGAIN;
    n = pread(fd, buf, len, offset);
    return n < 0 ? -errno : n;
}

/* ---- by a thread ---- */

struct read_job {
    int fd;
    char *buf; /* NULL: what is read is of no interest */
    size_t len;
    int64_t offset;
    ssize_t got;
};

static ssize_t read_all(struct read_job *job)
{
    while ((size_t)job->got < job->len) {
        ssize_t n = pread(job->fd, job->buf + job->got,
                          job->len - (size_t)job->got, job->offset + job->got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : 0;
        job->got += n;
    }
    return 0;
}

static int read_on_thread(void *arg)
{
    return (int)read_all(arg);
}

static int warm_on_thread(void *arg)
{
    const struct read_job *job = arg;
    char *buf = malloc(WARM_STEP);
    int err = buf ? 0 : -ENOMEM;
    struct read_job step = {.fd = job->fd, .buf = buf, .offset = job->offset};
    size_t left = job->len;
    while (!err && left) {
        step.len = left < WARM_STEP ? left : WARM_STEP;
        step.got = 0;
        err = (int)read_all(&step);
        if ((size_t)step.got < step.len)
            break;
        step.offset += step.got;
        left -= (size_t)step.got;
    }
    free(buf);
    return err;
}

ssize_t ed_disk_read(int fd, void *buf, size_t len, int64_t offset)
{
    size_t got = 0;
    while (got < len) {
        char *at = (char *)buf + got;
        int64_t from = offset + (int64_t)got;
        ssize_t n = ed_disk_read_at_once(fd, at, len - got, from);
        if (n == 0)
            break;
        if (n < 0) {
            struct read_job job = {fd, at, len - got, from, 0};
            int err = ed_blocking(read_on_thread, &job);
            return err ? err : (ssize_t)got + job.got;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

int ed_disk_warm(int fd, int64_t offset, size_t len)
{
    struct read_job job = {.fd = fd, .len = len, .offset = offset};
    return ed_blocking(warm_on_thread, &job);
}
