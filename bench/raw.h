/*
 * raw.h - the loop of the raw baselines that are servers: accept, and call when
 * there is something to read. Level-triggered epoll, each descriptor registered
 * once.
 */
#ifndef EDDY_BENCH_RAW_H
#define EDDY_BENCH_RAW_H

#include "bench.h"
#include <sys/epoll.h>

struct raw_server {
    void (*opened)(int fd);
    void (*readable)(int fd);
};

/* A zeroed table with `size` bytes for each descriptor there can be. */
static inline void *raw_table(size_t size)
{
    struct rlimit limit;
    void *table;

    raise_descriptor_limit();
    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    table = calloc(limit.rlim_cur, size);
    if (!table)
        die("calloc");
    return table;
}

static inline void raw_accept(int epoll, int listener,
                              const struct raw_server *server)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        set_nodelay(fd);
        server->opened(fd);
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
}

__attribute__((noreturn)) static inline void raw_serve(
    const char *address, const struct raw_server *server)
{
    int listener = listen_on(address);
    int epoll = must(epoll_create1(0), "epoll_create1");

    must(epoll_ctl(
             epoll, EPOLL_CTL_ADD, listener,
             &(struct epoll_event){.events = EPOLLIN, .data.fd = listener}),
         "epoll_ctl");
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);

        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                raw_accept(epoll, listener, server);
            else
                server->readable(events[i].data.fd);
    }
}

#endif
