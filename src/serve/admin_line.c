/*
 * admin_line.c - the line to the master, and the changes it is asked for.
 *
 * One command at a time. The master answers in order; an answer nobody waited
 * for is known by that, and is not taken for that of the next command.
 */
#include "serve/admin_internal.h"

#include <eddy/clock.h>
#include <eddy/error.h>
#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "serve/child.h"
#include "wire/json_read.h"

/* A master does nothing that takes long; one that says nothing for so long
 * stands still. */
static const int64_t ANSWER_TIME = 5 * ED_S;

/* How long the workers may take to change how they log. */
static const int64_t WORKERS_TIME = ED_S;

/* ---- asking ---- */

struct asking {
    struct ed_admin_line *line;
    const char *command;
    bool said;
};

static int say_and_wait(void *arg)
{
    struct asking *asking = arg;
    struct ed_admin_line *line = asking->line;
    int err = ed_stream_printf(line->stream, "%s\n", asking->command);

    asking->said = !err;
    while (!err && !line->answer && !line->gone) {
        err = ed_event_wait(&line->answered);
        ed_event_clear(&line->answered);
    }
    if (!err && !line->answer)
        err = ED_ECLOSED;
    return err;
}

int ed_admin_ask_master(struct ed_admin *a, const char *command,
                        const char **answer)
{
    struct ed_admin_line *line = &a->line;
    struct asking asking = {line, command, false};
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    int err = ed_mutex_hold(&line->lock, &held);

    if (err)
        return err;
    if (line->gone)
        return ED_ECLOSED;
    line->asked = true;
    err = ed_with_timeout(ANSWER_TIME, say_and_wait, &asking);
    line->asked = false;
    if (err && asking.said && !line->answer)
        line->late++; /* it comes for nobody */
    if (!err) {
        *answer = ed_arena_copy(ed_fiber_arena(), ed_bytes(line->answer));
        err = *answer ? 0 : ED_ENOMEM;
    }
    free(line->answer);
    line->answer = NULL;
    return err;
}

/* ---- hearing ---- */

static bool begins_with(struct ed_bytes line, const char *word)
{
    struct ed_bytes first = ed_bytes_cut(&line, ' ');

    return ed_bytes_equal(first, ed_bytes(word));
}

static void take_answer(struct ed_admin_line *line, struct ed_bytes text)
{
    if (line->late) {
        line->late--;
        return;
    }
    if (!line->asked || line->answer)
        return; /* nobody has */
    line->answer = strndup(text.ptr, text.len);
    line->gone = line->gone || !line->answer; /* no memory: no answer */
    ed_event_set(&line->answered);
}

static void take_line(struct ed_admin *a, struct ed_bytes text)
{
    if (begins_with(text, "ok") || begins_with(text, "error"))
        take_answer(&a->line, text);
    else if (begins_with(text, "reopen"))
        (void)ed_log_reopen(); /* what cannot be is in the old log */
}

int ed_admin_hear_master(void *arg)
{
    struct ed_admin *a = arg;
    struct ed_bytes text;
    int err;

    while (!(err = ed_stream_read_until(a->line.stream, ED_BYTES("\n"),
                                        ED_CHILD_LINE, &text))) {
        text.len--;
        take_line(a, text);
    }
    a->line.gone = true;
    ed_event_set(&a->line.answered);
    return err;
}

/* ---- telling what came of it ---- */

/* Sends what the master says on; what is done by it if it only says "ok". */
static int pass_on(ed_req *req, const char *answer, const char *done)
{
    bool refused = begins_with(ed_bytes(answer), "error");
    const char *text = strchr(answer, ' ');
    ed_json *j = ed_reply_json_begin(req, refused ? 409 : 200);

    ed_json_object(j);
    if (!refused) {
        ed_json_key(j, "ok");
        ed_json_bool(j, true);
    }
    ed_json_key(j, refused ? "error" : "text");
    ed_json_text(j, text ? text + 1 : done);
    ed_json_end(j);
    return ed_json_finish(j);
}

static int tell_failure(ed_req *req, int err)
{
    if (err == ED_ETIMEOUT)
        return ed_admin_refuse(req, 504, "the master does not answer");
    if (err == ED_ECLOSED)
        return ed_admin_refuse(req, 503, "the master is gone");
    return err;
}

/* Who asks, for the log: the socket has no address worth telling. */
static const char *asking(ed_req *req)
{
    return ed_admin_door_of(req)->trusted ? "eddy ctl" : ed_req_peer(req);
}

/* Who told a server to do what is in its log. */
static int ask_master(ed_req *req, const char *command, const char **answer)
{
    int err = ed_admin_ask_master(ed_admin_of(req), command, answer);

    ed_log_info("%s asks for '%s': %s", asking(req), command,
                err ? ed_err_text(err) : *answer);
    return err;
}

static int tell_master(ed_req *req, const char *command, const char *done)
{
    const char *answer;
    int err = ask_master(req, command, &answer);

    return err ? tell_failure(req, err) : pass_on(req, answer, done);
}

/* The body as an object, new; none at all is an empty one. NULL: refused, and
 * *err is what the handler returns. */
static json_t *read_body(ed_req *req, int *err)
{
    struct ed_bytes body;
    json_t *object;

    *err = ed_body(req, &body);
    if (*err)
        return NULL;
    object = body.len ? ed_json_load(body, 0, NULL) : json_object();
    if (json_is_object(object))
        return object;
    json_decref(object);
    *err = ed_admin_refuse(req, 400, "the body is no JSON object");
    return NULL;
}

/* ---- the changes ---- */

struct order {
    const char *command;
    const char *done; /* what is told of it */
};

/* Those that take no words, by their path. */
static const struct {
    const char *path;
    struct order order;
    const char *flag; /* of the body; when it is true: */
    struct order otherwise;
} plain[] = {
    {"/v1/drain", {"drain", "the workers answer what they have, and end"}},
    {"/v1/resume", {"resume", "workers start"}},
    {"/v1/reopen", {"reopen", "the logs are opened again"}},
    {"/v1/stop",
     {"stop", "stopping when all requests are answered"},
     "now",
     {"quit", "stopping at once"}},
    {"/v1/upgrade", {"upgrade", "another master starts"}},
};

#define PLAIN (sizeof plain / sizeof *plain)

static int change_plainly(ed_req *req)
{
    size_t i = 0;
    int err;

    while (i < PLAIN - 1 && strcmp(ed_req_path(req), plain[i].path))
        i++;
    json_t *body = read_body(req, &err);
    if (!body)
        return err;
    bool other =
        plain[i].flag && json_is_true(json_object_get(body, plain[i].flag));
    json_decref(body);
    const struct order *order = other ? &plain[i].otherwise : &plain[i].order;
    return tell_master(req, order->command, order->done);
}

/* Whether it has begun; how it comes out is told by GET /v1/status. */
static int reload(ed_req *req)
{
    static const struct order orders[] = {
        {"reload", "reloading"},
        {"chain-reload", "reloading, one worker after the other"},
    };
    const char *answer;
    int64_t number;
    int err;
    json_t *body = read_body(req, &err);

    if (!body)
        return err;
    const struct order *order =
        &orders[json_is_true(json_object_get(body, "chain"))];
    json_decref(body);
    err = ask_master(req, order->command, &answer);
    if (err)
        return tell_failure(req, err);
    struct ed_bytes rest = ed_bytes(answer);
    if (!ed_bytes_equal(ed_bytes_cut(&rest, ' '), ED_BYTES("ok")) ||
        ed_bytes_int(rest, &number))
        return pass_on(req, answer, order->done);
    return ed_reply_json(
        req, 200, "{s:b, s:s, s:I, s:I}", "ok", 1, "text", order->done,
        "reload", number, "pid",
        (json_int_t)atomic_load(&ed_admin_of(req)->board->master));
}

/* A command with a number of the body. */
static int change_by_number(ed_req *req, const char *member,
                            const struct order *order)
{
    char line[64];
    int err;
    json_t *body = read_body(req, &err);

    if (!body)
        return err;
    const json_t *n = json_object_get(body, member);
    bool is_number = json_is_integer(n) && json_integer_value(n) > 0;
    snprintf(line, sizeof line, "%s %lld", order->command,
             (long long)json_integer_value(n));
    json_decref(body);
    if (is_number)
        return tell_master(req, line, order->done);
    return ed_reply_json(req, 400, "{s:s+}", "error", member,
                         ": a whole number above 0");
}

static int scale(ed_req *req)
{
    static const struct order order = {"scale", "workers come or go"};

    return change_by_number(req, "workers", &order);
}

static int worker_stop(ed_req *req)
{
    static const struct order order = {
        "worker-stop", "it makes way for another, which starts first"};

    return change_by_number(req, "pid", &order);
}

/* ---- how much is logged ---- */

static bool is_level(const char *text)
{
    static const char *const levels[] = {"debug", "info", "warn", "error",
                                         "off"};

    for (size_t i = 0; text && i < sizeof levels / sizeof *levels; i++) {
        if (!strcmp(text, levels[i]))
            return true;
    }
    return false;
}

/* The workers there are; those to come ask the board. How many did not answer;
 * or an error. */
static int tell_workers_level(struct ed_admin *a, const char *level)
{
    char body[64];
    int len = snprintf(body, sizeof body, "{\"level\":\"%s\"}", level);
    const struct ed_admin_question question = {
        .method = "POST",
        .target = "/log-level",
        .body = ed_bytes_of(body, (size_t)len),
        .within = WORKERS_TIME,
    };
    struct ed_admin_told *told;
    int count = ed_admin_ask_workers(a, &question, &told);
    int missing = 0;

    for (int i = 0; i < count; i++)
        missing += !told[i].res || ed_res_status(told[i].res) != 200;
    return count < 0 ? count : missing;
}

static int set_level(ed_req *req, const char *level)
{
    struct ed_admin *a = ed_admin_of(req);
    const char *answer;
    char text[96];

    snprintf(text, sizeof text, "log-level %s", level);
    int err = ed_admin_ask_master(a, text, &answer);
    if (err)
        return tell_failure(req, err);
    if (begins_with(ed_bytes(answer), "error"))
        return pass_on(req, answer, "");
    (void)!ed_log_configure(level); /* it was looked at */
    int missing = tell_workers_level(a, level);
    if (missing < 0)
        return missing;
    int len = snprintf(text, sizeof text, "the log level is %s", level);
    if (missing)
        snprintf(text + len, sizeof text - (size_t)len,
                 ", but in %d workers that did not answer", missing);
    ed_log_info("%s asks for 'log-level %s': %s", asking(req), level, text);
    return pass_on(req, "ok", text);
}

static int log_level(ed_req *req)
{
    int err;
    json_t *body = read_body(req, &err);

    if (!body)
        return err;
    const char *level = json_string_value(json_object_get(body, "level"));
    err = is_level(level)
              ? set_level(req, level)
              : ed_admin_refuse(
                    req, 400, "level: one of debug, info, warn, error and off");
    json_decref(body);
    return err;
}

void ed_admin_change_routes(ed_app *app)
{
    char pattern[64];

    for (size_t i = 0; i < PLAIN; i++) {
        snprintf(pattern, sizeof pattern, "POST %s", plain[i].path);
        ed_route(app, pattern, change_plainly);
    }
    ed_route(app, "POST /v1/reload", reload);
    ed_route(app, "POST /v1/scale", scale);
    ed_route(app, "POST /v1/worker-stop", worker_stop);
    ed_route(app, "POST /v1/log-level", log_level);
}
