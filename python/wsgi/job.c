/*
 * job.c - what lies between the fiber of a request and the thread that answers
 * it.
 *
 * Owns a copy of all that Python may ask about the request, so that a client
 * may leave, and the request end, while the application still runs. A job is
 * there until the last of fiber, thread and post has given it back; that may be
 * on either side, so what it holds of Python goes to the pool's trash.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include "serve/guest.h"

/* ---- the copy ---- */

struct copying {
    char *text;
    size_t at;
};

static const char *put(struct copying *c, struct ed_bytes bytes)
{
    char *to = c->text + c->at;

    if (bytes.len)
        memcpy(to, bytes.ptr, bytes.len);
    to[bytes.len] = '\0';
    c->at += bytes.len + 1;
    return to;
}

/* The texts of a request, and where the job has them. */
struct text {
    const char *from;
    size_t to;
};

enum { TEXTS = 9 };

static size_t texts_of(ed_req *req, const char *local, struct text *texts)
{
    const struct text all[TEXTS] = {
        {ed_req_id(req), offsetof(struct wsgi_job, id)},
        {ed_req_method(req), offsetof(struct wsgi_job, method)},
        {ed_req_path(req), offsetof(struct wsgi_job, path)},
        {ed_req_query(req), offsetof(struct wsgi_job, query)},
        {ed_req_target(req), offsetof(struct wsgi_job, target)},
        {ed_req_scheme(req), offsetof(struct wsgi_job, scheme)},
        {ed_req_host(req), offsetof(struct wsgi_job, authority)},
        {ed_req_peer(req), offsetof(struct wsgi_job, peer)},
        {local, offsetof(struct wsgi_job, local)},
    };
    size_t bytes = 0;

    memcpy(texts, all, sizeof all);
    for (size_t i = 0; i < TEXTS; i++)
        bytes += strlen(texts[i].from) + 1;
    return bytes;
}

static size_t fields_of(const ed_req *req, uint32_t *count)
{
    struct ed_bytes name, value;
    size_t bytes = 0;

    for (*count = 0; ed_header_at(req, *count, &name, &value); ++*count)
        bytes += name.len + value.len + 2;
    return bytes;
}

static void copy_fields(struct wsgi_job *job, const ed_req *req,
                        struct copying *c)
{
    struct ed_bytes name, value;

    for (uint32_t i = 0; i < job->field_count; i++) {
        struct wsgi_field *f = &job->fields[i];
        (void)ed_header_at(req, i, &name, &value);
        f->name = (uint32_t)(put(c, name) - job->text);
        f->name_len = (uint32_t)name.len;
        f->value = (uint32_t)(put(c, value) - job->text);
        f->value_len = (uint32_t)value.len;
    }
}

struct wsgi_job *wsgi_job_new(struct wsgi_host *host, ed_req *req)
{
    char local[ED_ADDR_TEXT] = "";
    struct text texts[TEXTS];
    uint32_t count;

    if (!*ed_req_host(req))
        ed_guest_local(req, local);
    size_t bytes = texts_of(req, local, texts) + fields_of(req, &count);
    struct wsgi_job *job =
        malloc(sizeof *job + count * sizeof *job->fields + bytes);
    if (!job)
        return NULL;
    memset(job, 0, offsetof(struct wsgi_job, head_store));
    memset(&job->lock, 0, sizeof *job - offsetof(struct wsgi_job, lock));
    job->host = host;
    job->refs = 1;
    job->fields = (struct wsgi_field *)(job + 1);
    job->field_count = count;
    job->text = (char *)(job->fields + count);
    struct copying c = {.text = job->text};
    for (size_t i = 0; i < TEXTS; i++)
        *(const char **)((char *)job + texts[i].to) =
            put(&c, ed_bytes(texts[i].from));
    copy_fields(job, req, &c);
    job->version = ed_req_version(req);
    job->no_reply_body = !strcmp(job->method, "HEAD");
    job->body.fd = job->spill_fd = -1;
    job->length = -1;
    job->head = job->head_store;
    job->head_room = sizeof job->head_store;
    job->pieces_end = &job->pieces;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->room, NULL);
    return job;
}

void wsgi_job_hold(struct wsgi_job *job)
{
    atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
}

void wsgi_job_release(struct wsgi_job *job)
{
    if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) > 1)
        return;
    while (job->pieces) {
        struct wsgi_piece *piece = job->pieces;
        job->pieces = piece->next;
        wsgi_piece_free(job->host, piece);
    }
    wsgi_body_free(&job->body);
    wsgi_spill_end(job);
    if (job->head != job->head_store)
        free(job->head);
    pthread_cond_destroy(&job->room);
    pthread_mutex_destroy(&job->lock);
    free(job);
}

/* ---- pieces ---- */

struct wsgi_piece *wsgi_piece_new(size_t len)
{
    struct wsgi_piece *piece = malloc(sizeof *piece + len);

    if (!piece)
        return NULL;
    *piece = (struct wsgi_piece){
        .bytes = (const char *)(piece + 1),
        .fd = -1,
        .len = (int64_t)len,
    };
    return piece;
}

int64_t wsgi_piece_takes(const struct wsgi_piece *piece)
{
    return (int64_t)sizeof *piece + (piece->fd < 0 ? piece->len : 0);
}

void wsgi_piece_free(struct wsgi_host *host, struct wsgi_piece *piece)
{
    if (piece->kept)
        wsgi_pool_drop(host, piece->kept);
    if (piece->fd >= 0 && !piece->spilled)
        close(piece->fd);
    free(piece);
}
