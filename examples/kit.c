/*
 * kit.c - what a service has besides its routes: parts that start and stop, an
 * app within the app, limits, and a reporter of errors.
 *
 *     SENTRY_DSN=https://KEY@HOST/1 kit
 *     curl 127.0.0.1:8080/ticket      a number, for 3 in 10 seconds
 *     curl 127.0.0.1:8080/fail        an error, for Sentry
 *     curl -N 127.0.0.1:8080/ticks    a stream, until the program ends
 *     curl 127.0.0.1:8080/admin/      how it stands
 */
#include <eddy/eddy.h>
#include <stdlib.h>

/* [value] */
struct tickets {
    int64_t next;
    int64_t reserved; /* by a task, for the next hour */
};

ED_APP_VALUE(struct tickets, tickets)
/* [/value] */

static ed_rate_limit *limit;
static ed_sentry *sentry;

/* ---- parts ---- */

/* [part] */
/* The tickets are there from the app's start to its stop. */
static int keep_tickets(ed_context *self, void *arg)
{
    struct tickets tickets = {.next = 1};

    (void)arg;
    tickets_set(ed_context_app(self), &tickets);
    int err = ed_context_ready(self); /* the app runs */
    ed_log_info("the next ticket would be %lld", (long long)tickets.next);
    tickets_set(ed_context_app(self), NULL);
    return err;
}
/* [/part] */

static int reserve(void *app)
{
    int err;

    do
        tickets_get(app)->reserved = tickets_get(app)->next + 100;
    while (!(err = ed_sleep(60 * ED_MIN)));
    return err;
}

/* [shutdown] */
static ed_event closing;

/* Ends what does not end by itself. */
static int end_streams(void *arg)
{
    (void)arg;
    ed_event_set(&closing);
    return 0;
}

static int wait_for_closing(void *arg)
{
    (void)arg;
    return ed_event_wait(&closing);
}

/* GET /ticks */
static int ticks(ed_req *req)
{
    int err = ed_reply_begin(req, 200, -1);

    while (!err && !ed_app_stopping(ed_req_app(req))) {
        err = ed_write(req, "tick\n");
        if (!err)
            err = ed_flush(req);
        if (!err)
            err = ed_with_timeout(ED_S, wait_for_closing, NULL);
        if (err == ED_ETIMEOUT && !ed_cancelled())
            err = 0;
    }
    return err ? err : ed_write(req, "the end\n");
}
/* [/shutdown] */

/* ---- routes ---- */

/* GET /ticket */
static int take_ticket(ed_req *req)
{
    return ed_reply(req, 200, "%lld\n", (long long)tickets_of(req)->next++);
}

/* GET /fail */
static int fail(ed_req *req)
{
    (void)req;
    ed_sentry_tag("printer", "left");
    ed_sentry_breadcrumb("print", "warming up");
    return ed_fail(ED_EDATABASE, "the printer is out of paper");
}

/* GET /admin/ */
static int show(ed_req *req)
{
    struct ed_rate_limit_counts l;
    struct ed_sentry_counts s;

    ed_rate_limit_counts(limit, &l);
    ed_sentry_counts(sentry, &s);
    return ed_reply_json(req, 200, "{s:I, s:I, s:I, s:s}", "next",
                         (int64_t)tickets_of(req)->next, "refused",
                         (int64_t)l.refused, "reported", (int64_t)s.sent,
                         "home", ed_url_for(req, "home", NULL));
}

/* [mount] */
static ed_app *make_admin(void)
{
    ed_app *admin = ed_app_new();

    ed_route(admin, "GET /", show);
    ed_route_name(admin, "home");
    return admin;
}
/* [/mount] */

/* [main] */
int main(int argc, char **argv)
{
    sentry = ed_sentry_new(.release = "kit@1");
    limit = ed_rate_limit_new(.limit = 3, .per = 10 * ED_S);
    if (!sentry || !limit)
        return 1; /* the log has the reason */

    ed_app *app = ed_app_new();
    if (ed_sentry_add(sentry, app) || ed_app_fiber(app, keep_tickets, NULL) ||
        ed_app_background(app, reserve, app))
        return 1;
    ed_on_shutdown(app, end_streams, NULL);

    ed_group *limited = ed_group_new(app, "");
    ed_group_around(limited, ed_rate_limited, limit);
    ed_group_route(limited, "GET /ticket", take_ticket);
    ed_route(app, "GET /fail", fail);
    ed_route(app, "GET /ticks", ticks);
    ed_mount(app, "/admin", make_admin());

    ed_setting(app, "workers", "1"); /* the limit is counted in memory */
    int status = ed_main(app, argc, argv);
    ed_rate_limit_free(limit);
    ed_sentry_free(sentry);
    return status;
}
/* [/main] */
