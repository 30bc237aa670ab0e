/*
 * file.c - files, through the blocking pool.
 *
 * Each call packs its arguments into a struct on the fiber's stack, which the
 * pool's thread works on while the fiber waits. Arenas belong to the loop's
 * thread: what a thread reads lies in a buffer of its own until the fiber
 * copies it.
 */
#include "base/options.h"

#include <eddy/file.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <eddy/arena.h>
#include <eddy/blocking.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

/* For files that do not say how large they are, as in /proc. */
#define READ_STEP_BYTES 4096

/* Temporary names of 64 random bits do not collide; this is for a file system
 * that says EEXIST for reasons of its own. */
#define NAME_ATTEMPTS 8

struct ed_file {
    int fd;
    char path[]; /* for messages */
};

/* Notes path and reason of a failure; passes anything else through. */
static ssize_t explain(ssize_t result, const char *path)
{
    if (result >= 0)
        return result;
    return ed_fail((int)result, "%s: %s", path, ed_err_text((int)result));
}

static int write_all(int fd, const char *ptr, size_t len)
{
    while (len) {
        ssize_t n = write(fd, ptr, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        ptr += n;
        len -= (size_t)n;
    }
    return 0;
}

/* close(2) that is not to hide an error before it. */
static int close_with(int fd, int err)
{
    if (close(fd) && !err)
        return -errno;
    return err;
}

/* ---- reading whole ---- */

struct read_job {
    const char *path;
    size_t max_bytes;
    struct ed_buf content;
};

/* Room for what is left of the file, and one byte to see that it has ended. */
static int make_room(struct read_job *job, const struct stat *st)
{
    size_t expected = st->st_size > 0 ? (size_t)st->st_size : 0;
    size_t step = READ_STEP_BYTES;

    if (S_ISREG(st->st_mode) && expected > job->max_bytes)
        return ED_ELIMIT;
    if (expected >= job->content.len)
        step = expected - job->content.len + 1;
    return ed_buf_reserve(&job->content, step);
}

static int read_rest(struct read_job *job, int fd, const struct stat *st)
{
    struct ed_buf *content = &job->content;

    for (;;) {
        ssize_t n;
        int err = make_room(job, st);

        if (err)
            return err;
        n = read(fd, content->ptr + content->len,
                 content->cap - content->len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : 0;
        content->len += (size_t)n;
        if (content->len > job->max_bytes)
            return ED_ELIMIT;
    }
}

static int read_file(void *arg)
{
    struct read_job *job = arg;
    struct stat st;
    int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int err;

    if (fd < 0)
        return -errno;
    err = fstat(fd, &st) ? -errno : read_rest(job, fd, &st);
    close(fd);
    return err;
}

int ed_file_read(struct ed_bytes *out, const char *path, size_t max_bytes)
{
    struct read_job job = {.path = path, .max_bytes = max_bytes};
    int err = ed_blocking(read_file, &job);

    if (!err) {
        out->len = job.content.len;
        out->ptr = ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(&job.content));
        err = out->ptr ? 0 : ED_ENOMEM;
    }
    ed_buf_free(&job.content);
    return (int)explain(err, path);
}

/* ---- writing whole ---- */

struct write_job {
    const char *path;
    struct ed_bytes bytes;
    mode_t mode;
    bool sync;
};

static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Creates a file of a name nobody else has, hidden, beside the one that it
 * will replace: only then is renaming one step. */
static int open_temporary(const struct write_job *job, char temporary[PATH_MAX])
{
    int directory = (int)directory_length(job->path);

    for (int i = 0; i < NAME_ATTEMPTS; i++) {
        uint64_t random;
        int fd;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
            return -EIO;
        if (snprintf(temporary, PATH_MAX, "%.*s.eddy-%016" PRIx64, directory,
                     job->path, random) >= PATH_MAX)
            return -ENAMETOOLONG;
        fd =
            open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, job->mode);
        if (fd >= 0 || errno != EEXIST)
            return fd >= 0 ? fd : -errno;
    }
    return -EEXIST;
}

/* Makes a renaming last. */
static int sync_directory(const char *path)
{
    char directory[PATH_MAX];
    size_t len = directory_length(path);
    int err;
    int fd;

    if (len >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, path, len);
    directory[len] = '\0';
    fd = open(len ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = fsync(fd) ? -errno : 0;
    close(fd);
    return err;
}

static int write_file(void *arg)
{
    const struct write_job *job = arg;
    char temporary[PATH_MAX];
    int fd = open_temporary(job, temporary);
    int err;

    if (fd < 0)
        return fd;
    err = write_all(fd, job->bytes.ptr, job->bytes.len);
    if (!err && job->sync && fsync(fd))
        err = -errno;
    err = close_with(fd, err);
    if (!err && rename(temporary, job->path))
        err = -errno;
    if (err) {
        unlink(temporary);
        return err;
    }
    return job->sync ? sync_directory(job->path) : 0;
}

int ed_file_write_with(const char *path, struct ed_bytes bytes,
                       const struct ed_file_write_options *given)
{
    ED_OPTIONS_TAKE(struct ed_file_write_options, options, given);
    struct write_job job = {
        .path = path,
        .bytes = bytes,
        .mode = options.mode ? options.mode : 0666,
        .sync = options.sync,
    };

    return (int)explain(ed_blocking(write_file, &job), path);
}

static int append_file(void *arg)
{
    const struct write_job *job = arg;
    int fd = open(job->path,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);

    if (fd < 0)
        return -errno;
    return close_with(fd, write_all(fd, job->bytes.ptr, job->bytes.len));
}

int ed_file_append(const char *path, struct ed_bytes bytes)
{
    struct write_job job = {.path = path, .bytes = bytes};

    return (int)explain(ed_blocking(append_file, &job), path);
}

/* ---- an open file ---- */

struct open_job {
    const char *path;
    int flags;
    mode_t mode;
    int fd;
};

static int open_file(void *arg)
{
    struct open_job *job = arg;

    job->fd = open(job->path, job->flags | O_CLOEXEC, job->mode);
    return job->fd < 0 ? -errno : 0;
}

int ed_file_open(ed_file **out, const char *path, int flags, mode_t mode)
{
    struct open_job job = {path, flags, mode, -1};
    size_t path_size = strlen(path) + 1;
    ed_file *file = malloc(sizeof *file + path_size);
    int err;

    if (!file)
        return (int)explain(ED_ENOMEM, path);
    err = ed_blocking(open_file, &job);
    if (err) {
        free(file);
        return (int)explain(err, path);
    }
    file->fd = job.fd;
    memcpy(file->path, path, path_size);
    *out = file;
    return 0;
}

struct transfer_job {
    int fd;
    char *ptr;
    size_t len;
    off_t offset;
    size_t done;
};

static int pread_all(void *arg)
{
    struct transfer_job *job = arg;

    while (job->done < job->len) {
        ssize_t n = pread(job->fd, job->ptr + job->done, job->len - job->done,
                          job->offset + (off_t)job->done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? -errno : 0;
        job->done += (size_t)n;
    }
    return 0;
}

static int pwrite_all(void *arg)
{
    struct transfer_job *job = arg;

    while (job->done < job->len) {
        ssize_t n = pwrite(job->fd, job->ptr + job->done, job->len - job->done,
                           job->offset + (off_t)job->done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        job->done += (size_t)n;
    }
    return 0;
}

ssize_t ed_file_pread(ed_file *file, void *buf, size_t len, off_t offset)
{
    struct transfer_job job = {file->fd, buf, len, offset, 0};
    int err = ed_blocking(pread_all, &job);

    return err ? explain(err, file->path) : (ssize_t)job.done;
}

int ed_file_pwrite(ed_file *file, const void *buf, size_t len, off_t offset)
{
    struct transfer_job job = {file->fd, (char *)buf, len, offset, 0};

    return (int)explain(ed_blocking(pwrite_all, &job), file->path);
}

struct stat_job {
    int fd;
    struct stat *out;
};

static int stat_file(void *arg)
{
    struct stat_job *job = arg;

    return fstat(job->fd, job->out) ? -errno : 0;
}

int ed_file_stat(ed_file *file, struct stat *out)
{
    struct stat_job job = {file->fd, out};

    return (int)explain(ed_blocking(stat_file, &job), file->path);
}

static int sync_file(void *arg)
{
    const ed_file *file = arg;

    return fsync(file->fd) ? -errno : 0;
}

int ed_file_sync(ed_file *file)
{
    return (int)explain(ed_blocking(sync_file, file), file->path);
}

static int close_file(void *arg)
{
    ed_file *file = arg;
    int err = close_with(file->fd, 0);

    file->fd = -1;
    return err;
}

int ed_file_close(ed_file *file)
{
    int err;

    if (!file)
        return 0;
    err = ed_blocking(close_file, file);
    /* Not even begun: cancelled, or the pool is full. */
    if (file->fd >= 0)
        err = close_file(file);
    err = (int)explain(err, file->path);
    free(file);
    return err;
}
