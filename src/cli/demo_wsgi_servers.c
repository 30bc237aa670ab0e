/*
 * demo_wsgi_servers.c - the servers of the demo's page in Python.
 *
 * Owns their processes and a directory with the two files they run, which
 * travel inside of the command. A server is started when its page is asked
 * for; where it listens, and what is wrong with it, it says itself, on what is
 * its standard error. Nothing of Python is looked for: what is not installed
 * fails to start, and is tried again the next time.
 */
#include "cli/demo_wsgi.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/bytes.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/stream.h>
#include "cli/demo.h"

/* An interpreter on a busy machine is slow to start, but not this slow. */
#define START_TIMEOUT (20 * ED_S)

/* Of what a server says. A longer one is no news of ours. */
#define LINE_MAX_BYTES (16 * 1024)

#define HOST "127.0.0.1:"

static const char *const view_files[] = {"plain.py", "gathered.py"};

enum { VIEW_FILES = sizeof view_files / sizeof *view_files };

/* ---- the commands ---- */

/* Stand for the program itself and for where the views are. */
#define SELF  "{eddy}"
#define VIEWS "{views}"

static const char *const gunicorn_argv[] = {
    "gunicorn",     "--workers", "2",         "--bind", "127.0.0.1:0",
    "--pythonpath", VIEWS,       "plain:app", NULL};

static const char *const uwsgi_argv[] = {"uwsgi",         "--plugin",
                                         "python3",       "--master",
                                         "--processes",   "2",
                                         "--http-socket", "127.0.0.1:0",
                                         "--pythonpath",  VIEWS,
                                         "--module",      "plain:app",
                                         "--need-app",    "--disable-logging",
                                         "--die-on-term", NULL};

static const char *const eddy_argv[] = {
    SELF,       "serve",       "--wsgi",        "gathered:app",
    "--listen", "127.0.0.1:0", "--workers",     "2",
    "--ctl",    "none",        "--python-path", VIEWS,
    NULL};

const struct demo_way demo_ways[DEMO_WAYS] = {
    {"gunicorn", "plain.py", "gunicorn python3-flask python3-requests",
     gunicorn_argv},
    {"uwsgi", "plain.py",
     "uwsgi uwsgi-plugin-python3 python3-flask python3-requests", uwsgi_argv},
    {"eddy", "gathered.py", "eddy-wsgi python3-eddy python3-flask", eddy_argv},
};

enum { ENV_WORDS = 5, ARGV_MAX = 32 };

/* ---- the files ---- */

static const struct demo_file *find_file(const char *name)
{
    for (const struct demo_file *file = demo_files; file->path; file++)
        if (!strncmp(file->path, "/wsgi/", 6) && !strcmp(file->path + 6, name))
            return file;
    return NULL;
}

enum { PATH_OF_VIEW = DEMO_VIEWS_MAX + 32 };

static void path_of_view(const struct demo_wsgi *wsgi, int i,
                         char path[PATH_OF_VIEW])
{
    snprintf(path, PATH_OF_VIEW, "%s/%s", wsgi->views, view_files[i]);
}

static int write_view(const struct demo_wsgi *wsgi, int i)
{
    const struct demo_file *file = find_file(view_files[i]);
    char path[PATH_OF_VIEW];
    ssize_t written;
    int fd;

    path_of_view(wsgi, i, path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    written = write(fd, file->bytes, file->len);
    close(fd);
    return written == (ssize_t)file->len ? 0 : -EIO;
}

static int write_views(struct demo_wsgi *wsgi)
{
    static const char name[] = "/eddy-demo-XXXXXX";
    const char *tmp = getenv("TMPDIR");
    int err = 0;

    if (*wsgi->views)
        return 0;
    if (!tmp || strlen(tmp) + sizeof name > sizeof wsgi->views)
        tmp = "/tmp";
    snprintf(wsgi->views, sizeof wsgi->views, "%s%s", tmp, name);
    if (!mkdtemp(wsgi->views)) {
        *wsgi->views = '\0';
        return -errno;
    }
    for (int i = 0; i < VIEW_FILES && !err; i++)
        err = write_view(wsgi, i);
    if (err)
        demo_wsgi_close(wsgi);
    return err;
}

/* ---- one server ---- */

/* Keeps the part of a line that fits. */
static void note(struct demo_wsgi_server *server, struct ed_bytes line)
{
    size_t len = line.len;

    if (len >= sizeof server->said)
        len = sizeof server->said - 1;
    memcpy(server->said, line.ptr, len);
    server->said[len] = '\0';
}

/* "http://127.0.0.1:8000 (12)", in whatever words, but not the port 0 that was
 * asked for. */
static bool says_where(struct demo_wsgi_server *server, const char *line)
{
    const char *at = strstr(line, HOST);
    long port = at ? strtol(at + strlen(HOST), NULL, 10) : 0;

    if (port <= 0)
        return false;
    snprintf(server->url, sizeof server->url, "http://" HOST "%ld", port);
    return true;
}

/* Of a line of a log, what it is about. */
static struct ed_bytes without_date(const char *text, struct ed_bytes line)
{
    static const char level[] = " ERROR ";
    const char *at = strstr(text, level);

    if (at) {
        line.ptr += at - text + sizeof level - 1;
        line.len -= (size_t)(at - text) + sizeof level - 1;
    }
    return line;
}

static void hear(struct demo_wsgi_server *server, struct ed_bytes line)
{
    char text[LINE_MAX_BYTES];

    while (line.len && (line.ptr[line.len - 1] & 0xe0) == 0)
        line.len--;
    if (!line.len || line.len >= sizeof text)
        return;
    memcpy(text, line.ptr, line.len);
    text[line.len] = '\0';
    if (!server->listens && says_where(server, text)) {
        server->listens = true;
        ed_event_set(&server->settled);
    }
    if (server->said_failure)
        return;
    server->said_failure =
        strstr(text, "Error: ") || strstr(text, "No such file");
    note(server, without_date(text, line));
}

static int listen_to(struct demo_wsgi_server *server)
{
    ed_stream *out ED_STREAM_AUTO = NULL;
    struct ed_bytes line;
    int err = ed_stream_of_fd(&out, server->process.out);

    if (err)
        return err;
    server->process.out = -1; /* the stream's now */
    while (!(
        err = ed_stream_read_until(out, ED_BYTES("\n"), LINE_MAX_BYTES, &line)))
        hear(server, line);
    return err;
}

static const char *filled_in(const struct demo_wsgi *wsgi, const char *word)
{
    if (!strcmp(word, SELF))
        return wsgi->self;
    return strcmp(word, VIEWS) ? word : wsgi->views;
}

static int start(struct demo_wsgi_server *server, ed_scope *scope)
{
    const struct demo_wsgi *wsgi = server->wsgi;
    char services[128], path[PATH_MAX + 16];
    const char *argv[ARGV_MAX] = {"env", services, path, "no_proxy=*",
                                  "PYTHONDONTWRITEBYTECODE=1"};

    snprintf(services, sizeof services, "SERVICES=%s", wsgi->service);
    snprintf(path, sizeof path, "PYTHONPATH=%s", wsgi->modules);
    for (int i = 0; server->way->argv[i]; i++)
        argv[ENV_WORDS + i] = filled_in(wsgi, server->way->argv[i]);
    return ed_process_start(&server->process, scope, argv, .in = ED_TO_NULL,
                            .out = ED_TO_PIPE, .err = ED_TO_STDOUT,
                            .group = true, .death_signal = SIGTERM);
}

/* As long as it runs, which is up to the end of the demo. */
static int run_server(struct demo_wsgi_server *server)
{
    int err = write_views(server->wsgi);

    ed_scope(its);
    if (!err)
        err = start(server, its);
    if (!err)
        err = listen_to(server);
    if (err == ED_EEOF)
        err = ed_process_wait(&server->process);
    ed_process_close(&server->process);
    return err;
}

static int keep(void *arg)
{
    struct demo_wsgi_server *server = arg;
    int err = run_server(server);

    if (err && !*server->said)
        note(server, ed_bytes(ed_err_text(err)));
    server->wanted = server->listens = false;
    ed_event_set(&server->settled);
    return 0;
}

int demo_wsgi_server_need(struct demo_wsgi_server *server)
{
    int err = 0;

    if (!server->wanted) {
        server->wanted = true;
        server->said_failure = false;
        *server->said = '\0';
        ed_event_clear(&server->settled);
        server->process = (struct ed_process){.in = -1, .out = -1, .err = -1};
        ed_go(server->wsgi->scope, keep, server);
    }
    ed_scope(waiting, .within = START_TIMEOUT);
    err = ed_event_wait(&server->settled);
    if (err)
        return err;
    return server->listens ? 0 : ED_ECONNECT;
}

/* ---- all of them ---- */

/* Python's module lies beside the command in a build directory; installed,
 * Python finds it by itself. */
static void look_around(struct demo_wsgi *wsgi)
{
    ssize_t len = readlink("/proc/self/exe", wsgi->self, sizeof wsgi->self - 1);
    const char *slash;

    wsgi->self[len > 0 ? len : 0] = '\0';
    slash = strrchr(wsgi->self, '/');
    if (slash)
        snprintf(wsgi->modules, sizeof wsgi->modules, "%.*s/python",
                 (int)(slash - wsgi->self), wsgi->self);
}

void demo_wsgi_open(struct demo_wsgi *wsgi, ed_scope *scope,
                    const char *address)
{
    wsgi->scope = scope;
    snprintf(wsgi->service, sizeof wsgi->service, "http://%s/wsgi/service",
             address);
    look_around(wsgi);
    for (int i = 0; i < DEMO_WAYS; i++) {
        wsgi->servers[i].wsgi = wsgi;
        wsgi->servers[i].way = &demo_ways[i];
    }
}

void demo_wsgi_close(struct demo_wsgi *wsgi)
{
    char path[PATH_OF_VIEW];

    if (!*wsgi->views)
        return;
    for (int i = 0; i < VIEW_FILES; i++) {
        path_of_view(wsgi, i, path);
        unlink(path);
    }
    rmdir(wsgi->views);
    *wsgi->views = '\0';
}
