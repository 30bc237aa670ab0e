/*
 * clients.h - what the clients of the `client` benchmark share: options, the
 * time to measure, what was counted in it.
 */
#ifndef EDDY_BENCH_CLIENTS_H
#define EDDY_BENCH_CLIENTS_H

#include "bench.h"
#include <getopt.h>

struct client_run {
    const char *url;
    int concurrency;
    int64_t warm_up_ns;
    int64_t measure_ns;

    int64_t began;   /* of the warm-up */
    int64_t counted; /* of what counts; 0: not yet */
    int64_t ended;
    uint64_t answers;
    uint64_t cpu_ns;
};

static inline uint64_t process_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline int64_t seconds_ns(const char *text)
{
    return (int64_t)(strtod(text, NULL) * 1e9);
}

static inline void run_options(struct client_run *run, int argc, char **argv)
{
    int flag;

    *run = (struct client_run){
        .concurrency = 64, .warm_up_ns = 500000000, .measure_ns = 3000000000};
    while ((flag = getopt(argc, argv, "c:t:w:")) != -1) {
        if (flag == 'c')
            run->concurrency = (int)number(optarg, 1, 10000);
        else if (flag == 't')
            run->measure_ns = seconds_ns(optarg);
        else if (flag == 'w')
            run->warm_up_ns = seconds_ns(optarg);
        else
            exit(2);
    }
    errno = 0;
    if (optind != argc - 1)
        die("usage: %s [-c CONCURRENCY] [-t SECONDS] [-w SECONDS] URL",
            program_invocation_short_name);
    run->url = argv[optind];
    run->began = now_ns();
}

/* Counts an answer; the clock is read for one in sixteen. */
static inline void run_answered(struct client_run *run)
{
    if (run->ended)
        return;
    run->answers++;
    if (run->answers % 16)
        return;
    int64_t now = now_ns();
    if (!run->counted && now - run->began >= run->warm_up_ns) {
        run->counted = now;
        run->answers = 0;
        run->cpu_ns = process_ns();
    } else if (run->counted && now - run->counted >= run->measure_ns) {
        run->ended = now;
        run->cpu_ns = process_ns() - run->cpu_ns;
    }
}

static inline bool run_ended(const struct client_run *run)
{
    return run->ended != 0;
}

static inline void run_report(const struct client_run *run)
{
    printf("{\"answers\": %llu, \"seconds\": %.6f, \"run_ns\": %llu}\n",
           (unsigned long long)run->answers,
           (double)(run->ended - run->counted) / 1e9,
           (unsigned long long)run->cpu_ns);
}

#endif
