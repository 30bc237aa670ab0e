/*
 * blocking.c - the process's pool of threads for functions that block.
 *
 * Owns the threads and the queue. Calls are served in the order they came; a
 * thread is started when a call finds none idle, and leaves after some seconds
 * without work. A finished call goes back to its loop as a post. A child
 * process made by fork() begins with an empty pool.
 */
#include <eddy/blocking.h>

#include <errno.h>
#include <time.h>
#include <eddy/error.h>
#include <eddy/loop.h>
#include "base/list.h"
#include "core/runtime.h"
#include "core/thread.h"

/* A queue longer than this is a program that will never catch up. */
#define WAITING_MAX 10000
#define THREADS_MAX 1024
/* Long enough to serve the next request of a quiet service without starting a
 * thread, short enough not to keep 16 stacks for a burst of yesterday. */
#define IDLE_S 5

/* One call; lives on the stack of the fiber that waits for it. */
struct job {
    struct ed_post post;
    struct ed_list link; /* in pool.queue until it begins */
    ed_loop *loop;
    ed_fiber *fiber;
    ed_fn *fn;
    void *arg;
    int result;
    bool begun;
};

/* Everything in it is guarded by `lock`. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct ed_list queue;
    int waiting; /* jobs in the queue */
    int threads;
    int idle;
    int limit;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .queue = {&pool.queue, &pool.queue},
    .limit = ED_BLOCKING_THREADS,
};

static void lock_before_fork(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void unlock_after_fork(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* The threads did not come along, and whoever waited in the queue waits in
 * the parent. */
static void forget_in_child(void)
{
    pthread_cond_init(&pool.work, NULL);
    ed_list_init(&pool.queue);
    pool.waiting = 0;
    pool.threads = 0;
    pool.idle = 0;
    unlock_after_fork(); /* who forked holds it here as well */
}

static void watch_forks(void)
{
    pthread_atfork(lock_before_fork, unlock_after_fork, forget_in_child);
}

static void finish(struct ed_post *post)
{
    struct job *job = ED_CONTAINER(post, struct job, post);

    ed_loop_expect(job->loop, -1);
    ed_wake(job->fiber, job->result);
}

/* Takes the next job, waiting for one; NULL when the thread should leave.
 * Needs the lock, which it lets go of while it waits. */
static struct job *take_job(void)
{
    struct timespec until;
    struct job *job;
    int err = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (!pool.waiting && pool.threads <= pool.limit && !err)
        err = pthread_cond_clockwait(&pool.work, &pool.lock, CLOCK_MONOTONIC,
                                     &until);
    if (!pool.waiting || pool.threads > pool.limit)
        return NULL;
    job = ED_CONTAINER(ed_list_take(&pool.queue), struct job, link);
    pool.waiting--;
    job->begun = true;
    return job;
}

static void *work(void *unused)
{
    struct job *job;

    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while ((job = take_job())) {
        pool.idle--;
        pthread_mutex_unlock(&pool.lock);
        job->result = job->fn(job->arg);
        /* From here on the job may be gone at any time. */
        ed_loop_post(job->loop, &job->post);
        pthread_mutex_lock(&pool.lock);
        pool.idle++;
    }
    pool.idle--;
    pool.threads--;
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Starts threads until every waiting job has one or the limit is reached.
 * Fails only when there is no thread at all. Needs the lock. */
static int hire(void)
{
    while (pool.idle < pool.waiting && pool.threads < pool.limit) {
        pthread_t thread;

        if (ed_thread_start(&thread, "eddy-blocking", work, NULL))
            return pool.threads ? 0 : -EAGAIN;
        pthread_detach(thread);
        pool.threads++;
        /* It is idle until it has the lock and takes a job. */
        pool.idle++;
    }
    return 0;
}

static int enqueue(struct job *job)
{
    int err;

    if (pool.waiting >= WAITING_MAX)
        return ED_ELIMIT;
    ed_list_add_back(&pool.queue, &job->link);
    pool.waiting++;
    err = hire();
    if (err) {
        ed_list_remove(&job->link);
        pool.waiting--;
        return err;
    }
    pthread_cond_signal(&pool.work);
    return 0;
}

void ed_blocking_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, watch_forks);
}

static int submit(struct job *job)
{
    int err;

    ed_blocking_prepare();
    pthread_mutex_lock(&pool.lock);
    err = enqueue(job);
    pthread_mutex_unlock(&pool.lock);
    return err;
}

/* The abort function of the wait: takes back a job that has not begun. */
static bool withdraw(void *arg)
{
    struct job *job = arg;
    bool begun;

    pthread_mutex_lock(&pool.lock);
    begun = job->begun;
    if (!begun) {
        ed_list_remove(&job->link);
        pool.waiting--;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!begun)
        ed_loop_expect(job->loop, -1);
    return !begun;
}

int ed_blocking(ed_fn *fn, void *arg)
{
    struct job job = {
        .post.run = finish,
        .loop = ed_loop_current(),
        .fiber = ed_fiber_self(),
        .fn = fn,
        .arg = arg,
    };
    int err;

    if (!job.fiber)
        return ED_EUSAGE;
    err = ed_cancelled();
    if (!err)
        err = submit(&job);
    if (err)
        return err;
    ed_loop_expect(job.loop, 1);
    return ed_park("a blocking call", withdraw, &job);
}

void ed_blocking_limit(int threads)
{
    pthread_mutex_lock(&pool.lock);
    pool.limit = threads < 1             ? 1
                 : threads > THREADS_MAX ? THREADS_MAX
                                         : threads;
    (void)hire(); /* what cannot start now starts with the next call */
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}
