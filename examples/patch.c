/*
 * patch.c - a client that blocks, for many servers at once.
 *
 *     LD_PRELOAD=libeddy-patch.so patch HOST:PORT...
 *
 * Prints the first line of what each web server answers. ask() is what any
 * book on sockets shows, and could be a library's; it knows nothing of fibers.
 */
#include <eddy/eddy.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct arguments {
    int count;
    char **servers;
};

/* [ask] */
/* A connection to the first address that takes one; -1 with errno set. */
static int dial(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* The first line of the answer, or "". */
static void ask(const char *host, const char *port, char line[80])
{
    static const char question[] = "HEAD / HTTP/1.0\r\n\r\n";
    int fd = dial(host, port);
    ssize_t n = -1;

    if (fd >= 0 && send(fd, question, strlen(question), MSG_NOSIGNAL) > 0)
        n = read(fd, line, 79);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (fd >= 0)
        close(fd);
}
/* [/ask] */

/* [fibers] */
static int show(void *arg)
{
    char *host = arg, *port = strchr(host, ':'), line[80];

    *port++ = '\0';
    ask(host, port, line);
    printf("%s:%s: %s\n", host, port, *line ? line : strerror(errno));
    return 0;
}

static int show_all(void *arg)
{
    const struct arguments *arguments = arg;

    ed_scope(s, .within = 5 * ED_S); /* connect() and read() heed it, too */
    for (int i = 0; i < arguments->count; i++)
        ed_go(s, show, arguments->servers[i]);
    return ed_wait(s);
}
/* [/fibers] */

int main(int argc, char **argv)
{
    struct arguments arguments = {argc - 1, argv + 1};

    for (int i = 1; i < argc; i++) {
        if (!strchr(argv[i], ':'))
            argc = 1;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: patch HOST:PORT...\n");
        return 2;
    }
    /* [needed] */
    if (ed_patch_set_mode(ED_PATCH_ON) < 0) {
        fprintf(stderr, "patch: run me with LD_PRELOAD=libeddy-patch.so\n");
        return 1;
    }
    /* [/needed] */
    return ed_run(show_all, &arguments) != 0;
}
