/*
 * sandbox_files.c - which files a sandboxed worker gets at (Landlock).
 *
 * What is handled is forbidden, except below the directories that a rule
 * names. Executing is handled and allowed nowhere. Kernels differ in how much
 * they can: their ABI number says.
 */
#include "serve/sandbox.h"

#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What headers older than the kernel do not have. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_SIGNAL (1ULL << 1)
#endif

/* The kernel's structure as of ABI 6; older ones take its beginning. */
struct ruleset {
    uint64_t files;
    uint64_t ports;
    uint64_t scopes;
};

enum {
    ABI_REFER = 2,    /* moving files to another directory */
    ABI_TRUNCATE = 3, /* and not only by opening */
    ABI_PORTS = 4,
    ABI_SCOPES = 6,
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

#define WRITING_A_FILE \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* No devices: whoever makes one has the disk. */
#define WRITING                                                       \
    (WRITING_A_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM |      \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
     LANDLOCK_ACCESS_FS_REFER)

#define FORBIDDEN                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* What a rule for something that is no directory may have. */
#define OF_FILES \
    (LANDLOCK_ACCESS_FS_EXECUTE | WRITING_A_FILE | LANDLOCK_ACCESS_FS_READ_FILE)

/* Without these no program runs: libraries, names, time zones, certificates. */
static const char *const of_the_system[] = {
    "/usr",
    "/lib",
    "/lib64",
    "/etc",
    "/proc",
    "/sys/fs",
    "/sys/devices/system",
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/run/systemd/resolve",
    "/var/lib/ca-certificates",
};

static const char *const writable_devices[] = {"/dev/null", "/dev/zero"};

/* Where systemd lets a unit write (systemd.exec(5)). */
static const char *const of_the_unit[] = {
    "RUNTIME_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct jail {
    int fd;           /* of the ruleset */
    uint64_t handled; /* as far as the kernel can */
};

/* ---- one rule ---- */

static int allow_fd(const struct jail *jail, int fd, uint64_t rights)
{
    struct stat st;

    if (fstat(fd, &st))
        return -errno;
    if (!S_ISDIR(st.st_mode))
        rights &= OF_FILES;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = rights & jail->handled,
        .parent_fd = fd,
    };
    if (!rule.allowed_access)
        return 0;
    return syscall(SYS_landlock_add_rule, jail->fd, LANDLOCK_RULE_PATH_BENEATH,
                   &rule, 0)
               ? -errno
               : 0;
}

/* -ENOENT and its like when it cannot be opened. */
static int allow(const struct jail *jail, const char *path, uint64_t rights)
{
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int err = allow_fd(jail, fd, rights);
    close(fd);
    return err;
}

/* What is not everywhere. */
static int allow_if_there(const struct jail *jail, const char *path,
                          uint64_t rights)
{
    int err = allow(jail, path, rights);

    return err == -ENOENT || err == -EACCES || err == -ENOTDIR ? 0 : err;
}

static int allow_list(const struct jail *jail, const char *setting,
                      const struct ed_texts *paths, uint64_t rights)
{
    for (size_t i = 0; i < paths->count; i++) {
        int err = allow(jail, paths->each[i], rights);
        if (err) {
            ed_log_error("cannot start: %s '%s': %s", setting, paths->each[i],
                         ed_err_text(err));
            return err;
        }
    }
    return 0;
}

/* The directory a file is in, or is to be in. */
static int allow_around(const struct jail *jail, const char *file,
                        uint64_t rights)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(file, '/');
    int len = slash == file ? 1 : slash ? (int)(slash - file) : 0;

    snprintf(directory, sizeof directory, "%.*s", len, file);
    return allow_if_there(jail, len ? directory : ".", rights);
}

/* ---- what is read ---- */

static int allow_program(const struct jail *jail, const struct ed_settings *s)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *module = s->inside ? ed_settings_argument(s, 0) : NULL;
    int err = 0;

    if (len > 0) {
        path[len] = '\0';
        err = allow_around(jail, path, READING);
    }
    if (!err && module)
        err = allow_around(jail, module, READING);
    return err;
}

/* They are read again at a reload, as the files that then have these names. */
static int allow_certificates(const struct jail *jail,
                              const struct ed_settings *s)
{
    int err = s->certfile ? allow_around(jail, s->certfile, READING) : 0;

    if (!err && s->keyfile)
        err = allow_around(jail, s->keyfile, READING);
    return err;
}

/* Where modules are looked for, and the files of --static. */
static int allow_python(const struct jail *jail, const struct ed_settings *s)
{
    int err = allow(jail, ".", READING);

    if (!err)
        err = allow_list(jail, "python-path", &s->python_path, READING);
    if (!err && s->virtualenv)
        err = allow(jail, s->virtualenv, READING);
    for (size_t i = 0; i < s->static_maps.count && !err; i++) {
        const char *equals = strchr(s->static_maps.each[i], '=');
        if (equals)
            err = allow_if_there(jail, equals + 1, READING);
    }
    return err;
}

static int allow_system(const struct jail *jail)
{
    int err = 0;

    for (size_t i = 0; i < COUNT(of_the_system) && !err; i++)
        err = allow_if_there(jail, of_the_system[i], READING);
    return err;
}

static int allow_reading(const struct jail *jail, const struct ed_settings *s)
{
    if (!s->sandbox_read.count)
        return allow(jail, "/", READING);
    int err = allow_system(jail);
    if (!err)
        err = allow_program(jail, s);
    if (!err && s->wsgi)
        err = allow_python(jail, s);
    if (!err)
        err = allow_certificates(jail, s);
    if (!err)
        err = allow_list(jail, "sandbox-read", &s->sandbox_read, READING);
    return err;
}

/* ---- what is written ---- */

/* A log is opened again under the same name, when that file is another. */
static int allow_log(const struct jail *jail, const char *file)
{
    if (!file || !strcmp(file, "-"))
        return 0;
    return allow_around(jail, file,
                        READING | WRITING_A_FILE | LANDLOCK_ACCESS_FS_MAKE_REG);
}

/* A variable names one or several, with colons between. */
static int allow_unit(const struct jail *jail)
{
    char path[PATH_MAX];
    int err = 0;

    for (size_t i = 0; i < COUNT(of_the_unit) && !err; i++) {
        struct ed_bytes rest = ed_bytes(getenv(of_the_unit[i]));
        while (rest.ptr && !err) {
            struct ed_bytes one = ed_bytes_cut(&rest, ':');
            snprintf(path, sizeof path, "%.*s", (int)one.len, one.ptr);
            if (*path == '/')
                err = allow_if_there(jail, path, READING | WRITING);
        }
    }
    return err;
}

static int allow_devices(const struct jail *jail)
{
    int err = 0;

    for (size_t i = 0; i < COUNT(writable_devices) && !err; i++)
        err =
            allow_if_there(jail, writable_devices[i], READING | WRITING_A_FILE);
    return err;
}

static int allow_writing(const struct jail *jail, const struct ed_settings *s)
{
    int err =
        allow_list(jail, "sandbox-write", &s->sandbox_write, READING | WRITING);

    if (!err)
        err = allow_devices(jail);
    if (!err && s->spool_dir)
        err = allow(jail, s->spool_dir, READING | WRITING);
    if (!err)
        err = allow_log(jail, s->log_file);
    if (!err)
        err = allow_log(jail, s->access_log);
    return err ? err : allow_unit(jail);
}

/* ---- the whole ---- */

static int abi(void)
{
    long n = syscall(SYS_landlock_create_ruleset, NULL, 0,
                     LANDLOCK_CREATE_RULESET_VERSION);

    return n > 0 ? (int)n : 0;
}

static void tell_what_is_missing(int has)
{
    if (!has)
        ed_log_warn("sandbox: this kernel has no Landlock: workers read and "
                    "write whatever their user may");
    else if (has < ABI_TRUNCATE)
        ed_log_warn("sandbox: this kernel lets workers cut files that their "
                    "user may write to, wherever they are");
}

static int open_jail(struct jail *jail, int has)
{
    struct ruleset all = {
        .files = READING | WRITING | FORBIDDEN,
        .scopes = LANDLOCK_SCOPE_SIGNAL,
    };
    size_t size = has >= ABI_SCOPES  ? sizeof all
                  : has >= ABI_PORTS ? offsetof(struct ruleset, scopes)
                                     : offsetof(struct ruleset, ports);

    if (has < ABI_TRUNCATE)
        all.files &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    if (has < ABI_REFER)
        all.files &= ~LANDLOCK_ACCESS_FS_REFER;
    jail->handled = all.files;
    jail->fd = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
    return jail->fd < 0 ? -errno : 0;
}

static int allow_worker(const struct jail *jail, const struct ed_settings *s)
{
    int err = allow_reading(jail, s);

    return err ? err : allow_writing(jail, s);
}

/* A token is read again, as the file that then has its name. */
static int allow_admin(const struct jail *jail, const struct ed_settings *s)
{
    int err = allow_system(jail);

    if (!err)
        err = allow_program(jail, s);
    if (!err && s->admin_token)
        err = allow_around(jail, s->admin_token, READING);
    if (!err)
        err = allow_devices(jail);
    return err ? err : allow_log(jail, s->log_file);
}

static int lock_up(const struct ed_settings *s,
                   int (*allow_all)(const struct jail *jail,
                                    const struct ed_settings *s))
{
    int has = abi();
    struct jail jail;

    tell_what_is_missing(has);
    if (!has)
        return 0;
    int err = open_jail(&jail, has);
    if (err) {
        ed_log_error("cannot start: sandbox: %s", ed_err_text(err));
        return err;
    }
    err = allow_all(&jail, s);
    if (!err && syscall(SYS_landlock_restrict_self, jail.fd, 0)) {
        err = -errno;
        ed_log_error("cannot start: sandbox: %s", ed_err_text(err));
    }
    close(jail.fd);
    return err;
}

int ed_sandbox_files(const struct ed_settings *s)
{
    return lock_up(s, allow_worker);
}

int ed_sandbox_files_admin(const struct ed_settings *s)
{
    return lock_up(s, allow_admin);
}
