/*
 * privileges.h - what a worker gives up before its app is made.
 *
 * Root is needed for ports below 1024, for log files and for a change of user,
 * all of which are behind us when a worker begins. Whoever takes it over from
 * then on shall find nothing of that left.
 */
#ifndef EDDY_SERVE_PRIVILEGES_H
#define EDDY_SERVE_PRIVILEGES_H

#include <sys/types.h>
#include "serve/settings.h"

/* Whom the settings make of a process. */
struct ed_identity {
    const char *name; /* of the user; NULL: a number without an entry */
    uid_t uid;
    gid_t gid;
    bool user;  /* one is set */
    bool group; /* one is set, or comes with the user */
};

/* What cannot be: "user", "nobdy", "there is none". */
struct ed_identity_wrong {
    const char *setting;
    const char *value;
    const char *text;
};

/*
 * Looks up `user` and `group`, which are names or numbers. A number need not be
 * known to the system, but then a group has to be set, too. Asking for another
 * user or group, or for chroot, is for root.
 *
 * Returns false when that cannot be, with the reason in *wrong.
 */
bool ed_privileges_look_up(const struct ed_settings *settings,
                           struct ed_identity *who,
                           struct ed_identity_wrong *wrong);

/*
 * Changes umask, root directory, groups and user as the settings say. Who is
 * not root afterwards gives up all capabilities, those that may be inherited
 * or kept included; who stays root keeps them, since the files of others may
 * be what it serves. In every case no program that is executed brings any back
 * (no_new_privs). All of this is then looked at again.
 *
 * Before any thread is started, which would keep what it has.
 *
 * Returns 0, or -errno with the reason in the log, by the name of the setting;
 * the process must then end.
 */
ED_CHECK int ed_privileges_drop(const struct ed_settings *settings);

/* Warns when workers are going to be root: once, in the master. */
void ed_privileges_warn(const struct ed_settings *settings);

#endif
