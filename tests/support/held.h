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

/* Bytes allocated and not freed; open descriptors; children not reaped. */
size_t held_bytes(void);
int held_descriptors(void);
bool held_children(void);

#endif
