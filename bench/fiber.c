/*
 * fiber.c - what switching, starting, waiting and timing cost.
 *
 *     fiber [--json]
 *
 * Everything runs in one thread; each figure is the least of several rounds,
 * since whatever else the machine does can only add to it.
 */
#include <eddy/eddy.h>
#include "core/runtime.h"
#include "core/switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS = 7,
    SWITCHES = 5 * 1000 * 1000,
    YIELDS = 1000 * 1000,
    STARTS = 500 * 1000,
    MANY = 10 * 1000,
    MILLION = 1000 * 1000,
};

struct row {
    const char *name;
    double value;
    const char *unit;
    double bar; /* at most; 0: none is set */
};

static struct row rows[32];
static int row_count;

static void report(const char *name, double value, const char *unit, double bar)
{
    rows[row_count++] = (struct row){name, value, unit, bar};
}

static double least(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

/* ---- the bare switch ---- */

static void *here, *there;

__attribute__((noreturn)) static struct ed_switch_home bounce(void *arg)
{
    (void)arg;
    for (;;)
        ed_switch(&there, here);
}

static void bare_switch(void)
{
    static _Alignas(64) char stack[64 * 1024];
    double best = 0;
    there = ed_switch_prepare(stack + sizeof stack, bounce, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = ed_clock_monotonic();
        for (int i = 0; i < SWITCHES; i++)
            ed_switch(&here, there);
        double ns = (double)(ed_clock_monotonic() - began);
        best = least(best, ns / (2.0 * SWITCHES));
    }
    report("switch", best, "ns", 5);
}

/* ---- fibers ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int yielder(void *arg)
{
    const int *times = arg;
    for (int i = 0; i < *times; i++) {
        int err = ed_yield();
        if (err)
            return err;
    }
    return 0;
}

static int yields(int fibers, double *ns)
{
    int times = YIELDS / fibers;
    *ns = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = ed_clock_monotonic();
        ed_scope(s);
        for (int i = 0; i < fibers; i++)
            ed_go(s, yielder, &times);
        int err = ed_wait(s);
        if (err)
            return err;
        double all = (double)(ed_clock_monotonic() - began);
        *ns = least(*ns, all / ((double)times * fibers));
    }
    return 0;
}

static int starts(void)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = ed_clock_monotonic();
        for (int i = 0; i < STARTS; i++) {
            ed_scope(s);
            ed_go(s, nothing, NULL);
            int err = ed_wait(s);
            if (err)
                return err;
        }
        best = least(best, (double)(ed_clock_monotonic() - began) / STARTS);
    }
    report("start a fiber and join it", best, "ns", 150);
    return 0;
}

struct ping_pong {
    ed_chan *there, *back;
};

static int answer(void *arg)
{
    struct ping_pong *p = arg;
    int n;
    int err = ed_chan_recv(p->there, &n);
    while (!err) {
        err = ed_chan_send(p->back, &n);
        err = err ? err : ed_chan_recv(p->there, &n);
    }
    return err == ED_ECLOSED ? 0 : err;
}

static int channels(void)
{
    double best = 0;
    enum { TIMES = 200 * 1000 };
    struct ping_pong p = {ed_chan_new(sizeof(int), 1),
                          ed_chan_new(sizeof(int), 1)};
    ed_scope(s);
    ed_go(s, answer, &p);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = ed_clock_monotonic();
        for (int i = 0; i < TIMES; i++) {
            int n = i;
            int err = ed_chan_send(p.there, &n);
            err = err ? err : ed_chan_recv(p.back, &n);
            if (err)
                return err;
        }
        best = least(best, (double)(ed_clock_monotonic() - began) / TIMES);
    }
    ed_chan_close(p.there);
    int err = ed_wait(s);
    ed_chan_free(p.there);
    ed_chan_free(p.back);
    report("there and back through two channels", best, "ns", 0);
    return err;
}

/* ---- a million ---- */

static double resident_bytes(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    char *sizes = fgets(line, sizeof line, f);
    fclose(f);
    /* The whole, then what is resident. */
    char *resident = sizes ? strchr(sizes, ' ') : NULL;
    long pages = resident ? strtol(resident, NULL, 10) : 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static int sleeper(void *arg)
{
    (void)arg;
    return ed_sleep(3600 * ED_S);
}

static int a_million_fibers(void)
{
    double before = resident_bytes();
    ed_scope(s);
    for (int i = 0; i < MILLION; i++) {
        int err = ed_go(s, sleeper, NULL);
        if (err)
            return err;
    }
    int err = ed_sleep(ED_MS);
    report("memory of a million live fibers",
           (resident_bytes() - before) / (1024.0 * 1024 * 1024), "GiB", 6);
    ed_cancel(s);
    int cancelled = ed_wait(s);
    return err || cancelled == ED_ECANCELED ? err : cancelled;
}

static void never(struct ed_timer *timer)
{
    (void)timer;
}

/* Arms a million timers at random times, measures the loop with them armed,
 * then takes them back in the order they were made. */
static int a_million_timers(double idle_yield)
{
    ed_loop *loop = ed_loop_current();
    struct ed_timer *timers = calloc(MILLION, sizeof *timers);
    if (!timers)
        return ED_ENOMEM;
    uint64_t random = 88172645463325252u;
    int64_t began = ed_clock_monotonic();
    int err = 0;
    for (int i = 0; i < MILLION && !err; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        timers[i].fire = never;
        err = ed_timer_start(loop, &timers[i],
                             began + 3600 * ED_S +
                                 (int64_t)(random % (uint64_t)(3600 * ED_S)));
    }
    double arming = (double)(ed_clock_monotonic() - began) / MILLION;
    double yield = 0;
    err = err ? err : yields(2, &yield);
    began = ed_clock_monotonic();
    for (int i = 0; i < MILLION; i++)
        ed_timer_stop(loop, &timers[i]);
    double stopping = (double)(ed_clock_monotonic() - began) / MILLION;
    free(timers);
    report("arm one of a million timers", arming, "ns", 0);
    report("stop one of a million timers", stopping, "ns", 0);
    report("yield, a million timers armed", yield, "ns", 0);
    report("the same to none armed", yield / idle_yield, "x", 1.1);
    return err;
}

static int measure(void *arg)
{
    (void)arg;
    double two, many;
    int err = yields(2, &two);
    err = err ? err : yields(MANY, &many);
    if (err)
        return err;
    report("yield between 2 fibers", two, "ns", 0);
    report("yield among 10,000 fibers", many, "ns", 0);
    err = starts();
    err = err ? err : channels();
    err = err ? err : a_million_timers(two);
    return err ? err : a_million_fibers();
}

/* ---- telling ---- */

static void print_json(void)
{
    printf("{\"results\": [");
    for (int i = 0; i < row_count; i++) {
        printf("%s{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\"",
               i ? ", " : "", rows[i].name, rows[i].value, rows[i].unit);
        if (rows[i].bar > 0)
            printf(", \"bar\": %g", rows[i].bar);
        printf("}");
    }
    printf("]}\n");
}

static void print_table(void)
{
    for (int i = 0; i < row_count; i++) {
        printf("%-40s %10.2f %-4s", rows[i].name, rows[i].value, rows[i].unit);
        if (rows[i].bar > 0)
            printf(" (at most %g)", rows[i].bar);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && !strcmp(argv[1], "--json");
    if (argc > 1 && !json) {
        fprintf(stderr, "usage: fiber [--json]\n");
        return 2;
    }
    bare_switch();
    int err = ed_run(measure, NULL, .blocked_after = -1);
    if (err) {
        fprintf(stderr, "fiber: %s\n", ed_err_text(err));
        return 1;
    }
    if (json)
        print_json();
    else
        print_table();
    return 0;
}
