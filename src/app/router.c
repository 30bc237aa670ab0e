/*
 * router.c - a tree of path segments for each host.
 *
 * Owns the nodes, in an arena, and the order in which they are tried. A node
 * stands for the segments that lead to it: literal ones are found by binary
 * search, and beside them there is at most one child for each kind of
 * argument. Every node is visited at most once in a search, however often it
 * has to go back, since only one way leads to it.
 */
#include "app/router.h"

#include "wire/url.h"

#include <eddy/error.h>

/* Bits of the methods that mean more than a name; ed_router_init() gives them
 * these places. */
#define GET     ((uint64_t)1 << 0)
#define HEAD    ((uint64_t)1 << 1)
#define OPTIONS ((uint64_t)1 << 2)

struct edge {
    struct ed_bytes label;
    struct node *to;
};

struct node {
    struct edge *edges; /* in the order of compare_labels() */
    size_t edge_count;
    size_t edge_room;
    struct node *args[ED_PART_REST + 1]; /* by kind; no literal */
    const struct ed_route **routes; /* that end here and name their methods */
    size_t route_count;
    size_t route_room;
    uint64_t methods;           /* of all of them */
    const struct ed_route *any; /* ends here and takes every method */
};

struct ed_router_literal {
    struct ed_bytes path;
    const struct node *node; /* NULL: a free place */
};

struct ed_router_host {
    struct ed_router_host *next;
    struct ed_bytes name;
    bool subdomains;
    struct node root;
};

void ed_router_init(struct ed_router *router, ed_arena *arena)
{
    *router = (struct ed_router){
        .arena = arena,
        .methods = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"},
        .method_count = 7,
    };
}

/* ---- methods ---- */

static uint64_t find_method(const struct ed_router *router, const char *method)
{
    for (unsigned i = 0; i < router->method_count; i++) {
        if (!strcmp(router->methods[i], method))
            return (uint64_t)1 << i;
    }
    return 0;
}

static inline uint64_t method_bit(const struct ed_router *router,
                                  const char *method)
{
    if (method[0] == 'G' && method[1] == 'E' && method[2] == 'T' && !method[3])
        return GET; /* nearly always, and so worth no call */
    return find_method(router, method);
}

/* The same for a method that may be new. */
static int learn_method(struct ed_router *router, struct ed_bytes method,
                        uint64_t *bit)
{
    const char *name = ed_arena_copy(router->arena, method);
    if (!name)
        return ED_ENOMEM;
    *bit = method_bit(router, name);
    if (*bit)
        return 0;
    if (router->method_count == ED_ROUTER_METHODS)
        return ED_ELIMIT;
    *bit = (uint64_t)1 << router->method_count;
    router->methods[router->method_count++] = name;
    return 0;
}

static int learn_methods(struct ed_router *router, struct ed_bytes list,
                         uint64_t *methods, const char **why)
{
    *methods = 0;
    if (ed_bytes_equal(list, ED_BYTES("*")))
        return 0;
    struct ed_bytes method;
    while (ed_pattern_method(&list, &method)) {
        uint64_t bit;
        int err = learn_method(router, method, &bit);
        if (err == ED_ELIMIT)
            *why = "more than 64 different methods";
        if (err)
            return err == ED_ELIMIT ? ED_EUSAGE : err;
        *methods |= bit;
    }
    return 0;
}

const char *ed_router_allow(const struct ed_router *router, uint64_t methods,
                            ed_arena *arena)
{
    struct ed_buf list = {0};
    methods |= OPTIONS | (methods & GET ? HEAD : 0);
    int err = 0;
    for (unsigned i = 0; !err && i < router->method_count; i++) {
        if (methods >> i & 1)
            err = ed_buf_addf(&list, "%s%s", list.len ? ", " : "",
                              router->methods[i]);
    }
    const char *text = err ? NULL : ed_arena_copy(arena, ed_buf_bytes(&list));
    ed_buf_free(&list);
    return text;
}

static uint64_t methods_below(const struct node *node)
{
    uint64_t methods = node->methods;
    for (size_t i = 0; i < node->edge_count; i++)
        methods |= methods_below(node->edges[i].to);
    for (unsigned kind = ED_PART_INT; kind <= ED_PART_REST; kind++) {
        if (node->args[kind])
            methods |= methods_below(node->args[kind]);
    }
    return methods;
}

uint64_t ed_router_all_methods(const struct ed_router *router)
{
    uint64_t methods = 0;
    for (const struct ed_router_host *h = router->hosts; h; h = h->next)
        methods |= methods_below(&h->root);
    return methods;
}

/* ---- building the tree ---- */

/* Any order does that two labels agree on; this one is quick to tell. */
static int compare_labels(struct ed_bytes a, struct ed_bytes b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

/* Whether an edge has a label, and at which place it stands or would stand. */
static bool find_place(const struct node *node, struct ed_bytes label,
                       size_t *place)
{
    size_t low = 0, high = node->edge_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_labels(node->edges[middle].label, label);
        if (order == 0) {
            *place = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return false;
}

static struct node *find_edge(const struct node *node, struct ed_bytes label)
{
    size_t at;
    return find_place(node, label, &at) ? node->edges[at].to : NULL;
}

/* Makes room for one more in an array of the arena's, which leaves the old one
 * behind: routes are added once. */
static void *grown(ed_arena *arena, void *array, size_t count, size_t *room,
                   size_t size)
{
    if (count < *room)
        return array;
    size_t wanted = *room ? 2 * *room : 4;
    void *larger = ed_arena_alloc(arena, wanted * size);
    if (!larger)
        return NULL;
    if (count)
        memcpy(larger, array, count * size);
    *room = wanted;
    return larger;
}

static struct node *add_edge(ed_arena *arena, struct node *node,
                             struct ed_bytes label)
{
    struct edge *edges = grown(arena, node->edges, node->edge_count,
                               &node->edge_room, sizeof *edges);
    struct node *to = edges ? ed_arena_zalloc(arena, sizeof *to) : NULL;
    if (edges)
        node->edges = edges;
    if (!to)
        return NULL;
    size_t at;
    (void)find_place(node, label, &at); /* it is a new one */
    memmove(edges + at + 1, edges + at,
            (node->edge_count - at) * sizeof *edges);
    edges[at] = (struct edge){label, to};
    node->edge_count++;
    return to;
}

static struct node *child_for(ed_arena *arena, struct node *node,
                              const struct ed_part *part)
{
    if (part->kind == ED_PART_LITERAL) {
        struct node *to = find_edge(node, part->text);
        return to ? to : add_edge(arena, node, part->text);
    }
    if (!node->args[part->kind])
        node->args[part->kind] = ed_arena_zalloc(arena, sizeof *node);
    return node->args[part->kind];
}

static bool same_host(const struct ed_router_host *host,
                      const struct ed_pattern *pattern)
{
    return host->subdomains == pattern->subdomains &&
           ed_bytes_equal(host->name, pattern->host);
}

/* Whether a host's routes are tried before those of a pattern's host. */
static bool more_particular(const struct ed_router_host *host,
                            const struct ed_pattern *pattern)
{
    bool exact = host->name.len && !host->subdomains;
    bool pattern_exact = pattern->host.len && !pattern->subdomains;
    if (exact != pattern_exact)
        return exact;
    return host->name.len >= pattern->host.len;
}

static struct ed_router_host *host_for(struct ed_router *router,
                                       const struct ed_pattern *pattern)
{
    struct ed_router_host **at = &router->hosts;
    while (*at && !same_host(*at, pattern) && more_particular(*at, pattern))
        at = &(*at)->next;
    if (*at && same_host(*at, pattern))
        return *at;
    struct ed_router_host *host = ed_arena_zalloc(router->arena, sizeof *host);
    if (!host)
        return NULL;
    host->name = pattern->host;
    host->subdomains = pattern->subdomains;
    host->next = *at;
    *at = host;
    return host;
}

static const struct ed_route *taken_by(const struct node *node,
                                       uint64_t methods)
{
    if (!methods)
        return node->any;
    for (size_t i = 0; i < node->route_count; i++) {
        if (node->routes[i]->methods & methods)
            return node->routes[i];
    }
    return NULL;
}

static int put_route(struct ed_router *router, struct node *node,
                     const struct ed_route *route, const char **why)
{
    const struct ed_route *other = taken_by(node, route->methods);
    if (other) {
        *why = ed_arena_printf(router->arena, "taken by \"%s\"",
                               other->pattern.text);
        return *why ? ED_EUSAGE : ED_ENOMEM;
    }
    if (!route->methods) {
        node->any = route;
        return 0;
    }
    const struct ed_route **routes =
        grown(router->arena, node->routes, node->route_count, &node->route_room,
              sizeof(struct ed_route *));
    if (!routes)
        return ED_ENOMEM;
    routes[node->route_count++] = route;
    node->routes = routes;
    node->methods |= route->methods;
    return 0;
}

/* ---- paths without arguments ---- */

/* Only the program's own paths are ever kept, so nobody can choose
 * collisions, and it need not be a strong hash. */
static size_t hash_path(struct ed_bytes path)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = path.len;
    uint64_t word;
    for (; path.len >= sizeof word; path.len -= sizeof word) {
        memcpy(&word, path.ptr, sizeof word);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32;
        path.ptr += sizeof word;
    }
    word = 0;
    for (size_t i = 0; i < path.len; i++)
        word = word << 8 | (unsigned char)path.ptr[i];
    hash = (hash ^ word) * odd;
    return (size_t)(hash ^ hash >> 32);
}

/* Where a path stands in the table, or would. */
static struct ed_router_literal *literal_place(const struct ed_router *router,
                                               struct ed_bytes path)
{
    size_t mask = router->literal_room - 1;
    size_t i = hash_path(path) & mask;
    while (router->literals[i].node &&
           !ed_bytes_equal(router->literals[i].path, path))
        i = (i + 1) & mask;
    return &router->literals[i];
}

static int grow_literals(struct ed_router *router)
{
    const struct ed_router_literal *old = router->literals;
    size_t old_room = router->literal_room;
    size_t room = old_room ? old_room * 2 : 16;
    struct ed_router_literal *bigger =
        ed_arena_zalloc(router->arena, room * sizeof *bigger);
    if (!bigger)
        return ED_ENOMEM;
    router->literals = bigger;
    router->literal_room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i].node)
            *literal_place(router, old[i].path) = old[i];
    }
    return 0;
}

/* Whether requests may send a literal as it is: what the walk would decode,
 * or refuse, is left to it. */
static bool sent_as_is(struct ed_bytes literal)
{
    return !literal.len || (!memchr(literal.ptr, '%', literal.len) &&
                            !memchr(literal.ptr, '\0', literal.len));
}

/* The path of a pattern of literals; ptr NULL when requests send another. */
static int literal_path(ed_arena *arena, const struct ed_pattern *p,
                        struct ed_bytes *path)
{
    size_t len = 0;
    path->ptr = NULL;
    for (size_t i = 0; i < p->part_count; i++) {
        if (!sent_as_is(p->parts[i].text))
            return 0;
        len += p->parts[i].text.len + 1;
    }
    char *at = ed_arena_alloc(arena, len);
    if (!at)
        return ED_ENOMEM;
    *path = ed_bytes_of(at, len);
    for (size_t i = 0; i < p->part_count; i++) {
        *at++ = '/';
        if (p->parts[i].text.len)
            memcpy(at, p->parts[i].text.ptr, p->parts[i].text.len);
        at += p->parts[i].text.len;
    }
    return 0;
}

static int keep_literal(struct ed_router *router, const struct ed_pattern *p,
                        const struct node *node)
{
    struct ed_bytes path;
    if (p->arg_count || p->host.len || !p->part_count)
        return 0;
    int err = literal_path(router->arena, p, &path);
    if (err || !path.ptr)
        return err;
    if (router->literal_count * 2 >= router->literal_room) {
        err = grow_literals(router);
        if (err)
            return err;
    }
    struct ed_router_literal *place = literal_place(router, path);
    if (!place->node)
        router->literal_count++;
    *place = (struct ed_router_literal){path, node};
    return 0;
}

int ed_router_add(struct ed_router *router, struct ed_route *route,
                  const char **why)
{
    const struct ed_pattern *p = &route->pattern;
    int err = learn_methods(router, p->methods, &route->methods, why);
    if (err)
        return err;
    struct ed_router_host *host = host_for(router, p);
    struct node *node = host ? &host->root : NULL;
    for (size_t i = 0; node && i < p->part_count; i++)
        node = child_for(router->arena, node, &p->parts[i]);
    if (!node)
        return ED_ENOMEM;
    err = keep_literal(router, p, node);
    return err ? err : put_route(router, node, route, why);
}

/* ---- matching ---- */

/* A search under way. */
struct search {
    const char *path_end;
    uint64_t method; /* its bit; 0 when no route names it */
    struct ed_match *match;
};

static const struct ed_route *with_method(const struct node *node,
                                          uint64_t method)
{
    if (!(node->methods & method))
        return NULL;
    size_t i = 0;
    while (!(node->routes[i]->methods & method))
        i++;
    return node->routes[i];
}

/* The route that ends in a node and takes the method. */
static const struct ed_route *route_at(const struct node *node, uint64_t method)
{
    const struct ed_route *route = with_method(node, method);
    if (!route && method == HEAD)
        route = with_method(node, GET);
    return route ? route : node->any;
}

static const struct ed_route *descend(struct search *s, const struct node *node,
                                      const char *at, size_t arg);

/* Goes on with a segment as an argument. What is noted here for a way that
 * leads nowhere is written over by the next. */
static const struct ed_route *descend_arg(struct search *s,
                                          const struct node *node,
                                          struct ed_bytes segment, size_t arg)
{
    s->match->args[arg] = segment;
    return descend(s, node, segment.ptr + segment.len + 1, arg + 1);
}

/* Looks below a node for a route that the path takes from `at` on; `at` is
 * behind the path's end when no segment is left. */
static const struct ed_route *descend(struct search *s, const struct node *node,
                                      const char *at, size_t arg)
{
    if (at > s->path_end) {
        const struct ed_route *found = route_at(node, s->method);
        if (!found)
            s->match->allowed |= node->methods;
        return found;
    }
    size_t left = (size_t)(s->path_end - at);
    const char *slash = memchr(at, '/', left);
    struct ed_bytes segment = {at, slash ? (size_t)(slash - at) : left};

    const struct ed_route *route = NULL;
    const struct node *child = find_edge(node, segment);
    if (child)
        route = descend(s, child, at + segment.len + 1, arg);
    child = node->args[ED_PART_INT];
    if (!route && child && ed_pattern_is_int(segment))
        route = descend_arg(s, child, segment, arg);
    child = node->args[ED_PART_NAME];
    if (!route && child && segment.len)
        route = descend_arg(s, child, segment, arg);
    child = node->args[ED_PART_REST];
    if (!route && child)
        route = descend_arg(s, child, ed_bytes_of(at, left), arg);
    return route;
}

/* The name in a Host field: without the port and a final dot. */
static struct ed_bytes host_name(const char *host)
{
    struct ed_bytes name = ed_bytes(host);
    const char *bracket = name.len ? memchr(name.ptr, ']', name.len) : NULL;
    const char *from = bracket ? bracket : name.ptr;
    const char *colon =
        name.len ? memchr(from, ':', name.len - (size_t)(from - name.ptr))
                 : NULL;
    if (colon)
        name.len = (size_t)(colon - name.ptr);
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool host_matches(const struct ed_router_host *host,
                         struct ed_bytes name)
{
    if (!host->name.len)
        return true;
    if (host->subdomains && name.len > host->name.len) {
        name.ptr += name.len - host->name.len;
        name.len = host->name.len;
    } else if (host->subdomains) {
        return false;
    }
    return ed_bytes_equal_nocase(host->name, name);
}

void ed_router_match(const struct ed_router *router, const char *method,
                     const char *host, struct ed_bytes path,
                     struct ed_match *match)
{
    match->route = NULL;
    match->allowed = 0;
    if (!path.len || path.ptr[0] != '/' || !router->hosts)
        return;
    struct search s = {
        .path_end = path.ptr + path.len,
        .method = method_bit(router, method),
        .match = match,
    };
    /* Most programs name no host. */
    struct ed_bytes name = {0};
    if (router->hosts->name.len)
        name = host_name(host);
    for (const struct ed_router_host *h = router->hosts; h; h = h->next) {
        if (!host_matches(h, name))
            continue;
        match->route = descend(&s, &h->root, path.ptr + 1, 0);
        if (match->route)
            return;
    }
}

const struct ed_route *ed_router_match_literal(const struct ed_router *router,
                                               const char *method,
                                               struct ed_bytes path)
{
    if (!router->literal_count || router->hosts->name.len)
        return NULL;
    const struct node *node = literal_place(router, path)->node;
    return node ? route_at(node, method_bit(router, method)) : NULL;
}

/* ---- paths ---- */

int ed_path_decode(ed_arena *arena, struct ed_bytes path,
                   struct ed_bytes *canonical)
{
    *canonical = path;
    if (!path.len || !memchr(path.ptr, '%', path.len))
        return 0;
    char *out = ed_arena_alloc(arena, path.len + 1);
    if (!out)
        return ED_ENOMEM;
    *canonical = ed_bytes_of(out, 0);
    struct ed_bytes rest = path;
    while (rest.ptr) {
        ssize_t len = ed_url_decode(out, ed_bytes_cut(&rest, '/'), false);
        if (len < 0)
            return ED_EPARSE;
        char *end = out + len;
        while ((out = memchr(out, '/', (size_t)(end - out))))
            *out = '\0';
        out = end;
        if (rest.ptr)
            *out++ = '/';
    }
    *out = '\0';
    canonical->len = (size_t)(out - canonical->ptr);
    return 0;
}

static bool is_dots(struct ed_bytes segment)
{
    return ed_bytes_equal(segment, ED_BYTES(".")) ||
           ed_bytes_equal(segment, ED_BYTES(".."));
}

bool ed_path_has_dots(struct ed_bytes canonical)
{
    if (!canonical.len || !memchr(canonical.ptr, '.', canonical.len))
        return false;
    while (canonical.ptr) {
        if (is_dots(ed_bytes_cut(&canonical, '/')))
            return true;
    }
    return false;
}

/* The length of a segment once "%2e" is a dot in it, if it is then one of
 * those that are removed; else 0. */
static size_t dots_in(struct ed_bytes segment)
{
    char plain[6];
    if (segment.len > sizeof plain)
        return 0;
    ssize_t len = ed_url_decode(plain, segment, false);
    bool dots = len > 0 && is_dots(ed_bytes_of(plain, (size_t)len));
    return dots ? (size_t)len : 0;
}

const char *ed_path_normal(ed_arena *arena, const char *path)
{
    struct ed_bytes rest = ed_bytes(path);
    char *normal = ed_arena_alloc(arena, rest.len + 2);
    if (!normal)
        return NULL;
    char *out = normal;
    while (rest.ptr) {
        struct ed_bytes segment = ed_bytes_cut(&rest, '/');
        size_t dots = dots_in(segment);
        out =
            mempcpy(out, dots ? ".." : segment.ptr, dots ? dots : segment.len);
        if (rest.ptr)
            *out++ = '/';
    }
    size_t len = ed_path_normalize(normal, (size_t)(out - normal));
    normal[len] = '\0';

    /* What begins with "//" would name another host to a client. */
    size_t slashes = strspn(normal, "/");
    if (!slashes)
        return "/";
    return normal + slashes - 1;
}

const char *ed_path_arg(ed_arena *arena, struct ed_bytes arg, bool ends_path,
                        bool rest)
{
    bool plain = !arg.len || !memchr(arg.ptr, '\0', arg.len);
    if (plain)
        return ends_path ? arg.ptr : ed_arena_copy(arena, arg);
    char *text = ed_arena_alloc(arena, 3 * arg.len + 1);
    if (!text)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < arg.len; i++) {
        if (arg.ptr[i])
            *out++ = arg.ptr[i];
        else if (rest)
            out = mempcpy(out, "%2F", 3);
        else
            *out++ = '/';
    }
    *out = '\0';
    return text;
}
