/*
 * observed.h - a server whose requests telemetry is told of, as a worker's is.
 *
 *     struct observed o = {.settings = {.otlp = url}};
 *     observed_open(&o);             // o.h.app has the routes of the test
 *     hosted_get(&o.h, "/", ...);
 *     observed_close(&o);
 */
#ifndef EDDY_TESTS_SERVE_OBSERVED_H
#define EDDY_TESTS_SERVE_OBSERVED_H

#include "../app/hosted.h"
#include "http/observer.h"
#include "serve/telemetry.h"

struct observed {
    struct hosted h;
    struct ed_settings settings;
    struct ed_server_observer observer;
    struct ed_telemetry *t;
};

static inline void observed_began_(struct ed_server_observer *observer,
                                   ed_req *req)
{
    ed_telemetry_began(ED_CONTAINER(observer, struct observed, observer)->t,
                       req);
}

static inline void observed_over_(struct ed_server_observer *observer,
                                  ed_req *req, int status, int err)
{
    ed_telemetry_over(ED_CONTAINER(observer, struct observed, observer)->t, req,
                      status, err,
                      ed_loop_now_exact(ed_loop_current()) - req->came);
}

static inline void observed_refused_(struct ed_server_observer *observer,
                                     int status, const char *peer)
{
    ed_telemetry_refused(ED_CONTAINER(observer, struct observed, observer)->t,
                         status, peer);
}

static inline void observed_open(struct observed *o)
{
    hosted_open(&o->h);
    o->observer = (struct ed_server_observer){observed_began_, observed_over_,
                                              observed_refused_};
    check_int(ed_telemetry_open(&o->t, &o->settings, o->h.app, "tester"), 0);
    ed_server_observe(o->h.server, &o->observer);
}

static inline void observed_close(struct observed *o)
{
    ed_server_observe(o->h.server, NULL);
    ed_telemetry_close(o->t);
    hosted_close(&o->h);
}

#endif
