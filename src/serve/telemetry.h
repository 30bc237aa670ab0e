/*
 * telemetry.h - what a worker tells others of its requests: traces to an
 * OpenTelemetry collector, metrics to statsd, lines to an access log.
 *
 * For whoever observes the server of a worker. Nothing here ever makes a
 * request wait: what others do not take in time is dropped and counted, and the
 * log tells how much, at most once a minute. Of what the settings do not ask
 * for nothing is paid but a test.
 */
#ifndef EDDY_SERVE_TELEMETRY_H
#define EDDY_SERVE_TELEMETRY_H

#include "http/message.h"
#include "serve/settings.h"

struct ed_app;

struct ed_telemetry;

/*
 * Begins, in a fiber of the loop that serves. Reads otlp, trace_sample,
 * service_name, statsd, statsd_prefix, access_log and access_log_format of the
 * settings, which are borrowed until ed_telemetry_close(); `program` names the
 * service when they do not. The access log belongs to the app and ends with it.
 *
 * Does not suspend. Returns 0, or, told in the log,
 *   ED_EUSAGE  a URL, address, prefix or format that is none
 *   ED_ENOMEM; -errno of the access log's file or of a socket
 */
ED_CHECK int ed_telemetry_open(struct ed_telemetry **out,
                               const struct ed_settings *settings,
                               struct ed_app *app, const char *program);

/* A request begins, in its fiber: it may become a trace. */
void ed_telemetry_began(struct ed_telemetry *t, ed_req *req);

/* It is over, as observers hear (http/observer.h), and took that many
 * nanoseconds from req->came on. */
void ed_telemetry_over(struct ed_telemetry *t, ed_req *req, int status, int err,
                       int64_t took);

/* Something that was no request, of that peer, was answered. */
void ed_telemetry_refused(struct ed_telemetry *t, int status, const char *peer);

/* Opens all log files anew that were moved away: access logs, those of the
 * app's middleware as well, and the log's own. What cannot be opened goes on in
 * the old file, and the log says so. */
void ed_telemetry_reopen(struct ed_telemetry *t);

/* Sends what is left, within two seconds, and ends. Suspends. NULL is fine. */
void ed_telemetry_close(struct ed_telemetry *t);

#endif
