/*
 * tcp_echo.c - sends back what it is sent.
 *
 *     tcp_echo --listen 127.0.0.1:7000
 */
#include <eddy/eddy.h>
#include <stdio.h>

/* One connection; each has a fiber of its own. */
static int echo(ed_stream *s, void *arg)
{
    char buf[4096];
    ssize_t n;

    (void)arg;
    while ((n = ed_stream_read(s, buf, sizeof(buf))) > 0) {
        int err = ed_stream_write(s, buf, (size_t)n);
        if (err)
            return err;
    }
    return (int)n;
}

static int serve(void *address)
{
    char local[ED_ADDR_TEXT];
    ed_listener *l;

    int err = ed_listen(&l, address);
    if (err) {
        fprintf(stderr, "tcp_echo: %s\n", ed_error());
        return err;
    }
    ed_listener_local(l, local);
    printf("listening on %s\n", local);
    fflush(stdout);
    err = ed_accept_each(l, echo, NULL, 10000);
    ed_listener_close(l);
    return err;
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "--listen") != 0) {
        fprintf(stderr, "usage: tcp_echo --listen ADDRESS\n");
        return 2;
    }
    return ed_run(serve, argv[2]) < 0;
}
