/*
 * develop.h - serving what is being worked on (--reload): sees that files
 * change, runs the command that builds, and keeps what that or a worker that
 * cannot start has said.
 *
 * A part of the master: waits for nothing. What changes while the command runs
 * makes it run again, but for the files that changed in the run before: those
 * are what it writes.
 */
#ifndef EDDY_SERVE_DEVELOP_H
#define EDDY_SERVE_DEVELOP_H

#include <poll.h>
#include <signal.h>
#include "serve/explain.h"
#include "serve/settings.h"
#include "serve/watch.h"

/* What the master shall do now. */
enum ed_develop_news {
    ED_DEVELOP_NOTHING,
    ED_DEVELOP_RELOAD,  /* there is something new */
    ED_DEVELOP_EXPLAIN, /* why there is not */
};

/* The descriptors it polls. */
enum { ED_DEVELOP_POLLED = 3 };

struct ed_develop;

/*
 * Begins to watch. `file` is watched when the settings name no path and no
 * command; it and they stay as long as this. 0, ED_ENOMEM or -errno, which is
 * told in the log.
 */
ED_CHECK int ed_develop_open(struct ed_develop **develop,
                             const struct ed_settings *settings,
                             const char *file);

/* Ends a command that runs. */
void ed_develop_close(struct ed_develop *d);

/* In a fork: closes what is the master's alone. Explanations stay. */
void ed_develop_leave(struct ed_develop *d);

/* Where workers write what they have to say: it is passed on to standard
 * error, and the last of it is kept. */
int ed_develop_errors(const struct ed_develop *d);

/* Fills in what to poll, and takes in what came of it. */
void ed_develop_gather(const struct ed_develop *d,
                       struct pollfd fds[ED_DEVELOP_POLLED]);
void ed_develop_hear(struct ed_develop *d, const struct pollfd *fds,
                     int64_t now);

/* When ed_develop_tick() is to be called next; INT64_MAX: not before there is
 * news. */
int64_t ed_develop_next(const struct ed_develop *d);

/* Runs the command when it is time, with the signal mask `mask`. */
enum ed_develop_news ed_develop_tick(struct ed_develop *d, const sigset_t *mask,
                                     int64_t now);

/* A child has ended. False: it is none of this. */
bool ed_develop_reaped(struct ed_develop *d, pid_t pid, int status,
                       int64_t now);

/* Other workers are about to start: what the last ones said is forgotten. */
void ed_develop_forget(struct ed_develop *d);

/* Explains that the command has failed, or workers could not start, by what
 * was said last. NULL: no memory. Valid until the next call. */
const struct ed_explanation *ed_develop_explain(struct ed_develop *d);

#endif
