/*
 * fetch.c - fetches, and clients to fetch by, as calls that are handed over.
 *
 * What the caller gives is copied into the ticket's arena, which nobody else
 * uses until the call is handed over, and in which the response is then made.
 */
#include "offload/ticket.h"

#include <errno.h>
#include <string.h>
#include <eddy/clock.h>
#include "base/moment.h"
#include "base/options.h"

/* Read at once, at most: memory of the ticket's. */
#define READ_MAX ((size_t)1024 * 1024)

/* ---- copying ---- */

static const size_t fetch_texts[] = {
    offsetof(struct ed_fetch_options, method),
    offsetof(struct ed_fetch_options, file),
    offsetof(struct ed_fetch_options, content_type),
    offsetof(struct ed_fetch_options, user),
    offsetof(struct ed_fetch_options, password),
    offsetof(struct ed_fetch_options, bearer),
    offsetof(struct ed_fetch_options, etag),
    offsetof(struct ed_fetch_options, range),
    offsetof(struct ed_fetch_options, if_range),
};

static const size_t client_texts[] = {
    offsetof(struct ed_client_options, local),
    offsetof(struct ed_client_options, proxy),
    offsetof(struct ed_client_options, no_proxy),
    offsetof(struct ed_client_options, user_agent),
    offsetof(struct ed_client_options, deadline_header),
    offsetof(struct ed_client_options, trace_header),
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A text, which may be NULL, in place of itself. */
static int copy_text(ed_arena *arena, const char **text)
{
    if (*text)
        *text = ed_arena_copy(arena, ed_bytes(*text));
    else
        return 0;
    return *text ? 0 : ED_ENOMEM;
}

/* The texts at these offsets of a structure. */
static int copy_texts(ed_arena *arena, void *of, const size_t *offsets,
                      size_t count)
{
    int err = 0;

    for (size_t i = 0; i < count && !err; i++)
        err = copy_text(arena, (const char **)((char *)of + offsets[i]));
    return err;
}

/* A list of texts that ends with NULL; it may be NULL itself. */
static int copy_list(ed_arena *arena, const char *const **list)
{
    size_t count = 0;
    int err = 0;

    if (!*list)
        return 0;
    while ((*list)[count])
        count++;
    const char **copy = ed_arena_zalloc(arena, (count + 1) * sizeof *copy);
    if (!copy)
        return ED_ENOMEM;
    for (size_t i = 0; i < count && !err; i++) {
        copy[i] = (*list)[i];
        err = copy_text(arena, &copy[i]);
    }
    *list = copy;
    return err;
}

static int copy_body(ed_arena *arena, struct ed_bytes *body)
{
    if (!body->ptr)
        return 0;
    body->ptr = ed_arena_copy(arena, *body);
    return body->ptr ? 0 : ED_ENOMEM;
}

/* A ticket with an arena, and memory in that for what the call is about; NULL:
 * no memory. */
static ed_ticket *new_ticket(ed_offload_fn *fn, size_t size, const char *name,
                             const char *place)
{
    ed_ticket *t = ed_ticket_new(fn, NULL, name, place,
                                 ED_OPTIONS(struct ed_offload_options));

    if (!t)
        return NULL;
    t->arena = ed_arena_new(0);
    t->arg = t->arena ? ed_arena_zalloc(t->arena, size) : NULL;
    if (t->arg)
        return t;
    ed_ticket_free(t);
    return NULL;
}

static ed_ticket *submit(ed_ticket *t, int err)
{
    if (!err)
        return ed_offload_submit(t);
    ed_offload_deliver(t, err);
    return t;
}

/* ---- fetching ---- */

struct fetch {
    const char *url;
    ed_ticket *client; /* a reference, or NULL */
    int64_t deadline;  /* with a timeout */
    struct ed_fetch_options options;
};

/* The time in the queue counts. */
static int take_time(struct fetch *f)
{
    if (f->options.timeout <= 0)
        return 0;
    f->options.timeout = f->deadline - ed_clock_monotonic();
    return f->options.timeout > 0
               ? 0
               : ed_fail(ED_ETIMEOUT, "the time passed before it began");
}

static int take_client(struct fetch *f)
{
    void *client;

    if (!f->client)
        return 0;
    int err = ed_ticket_at_home(f->client, &client);
    if (!err)
        f->options.client = client;
    return err;
}

static int run_fetch(void *arg, ed_arena *arena, void **value)
{
    struct fetch *f = arg;
    ed_res *res;

    (void)arena; /* the fiber's, where the response lies */
    int err = take_time(f);
    if (!err)
        err = take_client(f);
    if (!err)
        err = ed_fetch_with(&res, f->url, &f->options);
    if (!err)
        *value = res;
    return err;
}

static void end_fetch(void *arg)
{
    struct fetch *f = arg;

    ed_ticket_free(f->client);
}

static void close_response(void *res)
{
    ed_res_close(res);
}

static int copy_fetch(ed_ticket *t, struct fetch *f, const char *url)
{
    f->url = url;
    int err = copy_text(t->arena, &f->url);
    if (!err)
        err =
            copy_texts(t->arena, &f->options, fetch_texts, COUNT(fetch_texts));
    if (!err)
        err = copy_list(t->arena, &f->options.headers);
    if (!err)
        err = copy_body(t->arena, &f->options.body);
    return err;
}

ed_ticket *ed_offload_fetch_at_(ed_ticket *client, const char *url,
                                const char *place,
                                const struct ed_fetch_options *options)
{
    ed_ticket *t = new_ticket(run_fetch, sizeof(struct fetch), "fetch", place);

    if (!t)
        return NULL;
    struct fetch *f = t->arg;
    ed_options_take(&f->options, sizeof f->options, options);
    f->options.size = sizeof f->options;
    f->deadline = ed_moment_after(t->began, f->options.timeout);
    f->client = ed_ticket_ref(client);
    t->free_arg = end_fetch;
    if (f->options.stream) {
        t->at_home = true;
        t->free_value = close_response;
        t->keeps = ed_ticket_ref(client);
    }
    return submit(t, copy_fetch(t, f, url));
}

int ed_fetch_blocking_at_(ed_ticket **ticket, const char *url,
                          const char *place,
                          const struct ed_fetch_options *options)
{
    *ticket = NULL;
    if (ed_offload_inside())
        return -EDEADLK;
    *ticket = ed_offload_fetch_at_(NULL, url, place, options);
    return ed_ticket_wait(*ticket, -1);
}

/* ---- reading on ---- */

struct read {
    ed_ticket *fetched; /* a reference */
    size_t len;
};

static int read_on(ed_res *res, size_t len, ed_arena *arena, void **value)
{
    struct ed_bytes *got = ed_arena_zalloc(arena, sizeof *got);
    char *buf = ed_arena_alloc(arena, len);

    if (!got || !buf)
        return ED_ENOMEM;
    ssize_t n = ed_res_read(res, buf, len);
    if (n < 0)
        return (int)n;
    *got = (struct ed_bytes){buf, (size_t)n};
    *value = got;
    return 0;
}

static int run_read(void *arg, ed_arena *arena, void **value)
{
    struct read *r = arg;
    ed_ticket *fetched = r->fetched;
    void *res;

    if (!fetched || fetched->fn != run_fetch || fetched->reading)
        return ED_EUSAGE;
    int err = ed_ticket_at_home(fetched, &res);
    if (err)
        return err;
    fetched->reading = true;
    err = read_on(res, r->len, arena, value);
    fetched->reading = false;
    return err;
}

static void end_read(void *arg)
{
    struct read *r = arg;

    ed_ticket_free(r->fetched);
}

ed_ticket *ed_offload_read_at_(ed_ticket *fetched, size_t len,
                               const char *place)
{
    ed_ticket *t = new_ticket(run_read, sizeof(struct read), "read on", place);

    if (!t)
        return NULL;
    struct read *r = t->arg;
    r->fetched = ed_ticket_ref(fetched);
    r->len = len < READ_MAX ? len : READ_MAX;
    t->free_arg = end_read;
    return submit(t, 0);
}

/* ---- clients ---- */

static int run_client(void *arg, ed_arena *arena, void **value)
{
    ed_client *client = ed_client_new_with(arg);

    (void)arena;
    if (!client)
        return ed_fail(ED_EUSAGE, "%s", ed_error());
    *value = client;
    return 0;
}

static void close_client(void *client)
{
    ed_client_free(client);
}

ed_ticket *ed_offload_client_at_(const char *place,
                                 const struct ed_client_options *options)
{
    ed_ticket *t = new_ticket(run_client, sizeof(struct ed_client_options),
                              "client", place);

    if (!t)
        return NULL;
    struct ed_client_options *o = t->arg;
    ed_options_take(o, sizeof *o, options);
    o->size = sizeof *o;
    t->at_home = true;
    t->free_value = close_client;
    int err = copy_texts(t->arena, o, client_texts, COUNT(client_texts));
    if (!err)
        err = copy_list(t->arena, &o->hosts);
    return submit(t, err);
}
