/*
 * client.c - what a Session of Python holds: an ed_client and its cookies.
 *
 * The client, its jar and its TLS context are made on the loop when they are
 * first needed, of options that are kept here, and closed there when the last
 * fetch by it is over and the session is gone. A forked child makes its own.
 */
#include "eddy_python.h"

/* The options, and all texts they point to; shared by the object and by what is
 * on the loop. */
struct plan {
    struct job job; /* its arena and its count of references */
    struct ed_client_options client;
    struct ed_tls_client_options tls;
    bool own_tls;
    bool cookies;
};

/* On the loop. */
struct live {
    struct live *next;
    struct plan *plan;
    ed_client *client;
    ed_jar *jar;
    ed_tls *tls;
};

struct session {
    PyObject_HEAD
    struct home home;
};

/* Those there are: of a client that is closed, what else is to be. Only the
 * loop's thread looks at it. */
static struct live *lives;

static void live_free(struct live *live)
{
    ed_client_free(live->client);
    ed_jar_free(live->jar);
    ed_tls_free(live->tls);
    job_unref(live->plan);
    free(live);
}

static void close_client(void *value)
{
    for (struct live **p = &lives; *p; p = &(*p)->next) {
        struct live *live = *p;
        if (live->client != value)
            continue;
        *p = live->next;
        live_free(live);
        return;
    }
}

static int open_client(struct live *live)
{
    struct ed_client_options options = live->plan->client;
    int err = 0;

    if (live->plan->own_tls)
        err = ed_tls_client_with(&live->tls, &live->plan->tls);
    if (err)
        return err;
    if (live->plan->cookies) {
        live->jar = ed_jar_new();
        if (!live->jar)
            return ED_ENOMEM;
    }
    options.tls = live->tls;
    options.jar = live->jar;
    live->client = ed_client_new_with(&options);
    return live->client ? 0 : ED_EUSAGE;
}

static int make_client(void *arg, ed_arena *arena, void **value)
{
    struct live *live = calloc(1, sizeof(*live));

    (void)arena;
    if (!live)
        return ED_ENOMEM;
    live->plan = arg;
    atomic_fetch_add(&live->plan->job.refs, 1);
    int err = open_client(live);
    if (err) {
        live_free(live);
        return err;
    }
    live->next = lives;
    lives = live;
    *value = live->client;
    return 0;
}

static ed_jar *jar_of(const ed_client *client)
{
    for (const struct live *live = lives; live; live = live->next) {
        if (live->client == client)
            return live->jar;
    }
    return NULL;
}

/* ---- options ---- */

struct option {
    const char *name;
    enum { TEXT, NUMBER, SIGNED, SECONDS, FLAG } kind; /* SIGNED: -1, too */
    size_t at;                                         /* in struct plan */
    size_t size;
    long long most;
};

#define PLACE(member) \
    offsetof(struct plan, member), sizeof(((struct plan *)NULL)->member)
static const struct option table[] = {
    {"max_per_host", NUMBER, PLACE(client.max_per_origin), 1000000},
    {"max_idle", NUMBER, PLACE(client.max_idle), 1000000},
    {"keep_alive", SECONDS, PLACE(client.keep_alive), 0},
    {"local", TEXT, PLACE(client.local), 0},
    {"proxy", TEXT, PLACE(client.proxy), 0},
    {"no_proxy", TEXT, PLACE(client.no_proxy), 0},
    {"resolve_timeout", SECONDS, PLACE(client.resolve_timeout), 0},
    {"connect_timeout", SECONDS, PLACE(client.connect_timeout), 0},
    {"tls_timeout", SECONDS, PLACE(client.tls_timeout), 0},
    {"first_byte_timeout", SECONDS, PLACE(client.first_byte_timeout), 0},
    {"idle_timeout", SECONDS, PLACE(client.idle_timeout), 0},
    {"timeout", SECONDS, PLACE(client.timeout), 0},
    {"max_body", NUMBER, PLACE(client.max_body), PY_SSIZE_T_MAX},
    {"user_agent", TEXT, PLACE(client.user_agent), 0},
    {"max_redirects", SIGNED, PLACE(client.max_redirects), 1000},
    {"no_decoding", FLAG, PLACE(client.no_decoding), 0},
    {"attempts", NUMBER, PLACE(client.retry.attempts), 100},
    {"backoff", SECONDS, PLACE(client.retry.backoff), 0},
    {"max_backoff", SECONDS, PLACE(client.retry.max_backoff), 0},
    {"hedge_after", SECONDS, PLACE(client.hedge.after), 0},
    {"balance", FLAG, PLACE(client.balance.on), 0},
    {"limit", NUMBER, PLACE(client.limit.max), 1000000},
    {"adaptive", FLAG, PLACE(client.limit.adaptive), 0},
    {"queue", NUMBER, PLACE(client.limit.queue), 1000000},
    {"cookies", FLAG, PLACE(cookies), 0},
    {"own_tls", FLAG, PLACE(own_tls), 0},
    {"ca", TEXT, PLACE(tls.ca), 0},
    {"certificate", TEXT, PLACE(tls.certificate), 0},
    {"key", TEXT, PLACE(tls.key), 0},
    {"no_verify", FLAG, PLACE(tls.no_verify), 0},
};

static int read_number(void *place, const struct option *option,
                       PyObject *value)
{
    long long number = 0;

    if (number_of(value, option->name, option->kind == SIGNED ? -1 : 0,
                  option->most, &number))
        return -1;
    if (option->size == sizeof(int))
        *(int *)place = (int)number;
    else
        *(size_t *)place = (size_t)number;
    return 0;
}

static int read_option(struct plan *plan, const struct option *option,
                       PyObject *value)
{
    void *place = (char *)plan + option->at;

    switch (option->kind) {
    case TEXT:
        return text_of(plan->job.arena, value, option->name, place);
    case SECONDS:
        return seconds_of(value, option->name, 0, place);
    case NUMBER:
    case SIGNED:
        return read_number(place, option, value);
    case FLAG:
        *(bool *)place = PyObject_IsTrue(value) == 1;
        return PyErr_Occurred() ? -1 : 0;
    }
    return 0;
}

static int read_options(struct plan *plan, PyObject *options)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        PyObject *value = PyDict_GetItemString(options, table[i].name);
        if (value && read_option(plan, &table[i], value))
            return -1;
    }
    return 0;
}

/* ---- cookies ---- */

struct cookie_job {
    struct job job;
    const char *url;    /* NULL: they are listed */
    const char *cookie; /* as a server would set it */
};

/* A list of them, in the ticket's arena. */
struct cookie {
    struct cookie *next;
    struct ed_jar_cookie what;
};

static int copy_text(ed_arena *arena, const char **text)
{
    *text = ed_arena_copy(arena, ed_bytes(*text));
    return *text ? 0 : ED_ENOMEM;
}

static int list_cookies(ed_jar *jar, ed_arena *arena, void **value)
{
    struct cookie **end = (struct cookie **)value;
    struct ed_jar_cookie what;

    for (size_t i = 0; ed_jar_at(jar, i, &what); i++) {
        struct cookie *cookie = ed_arena_zalloc(arena, sizeof(*cookie));
        if (!cookie || copy_text(arena, &what.name) ||
            copy_text(arena, &what.value) || copy_text(arena, &what.domain) ||
            copy_text(arena, &what.path))
            return ED_ENOMEM;
        cookie->what = what;
        *end = cookie;
        end = &cookie->next;
    }
    return 0;
}

static int run_cookies(void *arg, ed_arena *arena, void **value)
{
    struct cookie_job *c = arg;
    void *client;
    int err = home_value(c->job.pool, &client);

    if (err)
        return err;
    ed_jar *jar = jar_of(client);
    if (!jar)
        return ed_fail(ED_EUSAGE, "the session keeps no cookies");
    if (c->url)
        return ed_jar_set(jar, c->url, c->cookie);
    return list_cookies(jar, arena, value);
}

static PyObject *cookies_of(ed_ticket *ticket, void *value, struct job *job)
{
    PyObject *list = PyList_New(0);

    (void)ticket;
    (void)job;
    for (const struct cookie *c = value; list && c; c = c->next) {
        PyObject *one = Py_BuildValue(
            "{s:s,s:s,s:s,s:s,s:L}", "name", c->what.name, "value",
            c->what.value, "domain", c->what.domain, "path", c->what.path,
            "expires", (long long)c->what.expires);
        if (!one || PyList_Append(list, one))
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

/* With a URL and a cookie, sets it; without, lists all. A handle. */
static PyObject *session_cookies(PyObject *self, PyObject *args)
{
    struct session *s = (struct session *)self;
    PyObject *url = NULL, *cookie = NULL;

    if (!PyArg_ParseTuple(args, "|OO:cookies", &url, &cookie))
        return NULL;
    struct cookie_job *c = job_new(sizeof(*c));
    if (!c)
        return NULL;
    if (text_of(c->job.arena, url, "url", &c->url) ||
        text_of(c->job.arena, cookie, "cookie", &c->cookie)) {
        job_unref(c);
        return NULL;
    }
    c->job.pool = home_of(&s->home);
    return job_start(&c->job, run_cookies, "cookies", cookies_of,
                     url ? url : Py_None);
}

/* ---- the type ---- */

static PyObject *type;

int client_of(PyObject *object, ed_ticket **out)
{
    *out = NULL;
    if (!object || object == Py_None)
        return 0;
    if (!object_is(object, type)) {
        PyErr_SetString(PyExc_TypeError, "that is no client");
        return -1;
    }
    *out = home_of(&((struct session *)object)->home);
    if (*out)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static PyObject *session_new(PyTypeObject *class, PyObject *args,
                             PyObject *names)
{
    (void)args;
    struct plan *plan = job_new(sizeof(*plan));
    if (!plan)
        return NULL;
    plan->client.size = sizeof(plan->client);
    plan->tls.size = sizeof(plan->tls);
    struct session *s = NULL;
    if (!names || !read_options(plan, names))
        s = (struct session *)object_new((PyObject *)class);
    if (!s) {
        job_unref(plan);
        return NULL;
    }
    s->home = (struct home){
        .make = make_client,
        .close = close_client,
        .plan = &plan->job,
        .name = "client",
        .keeps = plan->cookies,
    };
    return (PyObject *)s;
}

static void session_dealloc(PyObject *self)
{
    struct session *s = (struct session *)self;

    home_close(&s->home);
    object_free(self);
}

static PyObject *session_close(PyObject *self, PyObject *none)
{
    struct session *s = (struct session *)self;

    (void)none;
    home_leave(&s->home);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"cookies", session_cookies, METH_VARARGS, NULL},
    {"close", session_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "eddy._eddy.Client",
    .basicsize = sizeof(struct session),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int client_init(PyObject *module)
{
    type = PyType_FromSpec(&spec);
    if (!type)
        return -1;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Client", type);
}
