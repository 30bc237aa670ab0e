/*
 * http_handlers.h - a handler that does, by path, all that handlers do: for
 * tests of the server from outside.
 */
#ifndef EDDY_TESTS_HTTP_HANDLERS_H
#define EDDY_TESTS_HTTP_HANDLERS_H

#include <eddy/http.h>

/* What ed_error() has in the handlers that fail: no reply may show it. */
#define TEST_SECRET "the password is swordfish"

/* Answers by path; see the table in http_handlers.c. An unknown path is
 * ED_ENOTFOUND. */
int test_handler(ed_req *req);

/* How often /wait was cancelled while it slept. */
extern unsigned test_handler_cancelled;

#endif
