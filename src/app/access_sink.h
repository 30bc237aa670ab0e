/*
 * access_sink.h - where the lines of an access log go.
 *
 * Lines are gathered in memory and written behind everybody's back: at the end
 * of the loop's turn to a terminal or pipe, each second to a file. Nobody ever
 * waits for a pipe whose reader is slow; lines are then dropped and counted.
 */
#ifndef EDDY_APP_ACCESS_SINK_H
#define EDDY_APP_ACCESS_SINK_H

#include <eddy/api.h>
#include <eddy/bytes.h>

struct ed_app;

/* Of an app, in the order they were opened. */
struct ed_access_sink;

/* Opens a file to append to; NULL: stderr. Belongs to the app, and is closed
 * with it. NULL and errno when the file cannot be opened. */
ED_CHECK struct ed_access_sink *ed_access_sink_open(struct ed_app *app,
                                                    const char *file);

/* The buffer, to append one line to and then call ed_access_sink_wrote(); NULL
 * when it is full: the line is dropped, and counted. */
struct ed_buf *ed_access_sink_buffer(struct ed_access_sink *sink);
void ed_access_sink_wrote(struct ed_access_sink *sink);

/* Counts a line that could not be made. */
void ed_access_sink_lost(struct ed_access_sink *sink);

#endif
