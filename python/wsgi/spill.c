/*
 * spill.c - what a reply is ahead of a slow client, in a file.
 *
 * So a thread goes on with another request, and memory is needed for
 * `reply-buffer` only. A reply has one file, without a name, which grows until
 * the job is over; those of all replies together have `reply-spool` at most.
 * Where there is no room, or no file, the thread waits for the client.
 */
#include "host.h"

#include <errno.h>

static bool reserve(struct wsgi_host *host, int64_t len)
{
    int64_t most = (int64_t)host->settings->reply_spool;

    if (atomic_fetch_add(&host->spilled, len) + len <= most)
        return true;
    atomic_fetch_sub(&host->spilled, len);
    return false;
}

static int write_out(struct wsgi_job *job, const char *bytes, size_t len)
{
    size_t done = 0;

    if (job->spill_fd < 0)
        job->spill_fd = wsgi_spool_open(job->host->settings);
    if (job->spill_fd < 0)
        return job->spill_fd;
    while (done < len) {
        ssize_t n = pwrite(job->spill_fd, bytes + done, len - done,
                           job->spilled + (int64_t)done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

void wsgi_spill(struct wsgi_job *job, struct wsgi_piece *piece)
{
    int err;

    /* write() may be called on several threads. */
    if (job->spilling || !reserve(job->host, piece->len))
        return;
    job->spilling = true;
    Py_BEGIN_ALLOW_THREADS
    err = write_out(job, piece->bytes, (size_t)piece->len);
    Py_END_ALLOW_THREADS
    job->spilling = false;
    if (err) {
        atomic_fetch_sub(&job->host->spilled, piece->len);
        return;
    }
    Py_CLEAR(piece->kept);
    piece->bytes = NULL;
    piece->fd = job->spill_fd;
    piece->spilled = true;
    piece->offset = job->spilled;
    job->spilled += piece->len;
}

void wsgi_spill_end(struct wsgi_job *job)
{
    if (job->spill_fd >= 0)
        close(job->spill_fd);
    atomic_fetch_sub(&job->host->spilled, job->spilled);
}
