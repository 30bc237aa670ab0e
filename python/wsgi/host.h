/*
 * host.h - the host of a WSGI application: its inside, for the files that make
 * it up.
 *
 * Two sides meet here. On the loop's thread a fiber for each request reads the
 * body, waits, and sends the reply; it never touches Python. On the host's
 * threads the application runs; they never touch the request or the loop. What
 * lies between is the job: all that Python has to know of the request, copied,
 * and the reply as it comes.
 *
 * Of locks the pool's is taken before a job's, and none is held by whoever
 * waits for the interpreter.
 */
#ifndef EDDY_WSGI_HOST_H
#define EDDY_WSGI_HOST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <eddy/app.h>
#include <eddy/loop.h>
#include <eddy/sync.h>
#include <pthread.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <unistd.h>
#include "base/list.h"
#include "serve/guest.h"
#include "serve/settings.h"

/* ---- a body of a request: body.c ---- */

/* In memory, or in a file without a name. */
struct wsgi_body {
    char *bytes; /* NULL: in `fd`, or there is none */
    int fd;      /* -1: none */
    int64_t len;
};

/* Reads the whole of it: to memory if it is small, else to a file. Suspends. 0,
 * ED_EBODYLIMIT, or what reading and writing return. */
ED_CHECK int wsgi_body_read(struct wsgi_body *body, ed_req *req,
                            const struct ed_settings *settings);
void wsgi_body_free(struct wsgi_body *body);

/* A file without a name in `spool-dir`; a descriptor, or a negative error. May
 * block. */
ED_CHECK int wsgi_spool_open(const struct ed_settings *settings);

/* ---- what lies between: job.c ---- */

/* A piece of the body of a reply. Its bytes stand behind it, or are those of a
 * Python object that is kept; or it is a part of a file. */
struct wsgi_piece {
    struct wsgi_piece *next;
    const char *bytes;
    PyObject *kept; /* NULL: nothing */
    int fd;         /* -1: no file; owned, but for one that was spilled */
    bool spilled;
    int64_t offset;
    int64_t len;
};

struct wsgi_field {
    uint32_t name, name_len; /* places in job->text */
    uint32_t value, value_len;
};

enum wsgi_stage {
    WSGI_NEW,     /* not handed over yet, or taken back */
    WSGI_IN_LINE, /* for a thread */
    WSGI_RUNNING,
    WSGI_OVER, /* no thread works on it any more */
};

struct wsgi_job {
    struct wsgi_host *host;
    atomic_int refs;

    /* The request. Set by the loop before it is handed over, then constant. */
    const char *id;
    const char *method, *path, *query, *target, *scheme, *authority, *peer;
    const char *local; /* "" unless `authority` is */
    int version;
    bool no_reply_body; /* HEAD */
    bool vital;         /* goes before others, and is never sent away */
    struct wsgi_body body;
    int64_t came; /* into the line */
    uint32_t field_count;
    struct wsgi_field *fields;
    char *text;

    /* The pool's: guarded by its lock. */
    enum wsgi_stage stage;
    struct wsgi_job *next, *before; /* in the line */
    struct wsgi_thread *thread;     /* that runs it; NULL: none */
    int64_t waited;

    /* The head of the reply: the thread's until `committed`, then the loop's.
     * The reason and the fields, name and value, each with a NUL. */
    int status; /* 0: start_response() was not called */
    char *head;
    size_t head_len, head_room;
    bool has_type;  /* a Content-Type is among the fields */
    int64_t length; /* told by the application, or known; -1: not */
    int64_t given;  /* bytes of the body so far; the thread's */
    int spill_fd;   /* the thread's; -1: none */
    int64_t spilled;
    bool spilling;
    char head_store[1024];

    /* Guarded by `lock`. */
    pthread_mutex_t lock;
    pthread_cond_t room; /* a piece was sent, or the client is gone */
    bool committed;      /* the head cannot be changed any more */
    atomic_bool ended;   /* there are no more pieces; read without, too */
    bool failed;         /* ... and those there are do not make a reply */
    bool gone;           /* nobody will send any more of it */
    bool slow;           /* what follows is put in a file, if it may */
    bool told;           /* a post is on its way to the loop */
    struct wsgi_piece *pieces, **pieces_end;
    int64_t queued; /* what they take, and those being sent */

    /* The loop's. */
    struct ed_post post;
    struct wsgi_job *next_told; /* by the same post */
    ed_event changed;
    bool expired; /* taken out of the line, since it stood there for too long */
};

/* All that is to be known of the request; NULL without memory. */
struct wsgi_job *wsgi_job_new(struct wsgi_host *host, ed_req *req);
void wsgi_job_hold(struct wsgi_job *job);
void wsgi_job_release(struct wsgi_job *job);

/* Wakes the fiber of the request. Any thread. With job->lock held. */
void wsgi_job_tell(struct wsgi_job *job);

/* A piece with room for `len` bytes behind it, or, with `kept`, whose bytes are
 * that object's. NULL without memory. */
struct wsgi_piece *wsgi_piece_new(size_t len);
/* What it takes of `reply-buffer`: many small ones take most by themselves. */
int64_t wsgi_piece_takes(const struct wsgi_piece *piece);
void wsgi_piece_free(struct wsgi_host *host, struct wsgi_piece *piece);

/* ---- what a slow client has not taken yet: spill.c ---- */

/* Writes a piece of memory to the job's file, if it may, and makes it a part of
 * that. With the interpreter, which it gives up meanwhile. */
void wsgi_spill(struct wsgi_job *job, struct wsgi_piece *piece);
void wsgi_spill_end(struct wsgi_job *job);

/* ---- the threads: pool.c, thread.c ---- */

struct wsgi_thread {
    struct wsgi_host *host;
    unsigned number;
    void (*run)(struct wsgi_thread *thread);
    PyThreadState *state;
    unsigned depth; /* of the frames that are not the application's */

    /* Guarded by the pool's lock. */
    struct wsgi_job *job; /* held; NULL: idle */
    int64_t since;
    bool reported; /* that it takes long */

    /* Of its own. */
    bool inside;        /* has the interpreter, as far as the pool knows */
    struct ed_buf line; /* of wsgi.errors, not ended yet */
};

/* Has thread->run() called on a thread of its own, with the interpreter. Takes
 * the interpreter for it. 0, or why there is none. */
ED_CHECK int wsgi_thread_start(struct wsgi_thread *thread);

/* The calling thread's; NULL when it is not of the pool. */
struct wsgi_thread *wsgi_thread_self(void);

struct wsgi_pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct wsgi_job *first, *last; /* the line */
    atomic_uint waiting;           /* jobs in it; changed with the lock */
    unsigned idle;                 /* threads that sleep */
    atomic_bool coming;            /* one was woken, and has not looked yet */
    bool stopping;
    unsigned running;     /* threads that have not ended */
    _Atomic int64_t stay; /* how long Python takes for a request, lately */
    atomic_uint taken;    /* jobs, in all */
    int64_t last_taken;   /* when */

    /* References that are to be dropped by who has the interpreter. */
    PyObject **trash;
    atomic_size_t trash_count; /* changed with the lock */
    size_t trash_room;

    struct ed_deferred wake; /* a thread, at the end of the loop's turn */
    ed_event guarded;        /* there is something that wsgi_guard() minds */
    atomic_bool on_guard;    /* it will look, and tell of what was not told */

    /* Jobs whose fibers are to be woken together. Their lock is taken last. */
    pthread_mutex_t tell_lock;
    ed_loop *loop; /* NULL: nobody is to be told any more */
    struct wsgi_job *told, **told_end;
    unsigned told_count;
};

ED_CHECK int wsgi_pool_start(struct wsgi_host *host);

/* Has the threads end when they have done what they do, and waits for that, at
 * most so long. Suspends. How many still run. */
unsigned wsgi_pool_stop(struct wsgi_host *host, int64_t within);

/* Puts a job at the end of the line, or a vital one at its front, with a
 * reference of its own. 0, ED_EOVERLOAD when the line is full, or ED_ECLOSED.
 */
ED_CHECK int wsgi_pool_add(struct wsgi_host *host, struct wsgi_job *job);

/* Takes it out again; false when a thread has taken it. */
bool wsgi_pool_withdraw(struct wsgi_host *host, struct wsgi_job *job);

/* How long who comes now would have to wait, roughly. */
int64_t wsgi_pool_wait(struct wsgi_host *host);

/* Takes those out who stand there since before `then`, and wakes them. */
void wsgi_pool_expire(struct wsgi_host *host, int64_t then);

/* Has a reference dropped by a thread that may, with the next request or
 * before long. Any thread. */
void wsgi_pool_drop(struct wsgi_host *host, PyObject *object);

/* Drops them now. With the interpreter. */
void wsgi_pool_empty(struct wsgi_host *host);

/* Wakes a thread if there is something that it has to drop. */
void wsgi_pool_clean(struct wsgi_host *host);

/* Whether this process was forked by the application, from the worker: there is
 * neither loop nor client in it. */
bool wsgi_pool_forked(void);

/* ---- signals.c ---- */

/* The signals of the worker come to the loop's thread, which is the caller's,
 * whichever thread they strike. Takes the place of handlers that the
 * application has set for them. */
void wsgi_signals_forward(void);

/* The thread blocks no signals, nor do the programs that it starts. */
void wsgi_signals_here(void);

/* ---- on the loop: relay.c, watch.c; `arg` is the host ---- */

/* Answers a request. Suspends. */
int wsgi_handle(ed_req *req, void *arg);

/* Looks after the line and the threads; a task of the app, as is the next. */
int wsgi_watch(void *arg);

/* pool.c: sees to it that a thread that stops short holds up nobody. */
int wsgi_guard(void *arg);

extern const struct ed_guest wsgi_guest;

/* ---- in Python; all with the interpreter held ---- */

/* run.c: has the application answer. */
void wsgi_run(struct wsgi_thread *thread, struct wsgi_job *job);

/* start_response.c */
typedef struct wsgi_start wsgi_start;
extern PyTypeObject wsgi_start_type;
struct wsgi_start {
    PyObject_HEAD
    vectorcallfunc call;
    struct wsgi_job *job; /* NULL when the request is over */
    bool called;
    bool wrote; /* by write() */
};
PyObject *wsgi_start_new(struct wsgi_job *job);

/* reply.c: 0, or -1 with an exception set. */
enum wsgi_more {
    WSGI_MORE, /* may come */
    WSGI_LAST,
    WSGI_ONLY, /* the first and the last: its length is the reply's */
};
ED_CHECK int wsgi_reply_piece(struct wsgi_job *job, PyObject *chunk,
                              enum wsgi_more more);
ED_CHECK int wsgi_reply_file(struct wsgi_job *job, int fd, int64_t offset,
                             int64_t len);
/* There is no more to come; commits the head if nothing has. */
void wsgi_reply_end(struct wsgi_job *job);
/* What there is makes no reply. */
void wsgi_reply_fail(struct wsgi_job *job);
/* Whether what is left to come would not be sent. */
bool wsgi_reply_full(const struct wsgi_job *job);

/* environ.c */
ED_CHECK int wsgi_environ_init(struct wsgi_host *host);
PyObject *wsgi_environ_new(struct wsgi_host *host, struct wsgi_job *job);

/* input.c: takes the body. */
ED_CHECK int wsgi_input_init(void);
PyObject *wsgi_input_new(struct wsgi_body *body);

/* errors.c */
PyObject *wsgi_errors_new(void);
void wsgi_errors_flush(struct wsgi_thread *thread);
/* Logs the exception that is set, with its traceback, and clears it. */
void wsgi_log_exception(const char *what);

/* file_wrapper.c */
extern PyTypeObject wsgi_file_type;
ED_CHECK int wsgi_file_init(void);
/* Whether it is a wrapper of a file that can be sent as it is: a descriptor,
 * the caller's to close, and what of it. */
bool wsgi_file_take(PyObject *wrapper, int *fd, int64_t *offset, int64_t *len);

/* interpreter.c */
ED_CHECK int wsgi_python_start(const struct ed_settings *settings);
/* The application; NULL with the reason in the log. */
PyObject *wsgi_python_load(const struct ed_settings *settings);
/* Gives up the interpreter, which the thread that started it had. */
void wsgi_python_let_go(bool will_fork);
/* What Python does when it ends: waits for the application's threads, and does
 * what was asked for (atexit). Waits at most so long, and leaves it to itself
 * then. Suspends. 0, ED_ETIMEOUT, or why it was not begun. */
ED_CHECK int wsgi_python_end(int64_t within);

/* trace.c: where a thread is. Not on the loop's thread; may take a second.
 * Prepared once, with the interpreter. */
void wsgi_trace_prepare(void);
typedef void wsgi_frame_fn(void *arg, const char *function, const char *file,
                           int line);
void wsgi_trace(struct wsgi_thread *thread, const struct wsgi_job *job,
                wsgi_frame_fn *fn, void *arg);

/* ---- the host: host.c ---- */

enum { WSGI_THREADS_MAX = 1024 };

struct wsgi_host {
    const struct ed_settings *settings;
    ed_app *app;
    const char *script_name; /* "" or "/shop" */
    struct wsgi_pool pool;
    struct wsgi_thread *threads;
    unsigned thread_count;
    PyObject *application;
    PyObject *environ;    /* what all of them have */
    const char **statics; /* prefixes that are not Python's */
    size_t static_count;
    int shown; /* of those that wait in line, in the worker's counts */
    _Atomic int64_t spilled; /* by all jobs there are */
};

#endif
