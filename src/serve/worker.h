/*
 * worker.h - a process that serves: one loop, one server, one app.
 */
#ifndef EDDY_SERVE_WORKER_H
#define EDDY_SERVE_WORKER_H

#include <eddy/app.h>
#include "serve/launch.h"
#include "serve/settings.h"

struct ed_worker_options {
    const char *name; /* of the program */
    const struct ed_settings *settings;
    const struct ed_launch *launch; /* NULL: there is no master */
    /* Makes the app, once the process has the rights it keeps; the worker owns
     * it. NULL: a reason is in the log. */
    ed_app *(*make)(void *arg);
    void *arg;
};

/*
 * Serves until it is told to end: by the master, by a signal, or by the
 * master's end. Returns the exit status.
 *
 * Without a master it opens the listeners itself; SIGTERM and SIGQUIT let
 * requests end, SIGINT or a second signal does not, SIGUSR1 opens log files
 * again, and SIGHUP reads the certificates again.
 */
ED_CHECK int ed_worker_run(const struct ed_worker_options *options);

#endif
