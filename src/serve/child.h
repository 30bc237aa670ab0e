/*
 * child.h - a process of the master's, and the lines it says.
 *
 * Each has a socket to the master on which either side writes lines of text.
 * Reading and writing never wait: who does not read what the master says to it
 * does not hear it.
 */
#ifndef EDDY_SERVE_CHILD_H
#define EDDY_SERVE_CHILD_H

#include <eddy/bytes.h>
#include <signal.h>
#include "serve/launch.h"

/* A line's most: the output of a build is the longest there is. */
#define ED_CHILD_LINE (64 * 1024)

struct ed_child {
    pid_t pid;   /* 0: none */
    int control; /* -1: it has closed it */
    struct ed_buf said;
};

/* What runs in it. */
struct ed_program {
    const char *file; /* to execute, with argv */
    char **argv;
    const char *watched; /* what changes when it is built anew */
    /* Where all began, before `workdir` was gone to: argv may say what only
     * leads somewhere from there. NULL: it is where we are. */
    const char *directory;
    /* Instead of that, run() in a fork of the master; returns the exit
     * status. With an explanation there may be no file to execute. */
    bool preload;
    int (*run)(const struct ed_launch *launch, void *arg);
    void *arg;
};

/* What a fork that executes nothing does first: nobody closes for it what is
 * the master's alone. */
struct ed_forked {
    void (*close)(void *arg);
    void *arg;
};

/*
 * Starts a process as `launch` says, with a control socket of its own. It gets
 * the signal mask `mask` and default dispositions. 0, or -errno, with nothing
 * left behind; a file that cannot be executed ends the process with
 * ED_CHILD_NOT_FOUND.
 */
ED_CHECK int ed_child_start(struct ed_child *child,
                            const struct ed_program *program,
                            const struct ed_launch *launch,
                            const struct ed_forked *forked,
                            const sigset_t *mask);

enum { ED_CHILD_NOT_FOUND = 127 };

/* Says a line (no line end in it). */
ED_PRINTF(2, 3)
void ed_child_say(const struct ed_child *child, const char *fmt, ...);

/* Takes in what it has said. False: it has closed its end. */
bool ed_child_hear(struct ed_child *child);

/* The next whole line, without its end, changed into a C string; valid until
 * the next call. NULL: none. */
char *ed_child_line(struct ed_child *child, size_t *used);
void ed_child_lines_done(struct ed_child *child, size_t used);

/* Closes what there is of it here. */
void ed_child_forget(struct ed_child *child);

#endif
