/*
 * beneath.h - opens files below a directory and nowhere else.
 *
 * Whatever the path says and wherever links lead, what is opened lies below the
 * directory. The kernel sees to it (openat2(2), Linux 5.6); where it has no
 * such call, or a sandbox forbids it, each part of the path is opened by
 * itself, and links are refused.
 */
#ifndef EDDY_BASE_BENEATH_H
#define EDDY_BASE_BENEATH_H

#include <eddy/api.h>

enum {
    ED_BENEATH_NO_LINKS = 1, /* refuse every symbolic link */
    /* Only if it can be done without waiting for a disk: -EAGAIN otherwise. */
    ED_BENEATH_AT_ONCE = 2,
};

/*
 * Opens `path`, relative to the directory `dir`, for reading; never waits for
 * the other end of a pipe, and never takes a terminal. Symbolic links are
 * followed as long as they stay below; an absolute one does not. Returns the
 * descriptor, or
 *   -EXDEV   it leads out
 *   -ELOOP   a link where none is followed
 *   -EAGAIN  with ED_BENEATH_AT_ONCE; or something was moved in the system
 *            each time it was tried, and the path or a link has a ".."
 *   -ENOENT, -EACCES, -ENOTDIR, ...
 * Any thread.
 */
ED_CHECK int ed_open_beneath(int dir, const char *path, unsigned how);

/* The same where there is no openat2(), and without ED_BENEATH_AT_ONCE. */
ED_CHECK int ed_open_beneath_walking(int dir, const char *path);

#endif
