/*
 * fetch.h - a fetch under way: what fetch.c and fetch_request.c share.
 */
#ifndef EDDY_HTTP_FETCH_H
#define EDDY_HTTP_FETCH_H

#include "http/exchange.h"
#include "http/request_head.h"
#include "wire/url.h"

/* Room for the scheme and an address of the pool: a name of 253 characters
 * and a port, or the longest path of a Unix socket. */
#define ED_FETCH_KEY_MAX 288

struct ed_fetch {
    ed_client *client;
    const char *url_text;
    struct ed_fetch_options options;
    ed_res *res;
    struct ed_url url;
    struct ed_origin *origin; /* while a place is held */
    struct ed_request_head head;
    const char *address; /* where to connect: a part of the key */
    size_t key_len;
    char key[ED_FETCH_KEY_MAX]; /* of the origin in the pool */
};

/* Gives a failure the text that names the request, and returns it. */
int ed_fetch_explain(const struct ed_fetch *f, int err, const char *what);

/* The same for what a deadline or a cancellation kept from coming. */
int ed_fetch_explain_end(const struct ed_fetch *f, int err,
                         const char *missing);

/* Takes the URL apart: where to connect, what to ask for. 0, ED_EURL or
 * ED_ECONNECT, explained. */
ED_CHECK int ed_fetch_read_url(struct ed_fetch *f);

/* Writes the request's head. 0, ED_EUSAGE or ED_ENOMEM, explained. */
ED_CHECK int ed_fetch_write_head(struct ed_fetch *f);

/* Whether a request may be sent twice as far as its method says. */
bool ed_fetch_is_idempotent(struct ed_bytes method);

static inline bool ed_fetch_has_body(const struct ed_fetch_options *o)
{
    return o->body.ptr || o->send;
}

#endif
