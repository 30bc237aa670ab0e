/*
 * server_report.c - the requests under way, told in the last words of a
 * process: nothing here allocates or locks, since a crash may have left
 * anything half done.
 */
#include "http/observer.h"
#include "base/log_safe.h"

#include <eddy/clock.h>

static void say(const struct ed_safe_line *line)
{
    ed_log_safely(ED_LOG_ERROR, line);
}

static void put_age(struct ed_safe_line *line, int64_t came)
{
    int64_t age = ed_clock_monotonic() - came;
    char digits[] = "000";

    if (age < 0)
        age = 0;
    for (int64_t i = 2, ms = age / ED_MS % 1000; i >= 0; i--, ms /= 10)
        digits[i] = (char)('0' + ms % 10);
    ed_safe_put_number(line, (uint64_t)(age / ED_S));
    ed_safe_put(line, ".");
    ed_safe_put(line, digits);
    ed_safe_put(line, " s");
}

static void put_state(struct ed_safe_line *line, const ed_fiber *fiber)
{
    if (fiber->state != ED_FIBER_PARKED) {
        ed_safe_put(line, fiber->state == ED_FIBER_RUNNING ? "runs" : "ready");
        return;
    }
    ed_safe_put(line, "waits for ");
    ed_safe_put(line, fiber->what ? fiber->what : "something");
}

struct request_told {
    const ed_fiber *own; /* the request's */
    unsigned fibers;
};

static bool tell_fiber(const ed_fiber *fiber, void *arg)
{
    struct request_told *told = arg;
    struct ed_safe_line line = {0};

    if (fiber == told->own)
        return true;
    ed_safe_put(&line, "        ");
    ed_safe_put(&line, fiber->name);
    ed_safe_put(&line, " (");
    ed_safe_put(&line, fiber->place);
    ed_safe_put(&line, ") ");
    put_state(&line, fiber);
    say(&line);
    return ++told->fibers < ED_TOLD_FIBERS;
}

/* As much of a target as leaves room for the rest. */
static void put_target(struct ed_safe_line *line, const char *target)
{
    enum { MOST = 300 };
    struct ed_safe_line part = {0};

    ed_safe_put(&part, target);
    if (part.len > MOST) {
        part.text[MOST] = '\0';
        ed_safe_put(line, part.text);
        ed_safe_put(line, "...");
    } else {
        ed_safe_put(line, part.text);
    }
}

static bool tell_request(ed_req *req, const ed_fiber *fiber, void *arg)
{
    struct request_told told = {.own = fiber};
    struct ed_safe_line line = {0};
    unsigned *left = arg;

    ed_safe_put(&line, "    ");
    ed_safe_put(&line, req->method);
    ed_safe_put(&line, " ");
    put_target(&line, req->target);
    ed_safe_put(&line, ", for ");
    put_age(&line, req->came);
    ed_safe_put(&line, ", ");
    put_state(&line, fiber);
    say(&line);
    ed_fibers_at_work(req->server->loop, req, tell_fiber, &told);
    return --*left > 0;
}

void ed_server_report(void *about)
{
    const ed_server *server = about;
    struct ed_safe_line line = {0};
    unsigned left = ED_TOLD_REQUESTS;

    ed_safe_put(&line, "requests in flight: ");
    ed_safe_put_number(&line, server->counts.in_flight);
    say(&line);
    ed_server_each_request(server, tell_request, &left);
}
