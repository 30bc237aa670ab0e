/*
 * sendfile.c - files sent by the system.
 *
 * There is no MSG_DONTWAIT for it. As with all that is written to what blocks,
 * it goes on until all is sent or the file ends.
 */
#include "patch/patch.h"

#include <errno.h>
#include <fcntl.h>

static ssize_t send_now(int to, int flags, int from, off_t *offset, size_t len)
{
    bool changed = ed_patch_unblock(to, flags);
    ssize_t n = ed_plain->sendfile(to, from, offset, len);

    if (changed)
        ed_patch_block(to, flags);
    return n;
}

static ssize_t send_some(struct ed_patch_try *t, int flags, int from,
                         off_t *offset, size_t len)
{
    for (;;) {
        ssize_t n = send_now(t->fd, flags, from, offset, len);
        if (n >= 0 || errno != EAGAIN)
            return n;
        enum ed_patch_next next = ed_patch_retry(t);
        if (next == ED_PATCH_ERROR)
            return -1;
        if (next == ED_PATCH_PLAIN)
            return ed_plain->sendfile(t->fd, from, offset, len);
    }
}

ssize_t ed_patch_sendfile(int to, int from, off_t *offset, size_t len)
{
    struct ed_patch_try t = {
        .call = "sendfile()",
        .fd = to,
        .events = POLLOUT,
        .timeout_option = SO_SNDTIMEO,
    };
    int flags = fcntl(to, F_GETFL);
    size_t done = 0;

    if (flags < 0 || (flags & O_NONBLOCK) ||
        ed_patch_kind_of(to) == ED_PATCH_FILE)
        return ed_plain->sendfile(to, from, offset, len);
    if (!ed_patch_enter(to))
        return -1;
    while (done < len) {
        t.tries = 0;
        ssize_t n = send_some(&t, flags, from, offset, len - done);
        if (n < 0)
            return done ? (ssize_t)done : -1;
        if (!n)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}
