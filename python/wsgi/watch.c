/*
 * watch.c - looks after the line and the threads: who waited for too long is
 * sent away, and a request that Python does not come to the end of is told in
 * the log, once, with the place where it is.
 */
#include "host.h"

#include <eddy/blocking.h>
#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/fiber.h>
#include <eddy/log.h>

/* Times that are watched over are longer by far. */
static const int64_t TICK = 100 * ED_MS;

struct report {
    struct wsgi_thread *thread;
    struct wsgi_job *job; /* held */
    int64_t took;
    unsigned frames;
};

static void tell_frame(void *arg, const char *function, const char *file,
                       int line)
{
    struct report *r = arg;

    r->frames++;
    ed_log_warn("  File \"%s\", line %d, in %s", file, line, function);
}

/* On the blocking pool. */
static int tell(void *arg)
{
    struct report *r = arg;

    ed_guest_log_id(r->job->id);
    ed_log_warn("Python has been at %s %s for %.1f s (thread %u); "
                "most recent call first:",
                r->job->method, r->job->path, (double)r->took / ED_S,
                r->thread->number);
    wsgi_trace(r->thread, r->job, tell_frame, r);
    if (!r->frames)
        ed_log_warn("  it has just ended");
    ed_guest_log_id(NULL);
    return 0;
}

/* Whether it has been at a request for so long, for the first time. */
static bool is_stuck(struct wsgi_thread *t, int64_t after, struct report *r)
{
    struct wsgi_pool *pool = &t->host->pool;
    int64_t now = ed_clock_monotonic();

    pthread_mutex_lock(&pool->lock);
    bool stuck = t->job && !t->reported && now - t->since >= after;
    if (stuck) {
        t->reported = true;
        wsgi_job_hold(t->job);
        *r = (struct report){t, t->job, now - t->since, 0};
    }
    pthread_mutex_unlock(&pool->lock);
    return stuck;
}

static int report_stuck(struct wsgi_host *host)
{
    int64_t after = host->settings->stuck_after;
    int err = 0;

    for (unsigned i = 0; after > 0 && i < host->thread_count && !err; i++) {
        struct report report;
        if (!is_stuck(&host->threads[i], after, &report))
            continue;
        err = ed_blocking(tell, &report);
        wsgi_job_release(report.job);
    }
    return err;
}

int wsgi_watch(void *arg)
{
    struct wsgi_host *host = arg;
    int64_t patience = host->settings->queue_timeout;
    int err;

    while (!(err = ed_sleep(TICK))) {
        if (patience > 0)
            wsgi_pool_expire(host, ed_clock_monotonic() - patience);
        wsgi_pool_clean(host);
        int told = report_stuck(host);
        if (told == ED_ECANCELED)
            return told;
    }
    return err;
}
