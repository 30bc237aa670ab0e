/*
 * io.c - operations that a fiber waits for.
 */
#include "core/loop_internal.h"

#include <errno.h>

struct await {
    ed_fiber *fiber;
    struct ed_io *io;
    struct ed_op *op;
};

static void await_done(struct ed_op *op, ssize_t result)
{
    struct await *a = op->user;
    /* The kernel moves at most 2 GiB at once (read(2)), so it fits. */
    ed_wake(a->fiber, (int)result);
}

static bool await_abort(void *arg)
{
    struct await *a = arg;
    ed_io_stop(a->io, a->op);
    return true;
}

ssize_t ed_io_await(struct ed_io *io, struct ed_op *op, const char *what)
{
    int cancelled = ed_checkpoint();
    if (cancelled)
        return cancelled;
    struct await a = {ed_fiber_self(), io, op};
    op->done = await_done;
    op->user = &a;
    ssize_t n = ed_io_start(io, op);
    return n == ED_IO_PENDING ? ed_park(what, await_abort, &a) : n;
}

int ed_io_borrow(ed_loop *loop, struct ed_io *io, int fd)
{
    int err = ed_io_open(loop, io, fd);

    /* A child of a fork closes what is the loop's. */
    if (!err && loop->share)
        ed_share_disown(loop->share, fd);
    return err;
}

int ed_io_wait_fd(int fd, bool writable, const char *what)
{
    struct ed_io io;
    struct ed_op op = {.kind = writable ? ED_OP_WRITABLE : ED_OP_READABLE};
    int err = ed_io_borrow(ed_loop_current(), &io, fd);
    if (err)
        return err;
    ssize_t n = ed_io_await(&io, &op, what);
    ed_io_release(&io);
    return n == -EPERM ? 0 : (int)n;
}
