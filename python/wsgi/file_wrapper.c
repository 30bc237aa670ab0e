/*
 * file_wrapper.c - wsgi.file_wrapper: an iterable of a file's blocks, which the
 * host sends by the kernel when the application returns it as it is.
 *
 * Wrapped in something else, or of what is no regular file, it is an iterable
 * like any other. So it is of a file that is read in another way than it lies
 * there, such as a compressed one (gzip), which has a descriptor all the same.
 */
#include "host.h"

#include <sys/stat.h>

typedef struct {
    PyObject_HEAD
    PyObject *file;
    Py_ssize_t block;
} wrapper;

enum { BLOCK = 8 * 1024 };

static PyObject *wrapper_new(PyTypeObject *type, PyObject *args,
                             PyObject *names)
{
    static char *words[] = {"filelike", "blksize", NULL};
    Py_ssize_t block = BLOCK;
    PyObject *file;

    if (!PyArg_ParseTupleAndKeywords(args, names, "O|n", words, &file, &block))
        return NULL;
    if (block < 1) {
        PyErr_SetString(PyExc_ValueError, "a block has at least a byte");
        return NULL;
    }
    wrapper *w = (wrapper *)type->tp_alloc(type, 0);
    if (w) {
        Py_INCREF(file);
        w->file = file;
        w->block = block;
    }
    return (PyObject *)w;
}

static void wrapper_free(PyObject *self)
{
    Py_XDECREF(((wrapper *)self)->file);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *wrapper_next(PyObject *self)
{
    wrapper *w = (wrapper *)self;
    PyObject *block = PyObject_CallMethod(w->file, "read", "n", w->block);

    if (block && PyBytes_Check(block) && !PyBytes_GET_SIZE(block))
        Py_CLEAR(block); /* the end */
    return block;
}

static PyObject *wrapper_close(PyObject *self, PyObject *unused)
{
    PyObject *file = ((wrapper *)self)->file;

    (void)unused;
    if (!PyObject_HasAttrString(file, "close"))
        Py_RETURN_NONE;
    return PyObject_CallMethod(file, "close", NULL);
}

/* As the file does: who sends a range of it, as Flask does, need not read what
 * lies before. */
static PyObject *wrapper_seekable(PyObject *self, PyObject *unused)
{
    PyObject *file = ((wrapper *)self)->file;

    (void)unused;
    if (!PyObject_HasAttrString(file, "seekable"))
        Py_RETURN_FALSE;
    return PyObject_CallMethod(file, "seekable", NULL);
}

static PyObject *wrapper_seek(PyObject *self, PyObject *args)
{
    PyObject *seek = PyObject_GetAttrString(((wrapper *)self)->file, "seek");
    PyObject *at = seek ? PyObject_CallObject(seek, args) : NULL;

    Py_XDECREF(seek);
    return at;
}

static PyObject *wrapper_tell(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyObject_CallMethod(((wrapper *)self)->file, "tell", NULL);
}

static PyMethodDef methods[] = {
    {"close", wrapper_close, METH_NOARGS, NULL},
    {"seekable", wrapper_seekable, METH_NOARGS, NULL},
    {"seek", wrapper_seek, METH_VARARGS, NULL},
    {"tell", wrapper_tell, METH_NOARGS, NULL},
    {0},
};

PyTypeObject wsgi_file_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "eddy.FileWrapper",
    .tp_basicsize = sizeof(wrapper),
    .tp_new = wrapper_new,
    .tp_dealloc = wrapper_free,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = wrapper_next,
    .tp_methods = methods,
};

/* ---- whether what lies in a file is what is read from it ---- */

/* The classes of Python's own files, by module io: what such a one reads from,
 * if it is not the file itself. */
static struct {
    const char *name, *inner;
    PyObject *type;
} plain[] = {
    {"BufferedReader", "raw", NULL},
    {"FileIO", NULL, NULL},
    {"BufferedRandom", "raw", NULL},
    {"TextIOWrapper", "buffer", NULL},
};

enum { PLAIN = sizeof plain / sizeof *plain };

/* Of which all files of Python are. */
static PyObject *any_file;

int wsgi_file_init(void)
{
    PyObject *io = PyImport_ImportModule("io");

    if (io)
        any_file = PyObject_GetAttrString(io, "IOBase");
    for (size_t i = 0; i < PLAIN && any_file; i++) {
        plain[i].type = PyObject_GetAttrString(io, plain[i].name);
        if (!plain[i].type)
            Py_CLEAR(any_file);
    }
    Py_XDECREF(io);
    return any_file ? PyType_Ready(&wsgi_file_type) : -1;
}

static bool is_plain(PyObject *file);

static bool reads_from_plain(PyObject *file, const char *inner)
{
    PyObject *from = PyObject_GetAttrString(file, inner);
    bool yes = from && is_plain(from);

    Py_XDECREF(from);
    return yes;
}

/* An object that is no file, and passes on what it is asked, is believed. */
static bool is_plain(PyObject *file)
{
    for (size_t i = 0; i < PLAIN; i++) {
        if ((PyObject *)Py_TYPE(file) == plain[i].type)
            return !plain[i].inner || reads_from_plain(file, plain[i].inner);
    }
    return PyObject_IsInstance(file, any_file) == 0;
}

/* ---- as a file ---- */

/* Where the file stands for Python, which may have read ahead. */
static bool position(PyObject *file, int64_t *at)
{
    PyObject *told = PyObject_CallMethod(file, "tell", NULL);

    *at = told && PyLong_Check(told) ? PyLong_AsLongLong(told) : -1;
    Py_XDECREF(told);
    return *at >= 0;
}

bool wsgi_file_take(PyObject *self, int *fd, int64_t *offset, int64_t *len)
{
    PyObject *file = ((wrapper *)self)->file;
    struct stat about;
    int number = is_plain(file) && PyObject_HasAttrString(file, "fileno")
                     ? PyObject_AsFileDescriptor(file)
                     : -1;
    bool ok = number >= 0 && !fstat(number, &about) && S_ISREG(about.st_mode) &&
              position(file, offset);

    PyErr_Clear();
    if (!ok)
        return false;
    *fd = number;
    *len = about.st_size > *offset ? about.st_size - *offset : 0;
    return true;
}
