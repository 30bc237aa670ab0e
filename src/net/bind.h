/*
 * bind.h - sockets that listen, opened without a loop.
 *
 * For who opens them and leaves accepting to others, as the master of several
 * processes does; ed_listen() stands on it. Nothing here suspends.
 */
#ifndef EDDY_NET_BIND_H
#define EDDY_NET_BIND_H

#include <eddy/addr.h>
#include <eddy/stream.h>
#include "net/socket_file.h"

struct ed_bound {
    int fd; /* non-blocking and close-on-exec */
    struct ed_socket_file file;
    char why[256]; /* after an error: what failed, in words, with the address */
};

/*
 * Opens a socket that listens, at an address as ed_listen() takes it. Of "fd:N"
 * the options are ignored, the file is nobody's, and descriptor N is `out->fd`
 * itself, no copy.
 *
 * Returns 0, ED_EADDR, ED_ENOMEM or -errno (of fd:N: -EBADF, or -EINVAL where
 * it is not a stream socket that listens), with `why`.
 */
ED_CHECK int ed_listen_fd(struct ed_bound *out, const char *address,
                          const struct ed_listen_options *options);

/* Closes the socket and removes the file if it is this process's to remove. */
void ed_bound_close(struct ed_bound *bound);

/*
 * Makes a descriptor that was inherited ready to be used: non-blocking and
 * close-on-exec. 0, or -errno; -EINVAL: it is not a stream socket that
 * listens.
 */
ED_CHECK int ed_listening_check(int fd);

#endif
