/*
 * source.h - the one connection to where the messages come from: a stream of
 * server-sent events, or of lines of JSON (NDJSON), by its URL.
 */
#ifndef FEED_SOURCE_H
#define FEED_SOURCE_H

#include <eddy/client.h>

struct source {
    const char *url;
    /* Called for each message, with the id the source gave it, or "";
     * and when messages may have been lost. Must not suspend. */
    void (*take)(void *arg, const char *id, struct ed_bytes data);
    void (*gap)(void *arg);
    void *arg;

    /* The last id, which the source is told when it is connected to again. Set
     * it before to begin behind that message. */
    struct ed_buf last_id;

    bool connected;
    bool ended; /* the source has no more, it says */
    unsigned connects;
    int failure;  /* why it is not connected; 0: not known yet */
    int failures; /* in a row, of the first connection or by lines */
    ed_client *client;
};

/* Whether a source may have that URL. */
bool source_is_web(const char *url);

/* Follows it until the fiber is cancelled; connects again, after a pause, when
 * the connection is lost. An ed_fn of the source, for a fiber of its own. */
int source_follow(void *arg);

#endif
