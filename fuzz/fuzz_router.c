/*
 * fuzz_router.c - the tree of routes against one that tries every pattern.
 *
 * The input says which routes there are, in two ways: as text, one pattern a
 * line, and spelled with few words, so that patterns meet often. Then follow
 * requests, a line each, as text and spelled. The naive matcher walks the
 * segments of each pattern and keeps the best, by the words of app.h; it
 * shares no code with the tree but the reading of patterns.
 */
#include "app/router.h"
#include "check.h"

#include <eddy/error.h>
#include <errno.h>

#define ROUTES_MAX   24
#define REQUESTS_MAX 64

static const char *const methods[] = {"GET", "POST", "*", "GET,PUT", "HEAD"};
static const char *const asked[] = {"GET", "POST", "HEAD", "PUT", "ODD"};
static const char *const hosts[] = {"", "", "a.b", "*.b", "*.a.b", "c", ""};
static const char *const asked_hosts[] = {"x", "a.b", "c.b:1", "B", "z.A.b."};
static const char *const words[] = {"a",   "b",       "ab",      "1",    "{x}",
                                    "{y}", "{n:int}", "{m:int}", "{r*}", ""};
static const char *const asked_words[] = {
    "a",  "b",     "ab",  "1", "-7",
    "+7", "a%2Fb", "%61", "",  "99999999999999999999"};

#define PICK(table, n) ((table)[(n) % (sizeof(table) / sizeof *(table))])

/* ---- the input ---- */

struct input {
    const uint8_t *at;
    const uint8_t *end;
};

static unsigned next_byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

/* The bytes up to a line feed, as a C string; the caller frees it. */
static char *next_line(struct input *in)
{
    size_t left = (size_t)(in->end - in->at);
    const uint8_t *end = left ? memchr(in->at, '\n', left) : NULL;
    size_t len = end ? (size_t)(end - in->at) : left;
    char *line = malloc(len + 1);
    CHECK(line);
    if (len)
        memcpy(line, in->at, len);
    line[len] = '\0';
    in->at += len + (end != NULL);
    return line;
}

/* Words with slashes before them: one to four. */
static char *spell(struct input *in, const char *head, const char *const *table,
                   size_t count)
{
    struct ed_buf text = {0};
    CHECK(ed_buf_addf(&text, "%s", head) == 0);
    unsigned shape = next_byte(in);
    for (unsigned i = 0; i <= shape % 4; i++)
        CHECK(ed_buf_addf(&text, "/%s", table[next_byte(in) % count]) == 0);
    char *exact = check_copy(ed_bytes_of(text.ptr, text.len + 1));
    ed_buf_free(&text);
    return exact;
}

static char *next_pattern(struct input *in)
{
    unsigned kind = next_byte(in);
    if (kind % 8 == 7)
        return next_line(in);
    char head[64];
    snprintf(head, sizeof head, "%s %s", PICK(methods, kind),
             PICK(hosts, kind / 8));
    return spell(in, head, words, sizeof words / sizeof *words);
}

static char *next_path(struct input *in)
{
    if (next_byte(in) % 8 == 7)
        return next_line(in);
    return spell(in, "", asked_words, sizeof asked_words / sizeof *asked_words);
}

/* ---- the naive matcher ---- */

static bool naive_is_int(struct ed_bytes text)
{
    char copy[32];
    char *end;
    size_t sign = text.len && text.ptr[0] == '-';
    /* Zeros in front make a number long, not large. */
    while (text.len > sign + 1 && text.ptr[sign] == '0') {
        if (sign)
            return text.len < 32 ||
                   naive_is_int(ed_bytes_of(text.ptr + 1, text.len - 1));
        text.ptr++;
        text.len--;
    }
    if (text.len <= sign || text.len >= sizeof copy)
        return false;
    for (size_t i = sign; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    (void)strtoll(copy, &end, 10);
    return !errno && !*end;
}

static bool naive_takes(const struct ed_part *part, struct ed_bytes segment)
{
    if (part->kind == ED_PART_LITERAL)
        return ed_bytes_equal(part->text, segment);
    if (part->kind == ED_PART_INT)
        return naive_is_int(segment);
    return segment.len > 0;
}

/* Whether the path is the pattern's, and its arguments. */
static bool naive_path(const struct ed_pattern *p, struct ed_bytes path,
                       struct ed_bytes args[ED_PATTERN_ARGS])
{
    struct ed_bytes rest = ed_bytes_of(path.ptr + 1, path.len - 1);
    for (size_t i = 0; i < p->part_count; i++) {
        const struct ed_part *part = &p->parts[i];
        if (!rest.ptr)
            return false;
        if (part->kind == ED_PART_REST) {
            *args = rest;
            return true;
        }
        struct ed_bytes segment = ed_bytes_cut(&rest, '/');
        if (!naive_takes(part, segment))
            return false;
        if (part->kind != ED_PART_LITERAL)
            *args++ = segment;
    }
    return !rest.ptr;
}

static bool naive_lists(const struct ed_pattern *p, const char *method)
{
    char list[4096], *save = NULL;
    snprintf(list, sizeof list, "%.*s", (int)p->methods.len, p->methods.ptr);
    for (char *m = strtok_r(list, ",", &save); m;
         m = strtok_r(NULL, ",", &save)) {
        if (!strcmp(m, method))
            return true;
    }
    return false;
}

/* 0: not taken; else the more, the more exactly. */
static int naive_method(const struct ed_pattern *p, const char *method)
{
    if (naive_lists(p, method))
        return 3;
    if (!strcmp(method, "HEAD") && naive_lists(p, "GET"))
        return 2;
    return naive_lists(p, "*");
}

/* 0: another host; else the more, the more exactly. */
static size_t naive_host(const struct ed_pattern *p, const char *host)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(host, ":"), host);
    size_t len = strlen(name);
    if (len && name[len - 1] == '.')
        name[--len] = '\0';
    if (!p->host.len)
        return 1;
    if (!p->subdomains)
        return ed_bytes_equal_nocase(p->host, ed_bytes(name)) ? 100000 : 0;
    if (len <= p->host.len)
        return 0;
    struct ed_bytes tail = ed_bytes_of(name + len - p->host.len, p->host.len);
    return ed_bytes_equal_nocase(p->host, tail) ? 1 + p->host.len : 0;
}

/* Whether `a` wins over `b`, both of which match. */
static bool naive_wins(const struct ed_pattern *a, const struct ed_pattern *b,
                       const char *method, const char *host)
{
    if (naive_host(a, host) != naive_host(b, host))
        return naive_host(a, host) > naive_host(b, host);
    for (size_t i = 0; i < a->part_count && i < b->part_count; i++) {
        if (a->parts[i].kind != b->parts[i].kind)
            return a->parts[i].kind < b->parts[i].kind;
    }
    return naive_method(a, method) > naive_method(b, method);
}

/* ---- both ---- */

struct routes {
    struct ed_router router;
    struct ed_route routes[ROUTES_MAX];
    size_t count;
};

static void add_route(struct routes *all, struct input *in)
{
    struct ed_route *route = &all->routes[all->count];
    const char *why = NULL;
    char *text = next_pattern(in);
    int err = ed_pattern_parse(&route->pattern, all->router.arena, text, &why);
    free(text);
    if (!err)
        err = ed_router_add(&all->router, route, &why);
    CHECK(!err || why);
    if (!err)
        all->count++;
}

static void check_args(const struct ed_match *match, struct ed_bytes path)
{
    struct ed_bytes args[ED_PATTERN_ARGS] = {0};
    const struct ed_pattern *p = &match->route->pattern;
    CHECK(naive_path(p, path, args));
    for (size_t i = 0; i < p->arg_count; i++) {
        CHECK(args[i].ptr == match->args[i].ptr);
        CHECK(args[i].len == match->args[i].len);
    }
}

static void check_match(const struct routes *all, const char *method,
                        const char *host, struct ed_bytes path)
{
    const struct ed_route *best = NULL;
    bool path_known = false;
    for (size_t i = 0; i < all->count; i++) {
        const struct ed_route *r = &all->routes[i];
        struct ed_bytes args[ED_PATTERN_ARGS];
        if (!path.len || path.ptr[0] != '/' || !naive_host(&r->pattern, host) ||
            !naive_path(&r->pattern, path, args))
            continue;
        path_known = true;
        if (naive_method(&r->pattern, method) &&
            (!best || naive_wins(&r->pattern, &best->pattern, method, host)))
            best = r;
    }
    struct ed_match match;
    ed_router_match(&all->router, method, host, path, &match);
    CHECK(match.route == best);
    CHECK(best || !match.allowed == !path_known);
    if (best)
        check_args(&match, path);
}

/* What is found without a walk is what the walk would find. */
static void check_literal(const struct routes *all, const char *method,
                          const char *host, const char *path)
{
    struct ed_bytes canonical;
    struct ed_match match;
    const struct ed_route *literal =
        ed_router_match_literal(&all->router, method, ed_bytes(path));
    if (!literal)
        return;
    CHECK(!ed_path_decode(all->router.arena, ed_bytes(path), &canonical));
    CHECK(!ed_path_has_dots(canonical));
    ed_router_match(&all->router, method, host, canonical, &match);
    CHECK(match.route == literal);
}

/* A normal path has no dots, leads to no other host, and is normal. */
static void check_normal(ed_arena *arena, const char *path)
{
    struct ed_bytes canonical;
    const char *normal = ed_path_normal(arena, path);
    CHECK(normal && normal[0] == '/' && normal[1] != '/');
    CHECK(ed_path_decode(arena, ed_bytes(normal), &canonical) == 0);
    CHECK(!ed_path_has_dots(canonical));
    CHECK(!strcmp(ed_path_normal(arena, normal), normal));
}

static void check_request(const struct routes *all, struct input *in)
{
    unsigned kind = next_byte(in);
    char *path = next_path(in);
    struct ed_bytes canonical;
    int err = ed_path_decode(all->router.arena, ed_bytes(path), &canonical);
    CHECK(!err || err == ED_EPARSE);
    if (!err && path[0] == '/')
        check_normal(all->router.arena, path);
    if (!err)
        check_match(all, PICK(asked, kind), PICK(asked_hosts, kind / 8),
                    canonical);
    check_literal(all, PICK(asked, kind), PICK(asked_hosts, kind / 8), path);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, data + len};
    struct routes all = {.count = 0};
    ed_arena *arena = ed_arena_new(0);
    CHECK(arena);
    ed_router_init(&all.router, arena);
    unsigned routes = next_byte(&in) % ROUTES_MAX + 1;
    while (routes--)
        add_route(&all, &in);
    for (unsigned i = 0; i < REQUESTS_MAX && in.at < in.end; i++)
        check_request(&all, &in);
    ed_arena_free(arena);
    return 0;
}
