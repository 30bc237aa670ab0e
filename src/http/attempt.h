/*
 * attempt.h - one request sent to one URL, and its response.
 *
 * The innermost of the rings of a fetch: a journey (redirects, challenges) is
 * made of requests, each of which may take several attempts (policy.h).
 */
#ifndef EDDY_HTTP_ATTEMPT_H
#define EDDY_HTTP_ATTEMPT_H

#include <eddy/addr.h>
#include "http/journey.h"
#include "http/request_head.h"
#include "wire/url.h"

/* Room for the scheme and an address of the pool: a name of 253 characters
 * and a port, or the longest path of a Unix socket; and for an address or the
 * number of a proxy. */
#define ED_ATTEMPT_KEY_MAX (288 + ED_ADDR_TEXT)

/* What a policy decides about an attempt, and what it has to know of it. */
struct ed_attempt_plan {
    struct ed_addr to;      /* connect there; len 0: where the URL says */
    int64_t connect_within; /* if `to` is given */

    /* What became of it. */
    const ed_res *res; /* from when it is sent; NULL before */
    bool unreached;    /* no connection was to be had */
    bool outrun;       /* cancelled without a byte, since another was faster */
};

struct ed_attempt {
    struct ed_journey *journey;
    ed_client *client;
    ed_res *res;
    struct ed_url url;
    struct ed_origin *origin; /* while a place is held */
    struct ed_request_head head;
    struct ed_route route;
    struct ed_bytes authority; /* "host:port" or "unix:/path", in the key */
    struct ed_bytes pool_key;  /* the key, or that of the way by a proxy */
    size_t key_len;
    char key[ED_ATTEMPT_KEY_MAX]; /* the origin: "https://host:port" */
    struct ed_carried carried;
};

/* ed_journey_explain() for what a deadline or a cancellation kept from coming.
 */
int ed_attempt_explain_end(const struct ed_attempt *a, int err,
                           const char *missing);

/* Takes the URL apart: where to connect, what to ask for. 0, ED_EURL or
 * ED_ECONNECT, explained. */
ED_CHECK int ed_attempt_read_url(struct ed_attempt *a);

/* Writes the request's head. 0, ED_EUSAGE or ED_ENOMEM, explained. */
ED_CHECK int ed_attempt_write_head(struct ed_attempt *a);

/* Whether a request may be sent twice as far as its method says. */
bool ed_method_is_idempotent(struct ed_bytes method);

/* Sends what the journey asks for next, and waits for the response, or for its
 * head if that is streamed. On failure *out is NULL, or tells how much of the
 * request was sent, and is of no other use. Suspends. Errors as ed_fetch(),
 * explained. */
ED_CHECK int ed_attempt(struct ed_journey *journey, ed_res **out);

static inline bool ed_attempt_has_body(const struct ed_fetch_options *o)
{
    return o->body.ptr || o->send || o->form || o->file;
}

static inline const char *ed_attempt_method(const struct ed_fetch_options *o)
{
    if (o->method)
        return o->method;
    return ed_attempt_has_body(o) ? "POST" : "GET";
}

#endif
