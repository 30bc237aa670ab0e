/*
 * process.h - other programs, started, fed, listened to, and ended.
 *
 *     struct ed_output out;
 *     int err = ed_command(&out, ED_ARGV("git", "rev-parse", "HEAD"));
 *     if (err)
 *         return err;                  // ed_error(): "git: exit status 128:
 *     use(out.out);                    //  fatal: not a git repository"
 *
 * A process belongs to a scope as a fiber does: leaving the scope ends it and
 * takes it off the system's table. No program gets a descriptor it was not
 * given, and none inherits a blocked or ignored signal.
 *
 * A program that sets SIGCHLD to SIG_IGN never learns how its children ended;
 * they then count as exited with 0. A loop's virtual clock stands still while
 * a process runs.
 */
#ifndef EDDY_PROCESS_H
#define EDDY_PROCESS_H

#include <eddy/api.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>

ED_BEGIN_DECLS

/* An argument vector, and one for a line of shell. */
#ifdef __cplusplus
ED_BEGIN_CXX_DECLS
template <class... T> struct ed_argv_ {
    const char *all[sizeof...(T) + 1];
    operator const char * const *() const
    {
        return all;
    }
};
template <class... T> static inline ed_argv_<T...> ed_argv_of_(T... words)
{
    return ed_argv_<T...>{{words..., NULL}};
}
ED_END_CXX_DECLS
#define ED_ARGV(...) ed_argv_of_(__VA_ARGS__)
#else
#define ED_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif
#define ED_SHELL(text) ED_ARGV("/bin/sh", "-c", (text))

enum ed_stdio_kind {
    ED_STDIO_INHERIT, /* what this process has there */
    ED_STDIO_NULL,    /* /dev/null */
    ED_STDIO_PIPE,    /* a pipe whose other end this process gets */
    ED_STDIO_FD,      /* a descriptor of the caller's, who keeps it */
    ED_STDIO_READ,    /* a file, read */
    ED_STDIO_WRITE,   /* a file, created or emptied, mode 0666 less umask */
    ED_STDIO_APPEND,  /* a file, created or added to */
    ED_STDIO_MERGE,   /* error output only: where standard output goes */
};

struct ed_stdio {
    enum ed_stdio_kind kind;
    int fd;           /* ED_STDIO_FD */
    const char *path; /* the three kinds of file */
};

#define ED_TO_NULL            \
    {                         \
        .kind = ED_STDIO_NULL \
    }
#define ED_TO_PIPE            \
    {                         \
        .kind = ED_STDIO_PIPE \
    }
#define ED_TO_STDOUT           \
    {                          \
        .kind = ED_STDIO_MERGE \
    }
#define ED_TO_FD(n)                    \
    {                                  \
        .kind = ED_STDIO_FD, .fd = (n) \
    }
#define ED_FROM_FILE(p)                    \
    {                                      \
        .kind = ED_STDIO_READ, .path = (p) \
    }
#define ED_TO_FILE(p)                       \
    {                                       \
        .kind = ED_STDIO_WRITE, .path = (p) \
    }
#define ED_APPEND_FILE(p)                    \
    {                                        \
        .kind = ED_STDIO_APPEND, .path = (p) \
    }

/* How long a process that is asked to end may take before it is killed. */
#define ED_PROCESS_GRACE (2 * ED_S)

struct ed_process_options {
    size_t size;
    struct ed_stdio in, out, err; /* left out: inherited */
    /* "NAME=value" texts up to a NULL; NULL: this process's environment. The
     * program itself is looked up in this process's PATH. */
    const char *const *env;
    const char *dir; /* working directory; NULL: this process's */
    /* A process group of its own: signals then reach what it has started,
     * too, and those of the terminal (Ctrl-C) do not reach it. */
    bool group;
    /* Sent to it when the thread that started it ends, even by SIGKILL; 0:
     * none. */
    int death_signal;
    /* At the end of its scope: time between SIGTERM and SIGKILL; 0 is
     * ED_PROCESS_GRACE, negative kills at once. */
    int64_t grace;
};

/*
 * A process. Declared by the caller, before the scope it is started in, and
 * used again only when that scope has ended or the process was waited for.
 */
struct ed_process {
    pid_t pid;
    /* Our ends of pipes, non-blocking, or -1. The caller's to close, or to
     * make streams of. */
    int in, out, err;
    /* Once it has ended: 0 to 255, or -1 when a signal ended it; and that
     * signal, or 0. */
    int exit_code;
    int exit_signal;
    void *private_words[12];
};

/*
 * Starts a program in the scope. argv[0] is a path, or a name looked up in
 * PATH.
 *
 * When the scope is cancelled or left the process is sent SIGTERM, after
 * `grace` SIGKILL, and is waited for. ed_wait() waits for its end. A failed
 * exit is no failure of the scope.
 *
 * Does not suspend; keeps the thread until the program has been loaded (less
 * than a millisecond). Returns 0, or
 *   -ENOENT, -EACCES, ...      the program, the directory or a file; ed_error()
 *                              says which
 *   -EMFILE, -EAGAIN, ...      no descriptors or processes left
 *   ED_ENOMEM                  no memory for the fiber that watches it
 *   ED_EUSAGE                  argv is empty
 *   ED_ECLOSED, ED_ECANCELED, ED_ETIMEOUT   as for ed_go()
 */
#define ed_process_start(process, scope, argv, ...)                          \
    ed_process_start_at_((process), (scope), (argv),                         \
                         ED_OPTIONS(struct ed_process_options, __VA_ARGS__), \
                         ED_PLACE_)
ED_API ED_CHECK int ed_process_start_at_(
    struct ed_process *process, ed_scope *scope, const char *const *argv,
    const struct ed_process_options *options, const char *place);

/*
 * Waits for the end of the process. Any number of fibers may wait, and it may
 * have ended long ago. Suspends. Returns 0 when it exited with 0, or
 *   ED_EEXIT   another status or a signal; see exit_code and exit_signal
 *   ED_ECANCELED, ED_ETIMEOUT
 */
ED_API ED_CHECK int ed_process_wait(struct ed_process *process);

/* Whether it has not ended yet. */
ED_API bool ed_process_running(const struct ed_process *process);

/* Sends a signal to the process, and to its group if it has one. Does not
 * suspend. 0, -ESRCH when it has ended, or another -errno. */
ED_API int ed_process_signal(struct ed_process *process, int signo);

/*
 * Asks the process to end (SIGTERM), and kills it when `grace` has passed;
 * then as ed_process_wait(). A deadline or cancellation ends the grace early:
 * it is killed, and waited for all the same. Suspends.
 */
ED_API ED_CHECK int ed_process_stop(struct ed_process *process, int64_t grace);

/* Closes the pipes that are not -1 and sets them to -1. */
ED_API void ed_process_close(struct ed_process *process);

/* ---- run, feed, and listen ---- */

struct ed_command_options {
    size_t size;
    struct ed_bytes input; /* left out: its standard input is /dev/null */
    size_t limit;          /* bytes of each output; 0: ED_COMMAND_LIMIT */
    const char *const *env;
    const char *dir;
    bool merge; /* error output into `out`, in order */
    bool group;
    int64_t grace;
};

#define ED_COMMAND_LIMIT (1024 * 1024)

/* What a command has said. Each ends with a NUL that does not count. */
struct ed_output {
    struct ed_bytes out;
    struct ed_bytes err;
    int exit_code; /* as in struct ed_process */
    int exit_signal;
};

/*
 * Runs a program to its end and collects what it says, in the fiber's arena.
 * *output is filled in whenever the program has been started, so that a
 * failure leaves what was said before it.
 *
 * Suspends. Returns 0 when it exited with 0, or
 *   ED_EEXIT    another status or a signal; ed_error() has the command, the
 *               status and the last line of its error output
 *   ED_ELIMIT   it said more than `limit`, and was killed
 *   ED_ENOMEM   the arena is full
 *   ED_ECANCELED, ED_ETIMEOUT   it was ended
 *   what ed_process_start() returns
 */
#define ed_command(output, argv, ...) \
    ed_command_with((output), (argv), \
                    ED_OPTIONS(struct ed_command_options, __VA_ARGS__))
ED_API ED_CHECK int ed_command_with(struct ed_output *output,
                                    const char *const *argv,
                                    const struct ed_command_options *options);

ED_END_DECLS
#endif
