/*
 * tree.h - removing directories that tests have made.
 */
#ifndef EDDY_TESTS_TREE_H
#define EDDY_TESTS_TREE_H

/* Removes a directory and all below, following no link: 0, or -1 with errno. */
int tree_remove(const char *directory);

#endif
