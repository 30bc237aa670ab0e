/*
 * test_client.c - an app served for a test, and the requests to it.
 *
 * Owns the server and the client of a test. Both are those of every program,
 * and what is between them is a socket in the kernel: a virtual clock lets pass
 * what is on its way before it jumps. The server runs in a fiber of the loop's,
 * so a test may be made and ended in different scopes.
 */
#include "app/test_client.h"

#include "base/options.h"
#include "net/crypto.h"

#include <jansson.h>
#include <eddy/form.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const int64_t REQUEST_TIMEOUT = 60 * ED_S;

/* How long the end of a test may take: more than draining and stopping do by
 * themselves. */
static const int64_t END_TIME = 10 * ED_MIN;

/* ---- telling ---- */

bool ed_test_fails(ed_test *t, const char *place, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s: ", place);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    if (t)
        t->failures++;
    return false;
}

static void tell_start(const char *what, int err)
{
    const char *detail = ed_error_of(err);
    fprintf(stderr, "cannot test: %s: %s\n", what,
            *detail ? detail : ed_err_text(err));
}

/* ---- the server ---- */

static int serve(void *arg)
{
    ed_test *t = arg;
    int err = ed_server_run(t->server);
    t->serving = false;
    ed_waitq_wake_all(&t->ended, 0);
    return err == ED_ETIMEOUT ? 0 : err;
}

/* A name in the abstract space that nobody else has. */
static int make_name(char out[ED_ADDR_TEXT])
{
    uint64_t number;
    int err = ed_random(&number, sizeof number);
    if (!err)
        snprintf(out, ED_ADDR_TEXT, "unix:@eddy-test-%016llx",
                 (unsigned long long)number);
    return err;
}

static int listen_for(ed_test *t, const struct ed_test_options *o,
                      char address[ED_ADDR_TEXT])
{
    struct ed_server_options options = {.size = sizeof options};
    if (o->server)
        ed_options_take(&options, sizeof options, o->server);
    options.size = sizeof options;
    options.user = t->app;
    t->server = ed_server_new_with(ed_app_handle, &options);
    if (!t->server)
        return ED_ENOMEM;
    int err = o->listen ? 0 : make_name(address);
    if (!err)
        err = ed_server_listen(t->server, o->listen ? o->listen : address);
    if (!err && o->listen)
        ed_server_address(t->server, 0, address);
    if (!err)
        err = ed_background(serve, t);
    t->serving = !err;
    return err;
}

/* ---- the client ---- */

static int open_client(ed_test *t, const struct ed_test_options *o,
                       const char *address)
{
    const char *host = o->host ? o->host : "test.local";
    char rule[2 * ED_ADDR_TEXT + 64];
    const char *hosts[] = {rule, NULL};
    bool local = address && !strncmp(address, "unix:", 5);
    int len = o->url  ? asprintf(&t->url, "%s", o->url)
              : local ? asprintf(&t->url, "http://%s", host)
                      : asprintf(&t->url, "http://%s", address);
    if (len < 0) {
        t->url = NULL;
        return ED_ENOMEM;
    }
    snprintf(rule, sizeof rule, "%s:80=%s", host, local ? address : "");
    t->jar = ed_jar_new();
    t->client =
        ed_client_new(.hosts = local ? hosts : NULL, .proxy = "", .jar = t->jar,
                      .first_byte_timeout = -1, .idle_timeout = -1,
                      .timeout = o->timeout ? o->timeout : REQUEST_TIMEOUT);
    return t->jar && t->client ? 0 : ED_ENOMEM;
}

/* ---- beginning and end ---- */

static int begin(ed_test *t, const struct ed_test_options *o)
{
    char address[ED_ADDR_TEXT] = "";
    int err = t->app ? ed_app_start(t->app) : 0;
    if (!err && t->app)
        err = listen_for(t, o, address);
    return err ? err : open_client(t, o, address);
}

static void stop_serving(ed_test *t)
{
    if (t->server)
        ed_server_stop(t->server);
    ed_app_shutdown(t->app);
    while (t->serving) {
        if (ed_waitq_wait(&t->ended, "the server to end", NULL))
            ed_server_stop(t->server); /* at once */
    }
    ed_app_stop(t->app);
    ed_server_free(t->server);
}

static void end(ed_test *t)
{
    ed_shield(goodbye, END_TIME);
    (void)goodbye;
    ed_client_free(t->client);
    ed_jar_free(t->jar);
    if (t->app)
        stop_serving(t);
    if (t->failures && !t->log.through)
        fputs(ed_test_log_text(&t->log), stderr);
    ed_test_log_end(&t->log);
    free(t->url);
    free(t);
}

ed_test *ed_test_new_with(ed_app *app, const struct ed_test_options *given)
{
    ED_OPTIONS_TAKE(struct ed_test_options, options, given);
    if (!ed_in_fiber()) {
        fputs("cannot test: ed_test_new() outside of a fiber; ed_run() calls a "
              "function in one\n",
              stderr);
        return NULL;
    }
    ed_test *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->app = app;
    ed_test_log_begin(&t->log, options.show_log);
    int err = begin(t, &options);
    if (!err)
        return t;
    tell_start(app ? "the app does not start" : options.url, err);
    t->failures++;
    end(t);
    return NULL;
}

int ed_test_end(ed_test *t)
{
    if (!t)
        return 1;
    /* What ends badly counts, and end() is where the log of it is shown. */
    int failures = t->failures;
    end(t);
    return failures;
}

const char *ed_test_url(const ed_test *t)
{
    return t ? t->url : "";
}

ed_client *ed_test_client(const ed_test *t)
{
    return t ? t->client : NULL;
}

/* ---- requests ---- */

/* The URL of a path; what is a URL already stays one. NULL: no memory. */
static const char *url_of(const ed_test *t, const char *path)
{
    if (*path != '/')
        return path;
    return ed_arena_printf(ed_fiber_arena(), "%s%s", t->url, path);
}

static int note_failed(ed_test *t, const char *place, const char *what,
                       const char *path, int err)
{
    if (err && err != ED_ECANCELED)
        ed_test_fails(t, place, "%s %s: %s", what, path,
                      *ed_error_of(err) ? ed_error() : ed_err_text(err));
    return err;
}

int ed_test_fetch_(ed_test *t, ed_res **out, const char *path,
                   const struct ed_fetch_options *given, const char *place)
{
    *out = NULL;
    if (!t)
        return ED_EUSAGE;
    ED_OPTIONS_TAKE(struct ed_fetch_options, options, given);
    options.size = sizeof options;
    options.client = t->client;
    if (!options.max_redirects)
        options.max_redirects = -1;
    const char *url = url_of(t, path);
    int err = url ? ed_fetch_with(out, url, &options) : ED_ENOMEM;
    return note_failed(
        t, place, options.method ? options.method : "request for", path, err);
}

int ed_test_ws_(ed_test *t, ed_ws **out, const char *path,
                const struct ed_ws_connect_options *given, const char *place)
{
    *out = NULL;
    if (!t)
        return ED_EUSAGE;
    ED_OPTIONS_TAKE(struct ed_ws_connect_options, options, given);
    options.size = sizeof options;
    options.client = t->client;
    const char *url = url_of(t, path);
    int err = url ? ed_ws_connect_with(out, url, &options) : ED_ENOMEM;
    return note_failed(t, place, "WebSocket to", path, err);
}

int ed_test_post_form_(ed_test *t, ed_res **out, const char *path,
                       const char *place, ...)
{
    ed_form *form = ed_form_new();
    const char *name;
    va_list pairs;
    va_start(pairs, place);
    while ((name = va_arg(pairs, const char *)))
        ed_form_add(form, name, va_arg(pairs, const char *));
    va_end(pairs);
    if (!form) {
        *out = NULL;
        return ED_ENOMEM;
    }
    return ed_test_fetch_(
        t, out, path, ED_OPTIONS(struct ed_fetch_options, .form = form), place);
}

int ed_test_post_json_(ed_test *t, ed_res **out, const char *path,
                       const char *place, const char *fmt, ...)
{
    json_error_t why;
    va_list args;
    va_start(args, fmt);
    json_t *value = json_vpack_ex(&why, 0, fmt, args);
    va_end(args);
    *out = NULL;
    if (!value) {
        ed_test_fails(t, place, "\"%s\": %s", fmt, why.text);
        return ED_EUSAGE;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (!text)
        return ED_ENOMEM;
    int err = ed_test_fetch_(t, out, path,
                             ED_OPTIONS(struct ed_fetch_options,
                                        .body = ed_bytes(text),
                                        .content_type = "application/json"),
                             place);
    free(text);
    return err;
}

const char *ed_test_cookie(ed_test *t, const char *name)
{
    return t ? ed_jar_get(t->jar, t->url, name) : NULL;
}

int ed_test_set_cookie(ed_test *t, const char *cookie)
{
    return t ? ed_jar_set(t->jar, t->url, cookie) : ED_EUSAGE;
}

/* ---- time ---- */

int ed_test_advance(ed_test *t, int64_t duration)
{
    (void)t; /* the loop's clock is everybody's */
    return ed_sleep(duration);
}
