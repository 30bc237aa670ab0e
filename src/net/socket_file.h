/*
 * socket_file.h - the file of a Unix socket that listens, and whose duty it is
 * to remove it.
 *
 * One process keeps it at a time: at first the one that made it. It passes the
 * duty on by leaving the file and telling another, as text, which file it is.
 * A process forked from the keeper is not the keeper. Whoever keeps it removes
 * it only while it is still the same file. Nothing here suspends.
 */
#ifndef EDDY_NET_SOCKET_FILE_H
#define EDDY_NET_SOCKET_FILE_H

#include <eddy/bytes.h>
#include <sys/types.h>

struct ed_socket_file {
    char *path; /* absolute; NULL: there is none */
    dev_t dev;
    ino_t ino;
    pid_t keeper; /* 0: nobody here */
};

/* Begins to keep the file that bind() has just made. 0, ED_ENOMEM or -errno,
 * with nothing to be kept then. */
ED_CHECK int ed_socket_file_keep(struct ed_socket_file *file, const char *path);

/* Removes it, if this process keeps it and it is still the same, and frees. */
void ed_socket_file_remove(struct ed_socket_file *file);

/* Leaves it to who has been told of it, and frees. */
void ed_socket_file_leave(struct ed_socket_file *file);

/* Appends which file it is, in letters, digits and `/.-_~:%` alone; nothing for
 * none. 0, or ED_ENOMEM with `out` as it was. */
ED_CHECK int ed_socket_file_text(const struct ed_socket_file *file,
                                 struct ed_buf *out);

/*
 * Begins to keep a file that another process kept until now, from its text; ""
 * is none. That file need not be there any more.
 *
 * Returns 0, ED_ENOMEM, or -EINVAL: no such text.
 */
ED_CHECK int ed_socket_file_take(struct ed_socket_file *file, const char *text);

#endif
