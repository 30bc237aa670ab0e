/*
 * trace.c - where a thread of Python is.
 *
 * That is asked with the interpreter held, since frames come and go. A thread
 * that keeps it for long, in a library that computes, keeps us from that; then
 * it is asked as Python does when it crashes, without: frames stand still as
 * long as the interpreter is somebody's who does not return to it. Up to Python
 * 3.12 there is a function for that, from then on only what faulthandler does
 * when a signal comes.
 */
#include "host.h"

#include <fcntl.h>
#include <frameobject.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Deeper than anyone reads. */
enum { MOST_FRAMES = 100 };

/* Of what Python writes about a frame. */
enum { LINE_SIZE = 1024 };

/* Who keeps the interpreter for longer will not give it up soon: what runs as
 * Python gives it up after 5 ms. */
enum { PATIENCE_S = 1 };

/* Those who wait for the interpreter on our behalf. */
enum { MOST_ASKING = 4 };

struct frame {
    char *function, *file;
    int line;
};

/* Held by who asks and by the thread that asks for him. */
struct question {
    atomic_int refs;
    struct wsgi_thread *thread;
    const struct wsgi_job *job; /* compared only */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    size_t count;
    struct frame frames[MOST_FRAMES];
};

static atomic_int asking;

/* ---- with the interpreter ---- */

static char *copy_attribute(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    const char *text =
        value && PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
    char *copy = strdup(text ? text : "?");

    PyErr_Clear();
    Py_XDECREF(value);
    return copy;
}

static struct frame read_frame(PyFrameObject *f)
{
    PyCodeObject *code = PyFrame_GetCode(f);
    bool qualified = PyObject_HasAttrString((PyObject *)code, "co_qualname");
    struct frame frame = {
        .function = copy_attribute((PyObject *)code,
                                   qualified ? "co_qualname" : "co_name"),
        .file = copy_attribute((PyObject *)code, "co_filename"),
        .line = PyFrame_GetLineNumber(f),
    };

    Py_DECREF(code);
    return frame;
}

static bool works_on(struct wsgi_thread *thread, const struct wsgi_job *job)
{
    struct wsgi_pool *pool = &thread->host->pool;

    pthread_mutex_lock(&pool->lock);
    bool yes = thread->job == job;
    pthread_mutex_unlock(&pool->lock);
    return yes;
}

static void free_frame(struct frame *frame)
{
    free(frame->function);
    free(frame->file);
}

static void walk(struct question *q)
{
    PyFrameObject *f = works_on(q->thread, q->job)
                           ? PyThreadState_GetFrame(q->thread->state)
                           : NULL;

    while (f && q->count < MOST_FRAMES) {
        PyFrameObject *outer = PyFrame_GetBack(f);
        q->frames[q->count++] = read_frame(f);
        Py_DECREF(f);
        f = outer;
    }
    /* The outermost are how Python came to the host. */
    for (unsigned i = 0; !f && i < q->thread->depth && q->count; i++)
        free_frame(&q->frames[--q->count]);
    Py_XDECREF(f);
}

/* ---- asking ---- */

static void let_go(struct question *q)
{
    if (atomic_fetch_sub(&q->refs, 1) > 1)
        return;
    for (size_t i = 0; i < q->count; i++)
        free_frame(&q->frames[i]);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void *answer(void *arg)
{
    struct question *q = arg;
    PyGILState_STATE before = PyGILState_Ensure();

    walk(q);
    PyGILState_Release(before);
    pthread_mutex_lock(&q->lock);
    q->done = true;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
    let_go(q);
    atomic_fetch_sub(&asking, 1);
    return NULL;
}

static bool start_asking(struct question *q)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (atomic_fetch_add(&asking, 1) >= MOST_ASKING) {
        atomic_fetch_sub(&asking, 1);
        return false;
    }
    atomic_store(&q->refs, 2);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int err = pthread_create(&thread, &attributes, answer, q);
    pthread_attr_destroy(&attributes);
    if (!err)
        return true;
    atomic_store(&q->refs, 1);
    atomic_fetch_sub(&asking, 1);
    return false;
}

static bool await_answer(struct question *q)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&q->lock);
    while (!q->done && !pthread_cond_timedwait(&q->answered, &q->lock, &end)) {
    }
    bool done = q->done;
    pthread_mutex_unlock(&q->lock);
    return done;
}

/* ---- without ---- */

/* What faulthandler uses: it takes nothing and allocates nothing. Python shows
 * it up to 3.12. */
extern void _Py_DumpTraceback(int fd, PyThreadState *state)
    __attribute__((weak));

/* What faulthandler itself does, for all threads, into a descriptor that is
 * another file each time. */
static struct {
    pthread_mutex_t lock;
    int signo; /* 0: it does not */
    int fd;
} handler = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One that nobody has a handler for. */
static int free_signal(void)
{
    for (int signo = SIGRTMAX; signo >= SIGRTMIN; signo--) {
        struct sigaction old;
        if (!sigaction(signo, NULL, &old) && old.sa_handler == SIG_DFL)
            return signo;
    }
    return 0;
}

void wsgi_trace_prepare(void)
{
    if (_Py_DumpTraceback)
        return;
    handler.signo = free_signal();
    handler.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *registered =
        module ? PyObject_CallMethod(module, "register", "iii", handler.signo,
                                     handler.fd, true)
               : NULL;
    if (!registered)
        handler.signo = 0;
    PyErr_Clear();
    Py_XDECREF(registered);
    Py_XDECREF(module);
}

static void strike_here(int signo)
{
    sigset_t only, before;

    sigemptyset(&only);
    sigaddset(&only, signo);
    pthread_sigmask(SIG_UNBLOCK, &only, &before);
    pthread_kill(pthread_self(), signo);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct writing {
    int fd;
    struct wsgi_thread *thread;
};

static void write_own(void *arg)
{
    const struct writing *w = arg;

    _Py_DumpTraceback(w->fd, w->thread->state);
}

static void write_all(void *arg)
{
    (void)arg;
    strike_here(handler.signo);
}

/* All threads, or just the one. It may return to the interpreter at any time
 * and leave its frames while they are read: then there are fewer. */
static void write_frames(int fd, struct wsgi_thread *thread)
{
    if (_Py_DumpTraceback) {
        (void)ed_guest_try(write_own, &(struct writing){fd, thread});
        return;
    }
    pthread_mutex_lock(&handler.lock);
    if (handler.signo && dup3(fd, handler.fd, O_CLOEXEC) >= 0)
        (void)ed_guest_try(write_all, NULL);
    pthread_mutex_unlock(&handler.lock);
}

/* `Thread 0x00007f1f2e1fc6c0 (most recent call first):` */
static bool begins_thread(const char *line, unsigned long *id)
{
    const char *number = strstr(line, "hread 0x");

    if (!number || *line == ' ')
        return false;
    *id = strtoul(number + sizeof "hread " - 1, NULL, 16);
    return true;
}

/* `  File "shop.py", line 12 in view` */
static void tell_line(char *line, wsgi_frame_fn *fn, void *arg)
{
    static const char begin[] = "  File \"";
    char *file = line + sizeof begin - 1;
    char *middle = strstr(line, "\", line ");
    char *in = middle ? strstr(middle, " in ") : NULL;

    if (strncmp(line, begin, sizeof begin - 1) != 0 || !in)
        return;
    *middle = *in = '\0';
    fn(arg, in + 4, file, (int)strtol(middle + 8, NULL, 10));
}

/* The next frame of a thread, `id` being whose frames these are. */
static bool next_own(FILE *in, char line[LINE_SIZE], unsigned long own,
                     unsigned long *id)
{
    while (fgets(line, LINE_SIZE, in)) {
        line[strcspn(line, "\n")] = '\0';
        if (!begins_thread(line, id) && *id == own && *line == ' ')
            return true;
    }
    return false;
}

static void dump(struct wsgi_thread *thread, wsgi_frame_fn *fn, void *arg)
{
    int fd = memfd_create("traceback", MFD_CLOEXEC);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r+");
    unsigned long own = thread->state->thread_id, id = own;
    char line[LINE_SIZE];
    int frames = 0;

    if (!in) {
        if (fd >= 0)
            close(fd);
        return;
    }
    write_frames(fd, thread);
    rewind(in);
    while (next_own(in, line, own, &id))
        frames++;
    rewind(in);
    id = own;
    /* The outermost are how Python came to the host. */
    for (frames -= (int)thread->depth;
         frames > 0 && next_own(in, line, own, &id); frames--)
        tell_line(line, fn, arg);
    fclose(in);
}

/* ---- either ---- */

void wsgi_trace(struct wsgi_thread *thread, const struct wsgi_job *job,
                wsgi_frame_fn *fn, void *arg)
{
    struct question *q = calloc(1, sizeof *q);

    if (!q)
        return;
    atomic_init(&q->refs, 1);
    q->thread = thread;
    q->job = job;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->answered, NULL);
    if (start_asking(q) && await_answer(q)) {
        for (size_t i = 0; i < q->count; i++)
            fn(arg, q->frames[i].function, q->frames[i].file,
               q->frames[i].line);
    } else if (works_on(thread, job)) {
        dump(thread, fn, arg);
    }
    let_go(q);
}
