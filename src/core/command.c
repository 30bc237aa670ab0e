/*
 * command.c - ed_command(): a program run to its end, its output collected.
 *
 * One fiber feeds the program, one listens to each of its outputs, and one
 * (process.c) waits for it; the first to fail ends the others.
 */
#include <eddy/process.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/options.h"
#include "core/io.h"
#include "core/runtime.h"

/* What a pipe holds by default. */
#define READ_BYTES (64 * 1024)

struct listener {
    int fd;
    size_t limit;
    struct ed_buf said;
};

struct feeder {
    int fd;
    struct ed_bytes rest;
};

static void close_io(struct ed_io *io)
{
    ed_io_close(io);
}

/* Gives the descriptor to the io, or closes it when that fails. */
static int own(struct ed_io *io, int fd)
{
    int err = ed_io_open(ed_loop_current(), io, fd);

    if (err)
        close(fd);
    return err;
}

/* Reads once. A count, 0 at the end, or an error. */
static ssize_t hear(struct ed_io *io, struct listener *l)
{
    struct iovec room;
    struct ed_op op = {.kind = ED_OP_READ, .iov_count = 1, .iov = &room};
    ssize_t got;
    int err = ed_buf_reserve(&l->said, READ_BYTES);

    if (err)
        return err;
    room = (struct iovec){l->said.ptr + l->said.len, READ_BYTES};
    got = ed_io_await(io, &op, "output of a process");
    if (got > 0) {
        l->said.len += (size_t)got;
        l->said.ptr[l->said.len] = '\0';
    }
    return got;
}

static int hear_all(void *arg)
{
    struct listener *l = arg;
    struct ed_io io __attribute__((cleanup(close_io)));
    ssize_t got;
    int err = own(&io, l->fd);

    if (err)
        return err;
    while ((got = hear(&io, l)) > 0) {
        if (l->said.len <= l->limit)
            continue;
        l->said.len = l->limit;
        return ed_fail(ED_ELIMIT, "more than %zu bytes of output", l->limit);
    }
    return (int)got;
}

/* Writes once, without the signal that a program which does not read all its
 * input would cause. */
static ssize_t write_quietly(int fd, struct ed_bytes bytes)
{
    const struct timespec at_once = {0};
    sigset_t pipe;
    sigset_t before;
    ssize_t n;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    n = write(fd, bytes.ptr, bytes.len);
    if (n < 0 && errno == EPIPE) {
        if (!sigismember(&before, SIGPIPE))
            sigtimedwait(&pipe, NULL, &at_once);
        errno = EPIPE;
    }
    n = n < 0 ? -errno : n;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

static int say_all(void *arg)
{
    struct feeder *f = arg;
    int err = 0;

    while (f->rest.len && !err) {
        ssize_t n = write_quietly(f->fd, f->rest);
        if (n >= 0)
            f->rest = ed_bytes_of(f->rest.ptr + n, f->rest.len - (size_t)n);
        else if (n == -EAGAIN)
            err = ed_io_wait_fd(f->fd, true, "input of a process");
        else if (n != -EINTR)
            err = (int)n;
    }
    close(f->fd);
    /* A program need not read all it is given (head, grep -q). */
    return err == -EPIPE ? 0 : err;
}

/* ---- putting it together ---- */

struct command {
    struct ed_process process;
    struct feeder feeder;
    struct listener out;
    struct listener err;
};

static int start(struct command *c, ed_scope *scope, const char *const *argv,
                 const struct ed_command_options *options)
{
    struct ed_process_options how = {
        .size = sizeof how,
        .in = {.kind = options->input.ptr ? ED_STDIO_PIPE : ED_STDIO_NULL},
        .out = ED_TO_PIPE,
        .err = {.kind = options->merge ? ED_STDIO_MERGE : ED_STDIO_PIPE},
        .env = options->env,
        .dir = options->dir,
        .group = options->group,
        .grace = options->grace,
    };
    struct ed_process *p = &c->process;
    int err = ed_process_start_at_(p, scope, argv, &how, ED_PLACE_);

    if (err)
        return err;
    c->feeder.fd = p->in;
    c->out.fd = p->out;
    c->err.fd = p->err;
    /* From here on each descriptor is its fiber's; where there is none, ours.
     */
    if (p->in >= 0 && !ed_go(scope, say_all, &c->feeder))
        p->in = -1;
    if (!ed_go(scope, hear_all, &c->out))
        p->out = -1;
    if (p->err >= 0 && !ed_go(scope, hear_all, &c->err))
        p->err = -1;
    ed_process_close(p);
    return 0;
}

static int run(struct command *c, const char *const *argv,
               const struct ed_command_options *options)
{
    ed_scope(s, .name = "command");
    int err = start(c, s, argv, options);

    return err ? err : ed_wait(s);
}

static int keep_bytes(struct ed_bytes *kept, const struct ed_buf *said)
{
    kept->ptr = ed_arena_copy(ed_fiber_arena(), ed_buf_bytes(said));
    if (!kept->ptr)
        return ED_ENOMEM;
    kept->len = said->len;
    return 0;
}

static struct ed_bytes last_line(struct ed_bytes text)
{
    size_t begin;

    while (text.len && strchr("\r\n \t", text.ptr[text.len - 1]))
        text.len--;
    begin = text.len;
    while (begin && text.ptr[begin - 1] != '\n')
        begin--;
    return ed_bytes_of(text.ptr + begin, text.len - begin);
}

/* The process's own verdict, with what the program said about it. */
static int verdict(struct command *c, const struct ed_output *output)
{
    struct ed_bytes line =
        last_line(output->err.len ? output->err : output->out);
    int err = ed_process_wait(&c->process);

    if (err != ED_EEXIT || !line.len)
        return err;
    return ed_fail(err, "%s: %.*s", ed_error(), (int)line.len, line.ptr);
}

/* Hands over what was said and how it ended. `err` is how running went. */
static int conclude(struct command *c, struct ed_output *output, int err)
{
    int kept = keep_bytes(&output->out, &c->out.said);

    if (!kept)
        kept = keep_bytes(&output->err, &c->err.said);
    output->exit_code = c->process.exit_code;
    output->exit_signal = c->process.exit_signal;
    if (err)
        return err;
    return kept ? kept : verdict(c, output);
}

int ed_command_with(struct ed_output *output, const char *const *argv,
                    const struct ed_command_options *given)
{
    ED_OPTIONS_TAKE(struct ed_command_options, options, given);
    size_t limit = options.limit ? options.limit : ED_COMMAND_LIMIT;
    struct command c = {
        .feeder.rest = options.input,
        .out.limit = limit,
        .err.limit = limit,
    };
    int err;

    *output = (struct ed_output){0};
    err = conclude(&c, output, run(&c, argv, &options));
    ed_buf_free(&c.out.said);
    ed_buf_free(&c.err.said);
    return err;
}
