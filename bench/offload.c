/*
 * offload.c - a synchronous program that fetches a thousand URLs at once by
 * tickets, for the `offload` benchmark.
 *
 *     offload [-c CALLS] [-t SECONDS] [-w WARM-UP SECONDS] URL
 *
 * In rounds: all are handed over, then all are waited for. Prints two JSON
 * objects: how many answers, and the processor time of this process; and of a
 * round the median, how long handing over took in it, and how often the loop
 * was woken for it.
 */
#include "clients.h"
#include <eddy/offload.h>

/* Rounds that are told apart. */
#define ROUNDS_MAX 4096

struct round {
    int64_t handed_ns;
    int64_t total_ns;
};

static struct round rounds[ROUNDS_MAX];
static int round_count; /* of these */
static uint64_t all_rounds;

static void check_answer(ed_ticket *t)
{
    ed_res *res = ed_ticket_res(t);

    errno = 0;
    if (!res || ed_res_status(res) != 200 || !ed_res_body(res).len)
        die("%s", res ? "not 200" : ed_ticket_failure(t));
}

static void fetch_round(struct client_run *run, ed_ticket **tickets)
{
    size_t n = (size_t)run->concurrency;
    int64_t began = now_ns();

    for (size_t i = 0; i < n; i++)
        tickets[i] = ed_offload_fetch(run->url);
    int64_t handed = now_ns();
    if (ed_tickets_wait(tickets, n, ED_TICKETS_ALL, -1))
        die("waiting");
    all_rounds++;
    if (round_count < ROUNDS_MAX)
        rounds[round_count++] =
            (struct round){handed - began, now_ns() - began};
    for (size_t i = 0; i < n; i++) {
        check_answer(tickets[i]);
        ed_ticket_free(tickets[i]);
        run_answered(run);
    }
}

static int by_total(const void *a, const void *b)
{
    int64_t left = ((const struct round *)a)->total_ns;
    int64_t right = ((const struct round *)b)->total_ns;

    return (left > right) - (left < right);
}

static void report_rounds(void)
{
    struct ed_offload_counts counts;

    ed_offload_counts(&counts);
    qsort(rounds, (size_t)round_count, sizeof *rounds, by_total);
    const struct round *median = &rounds[round_count / 2];
    printf("{\"round_us\": %.1f, \"handing_us\": %.1f, \"wakeups\": %.2f}\n",
           (double)median->total_ns / 1e3, (double)median->handed_ns / 1e3,
           (double)counts.wakeups / (double)all_rounds);
}

int main(int argc, char **argv)
{
    static struct client_run run;

    run_options(&run, argc, argv);
    ed_ticket **tickets = calloc((size_t)run.concurrency, sizeof *tickets);
    if (!tickets)
        die("no memory");
    while (!run_ended(&run))
        fetch_round(&run, tickets);
    free(tickets);
    run_report(&run);
    report_rounds();
    return 0;
}
