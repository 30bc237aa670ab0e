/*
 * sandbox.c - entering the sandbox.
 *
 * Files first: the second filter refuses the calls that the first is made by.
 */
#include "serve/sandbox.h"

#include <eddy/error.h>
#include <eddy/log.h>

static int enter(const struct ed_settings *settings,
                 int (*files)(const struct ed_settings *settings))
{
    if (!settings->sandbox)
        return 0;
    int err = files(settings);
    if (err)
        return err; /* told */
    err = ed_sandbox_calls();
    if (err)
        ed_log_error(
            "cannot start: sandbox: this kernel does not filter system "
            "calls: %s",
            ed_err_text(err));
    return err;
}

int ed_sandbox_enter(const struct ed_settings *settings)
{
    return enter(settings, ed_sandbox_files);
}

int ed_sandbox_enter_admin(const struct ed_settings *settings)
{
    return enter(settings, ed_sandbox_files_admin);
}
