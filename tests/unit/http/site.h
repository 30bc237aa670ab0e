/*
 * site.h - a server of our own in the loop of the test, for clients to fetch
 * from.
 *
 *     struct site s = {0};
 *     site_open(&s, handler);
 *     ... ed_get(&res, site_url(&s, "/x")) ...
 *     site_close(&s);
 */
#ifndef EDDY_TESTS_HTTP_SITE_H
#define EDDY_TESTS_HTTP_SITE_H

#include "../../fiber_test.h"
#include <eddy/client.h>
#include <eddy/server.h>
#include <stdio.h>
#include <unistd.h>

struct site {
    ed_server *server;
    char socket[64]; /* through which bytes move at once (peer.h) */
    struct ed_scope_store store;
    ed_scope *scope;
};

static inline int site_run_(void *server)
{
    return ed_server_run(server);
}

static inline void site_open(struct site *s, ed_handler *handler)
{
    char address[80];
    static int count;

    snprintf(s->socket, sizeof s->socket, "eddy-site-%d-%d", getpid(), ++count);
    snprintf(address, sizeof address, "unix:/tmp/%s", s->socket);
    s->server = ed_server_new(handler);
    check_int(ed_server_listen(s->server, address), 0);
    s->scope = ed_scope_enter_(
        &s->store, ED_OPTIONS(struct ed_scope_options, .name = "site"));
    ed_go(s->scope, site_run_, s->server);
}

static inline void site_close(struct site *s)
{
    ed_server_stop(s->server);
    check_int(ed_wait(s->scope), 0);
    ed_scope_leave_(&s->scope);
    ed_server_free(s->server);
}

/* Valid until the next call. */
static inline const char *site_url(const struct site *s, const char *path)
{
    static char url[200];

    snprintf(url, sizeof url, "http+unix://%%2Ftmp%%2F%s%s", s->socket, path);
    return url;
}

#endif
