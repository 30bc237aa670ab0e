/*
 * redis.c - what Redis of Python is derived from: a client of Redis on the
 * loop.
 */
#include "eddy_python.h"

/* Arguments of a command, and commands of a transaction; Redis itself takes a
 * million of the former. */
enum { ARGUMENTS_MAX = 1000000, COMMANDS_MAX = 10000 };

struct plan {
    struct job job;
    struct ed_redis_options options;
};

struct place {
    PyObject_HEAD
    struct home home;
};

struct command {
    size_t argc;
    struct ed_bytes *argv;
};

struct question {
    struct job job;
    bool multi;  /* in one transaction */
    bool decode; /* strings as str */
    size_t count;
    struct command *commands;
};

/* ---- on the loop ---- */

static int make_client(void *arg, ed_arena *arena, void **value)
{
    struct plan *plan = arg;

    (void)arena;
    *value = ed_redis_new_with(&plan->options);
    return *value ? 0 : ED_EUSAGE;
}

static void close_client(void *value)
{
    ed_redis_free(value);
}

static int run_all(struct question *q, ed_redis *db, ed_redis_reply **reply)
{
    ed_redis_multi(tx, db);
    int err = 0;

    for (size_t i = 0; i < q->count && !err; i++)
        err = ed_redis_argv(tx, NULL, q->commands[i].argc, q->commands[i].argv);
    return err ? err : ed_redis_exec(tx, reply);
}

static int run(void *arg, ed_arena *arena, void **value)
{
    struct question *q = arg;
    ed_redis_reply *reply = NULL;
    void *db;
    int err = home_value(q->job.pool, &db);

    (void)arena;
    if (err)
        return err;
    err = q->multi
              ? run_all(q, db, &reply)
              : ed_redis_argv(db, &reply, q->commands->argc, q->commands->argv);
    *value = reply;
    return err;
}

/* ---- replies ---- */

/* Within the reply to a transaction an error is a value. */
static PyObject *error_from(struct ed_bytes words)
{
    PyObject *text = text_from(words);
    PyObject *error = NULL;

    if (text)
        error = PyObject_CallFunction(hooks.failure, "isOOO", ED_EREDIS,
                                      ed_err_name(ED_EREDIS), text, Py_None,
                                      Py_None);
    Py_XDECREF(text);
    return error;
}

static PyObject *reply_from(const ed_redis_reply *reply, bool decode);

static PyObject *list_from(const ed_redis_reply *reply, bool decode)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < ed_redis_count(reply); i++) {
        PyObject *one = reply_from(ed_redis_at(reply, i), decode);
        if (!one || PyList_Append(list, one))
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

static PyObject *string_from(struct ed_bytes bytes, bool decode)
{
    Py_ssize_t len = (Py_ssize_t)bytes.len;

    return decode ? PyUnicode_DecodeUTF8(bytes.ptr, len, "surrogateescape")
                  : PyBytes_FromStringAndSize(bytes.ptr, len);
}

/* The depth of a reply is bounded by the library. */
static PyObject *reply_from(const ed_redis_reply *reply, bool decode)
{
    int64_t number = 0;

    switch (ed_redis_kind(reply)) {
    case ED_REDIS_NIL:
        break;
    case ED_REDIS_STATUS:
        return text_from(ed_redis_bytes(reply));
    case ED_REDIS_ERROR:
        return error_from(ed_redis_bytes(reply));
    case ED_REDIS_INTEGER:
        (void)!ed_redis_int(reply, &number); /* it is one */
        return PyLong_FromLongLong(number);
    case ED_REDIS_STRING:
        return string_from(ed_redis_bytes(reply), decode);
    case ED_REDIS_ARRAY:
        return list_from(reply, decode);
    }
    Py_RETURN_NONE;
}

static PyObject *result_of(ed_ticket *ticket, void *value, struct job *job)
{
    (void)ticket;
    return reply_from(value, ((struct question *)job)->decode);
}

/* ---- the call ---- */

static int read_argument(struct job *job, PyObject *object,
                         struct ed_bytes *out)
{
    bool number = (PyLong_Check(object) && !PyBool_Check(object)) ||
                  PyFloat_Check(object);
    PyObject *text = number ? PyObject_Str(object) : NULL;

    if (number && !text)
        return -1;
    int err = bytes_of(job->arena, text ? text : object, "an argument", out);
    Py_XDECREF(text);
    return err;
}

static int read_command(struct question *q, PyObject *words)
{
    struct command *c = &q->commands[q->count];
    Py_ssize_t argc = PySequence_Size(words);
    int err = 0;

    if (argc < 1 || argc > ARGUMENTS_MAX) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "a command has 1 to %d words",
                         ARGUMENTS_MAX);
        return -1;
    }
    c->argv = ed_arena_alloc(q->job.arena, (size_t)argc * sizeof(*c->argv));
    if (!c->argv) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; !err && i < argc; i++) {
        PyObject *word = PySequence_GetItem(words, i);
        err = word ? read_argument(&q->job, word, &c->argv[i]) : -1;
        Py_XDECREF(word);
    }
    c->argc = (size_t)argc;
    q->count++;
    return err;
}

static int read_commands(struct question *q, PyObject *list)
{
    Py_ssize_t count = PySequence_Size(list);
    int err = 0;

    if (count < 0 || count > COMMANDS_MAX) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "more than %d commands",
                         COMMANDS_MAX);
        return -1;
    }
    q->commands = ed_arena_zalloc(q->job.arena,
                                  ((size_t)count + 1) * sizeof(*q->commands));
    if (!q->commands) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; !err && i < count; i++) {
        PyObject *words = PySequence_GetItem(list, i);
        err = words ? read_command(q, words) : -1;
        Py_XDECREF(words);
    }
    return err;
}

/* run(commands, about, multi, decode): a handle. */
static PyObject *place_run(PyObject *self, PyObject *args)
{
    struct place *place = (struct place *)self;
    PyObject *list, *about;
    int multi, decode;

    if (!PyArg_ParseTuple(args, "OOpp:run", &list, &about, &multi, &decode))
        return NULL;
    struct question *q = job_new(sizeof(*q));
    if (!q)
        return NULL;
    q->multi = multi;
    q->decode = decode;
    if (read_commands(q, list)) {
        job_unref(q);
        return NULL;
    }
    q->job.pool = home_of(&place->home);
    return job_start(&q->job, run, "command", result_of, about);
}

/* ---- the type ---- */

static int read_options(struct plan *plan, PyObject *args, PyObject *names)
{
    static char *words[] = {"url", "connections", "max_reply",
                            "connect_timeout", NULL};
    PyObject *url, *connect = NULL, *max_reply = NULL;
    struct ed_redis_options *o = &plan->options;
    long long most = 0;

    o->size = sizeof(*o);
    if (!PyArg_ParseTupleAndKeywords(args, names, "O|IOO:redis", words, &url,
                                     &o->connections, &max_reply, &connect) ||
        text_of(plan->job.arena, url, "url", &o->url) ||
        number_of(max_reply, "max_reply", 1, PY_SSIZE_T_MAX, &most))
        return -1;
    o->max_reply = (size_t)most;
    return seconds_of(connect, "connect_timeout", 0, &o->connect_timeout);
}

static PyObject *place_new(PyTypeObject *class, PyObject *args, PyObject *names)
{
    struct plan *plan = job_new(sizeof(*plan));
    struct place *place = NULL;

    if (!plan)
        return NULL;
    if (!read_options(plan, args, names))
        place = (struct place *)object_new((PyObject *)class);
    if (!place) {
        job_unref(plan);
        return NULL;
    }
    place->home = (struct home){
        .plan = &plan->job,
        .make = make_client,
        .close = close_client,
        .name = "redis",
    };
    return (PyObject *)place;
}

static void place_dealloc(PyObject *self)
{
    home_close(&((struct place *)self)->home);
    object_free(self);
}

static PyObject *place_close(PyObject *self, PyObject *none)
{
    struct place *place = (struct place *)self;

    (void)none;
    home_leave(&place->home);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"run", place_run, METH_VARARGS, NULL},
    {"close", place_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, place_new},
    {Py_tp_dealloc, place_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Redis",
    .basicsize = sizeof(struct place),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int redis_init(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    return type ? PyModule_AddObject(module, "Redis", type) : -1;
}
