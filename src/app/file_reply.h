/*
 * file_reply.h - an open file as the reply to a request.
 */
#ifndef EDDY_APP_FILE_REPLY_H
#define EDDY_APP_FILE_REPLY_H

#include "app/open_files.h"

#include <eddy/static.h>

/* How files are replied with; all of it borrowed. */
struct ed_file_manner {
    const char *content_type; /* NULL: by the name */
    const struct ed_file_type *types;
    const char *cache_control; /* "" or NULL: none */
    const char *download;
    int64_t believe;
    bool precompressed; /* look for compressed copies beside it */
};

/*
 * Replies with a file, of which `name` is the name below `root`. Suspends.
 * 0 or an error, as ed_reply_file().
 */
ED_CHECK int ed_file_reply(ed_req *req, const struct ed_file_root *root,
                           struct ed_bytes name, struct ed_open_file *file,
                           const struct ed_file_manner *manner);

#endif
