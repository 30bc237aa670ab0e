/*
 * socket_file.c - whose duty it is to remove the file of a Unix socket.
 *
 * Owns the path alone. The text that is passed on is DEVICE:INODE:PATH, the
 * numbers in hexadecimal and the path percent-encoded, so that it may stand in
 * any list.
 */
#include "net/socket_file.h"
#include "base/hex.h"
#include "wire/url.h"
#include <eddy/error.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ed_socket_file_keep(struct ed_socket_file *file, const char *path)
{
    struct stat st;
    /* A relative path would mean something else after chdir(). */
    char *whole = realpath(path, NULL);

    *file = (struct ed_socket_file){0};
    if (!whole || lstat(whole, &st)) {
        int err = -errno;
        free(whole);
        return err;
    }
    *file = (struct ed_socket_file){whole, st.st_dev, st.st_ino, getpid()};
    return 0;
}

void ed_socket_file_leave(struct ed_socket_file *file)
{
    free(file->path);
    *file = (struct ed_socket_file){0};
}

void ed_socket_file_remove(struct ed_socket_file *file)
{
    struct stat st;

    if (file->path && file->keeper == getpid() && !lstat(file->path, &st) &&
        st.st_dev == file->dev && st.st_ino == file->ino)
        unlink(file->path);
    ed_socket_file_leave(file);
}

/* ---- as text ---- */

int ed_socket_file_text(const struct ed_socket_file *file, struct ed_buf *out)
{
    if (!file->path)
        return 0;
    size_t before = out->len;
    int err = ed_buf_addf(out, "%llx:%llx:", (unsigned long long)file->dev,
                          (unsigned long long)file->ino);
    if (!err)
        err = ed_url_encode(out, ed_bytes(file->path), true);
    if (err)
        out->len = before;
    return err;
}

/* Takes a hexadecimal number of at most 64 bits and the colon after it. */
static int read_number(struct ed_bytes *rest, unsigned long long *out)
{
    struct ed_bytes digits = ed_bytes_cut(rest, ':');

    if (!digits.len || digits.len > 16)
        return -EINVAL;
    *out = 0;
    for (size_t i = 0; i < digits.len; i++) {
        int value = ed_hex_value(digits.ptr[i]);
        if (value < 0)
            return -EINVAL;
        *out = *out << 4 | (unsigned)value;
    }
    return 0;
}

int ed_socket_file_take(struct ed_socket_file *file, const char *text)
{
    struct ed_bytes rest = ed_bytes(text);
    unsigned long long dev, ino;

    *file = (struct ed_socket_file){0};
    if (!rest.len)
        return 0;
    if (read_number(&rest, &dev) || read_number(&rest, &ino))
        return -EINVAL;
    if (!rest.len || rest.ptr[0] != '/')
        return -EINVAL;
    char *path = malloc(rest.len + 1);
    if (!path)
        return ED_ENOMEM;
    ssize_t len = ed_url_decode(path, rest, false);
    if (len < 0) {
        free(path);
        return -EINVAL;
    }
    path[len] = '\0';
    *file = (struct ed_socket_file){path, (dev_t)dev, (ino_t)ino, getpid()};
    return 0;
}
