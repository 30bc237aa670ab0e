/*
 * parser.c - what reading an HTTP/1 head costs.
 *
 * Reads the same bytes again and again on one core, for every instruction set
 * this machine has, and prints the best of several rounds: the machine's
 * other work can only add to the true figure. --json prints one object.
 */
#include "wire/http1.h"
#include "wire/http1_head.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS      15
#define ROUND_NS    20000000.0
#define MAX_FIELDS  64
#define CHUNK_BYTES 1024

struct sample {
    const char *name;
    struct ed_bytes bytes;
    void (*read)(struct ed_bytes bytes);
};

static const struct ed_http1_limits limits = {8192, MAX_FIELDS, 65536};

static void give_up(const char *what)
{
    fprintf(stderr, "parser: %s\n", what);
    exit(1);
}

static void read_head(struct ed_bytes bytes)
{
    struct ed_http1_field fields[MAX_FIELDS];
    struct ed_http1_head head;

    ed_http1_begin(&head, fields);
    if (ed_http1_request(&head, bytes.ptr, bytes.len, &limits) !=
        (ssize_t)bytes.len)
        give_up("a request of ours is malformed");
}

static void read_chunked(struct ed_bytes bytes)
{
    struct ed_http1_chunked chunked = {0};
    struct ed_bytes piece;
    int event;

    do
        event = ed_http1_chunked(&chunked, &bytes, &piece, 0);
    while (event == ED_CHUNK_DATA);
    if (event != ED_CHUNK_END)
        give_up("a chunked body of ours is malformed");
}

static struct ed_bytes chunked_body(void)
{
    static char body[8 * (CHUNK_BYTES + 8) + 8];
    struct ed_bytes b = {body, 0};

    for (int i = 0; i < 8; i++) {
        b.len += ed_http1_chunk_line(body + b.len, CHUNK_BYTES);
        memset(body + b.len, 'x', CHUNK_BYTES);
        memcpy(body + b.len + CHUNK_BYTES, "\r\n", 2);
        b.len += CHUNK_BYTES + 2;
    }
    memcpy(body + b.len, "0\r\n\r\n", 5);
    b.len += 5;
    return b;
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double time_of(const struct sample *sample, long times)
{
    double start = now_ns();

    for (long i = 0; i < times; i++)
        sample->read(sample->bytes);
    return now_ns() - start;
}

/* The best nanoseconds for reading the sample once. */
static double measure(const struct sample *sample)
{
    long times = 1000;
    double best;

    best = time_of(sample, times) / (double)times;
    times = (long)(ROUND_NS / best) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        double each = time_of(sample, times) / (double)times;

        if (each < best)
            best = each;
    }
    return best;
}

static void print(const struct sample *sample, const char *unit, double ns,
                  bool json, bool first)
{
    double gb_per_s = (double)sample->bytes.len / ns;

    if (json)
        printf("%s{\"sample\": \"%s\", \"unit\": \"%s\", \"bytes\": %zu, "
               "\"ns\": %.1f, \"per_second\": %.0f, \"gb_per_second\": %.3f}",
               first ? "" : ", ", sample->name, unit, sample->bytes.len, ns,
               1e9 / ns, gb_per_s);
    else
        printf("%-10s %-7s %6zu %10.1f %12.0f %8.2f\n", sample->name, unit,
               sample->bytes.len, ns, 1e9 / ns, gb_per_s);
}

static const char browser[] =
    "GET /articles/2024/fibers-and-loops?page=2&sort=new HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,"
    "image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cache-Control: max-age=0\r\n"
    "Referer: https://www.example.com/articles/2024\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Cookie: session=9f86d081884c7d659a2feaa0c55ad015; theme=dark; "
    "visited=1718000000\r\n"
    "\r\n";

int main(int argc, char **argv)
{
    static const char *const units[] = {"avx2", "sse4.2", "neon", "plain"};
    const struct sample samples[] = {
        {"minimal", ED_BYTES("GET /pong HTTP/1.1\r\nHost: x\r\n\r\n"),
         read_head},
        {"wrk", ED_BYTES("GET /pong HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"),
         read_head},
        {"browser", ed_bytes(browser), read_head},
        {"chunked", chunked_body(), read_chunked},
    };
    bool json = argc == 2 && !strcmp(argv[1], "--json");
    bool first = true;

    if (argc > 1 && !json) {
        fprintf(stderr, "usage: parser [--json]\n");
        return 2;
    }
    if (json)
        printf("{\"benchmark\": \"parser\", \"results\": [");
    else
        printf("%-10s %-7s %6s %10s %12s %8s\n", "sample", "unit", "bytes",
               "ns", "per second", "GB/s");
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        if (!ed_http1_use(units[u]))
            continue;
        for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
            print(&samples[i], units[u], measure(&samples[i]), json, first);
            first = false;
        }
    }
    if (json)
        printf("]}\n");
    return 0;
}
