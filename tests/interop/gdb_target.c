/*
 * gdb_target.c - what gdb.sh looks into: two fibers that wait at known places
 * while a third calls stop_here().
 */
#include <eddy/fiber.h>

#include <stdlib.h>

__attribute__((noinline)) static int fetch_user(int id)
{
    /* Not the last call: its frame has to stay. */
    int err = ed_sleep(ED_MIN);
    return err ? err : id;
}

static int load_user(void *arg)
{
    return fetch_user(*(int *)arg);
}

static int rest(void *arg)
{
    (void)arg;
    ed_fiber_name("napper");
    return ed_sleep(ED_MIN);
}

__attribute__((noinline)) static void stop_here(void)
{
    abort();
}

static int stop(void *arg)
{
    (void)arg;
    ed_yield();
    stop_here();
    return 0;
}

static int begin(void *arg)
{
    ed_scope(s);
    ed_go(s, load_user, arg);
    ed_go(s, rest, NULL);
    ed_go(s, stop, NULL);
    return ed_wait(s);
}

int main(void)
{
    int id = 4711;

    return ed_run(begin, &id) ? 1 : 0;
}
