/*
 * input.c - wsgi.input: the body of a request, which is all there.
 *
 * Owns the body, also when the application keeps the object for longer than
 * the request. Never waits for a client; what lies in a file is read without
 * the interpreter. There is one object for all requests without a body.
 */
#include "host.h"

#include <errno.h>
#include <string.h>

/* Looked through at a time for the end of a line in a file. */
enum { LOOK = 8 * 1024 };

typedef struct {
    PyObject_HEAD
    struct wsgi_body body;
    int64_t at;
} input;

static PyObject *empty;

static int64_t left(const input *in)
{
    return in->body.len - in->at;
}

/* ---- reading ---- */

static ssize_t read_file(int fd, char *to, size_t len, int64_t at)
{
    size_t done = 0;

    Py_BEGIN_ALLOW_THREADS
    while (done < len) {
        ssize_t n = pread(fd, to + done, len - done, at + (int64_t)done);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    Py_END_ALLOW_THREADS
    return done < len ? -1 : (ssize_t)done;
}

/* The next `len` bytes, which are there. */
static PyObject *take(input *in, int64_t len)
{
    if (in->body.fd < 0) {
        PyObject *bytes = PyBytes_FromStringAndSize(
            in->body.bytes ? in->body.bytes + in->at : NULL, (Py_ssize_t)len);
        in->at += bytes ? len : 0;
        return bytes;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    if (!bytes)
        return NULL;
    if (len && read_file(in->body.fd, PyBytes_AS_STRING(bytes), (size_t)len,
                         in->at) < 0) {
        Py_DECREF(bytes);
        PyErr_SetString(PyExc_OSError, "the body's file cannot be read");
        return NULL;
    }
    in->at += len;
    return bytes;
}

/* How far the line goes, its end included, but not beyond `most`; -1: it
 * cannot be read. */
static int64_t line_length(input *in, int64_t most)
{
    char buf[LOOK];
    int64_t seen = 0;

    if (in->body.fd < 0) {
        const char *from = in->body.bytes + in->at;
        const char *end = most ? memchr(from, '\n', (size_t)most) : NULL;
        return end ? end - from + 1 : most;
    }
    while (seen < most) {
        size_t len = most - seen < LOOK ? (size_t)(most - seen) : LOOK;
        if (read_file(in->body.fd, buf, len, in->at + seen) < 0) {
            PyErr_SetString(PyExc_OSError, "the body's file cannot be read");
            return -1;
        }
        const char *end = memchr(buf, '\n', len);
        if (end)
            return seen + (end - buf) + 1;
        seen += (int64_t)len;
    }
    return most;
}

static PyObject *take_line(input *in, int64_t most)
{
    int64_t len = line_length(in, most);

    return len < 0 ? NULL : take(in, len);
}

/* ---- methods ---- */

/* How much may be taken: an optional argument that, like None, says "all" when
 * it is negative. */
static int size_of(PyObject *const *args, Py_ssize_t count, input *in,
                   int64_t *size)
{
    *size = left(in);
    if (count > 1) {
        PyErr_SetString(PyExc_TypeError, "at most one argument: the size");
        return -1;
    }
    if (!count || args[0] == Py_None)
        return 0;
    Py_ssize_t wanted = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (wanted == -1 && PyErr_Occurred())
        return -1;
    if (wanted >= 0 && wanted < *size)
        *size = wanted;
    return 0;
}

static PyObject *input_read(PyObject *self, PyObject *const *args,
                            Py_ssize_t count)
{
    input *in = (input *)self;
    int64_t size;

    return size_of(args, count, in, &size) ? NULL : take(in, size);
}

static PyObject *input_readline(PyObject *self, PyObject *const *args,
                                Py_ssize_t count)
{
    input *in = (input *)self;
    int64_t size;

    return size_of(args, count, in, &size) ? NULL : take_line(in, size);
}

static PyObject *input_next(PyObject *self)
{
    input *in = (input *)self;

    return left(in) ? take_line(in, left(in)) : NULL;
}

/* Whole lines, until they have `hint` bytes. */
static PyObject *input_readlines(PyObject *self, PyObject *const *args,
                                 Py_ssize_t count)
{
    input *in = (input *)self;
    int64_t hint;

    if (size_of(args, count, in, &hint))
        return NULL;
    int64_t end = in->at + (hint ? hint : left(in));
    PyObject *lines = PyList_New(0);
    while (lines && in->at < end) {
        PyObject *line = input_next(self);
        if (!line || PyList_Append(lines, line))
            Py_CLEAR(lines);
        Py_XDECREF(line);
    }
    return lines;
}

static void input_free(PyObject *self)
{
    wsgi_body_free(&((input *)self)->body);
    PyObject_Free(self);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL, NULL},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL,
     NULL},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL,
     NULL},
    {0},
};

static PyTypeObject input_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "eddy.Input",
    .tp_basicsize = sizeof(input),
    .tp_dealloc = input_free,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = input_next,
    .tp_methods = methods,
};

static PyObject *make(void)
{
    input *in = PyObject_New(input, &input_type);

    if (in) {
        in->body = (struct wsgi_body){.fd = -1};
        in->at = 0;
    }
    return (PyObject *)in;
}

int wsgi_input_init(void)
{
    if (PyType_Ready(&input_type))
        return -1;
    empty = make();
    return empty ? 0 : -1;
}

PyObject *wsgi_input_new(struct wsgi_body *body)
{
    if (!body->len) {
        Py_INCREF(empty);
        return empty;
    }
    PyObject *in = make();
    if (in) {
        ((input *)in)->body = *body;
        *body = (struct wsgi_body){.fd = -1, .len = body->len};
    }
    return in;
}
