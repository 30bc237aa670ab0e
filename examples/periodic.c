/*
 * periodic.c - something done again and again, until a signal comes.
 *
 *     periodic [MILLISECONDS]
 *
 * Prints a line every so often (default 1000). SIGINT and SIGTERM end it in
 * good order; SIGUSR1 prints the tree of fibers.
 */
#include <eddy/bytes.h>
#include <eddy/fiber.h>
#include <eddy/signal.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

/* [every] */
/* At even distances from the start: what one turn takes does not put off the
 * next, and turns that were missed are left out. */
static int tick_for_ever(void *arg)
{
    int64_t period = *(int64_t *)arg;
    int64_t began = ed_now();
    int err = 0;

    while (!err) {
        printf("tick at %" PRId64 " ms\n", (ed_now() - began) / ED_MS);
        fflush(stdout);
        err = ed_sleep(period - (ed_now() - began) % period);
    }
    return err;
}
/* [/every] */

/* [signals] */
static int run(void *arg)
{
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo = 0;
    int err = ed_signals_open(&signals, SIGINT, SIGTERM, SIGUSR1);
    if (err)
        return err;

    ed_scope(s);
    ed_go(s, tick_for_ever, arg);
    while (!(err = ed_signals_next(signals, &signo)) && signo == SIGUSR1)
        ed_fiber_tree();
    printf("bye\n");
    return err; /* leaving the scope ends the ticking */
}
/* [/signals] */

int main(int argc, char **argv)
{
    int64_t ms = 1000;

    if (argc > 2 ||
        (argc == 2 && (ed_bytes_int(ed_bytes(argv[1]), &ms) || ms <= 0))) {
        fprintf(stderr, "usage: periodic [MILLISECONDS]\n");
        return 2;
    }
    int64_t period = ms * ED_MS;
    return ed_run(run, &period) ? 1 : 0;
}
