/*
 * router.h - which route a request takes.
 *
 * Paths are matched in canonical form: decoded, with '/' between segments
 * only. An encoded slash is a NUL in it, which no path can hold otherwise, so
 * that it never separates. Most paths are canonical as they are sent.
 */
#ifndef EDDY_APP_ROUTER_H
#define EDDY_APP_ROUTER_H

#include "app/pattern.h"

#include <eddy/http.h>

/* Methods are bits of a word; there are names for this many. */
#define ED_ROUTER_METHODS 64

struct ed_group;
struct ed_layer;

struct ed_route {
    struct ed_pattern pattern;
    ed_handler *handler;
    const void *data;       /* of the handler's, if it is one of this room */
    uint64_t methods;       /* 0: all */
    const char *name;       /* for ed_url_for(); NULL: none */
    struct ed_app *app;     /* whose it is */
    struct ed_app *mounted; /* what lies below; NULL: a route like any */

    /* Middleware: the group it was added in (NULL: the app itself), and what
     * that comes to, outermost first. */
    const struct ed_group *group;
    const struct ed_layer *layers;
    const struct ed_layer *layers_end;
};

struct ed_router {
    ed_arena *arena;
    struct ed_router_host *hosts; /* the most particular first, every host
                                     last */
    const char *methods[ED_ROUTER_METHODS];
    unsigned method_count;

    /* Where the paths without arguments end, by their hash, so that most
     * requests of most programs need no walk. Of every host only; not used
     * when a route names a host, which goes first. */
    struct ed_router_literal *literals;
    size_t literal_count;
    size_t literal_room; /* a power of two */
};

struct ed_match {
    const struct ed_route *route; /* NULL: none */
    uint64_t allowed; /* methods that routes of this path take, when none
                         takes the one asked for; 0: no such path */
    struct ed_bytes args[ED_PATTERN_ARGS]; /* within the path, still
                                              canonical */
};

/* Makes a router whose routes, which lie elsewhere, are found through nodes
 * in `arena`. It has nothing to free. */
void ed_router_init(struct ed_router *router, ed_arena *arena);

/*
 * Adds a route whose pattern was parsed, and sets its methods. Returns 0,
 * ED_ENOMEM, or ED_EUSAGE with *why a text in the arena when another route is
 * in its place or there are too many methods; it is then as if it had never
 * been added.
 */
ED_CHECK int ed_router_add(struct ed_router *router, struct ed_route *route,
                           const char **why);

/*
 * Finds the route of a request; of a path in canonical form, and of a host as
 * clients name it. Literal segments win over {name:int}, that over {name},
 * that over {rest*}, segment by segment from the left, among the routes that
 * take the method; one that takes GET takes HEAD. Allocates nothing and takes
 * time in the number of routes at worst.
 */
void ed_router_match(const struct ed_router *router, const char *method,
                     const char *host, struct ed_bytes path,
                     struct ed_match *match);

/*
 * The same for what needs no walk: a path as it was sent that is, byte for
 * byte, that of a route without arguments which takes the method. NULL says
 * nothing: ed_router_match() may find a route.
 */
const struct ed_route *ed_router_match_literal(const struct ed_router *router,
                                               const char *method,
                                               struct ed_bytes path);

/* The value of the Allow field: these methods, HEAD with GET, and OPTIONS. In
 * the arena; NULL without memory. */
const char *ed_router_allow(const struct ed_router *router, uint64_t methods,
                            ed_arena *arena);

/* All methods that any route names. */
uint64_t ed_router_all_methods(const struct ed_router *router);

/* ---- paths ---- */

/* The canonical form of an encoded path: itself, or a copy in the arena,
 * NUL-terminated if `path` is. Returns 0, ED_ENOMEM, or ED_EPARSE when a '%'
 * has no two hex digits behind it, or has "00". */
ED_CHECK int ed_path_decode(ed_arena *arena, struct ed_bytes path,
                            struct ed_bytes *canonical);

/* Whether a segment of a canonical path is "." or "..". */
bool ed_path_has_dots(struct ed_bytes canonical);

/* A path, still encoded, without such segments, beginning with one slash and
 * no more: it leads nowhere else when it is sent as a Location. In the arena;
 * NULL without memory. */
const char *ed_path_normal(ed_arena *arena, const char *path);

/* An argument as handlers see it: in that of a {rest*}, encoded slashes stay
 * encoded. Within `arg` if it is so already and ends with NUL there, else in
 * the arena; NULL without memory. */
const char *ed_path_arg(ed_arena *arena, struct ed_bytes arg, bool ends_path,
                        bool rest);

#endif
