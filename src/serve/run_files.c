/*
 * run_files.c - the files by which a running server is found.
 *
 * Beside each other in one directory: eddy-NAME-PID.ctl, the socket of eddy
 * ctl, and eddy-NAME-PID.run, with the inspect sockets. The process id says
 * whether somebody still needs them.
 */
#include "serve/run_files.h"

#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char CTL_ENDING[] = ".ctl";
static const char RUN_ENDING[] = ".run";

/* ---- places ---- */

static char *of_env(const char *name)
{
    const char *value = getenv(name);

    /* systemd may name several, with colons between. */
    return value && *value == '/' ? strndup(value, strcspn(value, ":")) : NULL;
}

static char *of_root(void)
{
    return geteuid() ? NULL : strdup("/run/eddy");
}

static char *of_user(void)
{
    struct ed_buf path = {0};

    if (ed_buf_addf(&path, "/tmp/eddy-%u", (unsigned)geteuid()))
        return NULL;
    return path.ptr;
}

static char *place(unsigned i)
{
    switch (i) {
    case 0:
        return of_env("RUNTIME_DIRECTORY");
    case 1:
        return of_root();
    case 2:
        return of_env("XDG_RUNTIME_DIR");
    default:
        return of_user();
    }
}

enum { PLACES = 4 };

/* The i-th of those there are, allocated; NULL: no more. */
static char *next_place(unsigned i)
{
    for (unsigned n = 0; n < PLACES; n++) {
        char *path = place(n);
        if (path && !i--)
            return path;
        free(path);
    }
    return NULL;
}

/* A directory of our own, that nobody else may write to. */
static bool is_ours(const char *path)
{
    struct stat st;

    if (mkdir(path, 0755) && errno != EEXIST)
        return false;
    return !lstat(path, &st) && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           !(st.st_mode & 022) && !access(path, W_OK | X_OK);
}

static char *choose_base(void)
{
    char *path;

    for (unsigned i = 0; (path = next_place(i)); i++) {
        if (is_ours(path))
            return path;
        free(path);
    }
    return NULL;
}

/* ---- what the dead have left ---- */

static bool ends_with(struct ed_bytes name, const char *ending)
{
    size_t len = strlen(ending);

    return name.len > len && !memcmp(name.ptr + name.len - len, ending, len);
}

/* The process id in eddy-NAME-PID.ctl or .run; 0: it is no such name. */
static pid_t pid_in(const char *file)
{
    struct ed_bytes name = ed_bytes(file);
    int64_t pid;

    if (!ed_bytes_starts(name, ED_BYTES("eddy-")) ||
        (!ends_with(name, CTL_ENDING) && !ends_with(name, RUN_ENDING)))
        return 0;
    name.len -= sizeof CTL_ENDING - 1;
    const char *dash = memrchr(name.ptr, '-', name.len);
    struct ed_bytes digits =
        ed_bytes_of(dash + 1, (size_t)(name.ptr + name.len - dash - 1));
    return ed_bytes_int(digits, &pid) || pid < 1 ? 0 : (pid_t)pid;
}

static void remove_directory(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        (void)unlinkat(fd, entry->d_name, 0);
    if (dir)
        closedir(dir);
    (void)unlinkat(at, name, AT_REMOVEDIR);
}

/* What has our own process id was left by a server of another life: in a
 * container, programs get the same ones again. */
static bool is_needed(pid_t pid)
{
    return pid != getpid() && (!kill(pid, 0) || errno != ESRCH);
}

static void clean_up(const char *base)
{
    DIR *dir = opendir(base);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        pid_t pid = pid_in(entry->d_name);
        if (!pid || is_needed(pid))
            continue;
        if (ends_with(ed_bytes(entry->d_name), RUN_ENDING))
            remove_directory(dirfd(dir), entry->d_name);
        else
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

/* ---- opening ---- */

static char *path_of(const char *base, const char *name, const char *ending)
{
    struct ed_buf path = {0};

    if (ed_buf_addf(&path, "%s/eddy-%s-%d%s", base, name, (int)getpid(),
                    ending))
        return NULL;
    return path.ptr;
}

static int open_in_base(struct ed_run_files *files, const char *name,
                        bool wants_ctl)
{
    clean_up(files->base);
    files->directory = path_of(files->base, name, RUN_ENDING);
    if (!files->directory)
        return ED_ENOMEM;
    if (mkdir(files->directory, 0700)) {
        int err = -errno;
        ed_log_error("%s: %s", files->directory, ed_err_text(err));
        free(files->directory);
        files->directory = NULL;
        return err;
    }
    if (wants_ctl)
        files->ctl = path_of(files->base, name, CTL_ENDING);
    return wants_ctl && !files->ctl ? ED_ENOMEM : 0;
}

int ed_run_files_open(struct ed_run_files *files, const char *name,
                      const char *ctl)
{
    bool none = ctl && !strcmp(ctl, "none");

    if (ctl && !none) {
        files->ctl = strdup(ctl);
        if (!files->ctl)
            return ED_ENOMEM;
    }
    files->base = choose_base();
    if (!files->base) {
        ed_log_warn("no directory for sockets of eddy ctl: workers cannot be "
                    "looked into");
        return 0;
    }
    return open_in_base(files, name, !ctl);
}

char *ed_run_files_inspect(const struct ed_run_files *files, unsigned slot)
{
    struct ed_buf path = {0};

    if (!files->directory ||
        ed_buf_addf(&path, "%s/worker-%u.sock", files->directory, slot))
        return NULL;
    return path.ptr;
}

int ed_run_files_let_in(const struct ed_run_files *files, const char *inspect,
                        uid_t uid, gid_t gid)
{
    if (lchown(files->directory, (uid_t)-1, gid) ||
        chmod(files->directory, 0710) || lchown(inspect, uid, (gid_t)-1))
        return -errno;
    return 0;
}

/* ---- the pid file ---- */

static bool says(const char *path, pid_t wanted)
{
    char text[24] = "";
    int64_t pid;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 1 && !ed_bytes_int(ed_bytes_of(text, (size_t)n - 1), &pid) &&
           pid == wanted;
}

static char *old_of(const char *path)
{
    struct ed_buf old = {0};

    return ed_buf_addf(&old, "%s.old", path) ? NULL : old.ptr;
}

static int write_text(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err = 0;

    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, len);
    if (n != (ssize_t)len)
        err = n < 0 ? -errno : -ENOSPC;
    close(fd);
    return err;
}

/* Whoever reads it finds all of it or the one before; that is kept as `old`,
 * unless that is NULL. When it fails all is as it was. */
static int write_pid(const char *path, const char *old)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    struct ed_buf fresh = {0};
    int err = ed_buf_addf(&fresh, "%s.new", path);

    if (err)
        return err;
    err = write_text(fresh.ptr, text, (size_t)len);
    if (!err && old) {
        unlink(old);
        (void)!link(path, old); /* lost else, and nothing worse */
    }
    if (!err && rename(fresh.ptr, path))
        err = -errno;
    if (err)
        unlink(fresh.ptr);
    ed_buf_free(&fresh);
    return err;
}

int ed_run_files_write_pid(struct ed_run_files *files, const char *path,
                           pid_t former)
{
    char *old = old_of(path);
    int err =
        old ? write_pid(path, says(path, former) ? old : NULL) : ED_ENOMEM;

    free(old);
    if (err) {
        ed_log_error("%s: %s", path, ed_err_text(err));
        return err;
    }
    files->pidfile = strdup(path);
    return files->pidfile ? 0 : ED_ENOMEM;
}

void ed_run_files_restore_pid(const struct ed_run_files *files)
{
    if (!files->pidfile)
        return;
    char *old = old_of(files->pidfile);
    /* The heir may have ended before it wrote its own. */
    bool moved = old && says(old, getpid()) && !rename(old, files->pidfile);
    if (!moved && !says(files->pidfile, getpid()))
        (void)write_pid(files->pidfile, NULL);
    free(old);
}

static void remove_if_ours(const char *path)
{
    if (says(path, getpid()))
        unlink(path);
}

void ed_run_files_close(struct ed_run_files *files)
{
    if (files->pidfile) {
        char *old = old_of(files->pidfile);
        remove_if_ours(files->pidfile);
        if (old)
            remove_if_ours(old);
        free(old);
    }
    if (files->directory)
        remove_directory(AT_FDCWD, files->directory);
    free(files->base);
    free(files->directory);
    free(files->ctl);
    free(files->pidfile);
    *files = (struct ed_run_files){0};
}
