/*
 * app.h - an application: routes, groups, middleware, and a main().
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
ED_API void ed_app_free(ed_app *app);

/* An object of the program's own, for its handlers. */
ED_API void ed_app_set(ed_app *app, void *object);
ED_API void *ed_app_get(const ed_app *app);
ED_API ed_app *ed_req_app(const ed_req *req);

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
 */
ED_API const char *ed_url_for(ed_req *req, const char *name, ...)
    __attribute__((sentinel));

/* An argument of the path, decoded, valid until the handler returns; "" when
 * the route has none of that name. As a number; 0 when it is none. */
ED_API const char *ed_arg(const ed_req *req, const char *name);
ED_API int64_t ed_arg_int(const ed_req *req, const char *name);

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
 * outside of all middleware, when the error has been logged. When it replies
 * nothing, the default does, which answers HTML, JSON or plain text, as Accept
 * asks. That never shows ed_error(), which is for the log; with a 5xx it shows
 * ed_req_id(), by which the log line is found. NULL takes it away.
 */
typedef int ed_error_fn(ed_req *req, int status, const char *text);
ED_API void ed_on_error(ed_app *app, ed_error_fn *fn);

/* ---- running ---- */

/* Answers a request with the app: the ed_handler of a server of one's own
 * (ed_server_new(ed_app_handle, .user = app)). Background tasks are
 * ed_main()'s. */
ED_API int ed_app_handle(ed_req *req);

/*
 * Has fn(arg) run by ed_main() before it listens, in a fiber, each after the
 * one asked for before: to read what the options name, or to see that a
 * database is there. One that fails ends the program: the log tells ed_error(),
 * and the status is 1. Does not suspend.
 */
ED_API void ed_on_start(ed_app *app, ed_fn *fn, void *arg);

/* Has fn(arg) run in a fiber of the app's, from before ed_main() serves the
 * first request until it has served the last, when it is cancelled; asked for
 * by a handler, soon. It inherits nothing from who asks. A failure is logged
 * and stops nothing else. Does not suspend. Returns 0 or ED_ENOMEM. */
#define ed_app_background(app, fn, arg) \
    ed_app_background_((app), (fn), (arg), #fn, ED_PLACE_)
ED_API int ed_app_background_(ed_app *app, ed_fn *fn, void *arg,
                              const char *name, const char *place);

/*
 * Serves the app until SIGINT or SIGTERM: then drains, and a second signal
 * cancels. SIGUSR1 logs the tree of fibers; SIGPIPE is ignored. Each line of
 * the log that is written for a request carries ed_req_id(). Options of the
 * command line, as "--name value" or "--name=value":
 *
 *   --listen ADDRESS      where to listen (stream.h); may be repeated;
 *                         127.0.0.1:8080 without it
 *   --log LEVEL[,FORMAT]  debug, info, warn, error, off; text, json
 *   --help, --version
 *
 * A program's own options are declared with ed_option() before. Frees the app.
 * Not in a fiber: it runs a loop of its own.
 *
 * Returns the exit status: 0, 1 for a failure (a route was refused, an address
 * is taken), 2 for wrong usage, told in one line on stderr.
 */
ED_API ED_CHECK int ed_main(ed_app *app, int argc, char **argv);

/* Declares --name VALUE for ed_main(): *value is set to the text given, and
 * otherwise left as it is. */
ED_API void ed_option(ed_app *app, const char *name, const char **value,
                      const char *placeholder, const char *help);

ED_END_DECLS
#endif
