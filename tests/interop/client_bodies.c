/*
 * client_bodies.c - a client for client_bodies.sh.
 *
 *     client_bodies whole URL         the body, decoded when it is whole
 *     client_bodies stream URL        the same, read as it comes
 *     client_bodies form URL FILE     sends a form with a file, asking first
 *     client_bodies pairs URL         sends a form without
 *     client_bodies file URL FILE     sends a file
 *     client_bodies events URL N      N events, one a line: type id data
 *
 * Prints the body of the response on stdout, the status and a failure on
 * stderr.
 */
#include <eddy/eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct command {
    const char *name;
    const char *url;
    const char *argument;
};

static int read_stream(ed_res *res)
{
    char piece[1000];
    ssize_t n;

    while ((n = ed_res_read(res, piece, sizeof piece)) > 0)
        fwrite(piece, 1, (size_t)n, stdout);
    ed_res_close(res);
    return (int)n;
}

static int show(ed_res *res)
{
    struct ed_bytes body = ed_res_body(res);

    fprintf(stderr, "%d\n", ed_res_status(res));
    fwrite(body.ptr, 1, body.len, stdout);
    return 0;
}

static int get(const struct command *c, bool stream)
{
    ed_res *res;
    int err = ed_fetch(&res, c->url, .stream = stream);

    if (err)
        return err;
    return stream ? read_stream(res) : show(res);
}

static int send_form(const struct command *c)
{
    ed_res *res;
    ed_form *form = ed_form_new();

    ed_form_add(form, "a \"name\"", "a value & =+\xc3\xa4");
    if (c->argument) {
        ed_form_file(form, "file", c->argument, .type = "text/x-test",
                     .filename = "f\"1.txt");
        ed_form_bytes(form, "bytes", ED_BYTES("--\r\n--x--\r\n"));
    }
    int err = ed_fetch(&res, c->url, .form = form,
                       .expect_continue = c->argument != NULL);
    return err ? err : show(res);
}

static int send_file(const struct command *c)
{
    ed_res *res;
    int err = ed_fetch(&res, c->url, .file = c->argument, .method = "PUT",
                       .content_type = "text/x-test", .expect_continue = true);

    return err ? err : show(res);
}

static int hear_events(const struct command *c)
{
    struct ed_sse_event event;
    ed_event_source *source;
    int err = ed_event_source_open(&source, c->url);

    for (int i = atoi(c->argument); i > 0 && !err; i--) {
        err = ed_event_source_next(source, &event);
        if (!err)
            printf("%s %s %.*s\n", event.type, event.id, (int)event.data.len,
                   event.data.ptr);
    }
    ed_event_source_close(source);
    return err;
}

static int run(void *arg)
{
    const struct command *c = arg;
    int err = ED_EUSAGE;

    ed_scope(s, .within = 30 * ED_S);
    if (!strcmp(c->name, "whole") || !strcmp(c->name, "stream"))
        err = get(c, !strcmp(c->name, "stream"));
    else if (!strcmp(c->name, "form") || !strcmp(c->name, "pairs"))
        err = send_form(c);
    else if (!strcmp(c->name, "file"))
        err = send_file(c);
    else if (!strcmp(c->name, "events"))
        err = hear_events(c);
    if (err)
        fprintf(stderr, "%s: %s\n", ed_err_name(err), ed_error());
    return err;
}

int main(int argc, char **argv)
{
    struct command command = {argv[1], argc > 2 ? argv[2] : "",
                              argc > 3 ? argv[3] : NULL};

    return argc < 3 || ed_run(run, &command) ? 1 : 0;
}
