/*
 * develop.c - from a file that changed to the news that there is something to
 * reload, or why not.
 */
#include "serve/develop.h"

#include <eddy/bytes.h>
#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/map.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/child.h"
#include "serve/notify.h"

/* Who saves several files, or one in several steps, is not done with the
 * first. */
static const int64_t QUIET = 100 * ED_MS;

/* Kept of what was said: the last of it. */
enum { MOST_SAID = 64 * 1024 };

/* A command that changes something in each of so many runs will go on so. */
enum { MOST_RUNS = 4 };

struct ed_develop {
    const struct ed_settings *settings;
    struct ed_watch *watch;
    int64_t due;       /* when to build; INT64_MAX: nothing has changed */
    char changed[256]; /* the last that did */
    enum ed_develop_news news;

    pid_t building; /* the command's process; 0: none */
    int64_t began;
    int output;     /* of the command; -1: none */
    unsigned runs;  /* since a change that it did not make itself */
    bool dirty;     /* something changed during this run */
    ed_map *before; /* what changed during the runs before */
    ed_map *during; /* and during this one */

    int errors[2]; /* we read, workers write */
    struct ed_buf said;
    bool failed; /* the command, in its last run */
    struct ed_explanation why;
    char heading[160];
    struct ed_buf text; /* of it */
};

/* ---- opening and closing ---- */

/* All there is here, or if nothing builds, what is run: of an application in
 * Python, where its modules are. */
static int open_watch(struct ed_develop *d, const char *file)
{
    const struct ed_settings *s = d->settings;
    const char *path = s->reload_command || s->wsgi ? "." : file;
    const struct ed_texts one = {&path, 1};
    const struct ed_texts *paths = &one;

    if (s->reload_path.count)
        paths = &s->reload_path;
    else if (s->wsgi && s->python_path.count)
        paths = &s->python_path;
    return ed_watch_open(&d->watch, paths, &s->reload_ignore);
}

int ed_develop_open(struct ed_develop **out, const struct ed_settings *settings,
                    const char *file)
{
    struct ed_develop *d = calloc(1, sizeof *d);

    *out = NULL;
    if (!d)
        return ED_ENOMEM;
    d->settings = settings;
    d->due = INT64_MAX;
    d->output = d->errors[0] = d->errors[1] = -1;
    int err = pipe2(d->errors, O_CLOEXEC) ? -errno : open_watch(d, file);
    if (!err && fcntl(d->errors[0], F_SETFL, O_NONBLOCK))
        err = -errno;
    if (!err)
        d->before = ed_map_new();
    if (!err)
        d->during = ed_map_new();
    if (!err && (!d->before || !d->during))
        err = ED_ENOMEM;
    if (err)
        ed_develop_close(d);
    else
        *out = d;
    return err;
}

static void close_output(struct ed_develop *d)
{
    if (d->output >= 0)
        close(d->output);
    d->output = -1;
}

void ed_develop_leave(struct ed_develop *d)
{
    if (!d)
        return;
    close_output(d);
    for (size_t i = 0; i < 2; i++) {
        if (d->errors[i] >= 0)
            close(d->errors[i]);
        d->errors[i] = -1;
    }
    ed_watch_close(d->watch);
    d->watch = NULL;
}

void ed_develop_close(struct ed_develop *d)
{
    if (!d)
        return;
    if (d->building)
        kill(-d->building, SIGTERM);
    ed_develop_leave(d);
    ed_map_free(d->before);
    ed_map_free(d->during);
    ed_buf_free(&d->said);
    ed_buf_free(&d->text);
    free(d);
}

int ed_develop_errors(const struct ed_develop *d)
{
    return d->errors[1];
}

/* ---- what is said ---- */

static void keep(struct ed_develop *d, const char *text, size_t len)
{
    if (ed_buf_add(&d->said, text, len))
        return; /* the terminal has it */
    if (d->said.len > 2 * MOST_SAID)
        ed_buf_drop(&d->said, d->said.len - MOST_SAID);
}

/* Passes on what there is. False: its writers have closed it. */
static bool pass_on(struct ed_develop *d, int fd)
{
    char text[4096];
    ssize_t n;

    while ((n = read(fd, text, sizeof text)) > 0) {
        keep(d, text, (size_t)n);
        ssize_t written = write(STDERR_FILENO, text, (size_t)n);
        (void)written; /* nowhere to complain to */
    }
    return n < 0;
}

void ed_develop_forget(struct ed_develop *d)
{
    d->said.len = 0;
}

/* Without what makes it colourful on a terminal (ECMA-48, CSI sequences). */
static int add_plain(struct ed_buf *out, struct ed_bytes text)
{
    int err = 0;

    while (text.len && !err) {
        const char *escape = memchr(text.ptr, '\033', text.len);
        size_t len = escape ? (size_t)(escape - text.ptr) : text.len;
        err = ed_buf_add(out, text.ptr, len);
        if (escape && len + 1 < text.len && escape[1] == '[') {
            len += 2;
            while (len < text.len && (text.ptr[len] < '@'))
                len++;
        }
        len += len < text.len; /* the escape, or the end of its sequence */
        text = ed_bytes_of(text.ptr + len, text.len - len);
    }
    return err;
}

const struct ed_explanation *ed_develop_explain(struct ed_develop *d)
{
    (void)pass_on(d, d->errors[0]);
    struct ed_bytes said = ed_buf_bytes(&d->said);
    if (said.len > MOST_SAID)
        said = ed_bytes_of(said.ptr + said.len - MOST_SAID, MOST_SAID);
    d->text.len = 0;
    if (add_plain(&d->text, said) || ed_buf_add(&d->text, "", 1))
        return NULL;
    d->why.number++;
    d->why.text = d->text.ptr;
    d->why.heading = d->heading;
    if (d->failed)
        snprintf(d->heading, sizeof d->heading, "'%s' failed",
                 d->settings->reload_command);
    else
        snprintf(d->heading, sizeof d->heading, "It cannot start");
    return &d->why;
}

/* ---- what changes ---- */

/* What cannot be remembered makes one more run. */
static void see_change_of_run(struct ed_develop *d, struct ed_bytes path)
{
    int err = ed_map_set(d->during, path, d, NULL);

    if (err || !ed_map_get(d->before, path))
        d->dirty = true;
}

static void see_changes(struct ed_develop *d, int64_t now)
{
    const char *path;

    while ((path = ed_watch_next(d->watch))) {
        if (d->building) {
            see_change_of_run(d, ed_bytes(path));
            continue;
        }
        snprintf(d->changed, sizeof d->changed, "%s", path);
        d->due = now + QUIET;
    }
}

/* ---- the command ---- */

static _Noreturn void become_command(const struct ed_develop *d, int output,
                                     const sigset_t *mask)
{
    int nothing = open("/dev/null", O_RDONLY);

    setpgid(0, 0); /* all that it starts ends with it */
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    ed_notify_forget();
    sigprocmask(SIG_SETMASK, mask, NULL);
    execl("/bin/sh", "sh", "-c", d->settings->reload_command, (char *)NULL);
    dprintf(STDERR_FILENO, "/bin/sh: %s\n", strerror(errno));
    _exit(ED_CHILD_NOT_FOUND);
}

static int start_command(struct ed_develop *d, const sigset_t *mask)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (!pid)
        become_command(d, ends[1], mask);
    close(ends[1]);
    if (pid < 0) {
        int err = -errno;
        close(ends[0]);
        return err;
    }
    setpgid(pid, pid); /* whoever of us comes first */
    d->output = ends[0];
    d->building = pid;
    return 0;
}

static void empty(ed_map *map)
{
    struct ed_map_iter it = {0};

    while (ed_map_next(map, &it))
        ed_map_remove(map, it.key);
}

static void build(struct ed_develop *d, const sigset_t *mask, int64_t now)
{
    if (d->runs)
        ed_log_info("running %s again: files have changed meanwhile",
                    d->settings->reload_command);
    else
        ed_log_info("%s has changed: running %s", d->changed,
                    d->settings->reload_command);
    d->began = now;
    d->due = INT64_MAX;
    d->dirty = false;
    d->said.len = 0;
    d->runs++;
    int err = start_command(d, mask);
    if (!err)
        return;
    ed_log_error("%s not run: %s", d->settings->reload_command,
                 ed_err_text(err));
    d->runs = 0;
}

/* What this run changed is the command's doing, in the runs after it. */
static void move_on(struct ed_develop *d)
{
    ed_map *spare = d->before;

    empty(spare);
    d->before = d->during;
    d->during = spare;
}

static void note_end(struct ed_develop *d, int status, int64_t now)
{
    double took = (double)(now - d->began) / (double)ED_S;

    d->failed = status != 0;
    d->news = d->failed ? ED_DEVELOP_EXPLAIN : ED_DEVELOP_RELOAD;
    if (!d->failed)
        ed_log_info("%s: done in %.1f s", d->settings->reload_command, took);
    else if (WIFEXITED(status))
        ed_log_error("%s failed: status %d after %.1f s",
                     d->settings->reload_command, WEXITSTATUS(status), took);
    else
        ed_log_error("%s was ended by signal %d", d->settings->reload_command,
                     WTERMSIG(status));
}

bool ed_develop_reaped(struct ed_develop *d, pid_t pid, int status, int64_t now)
{
    if (!d || !pid || pid != d->building)
        return false;
    (void)pass_on(d, d->output);
    close_output(d);
    see_changes(d, now); /* the last of them are this run's */
    d->building = 0;
    note_end(d, status, now);
    move_on(d);
    if (!d->dirty) {
        d->runs = 0;
    } else if (d->runs < MOST_RUNS) {
        d->news = ED_DEVELOP_NOTHING;
        d->due = now;
    } else {
        d->runs = 0;
        ed_log_warn("%s changes files that are watched each time it runs: "
                    "name them with reload-ignore",
                    d->settings->reload_command);
    }
    if (!d->runs)
        empty(d->before);
    return true;
}

/* ---- waiting ---- */

void ed_develop_gather(const struct ed_develop *d,
                       struct pollfd fds[ED_DEVELOP_POLLED])
{
    const int read[ED_DEVELOP_POLLED] = {
        d ? ed_watch_fd(d->watch) : -1,
        d ? d->errors[0] : -1,
        d ? d->output : -1,
    };

    for (size_t i = 0; i < ED_DEVELOP_POLLED; i++)
        fds[i] = (struct pollfd){read[i], POLLIN, 0};
}

void ed_develop_hear(struct ed_develop *d, const struct pollfd *fds,
                     int64_t now)
{
    if (!d)
        return;
    if (fds[0].revents)
        see_changes(d, now);
    if (fds[1].revents)
        (void)pass_on(d, d->errors[0]);
    if (fds[2].revents && !pass_on(d, d->output))
        close_output(d);
}

int64_t ed_develop_next(const struct ed_develop *d)
{
    return !d || d->building ? INT64_MAX : d->due;
}

enum ed_develop_news ed_develop_tick(struct ed_develop *d, const sigset_t *mask,
                                     int64_t now)
{
    if (!d)
        return ED_DEVELOP_NOTHING;
    if (!d->building && now >= d->due) {
        d->due = INT64_MAX;
        d->failed = false;
        if (d->settings->reload_command) {
            build(d, mask, now);
        } else {
            ed_log_info("%s has changed", d->changed);
            d->news = ED_DEVELOP_RELOAD;
        }
    }
    enum ed_develop_news news = d->news;
    d->news = ED_DEVELOP_NOTHING;
    return news;
}
