/*
 * scenario_server.h - what scenarios with a server of ours share: a server and
 * a client that go when their block is left, and the usual run of one.
 */
#ifndef EDDY_TESTS_SCENARIO_SERVER_H
#define EDDY_TESTS_SCENARIO_SERVER_H

#include <eddy/client.h>
#include <eddy/fiber.h>
#include <eddy/server.h>

static inline void scenario_free_server_(ed_server **server)
{
    if (*server)
        ed_server_free(*server);
}
#define SERVER_AUTO __attribute__((cleanup(scenario_free_server_)))

static inline void scenario_free_client_(ed_client **client)
{
    if (*client)
        ed_client_free(*client);
}
#define CLIENT_AUTO __attribute__((cleanup(scenario_free_client_)))

/* For ed_go(): serves until it is stopped. */
static inline int serve(void *server)
{
    return ed_server_run(server);
}

/* What a client does with a server at that address. */
typedef int scenario_session(ed_client *client, const char *address);

/* Both are freed at the end, and may be NULL for want of memory. Suspends. */
static inline int with_server(ed_server *made_server, ed_client *made_client,
                              scenario_session *use)
{
    char address[ED_ADDR_TEXT];
    ed_client *client CLIENT_AUTO = made_client;
    ed_server *server SERVER_AUTO = made_server;
    if (!server || !client)
        return ED_ENOMEM;
    int err = ed_server_listen(server, "127.0.0.1:0");
    if (err)
        return err;
    ed_server_address(server, 0, address);
    ed_scope(s);
    ed_go(s, serve, server);
    err = use(client, address);
    ed_server_stop(server);
    int served = ed_wait(s);
    return err ? err : served;
}

#endif
