/*
 * fetch.c - a fetch as it is called: its options, its end, and in a fiber of
 * its own.
 */
#include "base/options.h"
#include "base/moment.h"
#include "http/decoding.h"
#include "http/fetch_span.h"
#include "http/payload.h"
#include "http/watch.h"

/* All of a journey, within the time that it has. */
static int run_within(struct ed_journey *j, ed_res **out)
{
    j->deadline =
        ed_moment_after(ed_loop_now_exact(j->client->loop), j->timeout);
    ed_scope(s, .deadline = j->deadline, .name = "fetch");
    return ed_journey_run(j, out);
}

static int run(struct ed_journey *j, ed_res **out)
{
    int64_t timeout = j->options.timeout;
    int err = ed_journey_begin(j);

    if (!err)
        err = ed_payload_open(j);
    j->timeout = timeout ? timeout : j->client->timeout;
    if (!err)
        err = j->timeout > 0 ? run_within(j, out) : ed_journey_run(j, out);
    if (!err)
        err = ed_decoding_begin(j, *out);
    /* With `stream` the rest of it may be sent after the response began. */
    if (!err && (*out)->stream)
        (*out)->payload = j->payload;
    else
        ed_payload_close(j->payload);
    if (err)
        *out = NULL;
    return err;
}

int ed_fetch_upgrade(ed_res **out, struct ed_upgrade *upgrade, const char *url,
                     const struct ed_fetch_options *options)
{
    struct ed_journey j = {.url = url, .upgrade = upgrade};
    struct ed_fetch_span span;

    *out = NULL;
    if (!ed_loop_current())
        return ED_EUSAGE;
    if (!url) /* ed_arena_printf() had no memory for it */
        return ed_fail(ED_ENOMEM, "no URL");
    ed_options_take(&j.options, sizeof(j.options), options);
    j.client = j.options.client;
    int err = j.client ? 0 : ed_client_of_loop(&j.client);
    if (err)
        return ed_fail(err, "no client: %s", ed_error());
    ED_MAGIC_CHECK(j.client, ED_CLIENT_MAGIC);
    j.client->requests++;
    bool traced = ed_fetch_span_begin(&j, &span);
    err = run(&j, out);
    if (traced)
        ed_fetch_span_end_(&j, &span, err ? 0 : (*out)->status, err);
    /* The end of a streamed response is told of by ed_res_close(). */
    if (err)
        ed_watch(&j, ED_PHASE_DONE, 0, err);
    else if (!j.options.stream)
        ed_watch(&j, ED_PHASE_DONE, (*out)->status, 0);
    return err;
}

int ed_fetch_with(ed_res **out, const char *url,
                  const struct ed_fetch_options *options)
{
    return ed_fetch_upgrade(out, NULL, url, options);
}

/* ---- in a fiber of its own ---- */

struct go_fetch {
    ed_res **out;
    const struct ed_fetch_options *options;
    char url[];
};

static int run_go_fetch(void *arg)
{
    static const struct ed_fetch_options defaults = {.size = sizeof(defaults)};
    struct go_fetch *go = arg;

    return ed_fetch_with(go->out, go->url,
                         go->options ? go->options : &defaults);
}

int ed_go_fetch_at_(ed_scope *scope, ed_res **out, const char *url,
                    const struct ed_fetch_options *options, const char *place)
{
    size_t len = url ? strlen(url) + 1 : 0;
    /* The scope may outlive the request that the caller works on. */
    struct go_fetch *go =
        url ? ed_arena_alloc(ed_scope_arena(scope), sizeof(*go) + len) : NULL;

    *out = NULL;
    if (!go)
        return ed_scope_refuse(scope, ED_ENOMEM, "fetch", place);
    go->out = out;
    go->options = options;
    memcpy(go->url, url, len);
    return ed_go_at_(scope, run_go_fetch, go, "fetch", place);
}
