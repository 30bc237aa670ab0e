/*
 * eject.h - whether an address is to be left alone, judged by what became of
 * the requests sent to it.
 *
 *     taken --failures--> left alone --pause over--> probed --well--> taken
 *                             ^                         |
 *                             +---- twice the pause ----+
 *
 * Pure: the time is given, nothing suspends or allocates. Whether an address
 * may be spared is not known here but by balance.h.
 */
#ifndef EDDY_HTTP_EJECT_H
#define EDDY_HTTP_EJECT_H

#include <eddy/client.h>

/* The results that count for the percentage. */
#define ED_HEALTH_WINDOW 100

/* Zeroed: well. */
struct ed_health {
    bool ejected;
    bool probing;  /* a request is finding out */
    int64_t until; /* left alone, in ed_now() time */
    int64_t pause; /* the last one */

    unsigned in_a_row; /* failures */
    unsigned known;    /* results in the window */
    unsigned failed;   /* of them */
    unsigned next;     /* to be overwritten */
    uint64_t window[(ED_HEALTH_WINDOW + 63) / 64];
};

/* Notes a result. True: by it the address is to be left alone, if it can be
 * spared. */
bool ed_health_note(struct ed_health *health,
                    const struct ed_eject_policy *policy, bool failed);

/* Leaves it alone from `now` on: for the first time, or for twice as long as
 * before when a probe has failed. */
void ed_health_eject(struct ed_health *health,
                     const struct ed_eject_policy *policy, int64_t now);

/* Takes it back, all forgiven. */
void ed_health_readmit(struct ed_health *health);

/* Whether its time is over and nobody finds out yet. */
static inline bool ed_health_wants_probe(const struct ed_health *health,
                                         int64_t now)
{
    return health->ejected && !health->probing && now >= health->until;
}

#endif
