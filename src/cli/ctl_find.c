/*
 * ctl_find.c - which control socket is meant.
 *
 * Looks only: a connection is opened to see whether somebody listens, and
 * closed again.
 */
#include "commands.h"
#include "ctl.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* More servers of one machine need not be told apart. */
#define FOUND_MAX 32

#define PREFIX "eddy-"
#define SUFFIX ".ctl"

/* Of systemd's units: eddy@NAME.service has UNITS/NAME/UNIT_CTL. */
#define UNITS    "/run/eddy"
#define UNIT_CTL "ctl"

struct found {
    int count;
    int forbidden; /* sockets that may not be opened */
    char paths[FOUND_MAX][CTL_PATH];
    char looked[4 * CTL_PATH]; /* the directories, for people */
};

_Static_assert(CTL_PATH > sizeof(((struct sockaddr_un *)0)->sun_path),
               "a path of a socket fits");

/* 0 if somebody listens there, or -errno. */
static int try_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int err = 0;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    stpcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
        errno != EAGAIN) /* its queue is full: somebody is there */
        err = -errno;
    close(fd);
    return err;
}

/* Everybody may write to /tmp: what another user put there is no server of
 * ours. */
static bool is_trusted(const char *path)
{
    struct stat about;

    return !lstat(path, &about) &&
           (about.st_uid == geteuid() || about.st_uid == 0 || !geteuid());
}

static bool is_ctl(const char *name)
{
    size_t len = strlen(name);

    return !strncmp(name, PREFIX, strlen(PREFIX)) &&
           len > strlen(PREFIX SUFFIX) &&
           !strcmp(name + len - strlen(SUFFIX), SUFFIX);
}

static bool is_known(const struct found *found, const char *path)
{
    for (int i = 0; i < found->count; i++) {
        if (!strcmp(found->paths[i], path))
            return true;
    }
    return false;
}

static void look_at(struct found *found, const char *directory,
                    const char *name)
{
    char path[CTL_PATH];
    int len = snprintf(path, sizeof(path), "%s/%s", directory, name);

    if (len >= (int)sizeof(path) || is_known(found, path) || !is_trusted(path))
        return;
    int err = try_socket(path);
    if (err == -EACCES || err == -EPERM)
        found->forbidden++;
    if (!err && found->count < FOUND_MAX)
        stpcpy(found->paths[found->count++], path);
}

static void look_in(struct found *found, const char *directory)
{
    size_t len = strlen(found->looked);

    if (!strstr(found->looked, directory))
        snprintf(found->looked + len, sizeof(found->looked) - len, "%s%s",
                 len ? ", " : "", directory);
    if (!is_trusted(directory))
        return;
    DIR *dir = opendir(directory);
    if (!dir) {
        found->forbidden += errno == EACCES;
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_ctl(entry->d_name))
            look_at(found, directory, entry->d_name);
    }
    closedir(dir);
}

/* The user of a unit is one that only its unit knows. */
static void look_at_unit(struct found *found, const char *name)
{
    char path[CTL_PATH];
    int len = snprintf(path, sizeof(path), UNITS "/%s/" UNIT_CTL, name);

    if (len >= (int)sizeof(path) || access(path, F_OK))
        return;
    if (!is_trusted(path))
        found->forbidden++;
    else
        look_at(found, UNITS, path + strlen(UNITS "/"));
}

static void look_at_units(struct found *found)
{
    DIR *dir = is_trusted(UNITS) ? opendir(UNITS) : NULL;

    if (!dir)
        return; /* it has been looked into before */
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (*entry->d_name != '.')
            look_at_unit(found, entry->d_name);
    }
    closedir(dir);
}

static void look_everywhere(struct found *found)
{
    const char *from_systemd = getenv("RUNTIME_DIRECTORY"); /* with colons */
    const char *session = getenv("XDG_RUNTIME_DIR");
    char directory[CTL_PATH];

    while (from_systemd && *from_systemd) {
        size_t len = strcspn(from_systemd, ":");
        if (len < sizeof(directory)) {
            *stpncpy(directory, from_systemd, len) = '\0';
            look_in(found, directory);
        }
        from_systemd += len + (from_systemd[len] == ':');
    }
    look_in(found, UNITS);
    look_at_units(found);
    if (session && *session)
        look_in(found, session);
    snprintf(directory, sizeof(directory), "/tmp/eddy-%u", geteuid());
    look_in(found, directory);
}

/* A URL takes nothing else. */
static int make_absolute(const char *path, char out[CTL_PATH])
{
    char directory[PATH_MAX] = "";
    const char *between = *path == '/' ? "" : "/";

    if (*path != '/' && !getcwd(directory, sizeof(directory)))
        return -errno;
    int len = snprintf(out, CTL_PATH, "%s%s%s", directory, between, path);
    return len < CTL_PATH ? 0 : -ENAMETOOLONG;
}

static int take(struct ctl *ctl, const char *path)
{
    int err = make_absolute(path, ctl->socket);

    err = err ? err : try_socket(ctl->socket);
    if (!err)
        return 0;
    fprintf(stderr, "eddy %s: %s: ", ctl->command, path);
    if (err == -ECONNREFUSED || err == -ENOENT)
        fprintf(stderr, "no server there (%s)\n", strerror(-err));
    else if (err == -EACCES || err == -EPERM)
        fprintf(stderr, "no permission; only the server's user, and root, may "
                        "look into it\n");
    else
        fprintf(stderr, "%s\n", strerror(-err));
    return EXIT_FAILED;
}

static int tell_none(const struct ctl *ctl, const struct found *found)
{
    if (found->forbidden)
        fprintf(stderr,
                "eddy %s: no permission for what is in %s; only the server's "
                "user, and root, may look into it\n",
                ctl->command, found->looked);
    else
        fprintf(stderr,
                "eddy %s: no server found: nobody listens at " PREFIX
                "NAME" SUFFIX " in %s, or at " UNITS "/NAME/" UNIT_CTL
                "; --socket PATH or EDDY_CTL names one elsewhere\n",
                ctl->command, found->looked);
    return EXIT_FAILED;
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int tell_many(const struct ctl *ctl, struct found *found)
{
    fprintf(stderr, "eddy %s: %d servers run here; say which:\n", ctl->command,
            found->count);
    qsort(found->paths, (size_t)found->count, CTL_PATH, compare);
    for (int i = 0; i < found->count; i++)
        fprintf(stderr, "  --socket %s\n", found->paths[i]);
    return EXIT_USAGE;
}

/* How much of a path says whose it is: "/run/eddy/eddy-shop" of
 * "/run/eddy/eddy-shop-4100.ctl", all of a unit's. */
static size_t name_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dash = strrchr(path, '-');

    return dash && dash > slash ? (size_t)(dash - path) : strlen(path);
}

int ctl_find_again(struct ctl *ctl)
{
    const char *wanted = ctl->wanted ? ctl->wanted : getenv("EDDY_CTL");
    size_t len = name_length(ctl->socket);
    struct found found = {0};
    const char *same = NULL;

    if (!try_socket(ctl->socket))
        return 0;
    if (wanted && *wanted)
        return -ECONNREFUSED;
    look_everywhere(&found);
    for (int i = 0; i < found.count; i++) {
        if (name_length(found.paths[i]) != len ||
            strncmp(found.paths[i], ctl->socket, len))
            continue;
        if (same)
            return -EBUSY;
        same = found.paths[i];
    }
    if (!same)
        return -ECONNREFUSED;
    stpcpy(ctl->socket, same);
    return 0;
}

int ctl_find(struct ctl *ctl)
{
    const char *wanted = ctl->wanted ? ctl->wanted : getenv("EDDY_CTL");
    struct found found = {0};

    if (wanted && *wanted)
        return take(ctl, wanted);
    look_everywhere(&found);
    if (!found.count)
        return tell_none(ctl, &found);
    if (found.count > 1)
        return tell_many(ctl, &found);
    stpcpy(ctl->socket, found.paths[0]);
    return 0;
}
