/*
 * console.c - `eddy console`: the console's page for a server that has only its
 * control socket, in a browser of this machine.
 *
 * Serves the page at a port of 127.0.0.1 and passes on what it asks, under
 * /v1/, to the socket. Whoever opens the address that was printed gets a cookie
 * without which nothing is passed on, as other users of the machine can reach
 * the port, too. An address works once, so that one seen in a list of
 * processes or a history is worth nothing; the next is printed then.
 *
 * Changes are passed on with --write alone, and need a second secret in a
 * header besides, which pages of other ports cannot send.
 */
#include "commands.h"
#include "ctl.h"
#include "net/crypto.h"
#include "serve/console.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <eddy/app.h>
#include <eddy/log.h>
#include <eddy/signal.h>
#include <eddy/ws.h>

/* 128 bits in hexadecimal. */
#define SECRET_BYTES 16
#define SECRET_TEXT  (2 * SECRET_BYTES + 1)

/* What the page asks for is far shorter. */
#define TARGET_MAX 512
#define BODY_MAX   4096

/* Of a server that answers; stacks and lists of many requests included. */
static const int64_t ANSWER_TIME = 15 * ED_S;
#define ANSWER_MAX ((size_t)64 << 20)

/* Browsers open some for each page. */
#define CONNECTIONS_MAX 64

struct console {
    struct ctl ctl;
    int64_t port;
    bool write;
    char ticket[SECRET_TEXT];  /* in the address, works once */
    char session[SECRET_TEXT]; /* in the cookie */
    char token[SECRET_TEXT];   /* for changes */
    char cookie[32];           /* its name: cookies do not tell ports apart */
    char address[ED_ADDR_TEXT];
    ed_server *server;
};

ED_APP_VALUE(struct console, console)

static int make_secret(char out[SECRET_TEXT])
{
    unsigned char bytes[SECRET_BYTES];
    int err = ed_random(bytes, sizeof(bytes));

    for (size_t i = 0; i < sizeof(bytes) && !err; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
    return err;
}

static bool is_secret(const char *given, const char *secret)
{
    return given && ed_bytes_equal_secret(ed_bytes(given), ed_bytes(secret));
}

static void print_address(const struct console *console)
{
    printf("  http://%s/enter/%s\n\n", console->address, console->ticket);
    (void)fflush(stdout);
}

/* ---- who may look ---- */

static int refuse(ed_req *req, int status, const char *why)
{
    return ed_reply_json(req, status, "{s:s}", "error", why);
}

static bool has_session(ed_req *req)
{
    const struct console *console = console_of(req);

    return is_secret(ed_cookie(req, console->cookie), console->session);
}

static int set_session(ed_req *req)
{
    const struct console *console = console_of(req);
    char cookie[128];

    snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict",
             console->cookie, console->session);
    int err = ed_reply_header(req, "Set-Cookie", cookie);
    if (!err)
        err = ed_reply_header(req, "Referrer-Policy", "no-referrer");
    return err ? err : ed_reply_header(req, "Cache-Control", "no-store");
}

/* GET /enter/{ticket} */
static int enter(ed_req *req)
{
    struct console *console = console_of(req);
    char place[64 + SECRET_TEXT] = "/console/";

    if (!is_secret(ed_arg(req, "ticket"), console->ticket))
        return ed_reply(req, 403,
                        "This address was used already; eddy console has "
                        "printed another one.\n");
    int err = make_secret(console->ticket);
    if (!err)
        err = set_session(req);
    if (err)
        return err;
    printf("Opened. For another browser:\n\n");
    print_address(console);
    if (console->write)
        snprintf(place, sizeof(place), "/console/#token=%s", console->token);
    return ed_redirect(req, 303, place);
}

/* ---- passing on ---- */

static int make_target(ed_req *req, char target[TARGET_MAX])
{
    const char *query = ed_req_query(req);
    int len = snprintf(target, TARGET_MAX, "%s%s%s", ed_req_path(req),
                       *query ? "?" : "", query);

    return len < TARGET_MAX ? 0 : ED_EURILIMIT;
}

/* Once more when the server has another socket meanwhile: nothing was sent. */
static int ask(struct console *console, const char *target,
               const struct ed_fetch_options *options, ed_res **res)
{
    char url[CTL_URL];

    ctl_url(&console->ctl, target, url);
    int err = ed_fetch_with(res, url, options);
    if (err != ED_ECONNECT || ctl_find_again(&console->ctl))
        return err;
    ctl_url(&console->ctl, target, url);
    return ed_fetch_with(res, url, options);
}

static int pass_on(ed_req *req, struct ed_fetch_options *options)
{
    char target[TARGET_MAX];
    ed_res *res;
    int err = make_target(req, target);

    if (err)
        return err;
    options->size = sizeof(*options);
    options->timeout = ANSWER_TIME;
    options->max_body = ANSWER_MAX;
    options->max_redirects = -1;
    if (ask(console_of(req), target, options, &res))
        return refuse(req, 502, "the server is gone");
    const char *type = ed_res_header(res, "Content-Type");
    err = ed_reply_header_set(req, "X-Content-Type-Options", "nosniff");
    if (!err)
        err = ed_reply_header_set(req, "Cache-Control", "no-store");
    return err ? err
               : ed_reply_bytes(req, ed_res_status(res),
                                type ? type : "application/json",
                                ed_res_body(res));
}

/* GET /v1/{what*} */
static int look(ed_req *req)
{
    struct ed_fetch_options options = {0};

    if (!has_session(req))
        return refuse(req, 401, "You are not signed in here.");
    return pass_on(req, &options);
}

/* POST /v1/{what*} */
static int change(ed_req *req)
{
    const struct console *console = console_of(req);
    const char *given = ed_header(req, "Authorization");
    struct ed_fetch_options options = {
        .method = "POST",
        .content_type = "application/json",
    };

    if (!has_session(req))
        return refuse(req, 401, "You are not signed in here.");
    if (!console->write)
        return refuse(req, 403,
                      "This console is read-only: eddy console --write is "
                      "not.");
    if (!given || strncmp(given, "Bearer ", 7) ||
        !is_secret(given + 7, console->token))
        return refuse(req, 401, "That is not the token of this console.");
    ed_body_limit(req, BODY_MAX);
    int err = ed_body(req, &options.body);
    return err ? err : pass_on(req, &options);
}

/* ---- live ---- */

struct relay {
    ed_ws *server;
    ed_ws *viewer;
};

/* The viewer has nothing to say; that it has left is all there is to hear. */
static int hear_viewer(void *arg)
{
    const struct relay *relay = arg;
    struct ed_bytes message;
    int err;

    while (!(err = ed_ws_recv(relay->viewer, &message)))
        ;
    return err;
}

static int hear_server(void *arg)
{
    const struct relay *relay = arg;
    struct ed_bytes message;
    int err;

    while (!(err = ed_ws_recv(relay->server, &message))) {
        err = ed_ws_send(relay->viewer, message);
        if (err)
            break;
    }
    return err;
}

static int connect_live(struct console *console, ed_ws **out)
{
    char url[CTL_URL];

    ctl_url(&console->ctl, "/v1/live", url);
    int err = ed_ws_connect(out, url, .max_message = (size_t)16 << 20);
    if (err != ED_ECONNECT || ctl_find_again(&console->ctl))
        return err;
    ctl_url(&console->ctl, "/v1/live", url);
    return ed_ws_connect(out, url, .max_message = (size_t)16 << 20);
}

/* GET /v1/live */
static int live(ed_req *req)
{
    ed_ws *server ED_WS_AUTO = NULL;
    struct relay relay;

    if (!has_session(req))
        return refuse(req, 401, "You are not signed in here.");
    if (connect_live(console_of(req), &server))
        return refuse(req, 502, "the server is gone");
    relay.server = server;
    int err = ed_ws_accept(req, &relay.viewer);
    if (err)
        return err;
    ed_scope(both);
    ed_go(both, hear_viewer, &relay);
    ed_go(both, hear_server, &relay);
    err = ed_wait(both);
    /* That either has left ends it for the other, and is no failure. */
    return err == ED_ECANCELED ? err : 0;
}

/* ---- serving ---- */

static int home(ed_req *req)
{
    return ed_redirect(req, 302, "/console/");
}

static ed_app *make_app(struct console *console)
{
    ed_app *app = ed_app_new();

    console_set(app, console);
    ed_console_routes(app);
    ed_route(app, "GET /", home);
    ed_route(app, "GET /enter/{ticket}", enter);
    ed_route(app, "GET /v1/live", live);
    ed_route(app, "GET /v1/{what*}", look);
    ed_route(app, "POST /v1/{what*}", change);
    return app;
}

static int stop_on_signals(void *arg)
{
    struct console *console = arg;
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGINT, SIGTERM, SIGHUP);

    if (!err)
        err = ed_signals_next(signals, &signo);
    if (err)
        return err;
    ed_server_stop(console->server);
    ed_server_stop(console->server); /* pages that look on are no reason to
                                        wait */
    return 0;
}

static void greet(const struct console *console)
{
    printf("The console of the server at %s, %s:\n\n", console->ctl.socket,
           console->write ? "with changes" : "read-only");
    print_address(console);
    puts("An address works once; the next is printed then. Ctrl-C ends it.\n");
    (void)fflush(stdout);
}

static int serve(struct console *console)
{
    char listen[64];

    snprintf(listen, sizeof(listen), "127.0.0.1:%lld",
             (long long)console->port);
    int err = ed_server_listen(console->server, listen);
    if (err)
        return err;
    (void)ed_server_address(console->server, 0, console->address);
    snprintf(console->cookie, sizeof(console->cookie), "eddy_console%s",
             strrchr(console->address, ':') + 1);
    ed_scope(around, .independent = true);
    ed_go(around, stop_on_signals, console);
    greet(console);
    err = ed_server_run(console->server);
    return err == ED_ETIMEOUT ? 0 : err;
}

static int run(void *arg)
{
    struct console *console = arg;
    ed_app *app = make_app(console);
    int err = make_secret(console->ticket);

    if (!err)
        err = make_secret(console->session);
    if (!err)
        err = make_secret(console->token);
    if (!err) {
        console->server = ed_server_new(ed_app_handle, .user = app,
                                        .max_connections = CONNECTIONS_MAX);
        err = console->server ? serve(console) : ED_ENOMEM;
    }
    if (err)
        fprintf(stderr, "eddy console: %s\n",
                *ed_error() ? ed_error() : ed_err_text(err));
    if (console->server)
        ed_server_free(console->server);
    ed_app_free(app);
    return err;
}

/* ---- the command line ---- */

static const char help[] =
    "usage: eddy console [--socket PATH] [--port N] [--write]\n"
    "\n"
    "Shows a running server in the browser, live: charts, workers, the "
    "slowest\n"
    "requests and their stacks. Serves the page at 127.0.0.1, and says where.\n"
    "A server with an admin listener has the same page there, at /console/.\n"
    "\n"
    "  --socket PATH   the server's control socket; found as by eddy ctl\n"
    "  --port N        of 127.0.0.1 (a free one)\n"
    "  --write         the page may reload, drain, scale and set the log "
    "level\n"
    "  --help          this\n";

static int take_port(void *arg, const char *value)
{
    struct console *console = arg;

    if (!ed_bytes_int(ed_bytes(value), &console->port) && console->port >= 1 &&
        console->port <= 65535)
        return 0;
    return usage_error("console: --port %s is not 1 to 65535", value);
}

static int take_write(void *arg, const char *value)
{
    struct console *console = arg;

    (void)value;
    console->write = true;
    return 0;
}

int console_main(int argc, char **argv)
{
    static struct console console = {.ctl.command = "console"};
    static const struct ctl_option own[] = {
        {"port", true, take_port},
        {"write", false, take_write},
        {0},
    };
    const struct ctl_options options = {help, own, &console};
    int status = ctl_read_options(&console.ctl, &options, argc, argv);

    if (!status)
        status = ctl_find(&console.ctl);
    if (status)
        return status;
    ed_log_set_level(ED_LOG_ERROR);
    return ed_run(run, &console) ? EXIT_FAILED : 0;
}
