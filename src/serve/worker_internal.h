/*
 * worker_internal.h - a worker's inside, for the files that make it up.
 */
#ifndef EDDY_SERVE_WORKER_INTERNAL_H
#define EDDY_SERVE_WORKER_INTERNAL_H

#include <eddy/server.h>
#include <eddy/signal.h>
#include "serve/board.h"
#include "serve/child.h"
#include "serve/sockets.h"
#include "serve/spread.h"
#include "serve/worker.h"

struct ed_worker {
    const struct ed_worker_options *options;
    ed_app *app;
    ed_tls *tls; /* NULL: in the clear */
    ed_server *server;
    ed_server *inspect; /* by which others look into it; NULL: none */
    ed_app *inspect_app;
    struct ed_spread spread;
    ed_signals *signals;
    ed_scope *scope;           /* of what watches from its start to its end */
    ed_scope *starting;        /* until it is ready; NULL then */
    ed_stream *control;        /* to the master; NULL: there is none */
    struct ed_sockets sockets; /* without a master: what it listens on */
    struct ed_board *board;
    struct ed_slot *slot;
    bool stopping;
    bool tired;            /* has asked for another in its place */
    uint64_t requests_end; /* serves so many; 0: any number */
    int64_t age_end;       /* 0: none */
    int status;            /* of the process */
    struct ed_requests *requests;
};

/* ---- requests.c: what happens to a request on its way to the app ---- */

ED_CHECK int ed_requests_open(struct ed_worker *w);
void ed_requests_reopen(struct ed_worker *w);
void ed_requests_close(struct ed_worker *w);
int ed_requests_handle(ed_req *req);

/* For the line of a guest (guest.h). */
void ed_requests_line(ed_req *req, int more);
void ed_requests_waited(ed_req *req, int64_t waited);
int ed_requests_send_away(ed_req *req, int64_t wait);

#endif
