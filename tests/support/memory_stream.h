/*
 * memory_stream.h - a stream without a descriptor, for tests that play the
 * peer themselves: what the stream's owner is to receive is put in by a call,
 * and what it writes is gathered in a buffer.
 *
 * It has the event face only (net/stream.h). Everything belongs to one loop.
 */
#ifndef EDDY_TESTS_MEMORY_STREAM_H
#define EDDY_TESTS_MEMORY_STREAM_H

#include "net/stream.h"

/* The peer's end; it stays when the stream is closed, and is the test's to
 * free with memory_peer_free(). */
struct memory_peer {
    ed_stream *stream;   /* NULL once its owner has closed it */
    struct ed_buf heard; /* what the owner wrote */
    size_t room;         /* how much of what it writes goes at once */
    bool ended;          /* the owner has ended its side or closed */
    struct ed_buf said;  /* not received yet */
    bool said_all;       /* and behind it stands the end */
    bool receiving;
    bool wants_writable;
};

/* NULL without memory. */
struct memory_peer *memory_peer_new(void);
void memory_peer_free(struct memory_peer *peer);

/* Says something, or that nothing more will come. */
void memory_peer_say(struct memory_peer *peer, struct ed_bytes bytes);
void memory_peer_end(struct memory_peer *peer);

/*
 * Delivers, as the loop would, what there is to deliver now: bytes said, at
 * most `most` at once, the end, a hang-up, and room for writing. False when
 * there was nothing. In the loop only, from a timer for instance, and not from
 * within a callback of the stream.
 */
bool memory_peer_deliver(struct memory_peer *peer, size_t most);

#endif
