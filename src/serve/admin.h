/*
 * admin.h - the process by which a server is looked into and told what to do.
 */
#ifndef EDDY_SERVE_ADMIN_H
#define EDDY_SERVE_ADMIN_H

#include "serve/launch.h"
#include "serve/settings.h"

struct ed_admin_options {
    const char *name;
    const struct ed_settings *settings;
    const struct ed_launch *launch;
};

/* Runs until the master ends or says so. Returns the exit status. */
ED_CHECK int ed_admin_run(const struct ed_admin_options *options);

#endif
