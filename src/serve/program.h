/*
 * program.h - what a program that serves an app is made of: which of its
 * processes this is, and what that has to do.
 */
#ifndef EDDY_SERVE_PROGRAM_H
#define EDDY_SERVE_PROGRAM_H

#include <eddy/app.h>
#include "serve/settings.h"

struct ed_serve_program {
    struct ed_settings_from from;
    int argc;
    char **argv;
    /* Makes the app, in a worker that has the rights it keeps. NULL with the
     * reason in the log; the caller owns it. */
    ed_app *(*make)(const struct ed_settings *settings, void *arg);
    void *arg;
    /* In the process that reads the command line, behind that: an exit status,
     * or ED_SETTINGS_GO_ON. NULL: nothing to do. */
    int (*begin)(const struct ed_settings *settings, void *arg);
};

/* What a program or module is called: its path without the directories. */
const char *ed_program_name(const char *path);

/* Runs it: as the master with all that belongs to it, as a process that a
 * master has started, or all in one. Returns the exit status. */
ED_CHECK int ed_serve_program(const struct ed_serve_program *program);

#endif
