/*
 * ctl_follow.c - waits for what becomes of a reload.
 *
 * The process that answers is renewed by it, but what it tells of reloads is
 * the master's knowledge, so the next one goes on where it stopped.
 */
#include "base/backoff.h"
#include "ctl.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/fiber.h>

/* Between two questions: a reload is over in a moment, or takes as long as
 * requests that are in flight. */
static const int64_t FIRST_PAUSE = 20 * ED_MS;
static const int64_t LONGEST_PAUSE = 500 * ED_MS;

/* More than it takes for one process that answers to be there after another. */
static const int64_t LONGEST_SILENCE = 15 * ED_S;

/* Whether it is over; *err is how it came out. */
static bool is_over(const json_t *status, double number, double master,
                    int *err)
{
    const char *why = ctl_string(status, "last_reload_error");
    char plain[CTL_TEXT];

    if (master && ctl_number(status, "pid") != master) {
        *err = ed_fail(ED_ECANCELED, "another master has taken over meanwhile");
        return true;
    }
    if (ctl_number(status, "last_reload") < number)
        return false;
    *err = 0;
    if (*why) {
        (void)ctl_plain(why, CTL_TEXT / 4, plain);
        *err = ed_fail(ED_ECANCELED, "not reloaded: %s", plain);
    }
    return true;
}

int ctl_follow_reload(const struct ctl *ctl, double number, double master)
{
    int64_t heard = ed_now();

    for (unsigned asked = 1;; asked++) {
        json_t *status = NULL;
        int err = ctl_ask_json(ctl, "/v1/status", NULL, &status), end;
        bool over = !err && is_over(status, number, master, &end);
        json_decref(status);
        if (over)
            return end;
        if (!err)
            heard = ed_now();
        else if (err == ED_ECONNECT || ed_now() - heard > LONGEST_SILENCE)
            return err;
        err = ed_sleep(ed_backoff(asked, FIRST_PAUSE, LONGEST_PAUSE));
        if (err)
            return err;
    }
}
