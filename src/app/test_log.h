/*
 * test_log.h - the log's messages while a test runs.
 */
#ifndef EDDY_APP_TEST_LOG_H
#define EDDY_APP_TEST_LOG_H

#include "base/list.h"
#include "base/log_watch.h"

#include <eddy/bytes.h>

/* The watch's lock guards `text`, which any thread may add to; see
 * test_log.c. */
struct ed_test_log {
    struct ed_log_watch watch;
    struct ed_buf text;  /* what was logged */
    struct ed_buf shown; /* a copy of it, for whoever asked last */
    bool through;        /* lines are written, too */
};

void ed_test_log_begin(struct ed_test_log *log, bool through);
void ed_test_log_end(struct ed_test_log *log);

/* What there is; "" without memory. */
const char *ed_test_log_text(struct ed_test_log *log);
void ed_test_log_forget(struct ed_test_log *log);

#endif
