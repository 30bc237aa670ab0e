/*
 * test_client.h - a test's inside, for the files that serve and that expect.
 */
#ifndef EDDY_APP_TEST_CLIENT_H
#define EDDY_APP_TEST_CLIENT_H

#include "app/test_log.h"
#include "core/runtime.h"

#include <eddy/testing.h>

struct ed_test {
    ed_app *app; /* NULL: what serves elsewhere */
    ed_server *server;
    bool serving;
    struct ed_waitq ended; /* who waits for the server's end */
    ed_client *client;
    ed_jar *jar;
    char *url;
    int failures;
    struct ed_test_log log;
};

/* Tells, and counts, what does not hold, and returns false. */
ED_PRINTF(3, 4)
bool ed_test_fails(ed_test *t, const char *place, const char *fmt, ...);

#endif
