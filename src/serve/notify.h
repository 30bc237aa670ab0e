/*
 * notify.h - telling the service manager how we are (sd_notify(3)), without
 * its library.
 *
 * NOTIFY_SOCKET says where to; without it nothing is sent. Only the master
 * tells: its children do not get the variables.
 */
#ifndef EDDY_SERVE_NOTIFY_H
#define EDDY_SERVE_NOTIFY_H

#include <eddy/api.h>
#include <stdbool.h>
#include <sys/types.h>

/* Sends lines, such as "READY=1". May wait for a short time when the manager
 * is behind, since what is not told is never asked for. */
void ed_notify(const char *text);

/* "RELOADING=1", with the time that goes with it. A "READY=1" has to follow. */
void ed_notify_reloading(void);

/* A line for people, shown by `systemctl status`. */
ED_PRINTF(1, 2) void ed_notify_status(const char *fmt, ...);

/*
 * Tells the watchdog when that is due, at half of its time (WATCHDOG_USEC).
 * Returns when it is due next, as the monotonic clock; 0: never, as nobody
 * watches or another process is watched (WATCHDOG_PID).
 */
int64_t ed_notify_watchdog(int64_t now);

/* This process is the main one from now on, instead of `former`, and is
 * watched instead of it. */
void ed_notify_take_over(pid_t former);

/*
 * This process, which has taken over, is the manager's own child from now on,
 * since its parent has ended. systemd looks for that only when it is told of a
 * main process that is not the one it knows, and does not wait for one that is
 * no child of its: a stop kills all that run. So `other`, a process of the same
 * service, is named for a moment. Returns whether the manager has heard it, or
 * there is none; else it is to be told again.
 */
bool ed_notify_adopted(pid_t other);

/* In a child that is not to tell. */
void ed_notify_forget(void);

#endif
