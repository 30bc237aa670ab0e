/*
 * serve.c - `eddy serve ./libapp.so`: an app that is a module.
 *
 * The module exports `ed_app *eddy_app(void)`. It is loaded in each worker, so
 * that a reload brings its new code, or with --preload in the master.
 */
#include "serve/program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <eddy/log.h>
#include "commands.h"

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

static ed_app *make(const struct ed_settings *settings, void *arg)
{
    const char *path = ed_settings_argument(settings, 0);
    if (!path) {
        ed_log_error("not starting: no module is named");
        return NULL;
    }
    void *handle = load(path);
    ed_app *(*function)(void) = NULL;

    (void)arg;
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

static int begin(const struct ed_settings *settings, void *arg)
{
    (void)arg;
    if (ed_settings_argument(settings, 0))
        return ED_SETTINGS_GO_ON;
    return usage_error("serve: which module? eddy serve ./libapp.so");
}

int serve_main(int argc, char **argv)
{
    const struct ed_serve_program program = {
        .from =
            {
                .program = "eddy serve",
                .section = "serve",
                .usage = "eddy serve MODULE [OPTION...]\n\n"
                         "Serves an app that is a shared object exporting "
                         "ed_app *eddy_app(void).",
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
