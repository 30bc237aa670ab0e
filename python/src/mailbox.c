/*
 * mailbox.c - how loops of others hear that a call is over.
 *
 * The loop's thread puts the number of what is done into a box and makes its
 * descriptor readable; the owner's loop, asyncio's, finds both. Nothing of it
 * takes the interpreter's lock.
 */
#include "eddy_python.h"
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Shared by the object and by all that is still to come. */
struct box {
    atomic_int refs;
    pthread_mutex_t lock;
    int fd;
    uint64_t *numbers; /* of what is done */
    size_t count;
    size_t room;    /* for all that is watched, so that nothing is refused */
    size_t watched; /* and not taken yet */
};

struct letter {
    struct box *box;
    uint64_t number;
};

struct mailbox {
    PyObject_HEAD
    struct box *box;
};

static void box_unref(struct box *box)
{
    if (!box || atomic_fetch_sub(&box->refs, 1) != 1)
        return;
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    free(box->numbers);
    free(box);
}

static struct box *box_new(void)
{
    struct box *box = calloc(1, sizeof(*box));
    int fd = box ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;

    if (fd < 0) {
        if (box)
            PyErr_SetFromErrno(PyExc_OSError);
        else
            PyErr_NoMemory();
        free(box);
        return NULL;
    }
    box->fd = fd;
    atomic_init(&box->refs, 1);
    pthread_mutex_init(&box->lock, NULL);
    return box;
}

/* On the loop's thread. */
static void deliver(ed_ticket *ticket, void *arg)
{
    struct letter *letter = arg;
    struct box *box = letter->box;

    (void)ticket;
    pthread_mutex_lock(&box->lock);
    bool first = box->count == 0;
    box->numbers[box->count++] = letter->number;
    if (first) {
        /* It cannot fail: the counter is at 0 or 1. */
        uint64_t one = 1;
        ssize_t n = write(box->fd, &one, sizeof(one));
        (void)n;
    }
    pthread_mutex_unlock(&box->lock);
    free(letter);
    box_unref(box);
}

static int watch_one(struct box *box)
{
    int err = 0;

    pthread_mutex_lock(&box->lock);
    if (box->watched >= box->room) {
        size_t room = box->room ? 2 * box->room : 64;
        uint64_t *numbers = realloc(box->numbers, room * sizeof(*numbers));
        err = numbers ? 0 : -1;
        if (numbers) {
            box->numbers = numbers;
            box->room = room;
        }
    }
    box->watched += !err;
    pthread_mutex_unlock(&box->lock);
    if (err)
        PyErr_NoMemory();
    return err;
}

static PyObject *type;

int mailbox_watch(PyObject *mailbox, ed_ticket *ticket, uint64_t number)
{
    if (!object_is(mailbox, type)) {
        PyErr_SetString(PyExc_TypeError, "that is no mailbox");
        return -1;
    }
    struct box *box = ((struct mailbox *)mailbox)->box;
    struct letter *letter = malloc(sizeof(*letter));
    if (!letter)
        PyErr_NoMemory();
    if (!letter || watch_one(box)) {
        free(letter);
        return -1;
    }
    *letter = (struct letter){box, number};
    atomic_fetch_add(&box->refs, 1);
    int err = ed_ticket_on_done(ticket, deliver, letter);
    if (!err)
        return 0;
    pthread_mutex_lock(&box->lock);
    box->watched--;
    pthread_mutex_unlock(&box->lock);
    box_unref(box);
    free(letter);
    (void)fail_with(err, ed_err_text(err));
    return -1;
}

static PyObject *mailbox_new(PyTypeObject *class, PyObject *args,
                             PyObject *names)
{
    (void)args;
    (void)names;
    struct box *box = box_new();
    struct mailbox *m =
        box ? (struct mailbox *)object_new((PyObject *)class) : NULL;

    if (m)
        m->box = box;
    else
        box_unref(box);
    return (PyObject *)m;
}

static void mailbox_dealloc(PyObject *self)
{
    box_unref(((struct mailbox *)self)->box);
    object_free(self);
}

static PyObject *mailbox_fileno(PyObject *self, PyObject *none)
{
    (void)none;
    return PyLong_FromLong(((struct mailbox *)self)->box->fd);
}

static PyObject *list_of(const uint64_t *numbers, size_t count)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(numbers[i]);
        if (!number || PyList_Append(list, number))
            Py_CLEAR(list);
        Py_XDECREF(number);
    }
    return list;
}

/* The numbers of what is done since the last time. */
static PyObject *mailbox_take(PyObject *self, PyObject *none)
{
    struct box *box = ((struct mailbox *)self)->box;
    uint64_t *numbers, drained;

    (void)none;
    pthread_mutex_lock(&box->lock);
    size_t count = box->count;
    numbers = malloc((count + 1) * sizeof(*numbers));
    if (numbers) {
        if (count)
            memcpy(numbers, box->numbers, count * sizeof(*numbers));
        box->count = 0;
        box->watched -= count;
        ssize_t n = read(box->fd, &drained, sizeof(drained));
        (void)n; /* nothing, when there was no letter */
    }
    pthread_mutex_unlock(&box->lock);
    PyObject *list = numbers ? list_of(numbers, count) : PyErr_NoMemory();
    free(numbers);
    return list;
}

static PyMethodDef methods[] = {
    {"fileno", mailbox_fileno, METH_NOARGS, NULL},
    {"take", mailbox_take, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, mailbox_new},
    {Py_tp_dealloc, mailbox_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Mailbox",
    .basicsize = sizeof(struct mailbox),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int mailbox_init(PyObject *module)
{
    type = PyType_FromSpec(&spec);
    if (!type)
        return -1;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Mailbox", type);
}
