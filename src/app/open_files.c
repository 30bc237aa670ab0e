/*
 * open_files.c - the files that a loop keeps open.
 *
 * Owns them all, in two lists by when they were last used: those that are open,
 * and those of which only what is known is kept (the digest of a content is
 * costly). Both are bounded, and what nobody asks for is closed within seconds,
 * so that a file that was deleted does not occupy the disk for long.
 *
 * A descriptor is only ever got by opening below the root. Looking follows the
 * name without that care, but nothing comes of it, except that the file which
 * is open already is the one that was found.
 */
#include "app/open_files.h"

#include "base/beneath.h"
#include "base/hex.h"
#include "core/disk.h"
#include "core/runtime.h"
#include "net/crypto.h"

#include <eddy/blocking.h>
#include <eddy/map.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* Of which something is known; each takes some 300 bytes. */
    KNOWN_MAX = 1024,
    /* Open at a time; and never more than a part of what the process may have,
     * since connections need them more. */
    OPEN_MAX_FILES = 256,
    OPEN_SHARE = 8,
};

/* Since a file was last used. */
#define CLOSE_AFTER (10 * ED_S)

struct open_files {
    ed_loop *loop;
    ed_map *by_key;
    struct ed_list open, closed; /* the one used last at the end */
    unsigned open_count, closed_count;
    unsigned open_max;
    struct ed_timer timer;
};

/* The address is what counts. */
static const char files_key;

/* ---- forgetting ---- */

static void file_free(struct ed_open_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

static void count_out(struct open_files *files, const struct ed_open_file *f)
{
    if (f->fd >= 0)
        files->open_count--;
    else
        files->closed_count--;
}

/* Takes a file out of those that are found by name. */
static void forget(struct open_files *files, struct ed_open_file *f)
{
    ed_map_remove(files->by_key, ed_bytes_of(f->key, f->key_len));
    ed_list_remove(&f->link);
    count_out(files, f);
    f->kept = false;
    if (!f->users)
        file_free(f);
}

/* Keeps what is known of a file, but not the file. */
static void close_file(struct open_files *files, struct ed_open_file *f)
{
    files->open_count--;
    files->closed_count++;
    close(f->fd);
    f->fd = -1;
    ed_list_remove(&f->link);
    ed_list_add_back(&files->closed, &f->link);
}

/* The one of a list that has been unused for longest; NULL: all are in use. */
static struct ed_open_file *oldest_unused(struct ed_list *list)
{
    ed_list_each (at, list) {
        struct ed_open_file *f = ED_CONTAINER(at, struct ed_open_file, link);
        if (!f->users)
            return f;
    }
    return NULL;
}

static bool make_room(struct open_files *files)
{
    if (files->open_count >= files->open_max) {
        struct ed_open_file *f = oldest_unused(&files->open);
        if (!f)
            return false;
        close_file(files, f);
    }
    if (files->open_count + files->closed_count >= KNOWN_MAX) {
        struct ed_open_file *f = oldest_unused(&files->closed);
        if (!f)
            return false;
        forget(files, f);
    }
    return true;
}

static void close_unused(struct open_files *files, int64_t since)
{
    ed_list_each_safe (at, &files->open) {
        struct ed_open_file *f = ED_CONTAINER(at, struct ed_open_file, link);
        if (f->used > since)
            return;
        if (!f->users)
            close_file(files, f);
    }
}

static void watch_time(struct open_files *files)
{
    if (files->timer.index || ed_list_empty(&files->open))
        return;
    /* What nobody would close is not kept open. */
    if (ed_timer_start(files->loop, &files->timer, ed_now() + CLOSE_AFTER))
        close_unused(files, INT64_MAX);
}

static void time_passed(struct ed_timer *timer)
{
    struct open_files *files = ED_CONTAINER(timer, struct open_files, timer);
    close_unused(files, ed_now() - CLOSE_AFTER);
    watch_time(files);
}

static void close_list(struct open_files *files, struct ed_list *list)
{
    ed_list_each_safe (at, list)
        forget(files, ED_CONTAINER(at, struct ed_open_file, link));
}

/* The loop ends, and with it whoever used them. */
static void files_close(void *value)
{
    struct open_files *files = value;
    ed_timer_stop(files->loop, &files->timer);
    close_list(files, &files->open);
    close_list(files, &files->closed);
    ed_map_free(files->by_key);
    free(files);
}

void ed_open_files_close(void)
{
    struct open_files *files = ed_loop_get(ed_loop_current(), &files_key);
    if (files)
        close_unused(files, INT64_MAX);
}

/* ---- the loop's own ---- */

static unsigned open_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) ||
        limit.rlim_cur / OPEN_SHARE > OPEN_MAX_FILES)
        return OPEN_MAX_FILES;
    return (unsigned)(limit.rlim_cur / OPEN_SHARE);
}

static struct open_files *files_new(ed_loop *loop)
{
    struct open_files *files = calloc(1, sizeof *files);
    ed_map *map = ed_map_new();
    if (!files || !map) {
        ed_map_free(map);
        free(files);
        return NULL;
    }
    files->loop = loop;
    files->by_key = map;
    files->open_max = open_limit();
    files->timer.fire = time_passed;
    ed_list_init(&files->open);
    ed_list_init(&files->closed);
    return files;
}

static struct open_files *files_of_loop(void)
{
    ed_loop *loop = ed_loop_current();
    struct open_files *files = ed_loop_get(loop, &files_key);
    if (files)
        return files;
    files = files_new(loop);
    if (files && ed_loop_set(loop, &files_key, files, files_close)) {
        files_close(files);
        return NULL;
    }
    return files;
}

/* ---- opening ---- */

int ed_open_error(int err, struct ed_bytes name)
{
    int shown = name.len < 200 ? (int)name.len : 200;
    switch (err) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -EXDEV:
    case -ELOOP:
    case -EINVAL:
        return ed_fail(ED_ENOTFOUND, "%.*s: %s", shown, name.ptr,
                       ed_err_text(err));
    case -EACCES:
    case -EPERM:
    case -ENXIO: /* a socket's name, or a device that is not there */
    case -ENODEV:
        return ed_fail(ED_EFORBIDDEN, "%.*s: %s", shown, name.ptr,
                       ed_err_text(err));
    default:
        return err;
    }
}

struct open_job {
    const struct ed_file_root *root;
    const char *name;
};

static int open_anywhere(const char *name)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

static int open_on_thread(void *arg)
{
    const struct open_job *job = arg;
    if (job->root->fd < 0)
        return open_anywhere(job->name);
    unsigned how = job->root->no_links ? ED_BENEATH_NO_LINKS : 0;
    return ed_open_beneath(job->root->fd, job->name, how);
}

/* By a thread, if a disk has to be asked. */
static int open_name(const struct ed_file_root *root, const char *name)
{
    struct open_job job = {root, name};
    if (root->fd >= 0) {
        unsigned how = root->no_links ? ED_BENEATH_NO_LINKS : 0;
        int fd = ed_open_beneath(root->fd, name, how | ED_BENEATH_AT_ONCE);
        if (fd != -EAGAIN)
            return fd;
    }
    return ed_blocking(open_on_thread, &job);
}

static int64_t ns_of(struct timespec t)
{
    return t.tv_sec * ED_S + t.tv_nsec;
}

static struct ed_file_identity identity_of(const struct stat *st)
{
    return (struct ed_file_identity){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size = st->st_size,
        .modified_ns = ns_of(st->st_mtim),
        .changed_ns = ns_of(st->st_ctim),
    };
}

static bool same_file(const struct ed_file_identity *a,
                      const struct ed_file_identity *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->modified_ns == b->modified_ns &&
           a->changed_ns == b->changed_ns;
}

static int check_kind(const struct stat *st, struct ed_bytes name)
{
    if (S_ISDIR(st->st_mode))
        return -EISDIR;
    if (S_ISREG(st->st_mode))
        return 0;
    return ed_fail(ED_EFORBIDDEN, "%.*s is no regular file", (int)name.len,
                   name.ptr);
}

static void describe(struct ed_open_file *f)
{
    const struct ed_file_identity *id = &f->identity;
    int len =
        snprintf(f->tag, sizeof f->tag, "\"%llx-%llx-%llx\"",
                 (unsigned long long)id->modified_ns,
                 (unsigned long long)id->size, (unsigned long long)id->inode);
    f->tag_len = (uint8_t)len;
    ed_http_date(f->modified, id->modified_ns / ED_S);
}

/* Takes over the descriptor, whatever it returns. */
static int file_new(int fd, struct ed_bytes key, struct ed_bytes name,
                    struct ed_open_file **out)
{
    struct stat st;
    int err = fstat(fd, &st) ? -errno : check_kind(&st, name);
    struct ed_open_file *f = err ? NULL : malloc(sizeof *f + key.len);
    if (!f) {
        close(fd);
        return err ? err : ED_ENOMEM;
    }
    *f = (struct ed_open_file){
        .fd = fd,
        .users = 1,
        .looked = ed_now(),
        .used = ed_now(),
        .identity = identity_of(&st),
        .key_len = key.len,
    };
    ed_list_init(&f->link);
    memcpy(f->key, key.ptr, key.len);
    describe(f);
    *out = f;
    return 0;
}

/* Has a file found by its name, in the place of what was. */
static void keep(struct open_files *files, struct ed_open_file *f)
{
    struct ed_bytes key = ed_bytes_of(f->key, f->key_len);
    struct ed_open_file *old = ed_map_get(files->by_key, key);
    if (old) {
        if (same_file(&old->identity, &f->identity))
            memcpy(f->version, old->version, sizeof f->version);
        forget(files, old);
    }
    if (!make_room(files) || ed_map_set(files->by_key, key, f, NULL))
        return; /* it goes with its user */
    f->kept = true;
    files->open_count++;
    ed_list_add_back(&files->open, &f->link);
    watch_time(files);
}

/* ---- finding ---- */

/* Whether the name still leads to what is open. */
static bool still_there(const struct ed_file_root *root, const char *name,
                        struct ed_open_file *f)
{
    struct stat st;
    if (fstatat(root->fd < 0 ? AT_FDCWD : root->fd, name, &st, 0))
        return false;
    struct ed_file_identity now = identity_of(&st);
    f->looked = ed_now();
    return same_file(&now, &f->identity);
}

static void use(struct open_files *files, struct ed_open_file *f)
{
    f->users++;
    f->used = ed_now();
    ed_list_remove(&f->link);
    ed_list_add_back(&files->open, &f->link);
}

int ed_open_file_get(const struct ed_file_root *root, struct ed_bytes name,
                     int64_t believe, struct ed_open_file **out)
{
    char key[sizeof root->serial + PATH_MAX];
    struct open_files *files = files_of_loop();
    if (!files)
        return ED_ENOMEM;
    if (name.len >= PATH_MAX)
        return ed_open_error(-ENAMETOOLONG, name);
    memcpy(key, &root->serial, sizeof root->serial);
    char *path = key + sizeof root->serial;
    memcpy(path, name.ptr, name.len);
    path[name.len] = '\0';
    struct ed_bytes whole = {key, sizeof root->serial + name.len};

    struct ed_open_file *f =
        root->unkept ? NULL : ed_map_get(files->by_key, whole);
    if (f && f->fd >= 0 &&
        (ed_now() - f->looked < believe || still_there(root, path, f))) {
        use(files, f);
        *out = f;
        return 0;
    }
    int fd = open_name(root, path);
    int err = fd < 0 ? fd : file_new(fd, whole, name, out);
    if (err)
        return err == -EISDIR ? err : ed_open_error(err, name);
    if (!root->unkept)
        keep(files, *out);
    return 0;
}

void ed_open_file_put(struct ed_open_file *f)
{
    if (f && !--f->users && !f->kept)
        file_free(f);
}

/* ---- versions ---- */

struct version_job {
    struct ed_open_file *file;
    char text[ED_DIGEST_TEXT];
};

static int digest_on_thread(void *arg)
{
    struct version_job *job = arg;
    return ed_digest_file_text(ED_SHA256, job->file->fd, job->text);
}

int ed_open_file_version(struct ed_open_file *f)
{
    struct version_job job = {.file = f};
    struct stat st;
    if (*f->version)
        return 0;
    int err = ed_blocking(digest_on_thread, &job);
    if (err)
        return err;
    if (fstat(f->fd, &st))
        return -errno;
    struct ed_file_identity now = identity_of(&st);
    if (!same_file(&now, &f->identity))
        return -EAGAIN;
    memcpy(f->version, job.text, ED_FILE_VERSION);
    f->version[ED_FILE_VERSION] = '\0';
    return 0;
}
