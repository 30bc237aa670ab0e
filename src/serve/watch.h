/*
 * watch.h - which files below some directories have changed, by inotify(7).
 *
 * A file counts as changed when who wrote it has closed it, when it was moved
 * to or away, and when it was deleted. Names that begin with a dot, and those
 * that fit a pattern to be ignored, count for nothing, nor does what is below
 * directories of such names.
 */
#ifndef EDDY_SERVE_WATCH_H
#define EDDY_SERVE_WATCH_H

#include "serve/settings.h"

struct ed_watch;

/*
 * Watches each path: a directory with all that is below it, or one file. The
 * patterns of `ignore` are fnmatch(3)'s, for single names. 0, ED_ENOMEM or
 * -errno, which is told in the log.
 */
ED_CHECK int ed_watch_open(struct ed_watch **watch,
                           const struct ed_texts *paths,
                           const struct ed_texts *ignore);
void ed_watch_close(struct ed_watch *watch);

/* Readable when there is something to be had from ed_watch_next(). */
int ed_watch_fd(const struct ed_watch *watch);

/* A path that has changed, valid until the next call; NULL: no other. Does not
 * wait. */
const char *ed_watch_next(struct ed_watch *watch);

#endif
