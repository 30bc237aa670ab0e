/*
 * relay.c - the loop's side of a request: its body, its place in the line, its
 * reply.
 *
 * The fiber reads the whole body before it asks for a thread, and sends the
 * reply while the thread goes on: neither ever waits for the client in the
 * thread's stead. A request whose client left, whose deadline passed or that
 * stood in line for too long before its turn came is never run.
 */
#include "host.h"

#include <eddy/error.h>
#include <eddy/fiber.h>
#include <stdlib.h>
#include <string.h>
#include "serve/guest.h"

/* A client has left, and the application goes on: how often it is looked
 * whether the worker ends meanwhile. */
static const int64_t LOOK = 250 * ED_MS;

/* ---- what is told of it ---- */

static enum wsgi_stage stage_of(struct wsgi_job *job)
{
    struct wsgi_pool *pool = &job->host->pool;

    pthread_mutex_lock(&pool->lock);
    enum wsgi_stage stage = job->stage;
    pthread_mutex_unlock(&pool->lock);
    return stage;
}

static bool in_line(void *work)
{
    return stage_of(work) == WSGI_IN_LINE;
}

static const char *state(void *work)
{
    static const char *const states[] = {
        [WSGI_NEW] = "Python's turn to come",
        [WSGI_IN_LINE] = "a thread of Python",
        [WSGI_RUNNING] = "Python",
        [WSGI_OVER] = "the client to take the reply",
    };

    return states[stage_of(work)];
}

static void hold(void *work)
{
    wsgi_job_hold(work);
}

static void release(void *work)
{
    wsgi_job_release(work);
}

/* The thread is there as long as the host is. */
static void frames(void *work, ed_guest_frame_fn *fn, void *arg)
{
    struct wsgi_job *job = work;
    struct wsgi_pool *pool = &job->host->pool;

    pthread_mutex_lock(&pool->lock);
    struct wsgi_thread *thread = job->thread;
    pthread_mutex_unlock(&pool->lock);
    if (thread)
        wsgi_trace(thread, job, fn, arg);
}

const struct ed_guest wsgi_guest = {
    .name = "Python",
    .in_line = in_line,
    .state = state,
    .hold = hold,
    .release = release,
    .frames = frames,
};

/* ---- the reply ---- */

static int set_fields(const struct wsgi_job *job, ed_req *req)
{
    const char *at = job->head + strlen(job->head) + 1;
    const char *end = job->head + job->head_len;
    int err = ed_guest_reason(req, job->status, job->head);

    /* Without one of its own the application wants none. */
    if (!err && !job->has_type)
        err = ed_reply_header(req, "Content-Type", "");
    while (at < end && !err) {
        const char *value = at + strlen(at) + 1;
        err = ed_reply_header(req, at, value);
        at = value + strlen(value) + 1;
    }
    return err;
}

static int send_piece(ed_req *req, const struct wsgi_piece *piece)
{
    if (piece->fd >= 0)
        return ed_write_file(req, piece->fd, piece->offset, piece->len);
    return ed_write_bytes(req, ed_bytes_of(piece->bytes, (size_t)piece->len));
}

/* What there is of the reply at a time. */
struct part {
    struct wsgi_piece *pieces;
    bool committed, ended, failed;
};

static struct part take_part(struct wsgi_job *job)
{
    pthread_mutex_lock(&job->lock);
    struct part part = {job->pieces, job->committed, job->ended, job->failed};
    job->pieces = NULL;
    job->pieces_end = &job->pieces;
    pthread_mutex_unlock(&job->lock);
    return part;
}

static void note_sent(struct wsgi_job *job, int64_t taken)
{
    pthread_mutex_lock(&job->lock);
    job->queued -= taken;
    pthread_cond_broadcast(&job->room);
    pthread_mutex_unlock(&job->lock);
}

/* Unless there was an error before, which is returned then. Frees them, sent or
 * not. */
static int send_pieces(struct wsgi_job *job, ed_req *req,
                       struct wsgi_piece *piece, int err)
{
    while (piece) {
        struct wsgi_piece *next = piece->next;
        int64_t taken = wsgi_piece_takes(piece);

        if (!err)
            err = send_piece(req, piece);
        wsgi_piece_free(job->host, piece);
        note_sent(job, taken);
        piece = next;
    }
    return err;
}

static bool is_whole(const struct wsgi_job *job, const struct part *part)
{
    const struct wsgi_piece *piece = part->pieces;

    if (!part->ended || part->failed || job->no_reply_body)
        return false;
    if (!piece)
        return job->length <= 0;
    return !piece->next && piece->fd < 0 &&
           (job->length < 0 || job->length == piece->len);
}

static int send_whole(struct wsgi_job *job, ed_req *req,
                      struct wsgi_piece *piece)
{
    struct ed_bytes body = {0};

    if (piece)
        body = ed_bytes_of(piece->bytes, (size_t)piece->len);
    int err = ed_reply_bytes(req, job->status, NULL, body);
    if (piece) {
        note_sent(job, wsgi_piece_takes(piece));
        wsgi_piece_free(job->host, piece);
    }
    return err;
}

static int failure(void)
{
    return ed_fail(ED_EGUEST, "the lines above tell how");
}

static int await_change(struct wsgi_job *job)
{
    int err = ed_event_wait(&job->changed);

    ed_event_clear(&job->changed);
    return err;
}

static int begin_reply(struct wsgi_job *job, ed_req *req,
                       const struct part *part, bool *over)
{
    int err = set_fields(job, req);

    *over = !err && is_whole(job, part);
    if (*over)
        return send_whole(job, req, part->pieces);
    return err ? err : ed_reply_begin(req, job->status, job->length);
}

static int relay(struct wsgi_job *job, ed_req *req)
{
    bool begun = false, over = false;
    int err = 0;

    while (!err && !over) {
        struct part part = take_part(job);
        if (part.committed && !begun) {
            err = begin_reply(job, req, &part, &over);
            begun = true;
            if (over)
                break;
        }
        err = send_pieces(job, req, part.pieces, err);
        over = part.ended;
        if (!err && part.failed)
            err = failure();
        else if (!err && !over)
            err = await_change(job);
    }
    return err;
}

/* ---- the way there ---- */

/* Nobody will send what is still to come. */
static void forsake(struct wsgi_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->gone = true;
    pthread_cond_broadcast(&job->room);
    pthread_mutex_unlock(&job->lock);
}

/* The client has left, but the application cannot be stopped: the request
 * stays among those under way until it returns, or the worker ends. */
static void stay_until_over(struct wsgi_job *job)
{
    while (stage_of(job) == WSGI_RUNNING && !ed_app_stopping(job->host->app)) {
        ed_shield(look, LOOK);
        (void)look;
        (void)await_change(job);
    }
}

static int send_away(struct wsgi_host *host, ed_req *req)
{
    return ed_guest_send_away(req, wsgi_pool_wait(host));
}

/* The worker's counts of those who wait are set right whenever one of them
 * comes or goes. */
static void show_line(struct wsgi_host *host, ed_req *req)
{
    int now = (int)atomic_load(&host->pool.waiting);

    if (now != host->shown)
        ed_guest_line(req, now - host->shown);
    host->shown = now;
}

/* Until a thread has said something, or the wait is in vain. */
static int await_thread(struct wsgi_job *job)
{
    int err = await_change(job);

    return job->expired ? ED_EOVERLOAD : err;
}

static int answer(struct wsgi_job *job, ed_req *req)
{
    struct wsgi_host *host = job->host;
    int err = wsgi_pool_add(host, job);

    if (!err) {
        show_line(host, req);
        err = await_thread(job);
        if (job->waited)
            ed_guest_waited(req, job->waited);
        show_line(host, req);
    }
    if (!err)
        err = relay(job, req);
    if (err == ED_EOVERLOAD && !ed_reply_began(req))
        return send_away(host, req);
    if (!err)
        return 0;
    if (wsgi_pool_withdraw(host, job))
        return err;
    forsake(job);
    if (err == ED_ECANCELED)
        stay_until_over(job);
    return err;
}

static bool is_vital(const struct wsgi_host *host, const char *path)
{
    const struct ed_texts *vital = &host->settings->vital;

    for (size_t i = 0; i < vital->count; i++) {
        if (!strcmp(vital->each[i], path))
            return true;
    }
    return false;
}

static int run(struct wsgi_host *host, ed_req *req)
{
    struct wsgi_body body;
    int err = wsgi_body_read(&body, req, host->settings);

    if (err)
        return err;
    struct wsgi_job *job = wsgi_job_new(host, req);
    if (!job) {
        wsgi_body_free(&body);
        return ED_ENOMEM;
    }
    job->body = body;
    job->vital = is_vital(host, ed_req_path(req));
    err = ed_guest_works(req, &wsgi_guest, job);
    if (!err) {
        err = answer(job, req);
        (void)!ed_guest_works(req, &wsgi_guest, NULL); /* it is noted */
    }
    wsgi_job_release(job);
    return err;
}

/* Whether the path is one of the application's. */
static bool is_ours(const struct wsgi_host *host, const char *path)
{
    size_t len = strlen(host->script_name);

    return !len || (!strncmp(path, host->script_name, len) &&
                    (path[len] == '/' || !path[len]));
}

static bool is_static(const struct wsgi_host *host, const char *path)
{
    for (size_t i = 0; i < host->static_count; i++) {
        const char *prefix = host->statics[i];
        size_t len = strlen(prefix);
        if (!strncmp(path, prefix, len) && (path[len] == '/' || !path[len]))
            return true;
    }
    return false;
}

int wsgi_handle(ed_req *req, void *arg)
{
    struct wsgi_host *host = arg;
    const char *path = ed_req_path(req);

    /* "*", and the target of CONNECT, which has none. */
    if (*path != '/')
        return ed_fail(ED_ENOTFOUND, "'%.80s' is no path", ed_req_target(req));
    if (is_static(host, path))
        return 0; /* the app's own routes answer */
    if (!is_ours(host, path))
        return ed_fail(ED_ENOTFOUND, "not below %s", host->script_name);
    int err = run(host, req);
    return err < 0 ? err : 1;
}
