/*
 * app_internal.h - an application's inside, for the files of this room.
 */
#ifndef EDDY_APP_INTERNAL_H
#define EDDY_APP_INTERNAL_H

#include "app/own_options.h"
#include "app/router.h"
#include "base/list.h"
#include "core/runtime.h"
#include "http/message.h"

#include <eddy/app.h>
#include <eddy/map.h>

/* ---- middleware (middleware.c) ---- */

enum ed_layer_kind { ED_LAYER_BEFORE, ED_LAYER_AFTER, ED_LAYER_AROUND };

struct ed_layer {
    enum ed_layer_kind kind;
    union {
        ed_before_fn *before;
        ed_after_fn *after;
        ed_around_fn *around;
    };
    void *arg;
};

/* The middleware that was added at one place, in its order. */
struct ed_layers {
    struct ed_layer *layers;
    size_t count;
    size_t room;
};

/* Runs a handler inside of layers, the first of which is the outermost. */
int ed_layers_run(const struct ed_layer *layers, const struct ed_layer *end,
                  ed_handler *handler, ed_req *req);

/* Works out the layers of every route, when middleware was added. */
void ed_app_arrange(ed_app *app);

/* ---- the application ---- */

struct ed_group {
    ed_app *app;
    const struct ed_group *outer; /* NULL: the app */
    const char *prefix;           /* that of outer groups included */
    struct ed_layers layers;
};

/* A value, by its key. */
struct ed_app_value {
    struct ed_app_value *next;
    const struct ed_app_key *key;
    const void *value;
};

/* What ed_on_shutdown() asked for. */
struct ed_shutdown {
    struct ed_shutdown *next;
    ed_fn *fn;
    void *arg;
    const char *name;
    const char *place;
};

enum ed_app_life { ED_APP_STOPPED, ED_APP_STARTING, ED_APP_UP, ED_APP_STOPS };
enum ed_shutdown_state {
    ED_SHUTDOWN_NONE,
    ED_SHUTDOWN_UNDER_WAY,
    ED_SHUTDOWN_DONE
};

/* What is done when the app is freed. */
struct ed_app_end {
    struct ed_app_end *next;
    void (*fn)(void *arg);
    void *arg;
};

/* What is done with a request before its route is chosen. */
struct ed_early {
    struct ed_early *next;
    int (*fn)(ed_req *req, void *arg); /* an error is replied */
    void *arg;
};

struct ed_app {
    ed_arena *arena; /* of all below; grows until the app is freed */
    ed_app *outer;   /* that it is mounted in; NULL: none */
    const struct ed_route *mounted_by; /* of that */
    struct ed_app_value *values;
    struct ed_router router;
    struct ed_route **routes;
    size_t route_count;
    size_t route_room;
    ed_map *names; /* of routes, to them */
    struct ed_layers layers;
    bool arranged;         /* the routes know their layers */
    unsigned refused;      /* routes and groups that were malformed or taken */
    ed_error_fn *on_error; /* NULL: none of its own */
    struct ed_tree *trees; /* directories that are served */

    struct ed_early *early;
    struct ed_app_end *ends; /* the last first */
    struct ed_access_sink *logs;

    struct ed_option *options;
    struct ed_option **options_end;
    struct ed_option_default *defaults;

    /* Its life (life.c). */
    enum ed_app_life life;
    enum ed_shutdown_state shutdown;
    int64_t stop_time;
    struct ed_list parts;    /* struct ed_context, in their order */
    struct ed_waitq changed; /* for the end of a shutdown */
    struct ed_shutdown *hooks;
    struct ed_shutdown **hooks_end;
    struct ed_list rooms; /* to be freed with it; room.h */
};

/* Memory of the app's; aborts when there is none, as starting up may. */
void *ed_app_alloc(ed_app *app, size_t size);
const char *ed_app_copy(ed_app *app, struct ed_bytes text);

void ed_app_at_end(ed_app *app, void (*fn)(void *arg), void *arg);
void ed_app_early(ed_app *app, int (*fn)(ed_req *req, void *arg), void *arg);

/* Adds a route; `prefix` and `group` may be NULL. */
int ed_app_add_route(ed_app *app, const struct ed_group *group,
                     const char *pattern, ed_handler *handler);

/*
 * What the app notes about a request while it answers it: req->app. Lies on
 * the stack of ed_app_handle().
 */
struct ed_note {
    ed_app *app;
    struct ed_note *outer; /* that of the app it is mounted in; NULL: none */
    ed_app *failed; /* the mounted app that an error came from; NULL: none */
    ed_handler *handler;
    struct ed_bytes path; /* canonical */
    struct ed_match match;
    const char *args[ED_PATTERN_ARGS]; /* as handlers see them, once asked */
};

/* Answers with the app what lies below a prefix, as its own, but for errors,
 * which are returned. `path` is canonical. */
int ed_app_answer_below(ed_app *app, struct ed_note *outer,
                        struct ed_bytes path, ed_req *req);

/* Adds the path of a route as its pattern has it, "/hello/{name}", with the
 * prefixes its app is mounted at. 0 or ED_ENOMEM. */
ED_CHECK int ed_route_add_path(struct ed_buf *out,
                               const struct ed_route *route);

/* Adds the path to the app that answers, with the arguments the request has:
 * the prefixes it is mounted at, without a slash behind the last. */
ED_CHECK int ed_url_add_mounts(struct ed_buf *out, const ed_req *req);

/* Logs why something cannot be added, after which the app does not start.
 * Returns ED_EUSAGE. */
int ed_app_refuse(ed_app *app, const char *what, const char *name,
                  const char *why);

/* The route last added. */
struct ed_route *ed_app_last_route(const ed_app *app);

/* ---- its life (life.c) ---- */

/* Makes an app that is mounted a part of the one it is mounted in. */
ED_CHECK int ed_app_adopt(ed_app *app, ed_app *mounted);

/* The app that was mounted in it behind another (NULL: the first); NULL: there
 * is none. */
ed_app *ed_app_next_mounted(const ed_app *app, const ed_app *last);

void ed_app_init_life(ed_app *app);

/* Frees the parts, and the mounted apps. */
void ed_app_drop_parts(ed_app *app);

/* Routes, groups and mounts that were refused, in mounted apps, too. */
unsigned ed_app_refused(const ed_app *app);

/* ---- rooms (room.c) ---- */

void ed_app_free_rooms(ed_app *app);

/* The name of a room that is heard in this process alone, of the app or of one
 * mounted in it; NULL: there is none. */
const char *ed_app_lone_room(const ed_app *app);

/* ---- error replies (error_page.c) ---- */

/* Replies to the error a handler returned, unless that is too late. Returns 0
 * or what the server is to be told. */
int ed_app_fail(ed_req *req, int err);

/* The ed_error_fn of apps that have none of their own. */
int ed_error_page(ed_req *req, int status, const char *text);

/* ---- words (suggest.c) ---- */

/* The word most like `text`, for "did you mean": NULL when none is near. Takes
 * one word at a time; zero-initialise the state. */
struct ed_suggestion {
    const char *word;
    size_t distance;
};
void ed_suggest(struct ed_suggestion *best, const char *text, const char *word);

#endif
