/*
 * gate.h - how a server leaves connections to other processes that listen by
 * the same sockets.
 */
#ifndef EDDY_HTTP_GATE_H
#define EDDY_HTTP_GATE_H

#include <eddy/server.h>

/* What decides about it; embedded in its owner. */
struct ed_server_gate {
    /* Called in the loop when a connection has come, or gone; so many are open
     * now. May call ed_server_hold(). */
    void (*changed)(struct ed_server_gate *gate, ed_server *server,
                    unsigned open, bool came);
};

/* One at a time; NULL takes it away. Borrowed until then, or until the server
 * is freed. */
void ed_server_set_gate(ed_server *server, struct ed_server_gate *gate);

/* Accepts nothing before that loop time; connections wait in the kernel's
 * queue, where others may take them. What else keeps the server from accepting,
 * such as max_connections, goes on doing so after it. A later call moves the
 * time. */
void ed_server_hold(ed_server *server, int64_t until);

#endif
