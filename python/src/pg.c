/*
 * pg.c - what Pg of Python is derived from: a pool of PostgreSQL on the loop.
 *
 * Values of Python become parameters here, and rows become lists of tuples when
 * they are first asked for. Types that only Python knows (dates, decimals, JSON
 * and so on) are made of their text by a function of Python.
 */
#include "eddy_python.h"

/* As many as PostgreSQL takes. */
enum { PARAMETERS_MAX = 65535 };
/* Statements of one transaction, which is held together in memory. */
enum { STATEMENTS_MAX = 10000 };

struct plan {
    struct job job;
    struct ed_pg_options options;
};

struct pool {
    PyObject_HEAD
    struct home home;
};

struct statement {
    const char *sql;
    const struct ed_pg_param *params; /* behind them, the end of the list */
};

struct query {
    struct job job;
    bool many; /* in one transaction: the value is an array of rows */
    bool script;
    size_t count;
    struct statement *statements;
};

/* ---- the pool ---- */

static int make_pool(void *arg, ed_arena *arena, void **value)
{
    struct plan *plan = arg;

    (void)arena;
    *value = ed_pg_new_with(&plan->options);
    return *value ? 0 : ed_fail(ED_EUSAGE, "the dsn cannot be used");
}

static void close_pool(void *value)
{
    ed_pg_free(value);
}

/* ---- parameters ---- */

static int integer_of(struct job *job, PyObject *object,
                      struct ed_pg_value *out)
{
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
    const char *text;

    if (number == -1 && PyErr_Occurred())
        return -1;
    if (!overflow) {
        *out = ed_pg_value(number);
        return 0;
    }
    PyObject *digits = PyObject_Str(object);
    int err = digits ? text_of(job->arena, digits, "a parameter", &text) : -1;
    Py_XDECREF(digits);
    if (!err)
        *out = ed_pg_value(text);
    return err;
}

/* Of another type than these it is the text that Python made of it. */
static int value_of(struct job *job, PyObject *object, struct ed_pg_value *out)
{
    struct ed_bytes bytes;

    if (object == Py_None) {
        *out = ed_null();
        return 0;
    }
    if (PyBool_Check(object)) {
        *out = ed_pg_value((bool)(object == Py_True));
        return 0;
    }
    if (PyLong_Check(object))
        return integer_of(job, object, out);
    if (PyFloat_Check(object)) {
        *out = ed_pg_value(PyFloat_AsDouble(object));
        return 0;
    }
    if (bytes_of(job->arena, object, "a parameter", &bytes))
        return -1;
    *out = PyUnicode_Check(object) ? ed_pg_value(bytes) : ed_bytea(bytes);
    return 0;
}

static struct ed_pg_param *room_for(struct job *job, Py_ssize_t count)
{
    if (count > PARAMETERS_MAX) {
        PyErr_Format(PyExc_ValueError, "more than %d parameters",
                     PARAMETERS_MAX);
        return NULL;
    }
    struct ed_pg_param *params =
        ed_arena_zalloc(job->arena, ((size_t)count + 2) * sizeof(*params));
    if (!params)
        PyErr_NoMemory();
    return params;
}

static const struct ed_pg_query_options READ_ONLY = {
    .size = sizeof(struct ed_pg_query_options),
    .read_only = true,
};

/* Pairs of a name, or None, and a value. */
static const struct ed_pg_param *params_of(struct job *job, PyObject *pairs,
                                           bool read_only)
{
    Py_ssize_t count = PySequence_Size(pairs);
    struct ed_pg_param *params = count < 0 ? NULL : room_for(job, count);
    size_t n = 0;

    for (Py_ssize_t i = 0; params && i < count; i++, n++) {
        PyObject *pair = PySequence_GetItem(pairs, i), *name, *value;
        if (!pair || !PyArg_ParseTuple(pair, "OO", &name, &value) ||
            text_of(job->arena, name, "a name", &params[n].name) ||
            value_of(job, value, &params[n].value))
            params = NULL;
        Py_XDECREF(pair);
    }
    if (!params)
        return NULL;
    if (read_only) {
        params[n].value.kind = ED_PG_OPTIONS;
        params[n++].value.as.options = &READ_ONLY;
    }
    params[n].value.kind = ED_PG_END;
    return params;
}

/* ---- on the loop ---- */

/* The server's words, for when the fiber has gone. */
static int note_error(struct query *q, ed_arena *arena, int err)
{
    struct ed_pg_error *kept = ed_arena_alloc(arena, sizeof(*kept));

    if (err < 0 && kept) {
        *kept = *ed_pg_error();
        q->job.sql = kept;
    }
    return err;
}

static int run_in_turn(ed_pg *tx, void *arg)
{
    ed_rows **rows = ((void **)arg)[0];
    struct query *q = ((void **)arg)[1];
    int err = 0;

    for (size_t i = 0; i < q->count && !err; i++)
        err = ed_pg_query_(tx, &rows[i], q->statements[i].sql,
                           q->statements[i].params);
    return err;
}

/* All or nothing. It is not tried again: who asks knows whether it may be. */
static int run_all(struct query *q, ed_pg *pool, ed_arena *arena, void **value)
{
    ed_rows **rows = ed_arena_zalloc(arena, (q->count + 1) * sizeof(*rows));
    void *arg[] = {rows, q};

    if (!rows)
        return ED_ENOMEM;
    *value = rows;
    return ed_pg_transact(pool, run_in_turn, arg, 1);
}

static int run(void *arg, ed_arena *arena, void **value)
{
    struct query *q = arg;
    const struct statement *s = q->statements;
    void *pool;
    int err = home_value(q->job.pool, &pool);

    if (err)
        return err;
    if (q->many)
        return note_error(q, arena, run_all(q, pool, arena, value));
    if (q->script)
        return note_error(q, arena, ed_pg_script(pool, s->sql));
    ed_rows *rows = NULL;
    err = ed_pg_query_(pool, &rows, s->sql, s->params);
    *value = rows;
    return note_error(q, arena, err);
}

/* ---- rows ---- */

/* The types of which the library knows more than their text (pg_type.oid). */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_NAME = 19,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_BPCHAR = 1042,
    OID_VARCHAR = 1043,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
};

static PyObject *convert(uint32_t type, PyObject *raw)
{
    PyObject *value =
        raw ? PyObject_CallFunction(hooks.convert, "IO", type, raw) : NULL;

    Py_XDECREF(raw);
    return value;
}

static PyObject *cell_of(ed_rows *rows, struct ed_column column)
{
    uint32_t type = ed_rows_type(rows, (size_t)column.n);

    if (ed_rows_null_(rows, column))
        Py_RETURN_NONE;
    switch (type) {
    case OID_BOOL:
        return PyBool_FromLong(ed_rows_bool_(rows, column));
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        return PyLong_FromLongLong(ed_rows_int_(rows, column));
    case OID_FLOAT4:
    case OID_FLOAT8:
        return PyFloat_FromDouble(ed_rows_double_(rows, column));
    case OID_TIMESTAMP:
    case OID_TIMESTAMPTZ:
        return convert(type, PyLong_FromLongLong(ed_rows_time_(rows, column)));
    default:
        break;
    }
    struct ed_bytes bytes = ed_rows_bytes_(rows, column);
    if (type == OID_BYTEA)
        return PyBytes_FromStringAndSize(bytes.ptr, (Py_ssize_t)bytes.len);
    PyObject *text =
        PyUnicode_DecodeUTF8(bytes.ptr, (Py_ssize_t)bytes.len, "replace");
    bool is_text = type == OID_TEXT || type == OID_VARCHAR ||
                   type == OID_BPCHAR || type == OID_NAME;
    return is_text ? text : convert(type, text);
}

static PyObject *row_of(ed_rows *rows, size_t width)
{
    PyObject *row = PyTuple_New((Py_ssize_t)width);

    for (size_t i = 0; row && i < width; i++) {
        PyObject *cell = cell_of(rows, ed_column_at_((int64_t)i));
        if (!cell || PyTuple_SetItem(row, (Py_ssize_t)i, cell))
            Py_CLEAR(row);
    }
    return row;
}

static PyObject *names_of(const ed_rows *rows, size_t width)
{
    PyObject *names = PyTuple_New((Py_ssize_t)width);

    for (size_t i = 0; names && i < width; i++) {
        PyObject *name = text_from(ed_bytes(ed_rows_name(rows, i)));
        if (!name || PyTuple_SetItem(names, (Py_ssize_t)i, name))
            Py_CLEAR(names);
    }
    return names;
}

static PyObject *list_of(ed_rows *rows, size_t width)
{
    PyObject *list = PyList_New(0);

    /* It may have been begun before, and ended by an exception. */
    if (rows)
        (void)ed_rows_rewind(rows);
    while (list && ed_rows_next(rows)) {
        PyObject *row = row_of(rows, width);
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *rows_from(ed_rows *rows)
{
    size_t width = ed_rows_columns(rows);
    PyObject *names = names_of(rows, width);
    PyObject *list = names ? list_of(rows, width) : NULL;
    PyObject *made = NULL;

    if (list)
        made = PyObject_CallFunction(hooks.rows, "OOL", list, names,
                                     (long long)ed_rows_affected(rows));
    Py_XDECREF(names);
    Py_XDECREF(list);
    return made;
}

static PyObject *result_of(ed_ticket *ticket, void *value, struct job *job)
{
    const struct query *q = (const struct query *)job;

    (void)ticket;
    if (q->script)
        Py_RETURN_NONE;
    if (!q->many)
        return rows_from(value);
    ed_rows **rows = value;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < q->count; i++) {
        PyObject *one = rows_from(rows[i]);
        if (!one || PyList_Append(list, one))
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

/* ---- the call ---- */

static int read_statement(struct query *q, PyObject *pair, bool read_only)
{
    struct statement *s = &q->statements[q->count];
    PyObject *sql, *params;

    if (!PyArg_ParseTuple(pair, "OO", &sql, &params) ||
        text_of(q->job.arena, sql, "a statement", &s->sql))
        return -1;
    if (!s->sql) {
        PyErr_SetString(PyExc_TypeError, "a statement is to be str, not None");
        return -1;
    }
    s->params = params_of(&q->job, params, read_only);
    if (!s->params)
        return -1;
    q->count++;
    return 0;
}

static int read_statements(struct query *q, PyObject *list, bool read_only)
{
    Py_ssize_t count = PySequence_Size(list);
    int err = 0;

    if (count < 0)
        return -1;
    if (count > STATEMENTS_MAX) {
        PyErr_Format(PyExc_ValueError, "more than %d statements",
                     STATEMENTS_MAX);
        return -1;
    }
    q->statements = ed_arena_zalloc(q->job.arena, ((size_t)count + 1) *
                                                      sizeof(struct statement));
    if (!q->statements) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; !err && i < count; i++) {
        PyObject *pair = PySequence_GetItem(list, i);
        err = pair ? read_statement(q, pair, read_only) : -1;
        Py_XDECREF(pair);
    }
    return err;
}

/* run(statements, about, read_only, many, script): statements are pairs of a
 * text and its parameters. A handle. */
static PyObject *pool_run(PyObject *self, PyObject *args)
{
    struct pool *pool = (struct pool *)self;
    PyObject *list, *about;
    int read_only, many, script;

    if (!PyArg_ParseTuple(args, "OOppp:run", &list, &about, &read_only, &many,
                          &script))
        return NULL;
    struct query *q = job_new(sizeof(*q));
    if (!q)
        return NULL;
    q->many = many;
    q->script = script;
    if (read_statements(q, list, read_only)) {
        job_unref(q);
        return NULL;
    }
    q->job.pool = home_of(&pool->home);
    return job_start(&q->job, run, "query", result_of, about);
}

/* ---- the type ---- */

/* Connections of a pool, at most; a server has some hundreds. */
enum { CONNECTIONS_MAX = 10000 };

static int read_options(struct plan *plan, PyObject *args, PyObject *names)
{
    static char *words[] = {"dsn",        "min",       "max",
                            "max_wait",   "read_only", "connect_timeout",
                            "statements", NULL};
    PyObject *dsn, *wait = NULL, *connect = NULL;
    PyObject *min = NULL, *max = NULL, *kept = NULL;
    long long least = 0, most = 0, statements = 0;
    struct ed_pg_options *o = &plan->options;
    int read_only = 0;

    if (!PyArg_ParseTupleAndKeywords(args, names, "O|OOOpOO:pg", words, &dsn,
                                     &min, &max, &wait, &read_only, &connect,
                                     &kept) ||
        text_of(plan->job.arena, dsn, "dsn", &o->dsn) ||
        number_of(min, "min", 0, CONNECTIONS_MAX, &least) ||
        number_of(max, "max", 0, CONNECTIONS_MAX, &most) ||
        number_of(kept, "statements", -1, INT_MAX, &statements) ||
        seconds_of(wait, "max_wait", 0, &o->max_wait))
        return -1;
    o->size = sizeof(*o);
    o->min = (unsigned)least;
    o->max = (unsigned)most;
    o->statements = (int)statements;
    o->read_only = read_only;
    return seconds_of(connect, "connect_timeout", 0, &o->connect_timeout);
}

static PyObject *pool_new(PyTypeObject *class, PyObject *args, PyObject *names)
{
    struct plan *plan = job_new(sizeof(*plan));
    struct pool *pool = NULL;

    if (!plan)
        return NULL;
    if (!read_options(plan, args, names))
        pool = (struct pool *)object_new((PyObject *)class);
    if (!pool) {
        job_unref(plan);
        return NULL;
    }
    pool->home = (struct home){
        .plan = &plan->job,
        .make = make_pool,
        .close = close_pool,
        .name = "pool",
    };
    return (PyObject *)pool;
}

static void pool_dealloc(PyObject *self)
{
    home_close(&((struct pool *)self)->home);
    object_free(self);
}

static PyObject *pool_close(PyObject *self, PyObject *none)
{
    struct pool *pool = (struct pool *)self;

    (void)none;
    home_leave(&pool->home);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"run", pool_run, METH_VARARGS, NULL},
    {"close", pool_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, pool_new},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Pg",
    .basicsize = sizeof(struct pool),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int pg_init(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    return type ? PyModule_AddObject(module, "Pg", type) : -1;
}
