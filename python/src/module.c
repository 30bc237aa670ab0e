/*
 * module.c - eddy._eddy: its functions, and how Python and it find each other.
 */
#include "eddy_python.h"

struct hooks hooks;

/* The class or function of Python by that name, kept for ever. */
static int take(PyObject *from, const char *name, PyObject **place)
{
    PyObject *found = PyDict_GetItemString(from, name);

    if (!found) {
        PyErr_Format(PyExc_KeyError, "no hook '%s'", name);
        return -1;
    }
    Py_INCREF(found);
    Py_XDECREF(*place);
    *place = found;
    return 0;
}

static PyObject *set_hooks(PyObject *module, PyObject *args)
{
    PyObject *from;

    (void)module;
    if (!PyArg_ParseTuple(args, "O:set_hooks", &from) ||
        take(from, "eventual", &hooks.eventual) ||
        take(from, "response", &hooks.response) ||
        take(from, "rows", &hooks.rows) ||
        take(from, "failure", &hooks.failure) ||
        take(from, "unclaimed", &hooks.unclaimed) ||
        take(from, "convert", &hooks.convert) ||
        take(from, "timeout", &hooks.timeout) ||
        take(from, "waited", &hooks.waited))
        return NULL;
    Py_RETURN_NONE;
}

/* The hooks, and what they make, are of one interpreter: ImportError in any
 * other, before it changes anything. */
static PyObject *claim(PyObject *module, PyObject *none)
{
    static int64_t owner = -1;
    int64_t id = PyInterpreterState_GetID(PyInterpreterState_Get());

    (void)module;
    (void)none;
    if (owner < 0)
        owner = id;
    if (owner == id)
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ImportError,
                    "eddy serves one interpreter of a process, and another one"
                    " has it");
    return NULL;
}

/* ---- the loop ---- */

static PyObject *start(PyObject *module, PyObject *args)
{
    PyObject *most = NULL;
    long long max_pending = 0;
    int err;

    (void)module;
    if (!PyArg_ParseTuple(args, "|O:start", &most) ||
        number_of(most, "max_pending", 0, UINT_MAX, &max_pending))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    err = ed_offload_start(.max_pending = (unsigned)max_pending);
    Py_END_ALLOW_THREADS
    if (err)
        return fail_with(err, ed_err_text(err));
    Py_RETURN_NONE;
}

/* Whether all work ended in that time. */
static PyObject *stop(PyObject *module, PyObject *args)
{
    PyObject *timeout = NULL;
    int64_t within;
    int err;

    (void)module;
    if (!PyArg_ParseTuple(args, "|O:stop", &timeout) ||
        seconds_of(timeout, "timeout", -1, &within))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    err = ed_offload_stop(within);
    Py_END_ALLOW_THREADS
    if (err && err != ED_ETIMEOUT)
        return fail_with(err, ed_err_text(err));
    return PyBool_FromLong(!err);
}

static PyObject *counts(PyObject *module, PyObject *none)
{
    struct ed_offload_counts c;

    (void)module;
    (void)none;
    ed_offload_counts(&c);
    return Py_BuildValue(
        "{s:O,s:O,s:K,s:K,s:K,s:K,s:n}", "running",
        c.running ? Py_True : Py_False, "adopted",
        c.adopted ? Py_True : Py_False, "starts", (unsigned long long)c.starts,
        "calls", (unsigned long long)c.calls, "wakeups",
        (unsigned long long)c.wakeups, "uncollected",
        (unsigned long long)c.uncollected, "pending", (Py_ssize_t)c.pending);
}

static PyObject *forked(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    unclaimed_forget();
    Py_RETURN_NONE;
}

static PyObject *set_log_level(PyObject *module, PyObject *args)
{
    const char *text;

    (void)module;
    if (!PyArg_ParseTuple(args, "s:set_log_level", &text))
        return NULL;
    int err = ed_log_configure(text);
    if (err)
        return fail_with(err, "a level is debug, info, warn, error or off");
    Py_RETURN_NONE;
}

/* ---- the module ---- */

#define NAMED(function) \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"fetch", NAMED(py_fetch), NULL},
    {"gather", NAMED(py_gather), NULL},
    {"wait_done", py_wait_done, METH_VARARGS, NULL},
    {"start", start, METH_VARARGS, NULL},
    {"stop", stop, METH_VARARGS, NULL},
    {"counts", counts, METH_NOARGS, NULL},
    {"claim", claim, METH_NOARGS, NULL},
    {"set_hooks", set_hooks, METH_VARARGS, NULL},
    {"set_log_level", set_log_level, METH_VARARGS, NULL},
    {"unclaimed_close", py_unclaimed_close, METH_NOARGS, NULL},
    {"forked", forked, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "eddy._eddy",
    .m_size = -1, /* the loop is the process's, and so is this */
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__eddy(void);
PyMODINIT_FUNC PyInit__eddy(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (!module)
        return NULL;
    if (eventual_init(module) || response_init(module) || client_init(module) ||
        mailbox_init(module) || pg_init(module) || redis_init(module) ||
        PyModule_AddStringConstant(module, "VERSION", EDDY_VERSION)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
