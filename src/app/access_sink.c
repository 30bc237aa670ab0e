/*
 * access_sink.c - where the lines of an access log go.
 *
 * Owns the descriptor and the buffer. Both live as long as the app; while a
 * loop runs, it lends a timer and the end of its turn. Whichever of app and
 * loop ends first, what is left in the buffer is written then.
 */
#include "app/access_sink.h"

#include "app/app_internal.h"
#include "base/calls.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <eddy/middleware.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENOUGH = 32 * 1024, /* to be worth a system call */
    MOST = 256 * 1024,  /* kept for who does not take it */
};

static const int64_t FILE_PAUSE = ED_S;
/* How soon a full pipe is looked at again. */
static const int64_t PIPE_PAUSE = 50 * ED_MS;

struct ed_access_sink {
    struct ed_access_sink *next; /* of the app */
    const char *file;            /* NULL: stderr */
    int fd;
    bool is_file; /* takes all that is written at once */
    struct ed_buf lines;
    size_t dropped;

    struct sink_loop *at; /* NULL: no loop so far */
};

/* What a loop lends. Freed by the loop, which may end before the app, or after
 * it. */
struct sink_loop {
    struct ed_access_sink *sink; /* NULL: gone */
    ed_loop *loop;
    struct ed_timer timer;
    struct ed_deferred deferred;
};

/* ---- writing ---- */

static bool is_regular(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* A pipe that says it takes something takes this much at once. */
static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

/* Whole lines, as many as a pipe takes at once, so that no line of another
 * program comes in between. */
static size_t whole_lines(const char *text, size_t len)
{
    if (len <= PIPE_BUF)
        return len;
    const char *end = memrchr(text, '\n', PIPE_BUF);
    return end ? (size_t)(end + 1 - text) : PIPE_BUF;
}

/* Writes what goes at once. */
static void write_out(struct ed_access_sink *sink)
{
    size_t done = 0;

    while (done < sink->lines.len) {
        size_t len = sink->lines.len - done;
        if (!sink->is_file && !is_ready(sink->fd))
            break;
        if (!sink->is_file)
            len = whole_lines(sink->lines.ptr + done, len);
        ssize_t n = ed_calls.write(sink->fd, sink->lines.ptr + done, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    ed_buf_drop(&sink->lines, done);
}

static void tell_dropped(struct ed_access_sink *sink)
{
    if (!sink->dropped)
        return;
    ed_log_warn(
        "access log: %zu lines were lost: %s was too slow, or memory short",
        sink->dropped, sink->file ? sink->file : "stderr");
    sink->dropped = 0;
}

/* Who has more than a page or two gives it back. */
static void write_and_tell(struct ed_access_sink *sink)
{
    write_out(sink);
    if (sink->lines.len)
        return;
    tell_dropped(sink);
    if (sink->lines.cap > 2 * ENOUGH)
        ed_buf_free(&sink->lines);
}

/* ---- when ---- */

static void arm(struct sink_loop *at, int64_t pause)
{
    /* Without memory for a timer the next line tries again. */
    if (!at->timer.index)
        (void)!ed_timer_start(at->loop, &at->timer, ed_now() + pause);
}

static void write_later(struct ed_access_sink *sink)
{
    write_and_tell(sink);
    if (sink->lines.len && sink->at)
        arm(sink->at, sink->is_file ? FILE_PAUSE : PIPE_PAUSE);
}

static void on_timer(struct ed_timer *timer)
{
    write_later(ED_CONTAINER(timer, struct sink_loop, timer)->sink);
}

static void on_turn(struct ed_deferred *deferred)
{
    write_later(ED_CONTAINER(deferred, struct sink_loop, deferred)->sink);
}

static void loop_ends(void *arg)
{
    struct sink_loop *at = arg;

    if (at->sink) {
        write_and_tell(at->sink);
        at->sink->at = NULL;
    }
    free(at);
}

/* NULL outside of a loop, and without memory. */
static struct sink_loop *loop_of(struct ed_access_sink *sink)
{
    ed_loop *loop = ed_loop_current();

    if (sink->at || !loop)
        return sink->at;
    struct sink_loop *at = calloc(1, sizeof *at);
    if (!at || ed_loop_set(loop, at, at, loop_ends)) {
        free(at);
        return NULL;
    }
    at->sink = sink;
    at->loop = loop;
    at->timer.fire = on_timer;
    at->deferred.run = on_turn;
    sink->at = at;
    return at;
}

struct ed_buf *ed_access_sink_buffer(struct ed_access_sink *sink)
{
    if (sink->lines.len < MOST)
        return &sink->lines;
    ed_access_sink_lost(sink);
    return NULL;
}

void ed_access_sink_lost(struct ed_access_sink *sink)
{
    sink->dropped++;
}

void ed_access_sink_wrote(struct ed_access_sink *sink)
{
    struct sink_loop *at = loop_of(sink);

    if (!at)
        write_and_tell(sink);
    else if (at->timer.index && !sink->is_file)
        return; /* it is full, and will be looked at soon */
    else if (sink->is_file && sink->lines.len < ENOUGH)
        arm(at, FILE_PAUSE);
    else
        ed_defer(at->loop, &at->deferred);
}

/* ---- life ---- */

static int open_file(const char *file)
{
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
                  0640);

    return fd < 0 ? -errno : fd;
}

static void close_sink(void *arg)
{
    struct ed_access_sink *sink = arg;
    struct sink_loop *at = sink->at;

    write_and_tell(sink);
    if (at) {
        ed_timer_stop(at->loop, &at->timer);
        ed_undefer(at->loop, &at->deferred);
        at->sink = NULL;
    }
    if (sink->file)
        close(sink->fd);
    ed_buf_free(&sink->lines);
}

struct ed_access_sink *ed_access_sink_open(ed_app *app, const char *file)
{
    struct ed_access_sink **last = &app->logs;
    int fd = file ? open_file(file) : STDERR_FILENO;

    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    while (*last)
        last = &(*last)->next;
    struct ed_access_sink *sink = ed_app_alloc(app, sizeof *sink);
    *sink = (struct ed_access_sink){
        .file = file ? ed_app_copy(app, ed_bytes(file)) : NULL,
        .fd = fd,
        .is_file = is_regular(fd),
    };
    *last = sink;
    ed_app_at_end(app, close_sink, sink);
    return sink;
}

static int reopen(struct ed_access_sink *sink)
{
    int fd = open_file(sink->file);

    if (fd < 0)
        return fd;
    write_and_tell(sink); /* to the file that was moved away */
    close(sink->fd);
    sink->fd = fd;
    sink->is_file = is_regular(fd);
    return 0;
}

static int reopen_own(const ed_app *app)
{
    int first = 0;

    for (struct ed_access_sink *sink = app->logs; sink; sink = sink->next) {
        int err = sink->file ? reopen(sink) : 0;
        if (!err)
            continue;
        ed_log_error("access log: it stays in the old file: %s: %s", sink->file,
                     ed_err_text(err));
        first = first ? first : err;
    }
    return first;
}

int ed_access_log_reopen(ed_app *app)
{
    int first = reopen_own(app);
    ed_app *mounted = NULL;

    while ((mounted = ed_app_next_mounted(app, mounted))) {
        int err = ed_access_log_reopen(mounted);
        first = first ? first : err;
    }
    return first;
}
