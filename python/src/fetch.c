/*
 * fetch.c - eddy.fetch(): its arguments, and the request that they become.
 *
 * Only the types of arguments are judged here; what they mean is the library's
 * to judge, and arrives as the failure of the call.
 */
#include "eddy_python.h"

/* A head of more lines than that is refused by every server. */
enum { HEADERS_MAX = 1000 };

struct call {
    ed_arena *arena; /* for as long as it takes to hand the request over */
    const char *url;
    ed_ticket *client;
    struct ed_fetch_options options;
    const char **lines; /* of the head */
    size_t count;
};

struct arguments {
    PyObject *url, *method, *headers, *body, *content_type, *auth, *bearer;
    PyObject *timeout, *connect_timeout, *max_body, *client, *etag, *range;
    PyObject *max_redirects, *file;
    int stream, retry_unsafe;
};

/* ---- headers ---- */

static int add_line(struct call *c, PyObject *name, PyObject *value)
{
    struct ed_bytes n, v;

    if (bytes_of(c->arena, name, "the name of a header", &n))
        return -1;
    PyObject *number = PyLong_Check(value) ? PyObject_Str(value) : NULL;
    int err = bytes_of(c->arena, number ? number : value,
                       "the value of a header", &v);
    Py_XDECREF(number);
    if (err)
        return -1;
    /* What would be cut or shifted here; the rest the library refuses. */
    if (memchr(n.ptr, 0, n.len) || memchr(v.ptr, 0, v.len) ||
        memchr(n.ptr, ':', n.len)) {
        PyErr_Format(PyExc_ValueError, "'%.80s' is no header", n.ptr);
        return -1;
    }
    if (c->count == HEADERS_MAX) {
        PyErr_Format(PyExc_ValueError, "more than %d headers", HEADERS_MAX);
        return -1;
    }
    const char *line = ed_arena_printf(c->arena, "%s: %s", n.ptr, v.ptr);
    if (!line) {
        PyErr_NoMemory();
        return -1;
    }
    c->lines[c->count++] = line;
    return 0;
}

/* A value, or a list of them, of which each has a line. */
static int add_lines(struct call *c, PyObject *name, PyObject *value)
{
    if (!PyList_Check(value) && !PyTuple_Check(value))
        return add_line(c, name, value);
    int err = 0;
    for (Py_ssize_t i = 0; !err && i < PySequence_Size(value); i++) {
        PyObject *one = PySequence_GetItem(value, i);
        err = one ? add_line(c, name, one) : -1;
        Py_XDECREF(one);
    }
    return err;
}

/* "ab" would be one, too, of an a and a b. */
static bool is_pair(PyObject *object)
{
    if (PyUnicode_Check(object) || PyBytes_Check(object) ||
        !PySequence_Check(object))
        return false;
    return PySequence_Size(object) == 2;
}

static int add_pair(struct call *c, PyObject *pair)
{
    if (!is_pair(pair)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError,
                         "headers are to be a mapping, or pairs, not of %R",
                         (PyObject *)Py_TYPE(pair));
        return -1;
    }
    PyObject *name = PySequence_GetItem(pair, 0);
    PyObject *value = name ? PySequence_GetItem(pair, 1) : NULL;
    int err = value ? add_lines(c, name, value) : -1;

    Py_XDECREF(name);
    Py_XDECREF(value);
    return err;
}

/* A mapping, or pairs in any iterable. */
static PyObject *pairs_of(PyObject *headers)
{
    if (PyList_Check(headers) || PyTuple_Check(headers) ||
        !PyObject_HasAttrString(headers, "items"))
        return PySequence_List(headers);
    return PyMapping_Items(headers);
}

static int read_headers(struct call *c, PyObject *headers)
{
    if (!headers || headers == Py_None)
        return 0;
    PyObject *pairs = pairs_of(headers);
    if (!pairs)
        return -1;
    c->lines = ed_arena_alloc(c->arena, (HEADERS_MAX + 1) * sizeof(*c->lines));
    int err = c->lines ? 0 : -1;
    if (err)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; !err && i < PyList_Size(pairs); i++)
        err = add_pair(c, PyList_GetItem(pairs, i));
    Py_DECREF(pairs);
    if (err)
        return -1;
    c->lines[c->count] = NULL;
    c->options.headers = c->lines;
    return 0;
}

/* ---- who asks ---- */

static int read_kind_of_auth(struct call *c, PyObject *kind)
{
    static const char *const names[] = {
        [ED_AUTH_BASIC] = "basic",
        [ED_AUTH_DIGEST] = "digest",
        [ED_AUTH_ANY] = "any",
    };
    const char *name;

    if (text_of(c->arena, kind, "a kind of auth", &name))
        return -1;
    if (!name)
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!strcmp(names[i], name)) {
            c->options.auth = (enum ed_auth)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "'%.40s' is no kind of auth: basic, digest or any", name);
    return -1;
}

static int read_auth(struct call *c, PyObject *auth)
{
    PyObject *user, *password, *kind = NULL;

    if (!auth || auth == Py_None)
        return 0;
    if (!PyTuple_Check(auth)) {
        PyErr_SetString(PyExc_TypeError,
                        "auth is to be a tuple: (user, password[, kind])");
        return -1;
    }
    if (!PyArg_ParseTuple(auth, "OO|O:auth", &user, &password, &kind) ||
        text_of(c->arena, user, "a user", &c->options.user) ||
        text_of(c->arena, password, "a password", &c->options.password))
        return -1;
    return read_kind_of_auth(c, kind);
}

/* ---- the call ---- */

static int read_limits(struct call *c, const struct arguments *a)
{
    struct ed_fetch_options *o = &c->options;
    long long max_body = 0, redirects = -1;

    if (seconds_of(a->timeout, "timeout", 0, &o->timeout) ||
        seconds_of(a->connect_timeout, "connect_timeout", 0,
                   &o->connect_timeout) ||
        number_of(a->max_body, "max_body", 1, PY_SSIZE_T_MAX, &max_body) ||
        number_of(a->max_redirects, "max_redirects", 0, 1000, &redirects))
        return -1;
    o->max_body = (size_t)max_body;
    /* To the library 0 is its default, and less than that is none. */
    if (redirects >= 0)
        o->max_redirects = redirects ? (int)redirects : -1;
    return 0;
}

static int read_body(struct call *c, const struct arguments *a)
{
    struct ed_fetch_options *o = &c->options;

    if (text_of(c->arena, a->content_type, "content_type", &o->content_type) ||
        text_of(c->arena, a->file, "file", &o->file))
        return -1;
    if (!a->body || a->body == Py_None)
        return 0;
    return bytes_of(c->arena, a->body, "body", &o->body);
}

static int read_arguments(struct call *c, const struct arguments *a)
{
    struct ed_fetch_options *o = &c->options;

    o->size = sizeof(*o);
    o->stream = a->stream;
    o->retry_unsafe = a->retry_unsafe;
    if (text_of(c->arena, a->url, "url", &c->url))
        return -1;
    if (!c->url) {
        PyErr_SetString(PyExc_TypeError, "url is to be str or bytes, not None");
        return -1;
    }
    if (text_of(c->arena, a->method, "method", &o->method) ||
        text_of(c->arena, a->bearer, "bearer", &o->bearer) ||
        text_of(c->arena, a->etag, "etag", &o->etag) ||
        text_of(c->arena, a->range, "range", &o->range) ||
        read_auth(c, a->auth) || read_headers(c, a->headers) ||
        read_body(c, a) || read_limits(c, a))
        return -1;
    return client_of(a->client, &c->client);
}

static PyObject *hand_over(const struct call *c, PyObject *about)
{
    ed_ticket *ticket =
        ed_offload_fetch_at_(c->client, c->url, "Python", &c->options);

    return eventual_new(ticket,
                        c->options.stream ? streamed_response_of : response_of,
                        NULL, about);
}

PyObject *py_fetch(PyObject *module, PyObject *args, PyObject *names)
{
    static char *words[] = {
        "url",      "method",        "headers",
        "body",     "content_type",  "auth",
        "bearer",   "timeout",       "connect_timeout",
        "client",   "etag",          "range",
        "max_body", "max_redirects", "file",
        "stream",   "retry_unsafe",  NULL,
    };
    struct arguments a = {0};

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(
            args, names, "O|OOOOOOOOOOOOOOpp:fetch", words, &a.url, &a.method,
            &a.headers, &a.body, &a.content_type, &a.auth, &a.bearer,
            &a.timeout, &a.connect_timeout, &a.client, &a.etag, &a.range,
            &a.max_body, &a.max_redirects, &a.file, &a.stream, &a.retry_unsafe))
        return NULL;
    struct call c = {.arena = ed_arena_new(0)};
    if (!c.arena)
        return PyErr_NoMemory();
    PyObject *eventual = read_arguments(&c, &a) ? NULL : hand_over(&c, a.url);
    ed_ticket_free(c.client);
    ed_arena_free(c.arena);
    return eventual;
}
