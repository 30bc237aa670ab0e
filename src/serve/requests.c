/*
 * requests.c - what happens to a request between the server and the app: it is
 * counted, and told of to whoever wants to know.
 */
#include <stdlib.h>
#include "core/runtime.h"
#include "http/message.h"
#include "http/observer.h"
#include "serve/admission.h"
#include "serve/telemetry.h"
#include "serve/worker_internal.h"

struct ed_requests {
    struct ed_server_observer observer;
    struct ed_worker *worker;
    struct ed_telemetry *telemetry;
    struct ed_admission admission;
};

static void move_in_flight(struct ed_slot *slot, int by)
{
    uint32_t n = atomic_load_explicit(&slot->in_flight, memory_order_relaxed);

    atomic_store_explicit(&slot->in_flight, n + (uint32_t)by,
                          memory_order_relaxed);
}

static void began(struct ed_server_observer *observer, ed_req *req)
{
    struct ed_requests *r =
        ED_CONTAINER(observer, struct ed_requests, observer);

    move_in_flight(r->worker->slot, 1);
    ed_telemetry_began(r->telemetry, req);
}

static void over(struct ed_server_observer *observer, ed_req *req, int status,
                 int err)
{
    struct ed_requests *r =
        ED_CONTAINER(observer, struct ed_requests, observer);
    struct ed_slot *slot = r->worker->slot;
    int64_t took = ed_loop_now_exact(ed_loop_current()) - req->came;

    move_in_flight(slot, -1);
    ed_counters_request(&slot->counters, status, ed_method_index(req->method),
                        took, req->sent_bytes);
    if (status && err)
        ed_count(&slot->counters.cut, 1);
    ed_telemetry_over(r->telemetry, req, status, err, took);
}

static void refused(struct ed_server_observer *observer, int status,
                    const char *peer)
{
    struct ed_requests *r =
        ED_CONTAINER(observer, struct ed_requests, observer);
    struct ed_counters *c = &r->worker->slot->counters;

    ed_count(&c->refused, 1);
    if (status >= ED_STATUS_FIRST && status <= ED_STATUS_LAST)
        ed_count(&c->statuses[status - ED_STATUS_FIRST], 1);
    ed_telemetry_refused(r->telemetry, status, peer);
}

int ed_requests_open(struct ed_worker *w)
{
    struct ed_requests *r = calloc(1, sizeof *r);

    if (!r)
        return ED_ENOMEM;
    r->worker = w;
    r->observer.began = began;
    r->observer.over = over;
    r->observer.refused = refused;
    ed_admission_open(&r->admission, w->options->settings, w->slot);
    int err = ed_telemetry_open(&r->telemetry, w->options->settings, w->app,
                                w->options->name);
    if (err) {
        free(r);
        return err;
    }
    w->requests = r;
    ed_server_observe(w->server, &r->observer);
    return 0;
}

void ed_requests_reopen(struct ed_worker *w)
{
    ed_telemetry_reopen(w->requests->telemetry);
}

void ed_requests_close(struct ed_worker *w)
{
    if (!w->requests)
        return;
    ed_server_observe(w->server, NULL);
    ed_telemetry_close(w->requests->telemetry);
    free(w->requests);
    w->requests = NULL;
}

int ed_requests_handle(ed_req *req)
{
    const struct ed_worker *w = ed_req_user(req);

    req->user = w->app;
    return ed_admission_run(&w->requests->admission, req, ed_app_handle);
}

/* ---- the line of a guest ---- */

/* Of the worker the request came to: it observes its server. */
static struct ed_requests *requests_of(const ed_req *req)
{
    struct ed_server_observer *o = req->server->observer;

    return o && o->began == began
               ? ED_CONTAINER(o, struct ed_requests, observer)
               : NULL;
}

void ed_requests_line(ed_req *req, int more)
{
    struct ed_requests *r = requests_of(req);

    if (r)
        ed_admission_line(&r->admission, more);
}

void ed_requests_waited(ed_req *req, int64_t waited)
{
    struct ed_requests *r = requests_of(req);

    if (r)
        ed_admission_waited(&r->admission, req, waited);
}

int ed_requests_send_away(ed_req *req, int64_t wait)
{
    struct ed_requests *r = requests_of(req);

    return r ? ed_admission_send_away(&r->admission, req, wait) : ED_EOVERLOAD;
}
