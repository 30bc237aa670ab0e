/*
 * start_response.c - the callable by which an application begins its reply
 * (PEP 3333), and write(), which it returns.
 *
 * Keeps status and fields as texts for the loop, having seen to it that they
 * can stand in a head: whatever an application passes on of what a client sent
 * cannot split the reply.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* ---- texts ---- */

/* The bytes of a native string. 0, or -1 with an exception. */
static int bytes_of(PyObject *text, const char *what, struct ed_bytes *out)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s is a %.100s, not a str", what,
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    if (PyUnicode_READY(text))
        return -1;
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        PyErr_Format(PyExc_ValueError, "%s has characters beyond U+00FF: %R",
                     what, text);
        return -1;
    }
    *out = ed_bytes_of(PyUnicode_1BYTE_DATA(text),
                       (size_t)PyUnicode_GET_LENGTH(text));
    return 0;
}

/* RFC 9110, 5.6.2. */
static bool is_token(struct ed_bytes b)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < b.len; i++) {
        char c = b.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && c != '-' && !(c >= '0' && c <= '9') &&
            !(c && strchr(others, c)))
            return false;
    }
    return b.len > 0;
}

/* RFC 9110, 5.5. */
static bool is_value(struct ed_bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        unsigned char c = (unsigned char)b.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static int add_text(struct wsgi_job *job, struct ed_bytes text)
{
    size_t need = job->head_len + text.len + 1;

    if (need > job->head_room) {
        size_t room = 2 * need;
        bool own = job->head != job->head_store;
        char *head = realloc(own ? job->head : NULL, room);
        if (!head) {
            PyErr_NoMemory();
            return -1;
        }
        if (!own)
            memcpy(head, job->head_store, job->head_len);
        job->head = head;
        job->head_room = room;
    }
    if (text.len)
        memcpy(job->head + job->head_len, text.ptr, text.len);
    job->head[need - 1] = '\0';
    job->head_len = need;
    return 0;
}

/* ---- the status ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The number; -1 with an exception. */
static int take_status(struct wsgi_job *job, PyObject *status)
{
    struct ed_bytes s;

    if (bytes_of(status, "the status", &s))
        return -1;
    bool number = s.len >= 3 && is_digit(s.ptr[0]) && is_digit(s.ptr[1]) &&
                  is_digit(s.ptr[2]) && (s.len == 3 || s.ptr[3] == ' ');
    if (!number || !is_value(s)) {
        PyErr_Format(PyExc_ValueError,
                     "the status has to be like '200 OK', and is %R", status);
        return -1;
    }
    int code = (s.ptr[0] - '0') * 100 + (s.ptr[1] - '0') * 10 + s.ptr[2] - '0';
    if (code < 200 || code > 599) {
        PyErr_Format(PyExc_ValueError,
                     "%d is not the status of a reply: 200 to 599", code);
        return -1;
    }
    job->head_len = 0;
    struct ed_bytes reason = ed_bytes_of(s.ptr + 3, s.len - 3);
    return add_text(job, ed_bytes_trim(reason)) ? -1 : code;
}

/* ---- fields ---- */

/* Those of one connection are the server's (RFC 9110, 7.6.1). */
static bool is_hop_by_hop(struct ed_bytes name)
{
    static const char *const names[] = {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te",         "trailer",    "trailers",           "transfer-encoding",
        "upgrade",
    };

    if (!strchr("cCkKpPtTuU", name.ptr[0]))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (ed_bytes_equal_nocase(name, ed_bytes(names[i])))
            return true;
    }
    return false;
}

static int take_length(struct wsgi_job *job, struct ed_bytes value,
                       PyObject *shown)
{
    int64_t length;
    int err = ed_bytes_int(ed_bytes_trim(value), &length);

    if (err || length < 0 || (job->length >= 0 && job->length != length)) {
        PyErr_Format(PyExc_ValueError,
                     "Content-Length %R is no length, or "
                     "not the only one",
                     shown);
        return -1;
    }
    job->length = length;
    return 0;
}

static int take_field(struct wsgi_job *job, PyObject *field)
{
    struct ed_bytes name, value;

    if (!PyTuple_Check(field) || PyTuple_GET_SIZE(field) != 2) {
        PyErr_Format(PyExc_TypeError,
                     "a field has to be a tuple of two, and is %R", field);
        return -1;
    }
    PyObject *first = PyTuple_GET_ITEM(field, 0);
    PyObject *second = PyTuple_GET_ITEM(field, 1);
    if (bytes_of(first, "the name of a field", &name) ||
        bytes_of(second, "the value of a field", &value))
        return -1;
    if (!is_token(name) || !is_value(value)) {
        PyErr_Format(PyExc_ValueError, "this cannot stand in a head: %R",
                     field);
        return -1;
    }
    if (is_hop_by_hop(name)) {
        PyErr_Format(PyExc_ValueError,
                     "%R is of the connection, and so the server's to set",
                     first);
        return -1;
    }
    if (name.len == 14 &&
        ed_bytes_equal_nocase(name, ED_BYTES("content-length")))
        return take_length(job, value, second);
    if (name.len == 12 && ed_bytes_equal_nocase(name, ED_BYTES("content-type")))
        job->has_type = true;
    return add_text(job, name) || add_text(job, value) ? -1 : 0;
}

static int take_fields(struct wsgi_job *job, PyObject *fields)
{
    if (!PyList_Check(fields)) {
        PyErr_Format(PyExc_TypeError,
                     "the fields have to be a list, and are "
                     "a %.100s",
                     Py_TYPE(fields)->tp_name);
        return -1;
    }
    job->length = -1;
    job->has_type = false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(fields); i++) {
        if (take_field(job, PyList_GET_ITEM(fields, i)))
            return -1;
    }
    return 0;
}

/* ---- the callables ---- */

static PyObject *over(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the request is over");
    return NULL;
}

static PyObject *start_write(PyObject *self, PyObject *chunk)
{
    wsgi_start *start = (wsgi_start *)self;

    if (!start->job)
        return over();
    start->wrote = true;
    /* Another thread may end the request while this one waits. */
    struct wsgi_job *job = start->job;
    wsgi_job_hold(job);
    int err = wsgi_reply_piece(job, chunk, WSGI_MORE);
    wsgi_job_release(job);
    if (err)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef write_method = {"write", start_write, METH_O, NULL};

/* Raises what exc_info holds. Outside of a handler sys.exc_info() gives nothing
 * that could be raised. */
static PyObject *raise_given(PyObject *info)
{
    PyObject *type = PyTuple_GET_ITEM(info, 0);
    PyObject *value = PyTuple_GET_ITEM(info, 1);
    PyObject *trace = PyTuple_GET_ITEM(info, 2);

    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_AssertionError,
                        "start_response() was called with exc_info when the "
                        "head was sent, and there is no exception in it");
        return NULL;
    }
    Py_INCREF(type);
    Py_INCREF(value);
    PyErr_Restore(type, value,
                  trace == Py_None ? NULL : (Py_INCREF(trace), trace));
    return NULL;
}

struct arguments {
    PyObject *status, *fields;
    PyObject *info; /* NULL: none */
};

static int take_arguments(struct arguments *a, PyObject *const *args,
                          Py_ssize_t count, PyObject *names)
{
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;

    if (count < 2 || count + named > 3 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0),
                                                   "exc_info") != 0)) {
        PyErr_SetString(PyExc_TypeError,
                        "start_response(status, fields, exc_info=None)");
        return -1;
    }
    *a = (struct arguments){args[0], args[1], NULL};
    if (count + named == 3 && args[2] != Py_None)
        a->info = args[2];
    if (a->info &&
        (!PyTuple_Check(a->info) || PyTuple_GET_SIZE(a->info) != 3)) {
        PyErr_SetString(PyExc_TypeError,
                        "exc_info has to be what sys.exc_info() gives");
        return -1;
    }
    return 0;
}

static PyObject *start_call(PyObject *self, PyObject *const *args, size_t flags,
                            PyObject *names)
{
    wsgi_start *start = (wsgi_start *)self;
    struct wsgi_job *job = start->job;
    struct arguments a;

    if (!job)
        return over();
    if (take_arguments(&a, args, PyVectorcall_NARGS(flags), names))
        return NULL;
    if (a.info && job->committed)
        return raise_given(a.info);
    if (start->called && !a.info) {
        PyErr_SetString(PyExc_AssertionError,
                        "start_response() was called before, and without "
                        "exc_info it may not be again");
        return NULL;
    }
    start->called = true;
    job->status = 0; /* until all is known to be well */
    int status = take_status(job, a.status);
    if (status < 0 || take_fields(job, a.fields))
        return NULL;
    job->status = status;
    return PyCFunction_New(&write_method, self);
}

static void start_free(PyObject *self)
{
    PyObject_Free(self);
}

PyTypeObject wsgi_start_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "eddy.StartResponse",
    .tp_basicsize = sizeof(wsgi_start),
    .tp_dealloc = start_free,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(wsgi_start, call),
    .tp_call = PyVectorcall_Call,
};

PyObject *wsgi_start_new(struct wsgi_job *job)
{
    wsgi_start *start = PyObject_New(wsgi_start, &wsgi_start_type);

    if (!start)
        return NULL;
    start->call = start_call;
    start->job = job;
    start->called = start->wrote = false;
    return (PyObject *)start;
}
