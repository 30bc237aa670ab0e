/*
 * log_watch.h - who else wants to know what is logged: tests, and reporters of
 * errors.
 */
#ifndef EDDY_BASE_LOG_WATCH_H
#define EDDY_BASE_LOG_WATCH_H

#include <eddy/bytes.h>
#include <eddy/log.h>

/*
 * Told of every message that is at least `level` and enabled. `told` is called
 * on the thread that logs, while the log is locked: it must be quick, must not
 * log, and keeps nothing of its arguments. It returns whether the line is
 * written all the same.
 */
struct ed_log_watch {
    struct ed_log_watch *next; /* the log's */
    enum ed_log_level level;
    bool (*told)(struct ed_log_watch *watch, enum ed_log_level level,
                 const char *context, struct ed_bytes message);
};

/* Any thread. After ed_log_unwatch() nothing is told any more. */
void ed_log_watch(struct ed_log_watch *watch);
void ed_log_unwatch(struct ed_log_watch *watch);

#endif
