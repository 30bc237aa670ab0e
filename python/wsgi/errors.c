/*
 * errors.c - wsgi.errors, and exceptions in the log.
 *
 * What an application writes goes to the log line by line, each with the
 * request's id. Any text will do: what is no text to the log is escaped.
 */
#include "host.h"

#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>

/* A line that is longer is logged in parts: the log takes no more at once. */
enum { LINE_MAX_BYTES = 4096 };

/* ---- lines ---- */

static void log_line(const char *line, size_t len)
{
    ed_log(ED_LOG_ERROR, "%.*s", (int)len, line);
}

static void flush_line(struct ed_buf *line)
{
    if (line->len)
        log_line(line->ptr, line->len);
    ed_buf_drop(line, line->len);
}

/* Whole lines at once; what is left is kept for what comes behind it, or, on a
 * thread that is not ours, logged. */
static void log_text(const char *text, size_t len)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    struct ed_buf own = {0};
    struct ed_buf *line = thread ? &thread->line : &own;

    while (len) {
        const char *end = memchr(text, '\n', len);
        size_t part = end ? (size_t)(end - text) : len;
        if (part > LINE_MAX_BYTES) {
            part = LINE_MAX_BYTES;
            end = NULL;
        }
        if (ed_buf_add(line, text, part))
            log_line(text, part);
        if (end || line->len >= LINE_MAX_BYTES)
            flush_line(line);
        text += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
    if (!thread) {
        flush_line(line);
        ed_buf_free(line);
    }
}

void wsgi_errors_flush(struct wsgi_thread *thread)
{
    if (thread->line.len)
        flush_line(&thread->line);
}

/* ---- the object ---- */

/* A NUL would end the line for the log. A new reference. */
static PyObject *without_nul(PyObject *text)
{
    PyObject *nul = PyUnicode_FromOrdinal(0);
    PyObject *shown = PyUnicode_FromString("\\x00");
    PyObject *made =
        nul && shown ? PyUnicode_Replace(text, nul, shown, -1) : NULL;

    Py_XDECREF(nul);
    Py_XDECREF(shown);
    return made;
}

static PyObject *encode(PyObject *text)
{
    PyObject *clean = without_nul(text);
    PyObject *bytes =
        clean ? PyUnicode_AsEncodedString(clean, "utf-8", "backslashreplace")
              : NULL;

    Py_XDECREF(clean);
    return bytes;
}

static int write_text(PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "wsgi.errors takes str, not %.100s",
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    PyObject *bytes = encode(text);
    if (!bytes)
        return -1;
    log_text(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return 0;
}

static PyObject *errors_write(PyObject *self, PyObject *text)
{
    (void)self;
    if (write_text(text))
        return NULL;
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *errors_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iterator = PyObject_GetIter(lines);
    PyObject *line;
    int err = iterator ? 0 : -1;

    (void)self;
    while (!err && (line = PyIter_Next(iterator))) {
        err = write_text(line);
        Py_DECREF(line);
    }
    Py_XDECREF(iterator);
    if (err || PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *errors_flush(PyObject *self, PyObject *unused)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    (void)self;
    (void)unused;
    if (thread)
        wsgi_errors_flush(thread);
    Py_RETURN_NONE;
}

static void errors_free(PyObject *self)
{
    PyObject_Free(self);
}

static PyMethodDef methods[] = {
    {"write", errors_write, METH_O, NULL},
    {"writelines", errors_writelines, METH_O, NULL},
    {"flush", errors_flush, METH_NOARGS, NULL},
    {0},
};

static PyTypeObject errors_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "eddy.Errors",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = errors_free,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = methods,
};

PyObject *wsgi_errors_new(void)
{
    return PyType_Ready(&errors_type) ? NULL
                                      : PyObject_New(PyObject, &errors_type);
}

/* ---- exceptions ---- */

/* A list of texts; NULL with an exception. */
static PyObject *format(PyObject *type, PyObject *value, PyObject *trace)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines =
        module ? PyObject_CallMethod(module, "format_exception", "OOO", type,
                                     value ? value : Py_None,
                                     trace ? trace : Py_None)
               : NULL;

    Py_XDECREF(module);
    return lines;
}

void wsgi_log_exception(const char *what)
{
    PyObject *type, *value, *trace;

    PyErr_Fetch(&type, &value, &trace);
    if (!type)
        return;
    PyErr_NormalizeException(&type, &value, &trace);
    ed_log_error("%s", what);
    PyObject *lines = format(type, value, trace);
    Py_ssize_t count =
        lines && PyList_Check(lines) ? PyList_GET_SIZE(lines) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        (void)!write_text(PyList_GET_ITEM(lines, i));
    if (!count)
        ed_log_error("%.200s, of which nothing can be told",
                     PyType_Check(type) ? ((PyTypeObject *)type)->tp_name
                                        : "an exception");
    struct wsgi_thread *thread = wsgi_thread_self();
    if (thread)
        wsgi_errors_flush(thread);
    PyErr_Clear();
    Py_XDECREF(lines);
    Py_DECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
}
