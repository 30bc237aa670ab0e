/*
 * bench.h - what the load generator and the raw baselines share.
 *
 * Loopback sockets, a monotonic clock, and just enough HTTP/1.1 to find where
 * a message ends. Both ends of every conversation belong to the benchmark, so
 * whatever is unexpected ends the program with a message: a figure from a
 * conversation that went wrong is worth nothing.
 */
#ifndef EDDY_BENCH_H
#define EDDY_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Room for a head; every server measured stays far below. */
#define HEAD_MAX 8192

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(
    const char *format, ...)
{
    va_list args;
    int err = errno;

    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    va_end(args);
    if (err)
        fprintf(stderr, ": %s", strerror(err));
    fputc('\n', stderr);
    exit(1);
}

/* Checks what a system call returned; the count goes through. */
static inline int must(int result, const char *what)
{
    if (result < 0)
        die("%s", what);
    return result;
}

static inline int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* As many descriptors as the machine lets us have. */
static inline void raise_descriptor_limit(void)
{
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/* A whole number within limits, or the end of the program. */
static inline long number(const char *text, long min, long max)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < min || value > max) {
        errno = 0;
        die("'%s' is not a number from %ld to %ld", text, min, max);
    }
    return value;
}

/* Reads "127.0.0.1:8080". */
static inline struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strchr(text, ':');
    char host[INET_ADDRSTRLEN] = "";

    errno = 0;
    if (colon && (size_t)(colon - text) < sizeof host)
        memcpy(host, text, (size_t)(colon - text));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("'%s' is not an address like 127.0.0.1:8080", text);
    address.sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
    return address;
}

static inline void set_nodelay(int fd)
{
    must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)),
         "TCP_NODELAY");
}

/* A non-blocking listener with a backlog that takes a burst of 10,000. */
static inline int listen_on(const char *text)
{
    struct sockaddr_in address = parse_address(text);
    int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");

    must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)),
         "SO_REUSEADDR");
    must(bind(fd, (struct sockaddr *)&address, sizeof address), text);
    must(listen(fd, 16384), "listen");
    return fd;
}

/* The value of `--listen ADDRESS` or `--backend URL` and the like, or NULL. */
static inline const char *option(char **argv, const char *name)
{
    for (; *argv; argv++)
        if (!strcmp(*argv, name))
            return argv[1];
    return NULL;
}

/* Length of the head at the start of `p`, its empty line included; 0 while
 * that line has not come. */
static inline size_t head_length(const char *p, size_t n)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4);

    return end ? (size_t)(end - p) + 4 : 0;
}

/* The value of a field in a complete head, or NULL. `name` carries its colon.
 */
static inline const char *head_field(const char *p, size_t n, const char *name)
{
    const char *end = p + n;
    size_t name_len = strlen(name);

    while ((p = memchr(p, '\n', (size_t)(end - p)))) {
        p++;
        if ((size_t)(end - p) > name_len && !strncasecmp(p, name, name_len)) {
            p += name_len;
            return p + strspn(p, " \t");
        }
    }
    return NULL;
}

/* Content-Length of a complete head, or -1. */
static inline int64_t content_length(const char *p, size_t n)
{
    const char *value = head_field(p, n, "Content-Length:");

    return value ? strtoll(value, NULL, 10) : -1;
}

/* The number after `name` ("n=") in a request's query, or `otherwise`. */
static inline long query_number(const char *p, size_t n, const char *name,
                                long otherwise)
{
    const char *line_end = memchr(p, '\r', n);
    const char *query = memchr(p, '?', n);
    const char *at;

    if (!query || !line_end || query > line_end)
        return otherwise;
    at = memmem(query, (size_t)(line_end - query), name, strlen(name));
    return at ? strtol(at + strlen(name), NULL, 10) : otherwise;
}

/* Sends all of a small message. Nothing here ever has more unread bytes under
 * way than a socket buffer holds, so a short write is a fault, not a wait. */
static inline void send_whole(int fd, const char *p, size_t n)
{
    ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
        return; /* the reader learns it from its next read */
    if (sent != (ssize_t)n)
        die("send of %zu bytes took %zd", n, sent);
}

#endif
