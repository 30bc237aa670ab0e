/*
 * offload.c - a synchronous program in C that fetches a thousand URLs at once
 * by tickets, for the `offload` benchmark.
 *
 *     offload COUNT SECONDS WARM-UP URL
 *
 * In batches: all are handed over, then all are waited for. Prints one JSON
 * object: as bench/peers/batches.py does for programs in Python, and besides
 * how long the median of handing over took, and how often the loop was woken
 * for a batch.
 */
#include "clients.h"
#include <dirent.h>
#include <eddy/offload.h>

enum { BATCHES_MAX = 100000 };

static struct client_run run;
static ed_ticket **tickets;
static double batch_ms[BATCHES_MAX], handing_us[BATCHES_MAX];
static int batches, batches_all;

static void check_answer(ed_ticket *t)
{
    ed_res *res = ed_ticket_res(t);

    errno = 0;
    if (!res || ed_res_status(res) != 200 || !ed_res_body(res).len)
        die("%s", res ? "not 200" : ed_ticket_failure(t));
}

static void fetch_batch(void)
{
    size_t count = (size_t)run.concurrency;
    int64_t began = now_ns();

    for (size_t i = 0; i < count; i++)
        tickets[i] = ed_offload_fetch(run.url);
    int64_t handed = now_ns();
    if (ed_tickets_wait(tickets, count, ED_TICKETS_ALL, -1))
        die("waiting");
    int64_t ended = now_ns();
    for (size_t i = 0; i < count; i++) {
        check_answer(tickets[i]);
        ed_ticket_free(tickets[i]);
    }
    batches_all++;
    if (!run.counted || batches == BATCHES_MAX)
        return;
    batch_ms[batches] = (double)(ended - began) / 1e6;
    handing_us[batches++] = (double)(handed - began) / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static int thread_count(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = -2; /* "." and ".." */

    while (tasks && readdir(tasks))
        count++;
    return count;
}

static void report(void)
{
    struct ed_offload_counts counts;

    ed_offload_counts(&counts);
    printf("{\"answers\": %llu, \"run_ns\": %llu, \"threads\": %d, ",
           (unsigned long long)run.answers, (unsigned long long)run.cpu_ns,
           thread_count());
    printf("\"wakeups\": %.2f, \"batch_ms\": [",
           (double)counts.wakeups / batches_all);
    for (int i = 0; i < batches; i++)
        printf("%s%.3f", i ? ", " : "", batch_ms[i]);
    qsort(handing_us, (size_t)batches, sizeof *handing_us, by_size);
    printf("], \"handing_us\": %.1f}\n", handing_us[batches / 2]);
}

/* Whole batches: the warm-up's, and then those that count. */
static void fetch_for(int64_t warm_up_ns, int64_t measure_ns)
{
    run.began = now_ns();
    while (now_ns() - run.began < warm_up_ns)
        fetch_batch();
    run.counted = now_ns();
    run.cpu_ns = process_ns();
    while (now_ns() - run.counted < measure_ns) {
        fetch_batch();
        run.answers += (uint64_t)run.concurrency;
    }
    run.cpu_ns = process_ns() - run.cpu_ns;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: offload COUNT SECONDS WARM-UP URL");
    run.concurrency = (int)number(argv[1], 1, 100000);
    run.url = argv[4];
    tickets = calloc((size_t)run.concurrency, sizeof(ed_ticket *));
    if (!tickets)
        die("no memory");
    fetch_for(seconds_ns(argv[3]), seconds_ns(argv[2]));
    report();
    free(tickets);
    return 0;
}
