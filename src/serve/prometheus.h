/*
 * prometheus.h - what a server counts, as Prometheus reads it.
 *
 * The text format 0.0.4, which every scraper takes. docs/metrics.md lists the
 * names. What workers have counted is summed, those that are gone included, so
 * that no counter falls when one makes way for another; what a worker is now
 * has a label with its slot, of which there are few, and not with its process
 * id, of which there are ever more.
 */
#ifndef EDDY_SERVE_PROMETHEUS_H
#define EDDY_SERVE_PROMETHEUS_H

#include <eddy/bytes.h>
#include "serve/snapshot.h"

/* What the system tells of a master: opened while one may, since it is another
 * user's process afterwards. -1: that is not told. */
struct ed_prometheus_master {
    int stat; /* /proc/PID/stat */
    int fds;  /* /proc/PID/fd */
};

void ed_prometheus_open(struct ed_prometheus_master *master, int pid);
void ed_prometheus_close(struct ed_prometheus_master *master);

#define ED_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Adds all of it. `program` is what is served. Does not suspend; reads files of
 * /proc. 0 or ED_ENOMEM. */
ED_CHECK int ed_prometheus_write(struct ed_buf *out,
                                 const struct ed_board *board,
                                 const struct ed_snapshot *s,
                                 const char *program,
                                 const struct ed_prometheus_master *master);

#endif
