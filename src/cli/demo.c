/*
 * demo.c - `eddy demo`: a page built from many slow services, a live wall of
 * messages, and a chat.
 *
 * The first is the command's own; the others are examples, mounted as they are.
 * Starts the services, serves it all at one address, and says on standard
 * output where. Whatever ends it ends the services.
 */
#include "../../examples/chat/chat.h"
#include "../../examples/feed/feed.h"
#include "demo.h"
#include "demo_wsgi.h"

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

/* Of the wall: slow enough to read along. */
#define RATE_DEFAULT "8"

static const char help[] =
    "usage: eddy demo [--listen ADDRESS] [--services N] [--source URL]\n"
    "                 [--rate N] [--redis URL]\n"
    "\n"
    "Serves four things in one process, with a page that leads to them:\n"
    "\n"
    "  /fanout   a page made of calls to many slow services, one after the "
    "other\n"
    "            and all at once, and when each call began and ended\n"
    "  /feed/    a live wall: messages of one source, sent on to every "
    "browser\n"
    "  /chat/    rooms, names, history\n"
    "  /wsgi     a page in Python, by gunicorn, uWSGI and eddy serve, as far "
    "as\n"
    "            they are installed\n"
    "\n"
    "It needs nothing but itself: messages are made up, unless there is a "
    "source.\n"
    "\n"
    "  --listen ADDRESS   where to serve it (" LISTEN_DEFAULT ");\n"
    "                     port 0 takes a free one\n"
    "  --services N       processes that are the services, 1 to 16 (5)\n"
    "  --source URL       a stream of server-sent events or of lines of JSON "
    "that\n"
    "                     the wall shows\n"
    "  --rate N           made-up messages a second, 1 to 10000 (" RATE_DEFAULT
    ")\n"
    "  --redis URL        one chat with other processes, by this Redis\n"
    "  --help             this\n";

struct demo {
    const char *listen;
    int service_count;
    struct demo_services services;
    struct demo_wsgi wsgi;
    struct feed feed;
    const char *redis;
    ed_app *app;
    ed_server *server;
};

/* ---- the pages ---- */

int demo_send_file(ed_req *req)
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
    wsgi_set(app, &demo->wsgi);
    ed_route(app, "GET /", demo_send_file);
    ed_route(app, "GET /docs/{page*}", demo_send_file);
    ed_route(app, "GET /waterfall.css", demo_send_file);
    ed_route(app, "GET /waterfall.js", demo_send_file);
    ed_route(app, "GET /fanout", demo_fanout);
    ed_route(app, "GET /wsgi", demo_wsgi_page);
    ed_route(app, "GET /wsgi/service", demo_wsgi_service);
    ed_route(app, "GET /wsgi/{file}", demo_send_file);
    ed_mount(app, "/feed", feed_app(&demo->feed));
    ed_mount(app, "/chat", chat_app(&demo->redis));
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
           "  Many slow services called at once, in C and in Python, a live "
           "wall, and "
           "a chat.\n\n"
           "  Open      %shttp://%s/%s\n"
           "  or run    %scurl 'http://%s/fanout?n=20&ms=100'%s\n"
           "            %scurl -N http://%s/feed/events%s\n\n",
           bold, address, plain, bold, address, plain, bold, address, plain);
    printf("  Services  %d processes of their own:", demo->service_count);
    for (int i = 0; i < demo->service_count; i++)
        printf("%s%s", i % 3 ? "  " : "\n            ",
               demo->services.each[i].address);
    printf(
        "\n"
        "  Code      src/cli/demo_fanout.c, examples/wsgi, examples/feed, "
        "examples/chat\n"
        "  Next      docs/tutorial.md: a page of many calls, in ten minutes\n\n"
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

    while (!err && !(err = ed_signals_next(signals, &signo))) {
        ed_server_stop(demo->server);
        ed_app_shutdown(demo->app);
    }
    return err;
}

static int serve(struct demo *demo)
{
    char address[ED_ADDR_TEXT];
    int err = ed_server_listen(demo->server, demo->listen);

    if (err)
        return err;
    ed_scope(around, .independent = true);
    ed_server_address(demo->server, 0, address);
    demo_wsgi_open(&demo->wsgi, around, address);
    ed_go(around, stop_on_signals, demo);
    greet(demo);
    err = ed_server_run(demo->server);
    return err == ED_ETIMEOUT ? 0 : err; /* a page was cut short: so be it */
}

static int serve_app(struct demo *demo)
{
    int err = ed_app_start(demo->app);

    if (err)
        return err;
    demo->server = ed_server_new(ed_app_handle, .user = demo->app,
                                 .drain_timeout = DRAIN_TIMEOUT);
    if (demo->server)
        err = serve(demo);
    else
        err = ED_ENOMEM;
    demo_wsgi_close(&demo->wsgi);
    ed_app_stop(demo->app);
    if (demo->server)
        ed_server_free(demo->server);
    return err;
}

static int run(void *arg)
{
    struct demo *demo = arg;
    ed_scope(services, .independent = true);
    int err =
        demo_services_start(&demo->services, services, demo->service_count);

    demo->app = make_app(demo);
    if (!err)
        err = serve_app(demo);
    ed_app_free(demo->app);
    if (err)
        fprintf(stderr, "eddy demo: %s\n",
                *ed_error() ? ed_error() : ed_err_text(err));
    return err;
}

/* ---- the command line ---- */

/* Reads the value of an option; says so when it is not 1 to max. */
static bool number(const char *name, int max, int64_t *value)
{
    if (!ed_bytes_int(ed_bytes(optarg), value) && *value >= 1 && *value <= max)
        return true;
    (void)usage_error("demo: --%s %s is not 1 to %d", name, optarg, max);
    return false;
}

static int read_options(struct demo *demo, int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"services", required_argument, NULL, 's'},
        {"source", required_argument, NULL, 'u'},
        {"rate", required_argument, NULL, 'r'},
        {"redis", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int64_t rate, count = SERVICES_DEFAULT;
    int option;

    opterr = 0;
    demo->listen = LISTEN_DEFAULT;
    demo->feed.replay.rate = RATE_DEFAULT;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            demo->listen = optarg;
            break;
        case 's':
            if (!number("services", DEMO_SERVICES_MAX, &count))
                return EXIT_USAGE;
            break;
        case 'u':
            if (!source_is_web(optarg))
                return usage_error("demo: --source %s is no URL such as "
                                   "https://host/path",
                                   optarg);
            demo->feed.url = optarg;
            break;
        case 'r':
            if (!number("rate", REPLAY_RATE_MAX, &rate))
                return EXIT_USAGE;
            demo->feed.replay.rate = optarg;
            break;
        case 'c':
            demo->redis = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        case ':':
            return usage_error("demo: %s needs a value", argv[optind - 1]);
        default:
            return option_error("demo", options, argv[optind - 1]);
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
