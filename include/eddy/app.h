/*
 * app.h - an application: routes, groups, middleware, mounted applications,
 * what it needs from start to stop, and a main().
 */
#ifndef EDDY_APP_H
#define EDDY_APP_H

#include <eddy/http.h>
#include <eddy/server.h>

ED_BEGIN_DECLS

typedef struct ed_app ed_app;
typedef struct ed_group ed_group;

/* Aborts with a message when there is no memory: it is the first thing a
 * program does. Belongs to the thread that made it; no loop is needed yet. */
ED_API ed_app *ed_app_new(void);

/* Frees the app and those mounted in it; it must be stopped. NULL is fine. */
ED_API void ed_app_free(ed_app *app);

/* The app that answers the request; of mounted ones the innermost. */
ED_API ed_app *ed_req_app(const ed_req *req);

/* ---- values ---- */

/*
 * What the program's own parts give its handlers, by name and type. In a
 * header, or in the one file that needs it,
 *
 *     ED_APP_VALUE(ed_pg, db)
 *
 * declares
 *
 *     void   db_set(ed_app *app, ed_pg *db);    NULL takes it away
 *     ed_pg *db_get(const ed_app *app);         NULL: there is none
 *     ed_pg *db_of(const ed_req *req);          of the request's app
 *
 * A mounted app has the values of the apps around it, unless it has its own.
 * The app keeps pointers and owns nothing behind them. Nothing here suspends;
 * setting aborts when there is no memory, as ed_app_new() does.
 */
#define ED_APP_VALUE(type, name)                                              \
    static const struct ed_app_key name##_key_ = {#name, #type};              \
    __attribute__((unused)) static inline void name##_set(ed_app *app,        \
                                                          type *value)        \
    {                                                                         \
        ed_app_set_value(app, &name##_key_, (const void *)value);             \
    }                                                                         \
    __attribute__((unused)) static inline type *name##_get(const ed_app *app) \
    {                                                                         \
        return (type *)ed_app_value(app, &name##_key_);                       \
    }                                                                         \
    __attribute__((unused)) static inline type *name##_of(const ed_req *req)  \
    {                                                                         \
        return (type *)ed_app_value(ed_req_app(req), &name##_key_);           \
    }

/* What they are made of. Two keys are the same when their texts are; these must
 * outlive the app. */
struct ed_app_key {
    const char *name;
    const char *type;
};
ED_API void ed_app_set_value(ed_app *app, const struct ed_app_key *key,
                             const void *value);
ED_API void *ed_app_value(const ed_app *app, const struct ed_app_key *key);

/* ---- routes ---- */

/*
 * Adds a route: "GET /hello/{name}", "GET,POST /form", "* /any" (every
 * method), "GET example.org/x" or "GET *.example.org/x" (one host; routes with
 * a host go first).
 *
 *   {name}       one segment, not empty; decoded
 *   {name:int}   one segment of digits, with an optional '-', that fits
 *                int64_t
 *   {rest*}      what is left, slashes included, may be empty; last only. An
 *                encoded slash in it stays encoded ("%2F")
 *
 * Literal segments win over {name:int}, that over {name}, that over {rest*},
 * segment by segment from the left, whatever the order of registration; a
 * route that does not take the method is passed over for the next that matches.
 * GET routes answer HEAD; OPTIONS is answered with Allow, unknown methods with
 * 405 and Allow, unknown paths with 404. A path is matched segment by segment,
 * each decoded after splitting, so an encoded slash never separates; one that
 * is not well encoded, or encodes NUL, is answered with 400. A path with "." or
 * ".." segments, encoded or not, is redirected (308) to its normal form. "/a"
 * and "/a/" are two paths.
 *
 * Returns the route's number for naming it, or ED_EUSAGE with the reason in
 * the log when the pattern is malformed or taken. Programs may ignore it:
 * ed_main() refuses to start when a route was refused.
 */
ED_API int ed_route(ed_app *app, const char *pattern, ed_handler *handler);
ED_API int ed_group_route(ed_group *group, const char *pattern,
                          ed_handler *handler);

/* Names the route last added, for ed_url_for(). */
ED_API int ed_route_name(ed_app *app, const char *name);

/*
 * The path of a named route, its arguments given as name, value pairs ending
 * with NULL and encoded as needed: ed_url_for(req, "hello", "name", "Ada",
 * NULL). In the request's arena; NULL (logged) when the name or an argument
 * is missing, or when no path leads to the route with that argument: an empty
 * {name}, a number that is none, "." and ".." segments, or a {rest*} that would
 * make the path begin with two slashes, which is another host to a browser.
 *
 * Names are those of the request's app, else of the apps around it. A route of
 * a mounted app is "mount:route" to those around it, the mount being named by
 * ed_route_name() behind ed_mount(). Arguments of prefixes that are not given
 * are the request's own.
 */
ED_API const char *ed_url_for(ed_req *req, const char *name, ...)
    __attribute__((sentinel));

/* An argument of the path, decoded, valid until the handler returns; "" when
 * the route has none of that name. As a number; 0 when it is none. */
ED_API const char *ed_arg(const ed_req *req, const char *name);
ED_API int64_t ed_arg_int(const ed_req *req, const char *name);

/* ---- mounted applications ---- */

/*
 * Makes what lies below a prefix an app of its own: with routes, middleware
 * (inside of this app's), error pages, values, parts and names of its own.
 *
 *     ed_mount(app, "/admin", admin);               below a path
 *     ed_mount(app, "admin.example.org/", admin);   a host, or a path of one
 *     ed_mount(app, "/teams/{team}", team);         ed_arg() works in it
 *
 * The mounted app's routes are written as if it stood alone: its "GET /users"
 * is /admin/users. What a request says of itself stays whole: ed_req_path() is
 * "/admin/users", and so are the paths of ed_url_for(). "/admin" is redirected
 * (308) to "/admin/". A route of this app that matches more closely, such as
 * "GET /admin/health", goes first, as with any {rest*}; everything else below
 * the prefix is the mounted app's to answer, 404 and 405 included. An error
 * reply is made by its ed_on_error(), or, if it has none, by this app's.
 *
 * The mounted app starts and stops with this one, in its place among the parts,
 * and belongs to it: it is freed with it, and can be mounted once only.
 * Options (ed_option()) are those of the app given to ed_main().
 *
 * Returns 0, or ED_EUSAGE with the reason in the log: the prefix is malformed
 * or taken, or the app is mounted already, or is this one. ed_main() and
 * ed_app_start() then refuse to start.
 */
ED_API int ed_mount(ed_app *app, const char *prefix, ed_app *mounted);
ED_API int ed_group_mount(ed_group *group, const char *prefix, ed_app *mounted);

/* ---- groups and middleware ---- */

/* Routes below a prefix such as "/api" or "/users/{id}", or below none ("") for
 * the sake of middleware. Groups nest and belong to the app. In a group's
 * pattern the path may be left out ("GET") for the prefix itself. Never NULL:
 * a malformed prefix is logged, and ed_main() refuses to start. */
ED_API ed_group *ed_group_new(ed_app *app, const char *prefix);
ED_API ed_group *ed_group_in(ed_group *group, const char *prefix);

/*
 * Middleware, of the app (every request, 404 and 405 included) or of a group
 * (its routes). The app's is outside of a group's, an outer group's outside of
 * an inner one's, and of each the first added is the outermost. The order
 * relative to ed_route() does not matter. All return 0.
 *
 * before: runs ahead; a non-zero result ends the request: a negative one as
 *         an error, a positive one when it has replied itself. What is
 *         outside sees that as the result (a positive one as 0).
 * after:  runs when the handler has returned, with its result, and returns
 *         the result, that one or another. Fields it adds go out with error
 *         replies, which are made later; a handler's own reply is gone by then
 *         (ed_reply_began()): add fields for that in `before`.
 * around: is given what comes next, calls it with ed_next_call(), or not, and
 *         returns the result.
 *
 * The route is chosen before any of it runs, so ed_arg() works.
 */
typedef struct ed_next ed_next;
typedef int ed_before_fn(ed_req *req, void *arg);
typedef int ed_after_fn(ed_req *req, int result, void *arg);
typedef int ed_around_fn(ed_req *req, ed_next *next, void *arg);
ED_API int ed_next_call(ed_next *next, ed_req *req);

ED_API int ed_before(ed_app *app, ed_before_fn *fn, void *arg);
ED_API int ed_after(ed_app *app, ed_after_fn *fn, void *arg);
ED_API int ed_around(ed_app *app, ed_around_fn *fn, void *arg);
ED_API int ed_group_before(ed_group *group, ed_before_fn *fn, void *arg);
ED_API int ed_group_after(ed_group *group, ed_after_fn *fn, void *arg);
ED_API int ed_group_around(ed_group *group, ed_around_fn *fn, void *arg);

/* ---- errors ---- */

/*
 * Makes error replies: called with the status and a sentence for the client,
 * outside of all middleware, when the error has been logged; ed_req_app() is
 * the app it was given to. When it replies nothing, the default does, which
 * answers HTML, JSON or plain text, as Accept asks. That never shows
 * ed_error(), which is for the log; with a 5xx it shows ed_req_id(), by which
 * the log line is found. NULL takes it away.
 */
typedef int ed_error_fn(ed_req *req, int status, const char *text);
ED_API void ed_on_error(ed_app *app, ed_error_fn *fn);

/* ---- parts: what there is from start to stop ---- */

/*
 * What an app needs while it serves is a part of it: a pool of connections, a
 * subscription, a task. Parts start one after the other, in the order in which
 * they were asked for, before the first request; they stop in the reverse
 * order, after the last, each when those that may use it are gone. When one
 * fails to start, those before it are stopped and the app does not serve.
 *
 * There are three ways to write one; none suspends. A part that is asked for
 * while the app runs starts at once, or soon, and inherits nothing from who
 * asks. All return 0, ED_ENOMEM, or ED_ECLOSED while the app stops. A failure
 * to start, to stop, or in between is logged with the name of the function and
 * the place where the part was asked for.
 */

/*
 * Two functions, either of which may be NULL: start(arg), and stop(arg), which
 * is called if `start` succeeded. They run in the fiber that starts and stops
 * the app, and may suspend.
 */
#define ed_app_context(app, start, stop, arg)                           \
    ed_app_context_((app), (start), (stop), (arg),                      \
                    __builtin_strcmp(#stop, "NULL") ? #start ", " #stop \
                                                    : #start,           \
                    ED_PLACE_)
ED_API int ed_app_context_(ed_app *app, ed_fn *start, ed_fn *stop, void *arg,
                           const char *name, const char *place);

/*
 * One function in a fiber of its own, which starts, says that it is ready, and
 * cleans up:
 *
 *     static int database(ed_context *self, void *arg)
 *     {
 *         ed_pg *db = ed_pg_new(.dsn = dsn);
 *         if (!db)
 *             return ED_EDATABASE;
 *         db_set(ed_context_app(self), db);
 *         int err = ed_context_ready(self);    // for as long as the app runs
 *         ed_pg_free(db);
 *         return err;
 *     }
 *
 * One that returns without having been ready has started, if it did not fail,
 * and needs no stopping.
 */
typedef struct ed_context ed_context;
typedef int ed_context_fn(ed_context *self, void *arg);
#define ed_app_fiber(app, fn, arg) \
    ed_app_fiber_((app), (fn), (arg), #fn, ED_PLACE_)
ED_API int ed_app_fiber_(ed_app *app, ed_context_fn *fn, void *arg,
                         const char *name, const char *place);

/*
 * Says that the part has started, and waits until it has to stop.
 *
 * Suspends. Returns 0 when it has to stop; what is done then may suspend. Or
 *   ED_ECANCELED, ED_ETIMEOUT  the app was not started in time, or is gone
 *                              without ed_app_stop()
 */
ED_API ED_CHECK int ed_context_ready(ed_context *self);
ED_API ed_app *ed_context_app(const ed_context *self);

/* A task: fn(arg) in a fiber of its own, that is ready at once and is
 * cancelled to be stopped. If it fails, the app goes on. */
#define ed_app_background(app, fn, arg) \
    ed_app_background_((app), (fn), (arg), #fn, ED_PLACE_)
ED_API int ed_app_background_(ed_app *app, ed_fn *fn, void *arg,
                              const char *name, const char *place);

/*
 * Has fn(arg) called when the app begins to stop: nothing new is accepted, but
 * requests are still being answered. To end those that do not end by
 * themselves: event streams, WebSockets, long polls. In the order asked for;
 * may suspend. Does not suspend itself.
 */
#define ed_on_shutdown(app, fn, arg) \
    ed_on_shutdown_((app), (fn), (arg), #fn, ED_PLACE_)
ED_API void ed_on_shutdown_(ed_app *app, ed_fn *fn, void *arg, const char *name,
                            const char *place);

/* Whether that has begun, for handlers that would go on for long. */
ED_API bool ed_app_stopping(const ed_app *app);

/* How long the parts may take to stop, all together, and before that what
 * ed_on_shutdown() has called; each 10 s unless said otherwise. What still
 * waits then gets ED_ETIMEOUT, and its end is awaited. */
ED_API void ed_app_stop_time(ed_app *app, int64_t within);

/* ---- running ---- */

/*
 * A server of one's own does what ed_main() would:
 *
 *     err = ed_app_start(app);
 *     server = ed_server_new(ed_app_handle, .user = app);
 *     ...ed_server_run(server)...
 *         to end it: ed_server_stop(server); ed_app_shutdown(app);
 *     ed_app_stop(app);
 *
 * ed_app_handle() answers a request; an app without parts need not be started.
 *
 * ed_app_start() starts the parts. Suspends. Returns 0, or the failure of a
 * part, all being stopped again, or ED_EUSAGE  a route, group or mount was
 * refused; or it is started already ED_ECANCELED, ED_ETIMEOUT
 *
 * ed_app_shutdown() calls what ed_on_shutdown() asked for; a second call waits
 * for the first. ed_app_stop() does so, too, if nobody has, and stops the
 * parts, even in a cancelled fiber, for at most ed_app_stop_time(); or it waits
 * for the fiber that is stopping them. An app that was stopped can be started
 * again. Both suspend.
 */
ED_API ED_CHECK int ed_app_start(ed_app *app);
ED_API void ed_app_shutdown(ed_app *app);
ED_API void ed_app_stop(ed_app *app);
ED_API int ed_app_handle(ed_req *req);

/*
 * Makes the app a program: a master that keeps workers, each of which starts
 * the app's parts and serves it on a loop of its own. The command line, the
 * environment and a file say where, how many and how (docs/settings.md);
 * --help lists it all. Among them:
 *
 *   --listen ADDRESS      where to listen (stream.h); may be repeated;
 *                         127.0.0.1:8080 without it
 *   --workers N           one a processor without it
 *   --single              one process, without a master
 *   --log LEVEL[,FORMAT]  debug, info, warn, error, off; text, json
 *
 * SIGTERM and SIGQUIT let requests end and stop the parts, SIGINT or a second
 * signal cancels requests; SIGHUP reloads, SIGUSR2 upgrades, SIGUSR1 opens logs
 * again (docs/serve.md). SIGPIPE is ignored. Each line of the log that is
 * written for a request carries ed_req_id().
 *
 * main() runs in every process of the program, up to this call: what it does
 * before is done there, too. A program's own options are declared with
 * ed_option() before. Frees the app. Not in a fiber.
 *
 * Returns the exit status: 0, 1 for a failure (a route was refused, a part did
 * not start, an address is taken), 2 for wrong usage, told in one line on
 * stderr.
 */
ED_API ED_CHECK int ed_main(ed_app *app, int argc, char **argv);

/* Gives a setting of ed_main() another default, as text: --name, variable and
 * file still win. ed_setting(app, "workers", "1") is for an app that keeps in
 * memory what all its users share. */
ED_API void ed_setting(ed_app *app, const char *name, const char *value);

/* Declares --name VALUE for ed_main(): *value is set to the text given, and
 * otherwise left as it is, which --help shows unless the text for it ends with
 * a remark in brackets, such as "(none)". */
ED_API void ed_option(ed_app *app, const char *name, const char **value,
                      const char *placeholder, const char *help);

ED_END_DECLS
#endif
