/*
 * test_log.c - the log's messages while a test runs.
 *
 * Owns what was said. Threads other than the test's may log at any time, so
 * nothing but the log's lock guards the text: to look at it, the test takes its
 * watch away for a moment, and what is logged then is written as ever.
 */
#include "app/test_log.h"

/* A test that logs more than this is after something else. */
#define LOG_MAX ((size_t)1 << 20)

static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR", "OFF"};

static bool keep(struct ed_log_watch *watch, enum ed_log_level level,
                 const char *context, struct ed_bytes message)
{
    struct ed_test_log *log = ED_CONTAINER(watch, struct ed_test_log, watch);
    (void)context; /* an id, which differs from run to run */
    if (log->text.len < LOG_MAX) {
        /* Without memory the line is missed, which the test will say. */
        int err = ed_buf_addf(&log->text, "%s %.*s\n", names[level],
                              (int)message.len, message.ptr);
        (void)err;
    }
    return log->through;
}

void ed_test_log_begin(struct ed_test_log *log, bool through)
{
    *log = (struct ed_test_log){
        .watch = {.level = ED_LOG_DEBUG, .told = keep},
        .through = through,
    };
    ed_log_watch(&log->watch);
}

void ed_test_log_end(struct ed_test_log *log)
{
    ed_log_unwatch(&log->watch);
    ed_buf_free(&log->text);
    ed_buf_free(&log->shown);
}

const char *ed_test_log_text(struct ed_test_log *log)
{
    ed_log_unwatch(&log->watch);
    log->shown.len = 0;
    int err = ed_buf_add(&log->shown, log->text.ptr, log->text.len);
    if (!err)
        err = ed_buf_reserve(&log->shown, 1);
    ed_log_watch(&log->watch);
    if (err)
        return "";
    log->shown.ptr[log->shown.len] = '\0';
    return log->shown.ptr;
}

void ed_test_log_forget(struct ed_test_log *log)
{
    ed_log_unwatch(&log->watch);
    log->text.len = 0;
    ed_log_watch(&log->watch);
}
