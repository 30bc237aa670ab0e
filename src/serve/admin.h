/*
 * admin.h - the process by which a server is looked into and told what to do.
 *
 * It runs no code of the app's. It reads the board, asks workers by their
 * inspect sockets and the master by a line of text, and answers by the API that
 * docs/admin.md describes: on the socket of eddy ctl, whose mode (0600) is the
 * lock on that door, to everything; on the admin addresses to whoever may
 * connect, as long as he only looks. To change things there takes the token of
 * the settings.
 */
#ifndef EDDY_SERVE_ADMIN_H
#define EDDY_SERVE_ADMIN_H

#include "serve/launch.h"
#include "serve/settings.h"

struct ed_admin_options {
    const char *name; /* of what is served */
    const struct ed_settings *settings;
    /* Board, line to the master, listeners (the first ctl_count of them are
     * those of eddy ctl) and the directory of the inspect sockets. */
    const struct ed_launch *launch;
};

/*
 * Runs until the master is gone (its end of the line closes), or SIGTERM.
 * Returns the exit status: 0, or 1 with the reason in the log.
 */
ED_CHECK int ed_admin_run(const struct ed_admin_options *options);

#endif
