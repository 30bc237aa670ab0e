/*
 * ws_client_target.c - an echo client for ws_cases.
 *
 *     ws_client_target [--takeover] [--off] [--bits N] [--peer-bits N]
 *                      [--pieces] URL
 *
 * Connects, sends back what comes until the connection ends, and begins again;
 * ends with 0 when nobody listens any more. With --pieces messages are read and
 * sent in pieces. A handshake that fails is a connection like any other: the
 * server knows what it has done.
 */
#include <eddy/eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The largest message that the cases have, and more. */
#define MAX_MESSAGE ((size_t)64 * 1024 * 1024)

/* Less than how long ws_cases waits for a connection to end. */
#define CLOSE_TIMEOUT (2 * ED_S)

struct options {
    const char *url;
    struct ed_ws_deflate deflate;
    bool in_pieces;
};

static int send_back(ed_ws *ws)
{
    struct ed_bytes msg;

    int err = ed_ws_recv(ws, &msg);
    if (err)
        return err;
    return ed_ws_is_text(ws) ? ed_ws_send(ws, msg) : ed_ws_send_binary(ws, msg);
}

static int send_back_in_pieces(ed_ws *ws)
{
    char piece[4096];
    ssize_t n = 0;

    int err = ed_ws_recv_begin(ws);
    if (!err)
        err = ed_ws_send_begin(ws, ed_ws_is_text(ws));
    if (err)
        return err;
    while (!err && (n = ed_ws_read(ws, piece, sizeof(piece))) > 0)
        err = ed_ws_write(ws, ed_bytes_of(piece, (size_t)n));
    if (!err && n < 0)
        err = (int)n;
    return err ? err : ed_ws_send_end(ws);
}

static int one_connection(const struct options *o)
{
    ed_ws *ws ED_WS_AUTO = NULL;

    int err = ed_ws_connect(&ws, o->url, .deflate = o->deflate,
                            .max_message = MAX_MESSAGE,
                            .close_timeout = CLOSE_TIMEOUT);
    while (!err)
        err = o->in_pieces ? send_back_in_pieces(ws) : send_back(ws);
    return err;
}

static int echo(void *arg)
{
    int err;

    do {
        err = one_connection(arg);
        if (err == ED_ENOMEM || err == ED_EUSAGE || err == ED_ECANCELED)
            return err;
    } while (err != ED_ECONNECT);
    return 0;
}

static bool read_options(struct options *o, char **arg)
{
    for (; *arg; arg++) {
        if (!strcmp(*arg, "--takeover"))
            o->deflate.takeover = true;
        else if (!strcmp(*arg, "--off"))
            o->deflate.off = true;
        else if (!strcmp(*arg, "--pieces"))
            o->in_pieces = true;
        else if (!strcmp(*arg, "--bits") && arg[1])
            o->deflate.window_bits = (int)strtol(*++arg, NULL, 10);
        else if (!strcmp(*arg, "--peer-bits") && arg[1])
            o->deflate.peer_window_bits = (int)strtol(*++arg, NULL, 10);
        else if (!o->url && **arg != '-')
            o->url = *arg;
        else
            return false;
    }
    return o->url;
}

int main(int argc, char **argv)
{
    struct options o = {0};

    if (argc < 2 || !read_options(&o, argv + 1)) {
        fputs("usage: ws_client_target [OPTION]... URL\n", stderr);
        return 2;
    }
    int err = ed_run(echo, &o);
    if (err)
        fprintf(stderr, "ws_client_target: %s\n", ed_err_text(err));
    return err ? 1 : 0;
}
