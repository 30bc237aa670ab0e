/*
 * journey.c - the requests that a fetch takes, one after the other.
 *
 * Owns the order of things between two of them: cookies are taken from every
 * response, then a challenge is answered, then a redirect followed. What each
 * of these means is in a file of its own; here none of them costs a plain fetch
 * more than a test.
 */
#include "http/journey.h"
#include "http/attempt.h"
#include "http/auth.h"
#include "http/conditional.h"
#include "http/jar.h"
#include "http/policy.h"
#include "http/redirect.h"
#include "http/response.h"
#include <stdio.h>

/* Of a response that is not given to the caller so much is read, when it is
 * streamed, to keep its connection, and for so long: another connection would
 * not take longer. */
enum { WORTH_READING = 16 * 1024 };
static const int64_t WORTH_WAITING = 100 * ED_MS;

int ed_journey_field(struct ed_journey *journey, struct ed_bytes name,
                     struct ed_bytes value)
{
    struct ed_request_field *field =
        ed_arena_alloc(ed_fiber_arena(), sizeof(*field));

    if (!field)
        return ed_journey_explain(journey, ED_ENOMEM,
                                  "no memory for the request");
    *field = (struct ed_request_field){journey->fields, name, value, NULL};
    journey->fields = field;
    return 0;
}

int ed_journey_explain(const struct ed_journey *journey, int err,
                       const char *fmt, ...)
{
    char what[256]; /* an error's text has no more room */
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return ed_fail(err, "%.20s %.120s: %s",
                   ed_attempt_method(&journey->options), journey->url, what);
}

int64_t ed_journey_connect_within(const struct ed_journey *journey)
{
    int64_t own = journey->options.connect_timeout;

    if (own)
        return own > 0 ? own : 0;
    return ed_timeout_within(&journey->client->timeouts, ED_TIMEOUT_CONNECT);
}

int ed_journey_rewind(struct ed_journey *journey, const char *why)
{
    const struct ed_fetch_options *o = &journey->options;

    if (!o->send || !journey->body_was_asked)
        return 0;
    if (!o->rewind)
        return ed_journey_explain(journey, ED_EUSAGE,
                                  "%s, but the body cannot be sent again"
                                  " without .rewind",
                                  why);
    int err = o->rewind(o->send_arg);
    if (err < 0)
        return ed_journey_explain(journey, err,
                                  "the body cannot be sent again: %s",
                                  ed_err_text(err));
    journey->body_was_asked = false;
    return 0;
}

/* ---- one request ---- */

/* Fields that depend on where the request goes. */
static int add_fields(struct ed_journey *j)
{
    const struct ed_fetch_options *o = &j->options;
    int err = 0;

    if (j->client->jar)
        err = ed_jar_send(j);
    if (!err && (o->user || o->bearer))
        err = ed_auth_send(j);
    return err;
}

static int send_one(struct ed_journey *j, ed_res **out)
{
    struct ed_request_field *lasting = j->fields;
    int err = add_fields(j);

    if (!err)
        err = j->upgrade ? ed_attempt(j, out) : ed_policy_send(j, out);
    j->fields = lasting;
    if (err)
        return err;
    if (!j->started)
        j->started = (*out)->timing.started;
    j->body_was_asked |= (*out)->body_was_asked;
    if (j->client->jar)
        ed_jar_receive(j, *out);
    if (j->options.user && j->options.auth != ED_AUTH_BASIC)
        ed_auth_receive(j, *out);
    return 0;
}

/* ---- between two requests ---- */

/* What has to be done before there is a response to give. 1: another request;
 * 0: nothing. */
static int go_on(struct ed_journey *j, const ed_res *res)
{
    int status = res->status;
    int more = 0;

    if (status == 401 && j->options.user)
        more = ed_auth_answer(j, res);
    else if (ed_redirect_is(status) && j->max_redirects)
        more = ed_redirect_follow(j, res);
    return more;
}

/* Discards a response; what little there is of it is read first, so that the
 * next request can have the connection. */
static void put_away(ed_res *res)
{
    char nothing[4096];
    size_t len = 0;
    ssize_t n = 1;

    if (!res->stream)
        return;
    if (res->body_kind == ED_BODY_LENGTH && res->body_length > WORTH_READING)
        n = 0;
    ed_scope(s, .within = WORTH_WAITING, .name = "rest of a response");
    while (n > 0 && len < WORTH_READING) {
        n = ed_res_read(res, nothing, sizeof(nothing));
        len += n > 0 ? (size_t)n : 0;
    }
    ed_res_discard(res);
}

/* ---- all of them ---- */

int ed_journey_begin(struct ed_journey *j)
{
    const struct ed_fetch_options *o = &j->options;
    int err = 0;

    j->max_redirects = j->client->max_redirects;
    if (o->max_redirects)
        j->max_redirects =
            o->max_redirects < 0 ? 0 : (unsigned)o->max_redirects;
    if (strchr(j->url, '@'))
        err = ed_redirect_take_userinfo(j);
    if (!err && (o->etag || o->modified_since || o->range))
        err = ed_conditional_fields(j);
    return err;
}

static int arrive(struct ed_journey *j, ed_res *res)
{
    res->timing.started = j->started;
    res->redirects = j->redirects;
    res->url = ed_arena_copy(res->arena, ed_bytes(j->url));
    if (res->url)
        return 0;
    return ed_journey_explain(j, ED_ENOMEM, "no memory for the response");
}

int ed_journey_run(struct ed_journey *journey, ed_res **out)
{
    ed_res *res = NULL;
    int more;

    do {
        if (res)
            put_away(res);
        int err = send_one(journey, &res);
        if (err)
            return err;
        more = go_on(journey, res);
    } while (more > 0);
    int err = more ? more : arrive(journey, res);
    if (err)
        ed_res_discard(res);
    else
        *out = res;
    return err;
}
