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
     * changes it. Without user information, which is in the options. */
    const char *url;
    struct ed_fetch_options options;
    struct ed_request_field *fields; /* of the client's own */
    struct ed_payload *payload;      /* a form or file to send; or NULL */
    struct ed_upgrade *upgrade;      /* asks for another protocol; or NULL */

    /* When all of it is to be over, and how long that is; 0: whenever. */
    int64_t deadline;
    int64_t timeout;

    /* For the next attempt; NULL unless a policy has one. */
    struct ed_attempt_plan *plan;
    const uint8_t *span; /* its id, when it is traced; NULL: it has none */
    unsigned attempts;   /* begun so far */
    unsigned redirects;
    unsigned max_redirects;
    int64_t started;     /* ed_now() time of the first request; 0: none */
    uint8_t challenges;  /* of the origin that were answered (auth.h) */
    bool body_was_asked; /* of the caller: again only after a rewind */
};

/* ed_fetch() of a request that asks for another protocol: `options` have the
 * fields for that, and `stream`. A response with 101 hands its connection over
 * to *upgrade. No policy of the client applies, and a proxy is asked for a
 * tunnel. */
ED_CHECK int ed_fetch_upgrade(ed_res **out, struct ed_upgrade *upgrade,
                              const char *url,
                              const struct ed_fetch_options *options);

/* Makes ready: before anything else is done, so that no text tells the password
 * of a URL. 0, or an error, explained. */
ED_CHECK int ed_journey_begin(struct ed_journey *journey);

/* Sends what takes to get the response. *out is set only on success. Suspends.
 * Errors as ed_fetch(). */
ED_CHECK int ed_journey_run(struct ed_journey *journey, ed_res **out);

/* Adds a field to what is sent next; both are borrowed until the journey ends.
 * 0 or ED_ENOMEM. */
ED_CHECK int ed_journey_field(struct ed_journey *journey, struct ed_bytes name,
                              struct ed_bytes value);

/* Gives a failure a text that begins with what is asked for next. Returns it.
 */
int ed_journey_explain(const struct ed_journey *journey, int err,
                       const char *fmt, ...) ED_PRINTF(3, 4);

/* How long connecting may take: the fetch's own bound, or else its client's; 0:
 * for ever. */
int64_t ed_journey_connect_within(const struct ed_journey *journey);

/* Makes the body ready to be sent once more. 0, or ED_EUSAGE or the error of
 * the caller's `rewind`, explained; `why` it has to be sent again. May suspend
 * if that does. */
ED_CHECK int ed_journey_rewind(struct ed_journey *journey, const char *why);

#endif
