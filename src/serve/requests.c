/*
 * requests.c - what happens to a request between the server and the app.
 */
#include "http/message.h"
#include "serve/worker_internal.h"

int ed_requests_open(struct ed_worker *w)
{
    (void)w;
    return 0;
}

void ed_requests_reopen(struct ed_worker *w)
{
    (void)w;
}

void ed_requests_close(struct ed_worker *w)
{
    (void)w;
}

int ed_requests_handle(ed_req *req)
{
    const struct ed_worker *w = ed_req_user(req);

    req->user = w->app;
    return ed_app_handle(req);
}
