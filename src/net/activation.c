/*
 * activation.c - what a service manager says in the environment about sockets
 * it has opened (sd_listen_fds(3)).
 *
 * Owns three variables. Read strictly: a number is digits alone, the names are
 * as many as the descriptors, and each descriptor listens; anything else is a
 * mistake in a unit, better told than guessed at.
 */
#include "net/activation.h"
#include "base/ascii.h"
#include "net/bind.h"
#include <eddy/error.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SD_LISTEN_FDS_START. */
enum { FIRST_FD = 3 };

/* What the variables say; NULL where one is not set. */
struct announced {
    const char *pid;
    const char *fds;
    const char *names;
};

static int refuse(struct ed_activation *out, int err, const char *fmt, ...)
    ED_PRINTF(3, 4);

static int refuse(struct ed_activation *out, int err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(out->why, sizeof(out->why), fmt, args);
    va_end(args);
    return err;
}

/* A name is printable ASCII; the manager itself allows no more. */
static bool is_name(struct ed_bytes name, size_t room)
{
    if (!name.len || name.len >= room)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < ' ' || name.ptr[i] > '~')
            return false;
    }
    return true;
}

static int take_names(struct ed_activation *out, const char *names)
{
    struct ed_bytes rest = ed_bytes(names);

    for (int i = 0; i < out->count; i++) {
        struct ed_bytes name = ed_bytes_cut(&rest, ':');
        if (!is_name(name, sizeof(out->sockets[i].name)))
            return refuse(out, -EINVAL,
                          "LISTEN_FDNAMES=%s: no name for descriptor %d", names,
                          FIRST_FD + i);
        memcpy(out->sockets[i].name, name.ptr, name.len);
    }
    if (rest.len)
        return refuse(out, -EINVAL,
                      "LISTEN_FDNAMES=%s: more names than LISTEN_FDS=%d", names,
                      out->count);
    return 0;
}

static int take_sockets(struct ed_activation *out, bool named)
{
    for (int i = 0; i < out->count; i++) {
        int fd = FIRST_FD + i;
        int err = ed_listening_check(fd);
        if (err)
            return refuse(out, err, "LISTEN_FDS: descriptor %d: %s", fd,
                          err == -EINVAL ? "not a stream socket that listens"
                                         : ed_err_text(err));
        out->sockets[i].fd = fd;
        if (!named)
            strcpy(out->sockets[i].name, "unknown");
    }
    return 0;
}

static int take(struct ed_activation *out, const struct announced *said)
{
    int64_t pid, count;

    if (!said->pid || !said->fds)
        return 0;
    if (ed_digits_read(ed_bytes(said->pid), &pid) || !pid)
        return refuse(out, -EINVAL, "LISTEN_PID=%s: not a process", said->pid);
    if (pid != getpid())
        return 0;
    if (ed_digits_read(ed_bytes(said->fds), &count) || !count)
        return refuse(out, -EINVAL, "LISTEN_FDS=%s: not a count", said->fds);
    if (count > ED_ACTIVATION_MAX)
        return refuse(out, ED_ELIMIT, "LISTEN_FDS=%s: more than %d", said->fds,
                      ED_ACTIVATION_MAX);
    out->count = (int)count;
    int err = take_sockets(out, said->names != NULL);
    return err || !said->names ? err : take_names(out, said->names);
}

int ed_activation_take(struct ed_activation *out)
{
    const struct announced said = {
        getenv("LISTEN_PID"),
        getenv("LISTEN_FDS"),
        getenv("LISTEN_FDNAMES"),
    };

    memset(out, 0, sizeof(*out));
    int err = take(out, &said);
    if (err)
        out->count = 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    /* A newer way to say which process is meant; the pid says it, too. */
    unsetenv("LISTEN_PIDFDID");
    return err;
}
