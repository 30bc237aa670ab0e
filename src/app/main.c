/*
 * main.c - ed_main(): the command line, the signals and the life of a program
 * that serves an app.
 *
 * Owns the process while it runs: the log's settings, the signal mask, and the
 * one loop.
 */
#include "app/app_internal.h"

#include <eddy/log.h>
#include <eddy/signal.h>
#include <signal.h>
#include <stdio.h>

static const char DEFAULT_ADDRESS[] = "127.0.0.1:8080";

/* More listeners than this are a mistake. */
#define ADDRESSES 64

/* A run of the program. */
struct run {
    ed_app *app;
    const char *program;
    const char *addresses[ADDRESSES];
    size_t address_count;
    const char *certificate; /* NULL: in the clear */
    const char *key;
    ed_tls *tls;
    ed_server *server;
    ed_signals *signals;
    ed_scope *scope; /* of what minds signals, while it serves */
    int status;      /* of the process */
};

/* ---- the command line ---- */

/* What reading the command line comes to: -1 to go on, or an exit status. */
enum { GO_ON = -1, DONE = 0, FAILED = 1, USAGE = 2 };

ED_PRINTF(2, 3) static int misused(const struct run *run, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s: ", run->program);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return USAGE;
}

static int take_listen(struct run *run, const char *value)
{
    if (run->address_count == ADDRESSES)
        return misused(run, "more than %d times --listen", ADDRESSES);
    run->addresses[run->address_count++] = value;
    return GO_ON;
}

static int take_certificate(struct run *run, const char *value)
{
    run->certificate = value;
    return GO_ON;
}

static int take_key(struct run *run, const char *value)
{
    run->key = value;
    return GO_ON;
}

static int take_log(struct run *run, const char *value)
{
    if (ed_log_configure(value))
        return misused(run,
                       "--log '%s' is none of debug, info, warn, error and "
                       "off, with ,text or ,json behind it",
                       value);
    return GO_ON;
}

static int take_help(struct run *run, const char *value);

static int take_version(struct run *run, const char *value)
{
    (void)value;
    printf("%s, on eddy %s\n", run->program, ED_VERSION);
    return DONE;
}

static const struct main_option {
    const char *name;
    const char *placeholder; /* NULL: takes no value */
    const char *help;
    int (*take)(struct run *run, const char *value);
} options[] = {
    {"listen", "ADDRESS",
     "where to listen, such as [::]:80 or unix:/run/x.sock;\n"
     "may be repeated (127.0.0.1:8080)",
     take_listen},
    {"certfile", "FILE",
     "certificate in PEM, and those that lead to its issuer: makes\n"
     "all addresses speak TLS; SIGHUP reads it again",
     take_certificate},
    {"keyfile", "FILE", "key of the certificate (in the same file)", take_key},
    {"log", "LEVEL[,FORMAT]",
     "debug, info, warn, error or off; text or json\n(info,text)", take_log},
    {"help", NULL, "show this and stop", take_help},
    {"version", NULL, "show the version and stop", take_version},
};

#define OPTIONS (sizeof options / sizeof *options)

static int option_width(const char *name, const char *placeholder)
{
    return (int)(strlen(name) + (placeholder ? strlen(placeholder) + 1 : 0));
}

/* One option, its help in a column of its own. */
static void show_option(int width, const char *name, const char *placeholder,
                        const char *help)
{
    int gap = width - option_width(name, placeholder) + 3;
    printf("  --%s%s%s%*s", name, placeholder ? " " : "",
           placeholder ? placeholder : "", gap, "");
    struct ed_bytes rest = ed_bytes(help);
    while (rest.ptr) {
        struct ed_bytes line = ed_bytes_cut(&rest, '\n');
        printf("%.*s\n", (int)line.len, line.ptr);
        if (rest.ptr)
            printf("%*s", width + 7, "");
    }
}

static int take_help(struct run *run, const char *value)
{
    (void)value;
    int width = 0;
    for (size_t i = 0; i < OPTIONS; i++) {
        int w = option_width(options[i].name, options[i].placeholder);
        width = w > width ? w : width;
    }
    for (const struct ed_option *o = run->app->options; o; o = o->next) {
        int w = option_width(o->name, o->placeholder);
        width = w > width ? w : width;
    }
    printf("usage: %s [OPTION...]\n\n", run->program);
    for (const struct ed_option *o = run->app->options; o; o = o->next)
        show_option(width, o->name, o->placeholder, o->help);
    for (size_t i = 0; i < OPTIONS; i++)
        show_option(width, options[i].name, options[i].placeholder,
                    options[i].help);
    return DONE;
}

static const char *suggestion(const struct run *run, const char *name)
{
    struct ed_suggestion best = {0};
    for (size_t i = 0; i < OPTIONS; i++)
        ed_suggest(&best, name, options[i].name);
    for (const struct ed_option *o = run->app->options; o; o = o->next)
        ed_suggest(&best, name, o->name);
    return best.word;
}

static int unknown(const struct run *run, const char *name)
{
    const char *meant = suggestion(run, name);
    if (meant)
        return misused(run, "unknown option '--%s' (did you mean '--%s'?)",
                       name, meant);
    return misused(run, "unknown option '--%s' (--help lists them)", name);
}

static const struct main_option *find_option(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (!strcmp(options[i].name, name))
            return &options[i];
    }
    return NULL;
}

static const struct ed_option *find_own(const struct run *run, const char *name)
{
    const struct ed_option *o = run->app->options;
    while (o && strcmp(o->name, name))
        o = o->next;
    return o;
}

/* Takes an option by its name. `value` is what stood behind '=', or NULL; then
 * *next is the argument behind it, and set to NULL when it was used. */
static int take_option(struct run *run, const char *name, const char *value,
                       const char **next)
{
    const struct ed_option *own = find_own(run, name);
    const struct main_option *option = own ? NULL : find_option(name);
    if (!own && !option)
        return unknown(run, name);
    const char *placeholder = own ? own->placeholder : option->placeholder;
    if (!placeholder)
        return value ? misused(run, "--%s takes no value", name)
                     : option->take(run, NULL);
    if (!value) {
        value = *next;
        *next = NULL;
    }
    if (!value)
        return misused(run, "--%s needs a value: %s", name, placeholder);
    if (option)
        return option->take(run, value);
    *own->value = value;
    return GO_ON;
}

static int read_arguments(struct run *run, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) || !argv[i][2])
            return misused(run,
                           "unexpected argument '%s' (--help lists the "
                           "options)",
                           argv[i]);
        const char *name = argv[i] + 2;
        const char *equals = strchr(name, '=');
        if (equals)
            name = ed_app_copy(run->app,
                               ed_bytes_of(name, (size_t)(equals - name)));
        const char *behind = i + 1 < argc ? argv[i + 1] : NULL;
        const char *next = behind;
        int status = take_option(run, name, equals ? equals + 1 : NULL, &next);
        if (status != GO_ON)
            return status;
        if (behind && !next)
            i++;
    }
    if (run->key && !run->certificate)
        return misused(run, "--keyfile without --certfile");
    return GO_ON;
}

/* ---- signals ---- */

static void reload_certificates(const struct run *run)
{
    if (ed_tls_reload(run->tls))
        ed_log_error("certificates not reloaded, the old ones stay: %s",
                     ed_error());
    else
        ed_log_info("certificates reloaded");
}

static int shut_down(void *app)
{
    ed_app_shutdown(app);
    return 0;
}

/* In a fiber of its own: signals are heard meanwhile. */
static void begin_to_stop(const struct run *run)
{
    ed_server_stop(run->server);
    ed_go(run->scope, shut_down, run->app);
}

static int watch_signals(void *arg)
{
    struct run *run = arg;
    bool stopping = false;
    int signo, err;
    while (!(err = ed_signals_next(run->signals, &signo))) {
        if (signo == SIGUSR1) {
            ed_fiber_tree();
            continue;
        }
        if (signo == SIGHUP) {
            reload_certificates(run);
            continue;
        }
        if (stopping) {
            ed_log_info("stopping at once");
            ed_server_stop(run->server);
            continue;
        }
        ed_log_info("stopping when all requests are answered");
        stopping = true;
        begin_to_stop(run);
    }
    return err;
}

/* ---- serving ---- */

static int listen_everywhere(struct run *run)
{
    if (!run->address_count)
        run->addresses[run->address_count++] = DEFAULT_ADDRESS;
    for (size_t i = 0; i < run->address_count; i++) {
        int err =
            ed_server_listen(run->server, run->addresses[i], .tls = run->tls);
        if (err == ED_EADDR) {
            run->status = misused(run, "--listen '%s': %s", run->addresses[i],
                                  ed_error());
            return err;
        }
        if (err) {
            const char *detail = ed_error();
            ed_log_error("cannot listen on %s: %s", run->addresses[i],
                         *detail ? detail : ed_err_text(err));
            run->status = FAILED;
            return err;
        }
    }
    return 0;
}

static void tell_addresses(const struct run *run)
{
    const char *scheme = run->tls ? "https://" : "http://";
    char address[ED_ADDR_TEXT];
    for (size_t i = 0; ed_server_address(run->server, i, address); i++) {
        bool local = !strncmp(address, "unix:", 5);
        ed_log_info("listening on %s%s", local ? "" : scheme, address);
    }
}

/* Serves with the signals in a scope that ends when the parts have stopped. */
static int serve(struct run *run)
{
    ed_scope(s, .independent = true, .name = "app");
    run->scope = s;
    int err = ed_go(s, watch_signals, run);
    if (err)
        return err;
    tell_addresses(run);
    err = ed_server_run(run->server);
    ed_app_stop(run->app);
    return err;
}

/* SIGHUP means what it always does, unless there is something to reload. */
static int open_signals(struct run *run)
{
    if (run->certificate)
        return ed_signals_open(&run->signals, SIGINT, SIGTERM, SIGUSR1, SIGHUP);
    return ed_signals_open(&run->signals, SIGINT, SIGTERM, SIGUSR1);
}

static int open_tls(struct run *run)
{
    if (!run->certificate)
        return 0;
    int err = ed_tls_server(&run->tls, .certificate = run->certificate,
                            .key = run->key);
    if (err) {
        ed_log_error("cannot start: %s", ed_error());
        run->status = FAILED;
    }
    return err;
}

/* The log has what went wrong with which part. */
static int start_parts(struct run *run)
{
    int err = ed_app_start(run->app);
    if (err)
        run->status = FAILED;
    return err;
}

static int run_server(void *arg)
{
    struct run *run = arg;
    /* Before anything that starts a thread: it inherits the mask. */
    int err = open_signals(run);
    if (!err)
        err = open_tls(run);
    if (!err)
        err = start_parts(run);
    if (!err) {
        run->server = ed_server_new(ed_app_handle, .user = run->app);
        err = run->server ? listen_everywhere(run) : ED_ENOMEM;
    }
    if (!err)
        err = serve(run);
    ed_app_stop(run->app); /* if it has not yet */
    ed_server_free(run->server);
    ed_tls_free(run->tls);
    ed_signals_close(run->signals);
    return err;
}

static int run_app(struct run *run)
{
    if (ed_app_refused(run->app)) {
        ed_log_error("not starting: what is told above is wrong");
        return FAILED;
    }
    signal(SIGPIPE, SIG_IGN); /* a write says EPIPE as well */
    int err = ed_run(run_server, run);
    if (run->status)
        return run->status;
    if (err == ED_ETIMEOUT) {
        ed_log_warn("some requests were not answered in time to stop");
        return DONE;
    }
    if (err && err != ED_ECANCELED) {
        ed_log_error("%s stops: %s", run->program, ed_err_text(err));
        return FAILED;
    }
    return DONE;
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "program";
}

int ed_main(ed_app *app, int argc, char **argv)
{
    struct run run = {
        .app = app,
        .program = base_name(argc > 0 ? argv[0] : NULL),
    };
    int status = read_arguments(&run, argc, argv);
    if (status == GO_ON)
        status = run_app(&run);
    ed_app_free(app);
    return status;
}
