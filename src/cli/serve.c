/*
 * serve.c - `eddy serve ./libapp.so`: an app that is a module; or
 * `eddy serve --wsgi module:app`: one in Python.
 *
 * A module exports `ed_app *eddy_app(void)`. It is loaded in each worker, so
 * that a reload brings its new code, or with --preload in the master. Python is
 * in a module of our own, libeddy-wsgi.so, so that the command needs none.
 */
#include "serve/program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/log.h>
#include "commands.h"
#include "serve/wsgi.h"

static const char FUNCTION[] = "eddy_app";

/* dlopen() looks for a name without a slash where libraries are. */
static void *load(const char *path)
{
    char here[4096];

    if (strchr(path, '/'))
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    snprintf(here, sizeof here, "./%s", path);
    return dlopen(here, RTLD_NOW | RTLD_LOCAL);
}

/* ---- a module ---- */

static ed_app *make_module(const char *path)
{
    void *handle = load(path);
    ed_app *(*function)(void) = NULL;

    if (handle)
        function = (ed_app * (*)(void)) dlsym(handle, FUNCTION);
    if (!function) {
        ed_log_error("not starting: %s", dlerror());
        return NULL;
    }
    ed_app *app = function();
    if (!app)
        ed_log_error("not starting: %s() of %s made no app", FUNCTION, path);
    return app; /* the module stays as long as the process */
}

/* ---- Python ---- */

static const char HOST[] = "libeddy-wsgi.so";

/* Beside the command, as in a build directory, or where it is installed. */
static bool find_host(char *path, size_t size)
{
    static const char *const places[] = {"", "../" EDDY_LIBDIR "/eddy/"};
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *slash;

    self[len > 0 ? len : 0] = '\0';
    slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        snprintf(path, size, "%.*s%s%s", (int)(slash + 1 - self), self,
                 places[i], HOST);
        if (!access(path, R_OK))
            return true;
    }
    return false;
}

static void *load_host(void)
{
    char path[8192];

    if (!find_host(path, sizeof path)) {
        ed_log_error("not starting: %s, which runs WSGI applications, is not "
                     "installed (on Debian: package eddy-wsgi)",
                     HOST);
        return NULL;
    }
    /* Extension modules of Python expect its symbols to be everybody's. */
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const char *why = handle ? NULL : dlerror();
    if (why && strstr(why, "libpython"))
        ed_log_error("not starting: Python's library is not installed (on "
                     "Debian: package libpython3.N, the N being the number "
                     "here): %s",
                     why);
    else if (why)
        ed_log_error("not starting: %s", why);
    return handle;
}

static ed_app *make_wsgi(const struct ed_settings *settings)
{
    void *handle = load_host();
    ed_wsgi_app_fn *function = NULL;
    const char *version = NULL;

    if (!handle)
        return NULL;
    function = (ed_wsgi_app_fn *)dlsym(handle, ED_WSGI_FUNCTION);
    version = dlsym(handle, ED_WSGI_VERSION);
    if (!function || !version || strcmp(version, EDDY_VERSION) != 0) {
        ed_log_error(
            "not starting: %s is of version %s, and not of " EDDY_VERSION, HOST,
            version ? version : "?");
        return NULL;
    }
    return function(settings); /* the log has why it made none */
}

/* ---- either ---- */

static ed_app *make(const struct ed_settings *settings, void *arg)
{
    const char *path = ed_settings_argument(settings, 0);

    (void)arg;
    if (settings->wsgi)
        return make_wsgi(settings);
    if (path)
        return make_module(path);
    ed_log_error("not starting: no module is named");
    return NULL;
}

static int begin(const struct ed_settings *settings, void *arg)
{
    const char *path = ed_settings_argument(settings, 0);
    char host[8192];

    (void)arg;
    if (path && settings->wsgi)
        return usage_error("serve: either '%s' or --wsgi '%s', not both", path,
                           settings->wsgi);
    if (settings->wsgi && !find_host(host, sizeof host))
        return load_host() ? ED_SETTINGS_GO_ON : EXIT_FAILED;
    if (path || settings->wsgi)
        return ED_SETTINGS_GO_ON;
    return usage_error("serve: which module? eddy serve ./libapp.so, or eddy "
                       "serve --wsgi module:app");
}

int serve_main(int argc, char **argv)
{
    const struct ed_serve_program program = {
        .from =
            {
                .program = "eddy serve",
                .section = "serve",
                .usage = "eddy serve MODULE [OPTION...]\n"
                         "       eddy serve --wsgi MODULE:APP [OPTION...]\n\n"
                         "Serves an app that is a shared object exporting "
                         "ed_app *eddy_app(void),\nor a WSGI application.",
                .arguments = 1,
                .module = true,
            },
        .argc = argc,
        .argv = argv,
        .make = make,
        .begin = begin,
    };

    return ed_serve_program(&program);
}
