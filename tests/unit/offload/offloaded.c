/*
 * offloaded.c - work to hand over, and what happens in children.
 */
#include "offloaded.h"

#include <signal.h>
#include <time.h>

int give(void *arg, ed_arena *arena, void **value)
{
    (void)arena;
    *value = arg;
    return *(int *)arg;
}

int fail_with(void *arg, ed_arena *arena, void **value)
{
    (void)arena, (void)value;
    return ed_fail(*(int *)arg, "no such luck");
}

int wait_for_ever(void *arg, ed_arena *arena, void **value)
{
    atomic_int *waiting = arg;

    (void)arena, (void)value;
    if (waiting)
        atomic_fetch_add(waiting, 1);
    int err = ed_sleep(INT64_MAX);
    if (waiting)
        atomic_fetch_sub(waiting, 1);
    return err;
}

static void pause_briefly(void)
{
    const struct timespec moment = {0, 1000000};

    nanosleep(&moment, NULL);
}

void await_count(atomic_int *counter, int count)
{
    while (atomic_load(counter) != count)
        pause_briefly();
}

int in_child(int (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        alarm(PATIENCE / ED_S); /* its default action ends the process */
        _exit(fn(arg));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}
