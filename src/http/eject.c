/*
 * eject.c - whether an address is to be left alone.
 */
#include "http/eject.h"
#include "base/moment.h"

/* Puts a result into the window in the place of the oldest. */
static void remember(struct ed_health *health, bool failed)
{
    uint64_t *word = &health->window[health->next / 64];
    uint64_t bit = 1ull << (health->next % 64);

    if (health->known < ED_HEALTH_WINDOW)
        health->known++;
    else if (*word & bit)
        health->failed--;
    *word = failed ? *word | bit : *word & ~bit;
    health->failed += failed;
    health->next = (health->next + 1) % ED_HEALTH_WINDOW;
}

bool ed_health_note(struct ed_health *health,
                    const struct ed_eject_policy *policy, bool failed)
{
    remember(health, failed);
    health->in_a_row = failed ? health->in_a_row + 1 : 0;
    if (!failed)
        return false;
    if (health->in_a_row >= policy->failures)
        return true;
    /* Of a few results a percentage says nothing. */
    return health->known == ED_HEALTH_WINDOW &&
           health->failed * 100 > policy->percent * ED_HEALTH_WINDOW;
}

void ed_health_eject(struct ed_health *health,
                     const struct ed_eject_policy *policy, int64_t now)
{
    int64_t pause = health->ejected ? health->pause : 0;

    if (!pause)
        pause = policy->pause;
    else
        pause = pause < policy->max_pause / 2 ? pause * 2 : policy->max_pause;
    *health = (struct ed_health){
        .ejected = true,
        .pause = pause,
        .until = ed_moment_after(now, pause),
    };
}

void ed_health_readmit(struct ed_health *health)
{
    *health = (struct ed_health){0};
}
