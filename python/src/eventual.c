/*
 * eventual.c - EventualResult: what a call gives at once, and waiting for it.
 *
 * A handle holds a ticket until its value is asked for, and then the value.
 * Failures are made anew for each who asks: an exception that was raised holds
 * the frames it came through, and so this handle.
 */
#include "eddy_python.h"
#include <time.h>

struct eventual {
    PyObject_HEAD
    ed_ticket *ticket; /* NULL: never was one, or the value is here */
    struct job *job;   /* or NULL */
    value_fn *make;
    PyObject *about;
    PyObject *value; /* once it was asked for */
    unsigned born;   /* in which generation of the process */
    unsigned making; /* 0, or the generation in which somebody does, plus 1 */
    unsigned long maker; /* the thread that does */
    bool collected;
    bool canceled; /* by us: then nobody is told of it */
};

static PyObject *type; /* what EventualResult is derived from */

static bool is_done(const struct eventual *e)
{
    return e->value || ed_ticket_done(e->ticket);
}

PyObject *eventual_new(ed_ticket *ticket, value_fn *make, struct job *job,
                       PyObject *about)
{
    struct eventual *e = ticket ? (struct eventual *)object_new(hooks.eventual)
                                : (struct eventual *)PyErr_NoMemory();

    if (!e) {
        ed_ticket_free(ticket);
        job_unref(job);
        return NULL;
    }
    e->ticket = ticket;
    e->job = job;
    e->make = make;
    e->about = about;
    e->born = generation;
    Py_INCREF(about);
    unclaimed_flush();
    return (PyObject *)e;
}

static void mark_seen(ed_ticket *ticket, void *unused)
{
    (void)unused;
    (void)ed_ticket_result(ticket, NULL);
}

/* Drops it, and has the library log nothing of it either. */
static void let_go(ed_ticket *ticket)
{
    if (!ticket)
        return;
    int err = ed_ticket_on_done(ticket, mark_seen, NULL);
    (void)err; /* it will never be done, or a line too many is logged */
    ed_ticket_free(ticket);
}

static void eventual_dealloc(PyObject *self)
{
    struct eventual *e = (struct eventual *)self;

    /* What was left to the parent of this process is for it to tell. */
    if (e->ticket && !e->collected && !e->canceled && e->born == generation) {
        unclaimed_watch(e->ticket, e->job, e->about);
    } else {
        /* What fails from now on is what was asked for. */
        let_go(e->ticket);
        job_unref(e->job);
        Py_XDECREF(e->about);
    }
    Py_XDECREF(e->value);
    object_free(self);
}

/* ---- the outcome ---- */

static const char *text_of_failure(ed_ticket *ticket, int err)
{
    const char *detail = ed_ticket_detail(ticket);

    return detail && *detail ? detail : ed_err_text(err);
}

/* Makes the value. Making it calls Python, which may come back here. */
static int make_value(struct eventual *e, void *value)
{
    ed_ticket *ticket = ed_ticket_ref(e->ticket);

    e->maker = PyThread_get_thread_ident();
    e->making = generation + 1;
    PyObject *made = e->make(ticket, value, e->job);
    e->making = 0;
    if (made && !e->value) {
        e->value = made;
        ed_ticket_free(e->ticket);
        e->ticket = NULL;
    } else {
        Py_XDECREF(made);
    }
    ed_ticket_free(ticket);
    return made ? 0 : -1;
}

/* The value, which is made once. What it is made of is for one thread at a
 * time; in the child of a fork who was making it is not there any more. */
static PyObject *keep_value(struct eventual *e, void *value)
{
    const struct timespec moment = {0, 200000};

    while (e->making == generation + 1) {
        if (e->maker == PyThread_get_thread_ident()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "this thread is making the value just now");
            return NULL;
        }
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&moment, NULL);
        Py_END_ALLOW_THREADS
    }
    if (!e->value && make_value(e, value))
        return NULL;
    Py_INCREF(e->value);
    return e->value;
}

/* 1: it is done, 0: not yet; *failure is the exception that it ended with, or
 * NULL. It counts as collected. -1 with an exception: the loop is gone. */
static int look(struct eventual *e, void **value, PyObject **failure)
{
    *failure = NULL;
    *value = NULL;
    if (e->value)
        return 1;
    int err = ed_ticket_result(e->ticket, value);
    if (err == ED_EWOULDBLOCK && !ed_ticket_done(e->ticket))
        return 0;
    e->collected = true;
    if (err >= 0)
        return 1;
    *failure =
        exception_of(err, text_of_failure(e->ticket, err), e->about, e->job);
    return *failure ? 1 : -1;
}

static PyObject *not_yet(void)
{
    PyErr_SetString(hooks.waited, "not done yet; it goes on");
    return NULL;
}

static PyObject *outcome(struct eventual *e)
{
    PyObject *failure;
    void *value;

    int done = look(e, &value, &failure);

    if (done < 0)
        return NULL;
    if (!done)
        return not_yet();
    if (failure) {
        PyErr_SetObject((PyObject *)Py_TYPE(failure), failure);
        Py_DECREF(failure);
        return NULL;
    }
    return keep_value(e, value);
}

/* ---- waiting ---- */

enum { RAISED = 1 << 24 }; /* more than there are tickets */

/* Waits without the interpreter's lock, and lets Python's signal handlers run:
 * RAISED with the exception of one. Else as ed_tickets_wait(). */
static int wait_for(ed_ticket *const *tickets, size_t count, int how,
                    int64_t within)
{
    int64_t until = within < 0 ? -1 : ed_clock_monotonic() + within;
    int err;

    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        err = ed_tickets_wait(tickets, count, how | ED_TICKETS_INTERRUPTIBLE,
                              within);
        Py_END_ALLOW_THREADS
        if (err != -EINTR)
            return err;
        if (PyErr_CheckSignals())
            return RAISED;
        if (within < 0)
            continue;
        within = until - ed_clock_monotonic();
        if (within < 0)
            within = 0;
    }
}

/* What a failure of the wait itself becomes; NULL with the exception. */
static PyObject *fail_wait(int err)
{
    if (err == RAISED)
        return NULL;
    if (err == -EDEADLK) {
        PyErr_SetString(PyExc_RuntimeError,
                        "waiting on the loop's own thread would never end");
        return NULL;
    }
    return fail_with(err, ed_err_text(err));
}

/* Seconds, None being for as long as it takes; negative ones do not wait. */
static int read_timeout(PyObject *object, int64_t *within)
{
    return seconds_of(object, "timeout", -1, within);
}

static PyObject *eventual_wait(PyObject *self, PyObject *args, PyObject *names)
{
    static char *words[] = {"timeout", NULL};
    struct eventual *e = (struct eventual *)self;
    PyObject *timeout = NULL;
    int64_t within;

    if (!PyArg_ParseTupleAndKeywords(args, names, "|O:wait", words, &timeout) ||
        read_timeout(timeout, &within))
        return NULL;
    if (is_done(e))
        return outcome(e);
    /* Another thread may take the value, and let go of the ticket. */
    ed_ticket *ticket = ed_ticket_ref(e->ticket);
    int err = wait_for(&ticket, 1, ED_TICKETS_ALL, within);
    ed_ticket_free(ticket);
    /* It may be done meanwhile: the exception is what there is to tell. */
    if (err == RAISED)
        return NULL;
    /* What was left behind by a fork is over, too, without being done. */
    if (is_done(e) || !err)
        return outcome(e);
    return err == ED_ETIMEOUT ? not_yet() : fail_wait(err);
}

static PyObject *eventual_done(PyObject *self, PyObject *none)
{
    (void)none;
    return PyBool_FromLong(is_done((struct eventual *)self));
}

static PyObject *eventual_cancel(PyObject *self, PyObject *none)
{
    struct eventual *e = (struct eventual *)self;

    (void)none;
    if (!is_done(e)) {
        e->canceled = true;
        ed_ticket_cancel(e->ticket);
    }
    Py_RETURN_NONE;
}

static PyObject *eventual_failure(PyObject *self, PyObject *none)
{
    PyObject *failure;
    void *value;

    (void)none;
    if (look((struct eventual *)self, &value, &failure) < 0)
        return NULL;
    if (failure)
        return failure;
    Py_RETURN_NONE;
}

static PyObject *eventual_about(PyObject *self, PyObject *none)
{
    struct eventual *e = (struct eventual *)self;

    (void)none;
    Py_INCREF(e->about);
    return e->about;
}

/* Has a mailbox told when it is done; False: it is, and that is not told. */
static PyObject *eventual_post(PyObject *self, PyObject *args)
{
    struct eventual *e = (struct eventual *)self;
    unsigned long long number;
    PyObject *mailbox;

    if (!PyArg_ParseTuple(args, "OK:_post", &mailbox, &number))
        return NULL;
    if (e->value)
        Py_RETURN_FALSE; /* another thread has just taken it */
    if (mailbox_watch(mailbox, e->ticket, number))
        return NULL;
    Py_RETURN_TRUE;
}

/* ---- many of them ---- */

struct crowd {
    PyObject *list;      /* of handles */
    ed_ticket **tickets; /* of those that hold one */
    size_t count;
    Py_ssize_t *places; /* of these tickets in the list */
};

static struct eventual *at(const struct crowd *c, Py_ssize_t i)
{
    return (struct eventual *)PyList_GetItem(c->list, i);
}

static void crowd_close(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++)
        ed_ticket_free(c->tickets[i]);
    PyMem_Free(c->tickets);
    PyMem_Free(c->places);
    Py_XDECREF(c->list);
}

static int crowd_open(struct crowd *c, PyObject *handles)
{
    *c = (struct crowd){.list = PySequence_List(handles)};
    if (!c->list)
        return -1;
    Py_ssize_t size = PyList_Size(c->list);
    c->tickets = PyMem_Calloc((size_t)size + 1, sizeof(*c->tickets));
    c->places = PyMem_Calloc((size_t)size + 1, sizeof(*c->places));
    if (!c->tickets || !c->places) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *one = PyList_GetItem(c->list, i);
        if (!object_is(one, type)) {
            PyErr_Format(PyExc_TypeError,
                         "item %zd is to be an EventualResult, not %R", i,
                         (PyObject *)Py_TYPE(one));
            return -1;
        }
        if (at(c, i)->value)
            continue;
        c->places[c->count] = i;
        c->tickets[c->count++] = ed_ticket_ref(at(c, i)->ticket);
    }
    return 0;
}

static size_t count_pending(const struct crowd *c)
{
    size_t pending = 0;

    for (Py_ssize_t i = 0; i < PyList_Size(c->list); i++)
        pending += !is_done(at(c, i));
    return pending;
}

/* Nobody will ask for the others any more. */
static void give_up(const struct crowd *c)
{
    for (Py_ssize_t i = 0; i < PyList_Size(c->list); i++) {
        struct eventual *e = at(c, i);
        if (is_done(e)) {
            e->collected = true;
            continue; /* let_go() has the library know */
        }
        e->canceled = true;
        ed_ticket_cancel(e->ticket);
    }
}

static PyObject *too_late(size_t pending, Py_ssize_t of, int64_t within)
{
    char text[96];

    snprintf(text, sizeof(text), "%zu of %zd not done within %.3g s", pending,
             of, (double)within / ED_S);
    return PyObject_CallFunction(hooks.timeout, "s", text);
}

static PyObject *raise_late(const struct crowd *c, size_t pending,
                            int64_t within)
{
    PyObject *late = too_late(pending, PyList_Size(c->list), within);

    give_up(c);
    if (late)
        PyErr_SetObject(hooks.timeout, late);
    Py_XDECREF(late);
    return NULL;
}

/* The outcome of one, a failure being as good as a value. */
static PyObject *either(struct eventual *e, const struct crowd *c,
                        int64_t within)
{
    PyObject *failure;
    void *value;
    int done = look(e, &value, &failure);

    if (done < 0 || failure)
        return failure;
    if (!done) {
        e->canceled = true;
        ed_ticket_cancel(e->ticket);
        return too_late(1, PyList_Size(c->list), within);
    }
    return outcome(e);
}

static PyObject *results(const struct crowd *c, bool whatever, int64_t within)
{
    Py_ssize_t size = PyList_Size(c->list);
    PyObject *list = PyList_New(size);

    for (Py_ssize_t i = 0; list && i < size; i++) {
        PyObject *one =
            whatever ? either(at(c, i), c, within) : outcome(at(c, i));
        if (!one || PyList_SetItem(list, i, one))
            Py_CLEAR(list);
    }
    return list;
}

/* The handle whose failure came first, as far as that can be told: one that
 * failed by that, or else otherwise. NULL: none has failed. */
static struct eventual *first_failure(const struct crowd *c, int err)
{
    Py_ssize_t found = -1;

    for (Py_ssize_t i = 0; i < PyList_Size(c->list); i++) {
        struct eventual *e = at(c, i);
        int own = e->value ? 0 : ed_ticket_result(e->ticket, NULL);
        if (own < 0 && own != ED_EWOULDBLOCK && (found < 0 || own == err))
            found = i;
        if (own == err)
            break;
    }
    return found < 0 ? NULL : at(c, found);
}

/* The error may be that of a handle, or of the wait for them: what is told of a
 * call that took too long is not that others were waited for for too long. */
static PyObject *raise_first(const struct crowd *c, int err, int64_t within)
{
    struct eventual *failed = first_failure(c, err);
    size_t pending = count_pending(c);

    if (!failed && err == ED_ETIMEOUT)
        return pending ? raise_late(c, pending, within)
                       : results(c, false, within); /* at the last moment */
    give_up(c);
    return failed ? outcome(failed) : fail_wait(err);
}

static PyObject *gather(const struct crowd *c, bool whatever, int64_t within)
{
    int how = whatever ? ED_TICKETS_ALL : ED_TICKETS_SOUND;
    int err = c->count ? wait_for(c->tickets, c->count, how, within) : 0;

    if (err == RAISED || err == -EDEADLK)
        return fail_wait(err);
    if (!whatever && err < 0)
        return raise_first(c, err, within);
    if (err < 0 && err != ED_ETIMEOUT)
        return fail_wait(err);
    return results(c, whatever, within);
}

PyObject *py_gather(PyObject *module, PyObject *args, PyObject *names)
{
    static char *words[] = {"handles", "timeout", "return_exceptions", NULL};
    PyObject *handles, *timeout = NULL, *list = NULL;
    struct crowd crowd;
    int whatever = 0;
    int64_t within;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, names, "O|Op:gather", words,
                                     &handles, &timeout, &whatever) ||
        read_timeout(timeout, &within))
        return NULL;
    if (!crowd_open(&crowd, handles))
        list = gather(&crowd, whatever, within);
    crowd_close(&crowd);
    return list;
}

struct done {
    uint64_t order;
    Py_ssize_t place;
};

static int by_order(const void *a, const void *b)
{
    const struct done *one = a, *two = b;

    if (one->order != two->order)
        return one->order < two->order ? -1 : 1;
    return one->place < two->place ? -1 : 1;
}

/* When it was done; 0: it is not. Those that never will be come last. */
static uint64_t order_of(ed_ticket *ticket)
{
    uint64_t order = ed_ticket_order(ticket);

    if (order || ed_ticket_result(ticket, NULL) == ED_EWOULDBLOCK)
        return order;
    return UINT64_MAX;
}

/* All there are. Of values that were made it is not known any more when they
 * came: they are the first. */
static size_t find_done(const struct crowd *c, struct done *done)
{
    size_t n = 0;

    for (Py_ssize_t i = 0; i < PyList_Size(c->list); i++) {
        if (at(c, i)->value)
            done[n++] = (struct done){0, i};
    }
    for (size_t i = 0; i < c->count; i++) {
        uint64_t order = order_of(c->tickets[i]);
        if (order && !at(c, c->places[i])->value)
            done[n++] = (struct done){order, c->places[i]};
    }
    qsort(done, n, sizeof(*done), by_order);
    return n;
}

static PyObject *list_done(const struct crowd *c)
{
    size_t size = (size_t)PyList_Size(c->list);
    struct done *done = PyMem_Calloc(size + 1, sizeof(*done));
    PyObject *list = done ? PyList_New(0) : PyErr_NoMemory();
    size_t n = list ? find_done(c, done) : 0;

    for (size_t i = 0; list && i < n; i++) {
        PyObject *place = PyLong_FromSsize_t(done[i].place);
        if (!place || PyList_Append(list, place))
            Py_CLEAR(list);
        Py_XDECREF(place);
    }
    PyMem_Free(done);
    return list;
}

/* The indices of all handles that are done, in the order in which they were; it
 * waits for one. An empty list: none within the time. */
static PyObject *wait_done(const struct crowd *c, int64_t within)
{
    if (c->count < (size_t)PyList_Size(c->list))
        return list_done(c); /* some have their values */
    int got = wait_for(c->tickets, c->count, ED_TICKETS_ANY, within);
    if (got == RAISED || (got < 0 && got != ED_ETIMEOUT))
        return fail_wait(got);
    return list_done(c);
}

PyObject *py_wait_done(PyObject *module, PyObject *args)
{
    PyObject *handles, *timeout, *list = NULL;
    struct crowd crowd;
    int64_t within;

    (void)module;
    if (!PyArg_ParseTuple(args, "OO:wait_done", &handles, &timeout) ||
        read_timeout(timeout, &within))
        return NULL;
    if (!crowd_open(&crowd, handles))
        list = wait_done(&crowd, within);
    crowd_close(&crowd);
    return list;
}

/* ---- the type ---- */

static PyMethodDef methods[] = {
    {"wait", (PyCFunction)(void (*)(void))eventual_wait,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"done", eventual_done, METH_NOARGS, NULL},
    {"cancel", eventual_cancel, METH_NOARGS, NULL},
    {"original_failure", eventual_failure, METH_NOARGS, NULL},
    {"_about", eventual_about, METH_NOARGS, NULL},
    {"_post", eventual_post, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, object_refuse},
    {Py_tp_dealloc, eventual_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Eventual",
    .basicsize = sizeof(struct eventual),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int eventual_init(PyObject *module)
{
    type = PyType_FromSpec(&spec);
    if (!type)
        return -1;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Eventual", type);
}
