/*
 * keep.h - input of a connection that could not be used at once.
 *
 * What arrives lies in the loop's scratch memory, and is worked on there. Only
 * the rest that has to wait is copied into memory of the connection's own,
 * which grows as needed.
 */
#ifndef EDDY_NET_KEEP_H
#define EDDY_NET_KEEP_H

#include <eddy/api.h>

struct ed_keep {
    size_t cap;
    char bytes[];
};

/*
 * Has *keep (NULL: nothing is there yet) begin with the `have` bytes at *view,
 * which may lie in it, and `len` more behind them; *view points to them
 * afterwards. The caller frees it. 0; or ED_ENOMEM, and nothing has changed.
 */
ED_CHECK int ed_keep(struct ed_keep **keep, char **view, size_t have,
                     const char *more, size_t len);

#endif
