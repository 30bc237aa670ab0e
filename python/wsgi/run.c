/*
 * run.c - the application answers a request (PEP 3333).
 *
 * Whatever it does, its iterable is closed, and there is an end of the reply:
 * a whole one, or one that failed, whose exception is in the log under the
 * request's id. A process that it has forked, and that comes back here, ends.
 */
#include "host.h"

#include <eddy/log.h>
#include <stdlib.h>

/* ---- the iterable ---- */

static bool is_sequence(PyObject *result)
{
    return PyList_CheckExact(result) || PyTuple_CheckExact(result);
}

/* Those of a sequence are known beforehand, which saves a message to the
 * loop. */
static int send_sequence(struct wsgi_job *job, const wsgi_start *start,
                         PyObject *result)
{
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(result); i++) {
        Py_ssize_t left = PySequence_Fast_GET_SIZE(result) - i;
        enum wsgi_more more = left > 1            ? WSGI_MORE
                              : i || start->wrote ? WSGI_LAST
                                                  : WSGI_ONLY;
        PyObject *chunk = PySequence_Fast_GET_ITEM(result, i);
        Py_INCREF(chunk);
        int err = wsgi_reply_piece(job, chunk, more);
        Py_DECREF(chunk);
        if (err)
            return -1;
        if (wsgi_reply_full(job))
            break;
    }
    return 0;
}

static bool has_one(PyObject *result)
{
    PySequenceMethods *s = Py_TYPE(result)->tp_as_sequence;

    if (!s || !s->sq_length)
        return false;
    Py_ssize_t len = PyObject_Size(result);
    if (len < 0)
        PyErr_Clear();
    return len == 1;
}

static int send_iterable(struct wsgi_job *job, const wsgi_start *start,
                         PyObject *result)
{
    bool one = has_one(result);
    PyObject *iterator = PyObject_GetIter(result);
    PyObject *chunk;
    int err = iterator ? 0 : -1;

    while (!err && !wsgi_reply_full(job) && (chunk = PyIter_Next(iterator))) {
        err = wsgi_reply_piece(job, chunk,
                               one && !start->wrote ? WSGI_ONLY : WSGI_MORE);
        Py_DECREF(chunk);
        if (one)
            break;
    }
    if (PyErr_Occurred())
        err = -1;
    Py_XDECREF(iterator);
    return err;
}

static int send_body(struct wsgi_job *job, const wsgi_start *start,
                     PyObject *result)
{
    int64_t offset, len;
    int fd;

    if (is_sequence(result))
        return send_sequence(job, start, result);
    if (Py_TYPE(result) == &wsgi_file_type && !start->wrote &&
        wsgi_file_take(result, &fd, &offset, &len))
        return wsgi_reply_file(job, fd, offset, len);
    return send_iterable(job, start, result);
}

static int send_result(struct wsgi_job *job, const wsgi_start *start,
                       PyObject *result)
{
    if (send_body(job, start, result))
        return -1;
    if (!job->status) {
        PyErr_SetString(PyExc_AssertionError,
                        "start_response() was not called");
        return -1;
    }
    wsgi_reply_end(job);
    return 0;
}

/* ---- the end ---- */

static bool client_left(struct wsgi_job *job)
{
    pthread_mutex_lock(&job->lock);
    bool gone = job->gone;
    pthread_mutex_unlock(&job->lock);
    return gone && PyErr_ExceptionMatches(PyExc_ConnectionError);
}

static void fail(struct wsgi_job *job)
{
    char what[200];

    if (client_left(job)) {
        PyErr_Clear();
    } else {
        snprintf(what, sizeof what, "%.16s %.120s: the application failed",
                 job->method, job->path);
        wsgi_log_exception(what);
    }
    wsgi_reply_fail(job);
}

static void close_result(PyObject *result)
{
    static PyObject *name;
    PyObject *method, *returned;

    if (is_sequence(result))
        return;
    if (!name && !(name = PyUnicode_InternFromString("close"))) {
        PyErr_Clear();
        return;
    }
    method = PyObject_GetAttr(result, name);
    if (!method && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    returned = method ? PyObject_CallNoArgs(method) : NULL;
    if (!returned)
        wsgi_log_exception("close() of a reply failed");
    Py_XDECREF(returned);
    Py_XDECREF(method);
}

/* ---- a process that the application has forked ---- */

/* What sys.exit() was given, as Python's own end takes it. -1: there is more to
 * be told than a number. */
static int exit_code(void)
{
    PyObject *type, *value, *trace;
    int code = -1;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *given = value ? PyObject_GetAttrString(value, "code") : NULL;
    if (given == Py_None)
        code = EXIT_SUCCESS;
    else if (given && PyLong_Check(given))
        code = (int)PyLong_AsLong(given) & 0xff;
    Py_XDECREF(given);
    PyErr_Clear();
    PyErr_Restore(type, value, trace);
    return code;
}

/* Of those that all of the worker's processes have, nothing may be touched. */
static _Noreturn void end_fork(void)
{
    int code = -1;

    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_SystemExit))
        code = exit_code();
    if (code < 0)
        wsgi_log_exception("a process that the application has forked ends");
    _exit(code < 0 ? EXIT_FAILURE : code);
}

/* ---- all of it ---- */

void wsgi_run(struct wsgi_thread *thread, struct wsgi_job *job)
{
    PyObject *environ = wsgi_environ_new(job->host, job);
    PyObject *start = environ ? wsgi_start_new(job) : NULL;
    PyObject *args[] = {environ, start};
    PyObject *result =
        start ? PyObject_Vectorcall(job->host->application, args, 2, NULL)
              : NULL;

    bool whole = result && !send_result(job, (wsgi_start *)start, result);
    if (wsgi_pool_forked())
        end_fork();
    if (!whole)
        fail(job);
    if (result)
        close_result(result);
    Py_XDECREF(result);
    if (start)
        ((wsgi_start *)start)->job = NULL; /* the application may keep it */
    Py_XDECREF(start);
    Py_XDECREF(environ);
    wsgi_errors_flush(thread);
}
