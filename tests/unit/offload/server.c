/*
 * server.c - a server to fetch from, in a process of its own: children of a
 * test must not share one with it.
 */
#include "offloaded.h"

#include <eddy/server.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>

static char port[16];

static int chunks(ed_req *req)
{
    int64_t n = 0;
    int err = ed_query_int(req, "n", 0, 1000000, 0, &n);

    for (int64_t i = 0; i < n && !err; i++) {
        err = ed_write(req, "0123456789");
        if (!err && i % 1000 == 999)
            err = ed_flush(req);
    }
    return err;
}

static int answer_late(ed_req *req)
{
    int64_t ms = 0;
    int err = ed_query_int(req, "ms", 0, 3600000, 0, &ms);

    if (!err)
        err = ed_sleep(ms * ED_MS);
    return err ? err : ed_reply(req, 200, "slept");
}

static int answer_hello(ed_req *req)
{
    const char *said = ed_header(req, "X-Say");
    struct ed_bytes body;
    int err = ed_body(req, &body);

    if (err)
        return err;
    return ed_reply(req, 200, "hello%s%.*s", said ? said : "", (int)body.len,
                    body.ptr);
}

static int answer(ed_req *req)
{
    const char *path = ed_req_path(req);
    int64_t status = 200;

    if (!strcmp(path, "/hello"))
        return answer_hello(req);
    if (!strcmp(path, "/sleep"))
        return answer_late(req);
    if (!strcmp(path, "/chunks"))
        return chunks(req);
    int err = ed_query_int(req, "is", 200, 599, 200, &status);
    return err ? err : ed_reply(req, (int)status, "status");
}

static int serve(void *arg)
{
    int *tell = arg;
    char address[ED_ADDR_TEXT] = "";
    ed_server *server = ed_server_new(answer);
    int err = ed_server_listen(server, "127.0.0.1:0");

    if (!err && ed_server_address(server, 0, address) &&
        write(*tell, strrchr(address, ':') + 1, sizeof port - 1) > 0)
        err = ed_server_run(server);
    ed_server_free(server);
    return err;
}

void backend_start(void)
{
    int ends[2];

    if (pipe(ends))
        abort();
    if (!fork()) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        _exit(ed_run(serve, &ends[1]) != 0);
    }
    close(ends[1]);
    if (read(ends[0], port, sizeof port - 1) <= 0)
        abort();
    close(ends[0]);
}

const char *backend_url(const char *path)
{
    static _Thread_local char url[256];

    snprintf(url, sizeof url, "http://127.0.0.1:%s%s", port, path);
    return url;
}

int backend_connections(void)
{
    struct sockaddr_in peer;
    int count = 0;

    for (int fd = 0; fd < 1024; fd++) {
        socklen_t len = sizeof peer;
        if (!getpeername(fd, (struct sockaddr *)&peer, &len) &&
            peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == strtol(port, NULL, 10))
            count++;
    }
    return count;
}
