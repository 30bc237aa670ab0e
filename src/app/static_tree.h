/*
 * static_tree.h - a directory that an app serves, for the files that do.
 */
#ifndef EDDY_APP_STATIC_TREE_H
#define EDDY_APP_STATIC_TREE_H

#include "app/app_internal.h"
#include "app/file_reply.h"

struct ed_tree {
    struct ed_tree *next;   /* of the same app, in the order they were added */
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
bool ed_tree_may_serve(const struct ed_tree *m, struct ed_bytes path);

/* ---- static_list.c ---- */

/* Replies with a page of what is in a directory, "" being the root. Suspends.
 */
ED_CHECK int ed_tree_list(ed_req *req, const struct ed_tree *m,
                          struct ed_bytes path);

#endif
