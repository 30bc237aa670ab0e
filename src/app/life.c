/*
 * life.c - an app's life: its parts, from the first one's start to its stop.
 *
 * Owns the parts. Each runs in a fiber that belongs to the loop and to nobody's
 * scope, since it outlives whoever asked for it. Starting and stopping go
 * through the list one part at a time, forwards and backwards, so a part may
 * use all that stand before it. One fiber at a time starts or stops, and so
 * waits for a part; nothing that is said to a part gets lost when its fiber has
 * not run yet.
 *
 * Parts from before the start stay for the next one. Those that came later are
 * gone when they have ended.
 */
#include "app/app_internal.h"

#include <eddy/log.h>
#include <stdio.h>
#include <stdlib.h>

/* Enough for a round of good-byes to databases, and less than those who stop
 * programs wait before they kill them (systemd 90 s, Kubernetes 30 s). */
static const int64_t STOP_TIME = 10 * ED_S;

enum part_kind { PART_PAIR, PART_FIBER, PART_TASK, PART_MOUNT };
enum part_state { PART_STOPPED, PART_STARTING, PART_READY };

struct ed_context {
    struct ed_list node; /* in app->parts */
    ed_app *app;
    enum part_kind kind;
    ed_context_fn *run; /* of a fiber */
    ed_fn *start;       /* of a pair; a task's function */
    ed_fn *stop;
    void *arg; /* a mounted app, if it is one */
    const char *name;
    const char *place;

    bool permanent; /* was there before the start */
    bool held;      /* whoever waits for it frees it */
    bool stopping;  /* it was told to */
    bool started;   /* it was ready, whatever became of it */
    enum part_state state;
    int abandoned;    /* before its fiber ran: with what */
    int result;       /* of its fiber, once stopped */
    char *detail;     /* ed_error() text of that; owned */
    ed_fiber *fiber;  /* once it runs */
    ed_fiber *waiter; /* for it to be ready, or to end */
    ed_fiber *idle;   /* its fiber, in ed_context_ready() */
};

static struct ed_context *part_at(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_context, node);
}

static void free_part(struct ed_context *part)
{
    ed_list_remove(&part->node);
    free(part->detail);
    free(part);
}

/* Wakes a fiber of a part's, if it waits. */
static void wake(ed_fiber **place)
{
    ed_fiber *fiber = *place;
    *place = NULL;
    if (fiber)
        ed_wake(fiber, 0);
}

static bool stop_waiting(void *arg)
{
    ed_fiber **place = arg;
    *place = NULL;
    return true;
}

static int wait_at(ed_fiber **place, const char *what)
{
    int err = ed_cancelled();
    if (err)
        return err;
    *place = ed_fiber_self();
    return ed_park(what, stop_waiting, place);
}

/* ---- in a part's fiber ---- */

static void be_ready(struct ed_context *part)
{
    part->state = PART_READY;
    part->started = true;
    wake(&part->waiter);
}

int ed_context_ready(ed_context *self)
{
    be_ready(self);
    return self->stopping ? 0 : wait_at(&self->idle, "the app to stop");
}

ed_app *ed_context_app(const ed_context *self)
{
    return self->app;
}

/* What the pair's fiber does when nobody is there to stop the app any more is
 * clean up all the same. */
static int run_pair(struct ed_context *part)
{
    int err = part->start ? part->start(part->arg) : 0;
    if (err < 0)
        return err;
    err = ed_context_ready(part);
    int stopped = part->stop ? part->stop(part->arg) : 0;
    return stopped < 0 ? stopped : err;
}

static int run_fiber(struct ed_context *part)
{
    return part->run(part, part->arg);
}

static int run_task(struct ed_context *part)
{
    be_ready(part);
    if (part->stopping) /* it was told so before there was a fiber to cancel */
        ed_fiber_cancel(part->fiber, ED_ECANCELED);
    return part->start(part->arg);
}

static int run_mount(struct ed_context *part)
{
    ed_app *mounted = part->arg;
    int err = ed_app_start(mounted);
    if (err)
        return err;
    err = ed_context_ready(part);
    ed_app_stop(mounted);
    return err;
}

/* Tells of a failure, unless it is that of having been cancelled, or one of a
 * mounted app's, which has told of it. */
static void log_end(const struct ed_context *part, enum part_state state)
{
    if (part->result >= 0 || part->kind == PART_MOUNT || ed_cancelled())
        return;
    const char *text = part->detail && *part->detail
                           ? part->detail
                           : ed_err_text(part->result);
    if (state == PART_STARTING)
        ed_log_error("cannot start %s (%s): %s", part->name, part->place, text);
    else if (part->stopping)
        ed_log_error("stopping %s (%s) failed: %s", part->name, part->place,
                     text);
    else
        ed_log_error("%s (%s) failed: %s", part->name, part->place, text);
}

static int run_part(void *arg)
{
    static int (*const run[])(struct ed_context * part) = {
        [PART_PAIR] = run_pair,
        [PART_FIBER] = run_fiber,
        [PART_TASK] = run_task,
        [PART_MOUNT] = run_mount,
    };
    struct ed_context *part = arg;
    part->fiber = ed_fiber_self();
    part->result = part->abandoned ? part->abandoned : run[part->kind](part);
    if (part->result < 0)
        part->detail = strdup(ed_error_of(part->result));
    if (!part->abandoned)
        log_end(part, part->state);
    part->state = PART_STOPPED;
    part->fiber = NULL;
    wake(&part->waiter);
    if (!part->permanent && !part->held)
        free_part(part);
    return 0;
}

/* ---- one part, from outside ---- */

static int begin(struct ed_context *part)
{
    part->stopping = false;
    part->started = false;
    part->abandoned = 0;
    part->result = 0;
    free(part->detail);
    part->detail = NULL;
    part->state = PART_STARTING;
    int err = ed_background_at_(run_part, part, part->name, part->place);
    if (err)
        part->state = PART_STOPPED;
    return err;
}

/* Cancels a part and waits for its end, whatever happens to the caller. */
static void abandon(struct ed_context *part, int err)
{
    part->stopping = true;
    part->abandoned = err;
    if (part->fiber)
        ed_fiber_cancel(part->fiber, err);
    while (part->state != PART_STOPPED) {
        part->waiter = ed_fiber_self();
        ed_park("a part to end", NULL, NULL);
    }
}

/* Starts a part, which is held, and waits until it is ready. */
static int start_part(struct ed_context *part)
{
    int err = begin(part);
    if (err) {
        ed_log_error("cannot start %s (%s): %s", part->name, part->place,
                     ed_err_text(err));
        return err;
    }
    while (!err && part->state == PART_STARTING)
        err = wait_at(&part->waiter, part->name);
    if (err) {
        abandon(part, err);
        return err;
    }
    if (part->started || part->result >= 0)
        return 0;
    return ed_fail(part->result, "%s", part->detail ? part->detail : "");
}

/* Stops a part, which is held. Under a deadline. */
static void stop_part(struct ed_context *part)
{
    int err = 0;
    part->stopping = true;
    if (part->kind == PART_TASK && part->fiber)
        ed_fiber_cancel(part->fiber, ED_ECANCELED);
    wake(&part->idle);
    while (!err && part->state != PART_STOPPED)
        err = wait_at(&part->waiter, part->name);
    if (!err)
        return;
    ed_log_error("%s (%s) took too long to stop and is cancelled", part->name,
                 part->place);
    abandon(part, err);
}

static void let_go(struct ed_context *part)
{
    part->held = false;
    if (!part->permanent && part->state == PART_STOPPED)
        free_part(part);
}

/* ---- all of them ---- */

static struct ed_context *last_running(const ed_app *app)
{
    for (struct ed_list *at = app->parts.prev; at != &app->parts;
         at = at->prev) {
        if (part_at(at)->state != PART_STOPPED)
            return part_at(at);
    }
    return NULL;
}

static void stop_parts(ed_app *app)
{
    struct ed_context *part;
    app->life = ED_APP_STOPS;
    while ((part = last_running(app))) {
        part->held = true;
        stop_part(part);
        let_go(part);
    }
    /* What came during a start that failed was never begun. */
    ed_list_each_safe (at, &app->parts) {
        if (!part_at(at)->permanent)
            free_part(part_at(at));
    }
    app->life = ED_APP_STOPPED;
    ed_waitq_wake_all(&app->changed, 0);
}

/* The list may grow meanwhile, behind the part that is being started. */
static int start_parts(ed_app *app)
{
    int err = 0;
    for (struct ed_list *at = app->parts.next, *next; !err && at != &app->parts;
         at = next) {
        struct ed_context *part = part_at(at);
        part->held = true;
        err = start_part(part);
        next = at->next;
        let_go(part);
    }
    return err;
}

int ed_app_start(ed_app *app)
{
    if (app->life != ED_APP_STOPPED)
        return ed_fail(ED_EUSAGE, "the app is started already");
    if (ed_app_refused(app)) {
        ed_log_error("not starting: what is told above is wrong");
        return ed_fail(ED_EUSAGE, "routes were refused");
    }
    app->life = ED_APP_STARTING;
    app->shutdown = ED_SHUTDOWN_NONE;
    int err = start_parts(app);
    if (!err) {
        app->life = ED_APP_UP;
        return 0;
    }
    char detail[256];
    snprintf(detail, sizeof detail, "%s", ed_error_of(err));
    ed_shield(goodbye, app->stop_time);
    (void)goodbye;
    stop_parts(app);
    return ed_fail(err, "%s", detail);
}

/* Another fiber stops it. */
static void await_stop(ed_app *app)
{
    int err = 0;
    while (!err && app->life == ED_APP_STOPS)
        err = ed_waitq_wait(&app->changed, "the app to stop", NULL);
}

void ed_app_stop(ed_app *app)
{
    if (app->life == ED_APP_UP) {
        ed_shield(last_calls, app->stop_time);
        (void)last_calls;
        ed_app_shutdown(app);
    }
    /* Whoever waited for the same calls may have been quicker. */
    if (app->life != ED_APP_UP) {
        await_stop(app);
        return;
    }
    /* Time of its own: a call that hangs must not cost the parts theirs. */
    ed_shield(goodbye, app->stop_time);
    (void)goodbye;
    stop_parts(app);
}

void ed_app_stop_time(ed_app *app, int64_t within)
{
    app->stop_time = within;
}

/* ---- the beginning of the end ---- */

void ed_on_shutdown_(ed_app *app, ed_fn *fn, void *arg, const char *name,
                     const char *place)
{
    struct ed_shutdown *hook = ed_app_alloc(app, sizeof *hook);
    *hook = (struct ed_shutdown){
        .fn = fn, .arg = arg, .name = name, .place = place};
    *app->hooks_end = hook;
    app->hooks_end = &hook->next;
}

static void call_hooks(const ed_app *app)
{
    for (const struct ed_shutdown *hook = app->hooks; hook; hook = hook->next) {
        int err = hook->fn(hook->arg);
        if (err >= 0)
            continue;
        const char *detail = ed_error_of(err);
        ed_log_error("%s (%s) failed: %s", hook->name, hook->place,
                     *detail ? detail : ed_err_text(err));
    }
}

void ed_app_shutdown(ed_app *app)
{
    int err = app->life == ED_APP_UP ? 0 : ED_EUSAGE;
    while (!err && app->shutdown == ED_SHUTDOWN_UNDER_WAY)
        err = ed_waitq_wait(&app->changed, "the app's shutdown", NULL);
    if (err || app->shutdown == ED_SHUTDOWN_DONE)
        return;
    app->shutdown = ED_SHUTDOWN_UNDER_WAY;
    call_hooks(app);
    app->shutdown = ED_SHUTDOWN_DONE;
    ed_waitq_wake_all(&app->changed, 0);
}

bool ed_app_stopping(const ed_app *app)
{
    for (; app; app = app->outer) {
        if (app->shutdown != ED_SHUTDOWN_NONE || app->life == ED_APP_STOPS)
            return true;
    }
    return false;
}

/* ---- asking for parts ---- */

void ed_app_init_life(ed_app *app)
{
    ed_list_init(&app->parts);
    app->stop_time = STOP_TIME;
    app->hooks_end = &app->hooks;
}

static int add_part(ed_app *app, struct ed_context like)
{
    if (app->life == ED_APP_STOPS)
        return ED_ECLOSED;
    struct ed_context *part = malloc(sizeof *part);
    if (!part)
        return ED_ENOMEM;
    *part = like;
    part->app = app;
    part->permanent = app->life == ED_APP_STOPPED;
    ed_list_add_back(&app->parts, &part->node);
    if (app->life != ED_APP_UP)
        return 0;
    int err = begin(part);
    if (err)
        free_part(part);
    return err;
}

int ed_app_context_(ed_app *app, ed_fn *start, ed_fn *stop, void *arg,
                    const char *name, const char *place)
{
    return add_part(app, (struct ed_context){.kind = PART_PAIR,
                                             .start = start,
                                             .stop = stop,
                                             .arg = arg,
                                             .name = name,
                                             .place = place});
}

int ed_app_fiber_(ed_app *app, ed_context_fn *fn, void *arg, const char *name,
                  const char *place)
{
    return add_part(app, (struct ed_context){.kind = PART_FIBER,
                                             .run = fn,
                                             .arg = arg,
                                             .name = name,
                                             .place = place});
}

int ed_app_background_(ed_app *app, ed_fn *fn, void *arg, const char *name,
                       const char *place)
{
    return add_part(app, (struct ed_context){.kind = PART_TASK,
                                             .start = fn,
                                             .arg = arg,
                                             .name = name,
                                             .place = place});
}

/* ---- mounted apps ---- */

static int shut_down_mounted(void *mounted)
{
    ed_app_shutdown(mounted);
    return 0;
}

int ed_app_adopt(ed_app *app, ed_app *mounted)
{
    int err = add_part(app, (struct ed_context){.kind = PART_MOUNT,
                                                .arg = mounted,
                                                .name = "a mounted app",
                                                .place = ED_PLACE_});
    if (err)
        return err;
    ed_on_shutdown(app, shut_down_mounted, mounted);
    mounted->outer = app;
    return 0;
}

ed_app *ed_app_next_mounted(const ed_app *app, const ed_app *last)
{
    bool found = !last;
    ed_list_each (at, &app->parts) {
        if (part_at(at)->kind != PART_MOUNT)
            continue;
        if (found)
            return part_at(at)->arg;
        found = part_at(at)->arg == last;
    }
    return NULL;
}

unsigned ed_app_refused(const ed_app *app)
{
    unsigned refused = app->refused;
    ed_app *mounted = NULL;
    while ((mounted = ed_app_next_mounted(app, mounted)))
        refused += ed_app_refused(mounted);
    return refused;
}

void ed_app_drop_parts(ed_app *app)
{
    ed_list_each_safe (at, &app->parts) {
        struct ed_context *part = part_at(at);
        if (part->kind == PART_MOUNT)
            ed_app_free(part->arg);
        free_part(part);
    }
}
