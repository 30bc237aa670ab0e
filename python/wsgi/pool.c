/*
 * pool.c - the threads on which Python runs, and the line of requests before
 * them.
 *
 * A thread that is woken takes the interpreter first and a job then, and goes
 * on until the line is empty: the interpreter is taken once for many requests,
 * and never only to find that another thread was quicker. Of those that sleep
 * one is woken at a time; when it has taken a job and there are more, it wakes
 * the next. So one that waits, and lets the interpreter go, is followed at
 * once.
 *
 * Where requests are brief even that is too much: to wake a thread costs as
 * much as to answer. Then one thread goes through the line, and the replies it
 * has made are told of together; a fiber of the loop looks each millisecond
 * whether it still does, and if not, tells and wakes in its stead.
 */
#include "host.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/log.h>
#include <stdlib.h>
#include "base/list.h"

/* Fibers woken by one post: no reply waits for more of others. */
enum { TOLD_TOGETHER = 16 };

/* Requests that take less are brief: it is some times what waking a thread
 * costs. And how often it is looked after who answers them. */
static const int64_t BRIEF = 100 * ED_US;
static const int64_t GUARD = ED_MS;

/* A job counts for so much of how long they are said to take. */
enum { STAYS = 16 };

/* How often a worker that ends looks whether its threads have ended. */
static const int64_t LOOK = 5 * ED_MS;

static _Thread_local struct wsgi_thread *self;

struct wsgi_thread *wsgi_thread_self(void)
{
    return self;
}

/* ---- forks ---- */

static bool forked;

static void note_fork(void)
{
    forked = true;
}

bool wsgi_pool_forked(void)
{
    return forked;
}

/* ---- how it goes ---- */

static bool is_brisk(struct wsgi_pool *pool)
{
    return atomic_load_explicit(&pool->stay, memory_order_relaxed) < BRIEF;
}

/* ---- telling the loop ---- */

static void run_post(struct ed_post *post)
{
    struct wsgi_job *job = ED_CONTAINER(post, struct wsgi_job, post);

    while (job) {
        struct wsgi_job *next = job->next_told;

        pthread_mutex_lock(&job->lock);
        job->told = false;
        pthread_mutex_unlock(&job->lock);
        ed_event_set(&job->changed);
        wsgi_job_release(job);
        job = next;
    }
}

/* With its lock. */
static void tell_all(struct wsgi_pool *pool)
{
    struct wsgi_job *first = pool->told;

    pool->told = NULL;
    pool->told_end = &pool->told;
    pool->told_count = 0;
    if (!first || !pool->loop)
        return;
    first->post.run = run_post;
    ed_loop_post(pool->loop, &first->post);
}

static void tell_now(struct wsgi_pool *pool)
{
    pthread_mutex_lock(&pool->tell_lock);
    tell_all(pool);
    pthread_mutex_unlock(&pool->tell_lock);
}

void wsgi_job_tell(struct wsgi_job *job)
{
    struct wsgi_pool *pool = &job->host->pool;

    if (job->told)
        return;
    job->told = true;
    wsgi_job_hold(job);
    job->next_told = NULL;
    pthread_mutex_lock(&pool->tell_lock);
    *pool->told_end = job;
    pool->told_end = &job->next_told;
    /* The guard tells if the thread does not go on. It is off guard before it
     * has told for the last time, which is behind this lock. */
    bool may_wait = ++pool->told_count < TOLD_TOGETHER &&
                    atomic_load(&pool->on_guard) && atomic_load(&pool->waiting);
    if (!may_wait)
        tell_all(pool);
    pthread_mutex_unlock(&pool->tell_lock);
}

/* ---- the line ---- */

/* With the lock: whether one is to be woken, by wake() without it, or else it
 * would wait for the lock first. */
static bool shall_wake(struct wsgi_pool *pool)
{
    if (!pool->idle || atomic_load(&pool->coming))
        return false;
    atomic_store(&pool->coming, true);
    return true;
}

static void wake(struct wsgi_pool *pool)
{
    pthread_cond_signal(&pool->work);
}

static void put_last(struct wsgi_pool *pool, struct wsgi_job *job)
{
    job->next = NULL;
    job->before = pool->last;
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
}

static void put_first(struct wsgi_pool *pool, struct wsgi_job *job)
{
    job->before = NULL;
    job->next = pool->first;
    if (pool->first)
        pool->first->before = job;
    else
        pool->last = job;
    pool->first = job;
}

static void put(struct wsgi_pool *pool, struct wsgi_job *job)
{
    if (job->vital)
        put_first(pool, job);
    else
        put_last(pool, job);
    job->stage = WSGI_IN_LINE;
    atomic_fetch_add(&pool->waiting, 1);
}

static void take_out(struct wsgi_pool *pool, struct wsgi_job *job)
{
    *(job->before ? &job->before->next : &pool->first) = job->next;
    *(job->next ? &job->next->before : &pool->last) = job->before;
    job->stage = WSGI_NEW;
    atomic_fetch_sub(&pool->waiting, 1);
}

/* With the lock: threads that are at no request, but for the rest of one whose
 * reply is complete, as its client may ask again at once. They come for what is
 * in line, which so does not wait for others. */
static unsigned free_threads(const struct wsgi_host *host)
{
    unsigned count = 0;

    for (unsigned i = 0; i < host->thread_count; i++) {
        struct wsgi_job *job = host->threads[i].job;
        count += !job || atomic_load(&job->ended);
    }
    return count;
}

static bool is_full(const struct wsgi_host *host)
{
    unsigned waiting = atomic_load(&host->pool.waiting);
    unsigned most = host->settings->queue_limit;

    return waiting >= most && waiting - most >= free_threads(host);
}

int wsgi_pool_add(struct wsgi_host *host, struct wsgi_job *job)
{
    struct wsgi_pool *pool = &host->pool;
    int err = 0;

    job->came = ed_clock_monotonic();
    pthread_mutex_lock(&pool->lock);
    if (pool->stopping)
        err = ED_ECLOSED;
    else if (!job->vital && is_full(host))
        err = ED_EOVERLOAD;
    if (!err) {
        wsgi_job_hold(job);
        put(pool, job);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!err)
        ed_guest_defer(&pool->wake);
    return err;
}

/* A thread goes through the line, and will come to what is in it. With the
 * lock. */
static bool is_at_it(const struct wsgi_pool *pool)
{
    return pool->idle < pool->running &&
           ed_clock_monotonic() - pool->last_taken < BRIEF;
}

/* At the end of a turn. Were it woken by the first of many requests, it would
 * take the processor from the loop for each of them. */
static void wake_for_turn(struct ed_deferred *deferred)
{
    struct wsgi_pool *pool = ED_CONTAINER(deferred, struct wsgi_pool, wake);
    /* Asked once: who is relied on is guarded. */
    bool brisk = is_brisk(pool);

    pthread_mutex_lock(&pool->lock);
    bool shall = pool->first && !(brisk && is_at_it(pool)) && shall_wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (brisk) {
        atomic_store(&pool->on_guard, true);
        ed_event_set(&pool->guarded);
    }
    if (shall)
        wake(pool);
}

/* Nobody has taken a job since it was last looked. */
static void guard(struct wsgi_pool *pool, unsigned *taken)
{
    unsigned now = atomic_load(&pool->taken);

    tell_now(pool);
    pthread_mutex_lock(&pool->lock);
    bool shall = pool->first && now == *taken && shall_wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (shall)
        wake(pool);
    *taken = now;
}

int wsgi_guard(void *arg)
{
    struct wsgi_pool *pool = &((struct wsgi_host *)arg)->pool;
    int err;

    while (!(err = ed_event_wait(&pool->guarded))) {
        unsigned taken = atomic_load(&pool->taken);
        ed_event_clear(&pool->guarded);
        atomic_store(&pool->on_guard, true);
        err = ed_sleep(GUARD);
        bool more = !err && atomic_load(&pool->waiting);
        atomic_store(&pool->on_guard, more);
        guard(pool, &taken);
        if (err)
            return err;
        if (more)
            ed_event_set(&pool->guarded);
    }
    return err;
}

bool wsgi_pool_withdraw(struct wsgi_host *host, struct wsgi_job *job)
{
    struct wsgi_pool *pool = &host->pool;

    pthread_mutex_lock(&pool->lock);
    bool there = job->stage == WSGI_IN_LINE;
    if (there)
        take_out(pool, job);
    pthread_mutex_unlock(&pool->lock);
    if (there)
        wsgi_job_release(job);
    return there;
}

/* Behind the vital ones they stand in the order in which they came. */
static struct wsgi_job *take_if_before(struct wsgi_pool *pool, int64_t then)
{
    pthread_mutex_lock(&pool->lock);
    struct wsgi_job *job = pool->first;
    while (job && job->vital)
        job = job->next;
    if (job && job->came >= then)
        job = NULL;
    if (job)
        take_out(pool, job);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void wsgi_pool_expire(struct wsgi_host *host, int64_t then)
{
    struct wsgi_job *job;

    while ((job = take_if_before(&host->pool, then))) {
        job->expired = true;
        ed_event_set(&job->changed);
        wsgi_job_release(job);
    }
}

int64_t wsgi_pool_wait(struct wsgi_host *host)
{
    struct wsgi_pool *pool = &host->pool;

    pthread_mutex_lock(&pool->lock);
    int64_t wait = (int64_t)atomic_load(&pool->waiting) *
                   atomic_load(&pool->stay) / (int64_t)host->thread_count;
    pthread_mutex_unlock(&pool->lock);
    return wait;
}

/* ---- references ---- */

/* One that finds no memory is kept for good: that is what there is least harm
 * in. */
void wsgi_pool_drop(struct wsgi_host *host, PyObject *object)
{
    struct wsgi_pool *pool = &host->pool;

    if (self && self->inside) {
        Py_DECREF(object);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    if (pool->trash_count == pool->trash_room) {
        size_t room = pool->trash_room ? 2 * pool->trash_room : 16;
        PyObject **more = realloc(pool->trash, room * sizeof(PyObject *));
        if (more) {
            pool->trash = more;
            pool->trash_room = room;
        }
    }
    if (pool->trash_count < pool->trash_room)
        pool->trash[pool->trash_count++] = object;
    pthread_mutex_unlock(&pool->lock);
}

void wsgi_pool_clean(struct wsgi_host *host)
{
    struct wsgi_pool *pool = &host->pool;

    pthread_mutex_lock(&pool->lock);
    bool shall = pool->trash_count && shall_wake(pool);
    pthread_mutex_unlock(&pool->lock);
    if (shall)
        wake(pool);
}

/* What is dropped may run code of the application. */
static void empty_trash(struct wsgi_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    PyObject **trash = pool->trash;
    size_t count = pool->trash_count;
    pool->trash = NULL;
    pool->trash_count = 0;
    pool->trash_room = 0;
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < count; i++)
        Py_DECREF(trash[i]);
    free(trash);
}

void wsgi_pool_empty(struct wsgi_host *host)
{
    struct wsgi_pool *pool = &host->pool;

    /* The lock may be that of a thread that a forked process has not. */
    if (!forked &&
        atomic_load_explicit(&pool->trash_count, memory_order_relaxed))
        empty_trash(pool);
}

/* ---- a thread ---- */

/* With the lock. */
static void note_stay(struct wsgi_pool *pool, int64_t stay)
{
    int64_t before = atomic_load_explicit(&pool->stay, memory_order_relaxed);

    atomic_store_explicit(&pool->stay, before + (stay - before) / STAYS,
                          memory_order_relaxed);
}

/* The job it has is over; the next, or NULL. *trash: there is some. */
static struct wsgi_job *next_job(struct wsgi_thread *t, bool *trash)
{
    struct wsgi_pool *pool = &t->host->pool;
    struct wsgi_job *over = t->job;
    int64_t now = ed_clock_monotonic();

    pthread_mutex_lock(&pool->lock);
    if (over) {
        over->stage = WSGI_OVER;
        over->thread = NULL;
        note_stay(pool, now - t->since);
    }
    struct wsgi_job *job = pool->first;
    if (job) {
        take_out(pool, job);
        job->stage = WSGI_RUNNING;
        job->thread = t;
        job->waited = now - job->came;
        pool->last_taken = now;
        atomic_fetch_add_explicit(&pool->taken, 1, memory_order_relaxed);
    }
    t->job = job;
    t->since = now;
    t->reported = false;
    bool shall =
        pool->first && !atomic_load(&pool->on_guard) && shall_wake(pool);
    *trash = pool->trash_count > 0;
    pthread_mutex_unlock(&pool->lock);
    if (shall)
        wake(pool);
    ed_guest_log_id(job ? job->id : NULL);
    if (over)
        wsgi_job_release(over);
    return job;
}

/* With the interpreter: all that there is. */
static void work(struct wsgi_thread *t)
{
    struct wsgi_pool *pool = &t->host->pool;
    struct wsgi_job *job;
    bool trash;

    while ((job = next_job(t, &trash)) || trash) {
        if (trash)
            empty_trash(pool);
        if (job)
            wsgi_run(t, job);
    }
    tell_now(pool);
}

/* Who was woken has looked: others count on it no longer. */
static void arrive(struct wsgi_pool *pool)
{
    atomic_store(&pool->coming, false);
    tell_now(pool);
}

/* Until there is something to do; false: it is to end. *woken: it has to
 * arrive when it has the interpreter. */
static bool await_work(struct wsgi_pool *pool, bool *woken)
{
    *woken = false;
    pthread_mutex_lock(&pool->lock);
    while (!pool->first && !pool->stopping) {
        if (*woken && pool->trash_count)
            break;
        /* Another was quicker. */
        if (*woken)
            arrive(pool);
        pool->idle++;
        pthread_cond_wait(&pool->work, &pool->lock);
        pool->idle--;
        *woken = true;
    }
    bool more = pool->first || pool->trash_count;
    pthread_mutex_unlock(&pool->lock);
    return more;
}

/* From its beginning, when it has the interpreter, to its end. */
static void run_thread(struct wsgi_thread *t)
{
    struct wsgi_pool *pool = &t->host->pool;
    bool woken;

    self = t;
    wsgi_signals_here();
    (void)PyEval_SaveThread();
    while (await_work(pool, &woken)) {
        PyEval_RestoreThread(t->state);
        t->inside = true;
        if (woken)
            arrive(pool);
        work(t);
        t->inside = false;
        (void)PyEval_SaveThread();
    }
    PyEval_RestoreThread(t->state);
    ed_buf_free(&t->line);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    pthread_mutex_unlock(&pool->lock);
}

/* ---- all of them ---- */

static int start_thread(struct wsgi_host *host, unsigned i)
{
    struct wsgi_thread *t = &host->threads[i];

    t->host = host;
    t->number = i + 1;
    t->run = run_thread;
    host->pool.running++; /* it may be at its end already when it is started */
    int err = wsgi_thread_start(t);
    if (err)
        host->pool.running--;
    return err;
}

int wsgi_pool_start(struct wsgi_host *host)
{
    struct wsgi_pool *pool = &host->pool;
    int err = 0;

    pool->told_end = &pool->told;
    pool->wake.run = wake_for_turn;
    pool->loop = ed_loop_current();
    wsgi_signals_forward();
    pthread_atfork(NULL, NULL, note_fork);
    for (unsigned i = 0; i < host->thread_count && !err; i++)
        err = start_thread(host, i);
    if (err)
        ed_log_error("no thread for Python: %s", ed_err_text(err));
    return err;
}

static unsigned count_running(struct wsgi_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    unsigned running = pool->running;
    pthread_mutex_unlock(&pool->lock);
    return running;
}

unsigned wsgi_pool_stop(struct wsgi_host *host, int64_t within)
{
    struct wsgi_pool *pool = &host->pool;
    int64_t end = ed_now() + within;

    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    while (count_running(pool) && ed_now() < end && !ed_sleep(LOOK)) {
    }
    unsigned left = count_running(pool);
    pthread_mutex_lock(&pool->tell_lock);
    pool->loop = NULL;
    pthread_mutex_unlock(&pool->tell_lock);
    return left;
}
