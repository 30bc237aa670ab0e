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

static int keep_loop(void *arg, ed_arena *arena, void **value)
{
    struct door *door = arg;

    (void)arena, (void)value;
    atomic_fetch_add(&door->before, 1);
    pthread_mutex_lock(&door->lock);
    pthread_mutex_unlock(&door->lock);
    return 0;
}

ed_ticket *block_loop(struct door *door)
{
    pthread_mutex_lock(&door->lock);
    ed_ticket *t = ed_offload(keep_loop, door);
    await_count(&door->before, 1);
    return t;
}

static bool is_child;

bool may_have_loop(void)
{
#ifdef __SANITIZE_THREAD__
    return !is_child;
#else
    return true;
#endif
}

int in_child(int (*fn)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        is_child = true;
        alarm(PATIENCE / ED_S); /* its default action ends the process */
        _exit(fn(arg));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}
