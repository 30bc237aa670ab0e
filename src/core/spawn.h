/*
 * spawn.h - starting another program.
 */
#ifndef EDDY_CORE_SPAWN_H
#define EDDY_CORE_SPAWN_H

#include <eddy/api.h>

struct ed_spawn {
    const char *const *argv; /* argv[0] is looked up in PATH */
    const char *const *env;  /* NULL: this process's */
    const char *dir;         /* NULL: this process's */
    int fds[3];              /* what becomes descriptor 0, 1 and 2 */
    int death_signal;        /* 0: none */
    bool group;              /* in a process group of its own */
};

/*
 * Starts a program. It gets the three descriptors and no other, an empty
 * signal mask, and default dispositions (an ignored SIGHUP stays ignored, for
 * nohup). Returns 0 with its process id and a close-on-exec pidfd, or -errno
 * of what failed in either process, the child then being reaped.
 *
 * Blocks the thread until the program is executed, some hundred microseconds.
 */
ED_CHECK int ed_spawn(const struct ed_spawn *spawn, pid_t *pid, int *pidfd);

#endif
