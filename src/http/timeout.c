/*
 * timeout.c - how long a client waits in each phase of a fetch.
 *
 * A timer is armed for the longest in its list and looks anew when it fires:
 * entering and leaving never touch one that is armed.
 */
#include "http/timeout.h"
#include <stdio.h>

static struct ed_timed *longest(const struct ed_timeout_list *list)
{
    struct ed_list *node = ed_list_first(&list->waiting);

    return node ? ED_CONTAINER(node, struct ed_timed, node) : NULL;
}

static int64_t end_of(const struct ed_timeout_list *list,
                      const struct ed_timed *timed)
{
    int64_t at;

    if (__builtin_add_overflow(timed->since, list->timeouts->after[list->phase],
                               &at))
        return INT64_MAX;
    return at;
}

int ed_timeout_arm(struct ed_timeout_list *list)
{
    return ed_timer_start(list->timeouts->loop, &list->timer,
                          end_of(list, longest(list)));
}

static void expire(struct ed_timer *timer)
{
    struct ed_timeout_list *list =
        ED_CONTAINER(timer, struct ed_timeout_list, timer);
    struct ed_timed *timed;

    while ((timed = longest(list))) {
        /* What can no longer be timed would wait for ever. */
        if (end_of(list, timed) > ed_now() && !ed_timeout_arm(list))
            return;
        ed_timeout_end(timed);
        list->timeouts->expired(timed, list->phase);
    }
}

void ed_timeouts_open(struct ed_timeouts *t, ed_loop *loop)
{
    t->loop = loop;
    for (int phase = 0; phase < ED_TIMEOUT_LISTS; phase++) {
        struct ed_timeout_list *list = &t->lists[phase];
        ed_list_init(&list->waiting);
        list->timer.fire = expire;
        list->timeouts = t;
        list->phase = (enum ed_timeout)phase;
    }
}

void ed_timeouts_close(struct ed_timeouts *t)
{
    for (int phase = 0; phase < ED_TIMEOUT_LISTS; phase++)
        ed_timer_stop(t->loop, &t->lists[phase].timer);
}

const char *ed_timeout_name(enum ed_timeout phase)
{
    static const char *const names[ED_TIMEOUT_COUNT] = {
        [ED_TIMEOUT_NONE] = "",
        [ED_TIMEOUT_FIRST_BYTE] = "first byte",
        [ED_TIMEOUT_IDLE] = "idle",
        [ED_TIMEOUT_RESOLVE] = "resolve",
        [ED_TIMEOUT_CONNECT] = "connect",
        [ED_TIMEOUT_TLS] = "TLS",
    };

    return names[phase];
}

char *ed_timeout_text(char *out, size_t size, const char *missing,
                      enum ed_timeout phase, int64_t after)
{
    snprintf(out, size, "%s within the %s%stimeout of %.3g s", missing,
             ed_timeout_name(phase), phase == ED_TIMEOUT_NONE ? "" : " ",
             (double)after / ED_S);
    return out;
}
