/*
 * activation.h - listening sockets that the service manager has opened and
 * hands over: the protocol of sd_listen_fds(3), without its library.
 */
#ifndef EDDY_NET_ACTIVATION_H
#define EDDY_NET_ACTIVATION_H

#include <eddy/api.h>

/* A unit has rarely more than a handful. */
#define ED_ACTIVATION_MAX 64

struct ed_activation {
    int count; /* 0: this process was not started by sockets */
    struct {
        int fd;         /* non-blocking and close-on-exec */
        char name[256]; /* FileDescriptorName=; "unknown" for one without */
    } sockets[ED_ACTIVATION_MAX];
    char why[256]; /* after an error, in words */
};

/*
 * Takes over what LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES announce to this
 * process, and removes them from the environment whatever comes of it, so that
 * no child takes them for its own; call it before any thread is started.
 *
 * Returns 0, or -errno with `why`: -EINVAL for variables that contradict the
 * protocol and for a descriptor that is no stream socket that listens (a unit
 * with Accept=yes, a datagram socket), -EBADF for one that is not open,
 * ED_ELIMIT for more than ED_ACTIVATION_MAX.
 */
ED_CHECK int ed_activation_take(struct ed_activation *out);

#endif
