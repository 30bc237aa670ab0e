/*
 * testing.h - an app under test: requests to it, and what is expected of the
 * answers.
 *
 *     static int tests(void *arg)
 *     {
 *         ed_test *t = ed_test_new(make_app());
 *         ed_res *res;
 *
 *         ed_test_expect(t, "GET /hello/Ada", 200, "Hello, Ada!\n");
 *         ed_test_post_json(t, &res, "/people", "{s:s}", "name", "Ada");
 *         ed_test_status(t, res, 201);
 *         ed_test_json(t, res, "{s:i, s:s}", "id", 1, "name", "Ada");
 *         return ed_test_end(t);
 *     }
 *
 *     int main(void)
 *     {
 *         return ed_run(tests, NULL, .virtual_clock = true);
 *     }
 *
 * The app is started, served by the server it will always have, asked by a
 * client over a socket that nobody else sees, and stopped. Under the virtual
 * clock a test of an hour takes no time, and each run is like the others.
 *
 * An expectation that does not hold is told on stderr with its place, counted,
 * and the test goes on. Responses are in the arena of the fiber that asks; NULL
 * is a response of which nothing holds, so that only the request's own failure
 * need be told. A test belongs to one loop; its fibers may ask at once.
 */
#ifndef EDDY_TESTING_H
#define EDDY_TESTING_H

#include <eddy/app.h>
#include <eddy/client.h>
#include <eddy/ws.h>

ED_BEGIN_DECLS

typedef struct ed_test ed_test;

struct ed_test_options {
    size_t size;
    /* Where to listen besides, or instead, as "127.0.0.1:0", for clients of
     * the test's own; ed_test_url() names the port. The test's requests go
     * there, too. NULL: a socket of its own. */
    const char *listen;
    /* Asks what serves there already; the app is NULL then. */
    const char *url;
    const char *host; /* that the app is asked for; "test.local" */
    /* Of the server; `user` is the app in any case. NULL: defaults. */
    const struct ed_server_options *server;
    int64_t timeout; /* of a request; 60 s */
    /* The log is written as ever, too. Without it only its lines of a test that
     * failed are, at the end. */
    bool show_log;
};

/*
 * Starts the app, which stays the caller's, and serves it. Suspends. NULL, with
 * the reason on stderr, when that fails; all other functions take NULL for a
 * test that fails.
 */
#define ed_test_new(app, ...) \
    ed_test_new_with((app), ED_OPTIONS(struct ed_test_options, __VA_ARGS__))
ED_API ed_test *ed_test_new_with(ed_app *app,
                                 const struct ed_test_options *options);

/* Ends it: the app has stopped as it does when a program ends. Suspends.
 * Returns how many expectations did not hold: 0 is a success, and so is an exit
 * status. */
ED_API int ed_test_end(ed_test *t);

/* Where the app is found, "http://127.0.0.1:40123" or "http://test.local", as
 * long as the test. */
ED_API const char *ed_test_url(const ed_test *t);

/* The client that asks, for what is not here. */
ED_API ed_client *ed_test_client(const ed_test *t);

/* ---- requests ---- */

/*
 * Asks for a path (or a URL). The options are those of ed_fetch(), except that
 * redirects are not followed unless .max_redirects says so. Cookies are kept
 * from one request to the next. A failure counts, but for ED_ECANCELED.
 *
 * Suspends. Returns as ed_fetch() does.
 */
#define ed_test_get(t, out, path, ...)                               \
    ed_test_fetch_((t), (out), (path),                               \
                   ED_OPTIONS(struct ed_fetch_options, __VA_ARGS__), \
                   ED_PLACE_)
/* The same with any method: ed_test_fetch(t, &res, "/x", .method = "PUT") */
#define ed_test_fetch(t, out, path, ...) ed_test_get(t, out, path, __VA_ARGS__)
ED_API int ed_test_fetch_(ed_test *t, ed_res **out, const char *path,
                          const struct ed_fetch_options *options,
                          const char *place);

/* Posts a form of name, value pairs that end with NULL. */
#define ed_test_post_form(t, out, path, ...) \
    ed_test_post_form_((t), (out), (path), ED_PLACE_, __VA_ARGS__)
ED_API int ed_test_post_form_(ed_test *t, ed_res **out, const char *path,
                              const char *place, ...) __attribute__((sentinel));

/* Posts what json_pack() (jansson) makes of the format. */
#define ed_test_post_json(t, out, path, ...) \
    ed_test_post_json_((t), (out), (path), ED_PLACE_, __VA_ARGS__)
ED_API int ed_test_post_json_(ed_test *t, ed_res **out, const char *path,
                              const char *place, const char *fmt, ...);

/* Opens a WebSocket at a path (or a URL), with the options of ed_ws_connect()
 * and the cookies of the test; it is the caller's, as from there. A failure
 * counts, but for ED_ECANCELED. Suspends. Returns as ed_ws_connect() does. */
#define ed_test_ws(t, out, path, ...)                                  \
    ed_test_ws_((t), (out), (path),                                    \
                ED_OPTIONS(struct ed_ws_connect_options, __VA_ARGS__), \
                ED_PLACE_)
ED_API int ed_test_ws_(ed_test *t, ed_ws **out, const char *path,
                       const struct ed_ws_connect_options *options,
                       const char *place);

/* The value of a cookie that the app has set; NULL: none. Valid until the next
 * request. And a cookie set by hand: "name=value; Path=/". */
ED_API const char *ed_test_cookie(ed_test *t, const char *name);
ED_API int ed_test_set_cookie(ed_test *t, const char *cookie);

/* ---- expectations; each returns whether it holds ---- */

/* That a request, "GET /path" or "/path", is answered with a status and with
 * that body (NULL: any). Suspends. */
#define ed_test_expect(t, request, status, body) \
    ed_test_expect_((t), (request), (status), (body), ED_PLACE_)
ED_API bool ed_test_expect_(ed_test *t, const char *request, int status,
                            const char *body, const char *place);

#define ed_test_status(t, res, status) \
    ed_test_status_((t), (res), (status), ED_PLACE_)
ED_API bool ed_test_status_(ed_test *t, const ed_res *res, int status,
                            const char *place);

/* The whole body; and a part of it. */
#define ed_test_body(t, res, text) ed_test_body_((t), (res), (text), ED_PLACE_)
ED_API bool ed_test_body_(ed_test *t, const ed_res *res, const char *text,
                          const char *place);
#define ed_test_has(t, res, text) ed_test_has_((t), (res), (text), ED_PLACE_)
ED_API bool ed_test_has_(ed_test *t, const ed_res *res, const char *text,
                         const char *place);

/* A field of the response; NULL: that there is none of that name. */
#define ed_test_header(t, res, name, value) \
    ed_test_header_((t), (res), (name), (value), ED_PLACE_)
ED_API bool ed_test_header_(ed_test *t, const ed_res *res, const char *name,
                            const char *value, const char *place);

/* That the body is JSON and equal to what json_pack() makes of the format,
 * whatever the order of members. */
#define ed_test_json(t, res, ...) \
    ed_test_json_((t), (res), ED_PLACE_, __VA_ARGS__)
ED_API bool ed_test_json_(ed_test *t, const ed_res *res, const char *place,
                          const char *fmt, ...);

/* Any condition. */
#define ed_test_check(t, condition) \
    ed_test_check_((t), (condition), #condition, ED_PLACE_)
ED_API bool ed_test_check_(ed_test *t, bool holds, const char *text,
                           const char *place);

/* ---- time and the log ---- */

/* Lets time pass: ed_sleep(), whose result it returns. Under the virtual clock
 * whatever is due meanwhile happens, at once. Suspends. */
ED_API int ed_test_advance(ed_test *t, int64_t duration);

/* The messages that were logged since the test began, or since the last
 * ed_test_log_clear(), each as "LEVEL message\n", whatever the log's format.
 * At most the first megabyte. Valid until the next call. */
ED_API const char *ed_test_log(ed_test *t);
ED_API void ed_test_log_clear(ed_test *t);

/* That a text is in it. */
#define ed_test_logged(t, text) ed_test_logged_((t), (text), ED_PLACE_)
ED_API bool ed_test_logged_(ed_test *t, const char *text, const char *place);

ED_END_DECLS
#endif
