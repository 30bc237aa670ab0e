/*
 * guest.c - what lies between a worker and code of another language in it.
 */
#include "serve/guest.h"

#include <eddy/error.h>
#include <string.h>
#include "core/report.h"
#include "http/message.h"
#include "http/observer.h"
#include "net/stream.h"
#include "serve/worker_internal.h"

struct work {
    const struct ed_guest *guest;
    void *work;
};

/* The address of this is the key of the note. */
static const char key;

int ed_guest_works(ed_req *req, const struct ed_guest *guest, void *work)
{
    struct work *noted = (struct work *)ed_req_noted(req, &key);

    if (!noted) {
        noted = ed_arena_alloc(req->arena, sizeof *noted);
        if (!noted || ed_req_note(req, &key, noted))
            return ED_ENOMEM;
    }
    *noted = (struct work){guest, work};
    return 0;
}

const struct ed_guest *ed_guest_of(const ed_req *req, void **work)
{
    const struct work *noted = ed_req_noted(req, &key);

    if (!noted || !noted->work)
        return NULL;
    *work = noted->work;
    return noted->guest;
}

void ed_guest_line(ed_req *req, int more)
{
    ed_requests_line(req, more);
}

void ed_guest_waited(ed_req *req, int64_t waited)
{
    ed_requests_waited(req, waited);
}

int ed_guest_send_away(ed_req *req, int64_t wait)
{
    return ed_requests_send_away(req, wait);
}

int ed_guest_reason(ed_req *req, int status, const char *reason)
{
    struct ed_bytes given = ed_bytes(reason);

    if (!ed_http1_is_value(given))
        return ED_EUSAGE;
    if (!strcmp(reason, ed_http_reason(status)))
        return 0;
    const char *copy = ed_arena_copy(req->arena, given);
    if (!copy)
        return ED_ENOMEM;
    req->reply.reason = ed_bytes_of(copy, given.len);
    return 0;
}

void ed_guest_defer(struct ed_deferred *deferred)
{
    ed_defer(ed_loop_current(), deferred);
}

void ed_guest_log_id(const char *id)
{
    ed_req_log_thread(id);
}

void ed_guest_local(const ed_req *req, char out[ED_ADDR_TEXT])
{
    ed_stream *stream = req->ops->transport ? req->ops->transport(req) : NULL;

    out[0] = '\0';
    if (stream)
        ed_stream_local(stream, out);
}

bool ed_guest_try(void (*fn)(void *arg), void *arg)
{
    return ed_report_try(fn, arg);
}
