/*
 * demo_wsgi.h - what the two files of the demo's page in Python share: servers
 * that run it, started when somebody looks.
 */
#ifndef EDDY_CLI_DEMO_WSGI_H
#define EDDY_CLI_DEMO_WSGI_H

#include <limits.h>
#include <eddy/api.h>
#include <eddy/app.h>
#include <eddy/http.h>
#include <eddy/process.h>
#include <eddy/sync.h>

/* gunicorn and uWSGI with the page as it is, eddy serve with it gathered. */
enum { DEMO_WAYS = 3, DEMO_WORKERS = 2 };

struct demo_way {
    const char *mode; /* its name */
    const char *view; /* the file that is run */
    const char *packages;
    const char *const *argv; /* of its own; see demo_wsgi_servers.c */
};

extern const struct demo_way demo_ways[DEMO_WAYS];

struct demo_wsgi_server {
    struct demo_wsgi *wsgi;
    const struct demo_way *way;
    struct ed_process process;
    bool wanted;       /* it is being started, or runs */
    bool listens;      /* at `url` */
    ed_event settled;  /* it listens, or has ended */
    char url[64];      /* without a '/' at its end */
    char said[160];    /* what it said last; of failures, what is wrong */
    bool said_failure; /* which is not to be said over */
};

/* Of the name of a directory in $TMPDIR; a longer one is not used. */
enum { DEMO_VIEWS_MAX = 256 };

struct demo_run_of_wsgi;

struct demo_wsgi {
    ed_scope *scope; /* servers end with it */
    char service[96];
    char self[PATH_MAX];        /* this program, */
    char modules[PATH_MAX];     /* and Python's module `eddy` beside it */
    char views[DEMO_VIEWS_MAX]; /* a directory with both files; "": none yet */
    struct demo_wsgi_server servers[DEMO_WAYS];
    struct demo_run_of_wsgi *runs; /* under way */
    unsigned pages;                /* asked for since the start */
};

/* The app's. */
ED_APP_VALUE(struct demo_wsgi, wsgi)

/*
 * Makes it ready to start servers in the scope; their calls go to the demo
 * itself, at `address`. demo_wsgi_close(), when the scope has ended, takes
 * away what was written. Neither suspends.
 */
void demo_wsgi_open(struct demo_wsgi *wsgi, ed_scope *scope,
                    const char *address);
void demo_wsgi_close(struct demo_wsgi *wsgi);

/*
 * Waits until a server listens, which is started unless it runs. Suspends.
 * Returns 0, or ED_ECONNECT when it cannot be started here, in which case
 * server->said is why; ED_ECANCELED or ED_ETIMEOUT.
 */
ED_CHECK int demo_wsgi_server_need(struct demo_wsgi_server *server);

/* GET /wsgi: makes a page by all servers, and tells what it took.
 * GET /wsgi/service: a service that takes as long as it is asked to. */
ed_handler demo_wsgi_page;
ed_handler demo_wsgi_service;

#endif
