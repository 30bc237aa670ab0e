/*
 * fault_proxy.h - what networks do, on command: a proxy between a client and a
 * server, which cuts, stalls and delays at a given byte.
 *
 *     struct fault_proxy *p = fault_proxy_start("unix:/tmp/x/front.sock",
 *                                               "unix:/tmp/x/server.sock");
 *     fault_proxy_set(p, .action = FAULT_CUT, .side = FAULT_ANSWER,
 *                     .after = 17);
 *     ...the client gets 17 bytes more, and then the end...
 *     fault_proxy_stop(p);
 *
 * It works in a thread of its own, so that a loop under test does not have to
 * be well for it. What is called here does not suspend, and blocks for
 * microseconds; from any one thread. What fails ends the program: it is no part
 * of any test.
 *
 * Addresses are "unix:PATH" and "127.0.0.1:PORT"; port 0 is a free one.
 */
#ifndef EDDY_TESTS_FAULT_PROXY_H
#define EDDY_TESTS_FAULT_PROXY_H

#include <eddy/api.h>
#include <stdbool.h>
#include <stdint.h>

struct fault_proxy;

enum fault_action {
    FAULT_NONE,
    FAULT_CUT,   /* the end, in order, to both sides */
    FAULT_RESET, /* as if a machine had restarted; on unix sockets as FAULT_CUT
                    if all was read */
    FAULT_STALL, /* neither read nor forwarded until fault_proxy_release() */
    FAULT_DELAY, /* the same for `delay_ms` */
};

enum fault_side {
    FAULT_REQUEST, /* bytes from client to server */
    FAULT_ANSWER,  /* the others */
};

struct fault {
    size_t size;
    enum fault_action action;
    enum fault_side side;
    /* Happens when so many bytes of that side were forwarded, counted from now
     * and over all connections, to the connection that carries the last of
     * them; with 0, to the one that is first to carry any. */
    uint64_t after;
    int delay_ms;
    bool lasting; /* happens again after as many bytes more, and so on */
};

struct fault_proxy *fault_proxy_start(const char *listen, const char *target);
void fault_proxy_stop(struct fault_proxy *p);
int fault_proxy_port(const struct fault_proxy *p);

/* Sets what will happen, instead of what was set before, and counts anew. */
#define fault_proxy_set(p, ...) \
    fault_proxy_set_with((p), ED_OPTIONS(struct fault, __VA_ARGS__))
void fault_proxy_set_with(struct fault_proxy *p, const struct fault *fault);

/* Has it happen now, to all connections there are. */
void fault_proxy_now(struct fault_proxy *p, enum fault_action action,
                     enum fault_side side);

/* Ends all stalls and delays. What is set stays set. */
void fault_proxy_release(struct fault_proxy *p);

/* New connections are refused, or let in again. */
void fault_proxy_refuse(struct fault_proxy *p, bool refuse);

/* Bytes forwarded since fault_proxy_set() or the start; how often the fault
 * happened since then; connections there are. */
uint64_t fault_proxy_count(struct fault_proxy *p, enum fault_side side);
unsigned fault_proxy_happened(struct fault_proxy *p);
unsigned fault_proxy_connections(struct fault_proxy *p);

#endif
