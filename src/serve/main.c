/*
 * main.c - ed_main(): an app that is a program.
 */
#include <eddy/error.h>
#include <eddy/log.h>
#include <stdlib.h>
#include <string.h>
#include "app/app_internal.h"
#include "serve/program.h"

/* The app was made before ed_main() was called, as it is in every process of
 * the program; who serves it owns it. */
struct given {
    ed_app *app;
    bool taken;
};

static ed_app *take(const struct ed_settings *settings, void *arg)
{
    struct given *given = arg;

    (void)settings;
    if (ed_app_refused(given->app)) {
        ed_log_error("not starting: what is told above is wrong");
        return NULL;
    }
    given->taken = true;
    return given->app;
}

/* Before there is any worker that would fail in the same way. */
static int begin(const struct ed_settings *settings, void *arg)
{
    const struct given *given = arg;

    (void)settings;
    if (!ed_app_refused(given->app))
        return ED_SETTINGS_GO_ON;
    ed_log_error("not starting: what is told above is wrong");
    return 1;
}

int ed_main(ed_app *app, int argc, char **argv)
{
    struct given given = {.app = app};
    const char *name = ed_program_name(argc > 0 ? argv[0] : NULL);
    struct ed_buf usage = {0};
    struct ed_serve_program program = {
        .from =
            {
                .program = name,
                .section = "serve",
                .own = app->options,
                .defaults = app->defaults,
            },
        .argc = argc,
        .argv = argv,
        .make = take,
        .arg = &given,
        .begin = begin,
    };
    int status = 1;

    if (!ed_buf_addf(&usage, "%s [OPTION...]", name)) {
        program.from.usage = usage.ptr;
        status = ed_serve_program(&program);
    }
    ed_buf_free(&usage);
    if (!given.taken)
        ed_app_free(app);
    return status;
}
