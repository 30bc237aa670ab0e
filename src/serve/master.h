/*
 * master.h - the process that serves nothing, and keeps those alive that do.
 *
 * It has no loop, no fibers and no threads: it waits for signals, for what its
 * children say, and for time to pass. Listening sockets are open before the
 * first worker starts and stay open until the last has gone.
 */
#ifndef EDDY_SERVE_MASTER_H
#define EDDY_SERVE_MASTER_H

#include "serve/child.h"
#include "serve/settings.h"

struct ed_master_options {
    const char *name; /* of the program, in the log and in files */
    struct ed_settings *settings;
    /* What runs as workers and as the admin process. */
    struct ed_program program;
};

/* Serves until it is told to end. Returns the exit status. */
ED_CHECK int ed_master_run(const struct ed_master_options *options);

#endif
