/*
 * patch_waits.c - what libraries wait for that is no descriptor of theirs, in
 * many fibers of one thread: children, semaphores, locks, conditions.
 *
 *     patch_waits WHAT COUNT
 *
 * Each of COUNT fibers waits for 0.3 seconds. Prints how many milliseconds all
 * of them took. What GLib and libuv are told is what any program would tell
 * them.
 */
#include <eddy/eddy.h>

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { CALLERS_MAX = 200, WAIT_US = 300 * 1000, WAIT_MS = 300 };

/* What another thread, or a fiber, hands out. */
static struct {
    int count;
    uv_thread_t giver;
    uv_sem_t sem;
    uv_rwlock_t lock;
    uv_mutex_t mutex;
    uv_cond_t cond;
    bool given;
    int readers;
    int written;
} shared;

/* ---- children, by GLib ---- */

static int wait_for_child(void *arg)
{
    char *output = NULL;
    GError *error = NULL;
    int status = -1;

    (void)arg;
    if (!g_spawn_command_line_sync("sh -c 'sleep 0.3; echo done'", &output,
                                   NULL, &status, &error))
        return ed_fail(-EIO, "%s", error->message);
    int err = status || strcmp(output, "done\n") != 0 ? -EIO : 0;
    g_free(output);
    return err;
}

/* ---- a loop of its own, by libuv ---- */

static void count_timer(uv_timer_t *timer)
{
    ++*(int *)timer->data;
    uv_close((uv_handle_t *)timer, NULL);
}

static int run_own_loop(void *arg)
{
    uv_loop_t loop;
    uv_timer_t timer;
    int fired = 0;

    (void)arg;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    timer.data = &fired;
    uv_timer_start(&timer, count_timer, WAIT_MS, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) || fired != 1 ? -EIO : 0;
}

/* ---- semaphores and conditions that another thread signals ---- */

static void post_all(void *arg)
{
    (void)arg;
    usleep(WAIT_US);
    for (int i = 0; i < shared.count; i++)
        uv_sem_post(&shared.sem);
}

static int begin_sem(void)
{
    return uv_sem_init(&shared.sem, 0) ||
           uv_thread_create(&shared.giver, post_all, NULL);
}

static int wait_for_sem(void *arg)
{
    (void)arg;
    uv_sem_wait(&shared.sem);
    return 0;
}

static void signal_all(void *arg)
{
    (void)arg;
    usleep(WAIT_US);
    uv_mutex_lock(&shared.mutex);
    shared.given = true;
    uv_cond_broadcast(&shared.cond);
    uv_mutex_unlock(&shared.mutex);
}

static int begin_cond(void)
{
    return uv_mutex_init(&shared.mutex) || uv_cond_init(&shared.cond) ||
           uv_thread_create(&shared.giver, signal_all, NULL);
}

static int wait_for_cond(void *arg)
{
    int err = 0;

    (void)arg;
    uv_mutex_lock(&shared.mutex);
    while (!shared.given && !err)
        err =
            uv_cond_timedwait(&shared.cond, &shared.mutex, 10 * (uint64_t)ED_S);
    uv_mutex_unlock(&shared.mutex);
    return err ? -EIO : 0;
}

static void end_giver(void)
{
    uv_thread_join(&shared.giver);
}

/* ---- locks that fibers keep from each other ---- */

static int begin_lock(void)
{
    return uv_rwlock_init(&shared.lock);
}

/* All read at once, and the last writes, alone. */
static int read_or_write(void *arg)
{
    int err;

    (void)arg;
    uv_rwlock_rdlock(&shared.lock);
    bool last = ++shared.readers == shared.count;
    usleep(WAIT_US);
    err = shared.written ? -EIO : 0;
    uv_rwlock_rdunlock(&shared.lock);
    if (!last)
        return err;
    uv_rwlock_wrlock(&shared.lock);
    shared.written++;
    uv_rwlock_wrunlock(&shared.lock);
    return err;
}

/* ---- all at once ---- */

static const struct kind {
    const char *name;
    int (*begin)(void);
    ed_fn *call;
    void (*end)(void);
} kinds[] = {
    {"child", NULL, wait_for_child, NULL},
    {"loop", NULL, run_own_loop, NULL},
    {"sem", begin_sem, wait_for_sem, end_giver},
    {"cond", begin_cond, wait_for_cond, end_giver},
    {"rwlock", begin_lock, read_or_write, NULL},
};

static int go(void *arg)
{
    const struct kind *kind = arg;
    struct ed_call calls[CALLERS_MAX];
    int64_t began = ed_clock_monotonic();

    for (int i = 0; i < shared.count; i++)
        calls[i] = (struct ed_call){kind->call, NULL};
    int err = ed_gather_calls(calls, (size_t)shared.count);
    if (err) {
        fprintf(stderr, "%s: %s\n", ed_err_text(err), ed_error());
        return err;
    }
    printf("%lld\n", (long long)((ed_clock_monotonic() - began) / ED_MS));
    return 0;
}

int main(int argc, char **argv)
{
    const struct kind *kind = NULL;

    if (argc != 3)
        return 2;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(argv[1], kinds[i].name))
            kind = &kinds[i];
    }
    shared.count = atoi(argv[2]);
    if (!kind || shared.count < 1 || shared.count > CALLERS_MAX)
        return 2;
    /* A sanitizer would take longer to start in each child than it lives. */
    unsetenv("LD_PRELOAD");
    if (kind->begin && kind->begin())
        return 1;
    int err = ed_run(go, (void *)kind, .blocked_after = -1);
    if (kind->end)
        kind->end();
    return err != 0;
}
