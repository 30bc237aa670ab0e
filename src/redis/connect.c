/*
 * connect.c - opening links.
 *
 * What introduces us goes out in one write; the answers are looked at in their
 * order. The password is never part of an error.
 */
#include "redis/connect.h"
#include "net/crypto.h"
#include "net/stream.h"
#include "redis/request.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

/* A peer that has vanished is found after about 90 s without anything to say,
 * and 30 s after something was said that it does not acknowledge. */
enum { PROBE_AFTER_S = 60, PROBE_EVERY_S = 10, PROBES = 3 };
enum { UNHEARD_MS = 30 * 1000 };

/* ---- the stream ---- */

/* Of no effect on a Unix socket. */
static void watch_peer(ed_stream *s)
{
    static const struct {
        int level, name, value;
    } settings[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, PROBE_AFTER_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, PROBE_EVERY_S},
        {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNHEARD_MS},
    };
    int fd = s->ops->fd(s);

    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        (void)setsockopt(fd, settings[i].level, settings[i].name,
                         &settings[i].value, sizeof(settings[i].value));
}

static int open_stream(ed_stream **out, const struct redis_target *target)
{
    int err = ed_connect(out, target->address);

    if (err)
        return err;
    watch_peer(*out);
    return target->secure ? ed_start_tls(out, target->tls,
                                         .server_name = target->server_name)
                          : 0;
}

/* ---- introducing oneself ---- */

enum step { STEP_AUTH, STEP_SELECT, STEP_NAME, STEP_PING };

struct introduction {
    struct redis_request request;
    enum step steps[4];
    unsigned at;             /* the answer that is next */
    enum step failed;        /* the first that was refused */
    char words[REDIS_WORDS]; /* "" if none was */
};

/* A user that may do little need not be able to do these. */
static bool may_be_forbidden(enum step step, const char *words)
{
    return (step == STEP_NAME || step == STEP_PING) &&
           !strncmp(words, "NOPERM", 6);
}

static void note(struct introduction *i, const char *words)
{
    enum step step = i->steps[i->at++];

    if (!words || *i->words || may_be_forbidden(step, words))
        return;
    i->failed = step;
    snprintf(i->words, sizeof(i->words), "%s", words);
}

static void answered(struct redis_call *call, const char *words)
{
    note(call->context, words);
}

static int add_step(struct introduction *i, enum step step, int err)
{
    if (!err)
        i->steps[i->request.commands - 1] = step;
    return err;
}

static int add_auth(struct introduction *i, const struct redis_target *t)
{
    const char *password = t->password;

    if (t->password_hook) {
        password = t->password_hook(t->password_arg);
        if (!password)
            return ed_fail(ED_EDATABASE, "no password: %s", ed_error());
    }
    if (!*password && !*t->user)
        return 0;
    struct ed_bytes argv[] = {ED_BYTES("AUTH"), ed_bytes(t->user),
                              ed_bytes(password)};
    if (*t->user)
        return add_step(i, STEP_AUTH, redis_request_argv(&i->request, 3, argv));
    argv[1] = argv[2];
    return add_step(i, STEP_AUTH, redis_request_argv(&i->request, 2, argv));
}

static int write_introduction(struct introduction *i,
                              const struct redis_target *t)
{
    struct redis_request *r = &i->request;
    int err = add_auth(i, t);

    if (!err && t->db)
        err = add_step(i, STEP_SELECT,
                       redis_request_formatf(r, "SELECT %u", t->db));
    if (!err && *t->name)
        err = add_step(i, STEP_NAME,
                       redis_request_formatf(r, "CLIENT SETNAME %s", t->name));
    if (!err)
        err = add_step(i, STEP_PING, redis_request_formatf(r, "PING"));
    return err;
}

static int refused(const struct introduction *i)
{
    static const char *const steps[] = {"AUTH", "SELECT", "CLIENT SETNAME",
                                        "PING"};

    return ed_fail(ED_EDATABASE, "%s: %s", steps[i->failed], i->words);
}

static int say(struct redis_link *link, struct introduction *i)
{
    struct redis_call call;

    redis_call_init(&call, NULL);
    call.replies = i->request.commands;
    call.each = answered;
    call.context = i;
    int err = redis_link_call(link, &call, redis_request_bytes(&i->request));
    if (err)
        return err;
    if (call.fate != REDIS_ANSWERED)
        return ed_fail(ED_EDATABASE, "%s", call.words);
    note(i, call.err ? call.words : NULL);
    return *i->words ? refused(i) : 0;
}

static int introduce(struct redis_link *link, const struct redis_target *t)
{
    struct introduction i = {0};

    redis_request_init(&i.request);
    int err = write_introduction(&i, t);
    if (!err)
        err = say(link, &i);
    ed_erase(i.request.ptr, i.request.len);
    redis_request_free(&i.request);
    return err;
}

/* ---- both ---- */

static int open_link(struct redis_link **out, const struct redis_target *target,
                     const struct redis_link_options *options)
{
    ed_stream *s = NULL;
    struct redis_link *link;
    int err = open_stream(&s, target);

    if (err) {
        ed_stream_close(s);
        return err;
    }
    err = redis_link_new(&link, s, target->max_reply, options);
    if (err)
        return err;
    err = introduce(link, target);
    if (!err && !redis_link_up(link))
        err = ed_fail(ED_EDATABASE, "closed by the server");
    if (err) {
        redis_link_close(link, "");
        return err;
    }
    redis_link_own(link);
    *out = link;
    return 0;
}

static int open_in_time(struct redis_link **out,
                        const struct redis_target *target,
                        const struct redis_link_options *options)
{
    ed_scope(s, .within = target->connect_timeout, .name = "connect to Redis");

    return open_link(out, target, options);
}

static bool names_address(int err)
{
    return err == ED_ECONNECT || err == ED_ERESOLVE;
}

int redis_link_open(struct redis_link **out, const struct redis_target *target,
                    const struct redis_link_options *options)
{
    int err = open_in_time(out, target, options);

    if (!err || err == ED_ENOMEM || ed_cancelled())
        return err;
    if (err == ED_ETIMEOUT)
        return ed_fail(ED_EDATABASE, "Redis at %s: no answer in time",
                       target->address);
    const char *why = ed_error_of(err);
    if (names_address(err) && *why)
        return ed_fail(ED_EDATABASE, "Redis: %s", why);
    return ed_fail(ED_EDATABASE, "Redis at %s: %s", target->address,
                   *why ? why : ed_err_text(err));
}
