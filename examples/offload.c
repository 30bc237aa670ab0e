/*
 * offload.c - an ordinary, synchronous program that waits for many at once.
 *
 *     offload URL...
 *
 * There is no loop in sight, and no fiber: main() and what it calls block as
 * in any C program. Only the waiting for the network is done elsewhere, for
 * all URLs together, by one thread in the background.
 */
#include <eddy/offload.h>

#include <stdio.h>
#include <stdlib.h>

/* For all of them together. */
#define PATIENCE (5 * ED_S)

static int show(const char *url, ed_ticket *ticket)
{
    ed_res *res = ed_ticket_res(ticket);

    if (!res) {
        fprintf(stderr, "offload: %s\n", ed_ticket_failure(ticket));
        return 1;
    }
    printf("%3d %8zu bytes %6.0f ms  %s\n", ed_res_status(res),
           ed_res_body(res).len,
           (double)ed_ticket_elapsed(ticket) / (double)ED_MS, url);
    return 0;
}

/* [many] */
/* All at once, each shown when it is there; the number of failures. */
static int fetch_all(char **urls, size_t count, ed_ticket **tickets)
{
    struct ed_tickets_done it = {.tickets = tickets, .count = count};
    int failed = 0;

    for (size_t i = 0; i < count; i++)
        tickets[i] = ed_offload_fetch(urls[i], .timeout = PATIENCE);
    while (ed_tickets_next(&it, PATIENCE) > 0)
        failed += show(urls[it.index], tickets[it.index]);
    for (size_t i = 0; i < count; i++)
        ed_ticket_free(tickets[i]);
    return failed;
}
/* [/many] */

/* [one] */
/* One call that blocks, for programs that want no more than that. */
static int fetch_one(const char *url)
{
    ed_ticket *page;
    int err = ed_fetch_blocking(&page, url, .timeout = PATIENCE);

    if (err)
        fprintf(stderr, "offload: %s\n", ed_ticket_failure(page));
    else
        fputs(ed_res_text(ed_ticket_res(page)), stdout);
    ed_ticket_free(page);
    return err != 0;
}
/* [/one] */

int main(int argc, char **argv)
{
    size_t count = (size_t)argc - 1;

    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: offload URL...\n");
        return 2;
    }
    if (count == 1)
        return fetch_one(argv[1]);
    ed_ticket **tickets = calloc(count, sizeof(ed_ticket *));
    int failed = tickets ? fetch_all(argv + 1, count, tickets) : 1;
    free(tickets);
    return failed ? 1 : 0;
}
