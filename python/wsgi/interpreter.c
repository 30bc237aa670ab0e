/*
 * interpreter.c - Python from its start to its end, and the application in it.
 *
 * It is started on the process's first thread, on which the application is
 * loaded too, since some can be loaded on no other. It takes no signals: they
 * are the worker's.
 */
#include "host.h"

#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the start ---- */

static int told(PyStatus status)
{
    ed_log_error("not starting: Python: %s",
                 status.err_msg ? status.err_msg : "it cannot be started");
    return ED_EUSAGE;
}

static const char *virtualenv_of(const struct ed_settings *s)
{
    const char *given = s->virtualenv ? s->virtualenv : getenv("VIRTUAL_ENV");

    return given && *given ? given : NULL;
}

/* One that was made by another version has its packages elsewhere, and would
 * seem to have none. */
static bool is_of_this_version(const char *env)
{
    char library[4096];
    int len = snprintf(library, sizeof library, "%s/lib/python%d.%d", env,
                       PY_MAJOR_VERSION, PY_MINOR_VERSION);

    return len < (int)sizeof library && !access(library, F_OK);
}

/* By its own python, from which Python finds all that belongs to it. */
static int set_program(PyConfig *config, const struct ed_settings *s)
{
    const char *env = virtualenv_of(s);
    char program[4096] = "python3";

    if (env && snprintf(program, sizeof program, "%s/bin/python3", env) >=
                   (int)sizeof program)
        return -ENAMETOOLONG;
    if (env && access(program, X_OK)) {
        ed_log_error("not starting: virtualenv %s: %s: %s", env, program,
                     ed_err_text(-errno));
        return ED_EUSAGE;
    }
    if (env && !is_of_this_version(env)) {
        ed_log_error("not starting: virtualenv %s is not of Python %d.%d, "
                     "which eddy-wsgi was built with",
                     env, PY_MAJOR_VERSION, PY_MINOR_VERSION);
        return ED_EUSAGE;
    }
    PyStatus status =
        PyConfig_SetBytesString(config, &config->program_name, program);
    if (!PyStatus_Exception(status) && env)
        status = PyConfig_SetBytesString(config, &config->executable, program);
    return PyStatus_Exception(status) ? told(status) : 0;
}

static int initialise(const struct ed_settings *s)
{
    char *argv[] = {(char *)s->wsgi};
    PyConfig config;

    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    config.buffered_stdio = 0; /* what is printed is seen when it is */
    int err = set_program(&config, s);
    PyStatus status = PyStatus_Ok();
    if (!err)
        status = PyConfig_SetBytesArgv(&config, 1, argv);
    if (!err && !PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (!err && PyStatus_Exception(status))
        err = told(status);
    return err;
}

static int add_path(Py_ssize_t at, const char *directory)
{
    char whole[PATH_MAX];
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    PyObject *text = PyUnicode_DecodeFSDefault(
        realpath(directory, whole) ? whole : directory);
    int err = path && text ? PyList_Insert(path, at, text) : -1;

    Py_XDECREF(text);
    return err;
}

/* The given ones, and behind them where the process is. */
static int add_paths(const struct ed_settings *s)
{
    const struct ed_texts *given = &s->python_path;

    for (size_t i = 0; i < given->count; i++) {
        if (add_path((Py_ssize_t)i, given->each[i]))
            return -1;
    }
    return add_path((Py_ssize_t)given->count, ".");
}

int wsgi_python_start(const struct ed_settings *s)
{
    int err = initialise(s);

    if (!err && add_paths(s)) {
        wsgi_log_exception("not starting: python-path");
        err = ED_EUSAGE;
    }
    if (!err)
        wsgi_trace_prepare();
    return err;
}

/* ---- the application ---- */

/* What "a.b.c" leads to in a module. */
static PyObject *find(PyObject *module, const char *dotted)
{
    struct ed_bytes rest = ed_bytes(dotted);
    PyObject *at = module;

    Py_INCREF(at);
    while (at && rest.ptr) {
        struct ed_bytes name = ed_bytes_cut(&rest, '.');
        PyObject *key =
            PyUnicode_FromStringAndSize(name.ptr, (Py_ssize_t)name.len);
        PyObject *next = key ? PyObject_GetAttr(at, key) : NULL;
        Py_XDECREF(key);
        Py_DECREF(at);
        at = next;
    }
    return at;
}

/* Cuts "()" off. */
static bool is_factory(char *name)
{
    size_t len = strlen(name);
    bool yes = len > 2 && !strcmp(name + len - 2, "()");

    if (yes)
        name[len - 2] = '\0';
    return yes;
}

static PyObject *load(char *module_name, char *name)
{
    bool factory = is_factory(name);
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? find(module, name) : NULL;

    Py_XDECREF(module);
    if (found && factory) {
        PyObject *made = PyObject_CallNoArgs(found);
        Py_DECREF(found);
        found = made;
    }
    if (found && !PyCallable_Check(found)) {
        PyErr_Format(PyExc_TypeError,
                     "%s:%s is a %.100s, which cannot be "
                     "called",
                     module_name, name, Py_TYPE(found)->tp_name);
        Py_CLEAR(found);
    }
    return found;
}

PyObject *wsgi_python_load(const struct ed_settings *s)
{
    char *module = strdup(s->wsgi);
    char *name = module ? strchr(module, ':') : NULL;
    char usual[] = "application"; /* as mod_wsgi and uWSGI have it */
    char what[256];

    if (!module)
        return NULL;
    if (name)
        *name++ = '\0';
    PyObject *app = load(module, name ? name : usual);
    if (!app) {
        snprintf(what, sizeof what, "not starting: wsgi %.200s", s->wsgi);
        wsgi_log_exception(what);
    }
    free(module);
    return app;
}

/* ---- forks of a master that has loaded it ---- */

static PyThreadState *first_state;
static pthread_t first_thread;
static bool forking;

/* Python's own os.fork() sees to itself. */
static bool is_masters(void)
{
    return pthread_equal(pthread_self(), first_thread) && !PyGILState_Check();
}

static void before_fork(void)
{
    if (!is_masters())
        return;
    forking = true;
    PyEval_RestoreThread(first_state);
    PyOS_BeforeFork();
}

static void after_in_parent(void)
{
    if (!forking)
        return;
    forking = false;
    PyOS_AfterFork_Parent();
    first_state = PyEval_SaveThread();
}

static void after_in_child(void)
{
    if (!forking)
        return;
    forking = false;
    PyOS_AfterFork_Child();
    first_state = PyEval_SaveThread();
}

void wsgi_python_let_go(bool will_fork)
{
    first_thread = pthread_self();
    if (will_fork)
        pthread_atfork(before_fork, after_in_parent, after_in_child);
    first_state = PyEval_SaveThread();
}

/* ---- the end ---- */

/* How often it is looked whether the end was reached. */
static const int64_t LOOK = 5 * ED_MS;

static atomic_bool over;

/* As the interpreter does it: executors finish what they were given, and
 * threads that are no daemons are waited for. Its own function for that waits
 * for the first thread, too, which is the loop's. */
static const char THREADS[] =
    "import threading\n"
    "for call in reversed(getattr(threading, '_threading_atexits', ())):\n"
    "    call()\n"
    "for thread in threading.enumerate():\n"
    "    if thread is not threading.main_thread() and not thread.daemon:\n"
    "        thread.join()\n";

static const char AT_EXIT[] = "import atexit\n"
                              "atexit._run_exitfuncs()\n";

static void run_last(const char *code)
{
    PyObject *names = PyDict_New();
    PyObject *returned =
        names ? PyRun_String(code, Py_file_input, names, names) : NULL;

    if (!returned)
        wsgi_log_exception("what was to be done at the end failed");
    Py_XDECREF(returned);
    Py_XDECREF(names);
}

static void *run_end(void *unused)
{
    PyGILState_STATE before = PyGILState_Ensure();

    (void)unused;
    wsgi_signals_here(); /* for programs that are started now */
    run_last(THREADS);
    run_last(AT_EXIT);
    PyGILState_Release(before);
    atomic_store(&over, true);
    return NULL;
}

int wsgi_python_end(int64_t within)
{
    int64_t end = ed_now() + within;
    pthread_t thread;
    int err = pthread_create(&thread, NULL, run_end, NULL);

    if (err)
        return -err;
    pthread_detach(thread);
    while (!err && !atomic_load(&over))
        err = ed_now() < end ? ed_sleep(LOOK) : ED_ETIMEOUT;
    return err;
}
