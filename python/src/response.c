/*
 * response.c - what Response of Python is derived from: an ed_res, read when it
 * is asked for.
 *
 * It keeps the ticket of its fetch, in whose arena everything lies. The body
 * becomes an object of Python once, when it is first looked at.
 */
#include "eddy_python.h"

struct response {
    PyObject_HEAD
    ed_ticket *ticket; /* NULL: it was closed */
    const ed_res *res;
    PyObject *content;
    bool streamed; /* the body is read piece by piece */
};

/* Bytes of one piece, at most: what the library keeps for a reader. */
enum { PIECE_MAX = 16 * 1024 * 1024 };

PyObject *response_of(ed_ticket *ticket, void *value, struct job *job)
{
    struct response *r = (struct response *)object_new(hooks.response);

    (void)job;
    if (!r)
        return NULL;
    r->ticket = ed_ticket_ref(ticket);
    r->res = value;
    return (PyObject *)r;
}

PyObject *streamed_response_of(ed_ticket *ticket, void *value, struct job *job)
{
    PyObject *response = response_of(ticket, value, job);

    if (response)
        ((struct response *)response)->streamed = true;
    return response;
}

static void response_dealloc(PyObject *self)
{
    struct response *r = (struct response *)self;

    Py_XDECREF(r->content);
    ed_ticket_free(r->ticket);
    object_free(self);
}

/* What is asked of a response that was closed has an answer no more. */
static const ed_res *res_of(PyObject *self)
{
    struct response *r = (struct response *)self;

    if (!r->ticket || !r->res) {
        PyErr_SetString(PyExc_ValueError, "the response is closed");
        return NULL;
    }
    return r->res;
}

static PyObject *get_status(PyObject *self, void *closure)
{
    const ed_res *res = res_of(self);

    (void)closure;
    return res ? PyLong_FromLong(ed_res_status(res)) : NULL;
}

static PyObject *get_reason(PyObject *self, void *closure)
{
    const ed_res *res = res_of(self);

    (void)closure;
    return res ? text_from(ed_bytes(ed_res_reason(res))) : NULL;
}

static PyObject *get_url(PyObject *self, void *closure)
{
    const ed_res *res = res_of(self);

    (void)closure;
    return res ? text_from(ed_bytes(ed_res_url(res))) : NULL;
}

static PyObject *get_redirects(PyObject *self, void *closure)
{
    const ed_res *res = res_of(self);

    (void)closure;
    return res ? PyLong_FromUnsignedLong(ed_res_redirects(res)) : NULL;
}

static PyObject *get_content(PyObject *self, void *closure)
{
    struct response *r = (struct response *)self;

    (void)closure;
    if (!r->content) {
        const ed_res *res = res_of(self);
        if (!res)
            return NULL;
        if (r->streamed) {
            PyErr_SetString(PyExc_ValueError,
                            "the body is streamed: read() has its pieces");
            return NULL;
        }
        struct ed_bytes body = ed_res_body(res);
        r->content = PyBytes_FromStringAndSize(body.ptr, (Py_ssize_t)body.len);
    }
    Py_XINCREF(r->content);
    return r->content;
}

/* The first of that name, or None. */
static PyObject *response_header(PyObject *self, PyObject *args)
{
    const ed_res *res = res_of(self);
    const char *name, *value;

    if (!res || !PyArg_ParseTuple(args, "s:header", &name))
        return NULL;
    value = ed_res_header(res, name);
    if (!value)
        Py_RETURN_NONE;
    return text_from(ed_bytes(value));
}

static PyObject *pair_of(PyObject *a, PyObject *b)
{
    PyObject *pair = a && b ? PyTuple_Pack(2, a, b) : NULL;

    Py_XDECREF(a);
    Py_XDECREF(b);
    return pair;
}

static int append(PyObject *list, PyObject *item)
{
    int err = item ? PyList_Append(list, item) : -1;

    Py_XDECREF(item);
    return err;
}

static PyObject *response_fields(PyObject *self, PyObject *none)
{
    const ed_res *res = res_of(self);
    PyObject *list = res ? PyList_New(0) : NULL;
    struct ed_bytes name, value;

    (void)none;
    for (size_t i = 0; list && ed_res_header_at(res, i, &name, &value); i++) {
        if (append(list, pair_of(text_from(name), text_from(value))))
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *bytes_from(struct ed_bytes bytes)
{
    return PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len);
}

/* The reason and the fields as they came: bytes, and a list of pairs. */
static PyObject *response_raw(PyObject *self, PyObject *none)
{
    const ed_res *res = res_of(self);
    PyObject *list = res ? PyList_New(0) : NULL;
    struct ed_bytes name, value;

    (void)none;
    for (size_t i = 0; list && ed_res_header_at(res, i, &name, &value); i++) {
        if (append(list, pair_of(bytes_from(name), bytes_from(value))))
            Py_CLEAR(list);
    }
    if (!list)
        return NULL;
    return pair_of(bytes_from(ed_bytes(ed_res_reason(res))), list);
}

/* Seconds from the beginning to the end of each phase, None for those there
 * were not: queued, resolved, connected, secured, sent, first byte, done. */
static PyObject *response_times(PyObject *self, PyObject *none)
{
    const ed_res *res = res_of(self);
    struct ed_res_timing t;

    (void)none;
    if (!res)
        return NULL;
    ed_res_timing(res, &t);
    const int64_t ends[] = {t.queued, t.resolved,   t.connected, t.secured,
                            t.sent,   t.first_byte, t.done};
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < sizeof(ends) / sizeof(*ends); i++) {
        PyObject *at = Py_None;
        if (ends[i])
            at = PyFloat_FromDouble((double)(ends[i] - t.started) / ED_S);
        else
            Py_INCREF(at);
        if (append(list, at))
            Py_CLEAR(list);
    }
    return list;
}

/* Whether the connection had been used before. */
static PyObject *get_reused(PyObject *self, void *closure)
{
    const ed_res *res = res_of(self);
    struct ed_res_timing t;

    (void)closure;
    if (!res)
        return NULL;
    ed_res_timing(res, &t);
    return PyBool_FromLong(t.reused);
}

/* ---- streams ---- */

static PyObject *piece_of(ed_ticket *ticket, void *value, struct job *job)
{
    const struct ed_bytes *piece = value;

    (void)ticket;
    (void)job;
    if (!piece)
        return PyBytes_FromStringAndSize(NULL, 0);
    return PyBytes_FromStringAndSize(piece->ptr, (Py_ssize_t)piece->len);
}

/* A handle of the next piece of a body that is streamed. */
static PyObject *response_read(PyObject *self, PyObject *args)
{
    struct response *r = (struct response *)self;
    Py_ssize_t len = 65536;
    PyObject *url;

    if (!res_of(self) || !PyArg_ParseTuple(args, "|n:read", &len))
        return NULL;
    if (len < 1 || len > PIECE_MAX) {
        PyErr_Format(PyExc_ValueError, "a piece has 1 to %d bytes", PIECE_MAX);
        return NULL;
    }
    url = get_url(self, NULL);
    if (!url)
        return NULL;
    PyObject *handle =
        eventual_new(ed_offload_read_at_(r->ticket, (size_t)len, "Python"),
                     piece_of, NULL, url);
    Py_DECREF(url);
    return handle;
}

/* Lets go of all that was not looked at, and of the connection of a stream. */
static PyObject *response_close(PyObject *self, PyObject *none)
{
    struct response *r = (struct response *)self;
    ed_ticket *ticket = r->ticket;

    (void)none;
    r->ticket = NULL;
    r->res = NULL;
    ed_ticket_free(ticket);
    Py_RETURN_NONE;
}

/* ---- the type ---- */

static PyMethodDef methods[] = {
    {"header", response_header, METH_VARARGS, NULL},
    {"read", response_read, METH_VARARGS, NULL},
    {"close", response_close, METH_NOARGS, NULL},
    {"_fields", response_fields, METH_NOARGS, NULL},
    {"_raw", response_raw, METH_NOARGS, NULL},
    {"_times", response_times, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"status", get_status, NULL, NULL, NULL},
    {"reason", get_reason, NULL, NULL, NULL},
    {"url", get_url, NULL, NULL, NULL},
    {"redirects", get_redirects, NULL, NULL, NULL},
    {"content", get_content, NULL, NULL, NULL},
    {"reused", get_reused, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, object_refuse},
    {Py_tp_dealloc, response_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Response",
    .basicsize = sizeof(struct response),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int response_init(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    return type ? PyModule_AddObject(module, "Response", type) : -1;
}
