/*
 * demo.c - `eddy demo`: a page built from many slow services, one after the
 * other and all at once.
 *
 * Starts the services, serves the page that calls them, and says on standard
 * output where. Whatever ends it ends the services.
 */
#include "demo.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/eddy.h>
#include <eddy/signal.h>
#include "commands.h"

#define LISTEN_DEFAULT   "127.0.0.1:8888"
#define SERVICES_DEFAULT 5

/* A page that is being made when the demo is told to end. */
#define DRAIN_TIMEOUT (1 * ED_S)

static const char help[] =
    "usage: eddy demo [--listen ADDRESS] [--services N]\n"
    "\n"
    "Serves a page that is made of calls to many slow services, one after the\n"
    "other and all at once, and shows when each call began and ended.\n"
    "\n"
    "  --listen ADDRESS   where to serve it (" LISTEN_DEFAULT ");\n"
    "                     port 0 takes a free one\n"
    "  --services N       processes that are the services, 1 to 16 (5)\n"
    "  --help             this\n";

struct demo {
    const char *listen;
    int service_count;
    struct demo_services services;
    ed_server *server;
};

/* ---- the pages ---- */

static int send_file(ed_req *req)
{
    const char *path = ed_req_path(req);

    for (const struct demo_file *file = demo_files; file->path; file++)
        if (!strcmp(path, file->path))
            return ed_reply_bytes(req, 200, file->type,
                                  ed_bytes_of(file->bytes, file->len));
    return ED_ENOTFOUND;
}

static ed_app *make_app(struct demo *demo)
{
    ed_app *app = ed_app_new();

    services_set(app, &demo->services);
    ed_route(app, "GET /", send_file);
    ed_route(app, "GET /docs/{page*}", send_file);
    ed_route(app, "GET /fanout", demo_fanout);
    return app;
}

/* ---- running ---- */

static void greet(const struct demo *demo)
{
    const char *bold = "", *dim = "", *plain = "";
    const char *no_color = getenv("NO_COLOR");
    char address[ED_ADDR_TEXT];

    if (isatty(STDOUT_FILENO) && !(no_color && *no_color)) {
        bold = "\033[1m";
        dim = "\033[2m";
        plain = "\033[0m";
    }
    ed_server_address(demo->server, 0, address);
    printf("\n"
           "  One page, many slow services: called one after the other,\n"
           "  and all at once.\n\n"
           "  Open      %shttp://%s/%s\n"
           "  or run    %scurl 'http://%s/fanout?n=20&ms=100'%s\n\n",
           bold, address, plain, bold, address, plain);
    printf("  Services  %d processes of their own:", demo->service_count);
    for (int i = 0; i < demo->service_count; i++)
        printf("%s%s", i % 3 ? "  " : "\n            ",
               demo->services.each[i].address);
    printf(
        "\n"
        "  Code      src/cli/demo_fanout.c, one function for each way\n"
        "  Next      docs/tutorial.md: a page like this one, in ten minutes\n\n"
        "  %sCtrl-C ends the demo and its services.%s\n\n",
        dim, plain);
    fflush(stdout);
}

/* The first signal lets pages under way end, the next one does not. */
static int stop_on_signals(void *arg)
{
    struct demo *demo = arg;
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGINT, SIGTERM, SIGHUP);

    while (!err && !(err = ed_signals_next(signals, &signo)))
        ed_server_stop(demo->server);
    return err;
}

static int serve(struct demo *demo)
{
    int err = ed_server_listen(demo->server, demo->listen);

    if (err)
        return err;
    ed_scope(around, .independent = true);
    ed_go(around, stop_on_signals, demo);
    greet(demo);
    err = ed_server_run(demo->server);
    return err == ED_ETIMEOUT ? 0 : err; /* a page was cut short: so be it */
}

static int serve_app(struct demo *demo)
{
    ed_app *app = make_app(demo);
    int err = ED_ENOMEM;

    demo->server = ed_server_new(ed_app_handle, .user = app,
                                 .drain_timeout = DRAIN_TIMEOUT);
    if (demo->server) {
        err = serve(demo);
        ed_server_free(demo->server);
    }
    ed_app_free(app);
    return err;
}

static int run(void *arg)
{
    struct demo *demo = arg;
    ed_scope(services, .independent = true);
    int err =
        demo_services_start(&demo->services, services, demo->service_count);

    if (!err)
        err = serve_app(demo);
    if (err)
        fprintf(stderr, "eddy demo: %s\n",
                *ed_error() ? ed_error() : ed_err_text(err));
    return err;
}

/* ---- the command line ---- */

static int read_options(struct demo *demo, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"services", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int64_t count = SERVICES_DEFAULT;
    int option;

    demo->listen = LISTEN_DEFAULT;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            demo->listen = optarg;
            break;
        case 's':
            if (ed_bytes_int(ed_bytes(optarg), &count) || count < 1 ||
                count > DEMO_SERVICES_MAX)
                return usage_error("demo: --services %s is not 1 to %d", optarg,
                                   DEMO_SERVICES_MAX);
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return usage_error("demo: what is '%s'?", argv[optind]);
    demo->service_count = (int)count;
    return 0;
}

int demo_main(int argc, char **argv)
{
    static struct demo demo;
    int status = read_options(&demo, argc, argv);

    if (status)
        return status;
    return ed_run(run, &demo) ? EXIT_FAILED : 0;
}
