/*
 * run_files.h - the files by which a running server is found: its pid file, the
 * socket of eddy ctl, and the directory of the workers' inspect sockets.
 */
#ifndef EDDY_SERVE_RUN_FILES_H
#define EDDY_SERVE_RUN_FILES_H

#include <eddy/api.h>
#include <sys/types.h>

struct ed_run_files {
    char *base;      /* the directory of all; NULL: none could be had */
    char *directory; /* of inspect sockets, 0700 */
    char *ctl;       /* path of the socket of eddy ctl; NULL: none */
    char *pidfile;   /* NULL: none */
};

/*
 * Chooses the places: $RUNTIME_DIRECTORY, /run/eddy for root, $XDG_RUNTIME_DIR,
 * else /tmp/eddy-UID; `ctl` may name a path of its own, or be "none". What dead
 * servers have left there is removed. 0, or an error that is logged.
 */
ED_CHECK int ed_run_files_open(struct ed_run_files *files, const char *name,
                               const char *ctl);

/* Writes the pid file; that of `former`, the master this one takes over from
 * (0: none), is kept as *.old. 0 or an error that is logged, with the file as
 * it was. */
ED_CHECK int ed_run_files_write_pid(struct ed_run_files *files,
                                    const char *path, pid_t former);

/* An upgrade did not come about: the pid file is ours again. */
void ed_run_files_restore_pid(const struct ed_run_files *files);

/* Path of the inspect socket of a slot, allocated; NULL without memory. */
char *ed_run_files_inspect(const struct ed_run_files *files, unsigned slot);

/*
 * Lets another user than this process's connect to the inspect socket of a
 * slot, and his group on its way there; the directory stays ours. 0 or -errno.
 */
ED_CHECK int ed_run_files_let_in(const struct ed_run_files *files,
                                 const char *inspect, uid_t uid, gid_t gid);

/* Removes what was made. The pid file stays if it is not ours any more. */
void ed_run_files_close(struct ed_run_files *files);

#endif
