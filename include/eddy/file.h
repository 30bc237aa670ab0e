/*
 * file.h - files, read and written without keeping the loop.
 *
 * A disk makes a thread wait and cannot be polled, so the work is done on the
 * blocking pool (blocking.h); the limits and errors of ed_blocking() apply to
 * every call here that suspends. What has begun is not interrupted.
 *
 * After a failure ed_error() has the path and the reason.
 */
#ifndef EDDY_FILE_H
#define EDDY_FILE_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <sys/stat.h>

ED_BEGIN_DECLS

/*
 * Reads a whole file into the fiber's arena, with a NUL behind it that does
 * not count. Special files are read to their end.
 *
 * Suspends. Returns 0, or
 *   ED_ELIMIT   it is larger than `max_bytes`
 *   ED_ENOMEM   the arena is full
 *   -ENOENT, -EACCES, -EISDIR, ...
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_file_read(struct ed_bytes *out, const char *path,
                                 size_t max_bytes);

struct ed_file_write_options {
    size_t size;
    mode_t mode; /* permissions, less the umask; 0: 0666 */
    /* Return only when content and name are on the disk, so that neither is
     * lost when the machine fails the moment after. */
    bool sync;
};

/*
 * Gives a file new content in one step: whoever opens the path meanwhile gets
 * all of the old or all of the new, also after a crash of this process. A
 * symbolic link is replaced, not followed; owner and permissions of an old
 * file are not kept.
 *
 * Suspends. Returns 0, -ENOSPC, -EACCES, ..., ED_ECANCELED or ED_ETIMEOUT;
 * on failure the old content stands (with `sync`, a failure to reach the disk
 * may be reported when the new content stands already).
 */
#define ed_file_write(path, bytes, ...) \
    ed_file_write_with((path), (bytes), \
                       ED_OPTIONS(struct ed_file_write_options, __VA_ARGS__))
ED_API ED_CHECK int ed_file_write_with(
    const char *path, struct ed_bytes bytes,
    const struct ed_file_write_options *options);

/* Adds to the end of a file, which is created (0666 less the umask) when it
 * does not exist. Suspends. 0, -errno, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_file_append(const char *path, struct ed_bytes bytes);

/* ---- an open file ---- */

typedef struct ed_file ed_file;

/* Opens a file as open(2) does, always close-on-exec. Suspends. 0, ED_ENOMEM,
 * -errno, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_file_open(ed_file **out, const char *path, int flags,
                                 mode_t mode);

/* Reads up to `len` bytes at an offset. Suspends. Returns the count, less than
 * `len` only at the end of the file; or -errno, ED_ECANCELED, ED_ETIMEOUT. */
ED_API ED_CHECK ssize_t ed_file_pread(ed_file *file, void *buf, size_t len,
                                      off_t offset);

/* Writes all of it at an offset. Suspends. 0, -errno, ED_ECANCELED or
 * ED_ETIMEOUT; after an error a part may be written. */
ED_API ED_CHECK int ed_file_pwrite(ed_file *file, const void *buf, size_t len,
                                   off_t offset);

/* What fstat(2) says. Suspends. 0, -errno, ED_ECANCELED or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_file_stat(ed_file *file, struct stat *out);

/* Waits until the content is on the disk. Suspends. 0, -errno, ED_ECANCELED
 * or ED_ETIMEOUT. */
ED_API ED_CHECK int ed_file_sync(ed_file *file);

/* Closes, whatever it returns; cancellation does not prevent it. NULL is
 * allowed. Suspends. 0, or -errno of a write that failed late. */
ED_API int ed_file_close(ed_file *file);

/* For `cleanup`: ed_file *f ED_FILE_AUTO = NULL; */
static inline void ed_file_close_(ed_file **file)
{
    ed_file_close(*file);
}
#define ED_FILE_AUTO __attribute__((cleanup(ed_file_close_)))

ED_END_DECLS
#endif
