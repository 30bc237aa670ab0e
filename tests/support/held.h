/*
 * held.h - what the process holds: for tests that look for what is left.
 */
#ifndef EDDY_TESTS_HELD_H
#define EDDY_TESTS_HELD_H

#include <stdbool.h>
#include <stddef.h>

/* To be called first thing in main(): starts the program again if the
 * allocator has to be made exact for that. */
void held_begin(char **argv);

/* Whether memory can be counted in this build. */
bool held_counts(void);

/* Bytes allocated and not freed; open descriptors; threads; children not
 * reaped, running or dead. */
size_t held_bytes(void);
int held_descriptors(void);
int held_threads(void);
bool held_children(void);

/* The entries of a directory; to be compared, as it counts two too many. */
int held_entries(const char *directory);

#endif
