/*
 * held.c - counting what the process holds.
 *
 * glibc counts blocks in a thread's cache as allocated, so the program is run
 * without that cache. AddressSanitizer knows what is allocated by itself.
 */
#include "held.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
/* gcc does not install the header that declares it. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

void held_begin(char **argv)
{
#ifndef __SANITIZE_ADDRESS__
    if (getenv("GLIBC_TUNABLES"))
        return;
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
    execv("/proc/self/exe", argv);
#endif
    (void)argv;
}

bool held_counts(void)
{
#ifdef __SANITIZE_THREAD__
    return false;
#else
    return true;
#endif
}

size_t held_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

int held_entries(const char *directory)
{
    DIR *dir = opendir(directory);
    int count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

int held_descriptors(void)
{
    return held_entries("/proc/self/fd");
}

/* PF_EXITING of Linux. Who has been joined is listed a little longer. */
#define EXITING 0x4

static bool goes_on(const char *task)
{
    char path[300], line[512] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const char *read = fgets(line, sizeof(line), file);
    fclose(file);
    /* ") S 1 2 3 4 5 FLAGS" */
    char *at = read ? strrchr(line, ')') : NULL;
    if (!at || strlen(at) < 4)
        return false;
    at += 3;
    for (int i = 0; i < 5; i++)
        (void)strtol(at, &at, 10);
    return !(strtoul(at, NULL, 10) & EXITING);
}

int held_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int count = 0;

    while (dir && (entry = readdir(dir)))
        count += *entry->d_name != '.' && goes_on(entry->d_name);
    if (dir)
        closedir(dir);
    return count;
}

bool held_children(void)
{
    return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}
