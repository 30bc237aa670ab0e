/*
 * request_head.h - the head of a request that a client sends.
 */
#ifndef EDDY_HTTP_REQUEST_HEAD_H
#define EDDY_HTTP_REQUEST_HEAD_H

#include <eddy/api.h>
#include <eddy/arena.h>
#include <eddy/bytes.h>

/* Most heads fit; others lie in the arena. */
#define ED_REQUEST_HEAD_STORE 1024

enum ed_request_framing {
    ED_REQUEST_NO_BODY,
    ED_REQUEST_LENGTH,
    ED_REQUEST_CHUNKED,
};

/* A field of the client's own: it gives way to one of the same name that the
 * caller sets. */
struct ed_request_field {
    struct ed_request_field *next;
    struct ed_bytes name;
    struct ed_bytes value;
    char *written; /* out: where the value stands in the head, unless the field
                      gave way */
};

struct ed_request_head {
    struct ed_bytes method;
    struct ed_bytes target; /* without the '/' it begins with, if `slash` */
    bool slash;
    /* "http://host": what stands before the target for a proxy; empty: there
     * is none. And what says to it who we are. */
    struct ed_bytes relayed;
    struct ed_bytes proxy_authorization; /* out: the caller's, if he has one */
    bool withholds; /* that is not for whom the request is sent to */
    struct ed_bytes host;
    struct ed_bytes user_agent;   /* empty: none */
    struct ed_bytes content_type; /* empty: none */
    bool codings; /* asks for those that we decode; taken back where the caller
                     asks for others, or for a part */
    bool expect;  /* asks for 100 Continue; taken back as above */
    enum ed_request_framing framing;
    uint64_t length;
    const char *const *headers;      /* of the caller's; NULL at the end */
    struct ed_request_field *fields; /* those that give way are taken out */

    bool own_proxy_authorization; /* out: it is the caller's */
    bool close;            /* out: a field asks for the connection's end */
    struct ed_bytes bytes; /* out: the head */
    char store[ED_REQUEST_HEAD_STORE];
};

/*
 * Writes the head. The caller's fields take the place of those of the same
 * name here.
 *
 * Returns 0, ED_ENOMEM, or ED_EUSAGE, ed_error() saying why: a method or field
 * that is none, or one that says how the body is framed.
 */
ED_CHECK int ed_request_head_write(struct ed_request_head *head,
                                   ed_arena *arena);

#endif
