/*
 * watch.c - watches directories, those made later included.
 */
#include "serve/watch.h"

#include <dirent.h>
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* A tree with more than that was not meant: a home directory, or all of /. */
enum { MOST_DIRECTORIES = 16 * 1024, DEEPEST = 64 };

static const uint32_t CHANGES = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                IN_DELETE | IN_CREATE | IN_ONLYDIR |
                                IN_EXCL_UNLINK;

/* A directory. Its number rises with each that is new. */
struct place {
    int number; /* inotify's */
    bool whole; /* not only for a file in it */
    char *path; /* NULL: it is gone */
};

/* A file that was named itself. */
struct single {
    int number; /* of its directory */
    char *name;
};

struct ed_watch {
    int fd;
    char **ignore;        /* patterns; ends with NULL */
    struct place *places; /* by number */
    size_t count, room;
    struct single *singles;
    size_t single_count;
    char changed[PATH_MAX];
    /* Events that were read but not looked at. */
    size_t from, to;
    _Alignas(struct inotify_event) char events[16 * 1024];
};

/* ---- what counts ---- */

static bool is_ignored(const struct ed_watch *w, const char *name)
{
    if (*name == '.')
        return true;
    for (char **pattern = w->ignore; *pattern; pattern++) {
        if (!fnmatch(*pattern, name, 0))
            return true;
    }
    return false;
}

static bool is_single(const struct ed_watch *w, int number, const char *name)
{
    for (size_t i = 0; i < w->single_count; i++) {
        if (w->singles[i].number == number && !strcmp(w->singles[i].name, name))
            return true;
    }
    return false;
}

/* ---- directories ---- */

static int compare_places(const void *key, const void *place)
{
    int a = *(const int *)key, b = ((const struct place *)place)->number;
    return (a > b) - (a < b);
}

static struct place *find_place(const struct ed_watch *w, int number)
{
    return w->count ? bsearch(&number, w->places, w->count, sizeof *w->places,
                              compare_places)
                    : NULL;
}

static int remember(struct ed_watch *w, int number, const char *path,
                    bool whole)
{
    struct place *known = find_place(w, number);

    if (known) {
        known->whole |= whole;
        return 0;
    }
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        struct place *more = realloc(w->places, room * sizeof *more);
        if (!more)
            return ED_ENOMEM;
        w->places = more;
        w->room = room;
    }
    char *copy = strdup(path);
    if (!copy)
        return ED_ENOMEM;
    w->places[w->count++] = (struct place){number, whole, copy};
    return 0;
}

/* The number of a directory that is watched from now on, or an error. */
static int add_directory(struct ed_watch *w, const char *path, bool whole)
{
    int number = inotify_add_watch(w->fd, path, CHANGES);

    if (number < 0)
        return -errno;
    int err = remember(w, number, path, whole);
    return err ? err : number;
}

static int tell(const char *path, int err)
{
    if (err == -ENOSPC)
        ed_log_error("%s cannot be watched: "
                     "fs.inotify.max_user_watches is reached",
                     path);
    else if (err == -E2BIG)
        ed_log_error("%s is not watched: there are more than %d directories",
                     path, MOST_DIRECTORIES);
    else
        ed_log_error("%s cannot be watched: %s", path, ed_err_text(err));
    return err;
}

static bool is_directory(const char *path, const struct dirent *entry)
{
    struct stat about;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR; /* no link, which may lead in circles */
    return !lstat(path, &about) && S_ISDIR(about.st_mode);
}

static int add_tree(struct ed_watch *w, const char *path, int depth);

static int add_below(struct ed_watch *w, DIR *dir, const char *path, int depth)
{
    char below[PATH_MAX];
    const struct dirent *entry;
    int err = 0;

    while (!err && (entry = readdir(dir))) {
        int len = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (is_ignored(w, entry->d_name) || len >= (int)sizeof below ||
            !is_directory(below, entry))
            continue;
        err = add_tree(w, below, depth + 1);
        if (err == -ENOENT || err == -EACCES)
            err = 0; /* gone already, or nothing of ours */
    }
    return err;
}

/* Watched first and looked at then, so that nothing is made in between. */
static int add_tree(struct ed_watch *w, const char *path, int depth)
{
    if (depth > DEEPEST)
        return 0;
    if (w->count >= MOST_DIRECTORIES)
        return -E2BIG;
    int number = add_directory(w, path, true);
    if (number < 0)
        return number;
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int err = add_below(w, dir, path, depth);
    closedir(dir);
    return err;
}

static int add_single(struct ed_watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    int len = slash ? (int)(slash - path) : 1;

    snprintf(directory, sizeof directory, "%.*s", len ? len : 1,
             slash ? path : ".");
    int number = add_directory(w, directory, false);
    if (number < 0)
        return number;
    char *name = strdup(slash ? slash + 1 : path);
    if (!name)
        return ED_ENOMEM;
    w->singles[w->single_count++] = (struct single){number, name};
    return 0;
}

static int add(struct ed_watch *w, const char *path)
{
    struct stat about;

    if (stat(path, &about))
        return -errno;
    return S_ISDIR(about.st_mode) ? add_tree(w, path, 0) : add_single(w, path);
}

/* ---- opening and closing ---- */

void ed_watch_close(struct ed_watch *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    for (size_t i = 0; i < w->count; i++)
        free(w->places[i].path);
    for (size_t i = 0; i < w->single_count; i++)
        free(w->singles[i].name);
    for (char **pattern = w->ignore; pattern && *pattern; pattern++)
        free(*pattern);
    free(w->places);
    free(w->singles);
    free(w->ignore);
    free(w);
}

static int copy_patterns(struct ed_watch *w, const struct ed_texts *ignore)
{
    w->ignore = calloc(ignore->count + 1, sizeof *w->ignore);
    for (size_t i = 0; w->ignore && i < ignore->count; i++) {
        w->ignore[i] = strdup(ignore->each[i]);
        if (!w->ignore[i])
            return ED_ENOMEM;
    }
    return w->ignore ? 0 : ED_ENOMEM;
}

static int add_all(struct ed_watch *w, const struct ed_texts *paths)
{
    w->singles = calloc(paths->count + 1, sizeof *w->singles);
    if (!w->singles)
        return ED_ENOMEM;
    for (size_t i = 0; i < paths->count; i++) {
        int err = add(w, paths->each[i]);
        if (err)
            return tell(paths->each[i], err);
    }
    return 0;
}

int ed_watch_open(struct ed_watch **out, const struct ed_texts *paths,
                  const struct ed_texts *ignore)
{
    struct ed_watch *w = calloc(1, sizeof *w);

    *out = NULL;
    if (!w)
        return ED_ENOMEM;
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int err = w->fd < 0 ? tell("anything", -errno) : copy_patterns(w, ignore);
    if (!err)
        err = add_all(w, paths);
    if (err) {
        ed_watch_close(w);
        return err;
    }
    *out = w;
    return 0;
}

int ed_watch_fd(const struct ed_watch *w)
{
    return w->fd;
}

/* ---- what has changed ---- */

/* The number of a directory that is gone is not given again. */
static void forget(const struct ed_watch *w, int number)
{
    struct place *gone = find_place(w, number);

    if (gone) {
        free(gone->path);
        gone->path = NULL;
    }
}

/* The path an event is about, if that counts as a change. */
static const char *judge(struct ed_watch *w, const struct inotify_event *event)
{
    const struct place *place = find_place(w, event->wd);
    bool directory = event->mask & IN_ISDIR;

    if (event->mask & IN_Q_OVERFLOW)
        return "so much";
    if (event->mask & IN_IGNORED)
        forget(w, event->wd);
    if (!place || !place->path || !event->len)
        return NULL;
    if (!is_single(w, event->wd, event->name) &&
        (!place->whole || is_ignored(w, event->name)))
        return NULL;
    if (event->mask & IN_CREATE && !directory)
        return NULL; /* it counts when it has been written */
    int len = snprintf(w->changed, sizeof w->changed, "%s/%s", place->path,
                       event->name);
    if (len >= (int)sizeof w->changed)
        return NULL;
    if (directory && event->mask & (IN_CREATE | IN_MOVED_TO)) {
        int err = add_tree(w, w->changed, 0);
        if (err && err != -ENOENT)
            tell(w->changed, err);
    }
    return w->changed;
}

static bool read_events(struct ed_watch *w)
{
    ssize_t n;

    do
        n = read(w->fd, w->events, sizeof w->events);
    while (n < 0 && errno == EINTR);
    w->from = 0;
    w->to = n > 0 ? (size_t)n : 0;
    return w->to;
}

const char *ed_watch_next(struct ed_watch *w)
{
    while (w->from < w->to || read_events(w)) {
        const struct inotify_event *event =
            (const struct inotify_event *)(w->events + w->from);
        w->from += sizeof *event + event->len;
        const char *path = judge(w, event);
        if (path)
            return !strncmp(path, "./", 2) ? path + 2 : path;
    }
    return NULL;
}
