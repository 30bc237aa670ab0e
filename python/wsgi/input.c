/*
 * input.c - wsgi.input: the body of a request, which is all there.
 *
 * Owns the body, also when the application keeps the object for longer than
 * the request. Never waits for a client; what lies in a file is read without
 * the interpreter. There is one object for all requests without a body.
 */
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Read ahead from a file, for lines and small pieces: who gives the interpreter
 * up for each of them may wait for it as often, 5 ms each time. */
enum { AHEAD = 64 * 1024 };

typedef struct {
    PyObject_HEAD
    struct wsgi_body body;
    int64_t at;

    char *ahead; /* of a body in a file; NULL: not needed yet */
    int64_t ahead_at, ahead_len;
} input;

static PyObject *empty;

static int64_t left(const input *in)
{
    return in->at < in->body.len ? in->body.len - in->at : 0;
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

static int unreadable(void)
{
    PyErr_SetString(PyExc_OSError, "the body's file cannot be read");
    return -1;
}

static int read_ahead(input *in, int64_t at)
{
    int64_t rest = in->body.len - at;
    int64_t len = rest < AHEAD ? rest : AHEAD;

    if (!in->ahead && !(in->ahead = malloc(AHEAD))) {
        PyErr_NoMemory();
        return -1;
    }
    in->ahead_len = 0;
    if (read_file(in->body.fd, in->ahead, (size_t)len, at) < 0)
        return unreadable();
    in->ahead_at = at;
    in->ahead_len = len;
    return 0;
}

/* Those bytes from `at` on that can be seen at once, of a body that goes on
 * there: all of it in memory, a part of a file. NULL with an exception. */
static const char *look(input *in, int64_t at, int64_t *len)
{
    if (in->body.fd < 0) {
        *len = in->body.len - at;
        return in->body.bytes + at;
    }
    bool seen = at >= in->ahead_at && at < in->ahead_at + in->ahead_len;
    if (!seen && read_ahead(in, at))
        return NULL;
    *len = in->ahead_at + in->ahead_len - at;
    return in->ahead + (at - in->ahead_at);
}

/* What is large comes from a file without being read ahead. */
static int copy(input *in, char *to, int64_t len)
{
    int64_t at = in->at;

    while (len > 0) {
        int64_t part = len;
        if (in->body.fd >= 0 && len >= AHEAD) {
            if (read_file(in->body.fd, to, (size_t)len, at) < 0)
                return unreadable();
        } else {
            const char *from = look(in, at, &part);
            if (!from)
                return -1;
            part = part < len ? part : len;
            memcpy(to, from, (size_t)part);
        }
        to += part;
        at += part;
        len -= part;
    }
    return 0;
}

/* The next `len` bytes, which are there. */
static PyObject *take(input *in, int64_t len)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);

    if (bytes && copy(in, PyBytes_AS_STRING(bytes), len))
        Py_CLEAR(bytes);
    in->at += bytes ? len : 0;
    return bytes;
}

/* How far the line goes, its end included, but not beyond `most`; -1: it
 * cannot be read. */
static int64_t line_length(input *in, int64_t most)
{
    int64_t seen = 0, len;

    while (seen < most) {
        const char *from = look(in, in->at + seen, &len);
        if (!from)
            return -1;
        len = len < most - seen ? len : most - seen;
        const char *end = memchr(from, '\n', (size_t)len);
        if (end)
            return seen + (end - from) + 1;
        seen += len;
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
    free(((input *)self)->ahead);
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
        in->ahead = NULL;
        in->ahead_at = in->ahead_len = 0;
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
