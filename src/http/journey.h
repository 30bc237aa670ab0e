/*
 * journey.h - a fetch as its caller sees it: the requests that it takes, one
 * after the other, until there is a response to give.
 */
#ifndef EDDY_HTTP_JOURNEY_H
#define EDDY_HTTP_JOURNEY_H

#include "http/exchange.h"
#include "http/request_head.h"

struct ed_journey {
    ed_client *client;
    /* What is sent next: what the caller asked for, at first; a redirect
     * changes it. */
    const char *url;
    struct ed_fetch_options options;
    struct ed_request_field *fields; /* of the client's own */

    /* When all of it is to be over, and how long that is; 0: whenever. */
    int64_t deadline;
    int64_t timeout;

    /* For the next attempt; NULL unless a policy has one. */
    struct ed_attempt_plan *plan;
    unsigned attempts; /* begun so far */
    unsigned redirects;
};

/* Sends what takes to get the response. *out is set only on success. Suspends.
 * Errors as ed_fetch(). */
ED_CHECK int ed_journey_run(struct ed_journey *journey, ed_res **out);

/* Adds a field to what is sent next; both are borrowed until the journey ends.
 * 0 or ED_ENOMEM. */
ED_CHECK int ed_journey_field(struct ed_journey *journey, struct ed_bytes name,
                              struct ed_bytes value);

#endif
