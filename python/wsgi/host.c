/*
 * host.c - a WSGI application as an app of Eddy: what `eddy serve --wsgi` runs
 * in its workers.
 *
 * Owns the host, of which a process has one. Everything the settings say of it
 * is looked at here, before Python is started.
 */
#include "host.h"

#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/log.h>
#include <eddy/middleware.h>
#include <eddy/offload.h>
#include <eddy/static.h>
#include <stdlib.h>
#include <string.h>
#include "serve/wsgi.h"

/* What the application has asked to be done at the end (its threads, atexit)
 * may take so long, and threads that are at a request so long before. */
static const int64_t END_TIME = 5 * ED_S;
static const int64_t LAST_TIME = ED_S;

/* Once: what is told of late failures needs it to the very end. */
static struct wsgi_host the_host = {
    .pool =
        {
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .work = PTHREAD_COND_INITIALIZER,
            .tell_lock = PTHREAD_MUTEX_INITIALIZER,
        },
};

/* ---- settings ---- */

static int wrong(const char *name, const char *value, const char *why)
{
    ed_log_error("not starting: %s '%s' %s", name, value, why);
    return ED_EUSAGE;
}

static int take_script_name(struct wsgi_host *host)
{
    const char *name = host->settings->script_name;
    size_t len = name ? strlen(name) : 0;

    host->script_name = "";
    if (!len || !strcmp(name, "/"))
        return 0;
    if (*name != '/' || name[len - 1] == '/')
        return wrong("script-name", name, "is not a path such as /shop");
    host->script_name = name;
    return 0;
}

/* "/static=./static" */
static int add_static(struct wsgi_host *host, const char *text)
{
    char *prefix = strdup(text);
    char *directory = prefix ? strchr(prefix, '=') : NULL;

    if (!directory || *prefix != '/' || directory[-1] == '/') {
        free(prefix);
        return wrong("static", text, "is not like /static=./static");
    }
    *directory++ = '\0';
    host->statics[host->static_count++] = prefix;
    return ed_static(host->app, prefix, directory);
}

static int add_statics(struct wsgi_host *host)
{
    const struct ed_texts *maps = &host->settings->static_maps;
    int err = 0;

    host->statics = calloc(maps->count + 1, sizeof *host->statics);
    if (!host->statics)
        return ED_ENOMEM;
    for (size_t i = 0; i < maps->count && !err; i++)
        err = add_static(host, maps->each[i]);
    return err;
}

static const struct {
    const char *name;
    enum ed_proxy_fields fields;
} kinds[] = {
    {"x-forwarded", ED_PROXY_X_FORWARDED},
    {"forwarded", ED_PROXY_FORWARDED},
    {"x-real-ip", ED_PROXY_X_REAL_IP},
};

static int trust(struct wsgi_host *host, enum ed_proxy_fields fields)
{
    const struct ed_texts *networks = &host->settings->trusted_proxies;
    struct ed_buf list = {0};
    int err = 0;

    for (size_t i = 0; i < networks->count && !err; i++)
        err = ed_buf_addf(&list, "%s ", networks->each[i]);
    if (!err)
        err = ed_use_trusted_proxies(host->app, .trusted = list.ptr,
                                     .fields = fields);
    ed_buf_free(&list);
    return err;
}

static int take_proxies(struct wsgi_host *host)
{
    const char *name = host->settings->proxy_fields;

    if (!host->settings->trusted_proxies.count)
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(name, kinds[i].name))
            return trust(host, kinds[i].fields);
    }
    return wrong("proxy-fields", name,
                 "is not x-forwarded, forwarded or x-real-ip");
}

/* ---- start and stop ---- */

/* Whether a loop that the application had started while it was loaded has
 * nothing to lose. */
static bool is_idle(void)
{
    struct ed_offload_counts counts;

    ed_offload_counts(&counts);
    return !counts.pending && counts.at_home == counts.remade;
}

/* What the application does by the module `eddy` is done on the worker's own
 * loop: there is no other thread for it. Pools that it has used while it was
 * loaded are opened again there. One that still reads a response, or has a
 * session with cookies, keeps the loop that these are on. */
static void adopt(void)
{
    int err = ed_offload_adopt();

    if (err == ED_EUSAGE && is_idle()) {
        (void)ed_offload_stop(END_TIME);
        err = ed_offload_adopt();
    }
    if (err)
        ed_log_info("calls of the application by eddy go on a loop of their "
                    "own: %s",
                    err == ED_EUSAGE ? "it has made some when it was loaded"
                                     : ed_err_text(err));
}

static int start(void *arg)
{
    adopt();
    return wsgi_pool_start(arg);
}

static int stop(void *arg)
{
    struct wsgi_host *host = arg;
    unsigned left = wsgi_pool_stop(host, END_TIME);

    /* Who waits for a call that is no longer made is told so, and may end. */
    (void)ed_offload_stop(0);
    if (left)
        left = wsgi_pool_stop(host, LAST_TIME);
    if (left) {
        ed_log_warn("%u threads of Python are still at a request, and end with "
                    "the process",
                    left);
        return 0;
    }
    int err = wsgi_python_end(END_TIME);
    if (err)
        ed_log_warn("what Python was to do at the end (threads, atexit) was "
                    "not done: %s",
                    ed_err_text(err));
    return 0;
}

/* ---- the app ---- */

static int make_threads(struct wsgi_host *host)
{
    host->thread_count = host->settings->threads;
    if (!host->thread_count || host->thread_count > WSGI_THREADS_MAX)
        return wrong("threads", "", "has to be from 1 to 1024");
    host->threads = calloc(host->thread_count, sizeof *host->threads);
    return host->threads ? 0 : ED_ENOMEM;
}

static int prepare(struct wsgi_host *host)
{
    int err = make_threads(host);

    if (!err)
        err = take_script_name(host);
    if (!err)
        err = take_proxies(host);
    return err ? err : add_statics(host);
}

static int load(struct wsgi_host *host)
{
    int err = wsgi_python_start(host->settings);

    if (err)
        return err;
    if (wsgi_file_init() || wsgi_input_init() ||
        PyType_Ready(&wsgi_start_type) || wsgi_environ_init(host)) {
        wsgi_log_exception("not starting");
        return ED_EUSAGE;
    }
    host->application = wsgi_python_load(host->settings);
    return host->application ? 0 : ED_EUSAGE;
}

/* Requests for files go on to the routes of the app; all others are answered
 * ahead of them. */
static void set_up(struct wsgi_host *host)
{
    ed_before(host->app, wsgi_handle, host);
    ed_app_context(host->app, start, stop, host);
    ed_app_background(host->app, wsgi_guard, host);
    ed_app_background(host->app, wsgi_watch, host);
}

ED_API ed_wsgi_app_fn eddy_wsgi_app;
ed_app *eddy_wsgi_app(const struct ed_settings *settings)
{
    struct wsgi_host *host = &the_host;

    host->settings = settings;
    host->app = ed_app_new();
    int err = prepare(host);
    if (!err)
        err = load(host);
    if (err) {
        ed_app_free(host->app);
        return NULL;
    }
    wsgi_python_let_go(settings->preload);
    set_up(host);
    return host->app;
}

ED_API extern const char eddy_wsgi_version[];
const char eddy_wsgi_version[] = EDDY_VERSION;
