/*
 * observer.c - who is told of a server's requests, and lists of these and of
 * its connections.
 */
#include "http/observer.h"

void ed_server_observe(ed_server *server, struct ed_server_observer *observer)
{
    server->observer = observer;
}

void ed_observer_began(ed_req *req)
{
    struct ed_server_observer *o = req->server->observer;

    if (o->began)
        o->began(o, req);
}

void ed_observer_over(ed_req *req, int err)
{
    struct ed_server_observer *o = req->server->observer;

    if (o->over)
        o->over(o, req, req->reply.began ? req->reply.status : 0, err);
}

void ed_server_refused(ed_server *server, int status, ed_stream *stream)
{
    struct ed_server_observer *o = server->observer;
    char peer[ED_ADDR_TEXT];

    server->counts.refused++;
    if (!o || !o->refused)
        return;
    ed_stream_peer(stream, peer);
    o->refused(o, status, peer);
}

/* ---- requests ---- */

void ed_server_each_request(const ed_server *server, ed_each_request_fn *fn,
                            void *arg)
{
    if (!server->scope)
        return;
    ed_list_each (node, &server->scope->children) {
        const ed_fiber *fiber = ED_CONTAINER(node, ed_fiber, sibling);
        /* Without a request it is another protocol's. */
        if (fiber->work && !fn(fiber->work, fiber, arg))
            return;
    }
}

/* ---- connections ---- */

static const char *state_name(const struct ed_conn *conn)
{
    static const char *const names[ED_CONN_STATES] = {
        [ED_CONN_TLS] = "handshake", [ED_CONN_BUSY] = "handler",
        [ED_CONN_IDLE] = "idle",     [ED_CONN_HEAD] = "head",
        [ED_CONN_BODY] = "body",     [ED_CONN_WRITE] = "write",
        [ED_CONN_LINGER] = "linger",
    };
    bool http = conn->state < ED_CONN_STATES && names[conn->state];

    return http ? names[conn->state] : conn->kind->name;
}

static bool tell_conn(const struct ed_conn *conn, ed_each_conn_fn *fn,
                      void *arg)
{
    struct ed_conn_seen seen = {
        .state = state_name(conn),
        .since = ed_conn_since(conn),
        .requests = conn->kind->requests ? conn->kind->requests(conn) : 1,
    };
    ed_stream *stream = conn->kind->stream(conn);

    if (stream) {
        ed_stream_peer(stream, seen.peer);
        ed_stream_local(stream, seen.local);
    }
    return fn(&seen, arg);
}

void ed_server_each_conn(const ed_server *server, ed_each_conn_fn *fn,
                         void *arg)
{
    for (int line = 0; line < server->lines; line++) {
        ed_list_each (node, &server->waiting[line]) {
            if (!tell_conn(ED_CONTAINER(node, struct ed_conn, node), fn, arg))
                return;
        }
    }
}
