/*
 * replay.h - a source that stands in for one of the internet: made-up messages,
 * at a steady pace, as server-sent events and as lines of JSON.
 *
 * Message n is due at a time of the clock that depends on n and the pace alone,
 * and says what depends on n alone. So a replay that was restarted goes on as
 * if it had never been away, and whoever names the last message it has seen
 * gets every one since.
 */
#ifndef FEED_REPLAY_H
#define FEED_REPLAY_H

#include <eddy/app.h>
#include <eddy/bytes.h>

#define REPLAY_RATE_MAX 10000 /* a second */

struct replay {
    const char *rate; /* messages a second, as the command line said it */
    int64_t period;   /* between two messages; set by replay_start() */
    /* A server of its own, for a feed that has no other source. */
    bool wanted;
    ed_server *server;
    char url[ED_ADDR_TEXT + 32];
};

/* An app with GET /events (server-sent events) and GET /lines (NDJSON), for a
 * pace that is known when it starts. */
ed_app *replay_app(struct replay *replay);

/* Adds to an app, as a part of it, a server on a free port of 127.0.0.1 for the
 * replay alone, if one is wanted when it starts; replay->url then names its
 * events, and some more of them to begin with. */
void replay_serve(ed_app *app, struct replay *replay);

/* ---- the messages (sample.c) ---- */

/* Appends message `number` as a JSON object, without a line end. 0 or
 * ED_ENOMEM. */
ED_CHECK int sample_message(struct ed_buf *out, int64_t number, int64_t at_ms);

/* A number's own, from 0 to 1. */
double sample_chance(int64_t number);

#endif
