/*
 * sleep.c - calls that wait for time to pass.
 *
 * A signal does not end them early: what runs for it runs while others do, and
 * the fiber goes on waiting.
 */
#include "patch/patch.h"

#include <errno.h>
#include <unistd.h>

/* No time at all is none to block for: others get their turn, no more. */
static bool stays_plain(const char *call, int64_t time)
{
    if (time <= 0 && ed_patch_mode() == ED_PATCH_REPORT)
        return true;
    return ed_patch_stays_plain(call);
}

/* Sleeps; *left is what a cancellation has left of it. 0 or negative. */
static int sleep_for(int64_t time, int64_t *left)
{
    int64_t until = ed_patch_until(time);
    int err = ed_sleep(time);

    *left = err ? until - ed_patch_until(0) : 0;
    if (*left < 0)
        *left = 0;
    return err;
}

static void give_left(struct timespec *to, int64_t left)
{
    if (to)
        *to = (struct timespec){left / ED_S, left % ED_S};
}

unsigned ed_patch_sleep(unsigned seconds)
{
    int64_t left;

    if (stays_plain("sleep()", seconds))
        return ed_plain->sleep(seconds);
    int err = sleep_for(seconds * ED_S, &left);
    if (err)
        (void)ed_patch_fail(err);
    return (unsigned)((left + ED_S - 1) / ED_S);
}

int ed_patch_usleep(useconds_t time)
{
    int64_t left;

    if (stays_plain("usleep()", time))
        return ed_plain->usleep(time);
    int err = sleep_for(time * ED_US, &left);
    return err ? ed_patch_fail(err) : 0;
}

int ed_patch_nanosleep(const struct timespec *time, struct timespec *left)
{
    int64_t rest;

    if (!ed_patch_time_valid(time) ||
        stays_plain("nanosleep()", ed_patch_ns(time)))
        return ed_plain->nanosleep(time, left);
    int err = sleep_for(ed_patch_ns(time), &rest);
    if (!err)
        return 0;
    give_left(left, rest);
    return ed_patch_fail(err);
}

int ed_patch_clock_nanosleep(clockid_t clock, int flags,
                             const struct timespec *time, struct timespec *left)
{
    /* Others count what the processor does for this process. */
    bool passes = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
                  clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
    bool to_time = flags == TIMER_ABSTIME;
    int64_t rest;

    if (!passes || (flags && !to_time) || !ed_patch_time_valid(time))
        return ed_plain->clock_nanosleep(clock, flags, time, left);
    int64_t ns = to_time ? ed_patch_from_now(clock, time) : ed_patch_ns(time);
    if (stays_plain("clock_nanosleep()", ns))
        return ed_plain->clock_nanosleep(clock, flags, time, left);
    int err = sleep_for(ns, &rest);
    if (!err)
        return 0;
    if (!to_time)
        give_left(left, rest);
    (void)ed_patch_fail(err);
    return ed_patch_errno(err);
}
