/*
 * top.h - what the files of `eddy top` share: what is known of the server, and
 * what is looked at.
 */
#ifndef EDDY_CLI_TOP_H
#define EDDY_CLI_TOP_H

#include "ctl.h"
#include <eddy/fiber.h>
#include <eddy/sync.h>

/* Requests a second, one a message: more than the widest terminal shows. */
#define TOP_HISTORY 1024

/* Loops that stood still, as far as they are remembered. */
#define TOP_EVENTS 16

#define TOP_LINE 160
#define TOP_ID   64

enum top_view { TOP_ALL, TOP_STACK };

/* What workers are sorted by. */
struct top_sort {
    const char *name;
    const char *key;
    const char *within; /* an object the key is in; NULL: the worker itself */
    bool ascending;
};
extern const struct top_sort top_sorts[];
extern const unsigned top_sort_count;

struct top_event {
    char time[16]; /* "12:03:44" */
    char text[TOP_LINE];
};

struct top {
    struct ctl ctl;

    /* Of the server; NULL until it has said so. */
    json_t *live;
    json_t *status;
    double rates[TOP_HISTORY]; /* the n-th since the start is at n % HISTORY */
    size_t rate_count;
    struct top_event events[TOP_EVENTS]; /* likewise */
    size_t event_count;
    bool connected;
    int64_t gone_since; /* when not */

    /* Of who looks. */
    enum top_view view;
    unsigned sort;
    bool paused;
    char selected[TOP_ID]; /* a request's id; "": the first */
    json_t *stack;
    int scroll;             /* lines of the stack above the first shown */
    bool asks;              /* whether to reload */
    char message[TOP_LINE]; /* about what was done last */
    int64_t message_until;

    ed_mutex scaling;
    ed_scope *deeds; /* what was asked for and is under way */
};

/* ---- what is known (top_state.c) ---- */

/* Takes a message of /v1/live, a new reference. */
void top_take(struct top *top, json_t *live);

/* Lets go of all that is known. */
void top_forget(struct top *top);

/* Workers in the order wanted: a new array of them. */
json_t *top_workers(const struct top *top);

/* The requests that have lasted longest; NULL: none are known. */
json_t *top_slowest(const struct top *top);

/* Which of them is selected; the first if it is there no more. */
size_t top_selected(const struct top *top);

/* Selects the one so many further down. */
void top_select(struct top *top, int by);

/* The rate of a column of so many messages, of `columns` up to now; negative:
 * nothing was known yet. */
double top_rate(const struct top *top, int column, int columns, int each);

void top_say(struct top *top, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- showing it (top_draw.c) ---- */

/* Takes the terminal over; false if it cannot. */
bool top_screen_open(void);
void top_screen_close(void);
void top_screen_resize(void);

/* Shows all there is. */
void top_draw(struct top *top);

#endif
