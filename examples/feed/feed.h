/*
 * feed.h - what the files of this service share.
 *
 *   main.c       the command line
 *   feed.c       the app: its routes, its parts, the page
 *   source.c     the one connection to where the messages come from
 *   messages.c   makes what came a message of the wall
 *   viewers.c    sends it on, by WebSocket and as server-sent events
 *   keep.c       keeps the last messages over a restart
 *   replay.c     a source that stands in for one of the internet,
 *   sample.c     and what it says
 *   page.*       what a browser shows
 *
 * A message of the wall is a JSON object, made once and sent to everybody as it
 * is:
 *
 *     {"id":"8713","at":1700000000000,"link":"https://...",
 *      "say":["who","where","topic","text"]}
 */
#ifndef FEED_H
#define FEED_H

#include <eddy/app.h>
#include <eddy/room.h>
#include "replay.h"
#include "source.h"

struct feed {
    /* The command line's; NULL is the default. */
    const char *url;  /* of the source; without one, the replay's */
    const char *file; /* where the last messages are kept; without, nowhere */
    struct replay replay;

    struct source source;
    ed_room *room;
    struct ed_buf last; /* the message that came last, as it came */
    uint64_t received;
    uint64_t made_ids;
    bool kept; /* what is in the room is in the file, too */

    /* Told to all viewers once a second: a JSON object. */
    struct ed_buf status;
};

ED_APP_VALUE(struct feed, feed)

/*
 * The app. `feed` is filled in until it starts, and must outlive it. Its paths
 * are relative, so it can be mounted anywhere.
 */
ed_app *feed_app(struct feed *feed);

/* ---- messages.c ---- */

/* Takes a message of the source's and says it in the room; for source->take and
 * source->gap, with the feed as the argument. */
void feed_take(void *arg, const char *id, struct ed_bytes data);
void feed_gap(void *arg);

/* Says a message that is one of the wall's already. 0 or an error. */
int feed_say(struct feed *feed, struct ed_bytes message);

/* ---- viewers.c ---- */

/* Makes the room, before any viewer comes. NULL: no memory. */
ed_room *viewers_room(ed_app *app);

ed_handler view_by_websocket; /* GET /ws?word=...&after=ID */
ed_handler view_by_events;    /* GET /events?word=... */

/* Tells all viewers how things are, once a second. An ed_fn of the feed. */
int viewers_inform(void *arg);

/* ---- keep.c ---- */

/* Reads the file, if there is one; writes it now and then, and once more when
 * all is over. ed_fns of the feed. */
int keep_load(void *arg);
int keep_run(void *arg);
int keep_save(void *arg);

#endif
