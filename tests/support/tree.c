/*
 * tree.c - see tree.h.
 */
#include "tree.h"

#include <ftw.h>
#include <stdio.h>

enum { DESCRIPTORS = 8 }; /* that may be open meanwhile */

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

int tree_remove(const char *directory)
{
    return nftw(directory, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}
