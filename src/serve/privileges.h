/*
 * privileges.h - what a worker gives up before its app is made.
 */
#ifndef EDDY_SERVE_PRIVILEGES_H
#define EDDY_SERVE_PRIVILEGES_H

#include "serve/settings.h"

/*
 * Changes root directory, user, group and umask as the settings say, and gives
 * up all capabilities and the chance to get any by executing a program. With no
 * user set, and for who is not root, only the last two. Before any thread is
 * started. 0, or -errno with the reason in the log; the process must then end.
 */
ED_CHECK int ed_privileges_drop(const struct ed_settings *settings);

#endif
