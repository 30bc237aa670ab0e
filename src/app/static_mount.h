/*
 * static_mount.h - a directory that an app serves, for the files that do.
 */
#ifndef EDDY_APP_STATIC_MOUNT_H
#define EDDY_APP_STATIC_MOUNT_H

#include "app/app_internal.h"
#include "app/file_reply.h"

struct ed_mount {
    struct ed_mount *next;  /* of the same app, in the order they were added */
    struct ed_bytes prefix; /* in URLs, still encoded, without a slash behind */
    struct ed_file_root root;
    struct ed_file_manner manner;
    const char *index; /* "": none */
    bool list, well_known, dot_files;
    ed_static_fn *before;
    void *before_arg;
};

/* Whether a path below a directory may be asked for: in canonical form
 * (router.h), without the slash it may end with. Does not look at files. */
bool ed_mount_may_serve(const struct ed_mount *m, struct ed_bytes path);

/* ---- static_list.c ---- */

/* Replies with a page of what is in a directory, "" being the root. Suspends.
 */
ED_CHECK int ed_mount_list(ed_req *req, const struct ed_mount *m,
                           struct ed_bytes path);

#endif
