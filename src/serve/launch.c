/*
 * launch.c - the variable EDDY_SERVE: "ROLE key=value ...", the directory last.
 */
#include "serve/launch.h"

#include <eddy/bytes.h>
#include <eddy/error.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "serve/board.h"

static const char VARIABLE[] = "EDDY_SERVE";

static const char *const roles[] = {
    [ED_ROLE_MASTER] = "master",
    [ED_ROLE_WORKER] = "worker",
    [ED_ROLE_ADMIN] = "admin",
};

#define ROLES (sizeof roles / sizeof *roles)

/* The descriptors that have a name. */
static const struct {
    const char *name;
    size_t offset;
} named[] = {
    {"board", offsetof(struct ed_launch, board)},
    {"settings", offsetof(struct ed_launch, settings)},
    {"control", offsetof(struct ed_launch, control)},
    {"inspect", offsetof(struct ed_launch, inspect)},
    {"tickets", offsetof(struct ed_launch, tickets)},
    {"addresses", offsetof(struct ed_launch, addresses)},
};

#define NAMED (sizeof named / sizeof *named)

static int *descriptor(struct ed_launch *launch, size_t i)
{
    return (int *)((char *)launch + named[i].offset);
}

static int descriptor_of(const struct ed_launch *launch, size_t i)
{
    return *(const int *)((const char *)launch + named[i].offset);
}

void ed_launch_init(struct ed_launch *launch)
{
    *launch = (struct ed_launch){0};
    for (size_t i = 0; i < NAMED; i++)
        *descriptor(launch, i) = -1;
    launch->errors = -1;
}

/* ---- reading ---- */

/* A descriptor that is really there, and not for what we start in our turn. */
static int take_descriptor(struct ed_bytes text, int *fd)
{
    int64_t n;

    if (ed_bytes_int(text, &n) || n < 0 || n > INT32_MAX)
        return ED_EPARSE;
    if (fcntl((int)n, F_SETFD, FD_CLOEXEC))
        return ED_EPARSE;
    *fd = (int)n;
    return 0;
}

static int take_listener(struct ed_launch *launch, struct ed_bytes text)
{
    if (launch->listener_count == ED_LAUNCH_LISTENERS)
        return ED_EPARSE;
    return take_descriptor(text, &launch->listeners[launch->listener_count++]);
}

static int take_number(struct ed_bytes text, int64_t max, int64_t *out)
{
    int err = ed_bytes_int(text, out);

    return err || *out < 0 || *out > max ? ED_EPARSE : 0;
}

static int take_pair(struct ed_launch *launch, struct ed_bytes key,
                     struct ed_bytes value)
{
    int64_t n = 0;

    if (ed_bytes_equal(key, ED_BYTES("listen")))
        return take_listener(launch, value);
    if (ed_bytes_equal(key, ED_BYTES("slot"))) {
        int err = take_number(value, ED_BOARD_SLOTS - 1, &n);
        launch->slot = (unsigned)n;
        return err;
    }
    if (ed_bytes_equal(key, ED_BYTES("ctl"))) {
        int err = take_number(value, ED_LAUNCH_LISTENERS, &n);
        launch->ctl_count = (size_t)n;
        return err;
    }
    for (size_t i = 0; i < NAMED; i++) {
        if (ed_bytes_equal(key, ed_bytes(named[i].name)))
            return take_descriptor(value, descriptor(launch, i));
    }
    return ED_EPARSE;
}

static int take_role(struct ed_launch *launch, struct ed_bytes text)
{
    for (size_t i = 0; i < ROLES; i++) {
        if (ed_bytes_equal(text, ed_bytes(roles[i]))) {
            launch->role = (enum ed_role)i;
            return 0;
        }
    }
    return ED_EPARSE;
}

static int take_directory(struct ed_launch *launch, struct ed_bytes text)
{
    launch->directory = strndup(text.ptr, text.len);
    return launch->directory ? 0 : ED_ENOMEM;
}

static int take_all(struct ed_launch *launch, struct ed_bytes rest)
{
    static const struct ed_bytes last = ED_BYTES("directory=");
    int err = take_role(launch, ed_bytes_cut(&rest, ' '));

    while (!err && rest.ptr) {
        if (ed_bytes_starts(rest, last))
            return take_directory(
                launch, ed_bytes_of(rest.ptr + last.len, rest.len - last.len));
        struct ed_bytes value = ed_bytes_cut(&rest, ' ');
        struct ed_bytes key = ed_bytes_cut(&value, '=');
        err = value.ptr ? take_pair(launch, key, value) : ED_EPARSE;
    }
    return err;
}

int ed_launch_take(struct ed_launch *launch)
{
    const char *text = getenv(VARIABLE);

    ed_launch_init(launch);
    if (!text)
        return 0;
    int err = take_all(launch, ed_bytes(text));
    if (launch->ctl_count > launch->listener_count)
        err = ED_EPARSE;
    unsetenv(VARIABLE);
    return err;
}

void ed_launch_free(struct ed_launch *launch)
{
    free(launch->directory);
    launch->directory = NULL;
}

/* ---- giving ---- */

static int give_descriptor(struct ed_buf *out, const char *name, int fd)
{
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_SETFD, 0))
        return -errno;
    return ed_buf_addf(out, " %s=%d", name, fd);
}

static int write_all(const struct ed_launch *launch, struct ed_buf *out)
{
    int err = ed_buf_addf(out, "%s slot=%u ctl=%zu", roles[launch->role],
                          launch->slot, launch->ctl_count);

    for (size_t i = 0; i < NAMED && !err; i++)
        err = give_descriptor(out, named[i].name, descriptor_of(launch, i));
    for (size_t i = 0; i < launch->listener_count && !err; i++)
        err = give_descriptor(out, "listen", launch->listeners[i]);
    if (!err && launch->directory)
        err = ed_buf_addf(out, " directory=%s", launch->directory);
    return err;
}

int ed_launch_give(const struct ed_launch *launch)
{
    struct ed_buf text = {0};
    int err = write_all(launch, &text);

    if (!err && setenv(VARIABLE, text.ptr, 1))
        err = -errno;
    ed_buf_free(&text);
    return err;
}
