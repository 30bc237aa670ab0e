/*
 * handed.c - memory that is handed to processes that are started.
 */
#include "serve/handed.h"

#include <eddy/error.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const int SEALS =
    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

/* Read at a time. */
enum { PIECE = 4096 };

static int fill(int fd, struct ed_bytes content)
{
    /* A memory of the kernel's is everybody's to read, and to execute. */
    if (fchmod(fd, S_IRUSR))
        return -errno;
    if (content.len &&
        pwrite(fd, content.ptr, content.len, 0) != (ssize_t)content.len)
        return -EIO;
    return fcntl(fd, F_ADD_SEALS, SEALS) ? -errno : 0;
}

int ed_handed_new(const char *name, struct ed_bytes content)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    int err = fill(fd, content);
    if (!err)
        return fd;
    close(fd);
    return err;
}

int ed_handed_read(int fd, struct ed_buf *out)
{
    off_t at = 0;
    ssize_t n;

    do {
        if (ed_buf_reserve(out, PIECE))
            return ED_ENOMEM;
        n = pread(fd, out->ptr + out->len, PIECE, at);
        if (n < 0 && errno != EINTR)
            return -errno;
        out->len += n > 0 ? (size_t)n : 0;
        at += n > 0 ? n : 0;
    } while (n);
    out->ptr[out->len] = '\0';
    return 0;
}
