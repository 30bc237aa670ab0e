/*
 * watch.h - telling the hook of a client what a fetch has come to.
 *
 * Without a hook each call costs one test.
 */
#ifndef EDDY_HTTP_WATCH_H
#define EDDY_HTTP_WATCH_H

#include "http/journey.h"

/* An attempt as its hook is to hear of it. In the arena of the response, and
 * there only if there is a hook. */
struct ed_watched {
    const char *method;
    const char *url;
    unsigned attempt;
};

/* What is behind the calls below. */
void ed_watch_tell_(const struct ed_journey *journey, enum ed_phase phase,
                    int status, int err);
void ed_watch_tell_attempt_(const ed_res *res, enum ed_phase phase, int err);

/* Tells of a phase of the fetch: REDIRECTED, RETRIED, HEDGED or DONE. `status`
 * is that of the response so far, or 0. Does not suspend. */
static inline void ed_watch(const struct ed_journey *journey,
                            enum ed_phase phase, int status, int err)
{
    if (__builtin_expect(journey->client->hook != NULL, 0))
        ed_watch_tell_(journey, phase, status, err);
}

/* Tells of a phase of the attempt whose response that will be. Does not
 * suspend; in the loop or in a fiber. */
static inline void ed_watch_attempt(const ed_res *res, enum ed_phase phase,
                                    int err)
{
    if (__builtin_expect(res->watched != NULL, 0))
        ed_watch_tell_attempt_(res, phase, err);
}

/* Sets res->watched, so that the attempt is heard of, and, if its response is
 * streamed, its end after the journey's. 0 or ED_ENOMEM. */
ED_CHECK int ed_watch_begin(ed_res *res, const struct ed_journey *journey);

#endif
