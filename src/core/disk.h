/*
 * disk.h - reading files without keeping the loop.
 *
 * Most of what is read lies in the page cache, and is had at once. What does
 * not is read by a thread of the blocking pool, and the fiber waits.
 */
#ifndef EDDY_CORE_DISK_H
#define EDDY_CORE_DISK_H

#include <eddy/api.h>

/* Reads what can be had at once: a count, 0 at the end of the file, -EAGAIN
 * when a disk has to be asked, or another error. Less than `len` may come in
 * the middle of the file, too. */
ED_CHECK ssize_t ed_disk_read_at_once(int fd, void *buf, size_t len,
                                      int64_t offset);

/* Reads `len` bytes, or as many as there are until the end of the file. The
 * buffer outlives the fiber's cancellation, which does not stop a read that has
 * begun. Suspends if need be. A count, or -errno, ED_ECANCELED, ED_ETIMEOUT,
 * ED_ELIMIT. */
ED_CHECK ssize_t ed_disk_read(int fd, void *buf, size_t len, int64_t offset);

/* Whether a part of the file is in the page cache, so that sending it does not
 * wait for a disk; false when that cannot be told. Does not suspend. */
bool ed_disk_is_warm(int fd, int64_t offset, size_t len);

/* Brings it there. Suspends. 0, or an error as above; what is behind the end of
 * the file is no error. */
ED_CHECK int ed_disk_warm(int fd, int64_t offset, size_t len);

#endif
