/*
 * demo.h - what the files of `eddy demo` share: its services, the plan of a
 * page, and the measured run of one.
 */
#ifndef EDDY_CLI_DEMO_H
#define EDDY_CLI_DEMO_H

#include <eddy/app.h>
#include <eddy/bytes.h>
#include <eddy/http.h>
#include <eddy/process.h>
#include <eddy/sync.h>

/* More rows than this make no better picture. */
#define DEMO_CALLS_MAX    50
#define DEMO_SERVICES_MAX 16

/* ---- services (demo_service.c) ---- */

struct demo_service {
    struct ed_process process;
    char address[ED_ADDR_TEXT];
};

struct demo_services {
    int count;
    struct demo_service each[DEMO_SERVICES_MAX];
};

/* The app's. */
ED_APP_VALUE(struct demo_services, services)

/*
 * Starts `count` processes of this program that listen on free ports of
 * 127.0.0.1. They end with the scope, and with this process however it ends.
 * Suspends. 0, or an error with ed_error().
 */
ED_CHECK int demo_services_start(struct demo_services *services,
                                 ed_scope *scope, int count);

/* ---- a page made of calls (demo_fanout.c) ---- */

struct demo_page;
struct demo_run;

struct demo_call {
    struct demo_run *run;
    int number;  /* from 1 */
    int service; /* from 1 */
    int status;
    char url[ED_ADDR_TEXT + 32];
    /* In ed_now() time; `connected` is `start` on a kept connection. */
    int64_t start, connected, first_byte, end;
};

/* The page made in one of the two ways. */
struct demo_run {
    struct demo_page *page;
    const char *mode; /* "sequential" or "parallel" */
    const char *name; /* for people */
    ed_fn *make;
    bool wanted;
    int64_t began, ended;
    struct demo_call calls[DEMO_CALLS_MAX];
};

enum { DEMO_SEQUENTIAL, DEMO_PARALLEL, DEMO_RUNS };

struct demo_page {
    const struct demo_services *services;
    int calls;
    int ms;         /* a call takes, */
    int spread;     /* give or take so many percent */
    int planned_ms; /* the services will take for all calls together */
    struct demo_run runs[DEMO_RUNS];
    ed_req *live; /* hears of each call when it begins and ends; or NULL */
    ed_mutex talking;
};

/* GET /fanout: makes a page and tells what it took. */
ed_handler demo_fanout;

/* Milliseconds from the beginning of the run to a time of one of its calls. */
double demo_ms(const struct demo_run *run, int64_t time);

/* ---- telling it (demo_report.c) ---- */

/* The finished page, as text for people or as JSON. Suspend and fail as
 * ed_write() does. */
int demo_report_text(ed_req *req, const struct demo_page *page);
int demo_report_json(ed_req *req, const struct demo_page *page);

/* The same while it happens, as server-sent events, if page->live. */
int demo_live_plan(struct demo_page *page);
int demo_live_call_begins(struct demo_call *call);
int demo_live_call_ends(struct demo_call *call);
int demo_live_run_ends(struct demo_run *run);
int demo_live_end(struct demo_page *page, int err);

/* ---- files within the program (made by cmake/embed.cmake) ---- */

struct demo_file {
    const char *path; /* as in a URL */
    const char *type;
    const unsigned char *bytes;
    size_t len;
};

extern const struct demo_file demo_files[]; /* ends with a NULL path */

/* Replies with the file of the request's path. */
ed_handler demo_send_file;

#endif
