/*
 * fetch_client.c - what the options of `eddy fetch` make of the library's
 * client.
 */
#include "commands.h"
#include "fetch.h"
#include <eddy/file.h>
#include <stdlib.h>
#include <unistd.h>

/* The largest file that -d @FILE takes; -T has no limit. */
#define DATA_MAX (64 * 1024 * 1024)

static int fail(int err)
{
    const char *text = ed_error();

    fprintf(stderr, "eddy fetch: %s\n", *text ? text : ed_err_text(err));
    return err;
}

/* TEXT or @FILE, whose bytes are taken as they are. */
static int read_piece(struct ed_bytes *out, const char *data)
{
    *out = ed_bytes(data);
    return *data == '@' ? ed_file_read(out, data + 1, DATA_MAX) : 0;
}

static int join_data(struct ed_buf *all, const struct fetch_list *list)
{
    int err = 0;

    for (size_t i = 0; i < list->count && !err; i++) {
        struct ed_bytes piece;
        err = read_piece(&piece, list->items[i]);
        if (!err && i)
            err = ed_buf_add(all, "&", 1);
        if (!err)
            err = ed_buf_add(all, piece.ptr, piece.len);
    }
    return err;
}

/* -d once, or several times, as the fields of a form. */
static int read_data(struct fetch_run *run)
{
    const struct fetch_list *list = &run->settings.data;
    int err = 0;

    if (list->count == 1)
        err = read_piece(&run->data, list->items[0]);
    if (list->count > 1) {
        err = join_data(&run->joined, list);
        run->data = ed_buf_bytes(&run->joined);
    }
    return err ? fail(err) : 0;
}

/* ---- TLS ---- */

static int make_tls(const struct fetch_settings *s, ed_tls **tls)
{
    *tls = NULL;
    if (!s->insecure && !s->ca && !s->certificate && !s->pins.count)
        return 0;
    int err = ed_tls_client(tls, .ca = s->ca, .certificate = s->certificate,
                            .key = s->key, .no_verify = s->insecure,
                            .pins = s->pins.count ? s->pins.items : NULL);
    return err ? fail(err) : 0;
}

/* ---- cookies ---- */

static bool is_cookie(const char *text)
{
    return strchr(text, '=') != NULL;
}

/* All that are given as text, in one field. */
static int send_cookies(struct fetch_settings *s)
{
    const char *line = "Cookie:";

    for (size_t i = 0; i < s->cookies.count && line; i++)
        line = ed_arena_printf(ed_fiber_arena(), "%s%s%s", line, i ? "; " : " ",
                               s->cookies.items[i]);
    if (!line)
        return fail(ED_ENOMEM);
    if (s->cookies.count)
        s->headers.items[s->headers.count++] = line;
    return 0;
}

/* "a=b; c=d": of the hosts of the URLs alone, besides what they set. */
static int keep_cookies(const struct fetch_run *run, const char *text)
{
    struct ed_bytes rest = ed_bytes(text);
    int err = 0;

    while (rest.ptr && !err) {
        struct ed_bytes pair = ed_bytes_trim(ed_bytes_cut(&rest, ';'));
        const char *cookie = ed_arena_printf(ed_fiber_arena(), "%.*s; Path=/",
                                             (int)pair.len, pair.ptr);
        if (!cookie)
            return ED_ENOMEM;
        for (size_t i = 0; pair.len && i < run->count && !err; i++)
            err = ed_jar_set(run->jar, run->jobs[i].url, cookie);
        if (err == ED_EURL)
            err = 0; /* the fetch says what is wrong with it */
    }
    return err;
}

static int fill_jar(const struct fetch_run *run)
{
    const struct fetch_list *list = &run->settings.cookies;
    int err = 0;

    for (size_t i = 0; i < list->count && !err; i++) {
        const char *text = list->items[i];

        if (is_cookie(text))
            err = keep_cookies(run, text);
        else if (*text) /* "" is no file, as in curl */
            err = ed_jar_load(run->jar, text);
    }
    return err ? fail(err) : 0;
}

static int make_jar(struct fetch_run *run)
{
    struct fetch_settings *s = &run->settings;
    bool wanted = s->cookie_jar != NULL;

    for (size_t i = 0; i < s->cookies.count; i++)
        wanted |= !is_cookie(s->cookies.items[i]);
    if (!wanted)
        return send_cookies(s);
    run->jar = ed_jar_new();
    return run->jar ? fill_jar(run) : fail(ED_ENOMEM);
}

/* ---- hosts ---- */

/* curl's "HOST:PORT:ADDRESS" as the library's "HOST:PORT=ADDRESS:PORT". */
static const char *host_of(const char *text)
{
    const char *port = strchr(text, ':');
    const char *address = port ? strchr(port + 1, ':') : NULL;

    if (!address || !address[1])
        return NULL;
    bool bare = strchr(address + 1, ':') && address[1] != '[';
    return ed_arena_printf(ed_fiber_arena(), "%.*s=%s%s%s:%.*s",
                           (int)(address - text), text, bare ? "[" : "",
                           address + 1, bare ? "]" : "",
                           (int)(address - port - 1), port + 1);
}

static int make_hosts(struct fetch_settings *s)
{
    for (size_t i = 0; i < s->resolve.count; i++) {
        const char *host = host_of(s->resolve.items[i]);
        if (!host) {
            fprintf(stderr,
                    "eddy fetch: --resolve %s is not HOST:PORT:ADDRESS\n",
                    s->resolve.items[i]);
            return ED_EUSAGE;
        }
        s->resolve.items[i] = host;
    }
    return 0;
}

/* ---- the client ---- */

static int max_redirects(const struct fetch_settings *s)
{
    return s->location ? (int)s->max_redirects : -1;
}

int fetch_open_client(struct fetch_run *run)
{
    struct fetch_settings *s = &run->settings;
    int err = read_data(run);

    if (!err)
        err = make_hosts(s);
    if (!err)
        err = make_tls(s, &run->tls);
    if (!err)
        err = make_jar(run);
    if (err)
        return err;
    run->client =
        ed_client_new(.local = s->interface,
                      .hosts = s->resolve.count ? s->resolve.items : NULL,
                      .tls = run->tls, .proxy = s->proxy,
                      .no_proxy = s->no_proxy,
                      .connect_timeout = s->connect_timeout,
                      .timeout = s->timeout, .user_agent = s->user_agent,
                      .max_redirects = max_redirects(s), .jar = run->jar,
                      .no_decoding = s->raw, .no_propagation = true,
                      .retry = {.attempts =
                                    s->retries ? (unsigned)s->retries + 1 : 0});
    return run->client ? 0 : fail(ED_EUSAGE);
}

int fetch_close_client(struct fetch_run *run)
{
    /* Without a client the jar may have been read in part only. */
    bool whole = run->client && run->jar;
    int err = 0;

    ed_client_free(run->client);
    if (whole && run->settings.cookie_jar)
        err = ed_jar_save(run->jar, run->settings.cookie_jar, true);
    if (err)
        fail(err);
    ed_jar_free(run->jar);
    ed_tls_free(run->tls);
    return err;
}

/* ---- a fetch ---- */

static int add_field(ed_form *form, const char *text)
{
    const char *value = strchr(text, '=');
    const char *name =
        ed_arena_printf(ed_fiber_arena(), "%.*s", (int)(value - text), text);
    if (!name)
        return ED_ENOMEM;
    value++;
    if (*value != '@')
        return ed_form_add(form, name, value);
    /* "@FILE;type=TYPE", as curl has it. */
    const char *type = strstr(value, ";type=");
    const char *path = value + 1;
    if (type)
        path =
            ed_arena_printf(ed_fiber_arena(), "%.*s", (int)(type - path), path);
    if (!path)
        return ED_ENOMEM;
    return ed_form_file(form, name, path, .type = type ? type + 6 : NULL);
}

static int make_form(const struct fetch_settings *s, ed_form **form)
{
    int err = 0;

    if (!s->form.count)
        return 0;
    *form = ed_form_new();
    if (!*form)
        return ED_ENOMEM;
    for (size_t i = 0; i < s->form.count && !err; i++)
        err = add_field(*form, s->form.items[i]);
    return err;
}

static int set_user(const struct fetch_settings *s, struct ed_fetch_options *o)
{
    if (!s->user)
        return 0;
    o->password = strchr(s->user, ':') + 1;
    o->user = ed_arena_printf(ed_fiber_arena(), "%.*s",
                              (int)(o->password - 1 - s->user), s->user);
    o->auth = s->any_auth ? ED_AUTH_ANY
              : s->digest ? ED_AUTH_DIGEST
                          : ED_AUTH_BASIC;
    return o->user ? 0 : ED_ENOMEM;
}

static const char *method_of(const struct fetch_settings *s)
{
    if (s->method)
        return s->method;
    if (s->upload)
        return "PUT";
    return s->head ? "HEAD" : NULL;
}

int fetch_options_of(const struct fetch_run *run, struct ed_fetch_options *o)
{
    const struct fetch_settings *s = &run->settings;

    *o = (struct ed_fetch_options){
        .size = sizeof(*o),
        .client = run->client,
        .method = method_of(s),
        .headers = s->headers.items,
        .body = run->data,
        .content_type =
            s->data.count ? "application/x-www-form-urlencoded" : NULL,
        .file = s->upload,
        .range = s->range,
        .bearer = s->bearer,
        .stream = true,
    };
    int err = set_user(s, o);
    return err ? err : make_form(s, &o->form);
}
