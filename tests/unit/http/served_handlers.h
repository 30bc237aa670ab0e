/*
 * served_handlers.h - what the servers of these tests answer, and how their
 * handlers ended.
 */
#ifndef EDDY_TESTS_HTTP_SERVED_HANDLERS_H
#define EDDY_TESTS_HTTP_SERVED_HANDLERS_H

#include "served.h"

/* How many waits of handlers ended so, and what /endless has written. */
extern unsigned served_cancelled;
extern unsigned served_timed_out;
extern size_t served_written;

/* Counts an error, and returns it. */
int served_note_end(int err);

/*
 * /sleep      5 s
 * /long       a minute, as do two fibers it starts
 * /shielded   2 s behind a shield
 * /endless    pieces for as long as the client takes them
 * others      "Hello" at once
 */
int served_by_path(ed_req *req);

/* A setup for each test: forgets the counts, and silences the log. */
int served_forget(void **state);

/* The connection of a server that has just one; NULL without any. */
struct h1_conn *served_connection(const struct served *s);

/* Asks, without reading, until a reply waits to be taken that no handler
 * waits for. */
void served_fill(const struct served *s, ed_stream *client);

#endif
