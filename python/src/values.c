/*
 * values.c - texts, bytes and times, from Python and back.
 */
#include "eddy_python.h"
#include <math.h>

int bytes_of(ed_arena *arena, PyObject *object, const char *what,
             struct ed_bytes *out)
{
    PyObject *bytes = NULL;
    Py_ssize_t len;
    char *ptr;

    if (PyUnicode_Check(object))
        bytes = PyUnicode_AsUTF8String(object);
    else if (!PyLong_Check(object)) /* bytes(3) would be three zeros */
        bytes = PyBytes_FromObject(object);
    if (!bytes) {
        if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "%s is to be str or bytes, not %R",
                         what, (PyObject *)Py_TYPE(object));
        return -1;
    }
    int err = PyBytes_AsStringAndSize(bytes, &ptr, &len);
    if (!err) {
        struct ed_bytes view = ed_bytes_of(ptr, (size_t)len);
        *out = ed_bytes_of(ed_arena_copy(arena, view), view.len);
        if (!out->ptr) {
            PyErr_NoMemory();
            err = -1;
        }
    }
    Py_DECREF(bytes);
    return err;
}

int text_of(ed_arena *arena, PyObject *object, const char *what,
            const char **out)
{
    struct ed_bytes bytes;

    *out = NULL;
    if (!object || object == Py_None)
        return 0;
    if (bytes_of(arena, object, what, &bytes))
        return -1;
    if (memchr(bytes.ptr, 0, bytes.len)) {
        PyErr_Format(PyExc_ValueError, "%s holds a NUL", what);
        return -1;
    }
    *out = bytes.ptr;
    return 0;
}

/* 146 years: more than anybody waits, and the clock may be added to it. */
#define LONGEST (INT64_MAX / 2)

int seconds_of(PyObject *object, const char *what, int64_t none, int64_t *out)
{
    *out = none;
    if (!object || object == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(object);
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (isnan(seconds)) {
        PyErr_Format(PyExc_ValueError, "%s is not a number", what);
        return -1;
    }
    /* 0, which is "the default" to the library, is "at once" to people. */
    if (seconds >= (double)LONGEST / ED_S)
        *out = LONGEST;
    else
        *out = seconds * ED_S >= 1 ? (int64_t)(seconds * ED_S) : 1;
    return 0;
}

int number_of(PyObject *object, const char *what, long long least,
              long long most, long long *out)
{
    if (!object || object == Py_None)
        return 0;
    long long number = PyLong_AsLongLong(object);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < least || number > most) {
        PyErr_Format(PyExc_ValueError, "%s is not within %lld to %lld", what,
                     least, most);
        return -1;
    }
    *out = number;
    return 0;
}

PyObject *text_from(struct ed_bytes bytes)
{
    Py_ssize_t len = (Py_ssize_t)bytes.len;
    PyObject *text = PyUnicode_DecodeUTF8(bytes.ptr, len, "strict");

    /* A header may hold any byte. What is not UTF-8 is read as Latin-1, which
     * RFC 9110, 5.5 says that it once was. */
    if (text)
        return text;
    PyErr_Clear();
    return PyUnicode_DecodeLatin1(bytes.ptr, len, "strict");
}

bool object_is(PyObject *object, PyObject *type)
{
    return PyObject_TypeCheck(object, (PyTypeObject *)type);
}

PyObject *object_new(PyObject *type)
{
    PyTypeObject *class = (PyTypeObject *)type;
    allocfunc alloc = (allocfunc)PyType_GetSlot(class, Py_tp_alloc);

    return alloc(class, 0);
}

PyObject *object_refuse(PyTypeObject *type, PyObject *args, PyObject *names)
{
    (void)args;
    (void)names;
    PyErr_Format(PyExc_TypeError, "%R comes of calls", (PyObject *)type);
    return NULL;
}

void object_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc give_back = (freefunc)PyType_GetSlot(type, Py_tp_free);

    give_back(object);
    Py_DECREF(type);
}
