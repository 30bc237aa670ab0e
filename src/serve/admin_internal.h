/*
 * admin_internal.h - the admin process's inside, for the files that make it up.
 */
#ifndef EDDY_SERVE_ADMIN_INTERNAL_H
#define EDDY_SERVE_ADMIN_INTERNAL_H

#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/json.h>
#include <eddy/room.h>
#include <eddy/sync.h>
#include <jansson.h>
#include "serve/admin.h"
#include "serve/prometheus.h"
#include "serve/snapshot.h"

/* The line to the master: one command at a time, and its answer. */
struct ed_admin_line {
    ed_stream *stream;
    ed_mutex lock;     /* of whoever asks */
    ed_event answered; /* or the line is gone */
    char *answer;      /* of the command under way; NULL: none yet */
    bool asked;        /* a command is under way */
    unsigned late;     /* answers to come that nobody waits for any more */
    bool gone;
};

struct ed_admin_live {
    ed_room *room;
    ed_event viewed; /* somebody looks */
};

/* Bytes of the token's file: a token is a line of it. */
enum { ED_ADMIN_TOKEN_MAX = 4096 };

struct ed_admin {
    const struct ed_admin_options *options;
    struct ed_board *board;
    ed_client *client; /* for workers */
    struct ed_admin_line line;
    struct ed_admin_live live;
    ed_server *ctl;  /* for who may do everything */
    ed_server *open; /* for who may look */
    bool stopping;

    /* What was there while the process had the rights for it. */
    struct ed_prometheus_master master;
    char token_room[ED_ADMIN_TOKEN_MAX];
    struct ed_bytes token; /* empty: it could not be read */
};

/* One of the two ways in. */
struct ed_admin_door {
    struct ed_admin *admin;
    bool trusted; /* the kernel has seen to whoever comes */
};

ED_APP_VALUE(struct ed_admin_door, ed_admin_door)

static inline struct ed_admin *ed_admin_of(const ed_req *req)
{
    return ed_admin_door_of(req)->admin;
}

/* Replies {"error": why}. */
int ed_admin_refuse(ed_req *req, int status, const char *why);

/* ---- admin_access.c: who may do what ---- */

/* Before each request; `arg` is the door it comes by. 0, or 1: it has been
 * refused. */
int ed_admin_see_to(ed_req *req, void *arg);

/* Remembers the token, for when its file is not to be read any more. */
void ed_admin_keep_token(struct ed_admin *a);

/* Warns when that is so. */
void ed_admin_check_token(const struct ed_admin *a);

/* ---- admin_line.c: the master ---- */

/*
 * Says a line and waits for the answer, which *answer then is: "ok", "ok TEXT"
 * or "error TEXT", in memory of the fiber's arena. Suspends. 0, or ED_ETIMEOUT
 * when it does not answer, ED_ECLOSED when it is gone, ED_ECANCELED, ED_ENOMEM.
 */
ED_CHECK int ed_admin_ask_master(struct ed_admin *a, const char *command,
                                 const char **answer);

/* Hears the master until it is gone. A fiber's; `arg` is the ed_admin. */
int ed_admin_hear_master(void *arg);

/* The changes there are: each tells the master. */
void ed_admin_change_routes(ed_app *app);

/* ---- admin_workers.c: what workers tell ---- */

struct ed_admin_question {
    const char *method; /* NULL: GET */
    const char *target; /* "/ps?limit=10" */
    struct ed_bytes body;
    int64_t within;
    int pid; /* only that worker; 0: all */
};

struct ed_admin_told {
    struct ed_admin *admin;
    const struct ed_admin_question *question;
    unsigned slot;
    int pid;
    ed_res *res; /* NULL: it has not answered in time */
};

/* Asks the workers that serve, all at once. *told is theirs, in the fiber's
 * arena, as are the responses. Suspends. How many, or an error. */
ED_CHECK int ed_admin_ask_workers(struct ed_admin *a,
                                  const struct ed_admin_question *question,
                                  struct ed_admin_told **told);

/* Fetches the requests under way that have lasted longest. Suspends. A new
 * array, or NULL when that is not to be had. */
json_t *ed_admin_slowest(struct ed_admin *a, size_t most, int64_t within);

void ed_admin_worker_routes(ed_app *app);

/* ---- admin_stats.c: what the board tells ---- */

void ed_admin_stats_routes(ed_app *app);

/* A worker, and what it did since `before`, unless that is NULL. */
void ed_admin_write_worker(ed_json *j, const struct ed_seen_worker *w,
                           const struct ed_seen_worker *before,
                           int64_t interval);

/* "latency": of times and their sum. */
void ed_admin_write_latency(ed_json *j,
                            const _Atomic uint64_t times[ED_TIME_STEPS],
                            uint64_t sum);

void ed_admin_write_seconds(ed_json *j, const char *key, int64_t ns);
void ed_admin_write_count(ed_json *j, const char *key, uint64_t n);

/* ---- admin_live.c: a message a second, for those who look ---- */

ED_CHECK int ed_admin_live_open(struct ed_admin *a);
void ed_admin_live_close(struct ed_admin *a);

/* A fiber's; `arg` is the ed_admin. */
int ed_admin_live_run(void *arg);

void ed_admin_live_routes(ed_app *app);

#endif
