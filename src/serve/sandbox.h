/*
 * sandbox.h - what is left of the system to a worker in a sandbox (--sandbox).
 *
 * A server computes, talks over sockets, reads files and writes a few. The
 * kernel is told so, and refuses the rest to whoever gets the worker to do what
 * it should not.
 */
#ifndef EDDY_SERVE_SANDBOX_H
#define EDDY_SERVE_SANDBOX_H

#include "serve/settings.h"

/*
 * When the settings ask for it, for this process and all its threads to come:
 *
 * - System calls that no server needs fail (seccomp): EPERM for those that are
 *   known and forbidden, such as execve(), fork(), ptrace(), mount(); ENOSYS
 *   for any that is not in the table, as on a kernel that has not got it, since
 *   libraries know what to do then. None kills: a library that only tries
 *   would be an outage.
 * - Files can be written to, made and removed only below `sandbox_write`,
 *   where logs are, and where systemd says (STATE_DIRECTORY and the like); and
 *   with `sandbox_read`, read only below that, below what belongs to the
 *   system, and where the program is (Landlock). Files that are open stay so.
 *   Other processes get no signals.
 *
 * Subprocesses (eddy/process.h) cannot be started any more.
 *
 * Before any thread is started, and after ed_privileges_drop(), which makes it
 * possible. What an older kernel cannot do of the second is told in the log and
 * done without.
 *
 * Returns 0, or a negative error with the reason in the log; the process must
 * then end: a path of the settings that is not there, a kernel without seccomp.
 */
ED_CHECK int ed_sandbox_enter(const struct ed_settings *settings);

/*
 * As ed_sandbox_enter(), for the admin process: it reads nothing but what
 * belongs to the system and the token of the settings, and writes to the log
 * alone.
 */
ED_CHECK int ed_sandbox_enter_admin(const struct ed_settings *settings);

/* ---- its parts, for the files that make it up ---- */

/* The first: system calls. 0 or -errno. */
ED_CHECK int ed_sandbox_calls(void);

/* The second: files and signals. 0 or -errno, with the reason in the log. */
ED_CHECK int ed_sandbox_files(const struct ed_settings *settings);
ED_CHECK int ed_sandbox_files_admin(const struct ed_settings *settings);

#endif
