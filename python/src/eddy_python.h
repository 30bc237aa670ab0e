/*
 * eddy_python.h - what the files of the module `eddy._eddy` share.
 *
 * The module is written to the limited API of CPython 3.9: one binary serves
 * every later version. It holds what is done once a call, or without the
 * interpreter's lock; all else is said in Python.
 *
 * Threads: a function that takes or returns a PyObject is called with the
 * interpreter's lock. The loop's thread never takes it, so that Python code
 * that computes cannot hold up the network, nor the other way round.
 *
 * Functions that return int give 0, or -1 with an exception, where nothing else
 * is said; those that return an object give a new reference, or NULL with one.
 */
#ifndef EDDY_PYTHON_H
#define EDDY_PYTHON_H

#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <eddy/eddy.h>
#include <eddy/offload.h>
#include <stdatomic.h>

/* What Python gives the module at import, to be called by name later. */
struct hooks {
    PyObject *eventual;  /* class EventualResult, of _eddy.Eventual */
    PyObject *response;  /* class Response */
    PyObject *rows;      /* class Rows */
    PyObject *failure;   /* makes the exception of a failure */
    PyObject *unclaimed; /* logs a failure that nobody collected */
    PyObject *convert;   /* makes a value of PostgreSQL's type and text */
    PyObject *timeout;   /* class TimeoutError */
    PyObject *waited;    /* class WaitTimeout */
};
extern struct hooks hooks;

/* ---- handles ---- */

struct job;

/* The Python value of a ticket that has succeeded. `value` is the ticket's. */
typedef PyObject *value_fn(ed_ticket *ticket, void *value, struct job *job);

/* A new handle. It takes over `ticket` and `job` (or NULL), even in failure;
 * `about`, a URL or None, is for people. */
PyObject *eventual_new(ed_ticket *ticket, value_fn *make, struct job *job,
                       PyObject *about);
int eventual_init(PyObject *module);

/* How many forks lie before this process, as far as Python knows. */
extern unsigned generation;

PyObject *py_gather(PyObject *module, PyObject *args, PyObject *names);
PyObject *py_wait_done(PyObject *module, PyObject *args);

/* Makes the exception of an error; the second sets it, and returns NULL. */
PyObject *exception_of(int err, const char *text, PyObject *about,
                       const struct job *job);
PyObject *fail_with(int err, const char *text);

/*
 * Has the failure of a ticket logged whose handle is gone, when it comes. It
 * takes over the ticket, the job and `about`.
 */
void unclaimed_watch(ed_ticket *ticket, struct job *job, PyObject *about);
/* Logs those that have come, on this thread. */
void unclaimed_flush(void);
/* The same, and asks the interpreter for nothing any more. */
PyObject *py_unclaimed_close(PyObject *module, PyObject *none);
void unclaimed_forget(void); /* in a forked child */

/* ---- jobs ---- */

/*
 * What a database's call is made of: it lies in an arena of its own, which
 * holds all that it was given, copied. The ticket and the handle share it.
 */
struct job {
    ed_arena *arena;
    atomic_int refs;
    ed_ticket *pool; /* whom it is for, kept until it is over */
    /* PostgreSQL's words about a failure, in the ticket's arena; or NULL. */
    const struct ed_pg_error *sql;
};

/* A job of `size` bytes, cleared, whose first member is struct job. */
void *job_new(size_t size);
void job_unref(void *job);

/* Hands a job over, which is the handle's from then on, even in failure. */
PyObject *job_start(struct job *job, ed_offload_fn *run, const char *name,
                    value_fn *value, PyObject *about);

/*
 * A pool, client or the like that lives on the loop. It is made by `make` when
 * it is first needed, and anew after a fork or a stop.
 */
struct home {
    ed_ticket *ticket;
    struct job *plan;    /* what it is made of, given to `make`; a reference */
    ed_offload_fn *make; /* its value is not NULL */
    void (*close)(void *value);
    const char *name;
    bool keeps; /* what another one made of the plan would not have */
};
/* A reference to a ticket of it that can be used; NULL without memory. */
ed_ticket *home_of(struct home *home);
/* What is made of the plan closes when nobody uses it any more; close() is for
 * good. */
void home_leave(struct home *home);
void home_close(struct home *home);
/* In a fiber: the value of such a ticket, or the error that it could not be
 * made with. Suspends. */
ED_CHECK int home_value(ed_ticket *ticket, void **value);

/* ---- texts, bytes and times ---- */

/* A copy in the arena. Absent and None are NULL; what holds a NUL is refused.
 * str is written as UTF-8. */
int text_of(ed_arena *arena, PyObject *object, const char *what,
            const char **out);
/* The same, of any bytes: str, bytes, bytearray, memoryview. */
int bytes_of(ed_arena *arena, PyObject *object, const char *what,
             struct ed_bytes *out);
/* Seconds, any number, as nanoseconds, at least 1, and few enough for the time
 * to be added to them; None is `none`. */
int seconds_of(PyObject *object, const char *what, int64_t none, int64_t *out);
/* A whole number within these; absent and None leave *out as it is. */
int number_of(PyObject *object, const char *what, long long least,
              long long most, long long *out);
PyObject *text_from(struct ed_bytes bytes);

/* Whether its memory is that of our class. Not isinstance(), which asks the
 * object: a mock of the class says yes. */
bool object_is(PyObject *object, PyObject *type);
/* An object of a class, cleared; and the memory of one, given back. */
PyObject *object_new(PyObject *type);
void object_free(PyObject *object);
/* The tp_new of classes that only we make objects of: TypeError. */
PyObject *object_refuse(PyTypeObject *type, PyObject *args, PyObject *names);

/* ---- the other files ---- */

/* A reference to the ticket of a client that can be used; *out is NULL for
 * None, the loop's own client. */
int client_of(PyObject *object, ed_ticket **out);
int client_init(PyObject *module);

PyObject *response_of(ed_ticket *ticket, void *value, struct job *job);
PyObject *streamed_response_of(ed_ticket *ticket, void *value, struct job *job);
int response_init(PyObject *module);

PyObject *py_fetch(PyObject *module, PyObject *args, PyObject *names);

int mailbox_init(PyObject *module);
int mailbox_watch(PyObject *mailbox, ed_ticket *ticket, uint64_t number);
int pg_init(PyObject *module);
int redis_init(PyObject *module);

#endif
