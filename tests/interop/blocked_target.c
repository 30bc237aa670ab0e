/*
 * blocked_target.c - a program whose loop is blocked for a while by a function
 * that no frame pointer leads to.
 */
#include <eddy/clock.h>
#include <eddy/fiber.h>
#include <stdio.h>

/* Longer than the monitor's limit and the bar for its report together. */
#define BLOCKED (400 * ED_MS)

__attribute__((noinline)) static unsigned parse_report(int64_t until)
{
    unsigned rounds = 0;

    while (ed_clock_monotonic() < until)
        rounds++;
    return rounds;
}

__attribute__((noinline)) static int render_page(void *arg)
{
    int64_t began = ed_clock_realtime();
    unsigned rounds = parse_report(ed_clock_monotonic() + BLOCKED);

    (void)arg;
    printf("%lld %u\n", (long long)(began / ED_MS), rounds);
    return fflush(stdout);
}

static int program(void *arg)
{
    ed_scope(s);
    ed_go(s, render_page, arg);
    int err = ed_wait(s);
    return err ? err : ed_sleep(100 * ED_MS);
}

int main(void)
{
    return ed_run(program, NULL) ? 1 : 0;
}
