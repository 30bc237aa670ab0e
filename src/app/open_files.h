/*
 * open_files.h - files kept open for a while, by their names.
 *
 * Opening, looking at and closing a file costs several times what reading a
 * small one does. So a loop keeps some open, and only looks whether the name
 * still leads to the same file, unchanged; or, for as long as it was told to
 * believe, does not.
 */
#ifndef EDDY_APP_OPEN_FILES_H
#define EDDY_APP_OPEN_FILES_H

#include "base/list.h"

#include <eddy/bytes.h>
#include <eddy/clock.h>

/* Where names begin. */
struct ed_file_root {
    int fd;          /* of a directory, below which files are; -1: anywhere */
    uint32_t serial; /* no two have the same; 0 is "anywhere" */
    bool no_links;
    bool unkept; /* what is opened there is closed with its last user */
};

/* What makes a file this file with this content, as far as can be told. */
struct ed_file_identity {
    uint64_t device, inode;
    int64_t size;
    int64_t modified_ns, changed_ns;
};

/* Hexadecimal digits of a digest that stand for a content: 64 bits. */
#define ED_FILE_VERSION 16

struct ed_open_file {
    struct ed_list link; /* by when it was last used */
    unsigned users;
    bool kept; /* found by its name; otherwise it goes with its last user */
    int fd;    /* -1: closed, to be opened when it is asked for again */
    int64_t looked; /* ed_now() when the name led to it */
    int64_t used;
    int64_t warm_until; /* all of it was in memory a moment ago */
    struct ed_file_identity identity;
    char tag[64]; /* entity tag */
    uint8_t tag_len;
    char modified[ED_HTTP_DATE_LEN + 1];
    char version[ED_FILE_VERSION + 1]; /* "": not known yet */
    size_t key_len;
    char key[]; /* serial and name */
};

/*
 * The file that a name leads to, to be given back. `believe` is for how long a
 * look is good. May suspend. 0, or -EISDIR for a directory, ED_ENOTFOUND,
 * ED_EFORBIDDEN (with ed_error()), ED_ENOMEM, ED_ECANCELED, -EMFILE, ...
 */
ED_CHECK int ed_open_file_get(const struct ed_file_root *root,
                              struct ed_bytes name, int64_t believe,
                              struct ed_open_file **out);
void ed_open_file_put(struct ed_open_file *file); /* NULL is fine */

/* For `cleanup`. */
static inline void ed_open_file_put_(struct ed_open_file **file)
{
    ed_open_file_put(*file);
}
#define ED_OPEN_FILE_AUTO __attribute__((cleanup(ed_open_file_put_)))

/* Finds out the version of its content, unless that is known. May suspend. 0,
 * -EAGAIN when it was changed meanwhile, or another error. */
ED_CHECK int ed_open_file_version(struct ed_open_file *file);

/* Closes all that are not in use; of the running loop. */
void ed_open_files_close(void);

/* What an error of opening is to a client: ED_ENOTFOUND or ED_EFORBIDDEN,
 * explained, or the error itself. */
int ed_open_error(int err, struct ed_bytes name);

#endif
