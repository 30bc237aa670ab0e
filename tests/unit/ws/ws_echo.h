/*
 * ws_echo.h - WebSockets that say back what they hear, in both styles of
 * serving.
 *
 *     /            by events; pages of this site and of good.org
 *     /seq         in a fiber
 *     /leave       says "bye" and returns
 *     /impatient   by events, with pings after a second
 *
 * "fail", "slow" and "close" are heeded before they are said back.
 */
#ifndef EDDY_TESTS_WS_WS_ECHO_H
#define EDDY_TESTS_WS_WS_ECHO_H

#include "ws_test.h"

#include <eddy/ws.h>

/* For served_open(). */
ed_handler echo_handler;

/* What became of them: the code of the last one that was closed, how many of
 * those by events were, what the last one in a fiber ended with, and the last
 * one by events that was opened and still is. */
extern int echo_closed_code, echo_result;
extern unsigned echo_opened, echo_closed;
extern ed_ws *echo_last;

/* Before each test. */
int echo_forget(void **state);

/* The paths of the two styles. */
extern const char *const echo_paths[2];

#define both_styles(path)                      \
    for (size_t style = 0; style < 2; style++) \
        for (const char *path = echo_paths[style]; path; path = NULL)

#endif
