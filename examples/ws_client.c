/*
 * ws_client.c - a WebSocket client that sends every message back.
 *
 *     ws_client ws://127.0.0.1:9002/room      until the server closes
 *     ws_client --cases ws://127.0.0.1:9001   all cases of a test server that
 *                                             speaks as Autobahn's does
 */
#include <eddy/eddy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE ((size_t)64 * 1024 * 1024)

/* [client] */
/* Sends back what comes, until the server closes. */
static int mirror(const char *url)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    struct ed_bytes msg;

    int err = ed_ws_connect(&ws, url, .max_message = MAX_MESSAGE,
                            .deflate.takeover = true);
    while (!err && !(err = ed_ws_recv(ws, &msg)))
        err = ed_ws_is_text(ws) ? ed_ws_send(ws, msg)
                                : ed_ws_send_binary(ws, msg);
    return err == ED_ECLOSED ? 0 : err;
}
/* [/client] */

/* What a server says first. */
static int ask(const char *url, char *out, size_t size)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    struct ed_bytes msg;

    int err = ed_ws_connect(&ws, url);
    if (!err)
        err = ed_ws_recv(ws, &msg);
    if (!err)
        snprintf(out, size, "%s", msg.ptr);
    return err;
}

static int run_cases(const char *server)
{
    char url[512], text[32];

    snprintf(url, sizeof(url), "%s/getCaseCount", server);
    int err = ask(url, text, sizeof(text));
    long count = err ? 0 : strtol(text, NULL, 10);
    for (long i = 1; i <= count; i++) {
        snprintf(url, sizeof(url), "%s/runCase?case=%ld&agent=eddy", server, i);
        /* That it fails is what some cases want. */
        int end = mirror(url);
        printf("%ld/%ld: %s\n", i, count, end ? ed_error() : "closed");
    }
    snprintf(url, sizeof(url), "%s/updateReports?agent=eddy", server);
    return err ? err : mirror(url);
}

static int run(void *arg)
{
    char **args = arg;
    int err = strcmp(args[1], "--cases") ? mirror(args[1]) : run_cases(args[2]);

    if (err)
        fprintf(stderr, "%s: %s\n", ed_err_text(err), ed_error());
    return err;
}

int main(int argc, char **argv)
{
    bool cases = argc > 1 && !strcmp(argv[1], "--cases");

    if (argc != 2 + cases || argv[1 + cases][0] == '-') {
        fprintf(stderr, "usage: %s [--cases] URL\n", argv[0]);
        return 2;
    }
    return ed_run(run, argv) ? 1 : 0;
}
