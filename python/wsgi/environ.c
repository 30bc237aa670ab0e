/*
 * environ.c - the dictionary in which an application finds its request
 * (PEP 3333).
 *
 * What all requests have in common is in a template, which is copied as it is;
 * it has room for the rest. Names of fields are made into keys once, and a
 * value that is what it was the last time is the same object again: the fields
 * of a client's requests hardly change.
 *
 * What a client may not decide is left out: names with '_', which would be
 * taken for those with '-'; Proxy, which programs take for a proxy of their own
 * (httpoxy); and the framing of a body that has been unpacked here.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

/* Items of the template, and of most requests. */
enum { ROOM = 48 };

/* ---- names that are always there ---- */

enum key {
#define KEY(name, text) K_##name,
#include "environ_keys.def"
#undef KEY
    K_COUNT
};

static const char *const key_names[K_COUNT] = {
#define KEY(name, text) [K_##name] = (text),
#include "environ_keys.def"
#undef KEY
};

static PyObject *keys[K_COUNT];

/* Values that come again and again. */
static const char *const words[] = {
    "GET",  "POST",  "PUT",      "DELETE",   "HEAD",   "OPTIONS", "PATCH",
    "http", "https", "HTTP/1.1", "HTTP/1.0", "HTTP/2", "",
};

enum { WORDS = sizeof words / sizeof *words };

static PyObject *word_objects[WORDS];

/* ---- texts ---- */

static PyObject *text(const char *bytes, size_t len)
{
    return PyUnicode_DecodeLatin1(bytes, (Py_ssize_t)len, NULL);
}

/* A new reference. */
static PyObject *word(const char *wanted)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (!strcmp(words[i], wanted)) {
            Py_INCREF(word_objects[i]);
            return word_objects[i];
        }
    }
    return text(wanted, strlen(wanted));
}

/* Takes the reference; NULL passes an exception on. */
static int set(PyObject *environ, enum key key, PyObject *value)
{
    if (!value)
        return -1;
    int err = PyDict_SetItem(environ, keys[key], value);
    Py_DECREF(value);
    return err;
}

static int set_text(PyObject *environ, enum key key, const char *value)
{
    return set(environ, key, text(value, strlen(value)));
}

/* ---- fields ---- */

/* By a hash of the name: what does not find its place free takes it, so that
 * no client can make this grow. */
enum { SLOTS = 128, NAME_MAX_KEPT = 63, VALUE_MAX_KEPT = 255 };

static struct known {
    char name[NAME_MAX_KEPT + 1];
    size_t len;
    PyObject *key;
    PyObject *value; /* the last; NULL: none */
} slots[SLOTS];

/* "Accept-Language" to "HTTP_ACCEPT_LANGUAGE"; those two of CGI by their own
 * name. */
static PyObject *make_key(const char *name, size_t len)
{
    char buf[5 + 256] = "HTTP_";
    size_t at = 5;

    if (len > sizeof buf - 5)
        len = sizeof buf - 5; /* nobody reads such a name */
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        buf[at++] = c == '-' ? '_' : c;
    }
    struct ed_bytes made = ed_bytes_of(buf, at);
    if (ed_bytes_equal(made, ED_BYTES("HTTP_CONTENT_TYPE")) ||
        ed_bytes_equal(made, ED_BYTES("HTTP_CONTENT_LENGTH")))
        made = ed_bytes_of(buf + 5, at - 5);
    PyObject *key = text(made.ptr, made.len);
    if (key)
        PyUnicode_InternInPlace(&key);
    return key;
}

static size_t slot_of(const char *name, size_t len)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return (hash ^ hash >> 16) % SLOTS;
}

static bool is_kept_out(const char *name, size_t len)
{
    struct ed_bytes n = ed_bytes_of(name, len);

    return memchr(name, '_', len) ||
           (len == 5 && ed_bytes_equal_nocase(n, ED_BYTES("proxy"))) ||
           (len == 14 &&
            ed_bytes_equal_nocase(n, ED_BYTES("content-length"))) ||
           (len == 17 &&
            ed_bytes_equal_nocase(n, ED_BYTES("transfer-encoding")));
}

/* *out is borrowed: NULL for a name that is kept out. */
static int find_known(const char *name, size_t len, struct known **out)
{
    struct known *k = &slots[slot_of(name, len)];

    *out = k;
    if (k->key && k->len == len && !memcmp(k->name, name, len))
        return 0;
    *out = NULL;
    if (is_kept_out(name, len))
        return 0;
    PyObject *key = make_key(name, len);
    if (!key)
        return -1;
    Py_XDECREF(k->key);
    Py_CLEAR(k->value);
    k->key = key;
    k->len = len <= NAME_MAX_KEPT ? len : 0; /* 0: found by nobody */
    memcpy(k->name, name, k->len);
    *out = k;
    return 0;
}

/* A new reference. */
static PyObject *value_of(struct known *k, const char *value, size_t len)
{
    if (k->value && (size_t)PyUnicode_GET_LENGTH(k->value) == len &&
        !memcmp(PyUnicode_1BYTE_DATA(k->value), value, len)) {
        Py_INCREF(k->value);
        return k->value;
    }
    PyObject *made = text(value, len);
    if (made && len <= VALUE_MAX_KEPT) {
        Py_XDECREF(k->value);
        Py_INCREF(made);
        k->value = made;
    }
    return made;
}

/* Fields of one name make one value (RFC 9110, 5.2; for cookies, RFC 9113,
 * 8.2.3). */
static int join(PyObject *environ, PyObject *key, PyObject *before,
                PyObject *value)
{
    bool cookie = !PyUnicode_CompareWithASCIIString(key, "HTTP_COOKIE");
    PyObject *both =
        PyUnicode_FromFormat(cookie ? "%U; %U" : "%U,%U", before, value);
    int err = both ? PyDict_SetItem(environ, key, both) : -1;

    Py_XDECREF(both);
    return err;
}

static int add_field(PyObject *environ, const char *name, size_t name_len,
                     const char *value, size_t value_len)
{
    struct known *k;

    if (find_known(name, name_len, &k))
        return -1;
    if (!k)
        return 0;
    PyObject *made = value_of(k, value, value_len);
    if (!made)
        return -1;
    Py_ssize_t before = PyDict_GET_SIZE(environ);
    PyObject *there = PyDict_SetDefault(environ, k->key, made);
    int err = there ? 0 : -1;
    if (there && PyDict_GET_SIZE(environ) == before)
        err = join(environ, k->key, there, made);
    Py_DECREF(made);
    return err;
}

static int add_fields(PyObject *environ, const struct wsgi_job *job)
{
    for (uint32_t i = 0; i < job->field_count; i++) {
        const struct wsgi_field *f = &job->fields[i];
        if (add_field(environ, job->text + f->name, f->name_len,
                      job->text + f->value, f->value_len))
            return -1;
    }
    return 0;
}

/* ---- the path ---- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is not well encoded stays as it is. */
static size_t decode(char *to, const char *from)
{
    size_t len = 0;

    while (*from) {
        int high = *from == '%' ? hex(from[1]) : -1;
        int low = high >= 0 ? hex(from[2]) : -1;
        to[len++] = low >= 0 ? (char)(high << 4 | low) : *from;
        from += low >= 0 ? 3 : 1;
    }
    return len;
}

static PyObject *decoded(const char *path, size_t len)
{
    char store[1024];
    char *buf = len < sizeof store ? store : malloc(len + 1);

    if (!buf)
        return PyErr_NoMemory();
    buf[0] = '\0';
    len = decode(buf, path);
    PyObject *made = text(buf, len);
    if (buf != store)
        free(buf);
    return made;
}

static PyObject *path_info(const struct wsgi_host *host,
                           const struct wsgi_job *job)
{
    const char *path = job->path + strlen(host->script_name);
    size_t len = strlen(path);

    return memchr(path, '%', len) ? decoded(path, len) : text(path, len);
}

/* ---- addresses ---- */

/* "host:port", "[v6]:port", or without a port. */
static struct ed_bytes split_port(const char *address, struct ed_bytes *port)
{
    const char *end = address + strlen(address);
    const char *colon = strrchr(address, ':');
    const char *bracket = strrchr(address, ']');

    *port = ed_bytes_of(end, 0);
    /* Of several without brackets none stands before a port. */
    if (!colon || (bracket && bracket > colon) ||
        (!bracket && strchr(address, ':') != colon))
        colon = end;
    else
        *port = ed_bytes_of(colon + 1, (size_t)(end - colon - 1));
    return ed_bytes_of(address, (size_t)(colon - address));
}

static struct ed_bytes without_brackets(struct ed_bytes host)
{
    if (host.len > 2 && host.ptr[0] == '[')
        return ed_bytes_of(host.ptr + 1, host.len - 2);
    return host;
}

/* A client of IPv4 at a listener of both, such as [::]:80, has the address that
 * it would have at one of its own: applications look for that. */
static struct ed_bytes unmapped(struct ed_bytes ip)
{
    static const char begin[] = "::ffff:";
    size_t len = sizeof begin - 1;

    if (ip.len <= len || memcmp(ip.ptr, begin, len) != 0 ||
        !memchr(ip.ptr, '.', ip.len))
        return ip;
    return ed_bytes_of(ip.ptr + len, ip.len - len);
}

static int set_server(PyObject *environ, const struct wsgi_job *job)
{
    const char *usual = strcmp(job->scheme, "https") ? "80" : "443";
    const char *address = *job->authority ? job->authority : job->local;
    struct ed_bytes port;
    struct ed_bytes name = split_port(address, &port);

    if (!name.len || !strncmp(address, "unix:", 5)) {
        name = ED_BYTES("localhost");
        port.len = 0;
    }
    return set(environ, K_SERVER_NAME, text(name.ptr, name.len)) ||
                   set(environ, K_SERVER_PORT,
                       port.len ? text(port.ptr, port.len)
                                : text(usual, strlen(usual)))
               ? -1
               : 0;
}

static int set_peer(PyObject *environ, const struct wsgi_job *job)
{
    struct ed_bytes port;

    if (!strncmp(job->peer, "unix:", 5))
        return set(environ, K_REMOTE_ADDR, word(""));
    struct ed_bytes name = without_brackets(split_port(job->peer, &port));
    name = unmapped(name);
    if (set(environ, K_REMOTE_ADDR, text(name.ptr, name.len)))
        return -1;
    return port.len ? set(environ, K_REMOTE_PORT, text(port.ptr, port.len)) : 0;
}

/* ---- all of it ---- */

static const char *protocol(int version)
{
    return version == 10 ? "HTTP/1.0" : version < 20 ? "HTTP/1.1" : "HTTP/2";
}

static int set_body(PyObject *environ, struct wsgi_job *job)
{
    char length[24];
    int64_t len = job->body.len;

    if (len || !strcmp(job->method, "POST") || !strcmp(job->method, "PUT")) {
        int digits = snprintf(length, sizeof length, "%lld", (long long)len);
        if (set(environ, K_CONTENT_LENGTH, text(length, (size_t)digits)))
            return -1;
    }
    return set(environ, K_INPUT, wsgi_input_new(&job->body));
}

static int set_request(const struct wsgi_host *host, PyObject *environ,
                       struct wsgi_job *job)
{
    PyObject *target = text(job->target, strlen(job->target));

    Py_XINCREF(target);
    return set(environ, K_REQUEST_METHOD, word(job->method)) ||
                   set(environ, K_PATH_INFO, path_info(host, job)) ||
                   set_text(environ, K_QUERY_STRING, job->query) ||
                   set(environ, K_REQUEST_URI, target) ||
                   set(environ, K_RAW_URI, target) ||
                   set(environ, K_SERVER_PROTOCOL,
                       word(protocol(job->version))) ||
                   set(environ, K_SCHEME, word(job->scheme)) ||
                   set_text(environ, K_REQUEST_ID, job->id) ||
                   set_server(environ, job) || set_peer(environ, job) ||
                   set_body(environ, job) || add_fields(environ, job)
               ? -1
               : 0;
}

/* By a trusted proxy, or in a target such as "http://host/path", beside which
 * the field does not count (RFC 9112, 3.2.2). */
static bool is_told_elsewhere(const struct wsgi_host *host,
                              const struct wsgi_job *job)
{
    return host->settings->trusted_proxies.count || *job->target != '/';
}

PyObject *wsgi_environ_new(struct wsgi_host *host, struct wsgi_job *job)
{
    PyObject *environ = PyDict_Copy(host->environ);
    int err = environ ? set_request(host, environ, job) : -1;

    if (!err && *job->authority && is_told_elsewhere(host, job))
        err = set_text(environ, K_HTTP_HOST, job->authority);
    if (err)
        Py_CLEAR(environ);
    return environ;
}

/* ---- the template ---- */

static int init_names(void)
{
    for (size_t i = 0; i < K_COUNT; i++) {
        keys[i] = PyUnicode_InternFromString(key_names[i]);
        if (!keys[i])
            return -1;
    }
    for (size_t i = 0; i < WORDS; i++) {
        word_objects[i] = PyUnicode_InternFromString(words[i]);
        if (!word_objects[i])
            return -1;
    }
    return 0;
}

/* Takes the reference. */
static int put(PyObject *dict, const char *name, PyObject *value)
{
    PyObject *key = value ? PyUnicode_InternFromString(name) : NULL;
    int err = key ? PyDict_SetItem(dict, key, value) : -1;

    Py_XDECREF(key);
    Py_XDECREF(value);
    return err;
}

static int put_flag(PyObject *dict, const char *name, bool yes)
{
    return put(dict, name, PyBool_FromLong(yes));
}

/* Python 3.13 keeps to itself how a dictionary gets its room. */
static PyObject *new_template(void)
{
#if PY_VERSION_HEX < 0x030d0000
    return _PyDict_NewPresized(ROOM);
#else
    return PyDict_New();
#endif
}

int wsgi_environ_init(struct wsgi_host *host)
{
    PyObject *dict = new_template();
    const struct ed_settings *s = host->settings;
    bool many = !s->single && s->workers != 1;

    host->environ = dict;
    Py_INCREF(&wsgi_file_type);
    if (!dict || init_names() ||
        put(dict, "SCRIPT_NAME",
            text(host->script_name, strlen(host->script_name))) ||
        put(dict, "SERVER_SOFTWARE",
            PyUnicode_FromString("eddy/" EDDY_VERSION)) ||
        put(dict, "wsgi.version", Py_BuildValue("(ii)", 1, 0)) ||
        put(dict, "wsgi.errors", wsgi_errors_new()) ||
        put_flag(dict, "wsgi.multithread", host->thread_count > 1) ||
        put_flag(dict, "wsgi.multiprocess", many) ||
        put_flag(dict, "wsgi.run_once", false) ||
        put_flag(dict, "wsgi.input_terminated", true) ||
        put(dict, "wsgi.file_wrapper", (PyObject *)&wsgi_file_type) ||
        put(dict, "eddy.version", PyUnicode_FromString(EDDY_VERSION)))
        return -1;
    return 0;
}
