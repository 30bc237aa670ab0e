/*
 * takeover.h - how a protocol takes a connection of a server over from HTTP and
 * stays among the connections of that server: it counts as one, may wait in the
 * lists of those that wait, and is told when the server stops.
 *
 * ed_req_upgrade() gives a stream to a handler, which looks after it itself;
 * this gives it to a state machine.
 */
#ifndef EDDY_HTTP_TAKEOVER_H
#define EDDY_HTTP_TAKEOVER_H

#include "http/message.h"
#include "http/server_internal.h"

struct ed_takeover {
    const char *protocol; /* of Upgrade */
    /* What it is from then on, instead of a connection of HTTP; its `kind` is
     * set. It goes by ed_conn_gone(). */
    struct ed_conn *conn;
    /* As in struct ed_req; its result is nobody's. */
    int (*returned)(ed_req *req, void *arg, int result);
    void *arg;

    /* Out: the stream, whose event face may be receiving: set it before
     * anything is waited for. And what came behind the request, which is there
     * as long as nothing is waited for. */
    ed_stream *stream;
    struct ed_bytes ahead;
};

/*
 * Replies 101 with the fields added before and takes the connection over.
 * Suspends before it does. Returns 0 or an error as ed_req_upgrade(); the
 * connection is then still one of HTTP.
 */
ED_CHECK int ed_req_take_over(ed_req *req, struct ed_takeover *takeover);

#endif
