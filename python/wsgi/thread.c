/*
 * thread.c - how a thread of the pool begins, for Python and for the system.
 *
 * Python starts it, so that it is one of its own: what views start is no daemon
 * because of it, a process that they fork ends as it should, and whatever is
 * told of each thread (names in logs, coverage) is told of it. Where a library
 * has put something else in the place of threads, as gevent does, the system
 * starts it, and Python is told.
 */
#include "host.h"

#include <stdlib.h>

/* How many frames of Python's own lie below the application's. */
static unsigned depth_here(const PyThreadState *state)
{
    PyFrameObject *f = PyThreadState_GetFrame((PyThreadState *)state);
    unsigned depth = 0;

    while (f) {
        PyFrameObject *outer = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = outer;
        depth++;
    }
    return depth;
}

static void enter(struct wsgi_thread *t)
{
    t->state = PyThreadState_Get();
    t->depth = depth_here(t->state);
    pthread_setname_np(pthread_self(), "python");
    t->run(t);
}

/* ---- by Python ---- */

static PyObject *enter_from_python(PyObject *capsule, PyObject *unused)
{
    struct wsgi_thread *t = PyCapsule_GetPointer(capsule, NULL);

    (void)unused;
    if (!t)
        return NULL;
    enter(t);
    Py_RETURN_NONE;
}

static PyMethodDef enter_method = {"serve", enter_from_python, METH_NOARGS,
                                   NULL};

static PyObject *make_thread(PyObject *threading, struct wsgi_thread *t)
{
    PyObject *type = PyObject_GetAttrString(threading, "Thread");
    PyObject *capsule = PyCapsule_New(t, NULL, NULL);
    PyObject *target = capsule ? PyCFunction_New(&enter_method, capsule) : NULL;
    PyObject *names =
        target ? Py_BuildValue("{s:O,s:N,s:O}", "target", target, "name",
                               PyUnicode_FromFormat("eddy-%u", t->number),
                               "daemon", Py_False)
               : NULL;
    PyObject *none = PyTuple_New(0);
    PyObject *thread =
        type && names && none ? PyObject_Call(type, none, names) : NULL;

    Py_XDECREF(none);
    Py_XDECREF(names);
    Py_XDECREF(target);
    Py_XDECREF(capsule);
    Py_XDECREF(type);
    return thread;
}

static int start_by_python(PyObject *threading, struct wsgi_thread *t)
{
    PyObject *thread = make_thread(threading, t);
    PyObject *started =
        thread ? PyObject_CallMethod(thread, "start", NULL) : NULL;
    int err = started ? 0 : -EAGAIN;

    if (err)
        wsgi_log_exception("no thread for Python");
    Py_XDECREF(started);
    Py_XDECREF(thread);
    return err;
}

/* ---- by the system ---- */

static void *enter_from_system(void *arg)
{
    PyGILState_STATE before = PyGILState_Ensure();

    enter(arg);
    PyGILState_Release(before);
    return NULL;
}

static int start_by_system(struct wsgi_thread *t)
{
    pthread_t handle;
    int err = pthread_create(&handle, NULL, enter_from_system, t);

    if (!err)
        pthread_detach(handle);
    return -err;
}

/* ---- either ---- */

/* Whether what starts its threads is what came with it. */
static bool is_python_s(PyObject *threading)
{
    static const char *const names[] = {"_start_joinable_thread",
                                        "_start_new_thread"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *function = PyObject_GetAttrString(threading, names[i]);
        bool yes = function && PyCFunction_Check(function);
        bool there = function;
        Py_XDECREF(function);
        PyErr_Clear();
        if (there)
            return yes;
    }
    return false;
}

int wsgi_thread_start(struct wsgi_thread *t)
{
    PyGILState_STATE before = PyGILState_Ensure();
    PyObject *threading = PyImport_ImportModule("threading");
    bool by_python = threading && is_python_s(threading);
    int err = by_python ? start_by_python(threading, t) : start_by_system(t);

    PyErr_Clear();
    Py_XDECREF(threading);
    PyGILState_Release(before);
    return err;
}
