/*
 * hosted.h - an app on a server of the test's loop, and a client for it.
 *
 *     struct hosted h = {0};
 *     hosted_open(&h);               // an empty app
 *     ed_route(h.app, "GET /", page);
 *     ed_res *res = hosted_get(&h, "/", "Accept-Encoding: gzip");
 *     check_int(ed_res_status(res), 200);
 *     hosted_close(&h);
 *
 * It listens on a Unix socket, through which the kernel moves bytes at once: a
 * virtual clock does not wait for TCP. The client undoes no codings.
 */
#ifndef EDDY_TESTS_APP_HOSTED_H
#define EDDY_TESTS_APP_HOSTED_H

#include "../../fiber_test.h"
#include <eddy/client.h>
#include <eddy/middleware.h>
#include <eddy/server.h>
#include <unistd.h>

struct hosted {
    ed_app *app;
    ed_server *server;
    ed_client *client;
    char address[64];
    struct ed_scope_store store;
    ed_scope *scope;
};

static inline int hosted_run_(void *server)
{
    return ed_server_run(server);
}

static inline void hosted_open(struct hosted *h)
{
    static int count;

    h->app = ed_app_new();
    h->client = ed_client_new(.no_decoding = true, .no_propagation = true);
    h->server = ed_server_new(ed_app_handle, .user = h->app);
    snprintf(h->address, sizeof h->address, "unix:/tmp/eddy-hosted-%d-%d",
             getpid(), ++count);
    check_int(ed_server_listen(h->server, h->address), 0);
    h->scope = ed_scope_enter_(
        &h->store, ED_OPTIONS(struct ed_scope_options, .name = "hosted"));
    ed_go(h->scope, hosted_run_, h->server);
}

static inline void hosted_close(struct hosted *h)
{
    ed_client_free(h->client);
    ed_server_stop(h->server);
    check_int(ed_wait(h->scope), 0);
    ed_scope_leave_(&h->scope);
    ed_server_free(h->server);
    ed_app_free(h->app);
}

/* Valid until the next call. */
static inline const char *hosted_url(const struct hosted *h, const char *path)
{
    static char url[300];

    snprintf(url, sizeof url, "http+unix://%%2Ftmp%%2F%s%s",
             h->address + sizeof "unix:/tmp/" - 1, path);
    return url;
}

/* Sends a request with fields, which end with NULL. */
#define hosted_fetch(h, method, path, ...) \
    hosted_fetch_((h), (method), (path),   \
                  (const char *const[]){__VA_ARGS__, NULL})
#define hosted_get(h, path, ...) hosted_fetch((h), "GET", (path), __VA_ARGS__)

static inline ed_res *hosted_fetch_(struct hosted *h, const char *method,
                                    const char *path,
                                    const char *const *headers)
{
    ed_res *res = NULL;
    int err =
        ed_fetch(&res, hosted_url(h, path), .client = h->client,
                 .method = method, .headers = headers, .max_redirects = -1);

    check_(!err, "%s %s: %s: %s", method, path, ed_err_name(err), ed_error());
    return res;
}

/* A field of the response, or "-". */
static inline const char *hosted_field(const ed_res *res, const char *name)
{
    const char *value = res ? ed_res_header(res, name) : NULL;

    return value ? value : "-";
}

/* Sends bytes as they are, and gives all that comes until the end, or until
 * nothing comes for a moment. Valid until the next call. */
static inline struct ed_bytes hosted_raw(const struct hosted *h,
                                         const char *bytes)
{
    static char text[512 * 1024];
    size_t len = 0;
    ssize_t n = 1;
    ed_stream *client = NULL;

    check_int(ed_connect(&client, h->address), 0);
    check_int(ed_stream_write(client, bytes, strlen(bytes)), 0);
    while (n > 0 && len < sizeof text - 1) {
        ed_scope(soon, .within = ED_MS);
        (void)soon;
        n = ed_stream_read(client, text + len, sizeof text - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    text[len] = '\0';
    ed_stream_close(client);
    return ed_bytes_of(text, len);
}

static inline bool hosted_has(struct ed_bytes bytes, const char *text)
{
    return ed_bytes_find(bytes, ed_bytes(text)) >= 0;
}

#endif
