/*
 * failure.c - errors of the library as exceptions, and those nobody asks for.
 *
 * A handle that goes before its call is over leaves a watch behind. The loop
 * puts it on a list, and asks the main thread by a pending call, which needs no
 * interpreter's lock, to log what failed. A main thread may sleep for ever in
 * its own C code: who makes the next call does it as well.
 */
#include "eddy_python.h"
#include <pthread.h>

/* ---- exceptions ---- */

static int add_text(PyObject *dict, const char *key, const char *text)
{
    if (!text || !*text)
        return 0;
    PyObject *value = text_from(ed_bytes(text));
    int err = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return err;
}

/* What PostgreSQL said besides; None without a word of it. */
static PyObject *details_of(const struct job *job)
{
    const struct ed_pg_error *sql = job ? job->sql : NULL;

    if (!sql)
        Py_RETURN_NONE;
    PyObject *dict = PyDict_New();
    PyObject *position = dict ? PyLong_FromLong(sql->position) : NULL;
    if (!position || add_text(dict, "sqlstate", sql->sqlstate) ||
        add_text(dict, "detail", sql->detail) ||
        add_text(dict, "hint", sql->hint) ||
        add_text(dict, "table", sql->table) ||
        add_text(dict, "column", sql->column) ||
        add_text(dict, "constraint", sql->constraint) ||
        PyDict_SetItemString(dict, "position", position))
        Py_CLEAR(dict);
    Py_XDECREF(position);
    return dict;
}

PyObject *exception_of(int err, const char *text, PyObject *about,
                       const struct job *job)
{
    PyObject *words = text_from(ed_bytes(text));
    PyObject *details = words ? details_of(job) : NULL;
    PyObject *exception = NULL;

    if (details)
        exception =
            PyObject_CallFunction(hooks.failure, "isOOO", err, ed_err_name(err),
                                  words, about, details);
    Py_XDECREF(words);
    Py_XDECREF(details);
    return exception;
}

PyObject *fail_with(int err, const char *text)
{
    PyObject *exception = exception_of(err, text, Py_None, NULL);

    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* ---- failures that nobody collects ---- */

struct unclaimed {
    struct unclaimed *next;
    ed_ticket *ticket; /* NULL: it succeeded */
    struct job *job;
    PyObject *about;
};

unsigned generation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* To be looked at with the interpreter's lock; changed under ours. */
static struct unclaimed *_Atomic come;
static bool asked;  /* the main thread, to do so */
static bool closed; /* there will soon be no interpreter */

/* Nobody can have wanted to hear of the end of the loop, or of its absence. */
static bool is_news(int err)
{
    return err < 0 && err != ED_ESTOPPED && err != ED_EFORKED;
}

static void tell(const struct unclaimed *u)
{
    int err = u->ticket ? ed_ticket_result(u->ticket, NULL) : 0;

    if (!is_news(err))
        return;
    const char *detail = ed_ticket_detail(u->ticket);
    PyObject *exception = exception_of(
        err, detail && *detail ? detail : ed_err_text(err), u->about, u->job);
    PyObject *done =
        exception ? PyObject_CallFunction(hooks.unclaimed, "O", exception)
                  : NULL;
    /* At the very end there may be nothing left to log with. */
    if (!done && closed)
        PyErr_Clear();
    else if (!done)
        PyErr_WriteUnraisable(hooks.unclaimed);
    Py_XDECREF(exception);
    Py_XDECREF(done);
}

static void forget(struct unclaimed *u)
{
    ed_ticket_free(u->ticket);
    job_unref(u->job);
    Py_DECREF(u->about);
    PyMem_Free(u);
}

static int flush(void *arg)
{
    PyObject *type, *value, *traceback;

    (void)arg;
    pthread_mutex_lock(&lock);
    struct unclaimed *u = come;
    come = NULL;
    asked = false;
    pthread_mutex_unlock(&lock);
    PyErr_Fetch(&type, &value, &traceback);
    while (u) {
        struct unclaimed *next = u->next;
        tell(u);
        forget(u);
        u = next;
    }
    PyErr_Restore(type, value, traceback);
    return 0;
}

void unclaimed_flush(void)
{
    if (atomic_load(&come))
        (void)flush(NULL);
}

/* On the loop's thread: no more than to note it. Of those that succeeded an
 * object of Python is left; what came, which may be large, goes at once. */
static void on_done(ed_ticket *ticket, void *arg)
{
    struct unclaimed *u = arg;

    if (ed_ticket_result(ticket, NULL) >= 0) {
        ed_ticket_free(u->ticket);
        job_unref(u->job);
        u->ticket = NULL;
        u->job = NULL;
    }
    pthread_mutex_lock(&lock);
    u->next = come;
    come = u;
    bool ask = !asked && !closed;
    asked = asked || ask;
    pthread_mutex_unlock(&lock);
    /* There may be too many such calls: the next one asks again. */
    if (ask && Py_AddPendingCall(flush, NULL)) {
        pthread_mutex_lock(&lock);
        asked = false;
        pthread_mutex_unlock(&lock);
    }
}

void unclaimed_watch(ed_ticket *ticket, struct job *job, PyObject *about)
{
    struct unclaimed *u = PyMem_Calloc(1, sizeof(*u));
    PyObject *type, *value, *traceback;

    if (!u) {
        ed_ticket_free(ticket); /* the library's log has to do */
        job_unref(job);
        Py_DECREF(about);
        return;
    }
    *u = (struct unclaimed){.ticket = ticket, .job = job, .about = about};
    if (!ed_ticket_done(ticket)) {
        if (ed_ticket_on_done(ticket, on_done, u))
            forget(u);
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    tell(u);
    forget(u);
    PyErr_Restore(type, value, traceback);
}

PyObject *py_unclaimed_close(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    pthread_mutex_lock(&lock);
    closed = true;
    pthread_mutex_unlock(&lock);
    flush(NULL);
    Py_RETURN_NONE;
}

void unclaimed_forget(void)
{
    /* The loop's thread may have held it; what is on the list is left there,
     * as the parent tells of it. */
    pthread_mutex_init(&lock, NULL);
    come = NULL;
    asked = false;
    generation++;
}
