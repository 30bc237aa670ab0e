/*
 * reply.c - what the application gives, on its way to the loop.
 *
 * Each piece is put in the job's queue and sent while the application makes the
 * next. When the client is slow, and so many bytes wait as `reply-buffer` says,
 * what follows is put in a file; only when that may not grow either is the
 * thread made to wait, without the interpreter. Small pieces are copied, and
 * large ones kept as the objects they are.
 */
#include "host.h"

#include <eddy/clock.h>
#include <stdlib.h>
#include <string.h>

/* Below this a copy costs less than to have an object dropped later. */
enum { COPIED = 2 * 1024 };

static bool has_body(const struct wsgi_job *job)
{
    return !job->no_reply_body && job->status != 204 && job->status != 304;
}

bool wsgi_reply_full(const struct wsgi_job *job)
{
    return job->status &&
           (!has_body(job) || (job->length >= 0 && job->given >= job->length));
}

/* ---- the queue ---- */

static int client_left(void)
{
    PyErr_SetString(PyExc_ConnectionResetError, "the client has left");
    return -1;
}

/* A client is not slow because the application is faster: only if it does not
 * take half of reply-buffer in that time. */
static const int64_t PATIENCE = 50 * ED_MS;

static int64_t most_ahead(const struct wsgi_job *job)
{
    return (int64_t)job->host->settings->reply_buffer;
}

/* With the job's lock. Until there is room, or the client is seen to be slow;
 * then, if what follows cannot be put in a file either, until there is room. */
static void await_client(struct wsgi_job *job)
{
    int64_t until = ed_clock_monotonic() + PATIENCE;
    struct timespec at = {until / ED_S, until % ED_S};
    bool may_spill = !job->slow && job->host->settings->reply_spool;
    int err = 0;

    while (job->queued > most_ahead(job) / 2 && !job->gone && !err)
        err = may_spill ? pthread_cond_clockwait(&job->room, &job->lock,
                                                 CLOCK_MONOTONIC, &at)
                        : pthread_cond_wait(&job->room, &job->lock);
    job->slow = err;
}

/* With the job's lock, which is given back. */
static int await_room(struct wsgi_job *job, bool spilled)
{
    bool full = job->queued > most_ahead(job) && !job->ended;

    if (full && !spilled && !job->gone) {
        pthread_mutex_unlock(&job->lock);
        PyThreadState *state = PyEval_SaveThread();
        pthread_mutex_lock(&job->lock);
        await_client(job);
        pthread_mutex_unlock(&job->lock);
        PyEval_RestoreThread(state);
        pthread_mutex_lock(&job->lock);
    }
    bool gone = job->gone;
    pthread_mutex_unlock(&job->lock);
    return gone ? client_left() : 0;
}

/* What a forked process says to a client whom its parent speaks to. */
static int not_ours(struct wsgi_job *job, struct wsgi_piece *piece)
{
    if (piece)
        wsgi_piece_free(job->host, piece);
    PyErr_SetString(PyExc_RuntimeError,
                    "a process that was forked while a request was answered "
                    "cannot go on with the reply");
    return -1;
}

static bool is_slow(struct wsgi_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->slow &= job->queued > most_ahead(job) / 2 && !job->gone;
    bool slow = job->slow;
    pthread_mutex_unlock(&job->lock);
    return slow;
}

/* With the job's lock. A part of the file that goes on where the last one ends
 * is the same part. */
static void put(struct wsgi_job *job, struct wsgi_piece *piece)
{
    struct wsgi_piece *last =
        job->pieces ? ED_CONTAINER(job->pieces_end, struct wsgi_piece, next)
                    : NULL;

    if (last && last->spilled && piece->spilled) {
        last->len += piece->len;
        free(piece);
        return;
    }
    *job->pieces_end = piece;
    job->pieces_end = &piece->next;
    job->queued += wsgi_piece_takes(piece);
}

/* Adds a piece, which may be none, and commits the head. */
static int add(struct wsgi_job *job, struct wsgi_piece *piece, bool end)
{
    if (wsgi_pool_forked())
        return not_ours(job, piece);
    if (piece && !end && is_slow(job))
        wsgi_spill(job, piece);
    pthread_mutex_lock(&job->lock);
    job->committed = true;
    if (end)
        job->ended = true;
    bool spilled = piece && piece->spilled;
    if (piece)
        put(job, piece);
    wsgi_job_tell(job);
    return await_room(job, spilled);
}

void wsgi_reply_end(struct wsgi_job *job)
{
    if (!job->ended && add(job, NULL, true))
        PyErr_Clear(); /* that the client left is no failure of the last */
}

void wsgi_reply_fail(struct wsgi_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->ended = job->failed = true;
    wsgi_job_tell(job);
    pthread_mutex_unlock(&job->lock);
}

/* ---- pieces ---- */

/* How much of so many bytes belongs to the reply. */
static int64_t share(const struct wsgi_job *job, int64_t len)
{
    int64_t left = job->length - job->given;

    if (!has_body(job))
        return 0;
    return job->length >= 0 && len > left ? left : len;
}

/* The only piece says it, where the application has not. That of a 304 would be
 * the length of what is not sent (RFC 9110, 8.6). */
static void know_length(struct wsgi_job *job, int64_t len)
{
    if (job->length < 0 && !job->committed && job->status != 304)
        job->length = len;
}

static int check(const struct wsgi_job *job)
{
    if (job->status)
        return 0;
    PyErr_SetString(PyExc_AssertionError,
                    "there is a body, and start_response() was not called");
    return -1;
}

static struct wsgi_piece *piece_of(const struct wsgi_job *job, PyObject *chunk,
                                   size_t len)
{
    struct wsgi_piece *piece = wsgi_piece_new(len < COPIED ? len : 0);

    if (!piece) {
        PyErr_NoMemory();
        return NULL;
    }
    if (len < COPIED) {
        memcpy(piece + 1, PyBytes_AS_STRING(chunk), len);
        return piece;
    }
    /* A stream may last, and nobody else be there to drop what was sent. */
    wsgi_pool_empty(job->host);
    Py_INCREF(chunk);
    piece->kept = chunk;
    piece->bytes = PyBytes_AS_STRING(chunk);
    piece->len = (int64_t)len;
    return piece;
}

int wsgi_reply_piece(struct wsgi_job *job, PyObject *chunk, enum wsgi_more more)
{
    struct wsgi_piece *piece = NULL;

    if (!PyBytes_Check(chunk)) {
        PyErr_Format(PyExc_TypeError,
                     "a body is made of bytes, and this is a %.100s",
                     Py_TYPE(chunk)->tp_name);
        return -1;
    }
    int64_t len = PyBytes_GET_SIZE(chunk);
    if (!len && more == WSGI_MORE)
        return 0; /* nothing is sent for nothing */
    if (check(job))
        return -1;
    if (more == WSGI_ONLY)
        know_length(job, len);
    len = share(job, len);
    job->given += len;
    if (len && !(piece = piece_of(job, chunk, (size_t)len)))
        return -1;
    bool end = more != WSGI_MORE || wsgi_reply_full(job);
    return piece || end ? add(job, piece, end) : 0;
}

int wsgi_reply_file(struct wsgi_job *job, int fd, int64_t offset, int64_t len)
{
    if (check(job))
        return -1;
    know_length(job, len);
    len = share(job, len);
    job->given += len;
    if (!len)
        return add(job, NULL, true);
    struct wsgi_piece *piece = wsgi_piece_new(0);
    int own = piece ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (own < 0) {
        free(piece);
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    piece->fd = own;
    piece->offset = offset;
    piece->len = len;
    return add(job, piece, true);
}
